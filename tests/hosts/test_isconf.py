# SPDX-License-Identifier: ISC
"""ISconf 4.2.8 hosts and carpond hosts with isconf = true understand each other."""

import os

from isconf import Isconf, mac
from net import check, contains, equal, wait_until
from node import DOMAIN, KEY, NOT_FOUND, Node
from registry import test
from tier import Tier

OTHER_KEY = "another-key-that-nobody-else-has-012345"
LONG_AGO = 1100000000  # before any put of these tests


def whole(name):
    return f"{DOMAIN}/{name}"


def pair(net, keys=(KEY,), nets=True, **settings):
    """A carpond host and an ISconf host; without nets they hear each other's broadcasts."""
    hosts = net.add(2)
    lines = [host.v4 for host in hosts] if nets else None
    settings = {"isconf": True, "nobroadcast": nets} | settings
    if not keys:
        settings |= {"open": True, "address": [hosts[0].v4, "127.0.0.1"]}
    node = Node(hosts[0], nets=lines, keys=keys or None, **settings)
    return node, Isconf(hosts[1], keys or (), [node.host.v4] if nets else None)


def both_ways(net, keys, nets):
    node, peer = pair(net, keys, nets)
    node.start()
    # It asks, and is answered; so it is known, and takes what is announced.
    node.put("ours/asked-for", b"put in here\n")
    equal(peer.pull(whole("ours/asked-for")), b"put in here\n", "what it pulled")
    node.put("ours/announced", b"announced\n" * 1000)
    peer.has(whole("ours/announced"), b"announced\n" * 1000)
    # It announces, and that is taken; the file keeps its time.
    big = os.urandom(700000)
    peer.announce(whole("theirs/announced"), big, LONG_AGO)
    wait_until(lambda: node.knows("theirs/announced"), "what it announced is known")
    row = node.names()["theirs/announced"]
    equal((row["held"], row["own"], row["unverified"], row["mtime_ns"]),
          (True, False, True, LONG_AGO * 10**9), "how it is listed")
    equal(node.get("theirs/announced"), big, "what it announced")
    # It is asked, and answers.
    peer.keep(whole("theirs/quiet"), b"", LONG_AGO)
    peer.keep(whole("theirs/later"), b"first\n", LONG_AGO)
    equal(node.get("theirs/quiet"), b"", "what it was asked for")
    # What is later there is taken, what is older is told of.
    equal(node.get("theirs/later"), b"first\n", "what it has")
    peer.announce(whole("theirs/later"), b"second\n", LONG_AGO + 1)
    wait_until(lambda: node.get("theirs/later") == b"second\n", "what is later replaces it")
    del peer.files[whole("theirs/later")]
    peer.announce(whole("theirs/later"), b"older\n", LONG_AGO)
    peer.has(whole("theirs/later"), b"second\n")
    equal(node.get("theirs/later"), b"second\n", "what is older is not taken")
    equal(peer.unsound, [], "what it cannot read")


@test("files go both ways between an ISconf host and ours, without keys, by broadcast")
def isconf_open_by_broadcast(net):
    both_ways(net, (), False)


@test("files go both ways between an ISconf host and ours, without keys, by nets")
def isconf_open_by_nets(net):
    both_ways(net, (), True)


@test("files go both ways between an ISconf host and ours, with keys, by broadcast")
def isconf_keys_by_broadcast(net):
    both_ways(net, (KEY, OTHER_KEY), False)


@test("files go both ways between an ISconf host and ours, with keys, by nets")
def isconf_keys_by_nets(net):
    both_ways(net, (KEY, OTHER_KEY), True)


@test("what nobody vouches for takes no put's place, and is told apart wherever it comes",
      hostile=True)
def isconf_unverified(net):
    node, peer = pair(net)
    host = net.add(1)[0]
    nets = [one.v4 for one in net.hosts]
    node.write_nets(nets)
    other = Node(host, nets=nets, nobroadcast=True).start()  # of which ISconf knows nothing
    node.start()
    node.put("vouched", b"put in\n")
    peer.announce(whole("vouched"), b"later, of an ISconf host\n", 2**32)
    peer.announce(whole("file"), b"of an ISconf host\n", LONG_AGO)
    wait_until(lambda: node.knows("file"), "what the ISconf host announced")
    equal(node.get("vouched"), b"put in\n", "what was put in")
    # It is told apart, here and where it goes.
    contains(node.done("ls"), "here, unverified", "pond ls")
    contains(node.pond("get", "file", "-o", "-").stderr, "unverified", "pond get")
    equal(node.curl("file").headers["pond-unverified"], "isconf", "the header")
    check("pond-unverified" not in node.curl("vouched").headers, "what was put in is marked")
    contains(node.done("status"), "unverified", "pond status")
    equal(other.get("file"), b"of an ISconf host\n", "what another node gets")
    wait_until(lambda: "here, unverified" in other.done("ls"), "its pond ls tells it apart")
    wait_until(lambda: other.knows("vouched"), "it knows what was put in")
    check(not other.names()["vouched"]["unverified"], "what was put in is told apart there")
    # A put is newer, whatever its file's time; and so is a removal.
    path = os.path.join(node.folder, "old")
    with open(path, "wb") as file:
        file.write(b"put in over it\n")
    os.utime(path, (LONG_AGO - 5, LONG_AGO - 5))
    node.done("put", path, "file")
    wait_until(lambda: other.get("file") == b"put in over it\n", "the put comes to the other")
    peer.announce(whole("file"), b"later, of an ISconf host\n", 2**32)
    peer.announce(whole("gone"), b"to be removed\n", LONG_AGO)
    wait_until(lambda: node.knows("gone"), "what is to be removed")
    node.done("rm", "gone")
    peer.announce(whole("gone"), b"once more\n", LONG_AGO + 1)
    peer.announce(whole("last"), b"last\n", LONG_AGO)
    wait_until(lambda: node.knows("last"), "what it announced last")
    equal(node.get("file"), b"put in over it\n", "what was put in over it")
    equal(node.pond("get", "gone", "-o", "-").returncode, NOT_FOUND, "what was removed")
    equal(node.done("conflicts").count("file"), 0, "conflicts")


