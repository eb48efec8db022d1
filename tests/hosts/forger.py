# SPDX-License-Identifier: ISC
"""Who sends what others should be taken to have said, and how much of it he likes."""

import hashlib
import hmac
import os
import struct

import wire
from net import check
from node import KEY
from tier import ADVERT_PORT


class Attacker:
    """A host that sends what it likes from whatever address it likes."""

    def __init__(self, net, datagrams, port=ADVERT_PORT):
        """port: to which and from which it sends."""
        self.host, self._port = net.add(1)[0], port
        self._file = os.path.join(self.host.folder, "datagrams")
        with open(self._file, "wb") as file:
            file.write(b"".join(struct.pack("!H", len(data)) + data for data in datagrams))
        self._program = os.path.join(net.build, "tests/hosts/flood")

    def start(self, target, source=None, rate=2000, seconds=1, run=1):
        """Begins to send them all in turn to that host, as if from `source`, each `run` times in a
        row."""
        words = [self._program, target.v4, self._port, rate, seconds, self._file]
        if source:
            words += ["--from", source.v4, "--from-port", self._port]
        if run > 1:
            words += ["--run", run]
        return self.host.start(*words)

    @staticmethod
    def sent(process):
        """How many went out, once it is done."""
        words = process.communicate()[0].split()
        check(words[:1] == ["sent"], f"flood says {words}")
        return int(words[1])

    def send(self, target, source=None, rate=2000, seconds=1):
        """The same, until it is done; returns how many went out."""
        return self.sent(self.start(target, source, rate, seconds))


def headers_edited(data):
    """An advert with better pairs, higher epochs, other successors: what a forger would like to be
    believed."""
    for header, value in (("epoch", "999999999"), ("base_us", "10000"), ("skew", "0"),
                          ("demotion", "0"), ("leaving", "True"), ("successor", "10.77.0.3"),
                          ("counter", "18446744073709551615"), ("boot", "9" * 15)):
        start = data.index(f"\n{header}: ".encode()) + 1 if f"\n{header}: ".encode() in data else 0
        if start:
            end = data.index(b"\n", start)
            yield data[:start] + f"{header}: {value}".encode() + data[end:]


def signed(data, key=KEY):
    """A message without payload, with that key's signature."""
    first, _, covered = data.partition(b"\n")
    check(covered.endswith(b"\n\n"), "it has a payload, or is no message")
    mac = hmac.new(key.encode(), covered, hashlib.sha256).hexdigest()
    return first + b"\n" + covered[:-1] + f"hmac256: {mac}\n\n".encode()


def question(name, number, node, key=KEY, **headers):
    """A signed whohas: the number-th of that node, and as such it is answered."""
    return signed(wire.notice("whohas", name, node=node, counter=number, newer=0,
                              tuid=f"{number}@{node}", **headers), key)
