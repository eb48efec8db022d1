# SPDX-License-Identifier: ISC
"""Members of tiers that lie, in every role, and sign it with the key: no wrong byte is served to
anyone, who lied is named, and everybody else goes on."""

import os
import threading
import time

import wire
from net import check, contains, equal, patience, wait_until
from node import DOMAIN, PORT, everyone_knows
from registry import test
from stack import Stack
from tier import ADVERT_PORT
from traitor import Tampered, Traitor

CHUNK = 256 * 1024

# What is wrong with its answers, and what it is then blamed for.
ABOUT_BYTES = {"chunk": "wrong_chunk", "list": "wrong_list", "range": "wrong_answer"}
ABOUT_LENGTHS = {"short": "short_body", "endless": "endless_body", "long": "endless_body"}
ABOUT_CONTENT = ABOUT_BYTES | ABOUT_LENGTHS
ABOUT_NAMES = {"manifest": "wrong_manifest", "name": "wrong_manifest", "http": "wrong_answer"}


def blamed(victim, traitor, fault):
    """It is named, with what it did, by pond peers and in the log."""
    def said():
        return (victim.peer(traitor.host) or {}).get("fault")
    wait_until(lambda: said() == fault, lambda: f"{victim.name} says of {traitor.host.v4} {fault}; "
               f"it says {said()}; it was asked for {traitor.asked[-9:]}")
    contains(victim.done("peers"), traitor.host.v4, "pond peers")
    victim.logged(traitor.host.v4.replace(".", "[.]"))