@test("who has a wrong key is refused, and so is what was changed on its way", hostile=True)
def isconf_forged(net):
    node, peer = pair(net)
    liar = Isconf(net.add(1)[0], (OTHER_KEY,), [node.host.v4])
    node.write_nets([host.v4 for host in net.hosts])
    node.start()
    node.put("secret", b"for key holders\n")
    peer.has(whole("secret"), b"for key holders\n")
    # Datagrams.
    liar.announce(whole("forged"), b"x", LONG_AGO)
    liar.say(liar.whohas(whole("secret")))
    wait_until(lambda: node.refused("wrong_key") == 2, "both are counted")
    node.logged(rf"message=ihave namespace={whole('forged')} sender={liar.host.v4} .*key")
    good = peer.ihave(whole("true"), LONG_AGO)
    peer.say(good.replace(b"true", b"fake"))
    wait_until(lambda: node.refused("wrong_key") == 3, "what was edited is counted")
    peer.say(good.replace(b" HMAC=", b" XMAC="))
    wait_until(lambda: node.refused("unsigned") == 1, "what is unsigned is counted")
    peer.say(good.replace(b"_type: ihave", b"_type: ihave\nnode: x"))
    wait_until(lambda: node.refused("form") == 1, "half a message of ours is counted")
    # Answers: recorded datagrams of a key holder lead to one who has no key.
    liar.keep(whole("true"), b"false\n", LONG_AGO)
    liar.say(good)
    wait_until(lambda: liar.served == 1, "it is asked")
    node.logged(r"none of our keys")
    equal(node.pond("get", "true", "-o", "-").returncode, NOT_FOUND, "what it served")
    peer.announce(whole("true"), b"true\n", LONG_AGO)
    wait_until(lambda: node.knows("true"), "what the key holder serves")
    equal(node.get("true"), b"true\n", "what the key holder serves")


@test("a challenge lets members read, and strangers not; nothing is answered that could be a "
      "message", hostile=True)
def isconf_challenges(net):
    node, peer = pair(net, nets=False)
    stranger = net.add(1)[0]
    node.start()
    node.put("file", b"content\n")
    peer.pull(whole("file"))
    target = f"/{whole('file')}?challenge="
    answer = node.curl(target + "0.25", host=peer.host)
    equal((answer.status, answer.headers["x-hmac"], answer.body),
          (200, mac(KEY, b"0.25"), b"content\n"), "who has shown a key")
    equal(node.curl(target + "0.25", host=stranger).status, 401, "who has not")
    equal(node.curl("file", host=peer.host).status, 401, "who asks without a challenge")
    for challenge in ("", "x" * 65, "_type:%20ihave", "a%0Ab", "%00"):
        equal(node.curl(target + challenge, host=peer.host).status, 400, f"{challenge!r}")
    equal(node.curl(f"/.pond/catalogue?challenge=0.25", host=peer.host).status, 401, "the API")
    # Where it is not set, none of this is.
    node.settings["isconf"] = False
    node.write_config()
    node.restart()
    equal(node.curl(target + "0.25", host=peer.host).status, 401, "without isconf")
    peer.say(peer.whohas(whole("file")))
    wait_until(lambda: node.refused("form") > 0, "its message is malformed without isconf")


@test("in a tier an ISconf host is served by the master, and what it announces comes to all")
def isconf_in_a_tier(net):
    tier = Tier(net, 1, 1, isconf=True)
    (master,), (slave,) = tier.candidates, tier.slaves
    tier.becomes_master(master)
    peer = Isconf(net.add(1)[0], (KEY,), [master.host.v4])
    slave.put("ours", b"put in below\n")
    equal(peer.pull(whole("ours")), b"put in below\n", "what it asks the master for")
    peer.announce(whole("theirs"), b"of an ISconf host\n", LONG_AGO)
    wait_until(lambda: slave.knows("theirs"), "what it announced comes down")
    equal(slave.get("theirs"), b"of an ISconf host\n", "what the slave gets")
    check(slave.names()["theirs"]["unverified"], "the slave takes it for verified")
    rows = {row["address"]: row for row in master.peers()}
    equal((rows[peer.host.v4]["isconf"], rows[slave.host.v4]["isconf"]), (True, False), "who is who")
    contains(master.done("peers"), "(ISconf)", "pond peers")
    # It is not asked for what only nodes have, and not blamed for not having that.
    equal(rows[peer.host.v4]["fault"], "none", "what it did wrong")


@test("what was dropped to make room is had again from the ISconf host that has it")
def isconf_dropped(net):
    node, peer = pair(net, cache_size="1M")
    node.start()
    first, second = os.urandom(900000), os.urandom(900000)
    peer.announce(whole("first"), first, LONG_AGO)
    wait_until(lambda: node.knows("first"), "the first")
    peer.announce(whole("second"), second, LONG_AGO)
    wait_until(lambda: not node.names()["first"]["held"], "there is no room for both")
    equal(node.get("first"), first, "what was dropped")
