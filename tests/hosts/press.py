# SPDX-License-Identifier: ISC
"""Clients that come in bursts, that dawdle, or that are there when a daemon ends."""

import os
import random
import resource
import select
import socket
import subprocess
import threading
import time

from blows import Tally
from net import check, patience, wait_until
from node import DOMAIN, HTTP_PORT, Node, cluster, nets_of, sha256

SMALL, LARGE = b"small " * 170, os.urandom(1 << 20) * 16
TAKES_IN = 4096  # receive buffer of who hardly reads

# The daemon's own: src/http.c has them.
HEAD_S, WINDOW_S = 10, 10
LATE_S = 1.0
GONE_IN = 90  # whatever the machine does meanwhile
P99_S = 0.050

HONEST_HOSTS, CROWD_HOSTS = 2, 4  # one host gets a quarter of the places at most
EACH_S = 0.2  # between two requests of an honest client, or two bytes of a slow one
SLICES = 20
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
    open_files(2 * (senders + readers) + 200)
    hosts = net.add(1 + HONEST_HOSTS + CROWD_HOSTS)
    node = Node(hosts[0], nets=nets_of(hosts), nobroadcast=True, plain_get=True,
                max_connections=PLACES).start()
    node.put_many({"small": SMALL, "large": LARGE})
    asking = [_honest(node, host, honest // HONEST_HOSTS) for host in hosts[1:1 + HONEST_HOSTS]]
    try:
        gone = _slow(node, hosts[1 + HONEST_HOSTS:], senders, readers)
    finally:
        honest = [_told(one) for one in asking]
    check(node.process.poll() is None, f"it ended with {node.process.poll()}")
    return _judged(honest, gone, timed)


def _honest(node, host, count):
    """Clients that keep asking until they are told to end."""
    program = os.path.join(node.build, "tools/bench/getter")
    return subprocess.Popen(
        host.words(program, node.host.v4, HTTP_PORT, count, 3600,
                   f"/{DOMAIN}/small", round(1000 * EACH_S)),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _told(asking):
    """What those clients tell of their answers: (how many, p50, p99) in seconds, or a sentence of
    what was wrong."""
    asking.terminate()
    told = asking.communicate()[0]
    if asking.returncode != 0:
        return told or f"they ended with {asking.returncode}"
    count, _, p50, p99, _, _, digest = told.split()
    if digest != sha256(SMALL):
        return "they got other bytes"
    return int(count), int(p50) / 1e6, int(p99) / 1e6


def _slow(node, hosts, senders, readers):
    """{kind: seconds until each was cut off; None: it never was}. A sender's clock begins with its
    connection, a reader's with its request."""
    began, gone, slices = {}, {"sender": [], "reader": []}, [Slice() for _ in range(SLICES)]
    for number in range(senders + readers):
        kind = "sender" if number < senders else "reader"
        one = connected(hosts[number % len(hosts)], node, TAKES_IN if kind == "reader" else None)
        began[one] = time.monotonic()
        if kind == "reader":
            one.sendall(request(node, "large"))
        one.setblocking(False)
        slices[number % SLICES].add(one, kind)
    end = time.monotonic() + GONE_IN * patience()
    while any(part.alive for part in slices) and time.monotonic() < end:
        for part in slices:  # not all at a time: nobody else is to wait for this
            turn = time.monotonic()
            for one, kind in part.cut_off():
                gone[kind].append(time.monotonic() - began[one])
                one.close()
            time.sleep(max(0.0, EACH_S / SLICES - (time.monotonic() - turn)))
    for part in slices:
        for kind in part.alive.values():
            gone[kind].append(None)
    return gone


class Slice:
    """Some of the slow ones."""

    def __init__(self):
        self.alive, self.ends = {}, select.epoll()

    def add(self, one, kind):
        self.alive[one] = kind
        self.ends.register(one, select.EPOLLRDHUP)

    def cut_off(self):
        """Each of those that are left sends or reads a byte: [(one that is cut off, its kind)].
        What has come before the end stands in front of it: so it is looked for."""
        ended = {number for number, _ in self.ends.poll(0)}
        cut = [(one, kind) for one, kind in self.alive.items()
               if one.fileno() in ended or _is_cut(one, kind)]
        for one, _ in cut:
            self.ends.unregister(one)
            del self.alive[one]
        return cut


def _is_cut(one, kind):
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


def _judged(honest, gone, timed):
    tally, wrong = Tally(), [told for told in honest if isinstance(told, str)]
    for kind, deadline in (("sender", HEAD_S), ("reader", WINDOW_S)):
        for number, seconds in enumerate(gone[kind]):
            tally.one(f"slow {kind} {number}", lambda deadline=deadline, seconds=seconds:
                      _in_time(deadline + LATE_S if timed else GONE_IN, seconds))
    good = [told for told in honest if told not in wrong] or [(0, 0.0, 0.0)]
    count = sum(told[0] for told in good)
    p50, p99 = (1000 * max(told[i] for told in good) for i in (1, 2))  # of the worse host

    def waited():
        check(not wrong, f"the honest: {wrong}")
        check(not timed or p99 <= 1000 * P99_S, f"p99 is {p99:.1f} ms")
        return True
    tally.one("the honest", waited)
    last = [max((seconds for seconds in gone[kind] if seconds), default=0)
            for kind in ("sender", "reader")]
    return tally, f"{len(gone['sender'])} slow senders (the last gone after {last[0]:.1f} s), " \
        f"{len(gone['reader'])} slow readers ({last[1]:.1f} s), {count} honest answers, " \
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
