# SPDX-License-Identifier: ISC
"""The configuration is read again while everything runs: SIGHUP, and pond reload."""

import json
import os
import re
import signal
import threading

from net import check, comes_to, contains, equal, patience, wait_until
from node import DONE, FAILED, KEY, Node, cluster, everyone_knows, nets_of, sha256
from registry import test
from tier import SAID, Tier, intervals

CONTENT = b"what is there\n"
MIB = 1024 * 1024


def change(node, **settings):
    """Writes main.cf with these settings, or without those that are None, and reloads."""
    node.settings.update(settings)
    node.settings = {name: value for name, value in node.settings.items() if value is not None}
    node.write_config()
    return node.done("reload")


def reload_all(nodes, lines):
    for node in nodes:
        node.write_nets(lines)
        node.done("reload")


class Download:
    """curl, by the host, of this node's object into a file."""

    def __init__(self, host, node, name):
        self.path = os.path.join(host.folder, "download")
        self.answer = None
        self.thread = threading.Thread(target=self._run, args=(host, node.url(name)))
        self.thread.start()

    def _run(self, host, url):
        self.answer = host.run("curl", "-sS", "--noproxy", "*", "-o", self.path, url)

    def size(self):
        return os.path.getsize(self.path) if os.path.exists(self.path) else 0

    def wait(self):
        self.thread.join()
        return self.answer.returncode

    def sha256(self):
        with open(self.path, "rb") as file:
            return sha256(file.read())


# ---- members -------------------------------------------------------------------------------------

@test("a member that is added is served at once; one that is removed is a stranger at once")
def members_join_and_leave(net):
    hosts = net.add(3)
    old = [Node(host, nets=nets_of(hosts[:2]), nobroadcast=True).start() for host in hosts[:2]]
    late = Node(hosts[2], nets=nets_of(hosts), nobroadcast=True).start()
    old[0].put("file", CONTENT)
    equal(old[0].curl("file", host=hosts[2]).status, 403, "before it is a member")
    reload_all(old, nets_of(hosts))
    equal(old[0].curl("file", host=hosts[2]).status, 401, "as a member who shows no key")
    equal(late.get("file"), CONTENT, "get by the new member")
    late.put("late", CONTENT)
    everyone_knows(old, "late")
    wait_until(lambda: old[0].peer(hosts[2])["used"], "the new member is used")
    reload_all(old, nets_of(hosts[:2]))
    equal(old[0].curl("file", host=hosts[2]).status, 403, "after it was removed")
    wait_until(lambda: old[0].peer(hosts[2]) is None, "it is forgotten")
    late.put("later", CONTENT)
    wait_until(lambda: old[0].refused("not_member") > 2, "its datagrams are refused")
    check(not old[0].knows("later"), "an announcement of a removed member was taken")
    old[0].logged("reload: 1 member added\n")
    old[0].logged("reload: 1 member removed\n")


@test("a removed member's download ends, and no other is touched")
def downloads(net):
    hosts = net.add(3)
    source = Node(hosts[0], nets=nets_of(hosts), nobroadcast=True, plain_get=True).start()
    path = os.path.join(source.folder, "large")
    content = os.urandom(MIB) * 200
    with open(path, "wb") as file:
        file.write(content)
    source.done("put", path, "large")
    for host in hosts[1:]:
        host.slow_down("100mbit")
    stays, leaves = [Download(host, source, "large") for host in hosts[1:]]
    wait_until(lambda: min(stays.size(), leaves.size()) > 4 * MIB, "both are under way")
    source.write_nets(nets_of(hosts[:2]))
    for _ in range(3):
        source.done("reload")
    check(leaves.wait() != 0, "the removed member got it all")
    check(leaves.size() < len(content), "the removed member got it all")
    check(stays.size() < len(content), "the other was through before the reload: no proof")
    hosts[1].slow_down("2gbit")
    equal(stays.wait(), 0, "the other's exit status")
    equal(stays.sha256(), sha256(content), "what the other got")


