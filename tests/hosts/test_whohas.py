# SPDX-License-Identifier: ISC
"""pond whohas across the tiers: every holder, from wherever it is asked, and what is missing."""

import json
import os

from net import contains, equal, wait_until
from node import NOT_FOUND, everyone_knows
from registry import test
from stack import Stack


def asked(node, name):
    return json.loads(node.done("whohas", name, "--json"))


def rows(answer):
    return {row["node"]: row for row in answer["answers"]}


def complete(stack, node, name):
    """The first answer that lists all nodes; who is slow is not waited for long."""
    answers = []

    def all_listed():
        answers.append(asked(node, name))
        return sorted(rows(answers[-1])) == sorted(n.name for n in stack.nodes)
    wait_until(all_listed, lambda: f"all are listed at {node.name}: {answers[-1]}")
    return answers[-1]


@test("pond whohas lists every node of every tier that knows the name, wherever it is asked")
def whohas_tiers(net):
    stack = Stack(net, paris=(2, 2), rome=(1, 1))
    paris, rome = stack.sites["paris"], stack.sites["rome"]
    paris.slaves[0].put("tool", os.urandom(1000))
    everyone_knows(stack.nodes, "tool")
    for node in (paris.slaves[1], stack.core.nodes[1]):
        answer = complete(stack, node, "tool")
        found = rows(answer)
        equal(answer["missing"], [], f"what is missing at {node.name}")
        equal(len({row["version"] for row in found.values()}), 1, "versions")
        equal(answer["answers"][0]["node"], node.name, "the first row: the node itself")
        far = found[rome.slaves[0].name]
        equal((far["tier"], far["address"].split(":")[0]), ("rome", rome.slaves[0].host.v4),
              "where the far slave was met")
        equal(found[paris.slaves[0].name]["held"], True, "who put it has it")
    equal(paris.slaves[1].pond("whohas", "nothing").returncode, NOT_FOUND, "an unknown name")


@test("pond whohas reaches slaves that have said nothing but that they are there")
def whohas_quiet_slaves(net):
    stack = Stack(net, core=1, paris=(2, 2), start=False)
    paris = stack.sites["paris"]
    for node in paris.nodes:  # the slaves by their network, as a site's nets file names them
        stack.write(node, "nets/paris", [f"udp {host.v4} master" for host in paris.candidate_hosts]
                    + ["udp 10.77.0.4/30 slave"])
    stack.start()
    stack.core.nodes[0].put("tool", b"x")
    everyone_knows(stack.nodes, "tool")
    for node in (stack.core.nodes[0], paris.slaves[1]):
        complete(stack, node, "tool")


@test("pond whohas says what it could not ask")
def whohas_without_a_master(net):
    stack = Stack(net, core=1, paris=(1, 1))
    paris = stack.sites["paris"]
    slave = paris.slaves[0]
    slave.put("tool", b"x")
    everyone_knows(stack.nodes, "tool")
    paris.candidates[0].kill()
    wait_until(lambda: stack.view(slave)["paris"][1] is None, "the slave sees no master")
    run = slave.pond("whohas", "tool")
    contains(run.stdout, slave.name, "its own row")
    contains(run.stderr, "has no master at the moment", "what is missing")
