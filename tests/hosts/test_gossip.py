# SPDX-License-Identifier: ISC
"""Discovery: nodes that find each other by heartbeat."""

import os
import socket
import time

import wire

from net import check, contains, equal, wait_until
from node import DOMAIN, KEY, Node
from registry import test

PORT = 45892
GROUP, GROUP6 = "233.252.1.32", "ff15::65:32"
SECRET = "a-secret-that-only-these-tests-use-0123456"
MESH = ["10.77.0.0/24"]


def beating(host, secret=SECRET, nets=MESH, keys=(KEY,), interval=0.4, **settings):
    """A node that says heartbeats, in a mesh of which its nets file names only the network."""
    more = settings.pop("gossip", {})
    node = Node(host, nets=nets, keys=keys, nobroadcast=True,
                gossip={"interval": interval} | more, **settings)
    if secret:
        write_secret(node, secret)
        node.settings["gossip"]["secret"] = "secret"
        node.write_config()
    return node


def write_secret(node, *secrets):
    path = os.path.join(node.folder, "secret")
    with open(path, "w", encoding="utf-8") as file:
        os.chmod(path, 0o600)
        file.write("".join(secret + "\n" for secret in secrets))


def heartbeat(node, host):
    """What node knows by heartbeat of that host, or None."""
    peer = node.peer(host)
    return peer and peer["heartbeat"]


def hears(node, other):
    wait_until(lambda: not is_gone(node, other), f"{node.name} hears {other.name}\n{node.log()}")


def is_gone(node, other):
    """Who was heard by heartbeat alone is forgotten then."""
    known = heartbeat(node, other.host)
    return known is None or known["lost"]


def all_hear(nodes):
    for node in nodes:
        for other in nodes:
            if other is not node:
                hears(node, other)


def send(host, payload):
    """A datagram to the group from that host, as anybody could send it."""
    made = host.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(host.v4))
    made.bind((host.v4, 0))
    made.sendto(payload, (GROUP, PORT))
    made.close()


@test("with keys, and gossip with a secret, a new host joins by being started")
def joins_by_being_started(net):
    nodes = [beating(host).start() for host in net.add(2)]
    nodes[0].put("early", b"put before it came")
    all_hear(nodes)
    new = beating(net.add(1)[0]).start()
    all_hear(nodes + [new])
    nodes[1].put("late", b"put after it came")
    wait_until(lambda: new.knows("early") and new.knows("late"), "the new host knows both names")
    equal(new.get("early"), b"put before it came", "the content at the new host")
    new.put("back", b"put by the new one")
    wait_until(lambda: all(node.knows("back") for node in nodes), "all know what the new host put")
    peer = nodes[0].peer(new.host)
    check(peer["member"] and peer["used"], f"it is a member, and used: {peer}")
    equal(peer["heartbeat"]["from"], new.host.v4, "where it was heard")
    equal(peer["heartbeat"]["tiers"], [{"tier": "nets", "role": "peer"}], "its tiers")
    shown = nodes[0].done("peers")
    contains(shown, "HEARTBEAT", "pond peers")
    contains(shown, f"ago from {new.host.v4}", "pond peers")
    contains(shown, "nets peer", "pond peers")


@test("nothing of a heartbeat with a secret can be read on the wire")
def unreadable_with_a_secret(net):
    nodes = [beating(host).start() for host in net.add(2)]
    tap = wire.Tap(nodes[0].host)
    seen = wait_until(lambda: [data for sender, data in tap.datagrams(PORT)
                               if sender == nodes[1].host.v4][2:], "three heartbeats")
    for data in seen:
        for word in (b"gossip", b"From", b"node", b"test", b"10.77", b"nets", b"hmac", b"boot"):
            check(word not in data, f"{word} can be read in {data}")
    equal(len({data[4:20] for data in seen}), 1, "one salt for each boot")
    equal(len({data[20:28] for data in seen}), len(seen), "counters, which are nonces")
    before = seen[0][4:20]
    nodes[1].restart()
    wait_until(lambda: {data[4:20] for sender, data in tap.datagrams(PORT)
                        if sender == nodes[1].host.v4} - {before}, "another salt after a restart")


@test("without a secret heartbeats can be read, and are signed where there are keys")
def readable_without_a_secret(net):
    nodes = [beating(host, secret=None).start() for host in net.add(2)]
    all_hear(nodes)
    tap = wire.Tap(nodes[0].host)
    data = wait_until(lambda: [data for _, data in tap.datagrams(PORT)], "a heartbeat")[0]
    head = wire.parse(data)
    equal(head["_type"], "gossip", "its type")
    equal(head["node"], nodes[1].name, "its node")
    check(len(head["hmac256"]) == 64, "it is signed")
    stranger = net.add(1)[0]
    send(stranger, data.split(b"hmac256")[0] + b"\n")
    wait_until(lambda: nodes[0].metric("pond_messages_judged_total", verdict="unsigned") > 0,
               "the unsigned one is refused")