@test("what is being fetched from a member that is removed goes on from another")
def flights_go_on(net):
    first, second, reader = cluster(net, 3)
    content = os.urandom(24 * MIB)
    first.put("file", content)
    equal(sha256(second.get("file")), sha256(content), "the second source has it")
    wait_until(lambda: reader.knows("file"), "the name is known")
    reader.host.slow_down("20mbit")
    start = reader.host.received()
    got = []
    get = threading.Thread(target=lambda: got.append(reader.get("file")))
    get.start()
    wait_until(lambda: reader.host.received() - start > 4 * MIB, "the fetch is under way")
    source = reader.status()["fetches"][0]["source"].split(":")[0]
    left, stays = (first, second) if source == first.host.v4 else (second, first)
    reader.write_nets(nets_of([stays.host, reader.host]))
    contains(reader.done("reload"), f"{left.host.v4} removed", "what pond reload prints")
    wait_until(lambda: (reader.status()["fetches"][0]["source"] or "").startswith(stays.host.v4),
               "it goes on from the other")
    reader.host.slow_down("1gbit")
    get.join()
    equal([sha256(one) for one in got], [sha256(content)], "what came")
    check(reader.host.received() - start < 1.3 * len(content), "what was had was fetched again")


# ---- settings ------------------------------------------------------------------------------------

@test("settings that a reload applies count at once; the others are named")
def settings(net):
    hosts = net.add(3)
    node = Node(hosts[0], nets=nets_of(hosts[:2]), nobroadcast=True).start()
    node.put("file", CONTENT)
    equal(node.done("reload"), "nothing has changed\n", "pond reload")
    equal(node.curl("file", host=hosts[1]).status, 401, "GET without plain_get")
    equal(node.curl("/.pond/metrics", host=hosts[2]).status, 403, "metrics for a stranger")
    said = change(node, plain_get=True, monitors=[hosts[2].v4], cache_size="1M",
                  log_level="debug", auth="permissive", http_threads=3)
    contains(said, 'cache_size: 0 -> "1M"', "pond reload")
    contains(said, "http_threads: counts from the next start", "pond reload")
    equal(node.curl("file", host=hosts[1]).body, CONTENT, "GET with plain_get")
    equal(node.curl("/.pond/metrics", host=hosts[2]).status, 200, "metrics for a monitor")
    status = node.status()
    equal((status["cache"]["limit"], status["log_level"], status["auth"]),
          (MIB, "debug", "permissive"), "what status says")
    node.done("log-level", "error")
    change(node, cache_size=None)
    equal(node.status()["log_level"], "error", "log_level after pond log-level")
    change(node, log_level="info", monitors=None)
    equal(node.status()["log_level"], "info", "log_level after main.cf has changed it")
    equal(node.curl("/.pond/metrics", host=hosts[2]).status, 403, "metrics, no monitor any more")
    outcome = json.loads(node.done("reload", "--json"))
    equal((outcome["result"], outcome["restart"]), ("unchanged", ["http_threads"]), "the outcome")


@test("auth, nobroadcast and keys are changed while it runs")
def trust(net):
    hosts = net.add(2)
    first = Node(hosts[0], nets=nets_of(hosts), nobroadcast=True).start()
    plain = Node(hosts[1], nets=nets_of(hosts), nobroadcast=True, auth="receive-only").start()
    plain.put("one", CONTENT)
    wait_until(lambda: first.refused("unsigned") > 0, "what is unsigned is refused")
    change(first, auth="permissive")
    plain.put("two", CONTENT)
    everyone_knows([first], "two")
    change(first, auth="enforce")
    change(plain, auth="enforce")
    plain.put("three", CONTENT)
    everyone_knows([first], "three")
    for node in (first, plain):
        node.write_keys("another-key-of-the-same-cluster-0123456789", KEY)
        check("keys: others" in node.done("reload"), "other keys are told")
        check(node.done("reload") == "nothing has changed\n", "the same keys are no news")
    first.put("four", CONTENT)
    everyone_knows([plain], "four")
    lone = net.add(1)[0]
    stranger = Node(lone, nets=None, nobroadcast=False).start()
    stranger.write_keys("another-key-of-the-same-cluster-0123456789", KEY)
    change(first, nobroadcast=False)
    wait_until(lambda: stranger.peer(hosts[0]), "its broadcasts are heard")
    change(first, nobroadcast=True)
    equal(first.curl("four", host=lone).status, 403, "HTTP by a stranger with nobroadcast")
    wait_until(lambda: first.peer(lone) is None, "the stranger is forgotten")


