# SPDX-License-Identifier: ISC
"""Clients that come in bursts, that dawdle, or that are there when a daemon ends."""

import multiprocessing
import os
import random
import resource
import select
import selectors
import socket
import threading
import time

from blows import Tally
from net import check, patience, wait_until
from node import DOMAIN, HTTP_PORT, Node, cluster, nets_of

SMALL, LARGE = b"small " * 170, os.urandom(1 << 20) * 16
TAKES_IN = 4096  # receive buffer of who hardly reads

# The daemon's own: src/http.c has them.
HEAD_S, WINDOW_S = 10, 10
LATE_S = 1.0
GONE_IN = 90  # whatever the machine does meanwhile
P99_S = 0.050

HONEST_HOSTS, CROWD_HOSTS = 2, 4  # one host gets a quarter of the places at most
EACH_S = 0.2  # between two requests of an honest client, or two bytes of a slow one
PLACES = 4000


def request(node, name, *lines):
    head = (f"GET /{DOMAIN}/{name} HTTP/1.1", f"Host: {node.host.v4}:{HTTP_PORT}", *lines)
    return "".join(line + "\r\n" for line in (*head, "")).encode()


def open_files(wanted):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, wanted), hard))


def connected(host, node, takes_in=None):
    made = host.socket()
    if takes_in:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, takes_in)
    made.settimeout(20 * patience())
    made.connect((node.host.v4, HTTP_PORT))
    return made


# ---- slow ones beside honest ones

def slow(net, senders, readers, honest, timed=True):
    """The tally: each client is tried once; and what the honest ones waited, in words. Timed: those
    may wait P99_S, and the slow ones overstay by LATE_S; else, where the machine may be slow itself,
    all are served, and all of the slow cut off."""
    open_files(2 * (senders + readers) + honest + 200)
    hosts = net.add(1 + HONEST_HOSTS + CROWD_HOSTS)
    node = Node(hosts[0], nets=nets_of(hosts), nobroadcast=True, plain_get=True,
                max_connections=PLACES).start()
    node.put_many({"small": SMALL, "large": LARGE})
    context = multiprocessing.get_context("fork")
    over, results, processes = context.Event(), context.SimpleQueue(), []
    for target, arguments in ((_honest, (hosts[1:3], honest)),
                              (_slow, (hosts[3:], senders, readers))):
        processes.append(context.Process(target=_report, args=(results, over, target, node,
                                                               *arguments)))
        processes[-1].start()
    told = dict(results.get() for _ in processes)
    for process in processes:
        process.join()
    check(node.process.poll() is None, f"it ended with {node.process.poll()}")
    wrong = [one for one in told.values() if isinstance(one, Exception)]
    check(not wrong, f"the clients: {wrong}")
    return _judged(told, timed)


def _report(results, over, target, node, *arguments):
    try:
        told = target(node, over, *arguments)
    except Exception as error:  # whatever it was, who waits for the report is told
        over.set()
        told = error
    results.put((target.__name__, told))


def _honest(node, over, hosts, count):
    """Keeps asking until the slow ones are over: (seconds of each answer, failures)."""
    asked, taken, failures = {}, [], []
    selector = selectors.DefaultSelector()
    due = []
    for number in range(count):
        one = connected(hosts[number % len(hosts)], node)
        one.setblocking(False)
        selector.register(one, selectors.EVENT_READ, bytearray())
        due.append((time.monotonic() + EACH_S * number / count, one))
    text = request(node, "small")
    while not over.is_set():
        now = time.monotonic()
        while due and due[0][0] <= now:
            _, one = due.pop(0)
            one.sendall(text)
            asked[one] = time.monotonic()
        for key, _ in selector.select(0.01):
            one, had = key.fileobj, key.data
            try:
                had += one.recv(65536)
            except OSError as error:
                had[:] = repr(error).encode()
            if had.endswith(SMALL) and had.startswith(b"HTTP/1.1 200 "):
                taken.append(time.monotonic() - asked.pop(one))
                had.clear()
                due.append((time.monotonic() + EACH_S, one))
            elif b" 200 " not in had[:20] or len(had) > 2 * len(SMALL) + 1000:
                failures.append(bytes(had[:100]))
                selector.unregister(one)
    return taken, failures


def _slow(node, over, hosts, senders, readers):
    """{kind: seconds until each was cut off; None: it never was}. A sender's clock begins with its
    connection, a reader's with its request."""
    alive, began, gone = {}, {}, {"sender": [], "reader": []}
    for number in range(senders + readers):
        kind = "sender" if number < senders else "reader"
        one = connected(hosts[number % len(hosts)], node, TAKES_IN if kind == "reader" else None)
        began[one], alive[one] = time.monotonic(), kind
        if kind == "reader":
            one.sendall(request(node, "large"))
        one.setblocking(False)
    end = time.monotonic() + GONE_IN * patience()
    while alive and time.monotonic() < end:
        turn = time.monotonic()
        for one, kind in list(alive.items()):
            if _is_cut(one, kind):
                gone[kind].append(time.monotonic() - began[one])
                alive.pop(one)
                one.close()
        time.sleep(max(0.0, EACH_S - (time.monotonic() - turn)))
    for kind in alive.values():
        gone[kind].append(None)
    over.set()
    return gone


