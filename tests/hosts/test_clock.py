# SPDX-License-Identifier: ISC
"""The wall clock is stepped, on one host or on all: the election reads another one."""

import mmap
import os
import shutil
import struct
import time

from ballots import Ear, masterships
from net import check, contains, equal, wait_until
from registry import test
from tier import Tier, intervals

HOUR, AGES = 3600, 1 << 32  # 32 bits of seconds end in 2106


class Clock:
    """The wall clock of one node, from its next start on."""

    def __init__(self, node):
        self.path = os.path.join(node.folder, "shift")
        with open(self.path, "wb") as file:
            file.write(bytes(mmap.PAGESIZE))
        with open(self.path, "r+b") as file:
            self._shared = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        node.environment = {"LD_PRELOAD": node.program("tests/hosts/clock.so"),
                            "CLOCK_SHIFT": self.path}

    def step(self, seconds):
        """From now on it is off by so many seconds."""
        self._shared[:8] = struct.pack("q", int(seconds * 1e9))


def steps():
    now = time.time()
    return (("an hour ahead", HOUR), ("an hour back", -HOUR), ("to 1970", -now),
            ("to 2106", AGES - now), ("back to the true time", 0))


def tier_of_clocks(net, candidates=3, slaves=1):
    tier = Tier(net, candidates, slaves, start=False)
    clocks = {node: Clock(node) for node in tier.nodes}
    for node in tier.nodes:
        node.start()
    tier.becomes_master(tier.candidates[0])
    return tier, clocks


def nobody_is_elected(net, whose, candidates=3, slaves=1):
    """Steps of the clocks of `whose` nodes, of a tier's, change no role."""
    tier, clocks = tier_of_clocks(net, candidates, slaves)
    first, second = tier.candidates[:2]
    epoch = tier.view(first)["epoch"]
    ear = Ear(net)
    for what, seconds in steps():
        for node in whose(tier):
            clocks[node].step(seconds)
        tier.stays(first, intervals(first, 6))
        equal(tier.view(second)["epoch"], epoch, f"the epoch after a step {what}")
    equal(list(masterships(ear.since())), [(1, epoch)], "who adverted in which epoch")


@test("stepping the master's clock by an hour, to 1970 or to 2106 elects nobody")
def the_masters_clock_is_stepped(net):
    # Two nodes do not know whose clock is wrong; among more it gives mastership up, in time.
    nobody_is_elected(net, lambda tier: tier.candidates[:1], candidates=2, slaves=0)


@test("stepping a backup's clock by an hour, to 1970 or to 2106 elects nobody")
def a_backups_clock_is_stepped(net):
    nobody_is_elected(net, lambda tier: tier.candidates[1:2])


@test("stepping all clocks by an hour, to 1970 or to 2106 elects nobody")
def all_clocks_are_stepped(net):
    nobody_is_elected(net, lambda tier: tier.nodes)


@test("a clock that is off is noticed where nobody puts or asks for anything, too: put is refused, "
      "and another one is master until it is right", seconds=60)
def a_quiet_tier(net):
    tier, clocks = tier_of_clocks(net)
    first, *others = tier.candidates

    def off_by(seconds):
        clocks[first].step(seconds)
        for node in others:  # so that they say how they stand, and do not wait for half a minute
            node.done("demote", "nets")
            node.done("restore", "nets")
        return lambda: "clock" in first.status()["health"]
    wait_until(off_by(HOUR), "it knows that its clock is off")
    contains(first.pond("put", "-", "a", input="1").stderr, "clock", "why put is refused")
    wait_until(lambda: tier.masters() and first not in tier.masters(), "another one is master")
    is_off = off_by(0)
    wait_until(lambda: not is_off(), "it knows that its clock is right again")
    tier.becomes_master(first)
    first.put("a", b"1")


@test("one who starts again in 1970, with or without what it remembered, takes part as before")
def a_start_in_1970(net):
    tier, clocks = tier_of_clocks(net)
    first, second, third = tier.candidates
    for seconds, forgets, date in ((-time.time(), False, "1970-01-01"), (0, True, "20"),
                                   (AGES - time.time(), True, "2106-02-07")):
        first.kill()
        tier.becomes_master(second, [second, third, *tier.slaves])
        if forgets:
            shutil.rmtree(first.home)
        clocks[first].step(seconds)
        first.start()
        tier.becomes_master(first)
        check(first.log().startswith(date), f"its log is not dated {date}: is its clock stepped?")
    tier.stays(first, intervals(first, 5))
    # And what it then says is believed: it is missed when it goes.
    first.kill()
    tier.becomes_master(second, [second, third, *tier.slaves])
    check(tier.view(second)["epoch"] > 6, "each change had an epoch of its own")