def refuses(node, *parts):
    """pond reload and SIGHUP change nothing, and say where the fault is."""
    before = node.status()
    run = node.pond("reload")
    equal(run.returncode, FAILED, f"pond reload: {run.stderr}")
    for part in parts:
        contains(run.stderr, part, "what pond reload says")
    contains(run.stderr, "nothing was changed", "what pond reload says")
    seen = len(node.log())
    node.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "nothing was changed" in node.log()[seen:], "SIGHUP logs it")
    for part in parts:
        contains(node.log()[seen:], part, "what SIGHUP logs")
    after = node.status()
    for name in ("tiers", "auth", "log_level", "domain"):
        equal([t | {"since": 0} for t in after[name]] if name == "tiers" else after[name],
              [t | {"since": 0} for t in before[name]] if name == "tiers" else before[name], name)
    equal(after["cache"]["limit"], before["cache"]["limit"], "cache_size")


@test("a faulty main.cf, nets or key file changes nothing, and is told with its place",
      hostile=True)
def faults(net):
    first, second = cluster(net, 2)
    first.put("file", CONTENT)
    first.settings |= {"cache_size": "1G", "log_level": "loud"}
    first.write_config()
    refuses(first, "main.cf:", "log_level")
    first.settings["log_level"] = "debug"
    first.settings["colour"] = "red"
    first.write_config()
    refuses(first, "main.cf:", "colour")
    del first.settings["colour"]
    first.write_config()
    first.write_nets(nets_of(net.hosts) + ["10.77.0.300"])
    refuses(first, "nets:3: ")
    first.write_nets([second.host.v4])
    refuses(first, "main.cf:5: ", "own addresses")
    first.write_nets(nets_of(net.hosts))
    os.chmod(os.path.join(first.folder, "keys"), 0o644)
    refuses(first, "keys: ")
    os.chmod(os.path.join(first.folder, "keys"), 0o600)
    os.unlink(first.config)
    refuses(first, "main.cf")
    equal(second.get("file"), CONTENT, "get meanwhile")
    first.write_config()
    first.done("reload")
    equal(first.status()["cache"]["limit"], 1 << 30, "cache_size when all is good again")


@test("SIGHUP logs in one line what has changed")
def hangup(net):
    node = cluster(net, 1)[0]
    node.settings |= {"cache_size": "1G", "port": 7777}
    node.write_config()
    node.process.send_signal(signal.SIGHUP)
    node.logged(r"reload: cache_size; until the next start it waits with port\n")


# ---- again and again -----------------------------------------------------------------------------

def descriptors(folder):
    """What they are open on; but for content, of which some is kept open for who asks next."""
    for name in os.listdir(folder):
        try:
            there = os.readlink(os.path.join(folder, name))
        except FileNotFoundError:
            continue
        if "/content/" not in there:
            yield there


def held(node):
    """Descriptors, and kilobytes of memory."""
    folder = f"/proc/{node.process.pid}"
    with open(f"{folder}/status", encoding="ascii") as file:
        return (len(list(descriptors(f"{folder}/fd"))),
                int(re.search(r"VmRSS:\s+(\d+)", file.read())[1]))


