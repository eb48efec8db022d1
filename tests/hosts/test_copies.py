# SPDX-License-Identifier: ISC
"""pond put --copies: what it promises is held by so many candidates when it returns."""

import os
import threading
import time

from net import check, contains, equal, patience, wait_until
from node import DOMAIN, FAILED, USAGE
from registry import test
from stack import Stack
from tier import Tier

SMALL = b"one two three\n"
WAITING_MAX = 128  # EXCHANGE_COPIES_ASKED_MAX


def write(node, content):
    """A file for pond put; returns its path."""
    path = os.path.join(node.folder, "put")
    with open(path, "wb") as file:
        file.write(content)
    return path


def put(node, content, *words):
    """pond put of a file as "it"; returns how it ended, and after how many seconds."""
    path, began = write(node, content), time.monotonic()
    run = node.pond("put", path, "it", *words)
    return run, time.monotonic() - began


def unconfirmed(node):
    return node.status()["cache"]["unconfirmed"]


def all_confirmed(node):
    wait_until(lambda: unconfirmed(node) == 0, lambda: f"all puts of {node.name} are confirmed\n"
               f"{node.log()[-2000:]}")


def a_tier(net, candidates, slaves=0):
    """Its first candidate is master."""
    tier = Tier(net, candidates, slaves)
    tier.becomes_master(tier.candidates[0])
    return tier


def ends_in_time(node, content=SMALL):
    """pond put --copies 2, of which there cannot be two: exit 1 once its time is up."""
    run, seconds = put(node, content, "--copies", "2", "--timeout", "10")
    equal(run.returncode, FAILED, f"pond put: {run.stderr}")
    check(seconds < 10 + 10 * patience(), f"--timeout 10 took {seconds:.1f} s")
    return run


def each_has_it_alone(nodes, putter, content):
    """Nobody reaches anybody any more, and each of them gives the content."""
    for node in (putter, *nodes):
        node.host.unplug()
    for node in nodes:
        equal(node.get("it") == content, True, f"the content at {node.name}, alone")
    for node in (putter, *nodes):
        node.host.plug_in()  # a daemon that ends lets transfers end, which have somebody to go to


@test("--copies 2 at a slave of a tier with two candidates: when it returns, both hold it")
def copies_both_hold_it(net):
    tier = a_tier(net, 2, 1)
    tier.candidates[1].host.slow_down("50mbit")  # it is behind the other: that is waited for
    content = os.urandom(8 << 20)
    run, _ = put(tier.slaves[0], content, "--copies", "2", "--timeout", "60")
    equal(run.returncode, 0, f"pond put: {run.stderr}")
    each_has_it_alone(tier.candidates, tier.slaves[0], content)


@test("--copies 2 below a tier above: the site's two candidates hold it when it returns")
def copies_at_a_site(net):
    stack = Stack(net, core=1, paris=(2, 1))
    paris, content = stack.sites["paris"], os.urandom(8 << 20)
    run, _ = put(paris.slaves[0], content, "--copies", "2", "--timeout", "60")
    equal(run.returncode, 0, f"pond put: {run.stderr}")
    each_has_it_alone(paris.candidates, paris.slaves[0], content)


def too_few(net, stopped):
    """With one of two candidates stopped."""
    tier = a_tier(net, 2, 1)
    slave, away = tier.slaves[0], tier.candidates[stopped]
    away.stop()
    run = ends_in_time(slave)
    contains(run.stderr, "safe on this host", "what it says")
    contains(run.stderr, "only 1 of 2 copies", "what it says")
    equal(slave.get("it"), SMALL, "at the slave")
    away.start()
    all_confirmed(slave)
    wait_until(lambda: away.status()["cache"]["bytes"] >= len(SMALL), f"{away.name} holds it too\n"
               f"{away.log()[-2000:]}")
    each_has_it_alone(tier.candidates, slave, SMALL)


@test("--copies 2 while the backup is stopped: exit 1 in time, in plain words; the object stays")
def copies_backup_stopped(net):
    too_few(net, 1)


@test("--copies 2 while the master is stopped: exit 1 in time, in plain words; the object stays")
def copies_master_stopped(net):
    too_few(net, 0)


