# SPDX-License-Identifier: ISC
"""Who may fetch from whom, row by row: what curl on one host of a tier gets from another."""

import os

from net import check, comes_to, contains, equal, wait_until
from node import DOMAIN, FAILED, HTTP_PORT, NOT_FOUND, Node, everyone_knows
from registry import test
from tier import ADVERT_PORT, Tier

CONTENT = os.urandom(3000)
SMALL = {"plain_get": True, "keys": None, "open": True}


def a_tier(net, candidates, slaves):
    """Every node of it holds an object of its own, own-NAME."""
    tier = Tier(net, candidates, slaves, **SMALL)
    tier.becomes_master(tier.candidates[0])
    for node in tier.nodes:
        node.put(f"own-{node.host.name}", CONTENT)
    return tier


def add_tier(node, name, lines):
    with open(os.path.join(node.folder, name), "w", encoding="utf-8") as file:
        file.writelines(f"udp {line}\n" for line in lines)
    node.settings["nets"] = [*node.settings["nets"], name]
    node.write_config()


def own(node):
    return f"own-{node.host.name}"


def ask(asker, asked, name, *options):
    return asked.curl(name, *options, host=asker.host)


@test("a slave is served by its master, sent there by a backup, and refused by other slaves")
def rows_of_a_slave(net):
    tier = a_tier(net, 2, 2)
    master, backup = tier.candidates
    asker, sibling = tier.slaves
    answer = ask(asker, master, own(master))
    equal((answer.status, answer.body), (200, CONTENT), "the master's answer")
    answer = ask(asker, backup, own(backup))
    equal(answer.status, 307, "the backup's answer")
    equal(answer.headers["location"], f"http://{master.host.v4}:{HTTP_PORT}/{DOMAIN}/{own(backup)}",
          "where it sends the slave")
    contains(answer.body, b"not the master", "its sentence")
    answer = ask(asker, sibling, own(sibling))
    equal((answer.status, answer.body),
          (403, b"a slave serves no other slave: ask the master of the tier\n"), "a sibling's answer")
    check(sibling.refused("sibling") >= 1, "the refusal is not counted")


@test("candidates are served what backups and slaves hold, and nothing is fetched for them")
def rows_of_a_candidate(net):
    tier = a_tier(net, 3, 1)
    master, backup, other = tier.candidates
    slave = tier.slaves[0]
    for asker, asked in ((master, backup), (other, backup), (master, slave), (other, slave)):
        answer = ask(asker, asked, own(asked))
        equal((answer.status, answer.body), (200, CONTENT),
              f"{asker.name} asks {asked.name} for what it holds")
        answer = ask(asker, asked, "unknown", "--max-time", "1.5")
        equal(answer.status, 404, f"{asker.name} asks {asked.name} for what it does not know")


@test("without a master slaves are told to come again, and what is at hand is served as stale")
def rows_without_a_master(net):
    tier = a_tier(net, 2, 1)
    master, backup = tier.candidates
    slave = tier.slaves[0]
    backup.stop()
    master.kill()
    wait_until(lambda: tier.view(slave)["master"] is None, "the slave knows of no master")

    def is_stale():
        answer = slave.curl(own(slave))
        equal((answer.status, answer.body), (200, CONTENT), "what is at hand")
        return "detail=stale" in answer.headers["cache-status"]
    wait_until(is_stale, "its Cache-Status says so")
    unknown = slave.pond("get", "nobody-knows", "-o", "-")
    equal(unknown.returncode, FAILED, "get of what nobody can be asked for")
    contains(unknown.stderr, "whether the object exists cannot be told", "what it says")
    backup.start()
    tier.becomes_master(backup, [backup, slave])
    wait_until(lambda: "stale" not in slave.curl(own(slave)).headers["cache-status"],
               "nothing is stale under the new master")
    equal(slave.pond("get", "nobody-knows", "-o", "-").returncode, NOT_FOUND, "get of it then")


@test("a host that is no member of a tier gets 403, and its connection is closed")
def rows_of_a_stranger(net):
    tier = a_tier(net, 1, 1)
    stranger = net.add(1)[0]
    lines = [f"{tier.hosts[0].v4} master", f"{tier.hosts[1].v4} slave"]
    for node in tier.nodes: # the stranger's address is in no line of theirs
        node.stop()
        node.write_nets(lines)
        node.settings["nobroadcast"] = node is tier.nodes[0] # section 3 or 9: outside is outside
        node.write_config()
        node.start()
    tier.settled()
    for node in tier.nodes:
        answer = node.curl(own(node), host=stranger)
        equal((answer.status, answer.body), (403, b"not a member\n"), f"{node.name}'s answer")
        equal(answer.headers.get("connection", "").lower(), "close", "its Connection")


