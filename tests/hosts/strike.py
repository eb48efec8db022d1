# SPDX-License-Identifier: ISC
"""A daemon's system calls, by strace: which ones it makes, and what happens at one of them.

strace counts what it lets fail by thread and by call: so the threads are told apart, by the order in
which they were made, which is always the same; HTTP's workers, of which any may take a request, are
one.
"""

import collections
import os
import re
import subprocess

from net import check, wait_until

WORKERS = "MHD-worker"
ATTACHES_IN = 20  # seconds

# What changes something on the disk, or tells somebody. A process that dies between two of them
# dies as if at the later one.
CHANGING = ("openat", "mkdir", "mkdirat", "write", "pwrite64", "writev", "pwritev", "ftruncate",
            "fallocate", "rename", "renameat", "renameat2", "link", "linkat", "symlinkat", "unlink",
            "unlinkat", "rmdir", "fsync", "fdatasync", "syncfs", "sync_file_range", "msync",
            "copy_file_range", "sendfile", "sendmsg", "sendto", "close")
# What a failing disk may fail. copy_file_range and fallocate: where they are used.
FAILING = ("openat", "mkdirat", "write", "pwrite64", "writev", "pwritev", "ftruncate", "fallocate",
           "rename", "renameat", "renameat2", "linkat", "unlinkat", "fsync", "fdatasync", "syncfs",
           "copy_file_range", "read", "pread64")

# thread: WORKERS, or its number in the order in which they began; number: of this call there, from 1.
Point = collections.namedtuple("Point", "thread call number")

LINE = re.compile(r"(\d+) +(\w+)\((.*)")


def threads(pid):
    """{WORKERS or number: their ids}; without one that ends meanwhile."""
    found = collections.defaultdict(list)
    for number, tid in enumerate(sorted(map(int, os.listdir(f"/proc/{pid}/task")))):
        try:
            with open(f"/proc/{pid}/task/{tid}/comm", encoding="ascii") as file:
                name = file.read().strip()
        except (FileNotFoundError, ProcessLookupError):
            continue
        found[WORKERS if name == WORKERS else number].append(tid)
    return dict(found)


class Strace:
    """Follows these threads, which run already, until end()."""

    def __init__(self, log, tids, *words):
        self.log, self._heard = log, log + ".said"
        with open(self._heard, "wb") as heard:
            self._process = subprocess.Popen(
                ["strace", "-y", "-s", "0", "-o", log, *words,
                 *(word for tid in tids for word in ("-p", str(tid)))],
                stdin=subprocess.DEVNULL, stdout=heard, stderr=heard)
        wait_until(lambda: self._said().count(" attached") >= len(tids) or self._process.poll(),
                   lambda: f"strace attaches: {self._said()}", ATTACHES_IN, 0.005)
        check(self._process.poll() is None, f"strace: {self._said()}")

    def _said(self):
        with open(self._heard, encoding="utf-8", errors="replace") as file:
            return file.read()

    def end(self):
        """Lets go of them; returns what it saw."""
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait()
        return self.seen()

    def seen(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()


def recorded(node, log, work, calls=CHANGING):
    """The points in what the daemon does for work() (None: all calls): {point: the line}."""
    groups = threads(node.process.pid)
    strace = Strace(log, [tid for tids in groups.values() for tid in tids],
                    *(("-e", "trace=" + ",".join(calls)) if calls else ()))
    work()
    return points(strace.end(), {tid: name for name, tids in groups.items() for tid in tids})


def points(text, names):
    counts, found = collections.Counter(), {}
    for line in text.splitlines():
        match = LINE.match(line)
        if match and int(match[1]) in names:
            key = names[int(match[1])], match[2], match[1]
            counts[key] += 1
            found.setdefault(Point(*key[:2], counts[key]), line)
    return found


def strike(node, log, point, what, stays=False):
    """From now on, at this point of the running daemon: what, as in "signal=KILL", "error=EIO"; at
    all later ones of its kind too, if it stays."""
    groups = threads(node.process.pid)
    check(point.thread in groups, f"there is no thread {point.thread} this time: {groups}")
    return Strace(log, groups[point.thread], "-e", f"trace={point.call}", "-e",
                  f"inject={point.call}:{what}:when={point.number}{'+' if stays else ''}")


def under(log, call, number, what, stays=False):
    """The words in front of a daemon that is struck while it starts: at the first thread that makes
    this call so often."""
    return ("strace", "-D", "-f", "-q", "-y", "-s", "0", "-o", log, "-e", f"trace={call}", "-e",
            f"inject={call}:{what}:when={number}{'+' if stays else ''}")
