# SPDX-License-Identifier: ISC
"""carpond-vip: virtual addresses taken and given up, and the neighbours told of it."""

import errno
import glob
import json
import os
import signal
import socket
import struct
import subprocess

from net import amount, check, command, comes_to, contains, equal, wait_until
from registry import test

V4, V6 = "10.77.0.100", "fd77::100"
ETHERNET_ALL = 3
ROUTER, OVERRIDE = 0x80, 0x20


def vip(host, *words):
    return host.run(os.path.join(host.net.build, "tools/vip/carpond-vip"), *words)


def done(host, *words):
    run = vip(host, *words)
    equal((run.returncode, run.stdout, run.stderr), (0, "", ""), f"carpond-vip {' '.join(words)}")


def addresses(host):
    """{address: length} of eth0, but for what the kernel gives it."""
    shown = json.loads(command("ip", "-json", "-n", host.name, "addr", "show", "dev", "eth0").stdout)
    return {one["local"]: one["prefixlen"] for one in shown[0]["addr_info"]
            if one["scope"] == "global"}


def has(host, address):
    """Can it be spoken from? So nothing is asked for that changes may disturb."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with host.socket(family, socket.SOCK_DGRAM) as made:
        try:
            made.bind((address, 0))
        except OSError as error:
            equal(error.errno, errno.EADDRNOTAVAIL, f"why {address} cannot be bound to")
            return False
    return True


def mac(host):
    shown = json.loads(command("ip", "-json", "-n", host.name, "link", "show", "dev", "eth0").stdout)
    return shown[0]["address"]


def neighbour(host, address):
    """At which hardware address `host` believes it."""
    shown = command("ip", "-json", "-n", host.name, "neigh", "show", address).stdout
    return next((one.get("lladdr") for one in json.loads(shown or "[]")), None)


def reaches(host, address):
    """Something answers there: by what its TCP says of a port that nobody listens on."""
    try:
        host.connect(address, 9, timeout=2).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return True


class Listener:
    """All frames that a host's eth0 sees."""

    def __init__(self, host):
        self.socket = host.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERNET_ALL))
        self.socket.bind(("eth0", ETHERNET_ALL))
        self.socket.setblocking(False)
        self.frames = []

    def read(self):
        while True:
            try:
                self.frames.append(self.socket.recv(2048))
            except BlockingIOError:
                return self.frames

    def arp(self, address):
        """(operation, sender's and target's hardware address) of what is said of the address."""
        ip, said = socket.inet_aton(address), []
        for frame in self.read():
            if frame[12:14] == b"\x08\x06" and frame[28:32] == ip and frame[38:42] == ip:
                equal(frame[:6], b"\xff" * 6, "where an announcement goes")
                said.append((struct.unpack("!H", frame[20:22])[0], frame[22:28].hex(":"),
                             frame[32:38].hex(":")))
        return said

    def advertisements(self, address):
        """(hop limit, flags, hardware address) of neighbour advertisements of the address."""
        ip, said = socket.inet_pton(socket.AF_INET6, address), []
        for frame in self.read():
            if frame[12:14] == b"\x86\xdd" and frame[20] == 58 and frame[54] == 136 and \
                    frame[62:78] == ip and frame[0] == 0x33:
                equal(frame[22:38], ip, "the source of an advertisement")
                equal(frame[38:54], socket.inet_pton(socket.AF_INET6, "ff02::1"), "its destination")
                said.append((frame[21], frame[58], frame[80:86].hex(":")))
        return said


def still_announcing():
    """Does any carpond-vip run in the background? Who has ended may not be waited for by anybody."""
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, encoding="ascii") as file:
                stat = file.read()
        except OSError:
            continue  # it has gone meanwhile
        if "(carpond-vip) " in stat and "(carpond-vip) Z" not in stat:
            return True
    return False


