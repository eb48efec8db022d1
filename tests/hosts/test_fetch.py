# SPDX-License-Identifier: ISC
"""One fetch, many readers; what is had is never fetched again."""

import hashlib
import os
import re
import subprocess
import threading

from net import check, equal, wait_until
from node import DOMAIN, DONE, HTTP_PORT, cluster, sha256
from registry import test

GIB = 1024 * 1024 * 1024


def make_file(path, size):
    """A file of that size that no two chunks of which are alike; returns its SHA-256."""
    digest = hashlib.sha256()
    block = bytearray(os.urandom(1024 * 1024))
    with open(path, "wb") as file:
        for number in range(size // len(block)):
            block[:8] = number.to_bytes(8, "big")
            file.write(block)
            digest.update(block)
    return digest.hexdigest()


def digest_of(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Get:
    """pond get in the background."""

    def __init__(self, node, name, path):
        self.node, self.path = node, path
        self.process = subprocess.Popen(node.words("get", name, "-f", "-o", path),
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True)

    def status(self):
        error = self.process.communicate()[1]
        return self.process.returncode, error


@test("1 GiB is fetched by two at once, one of them killed and started again in the middle",
      seconds=900)
def a_gigabyte_by_two(net):
    source, steady, killed = cluster(net, 3)
    path = os.path.join(net.folder, "gigabyte")
    digest = make_file(path, GIB)
    source.done("put", path, "gigabyte")
    os.unlink(path)
    for node in (steady, killed):
        node.host.slow_down("1gbit")
    gets = [Get(node, "gigabyte", os.path.join(node.folder, "got")) for node in (steady, killed)]
    start = killed.host.received()
    wait_until(lambda: killed.host.received() > GIB * 0.4, "0.4 GiB have come", 300)
    killed.kill()
    status, _ = gets[1].status()
    check(status != DONE, "pond get was content when its daemon was killed")
    check(not os.path.exists(gets[1].path), "a part was left as if it were the whole")
    killed.start()
    before = killed.host.received() - start
    gets[1] = Get(killed, "gigabyte", gets[1].path)
    for get in gets:
        equal(get.status(), (DONE, ""), f"pond get on {get.node.name}")
        equal(digest_of(get.path), digest, f"the digest on {get.node.name}")
    total = killed.host.received() - start
    check(before > GIB * 0.35, "too little had come before the kill to prove anything")
    check(total < GIB * 1.08, f"{total} bytes came for {GIB}: what it had was fetched again")
    check(steady.host.received() < GIB * 1.08, "the steady one fetched more than once")


@test("many readers on one host share one fetch")
def many_readers_one_fetch(net):
    source, reader = cluster(net, 2)
    content = os.urandom(8 * 1024 * 1024)
    source.put("file", content)
    wait_until(lambda: reader.knows("file"), "the name is known")
    reader.host.slow_down("50mbit")
    start = reader.host.received()
    got = []
    threads = [threading.Thread(target=lambda: got.append(reader.get("file"))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal([sha256(one) for one in got], [sha256(content)] * 12, "what they got")
    check(reader.host.received() - start < 1.3 * len(content), "it was fetched more than once")
    equal(reader.metric("pond_fetches_total"), 1, "fetches")


def resident(node):
    """Its memory, in bytes."""
    with open(f"/proc/{node.process.pid}/status", encoding="utf-8") as file:
        return 1024 * int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])


def begin_to_read(node, name, start):
    """A client of its own host that wants the object from there on, and does not read as yet."""
    connection = node.host.connect(node.host.v4, HTTP_PORT)
    connection.sendall(f"GET /{DOMAIN}/{name} HTTP/1.1\r\nHost: {node.host.v4}:{HTTP_PORT}\r\n"
                       f"Range: bytes={start}-\r\n\r\n".encode())
    return connection


@test("two hundred readers that hardly read keep nobody waiting, and cost their node little")
def slow_crowd(net):
    source, reader = cluster(net, 2)
    content = os.urandom(16 * 1024 * 1024)
    source.put("file", content)
    wait_until(lambda: reader.knows("file"), "the name is known")
    before = resident(reader)
    crowd = [begin_to_read(reader, "file", number * 65536) for number in range(200)]
    for connection in crowd:
        check(connection.recv(1), "a slow reader gets nothing")
    wait_until(lambda: reader.metric("pond_fetches_total") == 1, "it is fetched")
    equal(sha256(reader.get("file")), sha256(content), "what a quick reader got meanwhile")
    check(resident(reader) - before < 96 * 1024 * 1024, "so much memory for slow readers")
    equal(reader.metric("pond_fetches_total"), 1, "fetches")
    with crowd[100].makefile("rb") as answer:
        while answer.readline().strip():
            pass
        equal(sha256(answer.read(len(content) - 100 * 65536)), sha256(content[100 * 65536:]),
              "what a slow reader got in the end")
    for connection in crowd:
        connection.close()
    source.put("next", b"next")
    wait_until(lambda: reader.knows("next"), "the next name is known")
    equal(reader.get("next"), b"next", "the next object")


@test("a reader that wants a range ahead is served before the rest has come")
def a_range_ahead(net):
    source, reader = cluster(net, 2)
    content = os.urandom(24 * 1024 * 1024)
    source.put("file", content)
    wait_until(lambda: reader.knows("file"), "the name is known")
    reader.host.slow_down("20mbit")
    start = reader.host.received()
    whole = Get(reader, "file", os.path.join(reader.folder, "got"))
    wait_until(lambda: reader.host.received() - start > 512 * 1024, "the fetch is under way")
    answer = reader.curl("file", "-r", f"{len(content) - 1000}-")
    equal(answer.status, 206, "the status of the range")
    equal(answer.body, content[-1000:], "the range")
    check(reader.host.received() - start < len(content) * 0.8, "it came only when all had come")
    reader.host.slow_down("1gbit")
    equal(whole.status()[0], DONE, "pond get of the whole")
    equal(digest_of(whole.path), sha256(content), "the whole")


@test("content of two names is fetched on by the other one where one of them gets other content")
def other_name_of_the_same(net):
    source, reader = cluster(net, 2)
    content = os.urandom(24 * 1024 * 1024)
    for name in ("one", "two"):
        source.put(name, content)
        wait_until(lambda name=name: reader.knows(name), f"{name} is known")
    before = reader.names()["one"]["version"]
    reader.host.slow_down("30mbit")
    start = reader.host.received()
    whole = Get(reader, "one", os.path.join(reader.folder, "got"))
    wait_until(lambda: reader.host.received() - start > 512 * 1024, "the fetch is under way")
    source.put("one", b"other")
    wait_until(lambda: reader.names()["one"]["version"] != before, "the other version is known")
    answer = reader.curl("two", "-r", f"{len(content) - 1000}-")
    equal((answer.status, answer.body), (206, content[-1000:]), "a range of the other name's")
    equal(whole.status()[0], DONE, "pond get of what was asked for before")
    equal(digest_of(whole.path), sha256(content), "what it got")


@test("when a source dies, the rest comes from the next one")
def the_source_dies(net):
    first, second, reader = cluster(net, 3)
    content = os.urandom(24 * 1024 * 1024)
    first.put("file", content)
    equal(sha256(second.get("file")), sha256(content), "the second source has it")
    wait_until(lambda: reader.knows("file"), "the name is known")
    reader.host.slow_down("40mbit")
    start, sent = reader.host.received(), [first.metric("pond_served_bytes_total"),
                                           second.metric("pond_served_bytes_total")]
    get = Get(reader, "file", os.path.join(reader.folder, "got"))
    wait_until(lambda: reader.host.received() - start > 4 * 1024 * 1024, "the fetch is under way")
    served = [first.metric("pond_served_bytes_total") - sent[0],
              second.metric("pond_served_bytes_total") - sent[1]]
    (first if served[0] >= served[1] else second).kill()
    reader.host.slow_down("1gbit")
    equal(get.status(), (DONE, ""), "pond get")
    equal(digest_of(get.path), sha256(content), "the content")
    check(reader.host.received() - start < 1.3 * len(content), "what was had was fetched again")


@test("a fetch goes on when its reader has gone")
def the_reader_goes(net):
    source, reader = cluster(net, 2)
    content = os.urandom(12 * 1024 * 1024)
    source.put("file", content)
    wait_until(lambda: reader.knows("file"), "the name is known")
    reader.host.slow_down("60mbit")
    start = reader.host.received()
    get = Get(reader, "file", os.path.join(reader.folder, "got"))
    wait_until(lambda: reader.host.received() - start > 1024 * 1024, "the fetch is under way")
    get.process.kill()
    get.status()
    wait_until(lambda: reader.names()["file"].get("held"), "it is held all the same")
    equal(source.stop(), 0, "SIGTERM")
    equal(sha256(reader.get("file")), sha256(content), "the content, alone")
