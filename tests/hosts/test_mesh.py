# SPDX-License-Identifier: ISC
"""What every user does: put, get, ls, rm, over both families, with and without broadcast."""

import json
import os
import subprocess
import time

import wire

from net import check, contains, equal, wait_until
from node import (DONE, FAILED, NO_DAEMON, NOT_FOUND, PORT, USAGE, Node, cluster, everyone_knows,
                  nets_of, sha256)
from registry import test

SMALL = b"what the first host said\n"
LARGE = os.urandom(5 * 1024 * 1024 + 321)


def put_get_list_remove(first, second, third):
    first.put("pkgs/small", SMALL)
    first.put("pkgs/large", LARGE)
    for node in (second, third):
        equal(node.get("pkgs/small"), SMALL, f"pkgs/small on {node.name}")
        equal(sha256(node.get("pkgs/large")), sha256(LARGE), f"pkgs/large on {node.name}")
        equal(sha256(node.get("test.example/pkgs/large")), sha256(LARGE), "the name with its domain")
    everyone_knows((second, third), "pkgs/small")
    contains(second.done("ls", "pkgs"), "pkgs/large", "pond ls")
    third.done("rm", "pkgs/small")
    for node in (first, second, third):
        wait_until(lambda node=node: not node.knows("pkgs/small"), f"it is gone on {node.name}")
        equal(node.pond("get", "pkgs/small", "-o", "-").returncode, NOT_FOUND, "get of what is gone")


@test("three hosts put, get, list and remove over IPv4")
def three_hosts_over_ipv4(net):
    put_get_list_remove(*cluster(net, 3))


@test("three hosts put, get, list and remove over IPv6")
def three_hosts_over_ipv6(net):
    put_get_list_remove(*cluster(net, 3, v6=True))


@test("an empty file and a name of many parts, blanks and UTF-8 arrive")
def odd_names_and_empty_content(net):
    first, second = cluster(net, 2)
    for name in ("empty", "a b/c%d/é+ü?&=#.txt", "x" * 900):
        first.put(name, b"")
        equal(second.get(name), b"", name)
        check(second.knows(name), f"{name} is not listed")


@test("a newer version reaches the hosts that hold the older one, without their asking")
def a_newer_version_reaches_holders(net):
    first, second, third = cluster(net, 3)
    first.put("motd", b"one")
    equal(second.get("motd"), b"one", "the first version")
    third.put("motd", b"two")
    wait_until(lambda: second.get("motd") == b"two", "the holder serves the newer version")
    before = second.metric("pond_fetches_total")
    wait_until(lambda: first.get("motd") == b"two", "the author of the older one serves the newer")
    equal(second.get("motd"), b"two", "it stays so")
    equal(second.metric("pond_fetches_total"), before, "fetches for a version at hand")


@test("without nets and with broadcast, hosts find each other")
def broadcast_on(net):
    hosts = net.add(3)
    first, second, third = [Node(host).start() for host in hosts]
    first.put("heard", SMALL)
    everyone_knows((second, third), "heard")
    equal(second.get("heard"), SMALL, "what was announced by broadcast")
    second.put("asked", SMALL)
    equal(third.get("asked"), SMALL, "what was asked for by broadcast")


@test("without nets and with nobroadcast, a host keeps to itself")
def broadcast_off(net):
    hosts = net.add(2)
    alone, talker = Node(hosts[0], nobroadcast=True).start(), Node(hosts[1]).start()
    alone.put("mine", SMALL)
    talker.put("theirs", SMALL)
    wait_until(lambda: alone.refused("not_member") > 0
               or alone.metric("pond_datagrams_received_total") == 0, "it hears nobody")
    equal(talker.pond("get", "mine", "-o", "-").returncode, NOT_FOUND, "get of what it keeps")
    equal(alone.pond("get", "theirs", "-o", "-").returncode, NOT_FOUND, "get of what others have")
    equal(alone.get("mine"), SMALL, "its own object")
    equal(alone.metric("pond_datagrams_sent_total"), 0, "datagrams sent")


@test("with nets and broadcast, hosts that no nets file names are heard too")
def nets_and_broadcast(net):
    hosts = net.add(3)
    named = [Node(host, nets=nets_of(hosts[:2])).start() for host in hosts[:2]]
    other = Node(hosts[2]).start()
    other.put("from-elsewhere", SMALL)
    everyone_knows(named, "from-elsewhere")
    equal(named[0].get("from-elsewhere"), SMALL, "an object of a host that is no member")
    named[1].put("from-a-member", SMALL)
    equal(other.get("from-a-member"), SMALL, "an object of a member")


@test("a member network is reached once its hosts were heard")
def a_network_as_member(net):
    hosts = net.add(3)
    nodes = [Node(host, nets=["10.77.0.0/24"], nobroadcast=True).start() for host in hosts[:2]]
    known = Node(hosts[2], nets=["10.77.0.0/24", hosts[0].v4, hosts[1].v4],
                 nobroadcast=True).start()
    known.put("hello", SMALL)
    everyone_knows(nodes, "hello")
    nodes[0].put("answer", SMALL)
    everyone_knows((known,), "answer")


