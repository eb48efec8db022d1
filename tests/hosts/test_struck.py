# SPDX-License-Identifier: ISC
"""A daemon that dies, or whose disk or memory fails it, while it works: a few places of each kind;
tools/torture tries them all."""

import blows
import decay
import poverty
import power
import press
import shapes
from registry import test

SEED = 1  # the same each time: what else there is to find, the long way finds


@test("kill -9 at system calls of a put: nothing is lost, and no litter stays")
def killed_at_calls(net):
    blows.killed_at_each(net, "put", most=1).judge()


@test("system calls of a put that fail: nothing is lost, and the log names the cause")
def failing_calls(net):
    blows.failed_at_each(blows.victims_of(net, "put"), "EIO", most=1).judge()


@test("allocations of put that fail: who asked is told, or the daemon ends and says why; nothing is "
      "lost")
def failing_allocations(net):
    poverty.poor_at_each(net, "put", step=23).judge()


@test("power cuts under load: all that was acknowledged is there")
def power_cuts(net):
    tally, _ = power.cut(net, 3, SEED)
    tally.judge()
    power.cut(net, 2, SEED, fetching=True)[0].judge()


@test("bits that flip in content, chunk lists and journal are found, mended, never served")
def flipped_bits(net):
    # What a bit of the catalogue does depends on what LMDB made of its pages: tests/unit/rot.
    decay.flipped(net, 6, SEED, decay.FOUND).judge()


@test("requests that smuggle, changed a little, and cut anywhere: none is taken for two", hostile=True)
def odd_requests(net):
    shapes.tried(net, 600, SEED).judge()


@test("slow senders and slow readers beside honest clients are cut off, and the honest served")
def slow_beside_honest(net):
    tally, told = press.slow(net, 100, 100, 20, timed=False)  # how fast: tools/torture slow
    print(told)
    tally.judge()


@test("bursts at the limit of connections, and stops while clients read: each answer is whole, or says "
      "that it is not")
def bursts_and_stops(net):
    press.bursts(net, 20).judge()
    press.stops(net, 5, SEED).judge()