class Load:
    """Gets and puts, one after another, until it is stopped."""

    def __init__(self, node, source):
        self.node, self.source, self.done, self.failed = node, source, 0, []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        while not self.stop.is_set():
            name = f"load{self.done}"
            self.source.put_many([name])
            run = self.node.pond("get", name, "-o", "-")
            if run.returncode != DONE or run.stdout != name:
                self.failed.append((name, run.stderr))
            self.done += 1

    def end(self):
        self.stop.set()
        self.thread.join()
        equal(self.failed, [], "what failed meanwhile")
        check(self.done > 5, f"only {self.done} gets: no load")


@test("fifty reloads under load lose nothing, and leave nothing behind")
def fifty(net):
    hosts = net.add(3)
    nodes = [Node(host, nets=nets_of(hosts), nobroadcast=True).start() for host in hosts[:2]]
    load = Load(nodes[1], nodes[0])
    lines = [nets_of(hosts), nets_of(hosts[:2]) + ["10.78.0.0/16"]]

    def rounds(count):
        for i in range(count):
            for node in nodes:
                node.write_nets(lines[i % 2])
                change(node, cache_size=f"{i % 2 + 1}G", plain_get=bool(i % 2))

    rounds(10)
    before = [held(node) for node in nodes]
    rounds(40)
    after = [held(node) for node in nodes]
    load.end()
    for node, (fds, kb), (_, more_kb) in zip(nodes, before, after):
        wait_until(lambda node=node, fds=fds: held(node)[0] <= fds + 8,
                   lambda node=node, fds=fds: f"{fds} descriptors became {held(node)[0]}")
        # Sanitizers keep what is freed, and find leaks by themselves.
        check(patience() > 1 or more_kb < kb + 8192, f"{kb} KiB became {more_kb}")


