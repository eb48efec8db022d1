# SPDX-License-Identifier: ISC
"""Two versions side by side: nodes of this build and of another (run --other) understand each
other, and each takes over what the other left."""

import json
import os

from net import check, equal, wait_until
from node import NOT_FOUND, Node, everyone_knows, nets_of
from registry import test
from stack import Stack
from test_gossip import MESH, all_hear, beating
from test_tiers import get_at_once, gets
from tier import Tier

SMALL = b"one two three\n"
NOT_UNDERSTOOD = ("form", "unsigned", "wrong_key")


def of_other(*nodes):
    """Their next start is of the other version."""
    for node in nodes:
        node.build = node.host.net.other


def of_this(*nodes):
    for node in nodes:
        node.build = node.host.net.build


def swap(node):
    """The other version is installed; what runs is not restarted."""
    net = node.host.net
    node.build = net.build if node.build == net.other else net.other


def all_get(nodes, name, content):
    for node in nodes:
        gets(node, name, content)


def all_was_understood(nodes):
    for node in nodes:
        for verdict in NOT_UNDERSTOOD:
            equal(node.refused(verdict), 0, f"messages judged {verdict} by {node.name}")


def all_confirmed(nodes):
    for node in nodes:
        wait_until(lambda node=node: node.status()["cache"]["unconfirmed"] == 0,
                   lambda node=node: f"all puts of {node.name} are confirmed\n{node.log()[-2000:]}")


def all_named(nodes, text):
    return all(node.name in text for node in nodes)


# ---- a mesh


@test("a mesh of two versions puts, gets, lists and removes; either is restarted", versions=True)
def versions_mesh(net):
    hosts = net.add(4)
    nodes = [Node(host, nets=nets_of(hosts), nobroadcast=True) for host in hosts]
    of_other(nodes[1], nodes[3])
    for node in nodes:
        node.start()
    for i, putter in enumerate(nodes):
        content = os.urandom(2_500_000 + i)
        putter.put(f"file{i}", content)
        all_get(nodes, f"file{i}", content)
        everyone_knows(nodes, f"file{i}")
        wait_until(lambda i=i, putter=putter: all_named(nodes, putter.done("whohas", f"file{i}")),
                   "pond whohas names all of them")
    for i, remover in enumerate(reversed(nodes)):
        remover.done("rm", f"file{i}")
        for node in nodes:
            wait_until(lambda node=node, i=i: not node.knows(f"file{i}"),
                       f"file{i} is gone at {node.name}")
    equal(nodes[0].pond("get", "file0", "-o", "-").returncode, NOT_FOUND, "get of what is gone")
    for away, putter in zip(nodes[:2], nodes[1::-1]):
        away.stop()
        names = {f"{away.name}/{i}": os.urandom(100 + i) for i in range(100)}
        putter.put_many(names)
        away.start()
        wait_until(lambda away=away, names=names: set(names) <= set(away.names()),
                   f"{away.name} knows what was put while it was away")
        gets(away, f"{away.name}/7", names[f"{away.name}/7"])
    all_was_understood(nodes)


@test("a node that beats, with all that belongs to discovery, lives with those that know it not",
      versions=True)
def versions_discovery(net):
    hosts = net.add(4)
    nodes = [beating(host) for host in hosts[:2]] + [Node(host, nets=MESH) for host in hosts[2:]]
    for node in nodes[:2]:
        node.settings["nobroadcast"] = False
        node.write_config()
    of_other(*nodes[2:])
    for node in nodes:
        node.start()
    all_hear(nodes[:2])
    for i, putter in enumerate(nodes):
        putter.put(f"file{i}", SMALL + bytes([i]))
        everyone_knows(nodes, f"file{i}")
        all_get(nodes, f"file{i}", SMALL + bytes([i]))
    all_was_understood(nodes)


# ---- a tier


