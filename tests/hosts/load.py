# SPDX-License-Identifier: ISC
"""Puts and gets by many clients while things break, and a judgement of what they saw.

What must hold: every transfer ends in time, done or refused with a status and a sentence, and breaks
off only where its node was down; no version of a name goes back on one node, nor does a name vanish
there, and no node gives bytes that were never put under the name; and in the end all nodes have the
same catalogue, in which no put that was acknowledged is missing: its version is there, or a newer
one of its name, and each node gives its content.
"""

import collections
import concurrent.futures
import contextlib
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
PAUSE = 0.02  # between what one client does
SAMPLE = 100  # names of one put each whose content is read at each node in the end
READABLE_WITHIN = 60  # seconds, in the end: until then it may be on its way up from below
GIVEN = (200, 201)
REFUSALS = {"PUT": (503, 507), "GET": (404, 503, 504)}

# A reader waits for 60 s at most for a tier's next master (FLIGHT_AWAIT_NS); what it reads may come
# with the last of them.
ENDS_WITHIN = 120

# began, ended: seconds of the monotonic clock; node, name: their names; status: 0 where it broke
# off; version: as a pair of numbers; content: its SHA-256, where it was given or taken; words: of a
# refusal, or how it broke off.
Transfer = collections.namedtuple("Transfer", "began ended method node name status version content "
                                  "words")


def parse_version(text):
    """ "1795348800000.2" as what versions are ordered by."""
    return tuple(int(part) for part in text.split(".")) if text else (0, 0)


def control(node):
    made = socket.socket(socket.AF_UNIX)
    made.connect(os.path.join(node.home, "carpond.sock"))
    return made


def ask(connected, method, name, body=None):
    """The answer and its body; an exception where it breaks off, or has not ended in time."""
    seconds = ENDS_WITHIN * patience()
    end = time.monotonic() + seconds
    connected.settimeout(seconds)
    connection = http.client.HTTPConnection("localhost")
    connection.sock = connected
    host = connected.getpeername()
    headers = {"Host": f"{host[0]}:{host[1]}"} if isinstance(host, tuple) else {}
    try:
        connection.request(method, f"/{DOMAIN}/{name}", body=body, headers=headers)
        answer = connection.getresponse()
        content = b""
        while (part := answer.read(65536)):
            content += part
            if time.monotonic() > end:
                raise TimeoutError("it goes on for ever")
        if answer.length:
            raise http.client.IncompleteRead(content, answer.length)
        return answer, content
    finally:
        connection.close()