@test("asked by many at once, each gets an outcome of what was there when it asked")
def many_at_once(net):
    node = cluster(net, 1)[0]
    results = []

    def one():
        results.append(json.loads(node.done("reload", "--json"))["result"])

    node.settings["cache_size"] = "7G"
    node.write_config()
    threads = [threading.Thread(target=one) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(set(results) <= {"applied", "unchanged"} and "applied" in results, f"{results}")
    equal(node.status()["cache"]["limit"], 7 << 30, "cache_size")
    check(node.log().count("reload: ") <= 16, "a reload more than were asked for")


@test("ten thousand members are read within 100 ms, and hold the main loop up for less than 20")
def ten_thousand(net):
    node = cluster(net, 1)[0]
    lines = nets_of(net.hosts) + [f"10.1.{i >> 8}.{i & 255}" for i in range(10000)]
    node.write_nets(lines)
    outcomes = []
    for turn in range(5):
        node.write_nets(lines[:1] + [line.replace("10.1.", f"10.{turn + 2}.") for line in lines[1:]])
        outcomes.append(json.loads(node.done("reload", "--json")))
        equal(outcomes[-1]["members"]["added"], 10000, "members added")
    fastest = min(outcomes, key=lambda one: one["read_ms"] + one["applied_ms"])
    check(fastest["read_ms"] + fastest["applied_ms"] < 100 * patience(), f"it took {fastest}")
    check(min(one["applied_ms"] for one in outcomes) < 20 * patience(), f"it took {fastest}")


# ---- roles ---------------------------------------------------------------------------------------

def changes(tier):
    """How often any node has said that its role is another."""
    return [len(SAID.findall(node.log())) for node in tier.nodes]


@test("fifty reloads that change nothing of pair, role or membership change no role")
def roles_stay(net):
    tier = Tier(net, 3, 1, base=0.5)
    first = tier.candidates[0]
    tier.becomes_master(first)
    before = changes(tier)
    for i in range(50):
        threads = [threading.Thread(target=change, args=(node,), kwargs={"cache_size": f"{i + 1}G"})
                   for node in tier.nodes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        equal([node.status()["cache"]["limit"] for node in tier.nodes[:1]], [(i + 1) << 30],
              "cache_size")
    check(tier.agree() is first, tier.told())
    equal(changes(tier), before, "changes of role")
    tier.stays(first, intervals(first, 5))


@test("a reload with a better pair takes over, as preempt has it")
def pair_changes(net):
    tier = Tier(net, 3, preempt_delay=0.2)
    first, second, third = tier.candidates
    tier.becomes_master(first)
    contains(change(third, skew=0, base=0.1), "base: 0.2 -> 0.1", "what pond reload prints")
    tier.becomes_master(third)
    change(third, skew=200)
    tier.becomes_master(first)
    change(first, preempt=False)
    change(second, preempt=False, base=0.1, skew=0)
    tier.stays(first, intervals(first, 10))


@test("a slave becomes a candidate, and a candidate a slave")
def roles_change(net):
    tier = Tier(net, 2, 1, preempt_delay=0.2)
    first, second = tier.candidates
    slave = tier.slaves[0]
    tier.becomes_master(first)
    lines = [f"{host.v4} master" for host in tier.hosts[1:]] + ["10.77.0.0/24 slave"]
    reload_all([second, slave, first], lines)
    wait_until(lambda: tier.role(first) == "slave", "the first is a slave")
    master = tier.settled()
    tier.cut(master)
    rest = [node for node in tier.nodes if node is not master]
    check(tier.settled(rest) in (second, slave), "the other candidate takes over")


@test("tiers are joined and left, and a flat mesh becomes a tier that elects")
def tiers_come_and_go(net):
    tier = Tier(net, 2, 1)
    first, second = tier.candidates
    tier.becomes_master(first)
    flat = nets_of(tier.hosts)
    for node in (second, first, tier.slaves[0]):
        node.write_nets(flat)
        node.done("reload")
    comes_to(lambda: [t["role"] for t in first.status()["tiers"]], ["peer"],
             "the role in a flat mesh")
    first.put("file", CONTENT)
    everyone_knows([second], "file")
    lines = [f"{host.v4} master" for host in tier.hosts[:2]] + ["10.77.0.0/24 slave"]
    reload_all(tier.nodes, lines)

    def roles():
        return [[t["role"] for t in node.status()["tiers"]] for node in tier.nodes]
    comes_to(roles, [["master"], ["backup"], ["slave"]], "their roles, when they have elected again")
    for node in tier.nodes:
        node.settings["nets"] = []
        node.write_config()
        contains(node.done("reload"), "tier nets: left", "pond reload")
        equal(node.status()["tiers"], [], "tiers")
    for node in tier.nodes:
        node.settings["nets"] = ["nets"]
        node.write_config()
        contains(node.done("reload"), "tier nets: joined", "pond reload")
    comes_to(roles, [["master"], ["backup"], ["slave"]], "their roles in the end")


@test("a master that a reload takes out of the tier names its successor")
def master_leaves_by_reload(net):
    tier = Tier(net, 2, 1, base=1.0)
    first, second = tier.candidates
    tier.becomes_master(first)
    wait_until(lambda: first.status()["tiers"][0]["successor"] == second.host.v4, "a successor")
    first.settings["nets"] = []
    first.write_config()
    first.done("reload")
    tier.becomes_master(second, [second, tier.slaves[0]])
    equal(tier.view(second)["reason"], "the leaving master named it as its successor",
          "why the second is master")
    first.logged("tier nets: left, as master")
    wait_until(lambda: "it stops, or is no longer in the tier" in " ".join(first.status()["events"]),
               "that is among what happened lately")


@test("a node that began as a flat mesh elects when its nets file gets roles")
def flat_mesh_gets_roles(net):
    nodes = cluster(net, 2, base=0.2)
    lines = [f"{host.v4} master" for host in net.hosts]
    reload_all(nodes, lines)
    wait_until(lambda: sorted(Tier.view(node)["role"] or "" for node in nodes) ==
               ["backup", "master"], "they elect one of them")