@test("over IPv6, multicast finds the others")
def over_ipv6(net):
    nodes = [beating(host, nets=["fd77::/64"], gossip={"multicast_addr": GROUP6}).start()
             for host in net.add(3)]
    all_hear(nodes)
    nodes[0].put("six", b"6")
    wait_until(lambda: all(node.knows("six") for node in nodes), "all know it")
    equal(nodes[0].peer(nodes[1].host)["heartbeat"]["from"], nodes[1].host.v6, "where from")


@test("with broadcast_only they find each other where multicast does not pass")
def broadcast_only(net):
    net.drop("ether daddr & 01:00:5e:00:00:00 == 01:00:5e:00:00:00 ether daddr != ff:ff:ff:ff:ff:ff")
    hosts = net.add(3)
    nodes = [beating(host, gossip={"broadcast_only": True}).start() for host in hosts[:2]]
    nodes.append(beating(hosts[2], gossip={"broadcast_only": True,
                                           "multicast_addr": "10.77.0.255"}).start())
    hears(nodes[0], nodes[1])
    hears(nodes[1], nodes[0])
    hears(nodes[0], nodes[2])
    nodes[0].put("wide", b"w")
    wait_until(lambda: all(node.knows("wide") for node in nodes[:2]), "both know it")


@test("two clusters share one group, and do not see each other")
def two_clusters_on_one_group(net):
    hosts = net.add(4)
    ours = [beating(host).start() for host in hosts[:2]]
    theirs = [beating(host, secret="the-secret-of-another-cluster-9876543210",
                      domain="other.example", keys=("another-clusters-key-9876543210987654",)).start()
              for host in hosts[2:]]
    all_hear(ours)
    all_hear(theirs)
    wait_until(lambda: ours[0].metric("pond_messages_judged_total", verdict="other_secret") > 2,
               "what others say is counted")
    check(all(heartbeat(ours[0], node.host) is None for node in theirs), "they are not seen")
    ours[0].logged(r"- gate=45892 message=gossip .*another secret")
    lines = ours[0].log().count("another secret")
    check(lines <= 10, f"{lines} lines in the log, which should be a summary")


@test("a heartbeat that is sent again is refused, from wherever and whenever")
def replayed(net):
    first, second = [beating(host).start() for host in net.add(2)]
    all_hear((first, second))
    tap = wire.Tap(first.host)
    data = wait_until(lambda: [data for sender, data in tap.datagrams(PORT)
                               if sender == second.host.v4], "a heartbeat")[0]
    wait_until(lambda: len(tap.datagrams(PORT)) > 3, "newer ones")

    def refused(verdict):
        return first.metric("pond_messages_judged_total", verdict=verdict)
    stranger = net.add(1)[0]
    send(stranger, data)
    wait_until(lambda: refused("other_address") > 0, "from elsewhere")
    second.kill()
    send(second.host, data)
    wait_until(lambda: refused("replayed") > 0, "from where it came, again")
    wait_until(lambda: is_gone(first, second), "it is gone")
    send(second.host, data)
    wait_until(lambda: refused("replayed") > 1, "once it is gone")
    check(is_gone(first, second), "and it stays gone")


@test("who is heard and is no member is shown as that, and gets nothing")
def heard_and_no_member(net):
    hosts = net.add(3)
    nodes = [beating(host, nets=[hosts[0].v4, hosts[1].v4]).start() for host in hosts[:2]]
    outsider = beating(hosts[2]).start()
    hears(nodes[0], outsider)
    peer = nodes[0].peer(outsider.host)
    check(not peer["member"] and not peer["used"], f"it is neither: {peer}")
    contains(peer["why"], "no nets file", "why it is not used")
    nodes[0].put("inner", b"for members")
    wait_until(lambda: nodes[1].knows("inner"), "the member knows it")
    check(not outsider.knows("inner"), "the outsider does not")
    nodes[0].write_nets(MESH)
    nodes[1].write_nets(MESH)
    for node in nodes:
        node.done("reload")
    wait_until(lambda: outsider.knows("inner"), "as a member it does")


