# SPDX-License-Identifier: ISC
"""A node on a disk of its own whose power is cut while clients put and remove: what was acknowledged
is there afterwards, or what came after it; and nothing else is."""

import fcntl
import http.client
import os
import random
import struct
import threading
import time

from blows import Tally
from net import Failed, Skipped, check, command, wait_until
from node import DOMAIN, DONE, Node, everyone_knows, nets_of, sha256

SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN, _IOR('X', 125, __u32)
NO_LOG_FLUSH = 2       # what was not synced is lost
CLIENTS, NAMES = 4, 6  # names: of each client
SIZES = (20, 3000, 90000, 600000)
TAKEN = (200, 201, 204)
MIB = 1024 * 1024


class Disk:
    """An ext4 in a file, as the home of a node that does not run yet."""

    def __init__(self, node, size):
        self.home, self._image = os.path.realpath(node.home), os.path.join(node.folder, "disk")
        os.makedirs(self.home, mode=0o700, exist_ok=True)
        with open(self._image, "wb") as file:
            file.truncate(size)
        command("mkfs.ext4", "-q", "-F", "-m", "0", self._image)
        try:
            self.mount()
        except Failed as failure:
            raise Skipped(f"no file system in a file can be mounted here: {failure}") from failure
        os.chmod(self.home, 0o700)

    def mount(self):
        command("mount", "-o", "loop", self._image, self.home)

    def cut(self):
        """From now on nothing reaches it."""
        folder = os.open(self.home, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, SHUTDOWN, struct.pack("=I", NO_LOG_FLUSH))
        finally:
            os.close(folder)

    def unmount(self):
        wait_until(lambda: os.system(f"umount {self.home} 2>/dev/null") == 0,
                   "the disk is let go of", 20)


class Client(threading.Thread):
    """Puts and removes names that are its own, one after the other, until its node is gone.

    allowed: of each name what it may have now, as SHA-256 or None: what was acknowledged last, and
    whatever was tried since."""

    def __init__(self, node, number, seed, allowed):
        super().__init__()
        self._node, self._number, self._dice = node, number, random.Random(seed)
        self.allowed, self.acknowledged = allowed, 0

    def run(self):
        try:
            connection = http.client.HTTPConnection("localhost")
            connection.sock = self._node.socket()
            while True:
                self._one(connection)
        except (OSError, http.client.HTTPException):
            pass

    def _one(self, connection):
        name = f"client{self._number}/{self._dice.randrange(NAMES)}"
        content = None if self._dice.random() < 0.2 else os.urandom(self._dice.choice(SIZES))
        mark = None if content is None else sha256(content)
        known = self.allowed.setdefault(name, {None})
        known.add(mark)
        connection.request("PUT" if content else "DELETE", f"/{DOMAIN}/{name}", body=content)
        answer = connection.getresponse()
        answer.read()
        if answer.status in TAKEN:
            self.allowed[name] = {mark}
            self.acknowledged += 1
        elif answer.status == 404:
            self.allowed[name] = {None}


class Far(threading.Thread):
    """Fetches what another node has, until its own is gone. contents: of the other node's names."""

    def __init__(self, node, other, number):
        super().__init__()
        self._node = node
        self.contents = {f"far{number}/{i}": os.urandom(SIZES[i % len(SIZES)]) for i in range(NAMES)}
        self.acknowledged = 0
        other.put_many(self.contents)
        everyone_knows([node], f"far{number}/{NAMES - 1}")

    def run(self):
        for name in self.contents:
            if self._node.pond("get", name, "-o", "-", text=False).returncode != DONE:
                break


class Cuts:
    """A node whose power is cut. fetching: it also fetches from another one, whose power stays, and
    which makes good what a cut took of that; without, nobody makes anything good."""

    def __init__(self, net, seed, fetching):
        hosts = net.add(2)
        nets = nets_of(hosts) if fetching else None
        self.other = Node(hosts[1], nets=nets, nobroadcast=True).start() if fetching else None
        self.node = Node(hosts[0], nets=nets, nobroadcast=True)
        self._dice, self._disk = random.Random(seed), Disk(self.node, 1024 * MIB)
        self._allowed, self._far = [{} for _ in range(CLIENTS)], {}
        self.acknowledged = 0
        self.node.start()

    def one(self, number):
        clients = [Client(self.node, i, self._dice.random(), of)
                   for i, of in enumerate(self._allowed)]
        if self.other:
            clients.append(Far(self.node, self.other, number))
            self._far = clients[-1].contents
        for client in clients:
            client.start()
        # However slow the disk is: a cut before which nothing was acknowledged would show nothing.
        wait_until(lambda: any(client.acknowledged for client in clients), "a change is acknowledged")
        time.sleep(self._dice.uniform(0, 0.6))
        self._disk.cut()
        self.node.kill()
        for client in clients:
            client.join()
        self._disk.unmount()
        self._disk.mount()
        self.node.start()
        self.acknowledged += sum(client.acknowledged for client in clients)
        self._judge()
        return True

    def end(self):
        if self.node.process is not None:
            self.node.stop()
        self._disk.unmount()

    def _judge(self):
        """What is read first is as the cut has left it: no verify has looked after it."""
        node, listed = self.node, self.node.names()
        for of in self._allowed:
            for name, marks in of.items():
                mark = listed[name]["sha256"] if name in listed else None
                check(mark in marks, f"{name} has {mark}; one of {marks} was acknowledged or tried last")
                check(mark is None or sha256(node.get(name)) == mark, f"{name} gives other bytes")
                of[name] = {mark}
        for name, content in self._far.items():
            check(sha256(node.get(name)) == sha256(content), f"{name} gives other bytes")
        wait_until(lambda: node.pond("verify").returncode == DONE, "pond verify finds nothing",
                   60 if self.other else 0)
        wait_until(lambda: not os.listdir(os.path.join(node.home, "tmp")), "drafts are gone", 10)
        held = {row["sha256"] for row in node.names().values()}
        wait_until(lambda: set(_files(node, "content")) <= held,
                   lambda: f"content that nobody has: {set(_files(node, 'content')) - held}", 10)


def cut(net, cuts, seed, fetching=False):
    """That many power cuts of one node; the tally, and how many changes were acknowledged."""
    tally, cutting = Tally(), Cuts(net, seed, fetching)
    for number in range(cuts):
        tally.one(f"cut {number + 1}, seed {seed}", lambda number=number: cutting.one(number))
        if cutting.node.process is None:  # it does not come back: that was it
            break
    cutting.end()
    return tally, cutting.acknowledged


def _files(node, room):
    return [name for _, _, names in os.walk(os.path.join(node.home, room)) for name in names]
