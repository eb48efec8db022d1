# SPDX-License-Identifier: ISC
"""One host that takes as much of a node as it gets, beside others that want their own."""

import contextlib
import os
import resource
import socket
import time

from net import check, equal, patience, wait_until
from node import DOMAIN, HTTP_PORT, sha256
from registry import test
from tier import Tier

CONNECTIONS = 4000  # max_connections of the master, of which one host gets a quarter
IDLE, READERS = 1000, 1000
LARGE = 16 << 20
HELD = 256 << 20  # bytes that the master may need for all of it
ANSWERS_IN = 5  # seconds, for a small object


def resident(node):
    """Its memory, in bytes."""
    with open(f"/proc/{node.process.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def connect(host, node):
    """Takes next to nothing of what is sent to it before it is read."""
    made = host.socket(socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.settimeout(10 * patience())
    made.connect((node.host.v4, HTTP_PORT))
    return made


def reader(host, node, start):
    """One that wants the large object from there on."""
    made = connect(host, node)
    with contextlib.suppress(OSError):  # it may be refused by now
        made.sendall(f"GET /{DOMAIN}/large HTTP/1.1\r\nHost: {node.host.v4}:{HTTP_PORT}\r\n"
                     f"Range: bytes={start}-\r\n\r\n".encode())
    return made


def served(slave, number):
    """What another host puts and gets goes through the master meanwhile, soon."""
    name, content = f"small{number}", os.urandom(20000)
    began = time.monotonic()
    slave.put(name, content)
    wait_until(lambda: slave.status()["cache"]["unconfirmed"] == 0, "the master took it")
    seconds = time.monotonic() - began
    check(seconds < ANSWERS_IN * patience(), f"a put took {seconds:.1f} s to be confirmed")
    return name, content


def fetched(slave, name, content):
    began = time.monotonic()
    equal(sha256(slave.get(name)), sha256(content), name)
    seconds = time.monotonic() - began
    check(seconds < ANSWERS_IN * patience(), f"a get took {seconds:.1f} s")


def read_a_byte(connection):
    with contextlib.suppress(OSError):
        connection.recv(1)


@test("one host's thousand connections that do nothing and thousand readers that hardly read take "
      "a part of the master's places and memory, and the others notice nothing", hostile=True)
def crowd_of_one_host(net):
    files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(files[1], 2 * (IDLE + READERS)), files[1]))
    tier = Tier(net, 1, 3, plain_get=True, max_connections=CONNECTIONS)
    master, crowd = tier.settled(), tier.slaves[0].host
    putter, getter = tier.slaves[1:]
    large = os.urandom(LARGE)
    master.put("large", large)
    before = resident(master)
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(connect(crowd, master)) for _ in range(IDLE // 2)]
        readers = [stack.enter_context(reader(crowd, master, 4096 * number))
                   for number in range(READERS)]
        idle += [stack.enter_context(connect(crowd, master)) for _ in range(IDLE // 2)]
        wait_until(lambda: master.metric("pond_http_connections_shed_total") >= IDLE // 2,
                   "what is beyond its part is refused")
        for number in range(3):
            for connection in readers[number::100]:
                read_a_byte(connection)
            fetched(getter, *served(putter, number))
        fetched(getter, "large", large)
        check(resident(master) - before < HELD, "so much memory for one host")
        equal(master.metric("pond_http_connections") <= CONNECTIONS // 4 + 100, True,
              "no more than a part of the places is taken")
        wait_until(lambda: master.metric("pond_http_connections_reaped_total") >=
                   CONNECTIONS // 4 - 100, "they are cut off in the end", 60)
    wait_until(lambda: master.curl("large", host=crowd).status == 200, "it is served again")