def nothing_wrong(nodes, contents):
    """Whatever these nodes give for these names within a second, whole or broken off, is theirs."""
    def ask(node, name):
        answer = node.curl(name, "--max-time", 1)
        if answer.status == 200 and not contents[name].startswith(answer.body):
            wrong.append(f"{node.name} gave {len(answer.body)} bytes for {name} that are not its")
    wrong = []
    threads = [threading.Thread(target=ask, args=(node, name)) for node in nodes
               for name in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(wrong, [], "wrong bytes")


def comes(node, name, content):
    wait_until(lambda: node.curl(name).body == content,
               lambda: f"{node.name} serves {name}\n{node.log()[-2000:]}", pause=0.2)


def all_go_on(putter, getters, name):
    """What someone else puts reaches the others as if nobody lied."""
    content = os.urandom(2 * CHUNK)
    putter.put(name, content)
    for node in getters:
        comes(node, name, content)


def lying_slaves(net, lies):
    """They harm neither their gateway nor what others put."""
    stack = Stack(net, core=1, paris=(1, len(lies) + 1))
    paris, top = stack.sites["paris"], stack.core.nodes[0]
    gateway, (honest, *slaves) = paris.candidates[0], paris.slaves
    honest.put("other", b"another")
    comes(gateway, "other", b"another")
    traitors = [Traitor(slave, lie) for slave, lie in zip(slaves, lies)]
    contents = {lie: os.urandom(3 * CHUNK) for lie in lies}
    for traitor, (name, content) in zip(traitors, contents.items()):
        traitor.node.put(name, content)
    for traitor, fault in zip(traitors, lies.values()):
        blamed(gateway, traitor, fault)
    nothing_wrong([top, gateway], contents)
    all_go_on(honest, [gateway, top], "honest")


@test("slaves whose bytes are not what they put harm neither their gateway nor what others put",
      hostile=True)
def traitors_below_in_bytes(net):
    lying_slaves(net, ABOUT_BYTES)


@test("slaves that give less or more than they put harm neither their gateway nor what others put",
      hostile=True)
def traitors_below_in_lengths(net):
    lying_slaves(net, ABOUT_LENGTHS)


@test("slaves that lie about names, or in HTTP, harm neither their gateway nor what others put",
      hostile=True)
def traitors_below_in_names(net):
    lying_slaves(net, ABOUT_NAMES)


def lying_backups(net, lies):
    """They harm neither their master nor what it serves."""
    stack = Stack(net, core=1 + len(lies), paris=(1, 1))
    master, *backups = stack.core.nodes
    bottom = stack.sites["paris"].slaves[0]
    bottom.put("other", b"another")
    comes(master, "other", b"another")
    traitors = [Traitor(backup, lie) for backup, lie in zip(backups, lies)]
    contents = {lie: os.urandom(3 * CHUNK) for lie in lies}
    for traitor, (name, content) in zip(traitors, contents.items()):
        traitor.node.put(name, content)
    for traitor, fault in zip(traitors, lies.values()):
        blamed(master, traitor, fault)
    nothing_wrong([master, bottom], contents)
    equal(stack.master(stack.core), master, "the core's master")
    all_go_on(bottom, [master, *backups], "honest")


@test("backups whose bytes are not what they hold harm neither their master nor what it serves",
      hostile=True)
def traitors_beside_in_bytes(net):
    lying_backups(net, ABOUT_BYTES)


@test("backups that give less or more than they hold harm neither their master nor what it serves",
      hostile=True)
def traitors_beside_in_lengths(net):
    lying_backups(net, ABOUT_LENGTHS)


@test("backups that lie about names, or in HTTP, harm neither their master nor what it serves",
      hostile=True)
def traitors_beside_in_names(net):
    lying_backups(net, ABOUT_NAMES)


def lying_master(stack, site, followers):
    """It lies to each of its followers in another way, until somebody demotes it."""
    first, second = site.candidates
    contents = {"big": os.urandom(4 * CHUNK)}
    second.put("big", contents["big"])
    comes(first, "big", contents["big"])
    everyone_knows(followers, "big")
    lies = {node.host.v4: lie for node, lie in zip(followers, ABOUT_CONTENT)}
    traitor = Traitor(first, lies=lies)
    nothing_wrong(followers, contents)
    for node, fault in zip(followers, ABOUT_CONTENT.values()):
        blamed(node, traitor, fault)
    first.done("demote", site.tier)
    wait_until(lambda: stack.master(site) is second, "the other one is master")
    for node in followers:
        comes(node, "big", contents["big"])


@test("a site's master that lies gives its slaves no wrong byte, and once another is master they "
      "read on", hostile=True)
def traitor_above_slaves(net):
    stack = Stack(net, core=1, paris=(2, len(ABOUT_CONTENT)))
    paris = stack.sites["paris"]
    lying_master(stack, paris, paris.slaves)


@test("a core's master that lies gives the gateways below no wrong byte, and once another is "
      "master they read on", hostile=True)
def traitor_above_gateways(net):
    sites = {f"site{number}": (1, 0) for number in range(len(ABOUT_CONTENT))}
    stack = Stack(net, core=2, **sites)
    lying_master(stack, stack.core, [site.nodes[0] for site in stack.sites.values()])


@test("a master that lies to its backups gives them no wrong byte, and stays what it is",
      hostile=True)
def traitor_above_backups(net):
    stack = Stack(net, core=1 + len(ABOUT_CONTENT), paris=(1, 1))
    master, *backups = stack.core.nodes
    bottom, content = stack.sites["paris"].slaves[0], os.urandom(3 * CHUNK)
    lies = {node.host.v4: lie for node, lie in zip(backups, ABOUT_CONTENT)}
    traitor = Traitor(master, lies=lies)
    bottom.put("big", content)
    for node, fault in zip(backups, ABOUT_CONTENT.values()):
        blamed(node, traitor, fault)
    nothing_wrong(backups, {"big": content})
    equal(stack.master(stack.core), master, "the core's master")


# ---- what they say in datagrams


def manifest(node, name):
    return wire.parse(node.curl(f"/.pond/manifest/{DOMAIN}/{name}").body)


def holds(said, node, name, **changes):
    """What somebody said, made into the word that it holds this name as the node has it."""
    true = manifest(node, name)
    return said | {"file": f"{DOMAIN}/{name}", "version": true["version"], "size": true["size"],
                   "sha256": true["sha256"], "held": "True", "_type_held": "b"} | changes


def unconfirmed(node):
    return node.status()["cache"]["unconfirmed"]


def judged(node, verdict):
    return node.metric("pond_messages_judged_total", verdict=verdict)


class Parrot:
    """Passes everything on, and keeps the latest ihave that the host said."""

    def __init__(self, node):
        self.said, self.node = None, node
        self.tampered = Tampered(node.host, self.change)

    def change(self, port, to, headers):
        if port == PORT and headers["_type"] == "ihave":
            self.said = headers
        return [(to, headers)]

    def says(self, to, headers, times=5, verdict="pass", source=None):
        """So often that it is heard, and judged."""
        before = judged(to, verdict)
        for _ in range(times):
            self.tampered.say(PORT, to.host.v4, headers, source)
        wait_until(lambda: judged(to, verdict) >= before + times, "it is heard")


@test("a slave's word confirms nothing, nor does it from a candidate's address, nor a candidate's "
      "about another version", hostile=True)
def untrue_confirmations(net):
    stack = Stack(net, core=1, paris=(1, 2))
    (gateway,), (putter, sibling) = stack.sites["paris"].candidates, stack.sites["paris"].slaves
    below, above = Parrot(sibling), Parrot(gateway)
    putter.put("before", b"before")
    sibling.put("beside", b"beside")
    comes(gateway, "beside", b"beside")
    wait_until(lambda: unconfirmed(putter) == 0, "the gateway has confirmed it")
    wait_until(lambda: above.said and below.said, "both have said something")
    gateway.stop()
    putter.put("mine", b"mine")
    equal(unconfirmed(putter), 1, "unconfirmed puts")
    below.says(putter, holds(below.said, putter, "mine"))
    older = manifest(putter, "before")["version"]
    above.says(putter, holds(above.said, putter, "mine", version=older))
    above.says(putter, holds(above.said, putter, "mine", held="False"))
    captured = holds(below.said, putter, "mine", address=sibling.host.v4)
    below.says(putter, captured, verdict="other_address", source=gateway.host.v4)
    del captured["address"]
    below.says(putter, captured, source=gateway.host.v4)
    equal(unconfirmed(putter), 1, "unconfirmed puts, after untrue words")
    gateway.start()
    comes(gateway, "mine", b"mine")
    wait_until(lambda: unconfirmed(putter) == 0, "it is confirmed")


@test("who says that it holds what it lacks is asked in vain, seldom, and the true holder is found",
      hostile=True)
def untrue_holders(net):
    stack = Stack(net, core=1, paris=(1, 2))
    (gateway,), (holder, boaster) = stack.sites["paris"].candidates, stack.sites["paris"].slaves
    parrot, traitor = Parrot(boaster), Traitor(boaster)
    boaster.put("own", b"own")
    comes(gateway, "own", b"own")
    true = Traitor(holder, "busy")
    holder.put("mine", b"mine")
    everyone_knows([gateway], "mine")
    traitor.asked.clear()
    parrot.says(gateway, holds(parrot.said, holder, "mine"))
    wait_until(lambda: traitor.asked, f"it is asked for it\n{gateway.log()}")
    nothing_wrong([gateway], {"mine": b"mine"})
    check(len(traitor.asked) <= 8, f"it was asked for {traitor.asked}")
    true.usual = "nothing"
    comes(gateway, "mine", b"mine")


class Headless:
    """Whatever its host says of its catalogue's head is of no catalogue, and another one each
    time."""

    def __init__(self, node):
        self.tampered, self.said = Tampered(node.host, self.change), None

    def change(self, port, to, headers):
        if port == ADVERT_PORT and "sequence" in headers:
            headers = self.false(headers)
            self.said = to, headers
        return [(to, headers)]

    @staticmethod
    def false(headers):
        return headers | {"sequence": str(int(headers["sequence"]) + 1000000),
                          "digest": os.urandom(32).hex()}

    def insists(self, seconds):
        """Says it twenty times a second."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            to, headers = self.said
            self.tampered.say(ADVERT_PORT, to, self.false(headers))
            time.sleep(0.05)


def bearable(stack, traitor, began, others):
    """It was asked now and then, by each of the others, since then, and everybody goes on."""
    asked = len(traitor.asked) / (time.monotonic() - began) / len(others)
    check(0 < asked <= 3, f"each asks it {asked:g} times a second: {traitor.asked[-9:]}")
    all_go_on(others[0], [node for node in stack.nodes if node is not traitor.node], "honest")


@test("a master that tells of catalogues that there are not costs its followers little",
      hostile=True)
def untrue_heads_above(net):
    stack = Stack(net, core=2, paris=(2, 2))
    paris = stack.sites["paris"]
    master, began = paris.candidates[0], time.monotonic()
    traitor, _ = Traitor(master), Headless(master)
    wait_until(lambda: traitor.asked, "somebody compares")
    time.sleep(5 * patience())
    bearable(stack, traitor, began, [paris.candidates[1], *paris.slaves])


@test("a slave that tells of catalogues that there are not costs its master little", hostile=True)
def untrue_heads_below(net):
    stack = Stack(net, core=1, paris=(1, 2))
    paris = stack.sites["paris"]
    slave, traitor = paris.slaves[0], Traitor(paris.slaves[0])
    headless = Headless(slave)
    slave.restart()
    wait_until(lambda: headless.said, "it says how it stands")
    began = time.monotonic()
    headless.insists(5 * patience())
    wait_until(lambda: traitor.asked, "somebody compares")
    bearable(stack, traitor, began, paris.candidates)


def puts_in_the_future(liar, victim):
    """It tells everybody of a version from the future, and the victim the manifest of it; which
    blames it."""
    future = f"{int(time.time() * 1000) + 3600000}.0"

    def change(_port, to, headers):
        if "version" in headers:
            headers["version"] = future
        return [(to, headers)]
    traitor = Traitor(liar)
    traitor.spoil_future = lambda *answer: traitor.change_manifest(
        *answer, rb"(?m)^version: .*", b"version: " + future.encode())
    traitor.lies = {victim.host.v4: "future"}
    Tampered(liar.host, change)
    liar.put("name", b"false")
    blamed(victim, traitor, "ahead")
    return future


def goes_on_in_the_present(stack, putter, getters, future):
    putter.put("name", b"newer")
    for node in getters:
        comes(node, "name", b"newer")
    for node in stack.nodes:
        check(node.names()["name"]["version"] != future, f"{node.name} took it")


@test("a slave's version from the future gets no further than its gateway, who names it",
      hostile=True)
def versions_from_the_future_below(net):
    stack = Stack(net, core=1, paris=(1, 2))
    (gateway,), (honest, slave) = stack.sites["paris"].candidates, stack.sites["paris"].slaves
    honest.put("name", b"true")
    comes(slave, "name", b"true")
    future = puts_in_the_future(slave, gateway)
    goes_on_in_the_present(stack, honest, [gateway, stack.core.nodes[0]], future)


@test("a backup's version from the future gets no further than its master, who names it",
      hostile=True)
def versions_from_the_future_beside(net):
    stack = Stack(net, core=2, paris=(1, 1))
    (master, backup), bottom = stack.core.nodes, stack.sites["paris"].slaves[0]
    bottom.put("name", b"true")
    comes(backup, "name", b"true")
    future = puts_in_the_future(backup, master)
    goes_on_in_the_present(stack, bottom, [master], future)


@test("a master's version from the future is taken by no slave, and once another is master they go "
      "on", hostile=True)
def versions_from_the_future_above(net):
    stack = Stack(net, core=1, paris=(2, 1))
    paris = stack.sites["paris"]
    (first, second), (slave,) = paris.candidates, paris.slaves
    slave.put("name", b"true")
    comes(first, "name", b"true")
    future = puts_in_the_future(first, slave)
    first.done("demote", "paris")
    wait_until(lambda: stack.master(paris) is second, "the other one is master")
    goes_on_in_the_present(stack, second, [slave], future)


@test("a manifest with the sums of nothing costs at most its name's content, until somebody puts "
      "it anew", hostile=True)
def sums_of_nothing(net):
    stack = Stack(net, core=2, paris=(1, 2))
    (gateway,), (honest, slave) = stack.sites["paris"].candidates, stack.sites["paris"].slaves
    traitor, content = Traitor(slave, "sums"), os.urandom(2 * CHUNK)
    slave.put("name", content)
    wait_until(lambda: gateway.knows("name"), "the gateway knows it")
    everyone_knows(stack.core.nodes, "name")
    nothing_wrong([gateway, *stack.core.nodes], {"name": content})  # of which pages may tell
    traitor.lies = {gateway.host.v4: "nothing"}
    honest.put("name", b"new")
    for node in stack.nodes:
        comes(node, "name", b"new")
    stack.same_catalogue()