@test("candidates of two versions elect a master; each takes over from the other", versions=True)
def versions_election(net):
    tier = Tier(net, 4, 2, start=False)
    of_other(tier.candidates[1], tier.candidates[3], tier.slaves[1])
    for node in tier.nodes:
        node.start()
    tier.becomes_master(tier.candidates[0])
    tier.knows_itself()
    for i, master in enumerate(tier.candidates[:3]):
        name, content = f"file{i}", os.urandom(1_500_000 + i)
        tier.slaves[i % 2].done("put", "-", name, "--copies", "2", "--timeout", "60",
                                input=content, text=False)
        all_get(tier.running(), name, content)
        all_confirmed(tier.running())
        all_was_understood(tier.running())
        master.kill()
        tier.settled()
        tier.becomes_master(tier.candidates[i + 1])
    for node in reversed(tier.candidates[:3]):
        node.start()
        tier.becomes_master(node)
    for i in range(3):
        wait_until(lambda i=i: all(f"file{i}" in node.names() for node in tier.nodes),
                   "those that came back know all")
    all_was_understood(tier.nodes)


@test("a master of either version hands over when it is stopped", versions=True)
def versions_hand_over(net):
    tier = Tier(net, 2, 1, start=False)
    of_other(tier.candidates[1])
    for node in tier.nodes:
        node.start()
    first, second = tier.candidates
    tier.becomes_master(first)
    tier.names_its_successor(first, second)
    equal(first.stop(), 0, "SIGTERM")
    tier.becomes_master(second)
    second.logged("now master, .* the leaving master named it as its successor")
    first.start()
    tier.becomes_master(first)
    first.kill()
    tier.becomes_master(second)


# ---- tiers above each other


def mixed_stack(net):
    """In each tier either version stands beside, above and below the other."""
    stack = Stack(net, start=False, paris=(2, 2), rome=(2, 1))
    paris, rome = stack.sites["paris"], stack.sites["rome"]
    of_other(stack.core.nodes[1], paris.candidates[0], paris.slaves[1], rome.candidates[1],
             rome.slaves[0])
    stack.start()
    return stack, paris, rome


def up_and_down(stack, bottoms, label):
    """What is put at each bottom is confirmed, and comes to all."""
    for i, putter in enumerate(bottoms):
        name, content = f"{label}{i}", os.urandom(2_200_000 + i)
        putter.put(name, content)
        all_get([node for node in stack.nodes if node.process], name, content)
    all_confirmed([node for node in stack.nodes if node.process])


@test("tiers of two versions: puts go up, gets come down, through masters of either", versions=True)
def versions_stack(net):
    stack, paris, rome = mixed_stack(net)
    bottoms = [*paris.slaves, *rome.slaves]
    up_and_down(stack, bottoms, "first")
    paris.slaves[1].done("rm", "first0")
    rome.slaves[0].done("rm", "first1")
    for name in ("first0", "first1"):
        for node in stack.nodes:
            wait_until(lambda node=node, name=name: not node.knows(name), f"{name} is gone")
    all_was_understood(stack.nodes)
    for site in (paris, rome, stack.core):
        site.candidates[0].kill()
    for site in (paris, rome, stack.core):
        wait_until(lambda site=site: stack.master(site) is site.candidates[1],
                   lambda site=site: f"the other is master of {site.tier}\n{stack.told(site)}")
    up_and_down(stack, bottoms, "second")
    for site in (stack.core, paris, rome):
        site.candidates[0].start()
    stack.settled()
    stack.same_catalogue()


@test("tiers of two versions: --copies, and small objects in batches", versions=True)
def versions_copies_and_batches(net):
    stack, paris, rome = mixed_stack(net)
    for i, putter in enumerate((*paris.slaves, *rome.slaves, *paris.candidates)):
        content = os.urandom(300_000 + i)
        putter.done("put", "-", f"safe{i}", "--copies", "2", "--timeout", "60", input=content,
                    text=False)
    contents = {f"small/{i}": os.urandom(1 + 37 * i) for i in range(300)}
    stack.core.nodes[0].put_many(contents)
    stack.same_catalogue()
    for site, bottom in ((paris, paris.slaves[0]), (rome, rome.slaves[0])):
        master = site.candidates[0]
        before = master.metric("pond_http_requests_total")
        bottom.host.slow_down("20mbit")  # so that some are asked for while others come
        get_at_once(bottom, contents)
        asked = master.metric("pond_http_requests_total") - before
        check(asked < 0.8 * len(contents), f"{master.name} was asked {asked} times")
    all_was_understood(stack.nodes)


