# SPDX-License-Identifier: ISC
"""A node to which bad things happen while it works, and what must hold of it afterwards.

Its home is the same at the begin of each try: some names that nobody touches, one that the work is
about, and one that was removed.
"""

import os
import pathlib
import shutil

from net import amount, check, equal, wait_until
from node import DONE, Node, everyone_knows, nets_of, sha256

KEPT = {"kept/small": 5000, "kept/large": 300000}
TARGET = "target"
FAST = "/run/victims"  # in memory: who only dies loses nothing there
SIZE = 300000  # more than a chunk
QUIET_S = 0.3  # that long without a word, and what a work did in the background has been seen
QUIET_IN = 60


def bytes_of(name, size):
    """The same in each run, other ones for each name."""
    return (f"{name} {size} ".encode() * (size // 8 + 1))[:size]


OLD, NEW = bytes_of("old", SIZE - 1), bytes_of("new", SIZE)


class Work:
    """What the node does meanwhile. before, after: what the target may have then; None: nothing."""

    before, after, peer = OLD, OLD, False
    target = {TARGET: OLD}  # what is there at the begin

    def prepare(self, victim):
        """Once, before the home is set aside as what each try begins with."""

    def run(self, victim):
        """The process of the command, which has ended."""

    def settle(self, victim):
        """After the fault, before what is left is judged."""


class Put(Work):
    after = NEW

    def run(self, victim):
        return victim.node.pond("put", victim.file, TARGET)


class Remove(Work):
    after = None

    def run(self, victim):
        return victim.node.pond("rm", TARGET)


class Rebuild(Work):
    def run(self, victim):
        return victim.node.pond("rebuild")


class Fetch(Work):
    """Of what the other node has put."""

    before, after, peer = NEW, NEW, True
    target = {}

    def prepare(self, victim):
        victim.other.done("put", victim.file, TARGET)
        everyone_knows([victim.node], TARGET)

    def run(self, victim):
        return victim.node.pond("get", TARGET, "-o", "-", text=False)

    def settle(self, victim):
        victim.node.get(TARGET)


class Start(Work):
    """The catalogue is behind the journal, and a draft and what was being fetched lie about."""

    def prepare(self, victim):
        shutil.copytree(victim.catalogue, victim.catalogue + ".old")
        victim.node.put("kept/late", bytes_of("kept/late", 5000))
        victim.kept["kept/late"] = bytes_of("kept/late", 5000)
        victim.node.kill()
        shutil.rmtree(victim.catalogue)
        os.rename(victim.catalogue + ".old", victim.catalogue)
        for litter in ("draft-0", "draft-0.list"):
            pathlib.Path(victim.node.home, "tmp", litter).write_bytes(b"x" * 1000)


class Renew(Work):
    """A start that makes the catalogue anew."""

    def prepare(self, victim):
        victim.node.kill()
        shutil.rmtree(victim.catalogue)


WORKS = {"put": Put, "rm": Remove, "fetch": Fetch, "rebuild": Rebuild, "start": Start,
         "renew": Renew}
STARTS = ("start", "renew")


class Victim:
    """name: of its work."""

    def __init__(self, net, name):
        self.name, self.work, self.starts = name, WORKS[name](), name in STARTS
        hosts = net.add(2)
        nets = nets_of(hosts) if self.work.peer else None
        self.other = Node(hosts[1], nets=nets, nobroadcast=True).start() if self.work.peer else None
        self.node = Node(hosts[0], nets=nets, nobroadcast=True,
                         folder=os.path.join(FAST, hosts[0].name))
        self.node.start()
        self.kept = {name: bytes_of(name, size) for name, size in KEPT.items()}
        self.file = os.path.join(self.node.folder, "new")
        self.catalogue = os.path.join(self.node.home, "catalogue")
        self.home = os.path.realpath(self.node.home)  # as strace has it
        self.log = os.path.join(self.node.folder, "strace")
        self._aside = self.node.home + ".aside"
        pathlib.Path(self.file).write_bytes(NEW)
        self.node.put_many(self.kept | {"gone": b"gone"} | self.work.target)
        self.node.done("rm", "gone")
        self.work.prepare(self)
        self.end()
        shutil.copytree(self.node.home, self._aside, ignore=_sockets)

    def end(self):
        if self.node.process is not None:
            self.node.kill()

    def anew(self):
        """The home as it was, but for the counters of its datagrams, which others remember; the node
        does not run."""
        self.end()
        state = pathlib.Path(self.node.home, "state").read_bytes()
        shutil.rmtree(self.node.home)
        shutil.copytree(self._aside, self.node.home, ignore=_sockets)
        pathlib.Path(self.node.home, "state").write_bytes(state)

    # ---- what must hold

    def judge(self, acknowledged, restart=True, litter=False):
        """After the fault, with the node running again, or anew. litter: that may be left."""
        if restart:
            self.end()
            self.node.start()
        self.work.settle(self)
        for name, content in self.kept.items():
            equal(sha256(self.node.get(name)), sha256(content), f"what {name} holds")
        target = self.target()
        check(target == self.work.after or (target == self.work.before and not acknowledged),
              f"the target has {'nothing' if target is None else sha256(target)}; it was "
              f"{'' if acknowledged else 'not '}acknowledged")
        check(not self.node.knows("gone"), "what was removed came back")
        if not litter:
            wait_until(lambda: self.litter() == [], lambda: f"litter stays: {self.litter()}", 10)
        verify = self.node.pond("verify")
        equal(verify.returncode, DONE, f"pond verify: {verify.stdout}{verify.stderr}")

    def target(self):
        run = self.node.pond("get", TARGET, "-o", "-", text=False)
        check(run.returncode == DONE or not self.node.knows(TARGET),
              f"the target cannot be got: {run.stderr}")
        return run.stdout if run.returncode == DONE else None

    def litter(self):
        """Files in its home that no name needs."""
        home = pathlib.Path(self.node.home)
        held = {row["sha256"] for row in self.node.names().values()}
        found = [path for room in ("tmp", "partial") for path in (home / room).iterdir()]
        found += [path for room in ("content", "chunks") for path in (home / room).rglob("*")
                  if path.is_file() and path.name not in held]
        return [str(path.relative_to(home)) for path in found]


def _sockets(_, names):
    return [name for name in names if name.endswith(".sock")]


def when_quiet(path):
    """Waits until nothing more is written there."""
    last = -1

    def is_quiet():
        nonlocal last
        before, last = last, os.path.getsize(path)
        return before == last
    wait_until(is_quiet, f"nothing more is written to {path}", QUIET_IN, QUIET_S)