@test("more copies than there are candidates: a usage error, and nothing is put")
def copies_too_many(net):
    tier = a_tier(net, 2, 1)
    run, _ = put(tier.slaves[0], SMALL, "--copies", "3")
    equal(run.returncode, USAGE, f"pond put --copies 3: {run.stderr}")
    contains(run.stderr, "more than can be confirmed: 2 candidates can", "what it says")
    equal(tier.slaves[0].knows("it"), False, "does it know the name")


@test("without a master a plain put succeeds, and is confirmed when a candidate is back")
def copies_without_master(net):
    tier = a_tier(net, 2, 1)
    slave = tier.slaves[0]
    for node in tier.candidates:
        node.stop()
    run, _ = put(slave, SMALL)
    equal(run.returncode, 0, f"pond put: {run.stderr}")
    equal(slave.get("it"), SMALL, "at the slave")
    equal(unconfirmed(slave), 1, "unconfirmed puts")
    tier.candidates[1].start()
    all_confirmed(slave)
    each_has_it_alone([tier.candidates[1]], slave, SMALL)


@test("--copies 2 at a candidate: its own copy is one of them, and the other candidate's the other")
def copies_at_a_candidate(net):
    tier = a_tier(net, 2)
    for putter, other in (tier.candidates, reversed(tier.candidates)):
        content = os.urandom(1 << 20)
        run, _ = put(putter, content, "--copies", "2", "--timeout", "60")
        equal(run.returncode, 0, f"pond put at {putter.name}: {run.stderr}")
        putter.host.unplug()
        equal(other.get("it") == content, True, f"the content at {other.name}, alone")
        putter.host.plug_in()
        tier.settled()


@test("the master is killed while --copies 2 waits: the two candidates that are left hold it")
def copies_master_killed_midway(net):
    tier = a_tier(net, 3, 1)
    master, slave, content = tier.candidates[0], tier.slaves[0], os.urandom(16 << 20)
    for node in tier.candidates:
        node.host.slow_down("50mbit")
    began = master.host.received()
    ended = []
    putter = threading.Thread(target=lambda: ended.append(
        put(slave, content, "--copies", "2", "--timeout", "60")[0]))
    putter.start()
    wait_until(lambda: master.host.received() - began > 1 << 20, "the master fetches it",
               pause=0.02)
    master.kill()
    putter.join()
    equal(ended[0].returncode, 0, f"pond put: {ended[0].stderr}")
    each_has_it_alone([node for node in tier.candidates if node is not master], slave, content)


@test("the putter's cable is pulled: --copies 2 ends in time, and the object goes up afterwards")
def copies_cable_pulled(net):
    tier = a_tier(net, 2, 1)
    slave = tier.slaves[0]
    slave.host.unplug()
    contains(ends_in_time(slave).stderr, "only 0 of 2 copies", "what it says")
    equal(unconfirmed(slave), 1, "unconfirmed puts")
    slave.host.plug_in()
    all_confirmed(slave)


def put_and_wait(node, name):
    """A client on the control socket that waits for ten minutes for two copies."""
    client = node.socket()
    client.sendall(f"PUT /{DOMAIN}/{name} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
                   "Pond-Copies: 2\r\nPond-Timeout: 600\r\n\r\nx".encode())
    return client


@test("clients of --copies that go away leave their places, and what they put, behind")
def copies_clients_gone(net):
    tier = a_tier(net, 2, 1)
    slave, backup = tier.slaves[0], tier.candidates[1]
    backup.stop()
    clients = [put_and_wait(slave, f"left{i}") for i in range(WAITING_MAX)]
    wait_until(lambda: slave.metric("pond_questions") == WAITING_MAX, "all of them wait")
    run, _ = put(slave, SMALL, "--copies", "2", "--timeout", "60")
    contains(run.stderr, "too many questions", "what one more is told")
    for client in clients:
        client.close()
    wait_until(lambda: slave.metric("pond_questions") == 0, "their places are free")
    contains(ends_in_time(slave, SMALL + b"!").stderr, "only 1 of 2 copies",
             "what the next one is told")
    backup.start()
    all_confirmed(slave)
    wait_until(lambda: sum(row["held"] for row in backup.names().values()) == WAITING_MAX + 1,
               "the backup has all")
