# SPDX-License-Identifier: ISC
"""What the world outside is told of an election: hooks, pond events, the service manager; and a
virtual address that follows the master."""

import json
import os
import socket
import subprocess
import threading
import time

import test_vip
from net import check, comes_to, equal, wait_until
from node import Node
from registry import test

TRACE = "env | grep ^POND_ | paste -sd ' ' >>trace"
HOOKS = {"on_master": TRACE, "on_backup": TRACE, "on_slave": TRACE}
FAST = 0.2  # seconds between adverts: dead after three times that
TIER = "nets"  # as Node calls its nets file


def pair(net, **settings):
    """Two candidates, the first the better one, each on a host of its own; not started."""
    hosts = net.add(2)
    nets = [f"{host.v4} master" for host in hosts] + ["10.77.0.0/24 slave"]
    return [Node(host, nets=nets, nobroadcast=True, base=FAST, skew=number, **settings)
            for number, host in enumerate(hosts)]


def trace(node):
    """What its hooks were told, in order: one {name without POND_: value} a run."""
    try:
        with open(os.path.join(node.folder, "trace"), encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        return []
    return [dict(word[len("POND_"):].split("=", 1) for word in line.split())
            for line in text.split("\n")[:-1]]


def told(node, **wanted):
    """Waits until its last hook was told this; returns all of it."""
    def last():
        runs = trace(node)
        fits = runs and all(runs[-1].get(name) == value for name, value in wanted.items())
        return runs[-1] if fits else None
    return wait_until(last, lambda: f"the last hook of {node.name} is told {wanted}, not "
                      f"{trace(node)[-1:]}")


@test("hooks run when roles change, and are told what has changed and why")
def hooks_are_told(net):
    first, second = pair(net, **HOOKS)
    first.start()
    got = told(first, ROLE="master")
    equal({name: got[name] for name in ("TIER", "MASTER", "ADDRESS", "NODE", "OWN_ADDRESS", "AGAIN",
                                        "ENDED")},
          {"TIER": TIER, "MASTER": first.name, "ADDRESS": first.host.v4, "NODE": first.name,
           "OWN_ADDRESS": first.host.v4, "AGAIN": "0", "ENDED": "0"}, "what the master's hook is told")
    equal([run["ROLE"] for run in trace(first)], ["backup", "master"], "the first one's hooks")
    equal(trace(first)[0]["REASON"], "started", "why it began as backup")
    second.start()
    told(second, ROLE="backup", AGAIN="1", MASTER=first.name)
    equal(trace(second)[0]["AGAIN"], "0", "how it began, before it knew whose backup it is")

    first.kill()
    after = told(second, ROLE="master")
    equal(after["MASTER"], second.name, "the master after the failover")
    check(int(after["EPOCH"]) > int(got["EPOCH"]), "the epoch has grown")
    check(after["REASON"] in ("silence", "process_died"), f"why: {after['REASON']}")

    before = len(trace(first))
    first.start()
    wait_until(lambda: "master" in [run["ROLE"] for run in trace(first)[before:]], "it is back")
    told(second, ROLE="backup", AGAIN="1", MASTER=first.name)
    back = [run for run in trace(second) if run["AGAIN"] == "0"][-1]
    equal((back["REASON"], back["ENDED"]), ("asked", "0"), "why the second one is backup again")

    comes_to(lambda: first.status()["tiers"][0]["successor"], second.host.v4, "its successor")
    equal(first.stop(), 0, "exit status of the first")
    got = told(first, ROLE="backup")
    equal((got["REASON"], got["ENDED"]), ("stopping", "1"), "what its last hook is told")
    equal(told(second, ROLE="master")["REASON"], "named", "why the second one is master then")


@test("hooks that hang, fail or flood hold no election up, and the last state wins", seconds=120)
def bad_hooks_hold_nothing_up(net):
    first, second = pair(net)
    first.settings |= {"on_master": "sleep 1000", "on_backup": "exit 3"}
    second.settings |= {"on_master": "yes", "on_backup": TRACE}
    for node in (first, second):
        node.write_config()
    first.start()
    second.start()
    first.logged(f"{TIER}: on_backup failed after .* exit status 3")
    events = Events(second)
    follows(second, first)

    first.host.unplug()  # its hook hangs meanwhile
    began = time.monotonic()
    events.wait(role="master")
    check(time.monotonic() - began < 8, "the second one took over in time")  # a hook has 10
    first.host.plug_in()
    events.wait(role="backup", master=first.name)  # its own hook floods meanwhile

    first.logged(f"{TIER}: on_master did not end within 10 s")
    second.logged(f"{TIER}: on_master did not end within 10 s")
    told(second, ROLE="backup")
    check(second.metric("pond_hooks_output_cut_bytes_total") > 0, "the flood is counted")
    check(second.log().count("on_master says: y") <= 50, "the flood is kept off the log")
    check(first.metric("pond_hooks_killed_total") >= 1, "the hook that hung is counted")
    events.end()
    for node in (second, first):
        node.kill()  # their stop would wait for hooks that hang again


def follows(node, master):
    """Waits until it does, since its latest start."""
    node.logged(f"{TIER}: backup of {master.name}")


class Events:
    """pond events, running."""

    def __init__(self, node):
        self.process = subprocess.Popen(node.words("events"), stdout=subprocess.PIPE, text=True)
        self.seen, self.lock = [], threading.Lock()
        threading.Thread(target=self._read, daemon=True).start()
        wait_until(lambda: self._find(event="listening"), "pond events listens")

    def _read(self):
        for line in self.process.stdout:
            with self.lock:
                self.seen.append(json.loads(line))

    def _find(self, **wanted):
        with self.lock:
            for number, event in enumerate(self.seen):
                if all(event.get(name) == value for name, value in wanted.items()):
                    self.seen = self.seen[number + 1:]
                    return event
        return None

    def wait(self, **wanted):
        """The next event that fits, behind those that were waited for before."""
        return wait_until(lambda: self._find(**wanted), lambda: f"pond events says {wanted}; it "
                          f"said {self.seen}")

    def end(self):
        self.process.terminate()
        self.process.wait()


@test("pond events and pond status tell of changes of role")
def events_tell_of_roles(net):
    first, second = pair(net)
    first.start()
    second.start()
    follows(second, first)
    events = Events(second)
    first.kill()
    event = events.wait(event="role", role="master")
    equal({name: event[name] for name in ("tier", "again", "ended", "master", "address",
                                          "own_address")},
          {"tier": TIER, "again": False, "ended": False, "master": second.name,
           "address": second.host.v4, "own_address": second.host.v4}, "the event")
    check(event["reason"] in ("silence", "process_died") and event["epoch"] >= 2, f"why: {event}")
    check(abs(event["time_ms"] / 1000 - time.time()) < 60, "when")
    wait_until(lambda: "nets: this node is master now (epoch" in second.done("status"),
               "pond status shows it among what happened last")
    equal(second.stop(), 0, "exit status")
    event = events.wait(event="role", ended=True)
    equal((event["role"], event["reason"]), ("backup", "stopping"), "the last event")
    events.end()


@test("the service manager is shown the roles")
def the_manager_is_shown_the_roles(net):
    path = os.path.join(net.folder, "notify")
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(path)
    manager.setblocking(False)
    os.environ["NOTIFY_SOCKET"] = path
    first, second = pair(net, on_master="echo ${NOTIFY_SOCKET:-none} >socket")
    said = []

    def has_said(line):
        try:
            while True:
                said.append(manager.recv(4096).decode())
        except BlockingIOError:
            return line in said
    first.start()
    wait_until(lambda: has_said(f"STATUS=master of {TIER}"), "the manager is told")
    second.start()
    wait_until(lambda: has_said(f"STATUS=backup in {TIER}"), "the manager is told of the backup")

    def hooks_own():
        with open(os.path.join(first.folder, "socket"), encoding="utf-8") as file:
            return file.read()
    wait_until(lambda: os.path.exists(os.path.join(first.folder, "socket")), "the hook has run")
    comes_to(hooks_own, "none\n", "the hook's own way to the manager")


class Client:
    """Asks an address again and again, and remembers when it was answered."""

    def __init__(self, host, address):
        self.host, self.address, self.answers, self.going = host, address, [], True
        self.thread = threading.Thread(target=self._ask, daemon=True)
        self.thread.start()

    def _ask(self):
        while self.going:
            family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
            with self.host.socket(family) as one:
                one.settimeout(0.05)
                try:
                    one.connect((self.address, 9))
                except ConnectionRefusedError:  # nobody listens on that port: that is an answer
                    self.answers.append(time.monotonic())
                except OSError:
                    pass
            time.sleep(0.002)

    def answered(self):
        """Waits for an answer to what is asked from now on."""
        count = len(self.answers)
        wait_until(lambda: len(self.answers) > count + 1, f"{self.address} answers")

    def longest_gap(self):
        self.going = False
        self.thread.join()
        return max(b - a for a, b in zip(self.answers, self.answers[1:]))


@test("a virtual address, IPv4 and IPv6, follows the master, and its client hardly notices")
def a_virtual_address_follows_the_master(net):
    program = os.path.join(net.build, "tools/vip/carpond-vip")
    words = f"{test_vip.V4}/24 {test_vip.V6}/64 eth0"
    first, second = pair(net, on_master=f"exec {program} add {words}",
                         on_backup=f"exec {program} del {words}")
    asker = net.add(1)[0]

    def owner(node, *others):
        """Waits until this node has both addresses, the others none, and the asker knows it."""
        for address in (test_vip.V4, test_vip.V6):
            wait_until(lambda a=address: a in test_vip.addresses(node.host), f"{node.name} has it")
            for other in others:
                wait_until(lambda a=address, o=other: a not in test_vip.addresses(o.host),
                           f"{other.name} has given it up")
    first.start()
    owner(first)
    second.start()
    clients = [Client(asker, address) for address in (test_vip.V4, test_vip.V6)]

    def answered_by(node):
        for client in clients:
            client.answered()
            wait_until(lambda c=client: test_vip.neighbour(asker, c.address) ==
                       test_vip.mac(node.host), f"the client finds {client.address} at {node.name}")
    answered_by(first)
    follows(second, first)
    first.kill()  # it cannot give anything up
    owner(second)
    answered_by(second)
    first.start()  # gives up first what it still had, then takes over
    owner(first, second)
    answered_by(first)
    equal(first.stop(), 0, "exit status of the first")
    owner(second, first)
    answered_by(second)
    second.host.unplug()
    first.start()
    owner(first)
    answered_by(first)
    for client in clients:
        gap = client.longest_gap()
        print(f"longest gap of {client.address}: {gap * 1000:.0f} ms")
        check(gap < 5, f"{client.address} was away for {gap:.2f} s")
