# SPDX-License-Identifier: ISC
"""Hosts on one Ethernet, each a network namespace of its own, joined by a bridge.

The whole test runs inside namespaces (see run) that vanish with its last process, so nothing here
has to be cleaned up and nothing can clash with another run.
"""

import ctypes
import json
import os
import socket
import subprocess
import time

CLONE_NEWNET = 0x40000000
NAMESPACES = "/run/netns"

_libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """What the test found wrong, in a sentence."""


class Skipped(Exception):
    """Why the test cannot be had here, in a sentence."""


def check(condition, sentence):
    if not condition:
        raise Failed(sentence)


def equal(got, wanted, what):
    check(got == wanted, f"{what}: wanted {wanted!r}, got {got!r}")


def contains(text, part, what):
    check(part in text, f"{what}: {part!r} is not in {text!r}")


def wait_until(predicate, what, seconds=60, pause=0.05):
    """Asks again and again until it is true, and returns what it then was. The deadline is only
    there to end a test that has failed. what: a sentence, or who makes it when that is so."""
    end = time.monotonic() + seconds * patience()
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() >= end:
            raise Failed(f"not within {seconds * patience():g} s: {_in_words(what)}")
        time.sleep(pause)


def _in_words(what):
    try:
        return what() if callable(what) else what
    except Exception as error:  # pylint: disable=broad-except
        return f"what was waited for; how it stands cannot be told: {error}"


def comes_to(value, wanted, what, seconds=60):
    """Waits until value() is what is wanted."""
    wait_until(lambda: value() == wanted,
               lambda: f"{what}: wanted {wanted!r}, got {value()!r}", seconds)


def patience():
    """How much slower than usual things may be: sanitized daemons are."""
    return float(os.environ.get("HOSTS_PATIENCE", "1"))


def amount(usual):
    """How often a test does what it can do for hours: HOSTS_AMOUNT, where that is given."""
    return int(os.environ.get("HOSTS_AMOUNT", usual))


def command(*words, **how):
    how = {"check": True, "capture_output": True, "text": True, "stdin": subprocess.DEVNULL} | how
    try:
        return subprocess.run([str(word) for word in words], **how)
    except subprocess.CalledProcessError as error:
        raise Failed(f"{' '.join(map(str, words))}: {error.stderr or error}") from error


class Net:
    """The bridge and its hosts: h1 is 10.77.0.1 and fd77::1, and so on. other: the build folder of
    another version, or None."""

    def __init__(self, folder, build, other=None):
        self.folder, self.build, self.other = "/run/net", build, other
        self.hosts, self.nodes = [], []
        os.symlink(folder, self.folder)  # paths of control sockets must be short
        os.makedirs(NAMESPACES, exist_ok=True)
        command("ip", "link", "set", "lo", "up")
        command("ip", "link", "add", "bridge0", "type", "bridge", "mcast_snooping", "0")
        command("ip", "link", "set", "bridge0", "up")
        command("nft", "add table bridge loss; add chain bridge loss forward "
                "{ type filter hook forward priority 0; }")

    def add(self, count):
        """Makes that many more hosts; returns them."""
        new = [Host(self, len(self.hosts) + i + 1) for i in range(count)]
        self.hosts += new
        return new

    def drop(self, rule):
        """Frames that fit this nft expression are lost from now on."""
        command("nft", f"add rule bridge loss forward {rule} drop")

    def drop_nothing(self):
        command("nft", "flush chain bridge loss forward")


class Host:
    """One host: a namespace with lo and eth0."""

    def __init__(self, net, number):
        self.net, self.number, self.name = net, number, f"h{number}"
        self.v4, self.v6 = f"10.77.0.{number}", f"fd77::{number}"
        self.folder = os.path.join(net.folder, self.name)
        self.port = f"port{number}"  # its end of the cable in the bridge
        os.makedirs(self.folder)
        command("ip", "netns", "add", self.name)
        command("ip", "link", "add", self.port, "type", "veth", "peer", "name", "eth0",
                "netns", self.name)
        command("ip", "link", "set", self.port, "master", "bridge0", "up")
        for line in (f"addr add {self.v4}/24 broadcast + dev eth0",
                     f"addr add {self.v6}/64 dev eth0 nodad",
                     "link set lo up", "link set eth0 up",
                     "route add default dev eth0"):
            command("ip", "-n", self.name, *line.split())

    def words(self, *words):
        return ["nsenter", f"--net={NAMESPACES}/{self.name}", *(str(word) for word in words)]

    def run(self, *words, **how):
        """Runs a command here. Unlike command(), a failing exit status is the caller's to judge."""
        return command(*self.words(*words), **{"check": False} | how)

    def start(self, *words):
        """Begins a command here, whose output is a pipe."""
        return subprocess.Popen(self.words(*words), stdout=subprocess.PIPE, text=True,
                                stdin=subprocess.DEVNULL)

    def nft(self, text):
        command(*self.words("nft", text))

    def unplug(self):
        command("ip", "link", "set", self.port, "down")

    def plug_in(self):
        command("ip", "link", "set", self.port, "up")

    def slow_down(self, rate):
        """What this host receives comes no faster, as in "200mbit"."""
        command("tc", "qdisc", "replace", "dev", self.port, "root", "tbf", "rate", rate,
                "burst", "256kb", "latency", "100ms")

    def received(self):
        """Bytes that came over the cable."""
        shown = command("ip", "-json", "-statistics", "link", "show", "dev", self.port).stdout
        return json.loads(shown)[0]["stats64"]["tx"]["bytes"]

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, protocol=0):
        """A socket of this host: it stays here whoever uses it."""
        with open("/proc/thread-self/ns/net", "rb") as home, \
                open(f"{NAMESPACES}/{self.name}", "rb") as there:
            _setns(there)
            try:
                return socket.socket(family, kind, protocol)
            finally:
                _setns(home)

    def connect(self, address, port, timeout=60):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        made = self.socket(family)
        made.settimeout(timeout * patience())
        made.connect((address, port))
        return made

    def listen(self, address, port):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        made = self.socket(family)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        made.listen(64)
        return made

    def datagrams(self, port=0, address=""):
        made = self.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        made.settimeout(60 * patience())
        return made


def _setns(file):
    if _libc.setns(file.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
