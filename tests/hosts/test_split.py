# SPDX-License-Identifier: ISC
"""Networks that carry some of what is sent: one way, TCP but no adverts, halves, everything twice."""

import collections
import time

from ballots import Ear, overlap, usual_gap
from net import check, command, equal, patience, wait_until
from registry import test
from tier import ADVERT_PORT, Tier, intervals

CROSSED = 2  # adverts of one that is no longer master: on their way, or due when it is told


def agree_at_once(tier, ear, node):
    """From this one's next advert on no other one adverts any more, but for what crosses it: so it
    does not depend on the machine, as seconds would."""
    mark = ear.mark()
    tier.becomes_master(node)
    tier.stays(node, intervals(node, 4))
    heard = [ballot for ballot in ear.since(mark, kind="advert")
             if ballot.headers["leaving"] != "True"]
    first = next(i for i, ballot in enumerate(heard) if ballot.host == node.host.number)
    others = collections.Counter(ballot.host for ballot in heard[first:])
    del others[node.host.number]
    check(all(count <= CROSSED for count in others.values()),
          f"{others} adverts of other masters, by host, after the first one's")


def heard_by_all(tier):
    """The master is the best, and the others know each other as well."""
    tier.becomes_master(tier.candidates[0])
    tier.stays(tier.candidates[0], intervals(tier.candidates[0], 3))
    return tier.candidates


@test("where adverts are lost and TCP passes, a master of each side, and one at once when it heals")
def adverts_alone_are_cut(net):
    tier = Tier(net, 3, 1)
    first, second, third = heard_by_all(tier)
    ear = Ear(net)
    began = time.monotonic()
    for end in ("iifname", "oifname"):
        net.drop(f"{end} {first.host.port} udp dport {ADVERT_PORT}")
    tier.becomes_master(second, [second, third, *tier.slaves])
    check(time.monotonic() - began >= intervals(first, 1) / patience(),
          "that was before its silence could tell")
    equal(tier.role(first), "master", "the role of the one that is alone")
    net.drop_nothing()
    agree_at_once(tier, ear, first)


@test("a backup that hears the master only now and then, one in two, takes over from nobody")
def every_other_advert_is_lost(net):
    tier = Tier(net, 3, 1, base=0.5)  # dead after three: one interval is the machine's
    first = heard_by_all(tier)[0]
    epoch, ear = tier.view(first)["epoch"], Ear(net)
    net.drop(f"iifname {first.host.port} udp dport {ADVERT_PORT} numgen inc mod 2 == 0")
    tier.stays(first, intervals(first, 20))
    net.drop_nothing()
    equal(tier.view(first)["epoch"], epoch, "the epoch")
    equal({ballot.host for ballot in ear.since(kind="advert")}, {1}, "who adverted")


@test("a cut from one to another, one way, leaves the tier one master, and heals at once")
def one_pair_one_way(net):
    tier = Tier(net, 3, 1)
    first, second, third = heard_by_all(tier)
    ear = Ear(net)
    # The second no longer hears the first, who hears all: it takes over, and learns from nobody that
    # it should not; the others stay with the better one.
    net.drop(f"iifname {first.host.port} oifname {second.host.port}")
    wait_until(lambda: tier.role(second) == "master", "who hears no master becomes one")
    rest = [first, third, *tier.slaves]
    tier.stays(first, intervals(first, 8), rest)
    net.drop_nothing()
    agree_at_once(tier, ear, first)


@test("a master that nobody hears is replaced, hears of it, and takes back what is its at once")
def nobody_hears_the_master(net):
    tier = Tier(net, 3, 1)
    first, second, third = heard_by_all(tier)
    ear = Ear(net)
    net.drop(f"iifname {first.host.port}")
    tier.becomes_master(second, [second, third, *tier.slaves])
    tier.stays(second, intervals(second, 5), [second, third, *tier.slaves])
    net.drop_nothing()
    agree_at_once(tier, ear, first)


@test("halves of two and three part and heal again and again, each time with one master at once")
def halves_heal(net):
    tier = Tier(net, 5, 1)
    first, second, third, *rest = heard_by_all(tier)
    ear = Ear(net)
    for with_first in ([second], [*rest, *tier.slaves]):
        small = [first, *with_first]
        large = [node for node in tier.nodes if node not in small]
        tier.part(small, large)
        heir = next(node for node in tier.candidates if node in large)
        tier.becomes_master(heir, large)
        tier.stays(first, intervals(first, 3), small)
        net.drop_nothing()
        agree_at_once(tier, ear, first)
    epochs = [int(ballot.headers["epoch"]) for ballot in ear.since(host=1, kind="advert")]
    equal(epochs, sorted(epochs), "the first's epochs, as they were said")


@test("a network that delivers each ballot twice or three times changes nothing")
def everything_twice(net):
    tier = Tier(net, 3, 1, base=0.5)
    first, second, third = heard_by_all(tier)
    epoch, ear = tier.view(first)["epoch"], Ear(net)
    ports = [node.host.port for node in tier.nodes]
    command("nft", "add table netdev twice")
    for port in ports:
        chain = f"from_{port}"
        command("nft", f"add chain netdev twice {chain} "
                f"{{ type filter hook ingress device {port} priority 0; }}")
        for other in ports:
            if other != port:
                command("nft", f"add rule netdev twice {chain} udp dport {ADVERT_PORT} "
                        f"dup to {other}")
    tier.stays(first, intervals(first, 12))
    for node in (second, third):
        node.logged("it was said before")
    equal(tier.view(second)["epoch"], epoch, "the epoch")
    equal(overlap(ear.since())[0], 0, "seconds with two masters")
    check(usual_gap(ear.since(host=1, kind="advert")) < 1.5 * intervals(first, 1),
          "adverts are left out")
