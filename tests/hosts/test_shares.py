# SPDX-License-Identifier: ISC
"""Places for fetches: who asks for far too much at a time takes none from the others."""

import os
import threading

from net import check, equal, wait_until
from node import Node
from registry import test
from stack import Stack
from test_routes import add_tier
from traitor import Traitor

SIZE, MANY = 128 * 1024, 300  # more than the gateway has places


class Trickle:
    """A connection into which bytes go slowly, until all is let through; nobody calls it silent."""

    def __init__(self, connection, opened):
        self._connection, self._opened = connection, opened

    def sendall(self, data):
        while len(data) > 2048 and not self._opened.wait(0.2):
            self._connection.sendall(data[:1024])
            data = data[1024:]
        self._connection.sendall(data)


class Slow(Traitor):
    """It gives content slowly, until it is told to be quick."""

    def __init__(self, node):
        self.opened = threading.Event()
        super().__init__(node, "slowly")

    def spoil_slowly(self, connection, target, status, headers, body):
        if self.is_content(target):
            connection = Trickle(connection, self.opened)
        self.reply(connection, status, headers, body)


class Greedy:
    """A host that asks a node for many names at once, over a connection each."""

    def __init__(self, host, node, names):
        urls = [word for name in names for word in ("-o", "/dev/null", node.url(name))]
        self.statuses = []
        self._words = ["curl", "-sZ", "--parallel-immediate", "--parallel-max", len(names),
                       "--noproxy", "*", "-w", "%{http_code}\n", *urls]
        self._thread = threading.Thread(target=self._run, args=(host,))
        self._thread.start()

    def _run(self, host):
        self.statuses = host.run(*self._words).stdout.split()

    def wait(self):
        self._thread.join()
        return self.statuses


def gateway_of_two(net):
    """A source in the core; a gateway that leads two tiers; two hosts of the one, one of the
    other."""
    top, middle, *hosts = net.add(5)
    core = [f"{top.v4} master", f"{middle.v4} slave"]
    settings = {"nets": core, "nobroadcast": True, "base": 0.2, "plain_get": True}
    source, gateway = Node(top, **settings).start(), Node(middle, **settings)
    add_tier(gateway, "paris", [f"{middle.v4} master", *(f"{one.v4} slave" for one in hosts[:2])])
    add_tier(gateway, "rome", [f"{middle.v4} master", f"{hosts[2].v4} slave"])
    gateway.start()
    for tier in ("paris", "rome"):
        gateway.logged(f"tier {tier}: now master")
    return source, gateway, hosts


@test("a tier that asks its gateway for more than that can fetch at a time takes no place from "
      "another tier, nor from the gateway's own host", hostile=True)
def one_tier_starves_no_other(net):
    source, gateway, (paris, other_of_paris, rome) = gateway_of_two(net)
    names = [f"of/{number}" for number in range(MANY)]
    contents = {name: os.urandom(SIZE) for name in (*names, "of/rome", "of/gateway")}
    source.put_many(contents)
    wait_until(lambda: len(gateway.names()) == len(contents), "the gateway knows them all")
    slow = Slow(source)

    def have_asked(count):
        """Each begins a fetch, or is refused one."""
        return gateway.metric("pond_fetches_total") + \
            gateway.metric("pond_fetches_refused_total") >= count
    greedy = [Greedy(paris, gateway, names[::2]), Greedy(other_of_paris, gateway, names[1::2])]
    wait_until(lambda: have_asked(MANY), "all of them have asked")
    check(gateway.metric("pond_fetches_refused_total") > MANY / 4, "too few are refused")
    got = {}
    others = [threading.Thread(target=lambda host=host, name=name: got.update(
        {name: gateway.curl(name, host=host)})) for host, name in (
            (rome, "of/rome"), (gateway.host, "of/gateway"))]
    for thread in others:
        thread.start()
    wait_until(lambda: have_asked(MANY + 2), "they have asked")
    slow.opened.set()
    for thread in others:
        thread.join()
    for name, answer in got.items():
        equal((answer.status, answer.body == contents[name]), (200, True), f"{name} meanwhile")
    statuses = greedy[0].wait() + greedy[1].wait()
    equal(sorted(set(statuses)), ["200", "503"], "what the others were told")
    check(statuses.count("200") > MANY / 4, f"{statuses.count('200')} of {MANY} came")


@test("what a slave fetches in the background, by its gateway that has none of it either, comes, "
      "while the gateway fetches for itself, and is not taken for one that refuses")
def background_fetches_go_by_the_gateway(net):
    stack = Stack(net, core=1, paris=(1, 1), plain_get=True)
    top, gateway, slave = stack.nodes
    names = [f"many/{number}" for number in range(MANY)]
    top.put_many({name: f"first {name}".encode() for name in names})
    wait_until(lambda: len(slave.names()) == MANY, "the slave knows them all")
    for few in (names[start:start + 20] for start in range(0, MANY, 20)):
        equal(set(Greedy(slave.host, slave, few).wait()), {"200"}, "what the slave gave at first")
    top.put_many({name: f"second {name}".encode() for name in names})

    def newest(node):
        return sum(row["held"] and row["size"] == len(f"second {name}")
                   for name, row in node.names().items())
    wait_until(lambda: newest(slave) == MANY and newest(gateway) == MANY, "all have come")
    faults = [peer["fault"] for peer in slave.peers()]
    check("refuses" not in faults, f"the gateway is blamed: {faults}")
