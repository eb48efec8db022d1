# SPDX-License-Identifier: ISC
"""A node that is demoted, by hand or because it cannot serve, leaves mastership to another one, and
gets it back."""

import os
import time

import wire

from net import check, comes_to, contains, equal, wait_until
from node import DONE, NOT_FOUND, PORT, REFUSED
from registry import test
from tier import Tier, intervals

# The best candidate comes back soon after it may.
EAGER = {"preempt_delay": 0.5}


def in_tier(node):
    return node.status()["tiers"][0]


def demoted(node):
    return in_tier(node)["demoted"] or ""


def first_is_master(net, candidates=2, slaves=0, **settings):
    tier = Tier(net, candidates, slaves, **EAGER | settings)
    first = tier.candidates[0]
    tier.becomes_master(first)
    wait_until(lambda: not any(demoted(node) for node in tier.candidates), "nobody is behind")
    return tier, first


@test("demote moves mastership in one round trip, and restore brings it back")
def by_hand(net):
    tier, first = first_is_master(net, 3, 1, base=2.0)
    second, slave = tier.candidates[1], tier.slaves[0]
    comes_to(lambda: in_tier(slave)["successor"], second.host.v4, "whom the master names")
    equal(first.done("demote", "nets"), "demoted in tier nets until it is restored\n", "its answer")
    seconds = tier.becomes_master(second)
    check(seconds < intervals(first, 2), f"it took {seconds:.2f} s")  # its dead time is 3
    contains(first.done("status"), "\nDEMOTED nets: somebody demoted it (until pond restore)\n",
             "pond status")

    def told():
        place = (second.peer(first.host)["tiers"] or [{}])[0]
        return place.get("role"), place.get("demoted")
    comes_to(told, ("backup", "somebody demoted it"), "its role for others, and why")
    tier.stays(second, intervals(first, 2))
    contains(first.done("restore", "nets"), "restored in tier nets", "its answer")
    tier.becomes_master(first)
    equal(demoted(first), "", "what it says")
    equal(first.metric("pond_tier_role", role="master"), 1, "the metric")


@test("a demotion by hand lasts over a restart and a crash, and names what it cannot do")
def by_hand_for_long(net):
    tier, first = first_is_master(net, 2, 1)
    second, slave = tier.candidates[1], tier.slaves[0]
    first.done("demote", "nets")
    tier.becomes_master(second)
    first.restart()
    tier.settled()
    tier.stays(second, intervals(first, 10))
    equal(demoted(first), "somebody demoted it", "after a restart")
    first.kill()
    first.start()
    tier.settled()
    tier.stays(second, intervals(first, 10))
    equal(demoted(first), "somebody demoted it", "after a crash")
    second.kill()
    tier.becomes_master(first)
    equal(demoted(first), "somebody demoted it", "the only one left")
    second.start()
    tier.becomes_master(second)
    run = first.pond("demote", "rome")
    equal(run.returncode, NOT_FOUND, "a tier that there is not")
    contains(run.stderr, "it has one in: nets", "the message")
    run = slave.pond("demote", "nets")
    equal(run.returncode, REFUSED, "a slave")
    contains(run.stderr, "only its candidates", "the message")


@test("a demotion with --for ends by itself, over a restart too")
def by_hand_for_a_while(net):
    tier, first = first_is_master(net)
    second = tier.candidates[1]
    began = time.monotonic()
    first.done("demote", "nets", "--for", "10s")
    tier.becomes_master(second)
    first.restart()
    check(0 < in_tier(first)["by_hand"]["left_s"] <= 10, "how long it goes on")
    tier.becomes_master(first)
    check(time.monotonic() - began >= 10, "it ended early")
    equal(in_tier(first)["by_hand"], None, "what it says")
    first.logged("the time of the demotion by hand is up")


@test("a lone candidate serves on, demoted, rather than not at all")
def alone(net):
    tier, first = first_is_master(net, 1, 1)
    first.done("demote", "nets")
    wait_until(lambda: in_tier(tier.slaves[0])["master_demotion"], "the slave knows it")
    tier.stays(first, intervals(first, 10))
    contains(first.done("status"), "DEMOTED nets", "pond status")


def fill(folder):
    """Leaves no room there."""
    with open(os.path.join(folder, "ballast"), "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass


@test("a master whose disk is full hands over, and comes back when there is space")
def store_full(net):
    tier = Tier(net, 2, start=False, **EAGER)
    first, second = tier.candidates
    os.makedirs(first.home, mode=0o700)
    status = os.system(f"mount -t tmpfs -o size=16m,mode=700 tmpfs {first.home}")
    equal(status, 0, "mount")
    first.start()
    second.start()
    tier.becomes_master(first)
    run = first.pond("put", "-", "large", input="x" * (32 * 1024 * 1024))
    equal(run.returncode, REFUSED, "a put that is too large")
    tier.stays(first, 5)  # that is no reason: there is space for others
    fill(first.home)
    equal(first.pond("put", "-", "small", input="x" * 9999).returncode, REFUSED, "put when full")
    tier.becomes_master(second)
    contains(demoted(first), "its store takes nothing", "why")
    first.logged("this node is demoted: its store takes nothing: the disk is full")
    os.unlink(os.path.join(first.home, "ballast"))
    tier.becomes_master(first)
    first.put("small", b"small")


@test("a master whose HTTP server does not answer hands over, and comes back when it does")
def http_closed(net):
    tier, first = first_is_master(net)
    second = tier.candidates[1]
    first.host.nft("add table inet wall; add chain inet wall in { type filter hook input "
                   "priority 0; }; add rule inet wall in tcp dport 65028 reject with tcp reset")
    tier.becomes_master(second)
    equal(demoted(first), "its HTTP server does not answer", "why")
    equal(second.curl("/.pond/status").status, 200, "the other one's answer")
    first.host.nft("delete table inet wall")
    tier.becomes_master(first)


@test("a master whose clock is off hands over, and comes back when it is right")
def clock_off(net):
    tier, first = first_is_master(net, 2, 2, keys=None, open=True)
    second = tier.candidates[1]
    for slave in tier.slaves:  # who then say what this test wants
        slave.stop()
    sockets = [slave.host.datagrams() for slave in tier.slaves]
    counter = 0

    def slaves_tell(seconds_ahead):
        nonlocal counter
        counter += 1
        for slave, udp in zip(tier.slaves, sockets):
            clock = int((time.time() + seconds_ahead) * 1000)
            boot = int((time.time() + 3600) * 1000)  # above the one that it had itself
            data = wire.notice("whohas", "x", node=slave.name, boot=boot,
                               counter=counter, newer=0, tuid=f"{counter}.1@{slave.name}",
                               clock=clock)
            udp.sendto(data, (first.host.v4, PORT))

    slaves_tell(120)
    tier.becomes_master(second, tier.candidates)
    equal(demoted(first), "its clock is off", "why")
    slaves_tell(0)
    tier.becomes_master(first, tier.candidates)
    equal(first.pond("put", first.config, "dated").returncode, DONE, "a put")
