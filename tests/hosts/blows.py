# SPDX-License-Identifier: ISC
"""A daemon that dies, or whose disk fails, at each system call of its work in its turn.

What must hold: victim.py. Where a disk has failed, who asked and the log are told why, too.
"""

import collections
import concurrent.futures
import queue
import re
import subprocess
import threading
import time

import strike
from net import Failed, check, wait_until
from node import DONE
from strike import Point
from victim import Victim, when_quiet

DIES_IN = 1.0   # seconds: a blow that has not fallen by then does not fall any more
HEALTHY_IN = 60
SYNCS = ("fsync", "fdatasync", "syncfs")
# How strace makes it, and what the log is to say of it. Of a write that does nothing, and says that
# it did nothing, nobody knows why.
FAULTS = {"EIO": ("error=EIO", "Input/output error"),
          "ENOSPC": ("error=ENOSPC", "No space left on device"),
          "EROFS": ("error=EROFS", "Read-only file system"),
          "short": ("retval=0", "No space left on device|Input/output error")}
WRITES = ("write", "pwrite64", "writev", "pwritev")


class Tally:
    """What was tried, and what went wrong in that. Each failure is said at once."""

    def __init__(self):
        self.tried, self.faults, self.failures, self._lock = 0, 0, [], threading.Lock()

    def one(self, what, attempt):
        """attempt(): whether the fault came to pass, or an exception. Any thread."""
        hit, failure = True, None
        try:
            hit = attempt()
        except (Failed, OSError, subprocess.TimeoutExpired) as error:
            failure = f"{what}: {error}"
            print(f"FAILED: {failure}", flush=True)
        with self._lock:
            self.tried += 1
            self.faults += bool(hit)
            self.failures += [failure] if failure else []

    def add(self, other):
        self.tried += other.tried
        self.faults += other.faults
        self.failures += other.failures

    def judge(self):
        """For a test, which ends with the first report of what failed."""
        print(f"{self.faults} faults, {len(self.failures)} failures")
        check(self.faults, "there was no fault: this test has become blind")
        check(not self.failures, f"{len(self.failures)} of {self.tried} failed; the first: "
              f"{self.failures[:1]}")


def points_of(victim, calls):
    """What its work does, in order: {point: the line of strace}."""
    victim.anew()
    if victim.starts:
        return _points_of_start(victim, calls)
    victim.node.start()

    def work():
        run = victim.work.run(victim)
        check(run.returncode == DONE, f"{victim.name} fails as it is: {run.stderr}")
        when_quiet(victim.log)
    return strike.recorded(victim.node, victim.log, work, calls)


def _points_of_start(victim, calls):
    victim.node.under = ("strace", "-D", "-f", "-q", "-y", "-s", "0", "-o", victim.log, "-e",
                         "trace=" + ",".join(calls))
    victim.node.start()
    when_quiet(victim.log)
    victim.node.under = ()
    with open(victim.log, encoding="utf-8", errors="replace") as file:
        text = file.read()
    tids = [int(match[1]) for match in map(strike.LINE.match, text.splitlines()) if match]
    each = strike.points(text, {tid: tid for tid in tids})
    return {Point(None, point.call, point.number): line for point, line in each.items()}


