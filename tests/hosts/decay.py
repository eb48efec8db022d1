# SPDX-License-Identifier: ISC
"""Bits that flip in what a node has on its disk, while it is down: never served, found by pond
verify, and mended from the other node."""

import os
import pathlib
import random

from blows import Tally
from net import check, wait_until
from node import DONE, FAILED, cluster, everyone_knows, sha256

SIZES = (40, 5000, 262144, 300000, 700000)
NAMES = 12
ROOMS = ("content", "chunks", "manifests", "catalogue")
# Where every bit counts, but for the lines between manifests: their dates are for people who read the
# journal, and under no sum. Most of the catalogue's file is pages that nobody uses any more.
FOUND = ("content", "chunks", "manifests")
MENDED_IN = 60


def flipped(net, flips, seed, rooms=ROOMS):
    """That many bits, one after the other, in these rooms of the home in turn."""
    first, second = cluster(net, 2)
    dice, tally = random.Random(seed), Tally()
    contents = {f"rot/{number}": os.urandom(SIZES[number % len(SIZES)]) for number in range(NAMES)}
    first.put_many(contents)
    everyone_knows([second], f"rot/{NAMES - 1}")
    _reads(second, contents)
    _holds_all(second)  # what is not yet said to be held is fetched again, and was never rotten
    for number in range(flips):
        room = rooms[number % len(rooms)]
        second.kill()
        path, bit, counts = _flip(second, room, dice)
        _start(second)
        tally.one(f"{number}: bit {bit} of {path}, seed {seed}", lambda counts=counts:
                  _attempt(second, contents, counts, dice.random() < 0.5))
    return tally


def _flip(node, room, dice):
    files = [path for path in pathlib.Path(node.home, room).rglob("*")
             if path.is_file() and path.stat().st_size and path.name != "lock.mdb"]
    path = dice.choice(sorted(files))
    bit = dice.randrange(8 * path.stat().st_size)
    text = path.read_bytes()
    line = _line_at(text, bit // 8).strip()
    counts = room in FOUND and (room != "manifests" or bool(line) and not line.startswith(b"From "))
    pathlib.Path(node.home, "catalogue.mended").unlink(missing_ok=True)
    with open(path, "r+b") as file:
        file.seek(bit // 8)
        byte = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))
    return path.relative_to(node.home), bit, counts


def _line_at(text, place):
    start = text.rfind(b"\n", 0, place) + 1
    return text[start:text.find(b"\n", place) + 1]


def _attempt(node, contents, counts, reads):
    """Reads first, which may mend it, or verifies first, which must find what counts."""
    if reads:
        _reads(node, contents)
    else:
        found = _verify(node)
        check(not counts or found == FAILED, "pond verify did not find it")
    wait_until(lambda: _verify(node) == DONE, "pond verify finds nothing any more", MENDED_IN)
    _reads(node, contents)
    _holds_all(node)
    return True


def _holds_all(node):
    wait_until(lambda: all(row["held"] for row in node.names().values()), "all is held", MENDED_IN)


def _start(node):
    """Where the catalogue is so damaged that the node ends, here or later, it is started again: as
    its service manager does."""
    node.launch()
    wait_until(lambda: _again(node) or node.pond("status").returncode == DONE,
               lambda: f"{node.name} answers:\n{node.log()}")


def _verify(node):
    run = node.pond("verify")
    _again(node)
    return run.returncode


def _again(node):
    if node.process.poll() is not None:
        check("is damaged" in node.log(), f"it ended with {node.process.returncode}:\n{node.log()}")
        node.process = None
        node.start()
        return True
    return False


def _reads(node, contents):
    """Never other bytes; the right ones at last."""
    for name, content in contents.items():
        def got(name=name, content=content):
            run = node.pond("get", name, "-o", "-", text=False)
            if _again(node) or run.returncode != DONE:
                return False
            check(sha256(run.stdout) == sha256(content), f"{name} gave other bytes")
            return True
        wait_until(got, lambda name=name: f"{name} is got:\n{node.log()[-2000:]}", MENDED_IN)
