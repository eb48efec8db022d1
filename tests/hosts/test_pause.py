# SPDX-License-Identifier: ISC
"""A process that stands still for a while (a debugger, a suspended host, a hypervisor that is busy
elsewhere) and goes on as if nothing had happened."""

import random
import signal
import time

from ballots import Ear, masterships, overlap
from net import amount, check, equal, patience, wait_until
from registry import test
from tier import Tier, intervals

PAUSES = amount(3)
SHORTEST, LONGEST = 0.5, 30.0  # seconds
SLACK = 0.15  # seconds, for the machine that all of them share


def pauses(seed):
    """So many; the first few are short, so that a quick run has both kinds."""
    dice = random.Random(seed)
    return [0.5, 1.2, 2.5, *(dice.uniform(SHORTEST, LONGEST) for _ in range(PAUSES))][:PAUSES]


def pause(node, seconds):
    node.process.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    node.process.send_signal(signal.SIGCONT)


@test("a master that was paused is backup before it says anything, and never are there two for "
      "longer than an interval", seconds=300 + 45 * PAUSES)
def a_paused_master(net):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    tier = Tier(net, 3, 1, preempt_delay=0.5)
    first, second, third = tier.candidates
    interval = first.settings["base"]  # as it is: a slow machine only has the more time to act
    dead = 3 * interval
    for seconds in pauses(seed):
        tier.becomes_master(first)
        epoch = tier.view(first)["epoch"]
        ear = Ear(net)
        wait_until(lambda ear=ear: ear.since(host=1, kind="advert"), "it is heard")
        pause(first, seconds)
        resumed = ear.mark()
        if seconds < dead - SLACK:
            tier.stays(first, intervals(first, 4))
            equal(tier.view(second)["epoch"], epoch, f"the epoch after a pause of {seconds:.1f} s")
        elif seconds > dead + SLACK:
            tier.becomes_master(first)
            stale = [ballot.headers["epoch"] for ballot in ear.since(resumed, host=1, kind="advert")
                     if int(ballot.headers["epoch"]) <= epoch]
            equal(stale, [], f"epochs that it adverts as if nothing had been, after {seconds:.1f} s")
            check(tier.view(third)["epoch"] > epoch + 1, "somebody stood in for it, and gave way")
        longest, who = overlap(ear.since())
        check((1, epoch) in masterships(ear.since()), "its mastership was not heard")
        check(longest <= interval * patience(), f"two masters for {longest:.2f} s after a pause of "
              f"{seconds:.1f} s: (host, epoch) {who}")


@test("backups that were paused take over from nobody")
def paused_backups(net):
    tier = Tier(net, 3)
    first, second, third = tier.candidates
    tier.becomes_master(first)
    for node in (second, third):
        node.process.send_signal(signal.SIGSTOP)
    time.sleep(intervals(first, 6))
    ear = Ear(net)
    for node in (second, third):
        node.process.send_signal(signal.SIGCONT)
    tier.stays(first, intervals(first, 6))
    equal({ballot.host for ballot in ear.since(kind="advert")}, {1}, "who adverts")


@test("a tier of which all were paused has the same master as before")
def all_paused(net):
    tier = Tier(net, 3)
    first = tier.candidates[0]
    tier.becomes_master(first)
    ear = Ear(net)
    for node in tier.nodes:
        node.process.send_signal(signal.SIGSTOP)
    time.sleep(3 * patience())
    for node in tier.nodes:
        node.process.send_signal(signal.SIGCONT)
    wait_until(lambda: "stood still" in first.log(), "the master has noticed that it stood still")
    tier.becomes_master(first)
    tier.stays(first, intervals(first, 5))
    longest, who = overlap(ear.since())
    check(longest <= intervals(first, 1), f"two masters for {longest:.2f} s: {who}")
