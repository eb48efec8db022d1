# SPDX-License-Identifier: ISC
"""Requests of shapes that smuggle, changed a little and cut into packets anywhere: none is taken for
two, and no answer is another's."""

import random
import re
import socket

from blows import Tally
from net import check
from node import DOMAIN, HTTP_PORT, cluster

CONTENT = b"what stands under the name"
HIDDEN = "GET /.pond/status HTTP/1.1\r\nHost: x\r\n\r\n"  # what a smuggler wants to be answered, too
PUT, GET = f"PUT /{DOMAIN}/file HTTP/1.1\r\n", f"GET /{DOMAIN}/file HTTP/1.1\r\n"
SMUGGLING = [one + HIDDEN for one in (
    PUT + "Host: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    PUT + "Host: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    PUT + "Host: x\r\nContent-Length: 3\r\nContent-Length: 0\r\n\r\n",
    PUT + "Host: x\r\nContent-Length: 0, 3\r\n\r\n",
    PUT + "Host: x\r\nContent-Length: -1\r\n\r\n",
    PUT + "Host: x\r\nContent-Length: +0\r\n\r\n",
    PUT + "Host: x\r\nContent-Length: 0x0\r\n\r\n",
    PUT + "Host: x\r\nContent-Length : 0\r\n\r\n",
    PUT + "Host: x\r\nTransfer-Encoding: xchunked\r\n\r\n",
    PUT + "Host: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    PUT + "Host: x\r\nTransfer-Encoding: identity\r\n\r\n",
    PUT + "Host: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    GET + "Host: x\r\nContent-Length: 5\r\n\r\nhello",
    GET + "Host : x\r\n\r\n",
    GET + "Host: x\r\nHost: y\r\n\r\n",
    GET + "\r\n",
    GET + "Host: x\r\nA: b\r\n Transfer-Encoding: chunked\r\nX y: z\r\n\r\n",
    "GET http://evil/x HTTP/1.1\r\nHost: x\r\n\r\n",
    f"GET /{DOMAIN}/file x HTTP/1.1\r\nHost: x\r\n\r\n",
    f"GET /{DOMAIN}/file HTTP/1.2\r\nHost: x\r\n\r\n",
    f"GET /{DOMAIN}/file\r\nHost: x\r\n\r\n",
)]
# What names no object: refused, and the next request is the next one.
NAMELESS = ("/{0}/a%00b", "/{0}/..%2F..%2fetc", "/../../etc/passwd", "/{0}/%zz", "/{0}/%4",
            "/{0}//file", "/{0}/./file")
REFUSED = range(400, 600)
ENOUGH_S = 0.5  # it may wait for what does not come


def answers(text):
    """[(status, body)] of what came, as far as it is whole."""
    found = []
    while text:
        head, blank, rest = text.partition(b"\r\n\r\n")
        if not blank:
            break
        lines = head.split(b"\r\n")
        check(lines[0].startswith(b"HTTP/1."), f"what should be an answer begins {head[:80]!r}")
        lengths = [int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length")]
        size = lengths[0] if lengths else len(rest)
        if len(rest) < size:
            break
        found.append((int(lines[0].split()[1]), rest[:size]))
        text = rest[size:]
    return found


def told(node, text, cuts, seconds=60):
    """All that it answers until it closes; cuts: where the bytes are cut into packets."""
    came = b""
    with node.host.connect(node.host.v4, HTTP_PORT, seconds) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for start, end in zip([0, *cuts], [*cuts, len(text)]):
                connection.sendall(text[start:end])
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has heard enough, and may have answered before
        try:
            while part := connection.recv(65536):
                came += part
        except OSError:
            pass  # it has closed while more came, or waits for what does not come
    return came


def tried(net, times, seed):
    node = cluster(net, 1, plain_get=True)[0]
    node.put("file", CONTENT)
    dice, tally = random.Random(seed), Tally()
    kinds = (_smuggled, _honest, _mutated)
    for number in range(times):
        kind = kinds[number % len(kinds)]
        tally.one(f"{number}: {kind.__name__[1:]}, seed {seed}", lambda kind=kind: kind(node, dice))
        if tally.failures and node.process.poll() is not None:
            break
    check(node.process.poll() is None, f"it ended with {node.process.returncode}")
    return tally


def _cuts(dice, text):
    return sorted(dice.sample(range(1, len(text)), dice.choice((0, 1, 1, 3))))


def _smuggled(node, dice):
    text = dice.choice(SMUGGLING).encode()
    got = answers(told(node, text, _cuts(dice, text)))
    check(len(got) <= 1, f"{text!r} was answered {len(got)} times: {got}")
    check(not got or got[0][0] in REFUSED, f"{text!r} was answered {got}")
    return True


def _honest(node, dice):
    """Several in one: each its own answer, in order."""
    asked = [dice.choice((None, *NAMELESS)) for _ in range(dice.randrange(1, 5))]
    text = "\r\n".join((GET if one is None else f"GET {one.format(DOMAIN)} HTTP/1.1\r\n") +
                       f"Host: {node.host.v4}\r\n" for one in asked)
    text = (text + "Connection: close\r\n\r\n").encode()
    got = answers(told(node, text, _cuts(dice, text)))
    for one, (status, body) in zip(asked, got):
        check((status, body) == (200, CONTENT) if one is None else status in REFUSED,
              f"{text!r}: {one or 'the object'} was answered {status} {body[:100]!r}")
        if status == 400:
            break  # it may have closed
    else:
        check(len(got) == len(asked), f"{text!r} was answered {len(got)} times")
    return True


def _mutated(node, dice):
    """A byte of a request is another: one answer at most, and no other object's bytes."""
    text = bytearray((GET + f"Host: {node.host.v4}\r\nRange: bytes=0-99999\r\nConnection: close\r\n\r\n")
                     .encode())
    for _ in range(dice.choice((1, 1, 2, 5))):
        text[dice.randrange(len(text))] = dice.randrange(256)
    got = answers(told(node, bytes(text), _cuts(dice, text), ENOUGH_S))
    check(len(got) <= 1 or re.search(rb"\n\r?\n.", text, re.DOTALL),  # the change made two of it
          f"{bytes(text)!r} was answered {len(got)} times: {got}")
    for status, body in got:  # the change may be in the range
        check(body == CONTENT if status == 200 else status != 206 or body in CONTENT,
              f"{bytes(text)!r}: {status} {body!r}")
    return True