@test("pond's exit statuses and messages are those of its manual")
def exit_statuses(net):
    node, other = cluster(net, 2)
    node.put("there", SMALL)
    missing = node.pond("get", "nowhere")
    equal(missing.returncode, NOT_FOUND, "get of an unknown name")
    contains(missing.stderr, "nowhere", "its message")
    equal(node.pond("rm", "nowhere").returncode, NOT_FOUND, "rm of an unknown name")
    for words in (("get",), ("put",), ("frobnicate",), ("get", "a", "--nonsense"),
                  ("put", "no-file", "--timeout", "soon")):
        equal(node.pond(*words).returncode, USAGE, f"pond {' '.join(words)}")
    equal(node.pond("put", "/no/such/file", "x").returncode, FAILED, "put of a missing file")
    equal(node.pond("put", "-", "a//b", input="x").returncode, USAGE, "put under a bad name")
    equal(node.pond("get", "there").returncode, DONE, "get")
    again = node.pond("get", "there")
    equal(again.returncode, FAILED, "get over a file that is there")
    contains(again.stderr, "-f", "its message names the remedy")
    equal(node.pond("get", "there", "-f").returncode, DONE, "get -f")
    with open(os.path.join(node.folder, "there"), "rb") as file:
        equal(file.read(), SMALL, "the file")
    for program in ("--version", "--help"):
        equal(node.pond(program).returncode, DONE, f"pond {program}")
    equal(other.stop(), 0, "SIGTERM")
    gone = other.pond("status")
    equal(gone.returncode, NO_DAEMON, "pond without a daemon")
    contains(gone.stderr, other.home, "its message names where it looked")


@test("pond whohas names who has which version, and peers whom it heard")
def whohas_and_peers(net):
    first, second, third = cluster(net, 3)
    first.put("tool", SMALL)
    second.get("tool")
    def listed():
        run = third.pond("whohas", "tool")
        return first.name in run.stdout and second.name in run.stdout
    wait_until(listed, "pond whohas lists both")

    def nodes():
        return [line.split()[0] for line in second.done("whohas", "tool").splitlines()[1:]]
    equal(nodes()[0], second.name, "pond whohas where it is held: this node first")
    wait_until(lambda: first.name in nodes(), "who else has it")
    equal(third.pond("whohas", "nothing").returncode, NOT_FOUND, "whohas of an unknown name")
    contains(third.done("peers"), first.name, "pond peers")
    status = first.status()
    equal((status["format"], status["node"], status["domain"]), (1, first.name, "test.example"),
          "the head of pond status --json")
    equal(status["tiers"][0]["role"], "peer", "its role")
    contains(first.done("status"), first.name, "pond status")


@test("more names than a page holds are listed, and reach a node that comes later")
def many_names(net):
    hosts = net.add(2)
    first, late = [Node(host, nets=nets_of(hosts), nobroadcast=True) for host in hosts]
    first.start()
    names = [f"many/file{number:04}" for number in range(1200)]
    first.put_many(names)
    equal(sorted(first.names()), names, "pond ls")
    late.start()
    wait_until(lambda: len(late.names()) == len(names), "the late node knows them all")
    equal(late.get(names[1034]), names[1034].encode(), "one of them")


@test("what happens is streamed by pond events")
def events(net):
    first, second = cluster(net, 2)
    stream = subprocess.Popen(second.words("events"), stdout=subprocess.PIPE, text=True)
    try:
        json.loads(stream.stdout.readline())
        first.put("file", SMALL)
        seen = []
        while not any("test.example/file" in line for line in seen):
            seen.append(stream.stdout.readline())
            json.loads(seen[-1])
    finally:
        stream.kill()


@test("put takes what comes from a pipe")
def put_from_a_pipe(net):
    first, second = cluster(net, 2)
    first.done("put", "-", "piped", input=SMALL.decode())
    equal(second.get("piped"), SMALL, "what came from a pipe")


@test("two nodes of one name are found out and named with both addresses")
def two_nodes_of_one_name(net):
    hosts = net.add(3)
    nodes = [Node(host, nets=nets_of(hosts), nobroadcast=True,
                  name="twin.test.example" if host.number > 1 else None).start() for host in hosts]
    for number in range(4):
        nodes[1].put(f"a{number}", SMALL)
        nodes[2].put(f"b{number}", SMALL)
    line = nodes[0].logged(r".*twin\.test\.example.*10\.77\.0\.[23].*10\.77\.0\.[23].*")
    check(line, "it is logged")


@test("a node whose clock is off by that of two others refuses put, says why, and takes it again")
def a_clock_that_is_off(net):
    hosts = net.add(3)
    node = Node(hosts[0], nets=nets_of(hosts), nobroadcast=True, keys=None, open=True,
                address=hosts[0].v4).start()
    sockets = [host.datagrams() for host in hosts[1:]]
    counter = 0

    def all_tell(seconds_ahead):
        nonlocal counter
        counter += 1
        for host, udp in zip(hosts[1:], sockets):
            clock = int((time.time() + seconds_ahead) * 1000)
            data = wire.notice("whohas", "x", node=host.name, counter=counter, newer=0,
                               tuid=f"{counter}.1@{host.name}", clock=clock)
            udp.sendto(data, (node.host.v4, PORT))

    def is_refused():
        return "clock is 12" in node.pond("put", node.config, "dated").stderr

    node.put("before", SMALL)
    all_tell(125)
    wait_until(is_refused, "put is refused, and says why")
    equal(node.pond("rm", "before").returncode, FAILED, "rm")
    equal(node.get("before"), SMALL, "what is held is served on")
    contains(node.done("status"), "s behind the median", "pond status")
    check(-127 < node.metric("pond_clock_offset_seconds") < -120, "the metric")
    check(120 < node.peer(hosts[1])["clock_ahead_s"] < 127, "pond peers --json")
    node.logged("clock is .* behind the median .* NTP")
    all_tell(0)
    wait_until(lambda: node.pond("put", node.config, "dated").returncode == DONE,
               "put is taken again")
    equal(node.status()["health"], "ok", "health")
    equal(len([line for line in node.log().splitlines() if "behind the median" in line]), 1,
          "how often it was logged")
