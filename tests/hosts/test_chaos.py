# SPDX-License-Identifier: ISC
"""Tiers under load while the network is parted and nodes die: what clients saw, and what is left."""

import collections
import concurrent.futures
import os
import random
import time

from load import Load
from net import amount, patience
from node import HTTP_PORT
from registry import test
from stack import Stack
from tier import ADVERT_PORT

ROUNDS, KILLS = amount(2), amount(6)
LONG = "HOSTS_AMOUNT" in os.environ
ROUND_S = 45 if LONG else 4  # longer than the dead time
AWAY_S = 20 if LONG else 3   # longer than an election
SEED = int(os.environ.get("HOSTS_SEED", str(random.SystemRandom().randrange(1 << 32))))

ONLY = {
    "symmetric": "",
    "one way": "",
    "adverts": f"udp dport {ADVERT_PORT}",
    "http": f"ip protocol tcp tcp dport {HTTP_PORT}",
}


def kinds(dice):
    """Of every four in a row each one once."""
    while True:
        yield from dice.sample(list(ONLY), len(ONLY))


def part(net, dice, nodes, kind):
    """Some of the nodes no longer reach the others; says which."""
    some = dice.sample(nodes, dice.randrange(1, len(nodes)))
    for one in some:
        for other in nodes:
            if other in some:
                continue
            net.drop(f"iifname {one.host.port} oifname {other.host.port} {ONLY[kind]}")
            if kind != "one way":
                net.drop(f"iifname {other.host.port} oifname {one.host.port} {ONLY[kind]}")
    return f"{kind}: {', '.join(node.host.name for node in some)} cut off"


@test("parted networks under load lose no acknowledged put, and agree when they are whole again",
      seconds=600 + 3 * ROUNDS * ROUND_S)
def chaos_parted(net):
    print(f"HOSTS_SEED={SEED}")
    stack, dice = Stack(net, paris=(2, 1)), random.Random(SEED)
    load, counted = Load(stack.nodes), collections.Counter()
    for number, kind in zip(range(ROUNDS), kinds(dice)):
        load.begin(dice.random())
        time.sleep(ROUND_S / 4)
        print(f"{number}: {part(net, dice, stack.nodes, kind)}", flush=True)
        time.sleep(ROUND_S / 2)
        net.drop_nothing()
        time.sleep(ROUND_S / 4)
        load.end()
        stack.settled()
        load.judge(stack.nodes, dice.random())
        counted[kind] += 1
    print(f"rounds: {dict(counted)}")


class Deaths:
    """Nodes that are killed; one at a time may stay away for long, while others die."""

    def __init__(self, load, dice):
        self._load, self._dice, self._counted = load, dice, collections.Counter()
        self._pool, self._away = concurrent.futures.ThreadPoolExecutor(1), None
        self._back = None

    def one(self, nodes):
        if self._back and self._back.done():
            self._returned()
        node = self._dice.choice([node for node in nodes if node is not self._away])
        if not self._back and self._dice.random() < 0.3:
            self._away, self._back = node, self._pool.submit(self._kill, node, AWAY_S)
            self._counted["for long"] += 1
        else:
            self._kill(node, self._dice.uniform(0, 0.5))
            self._counted["for short"] += 1

    def _kill(self, node, seconds):
        with self._load.down(node):
            node.kill()
            time.sleep(seconds * patience())
            node.start()

    def _returned(self):
        self._back.result()  # and what went wrong there
        self._away = self._back = None

    def over(self):
        if self._back:
            self._returned()
        print(f"killed: {dict(self._counted)}")


@test("nodes that are killed at any moment under load, and stay away for a moment or for long, lose "
      "no acknowledged put, and serve no wrong byte", seconds=600 + 10 * KILLS)
def chaos_killed(net):
    print(f"HOSTS_SEED={SEED}")
    stack, dice = Stack(net, paris=(2, 1)), random.Random(SEED)
    load = Load(stack.nodes)
    load.begin(dice.random())
    deaths = Deaths(load, dice)
    for _ in range(KILLS):
        time.sleep(dice.uniform(0.05, 1.5) * patience())
        deaths.one(stack.nodes)
    deaths.over()
    load.end()
    stack.settled()
    load.judge(stack.nodes, dice.random())