class Load:
    """One client that puts and one that gets for each node, between begin() and end()."""

    def __init__(self, nodes):
        self._nodes, self._over, self._lock = nodes, threading.Event(), threading.Lock()
        self._threads, self._once = [], 0
        self._down = collections.defaultdict(list)  # {node's name: [(since, until)]}
        self.sent = collections.defaultdict(set)    # {name: SHA-256 of what anyone tried to put}
        self.transfers = []

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

    @contextlib.contextmanager
    def down(self, node):
        """Meanwhile the node is down for some time: its own clients' transfers may break off."""
        since = time.monotonic()
        try:
            yield
        finally:
            self._down[node.name].append((since, time.monotonic()))

    @property
    def acknowledged(self):
        return [one for one in self.transfers if one.method == "PUT" and one.status in GIVEN]

    # ---- the clients

    def _client(self, work, node, seed):
        dice = random.Random(seed)
        while not self._over.wait(PAUSE * patience()):
            work(node, dice)

    def _put(self, node, dice):
        name, content = dice.choice(NAMES), os.urandom(dice.choice(SIZES))
        with self._lock:
            if dice.random() < 0.3:
                name, self._once = f"once/{self._once}", self._once + 1
            self.sent[name].add(sha256(content))
        self._note("PUT", node, name, lambda: control(node), content)

    def _get(self, node, dice):
        with self._lock:
            name = f"once/{dice.randrange(self._once)}" if self._once and dice.random() < 0.3 else \
                dice.choice(NAMES)
        self._note("GET", node, name, lambda: node.host.connect(node.host.v4, HTTP_PORT))

    def _note(self, method, node, name, connect, body=None):
        began, status, version, content, words = time.monotonic(), 0, (0, 0), None, ""
        try:
            answer, given = ask(connect(), method, name, body)
            status = answer.status
            if status in GIVEN:
                version = parse_version(answer.getheader("Pond-Version"))
                content = sha256(body or given)
            else:
                words = given.decode(errors="replace").strip()
        except (OSError, http.client.HTTPException) as error:
            words = repr(error)
        with self._lock:
            self.transfers.append(Transfer(began, time.monotonic(), method, node.name, name, status,
                                           version, content, words))

    # ---- the judgement

    def judge(self, nodes, seed, seconds=120):
        """Once the faults and the clients have ended. seed: of what is sampled."""
        self._all_ended()
        self._nothing_foreign()
        self._nothing_went_back()
        wait_until(lambda: self._missing(nodes) is None,
                   lambda: f"all that was acknowledged is everywhere; {self._missing(nodes)}",
                   seconds, 0.5)
        print(f"{self._counted()}; {self._all_is_read(nodes, random.Random(seed))}", flush=True)

    def _counted(self):
        counted = collections.Counter(f"{one.method} {one.status or 'broken off'}"
                                      for one in self.transfers)
        slowest = max(self.transfers, key=lambda one: one.ended - one.began)
        return f"{dict(counted)}, the slowest {slowest.method} {slowest.name} at {slowest.node} " \
               f"{slowest.status or 'broken off'} after {slowest.ended - slowest.began:.1f} s"

    def _all_ended(self):
        for one in self.transfers:
            what = f"{one.method} {one.name} at {one.node}"
            took = one.ended - one.began
            check(took <= ENDS_WITHIN * patience(), f"{what} took {took:.1f} s: {one.words}")
            check(one.status or self._was_down(one), f"{what} broke off after {took:.1f} s though "
                  f"the node ran: {one.words}")
            if one.status and one.status not in GIVEN:
                check(one.status in REFUSALS[one.method] and one.words,
                      f"{what} was refused with {one.status} {one.words!r}")

    def _was_down(self, transfer):
        return any(since < transfer.ended and until > transfer.began
                   for since, until in self._down[transfer.node])

    def _nothing_foreign(self):
        for one in self.transfers:
            check(one.content is None or one.content in self.sent[one.name],
                  f"{one.node} gave for {one.name} {one.version} what nobody had put")

    def _nothing_went_back(self):
        """What a node has given or taken is the least that it gives to who asks later."""
        least = {}
        moments = [(one.ended, 0, one) for one in self.transfers if one.status in GIVEN] + \
                  [(one.began, 1, one) for one in self.transfers
                   if one.method == "GET" and one.status in (*GIVEN, 404)]
        wanted = {}
        for _, asks, one in sorted(moments, key=lambda moment: moment[:2]):
            key = one.node, one.name
            if asks:
                wanted[one] = least.get(key, (0, 0))
            else:
                least[key] = max(one.version, least.get(key, (0, 0)))
        for one, before in wanted.items():
            check(one.version >= before, f"{one.node}: {one.name} went back from {before} to "
                  f"{one.version or one.status}")

    def _missing(self, nodes):
        """The first acknowledged put that some node lacks, or difference between two; None: all is
        well."""
        lists = {node.name: {name: parse_version(row["version"])
                             for name, row in node.names().items()} for node in nodes}
        for one in self.acknowledged:
            for name, listed in lists.items():
                if listed.get(one.name, (0, 0)) < one.version:
                    return f"{name} lacks {one.name} {one.version}, put at {one.node}"
        first = next(iter(lists))
        return next((f"{name} and {first} differ" for name, listed in lists.items()
                     if listed != lists[first]), None)

    def _all_is_read(self, nodes, dice):
        """The newest of each name, at each node; of names that were put once a sample."""
        newest = {}
        for one in self.acknowledged:
            newest[one.name] = max(one, newest.get(one.name, one), key=lambda put: put.version)
        once = sorted(set(newest).difference(NAMES))
        picked = sorted(set(newest).intersection(NAMES)) + dice.sample(once, min(SAMPLE, len(once)))
        with concurrent.futures.ThreadPoolExecutor(len(nodes)) as pool:
            read = list(pool.map(lambda node: [self._reads(node, newest[name]) for name in picked],
                                 nodes))
        for name, *given in zip(picked, *read):
            check(len({one.content for one in given}) == 1, f"in the end nodes differ in {name}: "
                  f"{[(one.node, one.version, one.content) for one in given]}")
        slowest = max(one.ended - one.began for given in read for one in given)
        return f"in the end {len(picked)} names read at each node, the last of them readable " \
               f"after {slowest:.1f} s"

    def _reads(self, node, put):
        """Asks until it is given."""
        what = f"{node.name}, in the end: {put.name}, put at {put.node} as {put.version}"
        began, status = time.monotonic(), 0
        while status != 200:
            answer, content = ask(node.host.connect(node.host.v4, HTTP_PORT), "GET", put.name)
            status, took = answer.status, time.monotonic() - began
            check(status == 200 or took < READABLE_WITHIN * patience(),
                  f"{what}: {status} {content[:200]!r} after {took:.1f} s")
        version = parse_version(answer.getheader("Pond-Version"))
        check(version >= put.version, f"{what}: it gives {version}")
        check(sha256(content) in self._right(put.name, version),
              f"{what}: it gives other bytes for {version}")
        return Transfer(began, began + took, "GET", node.name, put.name, status, version,
                        sha256(content), "")

    def _right(self, name, version):
        """What may be the content of this version. Two nodes may put in the same millisecond: then
        their digests say which is newer."""
        return {one.content for one in self.acknowledged if (one.name, one.version) ==
                (name, version)} or self.sent[name]