@test("a virtual IPv4 address is announced, and moves in the neighbours' tables")
def vip_moves_by_arp(net):
    first, second, third = net.add(3)
    listener = Listener(third)
    done(first, "add", f"{V4}/24", "eth0")
    equal(addresses(first)[V4], 24, "its length")
    own = mac(first)
    both = [(1, own, "00:00:00:00:00:00"), (2, own, own)]
    wait_until(lambda: len(listener.arp(V4)) >= 2, "the first announcement")
    equal(listener.arp(V4)[:2], both, "the first announcement")
    check(reaches(third, V4), "the third host reaches it")
    equal(neighbour(third, V4), own, "where the third host believes it")
    wait_until(lambda: len(listener.arp(V4)) == 6, "it is announced three times")
    equal(listener.arp(V4), 3 * both, "the announcements")

    done(first, "del", f"{V4}/24", "eth0")
    done(second, "add", f"{V4}/24", "eth0")
    wait_until(lambda: neighbour(third, V4) == mac(second), "the third host believes the new owner")
    check(reaches(third, V4), "the third host reaches the new owner")

    before = len(listener.arp(V4))
    done(second, "add", f"{V4}/24", "eth0")
    wait_until(lambda: len(listener.arp(V4)) > before, "add announces what is there again")


@test("a virtual IPv6 address is advertised, and moves in the neighbours' tables")
def vip_moves_by_advertisement(net):
    first, second, third = net.add(3)
    listener = Listener(third)
    done(first, "add", f"{V6}/64", "eth0")
    equal(addresses(first)[V6], 64, "its length")
    wait_until(lambda: listener.advertisements(V6), "the first advertisement")
    equal(listener.advertisements(V6)[0], (255, OVERRIDE, mac(first)), "the first advertisement")
    check(reaches(third, V6), "the third host reaches it, without waiting for DAD")
    equal(neighbour(third, V6), mac(first), "where the third host believes it")
    wait_until(lambda: len(listener.advertisements(V6)) == 3, "it is advertised three times")

    command(*second.words("sysctl", "-qw", "net.ipv6.conf.eth0.forwarding=1"))
    done(first, "del", f"{V6}/64", "eth0")
    done(second, "add", f"{V6}/64", "eth0")
    wait_until(lambda: neighbour(third, V6) == mac(second), "the third host believes the new owner")
    check(reaches(third, V6), "the third host reaches the new owner")
    comes_to(lambda: listener.advertisements(V6)[-1], (255, OVERRIDE | ROUTER, mac(second)),
             "the advertisement of one who forwards")


@test("carpond-vip del is done where there is nothing to do, and ends the announcements")
def vip_is_given_up(net):
    first, second = net.add(2)
    listener = Listener(second)
    done(first, "del", V4, V6, "eth0")
    done(first, "add", f"{V4}/24", f"{V6}/64", "eth0")
    equal((addresses(first)[V4], addresses(first)[V6]), (24, 64), "the lengths")
    done(first, "del", V4, V6, "eth0")
    own = mac(first)
    check(V4 not in addresses(first) and V6 not in addresses(first), "another length is no matter")
    wait_until(lambda: not still_announcing(), "the background has ended")
    said = listener.arp(V4)
    equal(said[:2], [(1, own, "00:00:00:00:00:00"), (2, own, own)],
          "what was said of the IPv4 address")
    check(len(said) < 6, "it was announced to the end")
    check(1 <= len(listener.advertisements(V6)) < 3, "advertisements of the IPv6 address")
    done(first, "add", V4, V6, "eth0")
    equal((addresses(first)[V4], addresses(first)[V6]), (32, 128), "the lengths without any given")
    done(first, "add", V4, "lo")  # it has no neighbours