def thinned(points, most):
    """Of each thread's calls of a kind no more than that, the first and the last among them."""
    kinds = collections.defaultdict(list)
    for point in points:
        kinds[point.thread, point.call].append(point)
    picked = set()
    for of_kind in kinds.values():
        step = max(1, -(-len(of_kind) // most))
        picked.update(of_kind[::step], of_kind[-1:])
    return [point for point in points if point in picked]


def said(point):
    who = "" if point.thread is None else f"thread {point.thread}, "
    return f"{who}{point.call} {point.number}"


def each(victims, whats, attempt):
    """attempt(victim, what) for each of whats, {what: sentence}, as many at a time as there are
    victims."""
    tally, free = Tally(), queue.SimpleQueue()
    for victim in victims:
        free.put(victim)

    def one(what, sentence):
        victim = free.get()
        tally.one(f"{victim.name}: {sentence}", lambda: attempt(victim, what))
        free.put(victim)
    with concurrent.futures.ThreadPoolExecutor(len(victims)) as pool:
        for future in [pool.submit(one, *item) for item in whats.items()]:
            future.result()
    for victim in victims:
        victim.end()
    return tally


# ---- deaths

def killed_at_each(net, name, most=10 ** 6, jobs=2, calls=strike.CHANGING):
    victims = [Victim(net, name) for _ in range(jobs)]
    points = thinned(points_of(victims[0], calls), most)
    return each(victims, {point: said(point) for point in points}, _killed)


def _killed(victim, point):
    victim.anew()
    if victim.starts:
        acknowledged = False
        victim.node.under = strike.under(victim.log, point.call, point.number, "signal=KILL")
        _launched(victim)
    else:
        victim.node.start()
        strace = strike.strike(victim.node, victim.log, point, "signal=KILL")
        acknowledged = victim.work.run(victim).returncode == DONE
        died(victim)
        strace.end()
    dead = victim.node.process.poll() is not None
    victim.judge(acknowledged)
    return dead


def _launched(victim):
    """Waits until a daemon that is struck at its start has ended, or answers all the same."""
    victim.node.launch()
    wait_until(lambda: victim.node.process.poll() is not None or
               victim.node.pond("status").returncode == DONE, "it ends or answers")
    victim.node.under = ()
    died(victim)


def died(victim):
    """Its exit status, or None: it goes on."""
    end = time.monotonic() + DIES_IN
    while victim.node.process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    return victim.node.process.poll()


# ---- disks that fail

def victims_of(net, name, jobs=8):
    """For failed_at_each: most of the time they wait until the disk is looked at again."""
    return [Victim(net, name) for _ in range(jobs)]


def failed_at_each(victims, error, stays=False, most=10 ** 6):
    """error: "EIO" or another of FAULTS; stays: at all later calls of the kind in that thread, too."""
    calls = WRITES if error == "short" else strike.FAILING
    points = [point for point, line in points_of(victims[0], calls).items()
              if victims[0].home in line]
    how = f"{error}{' from then on' if stays else ''}"
    return each(victims, {point: f"{said(point)}: {how}" for point in thinned(points, most)},
                lambda victim, point: _failed(victim, point, error, stays))


def _failed(victim, point, error, stays):
    victim.anew()
    if victim.starts:
        return _failed_start(victim, point, error, stays)
    victim.node.start()
    strace = strike.strike(victim.node, victim.log, point, FAULTS[error][0], stays)
    run = victim.work.run(victim)
    when_quiet(victim.log)  # what is done in the background, too
    hit = strace.end()
    if not _is_of_disk(victim, hit):
        return False
    acknowledged = run.returncode == DONE
    check(acknowledged or run.stderr, f"exit {run.returncode} without a word")
    check(acknowledged or re.search(FAULTS[error][1], victim.node.log()), f"the log does not say why: "
          f"{run.stderr!r}\n{victim.node.log()}")
    check(not acknowledged or not _own_sync(victim, point), "acknowledged what was not synced")
    recovered(victim, acknowledged, point.call == "unlinkat")
    return True


def _is_of_disk(victim, text):
    """Was something struck, and nothing but files of its home?"""
    struck = [line for line in text.splitlines() if "(INJECTED)" in line]
    return bool(struck) and all(victim.home in line for line in struck)


def _own_sync(victim, point):
    return point.call in SYNCS and victim.work.before != victim.work.after


def recovered(victim, acknowledged, litter=False):
    """Judged once the disk works again: at once, and after another death. litter: that may be left
    until then, for what could not be removed."""
    node = victim.node
    if node.process.poll() is not None:
        check(node.process.returncode >= 0, f"it died of signal {-node.process.returncode}")
        victim.end()
        node.start()
    wait_until(lambda: node.status()["health"] == "ok",
               lambda: f"it becomes well again: {node.status()['health']}", HEALTHY_IN)
    victim.judge(acknowledged, restart=False, litter=litter)
    node.put("later", b"later")
    victim.kept["later"] = b"later"
    try:
        victim.judge(acknowledged)
    finally:
        del victim.kept["later"]


def _failed_start(victim, point, error, stays):
    """It starts all the same, or ends and says why."""
    victim.node.under = strike.under(victim.log, point.call, point.number, FAULTS[error][0], stays)
    _launched(victim)
    node = victim.node
    with open(victim.log, encoding="utf-8", errors="replace") as file:
        hit = _is_of_disk(victim, file.read())
    status = node.process.poll()
    check(status is None or status > 0, f"it ended with {status}")
    check(not hit or status is None or re.search(FAULTS[error][1], node.log()),
          f"it ended with {status}, and the log does not say why:\n{node.log()}")
    if hit:
        victim.judge(False)
    return hit
