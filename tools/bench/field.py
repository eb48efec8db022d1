# SPDX-License-Identifier: ISC
"""The hosts of tools/bench/fanout, the systems on them, and those who read."""

import collections
import hashlib
import os
import shutil
import subprocess

from gateways import SYSTEMS
from links import limit
from net import Net, check

FILE = "file"  # the one that is read

# What a reader got: times in seconds of the monotonic clock; is it all, and what it should be?
Got = collections.namedtuple("Got", "path status bytes began first ended stall right")


def whole(got):
    """Nobody got anything else."""
    for one in got:
        check(one.right, f"{one.path}: status {one.status}, {one.bytes} bytes, and not the object's")
    return got


class Reader:
    """tools/bench/reader on that host, asking what serves it."""

    def __init__(self, field, system, label, connections=1):
        self._prefix = system.prefix
        self._process = subprocess.Popen(field.hosts[label].words(
            os.path.join(field.build, "tools/bench/reader"), system.serves(label), system.port,
            connections), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, name):
        """From now on."""
        self._process.stdin.write(self._prefix + name + "\n")
        self._process.stdin.flush()

    def end(self, objects, *names):
        """Has it ask for these too, and waits until it has all; what should come is {name: bytes}."""
        rest = "".join(f"{self._prefix}{name}\n" for name in names)
        got = []
        for line in self._process.communicate(rest)[0].splitlines():
            path, status, size, *times, digest = line.split()
            content = objects[path.removeprefix(self._prefix)]
            got.append(Got(path, int(status), int(size), *(int(t) / 1e6 for t in times),
                           status == "200" and digest == hashlib.sha256(content).hexdigest()))
        return got


class Field:
    """A bridge with a host for each label, and the folders for what the systems write."""

    def __init__(self, folder, build, labels):
        self.build, self._net, self._runs = build, Net(folder, build), 0
        self.hosts = dict(zip(labels, self._net.add(len(labels))))

    def cables(self, rate, **others):
        """All of that speed, but those that are named; None: as fast as it goes."""
        for label, host in self.hosts.items():
            limit(host, others.get(label, rate))

    def start(self, name, tree, objects, **more):
        """That system on fresh folders, with the objects at the top."""
        self._runs += 1
        system = SYSTEMS[name](self.hosts, tree, f"{self._runs}", **more)
        system.start(objects)
        return system

    def stop(self, system):
        """Ends it and makes room."""
        system.stop()
        self._net.nodes.clear()
        for host in self.hosts.values():
            shutil.rmtree(os.path.join(host.folder, f"{self._runs}"), ignore_errors=True)

    def one_copy(self, content):
        """Seconds of a plain curl from the top's nginx to a host below it."""
        top, below = list(self.hosts)[:2]
        system = self.start("nginx", {top: None, below: top}, {FILE: content})
        took = self.hosts[below].run(
            "curl", "-sSf", "-o", "/dev/null", "-w", "%{time_total}",
            f"http://{system.serves(below)}/{FILE}")
        self.stop(system)
        check(took.returncode == 0, f"curl: {took.stderr}")
        return float(took.stdout)