class Churn:
    """A host with thousands of addresses, where containers come and go: no moment without a change.
    """

    def __init__(self, host, count):
        self.host = host
        self.batch([f"addr add 10.{78 + i // 250}.{i % 250}.1/32 dev eth0" for i in range(count)] +
                   [f"addr add fd78::{i + 1:x}/128 dev eth0 nodad" for i in range(count)])
        script = ("while :; do echo addr add 10.99.0.1/32 dev eth0; echo addr del 10.99.0.1/32 dev "
                  "eth0; echo addr add fd99::1/128 dev eth0 nodad; echo addr del fd99::1/128 dev "
                  f"eth0; done | ip -n {host.name} -batch -")
        self.process = subprocess.Popen(["sh", "-c", script], start_new_session=True,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def batch(self, lines):
        command("ip", "-n", self.host.name, "-batch", "-", input="\n".join(lines), stdin=None)

    def end(self):
        """Everything must have gone on until now."""
        equal(self.process.poll(), None, "the changes' end")
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


@test("carpond-vip del takes the address away however often other addresses change meanwhile")
def vip_is_given_up_in_a_crowd(net):
    host = net.add(1)[0]
    churn = Churn(host, 1000)
    for _ in range(amount(40)):
        done(host, "add", V4, V6, "lo")
        equal((has(host, V4), has(host, V6)), (True, True), "what add has added is there")
        done(host, "del", V4, V6, "lo")
        equal((has(host, V4), has(host, V6)), (False, False), "what del has taken away is there")
    churn.end()


@test("carpond-vip del takes away the address in each length, and with it no other one's")
def vip_goes_alone(net):
    host = net.add(1)[0]
    command(*host.words("sysctl", "-qw", "net.ipv4.conf.all.promote_secondaries=0",
                        "net.ipv4.conf.eth0.promote_secondaries=0"))
    tiers = ["192.0.2.100", "192.0.2.101", "192.0.2.102"]
    for tier in tiers:
        done(host, "add", f"{tier}/24", "eth0")
    done(host, "add", f"{tiers[0]}/28", "eth0")
    done(host, "del", f"{tiers[0]}/24", "eth0")
    shown = addresses(host)
    equal({tier: shown.get(tier) for tier in tiers}, dict(zip(tiers, (None, 24, 24))),
          "the addresses of three tiers, when the first one's has gone")
    contains(host.run("ip", "route", "show", "dev", "eth0").stdout, f"192.0.2.0/24 proto kernel "
             f"scope link src {tiers[1]}", "the route to their network")


@test("carpond-vip says what is wrong")
def vip_says_what_is_wrong(net):
    host = net.add(1)[0]
    for words, status, part in (
            (["add", f"{V4}/24", "eth9"], 1, "eth9: there is no such interface"),
            (["del", V4, "an-interface-of-a-long-name"], 1, "there is no such interface"),
            (["add", f"{V4}/33", "eth0"], 2, "from 1 to 32"),
            (["add", f"{V6}/0", "eth0"], 2, "from 1 to 128"),
            (["add", "10.77.0", "eth0"], 2, "10.77.0: it is no IPv4 or IPv6 address"),
            (["add", "224.0.0.1", "eth0"], 2, "that a host could have"),
            (["add", V4], 2, "an address and an interface"),
            (["move", V4, "eth0"], 2, "neither add nor del"),
            ([], 2, "add and del"),
            (["add", "--often", V4, "eth0"], 2, "--help")):
        run = vip(host, *words)
        equal(run.returncode, status, f"exit status of carpond-vip {' '.join(words)}")
        contains(run.stderr, part, f"carpond-vip {' '.join(words)}")
    unprivileged = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    run = host.run(*unprivileged, os.path.join(net.build, "tools/vip/carpond-vip"), "add", V4, "eth0")
    equal(run.returncode, 1, "exit status without privilege")
    contains(run.stderr, "CAP_NET_ADMIN and CAP_NET_RAW", "what it says without privilege")
    check(V4 not in addresses(host), "without privilege nothing is half done")
    run = vip(host, "--help")
    equal((run.returncode, run.stderr), (0, ""), "--help")
    contains(run.stdout, "Usage: carpond-vip add|del", "--help")
    command("ip", "-n", host.name, "link", "set", "eth0", "down")
    run = vip(host, "add", V4, "eth0")
    equal(run.returncode, 1, "exit status where the interface is down")
    contains(run.stderr, "eth0: it is down", "what it says where the interface is down")
