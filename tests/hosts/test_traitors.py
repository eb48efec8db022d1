# SPDX-License-Identifier: ISC
"""Members of tiers that lie, in every role, and sign it with the key: no wrong byte is served to
anyone, who lied is named, and everybody else goes on."""

import os
import threading

from net import contains, equal, wait_until
from node import everyone_knows
from registry import test
from stack import Stack
from traitor import Traitor

CHUNK = 256 * 1024

# What is wrong with its answers, and what it is then blamed for.
ABOUT_CONTENT = {"chunk": "wrong_chunk", "list": "wrong_list", "short": "short_body",
                 "endless": "endless_body", "range": "wrong_answer", "long": "endless_body"}
ABOUT_NAMES = {"manifest": "wrong_manifest", "name": "wrong_manifest", "http": "wrong_answer"}


def blamed(victim, traitor, fault, seconds=20):
    """It is named, with what it did, by pond peers and in the log."""
    def said():
        return (victim.peer(traitor.host) or {}).get("fault")
    wait_until(lambda: said() == fault, f"{victim.name} says of {traitor.host.v4} {fault}; it says "
               f"{said()}; it was asked for {traitor.asked[-9:]}", seconds)
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


def comes(node, name, content, seconds=20):
    wait_until(lambda: node.curl(name).body == content,
               f"{node.name} serves {name}\n{node.log()[-2000:]}", seconds, pause=0.2)


def all_go_on(putter, getters, name):
    """What someone else puts reaches the others as if nobody lied."""
    content = os.urandom(2 * CHUNK)
    putter.put(name, content)
    for node in getters:
        comes(node, name, content, 5)


@test("slaves that lie about what they put harm neither their gateway nor what others put",
      hostile=True)
def traitors_below(net):
    lies = ABOUT_CONTENT | ABOUT_NAMES
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


@test("backups that lie about what they hold harm neither their master nor what it serves",
      hostile=True)
def traitors_beside(net):
    lies = {lie: ABOUT_CONTENT[lie] for lie in ("chunk", "list", "range")}
    stack = Stack(net, core=1 + len(lies), paris=(1, 1))
    master, *backups = stack.core.nodes
    bottom = stack.sites["paris"].slaves[0]
    traitors = [Traitor(backup, lie) for backup, lie in zip(backups, lies)]
    contents = {lie: os.urandom(3 * CHUNK) for lie in lies}
    for traitor, (name, content) in zip(traitors, contents.items()):
        traitor.node.put(name, content)
    for traitor, fault in zip(traitors, lies.values()):
        blamed(master, traitor, fault)
    nothing_wrong([master, bottom], contents)
    equal(stack.master(stack.core), master, "the core's master")
    all_go_on(bottom, [master, *backups], "honest")


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
        comes(node, "big", contents["big"], 5)


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
