# SPDX-License-Identifier: ISC
"""A node without room serves on without keeping."""

import os
import threading

from net import check, command, equal, wait_until
from node import everyone_knows, sha256
from registry import test
from stack import Stack

MIB = 1 << 20
SIZE, ROOM = 24 * MIB, 12 * MIB


def small_home(node):
    """Its home is a file system with less room than the content has. Before it starts."""
    os.makedirs(node.home)
    os.chmod(node.home, 0o700)
    command("mount", "-t", "tmpfs", "-o", f"size={ROOM},mode=700", "tmpfs", node.home)


def all_at_once(nodes, name):
    """What curl on each node's host gets from it."""
    got = {}
    threads = [threading.Thread(target=lambda node=node: got.update({node: node.curl(name)}))
               for node in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [got[node] for node in nodes]


def passes_on(net, full, readers):
    """Content that does not fit into that node goes whole to those who read it; once over its
    cable, as long as they read together."""
    stack = Stack(net, start=False, core=1, paris=(1, 2))
    paris = stack.sites["paris"]
    nodes = {"gateway": paris.candidates[0], "slave": paris.slaves[0], "other": paris.slaves[1]}
    small_home(nodes[full])
    stack.start()
    content = os.urandom(SIZE)
    stack.core.nodes[0].put("big", content)
    everyone_knows(stack.nodes, "big")
    nodes[full].host.slow_down("40mbit")  # so that its readers come while it comes
    start = nodes[full].host.received()
    for got in all_at_once([nodes[name] for name in readers], "big"):
        equal((got.status, got.exit), (200, 0), "curl")
        equal(sha256(got.body), sha256(content), "the content")
    check(nodes[full].host.received() - start < 2 * SIZE, "it came over the cable again and again")
    check(not nodes[full].names()["big"].get("held"), "it is held where it does not fit")
    nodes[full].logged("kept nothing: there is no room on the disk")
    equal(nodes[full].metric("pond_fetches_failed_total"), 0, "fetches that failed")
    nodes[full].put("after", b"after")
    equal(nodes[full].get("after"), b"after", "a put that fits, afterwards")


@test("a gateway whose disk is full passes on to its slaves what it cannot keep", hostile=True)
def passing_gateway(net):
    passes_on(net, "gateway", ("slave", "other"))


@test("a slave whose disk is full gives its own host what it cannot keep", hostile=True)
def passing_slave(net):
    passes_on(net, "slave", ("slave",))


@test("a backup of the top whose disk is full gives its own host what it cannot keep", hostile=True)
def passing_backup(net):
    stack = Stack(net, start=False, core=2, paris=(1, 1))
    backup = stack.core.nodes[1]
    small_home(backup)
    stack.start()
    content = os.urandom(SIZE)
    stack.core.nodes[0].put("big", content)
    wait_until(lambda: backup.knows("big"), "the name arrives")
    got = backup.curl("big")
    equal((got.status, got.exit, sha256(got.body)), (200, 0, sha256(content)), "curl")