@test("a slave whose requests come from an address in no nets file is served as what it is")
def rows_from_elsewhere(net):
    """What it sends is translated on the way; the master knows it by its ballots."""
    elsewhere = "10.66.0.2"
    tier = Tier(net, 1, 1, start=False)
    master, slave = tier.nodes
    slave.host.run("ip", "address", "add", f"{elsewhere}/32", "dev", "eth0", check=True)
    slave.host.nft("add table ip nat; add chain ip nat out "
                   "{ type nat hook postrouting priority 100; }; add rule ip nat out "
                   f"ip daddr {master.host.v4} tcp dport {HTTP_PORT} snat to {elsewhere}")
    for node in tier.nodes:
        node.start()
    tier.settled()
    content = os.urandom(1 << 20)
    master.put("file", content)
    everyone_knows([slave], "file")
    check(slave.get("file") == content, "what the slave got")
    answer = ask(slave, master, "file")
    equal((answer.status, answer.body), (403, b"not a member\n"), "what is unsigned from there")
    master.logged(rf"gate={HTTP_PORT} .*sender={elsewhere} .*not a member")


@test("what a master lacks it fetches for a slave, and for nobody who wants the cached alone")
def a_master_fetches(net):
    top, middle, bottom = net.add(3)
    core = [f"{top.v4} master", f"{middle.v4} slave"]
    site = [f"{middle.v4} master", f"{bottom.v4} slave"]
    settings = {"nobroadcast": True, "base": 0.2} | SMALL
    source = Node(top, nets=core, **settings).start()
    gateway = Node(middle, nets=core, **settings)
    add_tier(gateway, "site", site)
    gateway.start()
    content = os.urandom(5 << 20)
    source.put("file", content)
    everyone_knows([gateway], "file")
    check(gateway.logged(r"tier site: now master"), "the gateway leads its site")
    answer = gateway.curl("file", "-H", "Cache-Control: only-if-cached", host=bottom)
    equal(answer.status, 504, "the gateway's answer while it holds nothing")
    answer = gateway.curl("file", host=bottom)
    equal((answer.status, answer.body == content), (200, True), "the gateway's answer")
    contains(answer.headers["cache-status"], "fwd=miss", "its Cache-Status")
    via = ("-H", f"Via: 1.1 {source.name} (carpond)")
    answer = source.curl("file", *via, host=middle)
    equal(answer.status, 200, "the answer to what came through itself already, and is at hand")
    answer = source.curl("unknown", *via, host=middle)
    equal(answer.status, 508, "the answer to what came through itself already")


@test("a slave that takes a backup for its master is sent to the master, and signs anew there")
def a_redirect_is_followed(net):
    """The slave hears no advert any more, and goes on following the old master until it is dead."""
    tier = Tier(net, 2, 1, base=4.0)
    old, new = tier.candidates
    slave = tier.slaves[0]
    tier.becomes_master(old)
    content = os.urandom(1 << 20)
    old.put("file", content)
    everyone_knows(tier.nodes, "file")
    equal(new.get("file"), content, "what the backup got")
    net.drop(f"udp dport {ADVERT_PORT} oifname {slave.host.port}")
    old.done("demote", "nets")
    wait_until(lambda: tier.role(new) == "master" and tier.role(old) == "backup", "the hand-over")
    equal(slave.get("file"), content, "what the slave got")
    equal(tier.view(slave)["master"], old.name, "whom the slave still follows")
    check(slave.logged(f"fetching .*file.* from {old.host.v4}"), "the slave asked its old master")


@test("pond peers tells of each member what it is to this node, and why it is not asked")
def peers_by_relation(net):
    tier = a_tier(net, 2, 1)
    master, backup = tier.candidates
    slave = tier.slaves[0]

    def seen(node, other):
        peer = node.peer(other.host)
        return peer["relation"], peer["used"], peer["why"]
    wait_until(lambda: seen(slave, master) == ("master", True, None), "a slave asks its master")
    comes_to(lambda: seen(slave, backup),
             ("candidate", False, "a candidate that is not master: only the tier's master is asked"),
             "what a slave says of a backup")
    comes_to(lambda: slave.status()["peers"]["usable"], 1, "whom a slave can ask")
    wait_until(lambda: seen(master, slave) == ("led", True, None), "a master may ask a slave")
    comes_to(lambda: seen(backup, master), ("master", True, None), "what a backup says of its master")
