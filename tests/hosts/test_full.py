# SPDX-License-Identifier: ISC
"""Disks that are full, at each place in tiers: gets go on, puts say why they fail, a candidate gives
way, and all is well again once there is room."""

import concurrent.futures
import os

from net import check, contains, equal, wait_until
from node import REFUSED, everyone_knows
from registry import test
from stack import Stack

ROOM, MIB = "24m", 1024 * 1024
AGAIN = 90  # seconds until a node has seen that there is room again, and been heard


class Disk:
    """A small one, as the home of a node that does not run yet."""

    def __init__(self, node):
        self.node, self.ballast = node, os.path.join(node.home, "ballast")
        os.makedirs(node.home, mode=0o700)
        equal(os.system(f"mount -t tmpfs -o size={ROOM},mode=700 tmpfs {node.home}"), 0, "mount")

    def fill(self):
        """To the last byte."""
        with open(self.ballast, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass

    def empty(self):
        os.unlink(self.ballast)


def small_homes(net, pick, **sites):
    """A stack of which one node's disk is small; that node and its disk."""
    stack = Stack(net, start=False, preempt_delay=0.5, **sites)
    node = pick(stack)
    disk = Disk(node)
    stack.start()
    return stack, node, disk


def refuses_puts(node):
    run = node.pond("put", "-", "refused", input="x" * MIB)
    equal(run.returncode, REFUSED, f"pond put at {node.name}: {run.stderr}")
    contains(run.stderr, "full", f"what pond put at {node.name} says")
    equal(node.knows("refused"), False, "is it known?")


def gets(node, name, content, seconds=60):
    def got():
        answer = node.curl(name)
        check(answer.status != 200 or content.startswith(answer.body), f"{node.name} gave what is "
              f"not {name}'s")
        return answer.exit == 0 and answer.body == content
    wait_until(got, lambda: f"{node.name} serves {name}\n{node.log()[-2000:]}", seconds, 0.2)


def why_demoted(node, tier):
    return next(row for row in node.status()["tiers"] if row["tier"] == tier)["demoted"] or ""


@test("a slave whose disk is full serves what comes through, refuses puts, and takes them again")
def full_slave(net):
    stack, slave, disk = small_homes(net, lambda stack: stack.sites["paris"].slaves[0], core=1,
                                     paris=(1, 1))
    content = os.urandom(8 * MIB)
    stack.core.nodes[0].put("known", content)
    everyone_knows(stack.nodes, "known")
    disk.fill()
    stack.core.nodes[0].put("through", content)
    everyone_knows(stack.nodes, "through")
    gets(slave, "through", content)
    refuses_puts(slave)
    gets(slave, "known", content)
    disk.empty()
    wait_until(lambda: slave.pond("put", slave.config, "again").returncode == 0,
               "it takes puts again", AGAIN)
    everyone_knows(stack.nodes, "again")


@test("a gateway whose disk is full serves its slaves, gives way to another, and comes back")
def full_gateway(net):
    stack, first, disk = small_homes(net, lambda stack: stack.sites["paris"].candidates[0], core=1,
                                     paris=(2, 1))
    paris = stack.sites["paris"]
    second, slave, content = paris.candidates[1], paris.slaves[0], os.urandom(8 * MIB)
    wait_until(lambda: stack.master(paris) is first, "the best is master")
    stack.core.nodes[0].put("through", content)
    everyone_knows(stack.nodes, "through")
    disk.fill()
    refuses_puts(first)
    wait_until(lambda: stack.master(paris) is second, lambda: "the other one is master\n"
               f"{first.log()}", AGAIN)
    contains(why_demoted(first, "paris"), "its store takes nothing", "why")
    gets(first, "through", content)
    gets(slave, "through", content)
    slave.put("up", content[:MIB])
    gets(stack.core.nodes[0], "up", content[:MIB])
    disk.empty()
    wait_until(lambda: stack.master(paris) is first, "it comes back", AGAIN)
    first.put("again", b"again")
    everyone_knows(stack.nodes, "again")


@test("what is put below a site's only gateway while its disk is full goes up once there is room")
def full_lone_gateway(net):
    stack, gateway, disk = small_homes(net, lambda stack: stack.sites["paris"].candidates[0],
                                       core=1, paris=(1, 2))
    (first, second), top = stack.sites["paris"].slaves, stack.core.nodes[0]
    content = os.urandom(8 * MIB)
    disk.fill()
    refuses_puts(gateway)
    first.put("up", content)
    disk.empty()
    gets(top, "up", content, AGAIN)
    gets(second, "up", content)
    equal(stack.master(stack.sites["paris"]), gateway, "the site's master")


@test("a site's only gateway whose disk is full passes on what its slaves ask for, however large")
def full_lone_gateway_passes(net):
    stack, gateway, disk = small_homes(net, lambda stack: stack.sites["paris"].candidates[0],
                                       core=1, paris=(1, 2))
    slaves, top = stack.sites["paris"].slaves, stack.core.nodes[0]
    disk.fill()
    for size in (8, 64):
        content = os.urandom(size * MIB)
        top.put(f"{size}-mib", content)
        with concurrent.futures.ThreadPoolExecutor(len(slaves)) as pool:
            list(pool.map(lambda node, size=size, content=content:
                          gets(node, f"{size}-mib", content), slaves))


@test("a core's master whose disk is full gives way, and has everything once there is room")
def full_top(net):
    stack, first, disk = small_homes(net, lambda stack: stack.core.nodes[0], core=2, paris=(1, 1))
    second, slave = stack.core.nodes[1], stack.sites["paris"].slaves[0]
    wait_until(lambda: stack.master(stack.core) is first, "the best is master")
    slave.put("before", b"before")
    gets(first, "before", b"before")
    disk.fill()
    refuses_puts(first)
    wait_until(lambda: stack.master(stack.core) is second, lambda: "the other one is master\n"
               f"{first.log()}", AGAIN)
    contains(why_demoted(first, "core"), "its store takes nothing", "why")
    content = os.urandom(4 * MIB)
    slave.put("meanwhile", content)
    gets(second, "meanwhile", content)
    gets(first, "before", b"before")
    gets(slave, "before", b"before")
    disk.empty()
    wait_until(lambda: stack.master(stack.core) is first, "it comes back", AGAIN)
    gets(first, "meanwhile", content)
    stack.same_catalogue()
