# SPDX-License-Identifier: ISC
"""pond status and pond peers in three tiers: what they show is so now, not as it once was."""

import os

from net import check, comes_to, wait_until
from registry import test
from stack import Stack


def row(node, tier):
    return next(row for row in node.status()["tiers"] if row["tier"] == tier)


def place(node, other, tier):
    """How the other stands in the tier, as pond peers shows it on this node."""
    return next((place for place in node.peer(other.host)["tiers"] if place["tier"] == tier), None)


@test("a put that is confirmed is not shown as unconfirmed, and not as a fetch that failed")
def status_after_a_put(net):
    stack = Stack(net, paris=(2, 1))
    paris = stack.sites["paris"]
    slave, gateway, top = paris.slaves[0], stack.master(paris), stack.master(stack.core)
    slave.put("tool", os.urandom(20 << 20))
    for node in stack.nodes:
        wait_until(lambda node=node: node.status()["cache"]["bytes"] >= 20 << 20,
                   f"{node.name} holds it")
    wait_until(lambda: slave.status()["cache"]["unconfirmed"] == 0, "it is confirmed", pause=0.05)
    wait_until(lambda: row(gateway, "paris")["unconfirmed"] == 0, "the gateway knows")
    wait_until(lambda: row(top, "core")["unconfirmed"] == 0, "the top knows")
    for node in stack.nodes:
        said = node.done("status")
        check("could not fetch" not in said, f"{node.name} did: {said}")


@test("a slave says nothing of how the candidates stand that it does not follow")
def status_of_a_backup(net):
    stack = Stack(net, paris=(2, 1))
    paris = stack.sites["paris"]
    master, slave = stack.master(paris), paris.slaves[0]
    backup = next(node for node in paris.candidates if node is not master)
    wait_until(lambda: place(master, backup, "paris") and
               place(master, backup, "paris")["demoted"] is None, "the backup is in good order")
    wait_until(lambda: place(slave, backup, "paris"), "the slave has met the backup")

    def seen(other, *keys):
        return [place(slave, other, "paris")[key] for key in keys]
    comes_to(lambda: seen(backup, "role", "demoted", "demotion", "behind", "unconfirmed"),
             ["backup"] + [None] * 4, "what the slave shows of it")
    comes_to(lambda: seen(master, "demotion"), [0], "what the slave shows of the master")