@test("a reload switches heartbeats on and off, and changes group, port, secret and interval")
def reload_of_gossip(net):
    first, second = [beating(host).start() for host in net.add(2)]
    all_hear((first, second))

    def change(**settings):
        for node in (first, second):
            node.settings["gossip"] |= settings
            node.write_config()
            contains(node.done("reload"), "gossip.", "pond reload")
        tap = wire.Tap(first.host)
        port = settings.get("port", PORT)
        wait_until(lambda: tap.datagrams(port), f"a heartbeat with {settings}")
        all_hear((first, second))
    change(multicast_addr="239.7.7.7")
    change(port=45999)
    change(interval=0.2, port=45999)
    for node in (first, second):
        write_secret(node, "another-secret-0123456789012345678901234", SECRET)
        node.done("reload")
    tap = wire.Tap(first.host)
    wait_until(lambda: len(tap.datagrams(45999)) > 3, "heartbeats with the new secret")
    hears(first, second)
    kept = second.settings.pop("gossip")
    second.write_config()
    second.done("reload")
    wait_until(lambda: is_gone(first, second), "it says nothing any more")
    check(all(peer["heartbeat"] is None for peer in second.peers()), "and hears nobody")
    second.settings["gossip"] = kept
    second.write_config()
    second.done("reload")
    all_hear((first, second))


@test("a tier of many slaves needs one line, and pond peers tells who beats in which tier")
def slaves_by_one_line(net):
    hosts = net.add(3)
    lines = [f"{hosts[0].v4} master", "10.77.0.0/24 slave"]
    master, *slaves = [beating(host, nets=lines, base=0.2).start() for host in hosts]
    all_hear((master, *slaves))
    equal(heartbeat(master, slaves[0].host)["tiers"], [{"tier": "nets", "role": "slave"}],
          "what the slave says")
    equal(heartbeat(slaves[0], master.host)["tiers"], [{"tier": "nets", "role": "candidate"}],
          "what the master says")
    master.put("down", b"d")
    wait_until(lambda: all(node.knows("down") for node in slaves), "the slaves know it")


@test("an interface that goes away and comes back gives heartbeats back")
def interface_comes_back(net):
    first, second = [beating(host).start() for host in net.add(2)]
    all_hear((first, second))
    second.host.run("ip", "link", "set", "eth0", "down")
    wait_until(lambda: is_gone(first, second), "it is gone")
    second.host.run("ip", "link", "set", "eth0", "up")
    second.host.run("ip", "route", "add", "default", "dev", "eth0")
    hears(first, second)
    hears(second, first)


def forge(host, name, counter, seconds_ago=0, interval_ms=60000):
    """A heartbeat that nobody vouches for, from that host."""
    clock = int((time.time() - seconds_ago) * 1000)
    fields = {"format": 1, "domain": DOMAIN, "node": name, "boot": 7, "counter": counter,
              "clock": clock, "interval_ms": interval_ms, "port": 65027, "http_port": 65028,
              "advert_port": 65029, "addresses": host.v4}
    send(host, wire.message("gossip", [(key, str(value)) for key, value in fields.items()]))


@test("a heartbeat that was recorded earlier convinces nobody, also who never heard of its node")
def recorded_earlier(net):
    hosts = net.add(2)
    node = beating(hosts[0], secret=None, keys=None, open=True, address=hosts[0].v4).start()

    forge(hosts[1], "recorded", 1, seconds_ago=120)
    wait_until(lambda: node.metric("pond_messages_judged_total", verdict="stale") > 0,
               "what was recorded is refused")
    check(heartbeat(node, hosts[1]) is None, "it is not known for that")
    forge(hosts[1], "honest", 1)
    wait_until(lambda: heartbeat(node, hosts[1]), "what is said now is heard")
    forge(hosts[1], "honest", 2, seconds_ago=7200)
    wait_until(lambda: node.metric("pond_heartbeats_received_total") > 1,
               "a clock that is stepped strands nobody who is known")
    forge(hosts[1], "honest", 2**64 - 1, interval_ms=100)
    wait_until(lambda: heartbeat(node, hosts[1]) is None, "what somebody forged is lost")
    forge(hosts[1], "honest", 3)
    wait_until(lambda: heartbeat(node, hosts[1]),
               "nobody vouches for counters there: a forged one keeps its node out no longer")


@test("one host that makes up names does not keep others from being known", hostile=True)
def names_made_up(net):
    hosts = net.add(3)
    node = beating(hosts[0], secret=None, keys=None, open=True).start()
    for number in range(40):
        forge(hosts[1], f"made-up-{number}", 1)
    wait_until(lambda: node.metric("pond_messages_judged_total", verdict="many_names") == 8,
               "what is beyond its part is refused, and counted")
    node.logged(r"- gate=45892 message=gossip .*as many other names already")
    forge(hosts[2], "honest", 1)
    wait_until(lambda: heartbeat(node, hosts[2]), "another host is known")
    equal(node.metric("pond_heartbeat_nodes"), 33, "nodes that are known")