def _is_cut(one, kind):
    """What has come before the end stands in front of it: so it is looked for."""
    seen = select.poll()
    seen.register(one, select.POLLRDHUP)
    if seen.poll(0):
        return True
    try:
        if kind == "sender":
            one.send(b"G")
        else:
            one.recv(1)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return False


def _judged(told, timed):
    tally, (taken, failures), gone = Tally(), told["_honest"], told["_slow"]
    for kind, deadline in (("sender", HEAD_S), ("reader", WINDOW_S)):
        for number, seconds in enumerate(gone[kind]):
            tally.one(f"slow {kind} {number}", lambda deadline=deadline, seconds=seconds:
                      _in_time(deadline + LATE_S if timed else GONE_IN, seconds))
    taken.sort()
    p50, p99 = (1000 * taken[len(taken) * percent // 100] for percent in (50, 99))

    def waited():
        check(not failures, f"{len(failures)} failed: {failures[:2]}")
        check(not timed or p99 <= 1000 * P99_S, f"p99 is {p99:.1f} ms")
        return True
    tally.one("the honest", waited)
    last = [max((seconds for seconds in gone[kind] if seconds), default=0)
            for kind in ("sender", "reader")]
    return tally, f"{len(gone['sender'])} slow senders (the last gone after {last[0]:.1f} s), " \
        f"{len(gone['reader'])} slow readers ({last[1]:.1f} s), {len(taken)} honest answers, " \
        f"p50 {p50:.1f} ms, p99 {p99:.1f} ms"


def _in_time(limit, seconds):
    check(seconds is not None, "it was never cut off")
    check(seconds <= limit * patience(), f"it was cut off after {seconds:.2f} s only")
    return True


# ---- bursts

def bursts(net, times, limit=40, size=100):
    """That often so many connections at once: all are answered, and then one is served."""
    node, tally = cluster(net, 1, max_connections=limit)[0], Tally()
    node.put("small", SMALL)
    shed = [0]
    for number in range(times):
        tally.one(f"burst {number}", lambda: _burst(node, size, shed))
    check(shed[0], "no burst came to the limit")
    return tally


def _burst(node, size, shed):
    text, burst = request(node, "small"), []
    for _ in range(size):
        burst.append(connected(node.host, node))
        burst[-1].sendall(text)
    for one in burst:
        status, body = _answer(one)
        check(status in (200, 503), f"a client of the burst got {status}")
        check(status != 200 or body == SMALL, "a client of the burst got other bytes")
        shed[0] += status == 503
        one.close()
    with connected(node.host, node) as after:
        after.sendall(text)
        status, _ = _answer(after)
    if status == 503:  # those of the burst are on their way out
        wait_until(lambda: node.curl("small").status == 200, "it serves after the burst", 20)
    return True


def _answer(one):
    """(status, body); ("broken", None) where it says that it is not whole: it is shorter than its
    Content-Length, or there is none at all."""
    had = b""
    try:
        while b"\r\n\r\n" not in had:
            part = one.recv(65536)
            if not part:
                return "broken", None
            had += part
        head, _, body = had.partition(b"\r\n\r\n")
        length = [int(line[15:]) for line in head.split(b"\r\n")
                  if line.lower().startswith(b"content-length:")]
        check(length, f"an answer does not say how long it is: {head!r}")
        while len(body) < length[0]:
            part = one.recv(1 << 20)
            if not part:
                return "broken", None
            body += part
    except OSError:
        return "broken", None
    return int(head.split()[1]), body


# ---- ends

def stops(net, times, seed):
    """That often SIGTERM while clients read, and start again."""
    node, tally, dice = cluster(net, 1)[0], Tally(), random.Random(seed)
    node.put_many({"small": SMALL, "large": LARGE})
    for number in range(times):
        tally.one(f"stop {number}, seed {seed}", lambda: _stop(node, dice))
        if node.process is None:
            node.start()
    return tally


def _stop(node, dice):
    wrong, ended = [], threading.Event()
    clients = [threading.Thread(target=_read, args=(node, name, ended, wrong))
               for name in ("small", "large") * 4]
    for client in clients:
        client.start()
    time.sleep(dice.uniform(0, 0.3))
    status = node.stop()
    ended.set()
    for client in clients:
        client.join()
    check(status == 0, f"it ended with {status}:\n{node.log()[-2000:]}")
    check(not wrong, f"{wrong[:3]}")
    node.start()
    return True


def _read(node, name, ended, wrong):
    content = SMALL if name == "small" else LARGE
    while not ended.is_set():
        try:
            with connected(node.host, node) as one:
                status = 0
                while status in (0, 200) and not ended.is_set():
                    one.sendall(request(node, name))
                    status, body = _answer(one)
                    if status == 200 and body != content:
                        wrong.append(f"{name}: other bytes")
        except OSError:
            pass  # refused, or reset: that is an error on the wire
        except Exception as error:  # pylint: disable=broad-except
            wrong.append(f"{name}: {error!r}")
            return