@test("a stack is brought to this version node by node, and back; nothing is lost", versions=True)
def versions_rolling(net):
    stack = Stack(net, start=False, paris=(2, 1))
    of_other(*stack.nodes)
    stack.start()
    bottom, wanted = stack.sites["paris"].slaves[0], {}

    def put(putter):
        name, content = f"file{len(wanted)}", os.urandom(200_000 + len(wanted))
        putter.put(name, content)
        wanted[name] = content
    put(bottom)
    for install in (of_this, of_other):
        for node in reversed(stack.nodes):
            equal(node.stop(), 0, f"{node.name}: SIGTERM")
            put(next(other for other in stack.nodes if other.process))
            install(node)
            node.start()
            put(node)
            stack.settled()
        stack.same_catalogue()
        all_confirmed(stack.nodes)
        for node in stack.nodes:
            for name, content in wanted.items():
                gets(node, name, content)


# ---- one home, one control socket


def listed(node):
    return {name: {key: row[key] for key in ("version", "size", "sha256", "held", "node")}
            for name, row in node.names().items()}


@test("a home goes to the other version and comes back: names, content, tombstones", versions=True)
def versions_home(net):
    hosts = net.add(2)
    node, peer = (Node(host, nets=nets_of(hosts), nobroadcast=True) for host in hosts)
    of_other(node)
    node.start()
    peer.start()
    wanted = {f"file{i}": os.urandom(1 + 70_000 * i) for i in range(20)}
    node.put_many(wanted)
    node.put_many({f"gone{i}": SMALL for i in range(3)})
    for i in range(3):
        node.done("rm", f"gone{i}")
    everyone_knows([peer], "file19")
    for step, install in enumerate((of_this, of_other, of_this)):
        before = listed(node)
        node.stop() if step != 1 else node.kill()
        install(node)
        node.start()
        equal(listed(node), before, "what pond ls lists")
        for name, content in wanted.items():
            equal(node.get(name) == content, True, f"{name} at the home's new owner")
        node.done("verify")
        wanted[f"new{step}"] = SMALL + bytes([step])
        node.put(f"new{step}", wanted[f"new{step}"])
        gets(peer, f"new{step}", wanted[f"new{step}"])
    check(not any(name.startswith("gone") for name in peer.names()), "what is gone has come back")


@test("the pond of one version speaks with the daemon of the other", versions=True)
def versions_pond(net):
    tier = Tier(net, 2, 1, start=False)
    of_other(tier.candidates[1], tier.slaves[0])
    for node in tier.nodes:
        node.start()
    tier.becomes_master(tier.candidates[0])
    for node in tier.nodes:
        swap(node)
    for i, node in enumerate(tier.nodes):
        node.done("put", "-", f"file{i}", "--copies", "1", input="content")
        all_get(tier.nodes, f"file{i}", b"content")
        everyone_knows(tier.nodes, f"file{i}")
    for node in tier.nodes:
        for words in (("status",), ("peers",), ("ls",), ("whohas", "file0")):
            check(node.done(*words).strip(), f"pond {' '.join(words)} prints nothing")
            json.loads(node.done(*words, "--json"))
        json.loads(node.done("conflicts", "--json"))
        for other in tier.nodes:
            if other is not node:
                wait_until(lambda node=node, other=other: other.name in node.done("peers"),
                           f"pond peers at {node.name} names {other.name}")
        wait_until(lambda node=node: tier.candidates[0].name in node.done("status"),
                   f"pond status at {node.name} names the master")
        node.done("verify")
        node.done("reload")
    for i, node in enumerate(tier.nodes):
        node.done("rm", f"file{i}")
        for other in tier.nodes:
            wait_until(lambda other=other, i=i: not other.knows(f"file{i}"),
                       f"file{i} is gone at {other.name}")
