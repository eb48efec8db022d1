# SPDX-License-Identifier: ISC
"""Puts and gets by many clients while things break, and a judgement of what they saw.

What must hold: no version of a name goes back on one node, and no node gives bytes that were never
put under the name; and in the end all nodes have the same catalogue, in which no put that was
acknowledged is missing: its version is there, or a newer one of its name.
"""

import collections
import http.client
import os
import random
import socket
import threading
import time

from net import check, patience, wait_until
from node import DOMAIN, HTTP_PORT, sha256

NAMES = [f"load/{number}" for number in range(24)]
SIZES = (20, 3000, 90000, 600000)
PAUSE = 0.02         # between what one client does
ANSWER_WITHIN = 90   # seconds: an answer that takes longer counts as none

# when: seconds of the monotonic clock, as the answer was there; version: as a pair of numbers;
# content: its SHA-256.
Seen = collections.namedtuple("Seen", "when node name version content")


def parse_version(text):
    """ "1795348800000.2" as what versions are ordered by."""
    return tuple(int(part) for part in text.split("."))


class Load:
    """One client that puts and one that gets for each node, between begin() and end()."""

    def __init__(self, nodes):
        self._nodes, self._over, self._lock = nodes, threading.Event(), threading.Lock()
        self._threads = []
        self.sent = collections.defaultdict(set)  # {name: SHA-256 of what anyone has tried to put}
        self.acknowledged, self.read, self.refused = [], [], 0
        self.unserved = collections.Counter()  # {status: gets}

    def begin(self, seed):
        """seed: of the clients' dice."""
        dice = random.Random(seed)
        self._over.clear()
        self._threads = [threading.Thread(target=self._client, args=(work, node, dice.random()))
                         for node in self._nodes for work in (self._put, self._get)]
        for thread in self._threads:
            thread.start()

    def end(self):
        self._over.set()
        for thread in self._threads:
            thread.join()

    # ---- the clients

    def _client(self, work, node, seed):
        dice = random.Random(seed)
        while not self._over.wait(PAUSE * patience()):
            try:
                work(node, dice)
            except (OSError, http.client.HTTPException):  # it is down, or went down meanwhile
                with self._lock:
                    self.refused += 1

    def _put(self, node, dice):
        name = dice.choice(NAMES)
        content = os.urandom(dice.choice(SIZES))
        with self._lock:
            self.sent[name].add(sha256(content))
        answer, _ = self._ask(self._control(node), "PUT", name, content)
        if answer.status in (200, 201):
            self._note(self.acknowledged, node, name, answer, content)
        else:
            self.refused += 1

    def _get(self, node, dice):
        name = dice.choice(NAMES)
        answer, content = self._ask(node.host.connect(node.host.v4, HTTP_PORT), "GET", name)
        if answer.status == 200:
            self._note(self.read, node, name, answer, content)
        else:
            self.unserved[answer.status] += 1

    @staticmethod
    def _control(node):
        made = socket.socket(socket.AF_UNIX)
        made.connect(os.path.join(node.home, "carpond.sock"))
        return made

    @staticmethod
    def _ask(connected, method, name, body=None):
        """The answer and its body; an exception where it breaks off, or does not come."""
        connected.settimeout(ANSWER_WITHIN * patience())
        connection = http.client.HTTPConnection("localhost")
        connection.sock = connected
        host = connected.getpeername()
        headers = {"Host": f"{host[0]}:{host[1]}"} if isinstance(host, tuple) else {}
        try:
            connection.request(method, f"/{DOMAIN}/{name}", body=body, headers=headers)
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def _note(self, history, node, name, answer, content):
        version = parse_version(answer.getheader("Pond-Version"))
        with self._lock:
            history.append(Seen(time.monotonic(), node.name, name, version, sha256(content)))

    # ---- the judgement

    def judge(self, nodes, seconds=60):
        """Once the faults and the clients have ended."""
        self._nothing_foreign()
        self._nothing_went_back()
        wait_until(lambda: self._missing(nodes) is None,
                   f"all that was acknowledged is everywhere; {self._missing(nodes)}", seconds, 0.5)
        print(f"{len(self.acknowledged)} puts acknowledged, {len(self.read)} gets, "
              f"{dict(self.unserved)} unserved, {self.refused} refused or broken off")

    def _nothing_foreign(self):
        for seen in self.read:
            check(seen.content in self.sent[seen.name],
                  f"{seen.node} gave for {seen.name} {seen.version} what nobody had put")

    def _nothing_went_back(self):
        newest = {}
        for seen in sorted(self.read):
            key = seen.node, seen.name
            before = newest.get(key, (0, 0))
            check(seen.version >= before,
                  f"{seen.node}: {seen.name} went back from {before} to {seen.version}")
            newest[key] = seen.version

    def _missing(self, nodes):
        """The first acknowledged put that some node lacks, or difference between two; None: all is
        well."""
        lists = {node.name: {name: parse_version(row["version"])
                             for name, row in node.names().items()} for node in nodes}
        for seen in self.acknowledged:
            for name, listed in lists.items():
                if listed.get(seen.name, (0, 0)) < seen.version:
                    return f"{name} lacks {seen.name} {seen.version}, put at {seen.node}"
        first = next(iter(lists))
        return next((f"{name} and {first} differ" for name, listed in lists.items()
                     if listed != lists[first]), None)
