# SPDX-License-Identifier: ISC
"""Daemons that end, start, reload and change roles far too often, and a disk that stands still."""

import json
import os
import threading
import time

from ballots import Ear, longest_gap
from net import amount, check, equal, patience, wait_until
from node import DONE
from registry import test
from tier import Tier

ROUNDS = amount(4)
TRACE = "echo $POND_ROLE $POND_ENDED >>trace"
FAST = {"base": 0.1, "preempt_delay": 0}
KEPT_OPEN = 8  # connections between the two that may be open now and were not before
STOPS_IN = 15.0  # seconds, with nothing to serve and no hook that hangs


class Busy:
    """Puts, looks and reloads at this node, from threads of their own, until it is told to end."""

    def __init__(self, node):
        self.node, self.over, self.count = node, False, 0
        self.threads = [threading.Thread(target=self.repeat, args=(words,), daemon=True)
                        for words in (("put", node.config, "busy"), ("peers", "--json"),
                                      ("reload",), ("demote", "nets"), ("restore", "nets"))]
        for thread in self.threads:
            thread.start()

    def repeat(self, words):
        while not self.over:
            self.count += self.node.pond(*words).returncode == DONE

    def end(self):
        self.over = True
        for thread in self.threads:
            thread.join()


def last_hook(node):
    try:
        with open(os.path.join(node.folder, "trace"), encoding="utf-8") as file:
            return file.read().split("\n")[-2]
    except (FileNotFoundError, IndexError):
        return None


@test("a daemon that is stopped while it is asked, put, reloaded and demoted ends soon, in good "
      "order, and as a backup", seconds=300 + 30 * ROUNDS)
def stopped_under_load(net):
    tier = Tier(net, 3, on_master=TRACE, on_backup=TRACE, **FAST)
    first = tier.candidates[0]
    for _ in range(ROUNDS):
        busy = Busy(first)
        wait_until(lambda busy=busy: busy.count > 10, "it is busy")
        began = time.monotonic()
        status, log = first.stop(), first.log()
        seconds = time.monotonic() - began
        busy.end()
        equal(status, 0, f"its exit status; it logged:\n{log[-3000:]}")
        equal(last_hook(first), "backup 1", "what its last hook was told")
        check(seconds < STOPS_IN * patience(), f"it took {seconds:.1f} s to end:\n{log[-3000:]}")
        tier.settled()
        first.start()


@test("a daemon that is stopped as soon as it is started ends in good order",
      seconds=300 + 30 * ROUNDS)
def stopped_while_starting(net):
    tier = Tier(net, 2, **FAST)
    first = tier.candidates[0]
    first.stop()
    for number in range(5 * ROUNDS):
        first.launch()
        time.sleep(0.01 * (number % 20) * patience())
        status = first.stop()
        check(status in (0, -15), f"{status}:\n{first.log()}")  # -15: before it asks for signals
    first.start()
    tier.settled()


@test("candidates that are killed and started again and again agree in the end",
      seconds=300 + 30 * ROUNDS)
def killed_and_started(net):
    tier = Tier(net, 3, **FAST)
    epoch = 0
    for number in range(3 * ROUNDS):
        node = tier.candidates[number % 3]
        node.kill()
        node.launch()
        if number % 3 == 2:
            tier.settled()
            epoch, before = max(tier.view(node)["epoch"] for node in tier.nodes), epoch
            check(epoch >= before, f"the epoch went back from {before} to {epoch}")


def holds(node):
    """How many descriptors and threads it has."""
    proc = f"/proc/{node.process.pid}"
    return len(os.listdir(f"{proc}/fd")), len(os.listdir(f"{proc}/task"))


@test("reloads, changes of role and hooks leave no descriptor and no thread behind",
      seconds=300 + 30 * ROUNDS)
def nothing_is_left(net):
    tier = Tier(net, 2, on_master=TRACE, on_backup=TRACE, advert_addr="239.7.7.7", **FAST)
    first, second = tier.candidates
    lines = [f"{node.host.v4} master" for node in tier.nodes]
    tier.becomes_master(first)

    def around():
        first.done("demote", "nets")
        tier.becomes_master(second)
        first.write_nets(lines[1:])
        first.pond("reload")  # it has no address in the tier then
        first.write_nets([*lines, "10.77.0.0/24 slave"])
        first.done("reload")
        first.write_nets(lines)
        first.done("reload")
        first.done("restore", "nets")
        tier.becomes_master(first)

    around()
    before = holds(first), holds(second)
    for _ in range(5 * ROUNDS):
        around()
    wait_until(lambda: all(now <= then + KEPT_OPEN for node, then in zip(tier.nodes, before)
                           for now, then in zip(holds(node), then)),
               lambda: f"what they hold is what they held: {before}, not "
               f"{[*map(holds, tier.nodes)]}")


def latest_while_it_syncs(tier, first, number):
    """By how much the latest advert was late, in seconds, while it puts and is told to reload."""
    ear = Ear(tier.net)
    puts = [threading.Thread(target=first.pond, args=("put", first.config, f"slow{number}/{which}"))
            for which in range(4)]
    for put in puts:
        put.start()
    reloaded = json.loads(first.done("reload", "--json"))
    equal(reloaded["result"], "unchanged", "a reload meanwhile")
    tier.stays(first, 4)
    late = longest_gap(ear.since(host=1, kind="advert")) - first.settings["base"]
    for put in puts:
        put.join()
    return late


@test("a disk that takes a second for each sync delays no advert of a master and changes no role",
      seconds=300)
def slow_disk(net):
    tier = Tier(net, 2, 1, start=False, **FAST | {"base": 0.2})
    first, second = tier.candidates
    first.start()
    first.stop()  # so that the next start has little to sync
    first.under = ["strace", "-D", "-f", "-q", "--seccomp-bpf", "-o", "/dev/null",
                   "-e", "trace=fsync,fdatasync", "-e",
                   "inject=fsync,fdatasync:delay_enter=1000000"]
    first.launch()
    first.logged("is ready")
    for node in (second, *tier.slaves):
        node.start()
    tier.becomes_master(first)
    for number in range(3):  # a machine that stands still for a moment does not do so each time
        late = latest_while_it_syncs(tier, first, number)
        if late < 0.3:
            break
    check(late < 0.3, f"an advert was {1000 * late:.0f} ms late")  # who waited, did so for 1000
