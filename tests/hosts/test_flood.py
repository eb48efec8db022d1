# SPDX-License-Identifier: ISC
"""Adverts that are forged, edited, cut short, said again elsewhere or later, or far too many."""

import itertools
import os
import shutil
import time

from ballots import Ear, longest_gap, masterships
from forger import Attacker, headers_edited
from net import amount, check, equal, patience, wait_until
from node import Node
from registry import test
from tier import Tier, intervals

RATE, SECONDS, RUN = 200000, amount(3), 32
LATE = 0.02  # seconds that an advert may be late under a flood


def a_tier_that_is_heard(net, count=4):
    """Three candidates and a slave, and so many of the master's adverts."""
    tier = Tier(net, 3, 1)
    ear = Ear(net)
    tier.becomes_master(tier.candidates[0])
    adverts = wait_until(lambda: ear.since(host=1, kind="advert")[count:], "adverts are heard")
    return tier, ear, [ballot.data for ballot in adverts]


def bits_turned(data):
    """Each with one bit turned."""
    for place, bit in itertools.product(range(len(data)), range(8)):
        yield data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1:]


def undisturbed(tier, ear, epoch, mark=0):
    """Since then the first alone has adverted, in the one epoch."""
    equal(list(masterships(ear.since(mark))), [(1, epoch)], "who adverted in which epoch")
    check(tier.agree() is tier.candidates[0], "they no longer agree:\n" + tier.told())


@test("an advert that is edited in any bit, or cut short anywhere, changes nothing", hostile=True)
def edited_and_truncated(net):
    tier, ear, (advert, *_) = a_tier_that_is_heard(net)
    first, second, _ = tier.candidates
    epoch = tier.view(first)["epoch"]
    forged = [*headers_edited(advert), *bits_turned(advert),
              *(advert[:length] for length in range(len(advert)))]
    attacker = Attacker(net, forged)
    before = second.refused()

    def whole_round(target, source):
        """Each of them once at least, on a machine that is slow too."""
        while attacker.send(target.host, source.host, rate=len(forged) * 5 // 4) < len(forged):
            pass
    for target, source in ((second, first), (first, second), (tier.slaves[0], first)):
        whole_round(target, source)

    def are_refused():
        """What was lost on the way is sent again."""
        whole_round(second, first)
        return second.refused() - before > len(forged)
    wait_until(are_refused, "the gate refused them")
    tier.stays(first, intervals(first, 5))
    undisturbed(tier, ear, epoch)


@test("adverts that are said again, at once, later, or from another address, keep no master alive",
      hostile=True)
def replayed_while_it_is_dead(net):
    tier, ear, adverts = a_tier_that_is_heard(net)
    first, second, third = tier.candidates
    attacker = Attacker(net, adverts)
    epoch = tier.view(first)["epoch"]
    for source in (first.host, third.host, None):
        attacker.send(second.host, source)
    tier.stays(first, intervals(first, 3))
    undisturbed(tier, ear, epoch)
    tier.cut(first)
    replay = attacker.start(second.host, first.host, rate=500, seconds=600)
    tier.becomes_master(second, [second, third])
    equal(tier.view(second)["reason"], "no master was heard for the dead time", "why")
    attacker.send(second.host, first.host)
    tier.stays(second, intervals(second, 3), [second, third])
    check(replay.poll() is None, "the replay ended too soon")
    replay.kill()


def elects_itself(node, attacker, source, what):
    """Under a steady replay it becomes master alone, and stays it."""
    replay = attacker.start(node.host, source, rate=500, seconds=600)
    node.start()
    node.logged(r"tier (nets|other): now master")
    time.sleep(intervals(node, 4))
    check(replay.poll() is None, "the replay ended too soon")
    replay.kill()
    equal(node.log().count(" of h1.test.example"), 0, f"how often it followed the dead, {what}")


@test("adverts of a dead master convince nobody: after a restart with or without state, in another "
      "tier, in another domain", hostile=True)
def replayed_to_who_starts(net):
    tier, _, adverts = a_tier_that_is_heard(net)
    first, second, third = tier.candidates
    for node in (*tier.candidates, *tier.slaves):
        node.kill()
    attacker = Attacker(net, adverts)
    elects_itself(second, attacker, first.host, "with its state")
    second.kill()
    shutil.rmtree(second.home)
    elects_itself(second, attacker, first.host, "without its state")
    second.kill()
    elects_itself(second, attacker, None, "and hears them from elsewhere")
    second.kill()
    settings = {"nobroadcast": True, "base": 0.2, "skew": 10}
    lines = [f"{first.host.v4} master", f"{third.host.v4} master"]
    other = Node(third.host, folder=third.folder + "/domain", nets=lines, name=third.name,
                 **settings | {"domain": "other.example"})
    elects_itself(other, attacker, first.host, "in another domain")
    other.kill()
    other = Node(third.host, folder=third.folder + "/tier", name=third.name, **settings)
    with open(os.path.join(other.folder, "other"), "w", encoding="utf-8") as file:
        file.write("".join(f"udp {line}\n" for line in lines))
    other.settings["nets"] = ["other"]
    other.write_config()
    elects_itself(other, attacker, first.host, "in another tier")


@test("a flood of forged adverts changes no role and delays no advert", hostile=True,
      seconds=300 + 9 * SECONDS)
def flooded(net):
    tier, ear, (advert, *_) = a_tier_that_is_heard(net)
    first, second, third = tier.candidates
    epoch = tier.view(first)["epoch"]
    attacker = Attacker(net, [*headers_edited(advert), advert, os.urandom(400), b"x" * 1400])
    for _ in range(3):  # a machine that itself stands still for a moment does not do so each time
        mark = ear.mark()
        floods = [attacker.start(target.host, source.host, rate=RATE // 2, seconds=SECONDS,
                                 run=RUN)
                  for target, source in ((first, second), (second, first))]
        sent = sum(attacker.sent(flood) for flood in floods)
        late = longest_gap(ear.since(mark, host=1, kind="advert")) - first.settings["base"]
        if late <= LATE * patience():
            break
    judged = first.refused() + second.refused()
    print(f"{sent} sent, {sent / SECONDS:.0f} a second, {judged / SECONDS:.0f} of them judged; "
          f"the latest advert: {1000 * late:.1f} ms")
    check(judged > 0, "none of them came to the gate")
    tier.stays(first, intervals(first, 3))
    undisturbed(tier, ear, epoch)
    check(len(first.log()) < 10000 * (3 * SECONDS + 2), f"{len(first.log())} bytes of log")
    check(late <= LATE * patience(), f"an advert was {1000 * late:.1f} ms late")
    check(third.status()["tiers"], "the third answers")
    check(sent >= 0.99 * RATE * SECONDS or "HOSTS_AMOUNT" not in os.environ, f"only {sent} were sent")
