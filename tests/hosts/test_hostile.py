# SPDX-License-Identifier: ISC
"""Peers that lie: found out, left alone, named; and the true source is used."""

import os
import time

import wire
from liar import Liar
from net import check, contains, equal, wait_until
from node import PORT, Node, everyone_knows, nets_of, sha256
from registry import test

CHUNK = 256 * 1024


def open_cluster(net, spoil):
    """A liar with the lowest address, a true node, and a victim."""
    hosts = net.add(3)
    nodes = [Node(host, nets=nets_of(hosts), nobroadcast=True, keys=None, open=True,
                  address=host.v4).start() for host in hosts[1:]]
    return Liar(hosts[0], nodes[0], spoil), *nodes


def found_out(net, liar, truth, victim, fault, content):
    """The victim has forgotten who announced an object, asks who has it, and hears the liar alone,
    until it has asked the liar for it."""
    truth.put("object", content)
    wait_until(lambda: victim.knows("object"), "the name is known")
    net.drop(f"iifname {truth.host.port} oifname {victim.host.port} udp dport {PORT}")
    victim.restart()
    liar.when_asked = net.drop_nothing
    equal(sha256(victim.get("object")), sha256(content), "the object")
    wait_until(lambda: (victim.peer(liar.host) or {}).get("fault") == fault,
               lambda: f"pond peers says {fault}; it says {victim.peer(liar.host)}; "
               f"the liar was asked for {liar.asked}")
    named_and_left_alone(liar, victim, fault)


def named_and_left_alone(liar, victim, fault):
    contains(victim.done("peers"), liar.host.v4, f"pond peers after {fault}")
    victim.logged(rf"{liar.host.v4.replace('.', '[.]')}")
    check(victim.metric("pond_peers_blamed_total") >= 1, "the blame is not counted")
    equal(victim.process.poll(), None, "the victim's exit status")


@test("a peer that sends a wrong chunk costs one chunk, and is named", hostile=True)
def wrong_chunks(net):
    liar, truth, victim = open_cluster(net, "chunk")
    found_out(net, liar, truth, victim, "wrong_chunk", os.urandom(8 * CHUNK))
    equal(victim.metric("pond_fetched_chunks_wrong_total"), 1, "wrong chunks")


@test("a peer that sends a wrong chunk list is named", hostile=True)
def wrong_lists(net):
    liar, truth, victim = open_cluster(net, "list")
    found_out(net, liar, truth, victim, "wrong_list", os.urandom(4 * CHUNK))


@test("a peer that breaks off its answers is named", hostile=True)
def short_bodies(net):
    liar, truth, victim = open_cluster(net, "short")
    found_out(net, liar, truth, victim, "short_body", os.urandom(4 * CHUNK))


@test("a peer that never ends its answer is named, and costs little", hostile=True)
def endless_bodies(net):
    liar, truth, victim = open_cluster(net, "endless")
    found_out(net, liar, truth, victim, "endless_body", os.urandom(4 * CHUNK))

    def ends():
        sent = liar.sent
        time.sleep(0.3)  # decides nothing: it only gives a connection left open time to show
        return liar.sent - sent < CHUNK
    wait_until(ends, "it is no longer read")


@test("a peer that takes requests and stays silent is named", seconds=180, hostile=True)
def silence(net):
    liar, truth, victim = open_cluster(net, "silence")
    found_out(net, liar, truth, victim, "silent", os.urandom(2 * CHUNK))
    equal(sum("chunks" in target for target in liar.asked), 1, "how often it was waited for")


@test("a peer that does not speak HTTP is named", hostile=True)
def not_http(net):
    liar, truth, victim = open_cluster(net, "http")
    found_out(net, liar, truth, victim, "wrong_answer", os.urandom(2 * CHUNK))


def announces_in_vain(net, spoil, fault, **changes):
    liar, truth, victim = open_cluster(net, spoil)
    for name in ("known", "other"):
        truth.put(name, b"true")
        equal(victim.get(name), b"true", name)
    ahead = int(time.time() * 1000) + 5000
    liar.announce("known", victim.host.v4, **{"version": f"{ahead}.0"} | changes)
    wait_until(lambda: (victim.peer(liar.host) or {}).get("fault") == fault,
               lambda: f"pond peers says {fault}; it says {victim.peer(liar.host)}")
    named_and_left_alone(liar, victim, fault)
    equal(victim.get("known"), b"true", "the object")


@test("a peer that sends a malformed manifest is named", hostile=True)
def malformed_manifests(net):
    announces_in_vain(net, "manifest", "wrong_manifest")


@test("a peer that sends another name's manifest is named", hostile=True)
def manifests_of_other_names(net):
    announces_in_vain(net, "name", "wrong_manifest")


@test("a version from the future is not taken, and its sender is named", hostile=True)
def versions_from_the_future(net):
    hour_ahead = int(time.time() * 1000) + 3600 * 1000
    announces_in_vain(net, "nothing", "ahead", version=f"{hour_ahead}.0")


@test("names of another domain are refused and counted", hostile=True)
def names_of_another_domain(net):
    liar, truth, victim = open_cluster(net, "nothing")
    truth.put("known", b"true")
    everyone_knows([victim], "known")
    before = victim.refused()
    for number in range(1, 4):
        data = wire.notice("ihave", "x", domain="other.example", counter=1000 + number, mtime=1,
                           port=65028, version="5.0", size=1, sha256="0" * 64, held=True)
        liar.announce("known", victim.host.v4)
        liar.host.datagrams().sendto(data, (victim.host.v4, 65027))
    wait_until(lambda: victim.refused() >= before + 3, "they are counted")
    check(all(not name.startswith("other.example") for name in victim.names()), "one was taken")


@test("a liar that has been left alone is asked again when it has become honest", hostile=True)
def a_liar_becomes_honest(net):
    liar, truth, victim = open_cluster(net, "chunk")
    found_out(net, liar, truth, victim, "wrong_chunk", os.urandom(2 * CHUNK))
    liar.spoil = liar.spoil_nothing
    truth.put("last", b"only the liar can give it now")
    wait_until(lambda: victim.knows("last"), "the victim knows the name")
    liar_knows = liar._true("/.pond/manifest/test.example/last")
    equal(liar_knows[0], 200, "the liar's source")
    wait_until(lambda: victim.peer(liar.host)["used"], "its time of being left alone ends")
