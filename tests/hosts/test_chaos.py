# SPDX-License-Identifier: ISC
"""Tiers under load while the network is parted and nodes die: what clients saw, and what is left."""

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
ROUND_S = 45 if "HOSTS_AMOUNT" in os.environ else 4  # longer than the dead time
SEED = int(os.environ.get("HOSTS_SEED", str(random.SystemRandom().randrange(1 << 32))))

ONLY = {
    "symmetric": "",
    "one way": "",
    "adverts": f"udp dport {ADVERT_PORT}",
    "http": f"ip protocol tcp tcp dport {HTTP_PORT}",
}


def part(net, dice, nodes):
    """Some of the nodes no longer reach the others; says how."""
    kind = dice.choice(list(ONLY))
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
      seconds=240 + 3 * ROUNDS * ROUND_S)
def chaos_parted(net):
    print(f"HOSTS_SEED={SEED}")
    stack, dice = Stack(net, paris=(2, 1)), random.Random(SEED)
    load = Load(stack.nodes)
    for number in range(ROUNDS):
        load.begin(dice.random())
        time.sleep(ROUND_S / 4)
        print(f"{number}: {part(net, dice, stack.nodes)}", flush=True)
        time.sleep(ROUND_S / 2)
        net.drop_nothing()
        time.sleep(ROUND_S / 4)
        load.end()
        stack.settled()
        load.judge(stack.nodes)


@test("nodes that are killed at any moment under load lose no acknowledged put, and serve no wrong "
      "byte", seconds=240 + 10 * KILLS)
def chaos_killed(net):
    print(f"HOSTS_SEED={SEED}")
    stack, dice = Stack(net, paris=(2, 1)), random.Random(SEED)
    load = Load(stack.nodes)
    load.begin(dice.random())
    for _ in range(KILLS):
        time.sleep(dice.uniform(0.05, 1.5) * patience())
        node = dice.choice(stack.nodes)
        node.kill()
        time.sleep(dice.uniform(0, 0.5) * patience())
        node.start()
    load.end()
    stack.settled()
    load.judge(stack.nodes)
