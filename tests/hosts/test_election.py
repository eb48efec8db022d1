# SPDX-License-Identifier: ISC
"""The candidates of a tier choose their master, and lose it: two, three and five of them, over IPv4
and IPv6, by unicast and by multicast."""

from net import check, comes_to, equal, wait_until
from registry import test
from tier import Tier, intervals

GROUP, GROUP6 = "239.255.65.29", "ff15::65:29"


def elects_and_takes_over(tier):
    """The best is elected; its cable is pulled; it comes back."""
    first, second = tier.candidates[:2]
    tier.becomes_master(first)
    tier.stays(first, intervals(first, 5))
    others = [node for node in tier.nodes if node is not first]
    tier.cut(first)
    tier.becomes_master(second, others)
    comes_to(lambda: tier.view(others[-1])["epoch"], tier.view(second)["epoch"],
             "the epoch that is known")
    check(tier.view(second)["epoch"] > 1, "the new master has a new epoch")
    tier.mend(first)
    tier.settled()


@test("two candidates and a slave elect one master, and its backup takes over")
def two_candidates(net):
    elects_and_takes_over(Tier(net, 2, 1))


@test("three candidates and two slaves elect over IPv6")
def three_candidates_over_ipv6(net):
    elects_and_takes_over(Tier(net, 3, 2, v6=True))


@test("five candidates elect one master, and its backup takes over")
def five_candidates(net):
    elects_and_takes_over(Tier(net, 5))


@test("three candidates and a slave elect by multicast over IPv4")
def multicast(net):
    elects_and_takes_over(Tier(net, 3, 1, advert_addr=GROUP))


@test("three candidates and a slave elect by multicast over IPv6")
def multicast_over_ipv6(net):
    elects_and_takes_over(Tier(net, 3, 1, v6=True, advert_addr=GROUP6, advert_if="eth0"))


@test("a killed master is replaced long before its dead time is over")
def killed(net):
    tier = Tier(net, 3, 1, base=2.0)
    first, second = tier.candidates[:2]
    tier.becomes_master(first)
    tier.knows_itself()
    first.kill()
    seconds = tier.becomes_master(second, tier.candidates[1:])
    check(seconds < intervals(first, 2), f"it took {seconds:.2f} s")  # the dead time is 3
    equal(tier.view(second)["reason"], "the master's process is gone", "the reason")
    first.start()
    tier.settled()


@test("a master that is stopped hands over in one round trip, and ends in good order")
def stopped(net):
    tier = Tier(net, 3, 1, base=2.0)
    first, second, third = tier.candidates
    tier.becomes_master(first)
    for node, heir in ((first, second), (second, third)):
        rest = [other for other in tier.running() if other is not node]
        tier.names_its_successor(node, heir)
        node.process.terminate()
        seconds = tier.becomes_master(heir, rest)
        check(seconds < intervals(first, 2), f"it took {seconds:.2f} s")  # the dead time is 3
        equal(tier.view(heir)["reason"], "the leaving master named it as its successor", "why")
        equal(node.wait(), 0, "its exit status")


@test("both halves of a partition elect, and agree when it is healed")
def partition(net):
    tier = Tier(net, 5, 1)
    first = tier.candidates[0]
    tier.becomes_master(first)
    small, large = tier.candidates[:2], tier.candidates[2:] + tier.slaves
    tier.part(small, large)
    tier.becomes_master(tier.candidates[2], large)
    tier.stays(first, intervals(first, 3), small)
    net.drop_nothing()
    tier.becomes_master(first)
    tier.stays(first, intervals(first, 5))
    equal(tier.view(first)["reason"], "it stays, the better of two masters", "why it still is")


@test("one who is only heard, or only hears, disturbs nobody")
def one_way(net):
    tier = Tier(net, 3)
    first, _, third = tier.candidates
    tier.becomes_master(first)
    rest = [node for node in tier.nodes if node is not third]
    net.drop(f"iifname {third.host.port}")
    tier.stays(first, intervals(first, 6))
    net.drop_nothing()
    net.drop(f"oifname {third.host.port}")
    wait_until(lambda: tier.role(third) == "master", "one who hears nobody elects itself")
    tier.stays(first, intervals(first, 6), rest)
    net.drop_nothing()
    tier.becomes_master(first)


@test("a better candidate that comes late asks, and the master leaves in its favour")
def preempts(net):
    tier = Tier(net, 3, start=False, preempt_delay=0.5)
    first, second, third = tier.candidates
    second.start()
    third.start()
    tier.becomes_master(second)
    first.start()
    tier.becomes_master(first)
    second.logged(r"backup without a master, epoch \d+: a better candidate asked to take over")


@test("without preempt a better candidate that comes late stays backup")
def does_not_preempt(net):
    tier = Tier(net, 2, start=False, preempt=False)
    first, second = tier.candidates
    second.start()
    tier.becomes_master(second)
    first.start()
    wait_until(lambda: tier.role(first) == "backup" and tier.agree() is second, "it follows")
    tier.stays(second, intervals(second, 15))


@test("without a master none is shown, and a host of a network is a member")
def nobody_is_master(net):
    tier = Tier(net, 1, 1)
    master, slave = tier.nodes
    tier.becomes_master(master)
    wait_until(lambda: [(peer["node"], peer["member"], peer["heard_s"] is not None)
                        for peer in master.peers()] == [(slave.name, True, True)],
               "the slave is a member, and heard")
    master.stop()
    wait_until(lambda: slave.status()["tiers"][0]["master"] is None, "the master is gone")
    shown = slave.status()["tiers"][0]
    equal([shown[name] for name in ("address", "base", "skew", "demoted")], [None] * 4,
          "the master's address and pair, and why a slave would be demoted")


@test("a slave that is in no line by itself is found by its standing")
def slaves_of_a_network(net):
    tier = Tier(net, 1, 4)
    first = tier.candidates[0]
    tier.becomes_master(first)
    first.kill()
    wait_until(lambda: all(tier.view(node)["master"] is None for node in tier.slaves),
               "the slaves know no master")
    first.start()
    tier.becomes_master(first)


@test("a master that no other candidate stands beside says so once, and when one does")
def no_backup(net):
    tier = Tier(net, 2, start=False)
    first, second = tier.candidates
    said = f"this master has no backup: no other candidate ({tier.address(second.host)}) is heard"
    first.start()
    wait_until(lambda: said in first.log(), "it says that it has no backup", seconds=30)
    check(first.status()["tiers"][0]["alone"], "pond status says that it is alone")
    first.done("reload")
    second.start()
    wait_until(lambda: "this master has a backup now" in first.log(), "it says that it has one")
    check(not first.status()["tiers"][0]["alone"], "pond status says that it is not alone")
    equal(first.log().count("has no backup"), 1, "times that it said so")
