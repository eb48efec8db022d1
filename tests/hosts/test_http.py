# SPDX-License-Identifier: ISC
"""What curl sees: ranges, conditions, headers, limits, and clients that dawdle."""

import base64
import hashlib
import json
import os
import time

import wire
from net import check, contains, equal, wait_until
from node import DOMAIN, HTTP_PORT, cluster
from registry import test

CONTENT = os.urandom(600 * 1024)


def one_node(net, **settings):
    node = cluster(net, 1, plain_get=True, **settings)[0]
    node.put("file", CONTENT)
    return node


@test("curl gets an object with the headers that caches and people need")
def headers(net):
    node = one_node(net)
    answer = node.curl("file")
    equal((answer.status, answer.body == CONTENT), (200, True), "GET")
    digest = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
    equal(answer.headers["repr-digest"], f"sha-256=:{digest}:", "Repr-Digest")
    equal(answer.headers["accept-ranges"], "bytes", "Accept-Ranges")
    equal(answer.headers["content-length"], str(len(CONTENT)), "Content-Length")
    check(answer.headers["etag"].startswith('"'), "the ETag is not a strong one")
    for name in ("last-modified", "cache-status", "via", "pond-version", "pond-node", "date"):
        check(name in answer.headers, f"{name} is missing from {answer.headers}")
    contains(answer.headers["cache-status"], "hit", "Cache-Status of what is at hand")
    head = node.curl("file", "--head")
    equal((head.status, head.body), (200, b""), "HEAD")
    for name in ("etag", "content-length", "repr-digest", "last-modified"):
        equal(head.headers.get(name), answer.headers[name], f"{name} of HEAD")


@test("ranges are served, and answered with 416 where there is nothing")
def ranges(net):
    node = one_node(net)
    size = len(CONTENT)
    for asked, start, end in (("0-0", 0, 0), ("5-9", 5, 9), (f"{size - 7}-", size - 7, size - 1),
                              ("-3", size - 3, size - 1), (f"0-{size * 2}", 0, size - 1),
                              ("262143-262144", 262143, 262144)):
        answer = node.curl("file", "-r", asked)
        equal((answer.status, answer.body), (206, CONTENT[start:end + 1]), f"bytes={asked}")
        equal(answer.headers["content-range"], f"bytes {start}-{end}/{size}", "Content-Range")
    beyond = node.curl("file", "-r", f"{size}-")
    equal(beyond.status, 416, "a range beyond the end")
    equal(beyond.headers["content-range"], f"bytes */{size}", "its Content-Range")
    for strange in ("bytes=5-2", "bytes=a-b", "apples=1-2", "bytes=0-1,3-4"):
        answer = node.curl("file", "-H", f"Range: {strange}")
        equal((answer.status, answer.body == CONTENT), (200, True), f"Range: {strange}")


@test("conditional requests spare what has not changed")
def conditions(net):
    node = one_node(net)
    plain = node.curl("file")
    etag, modified = plain.headers["etag"], plain.headers["last-modified"]
    for header, status in ((f"If-None-Match: {etag}", 304), ("If-None-Match: *", 304),
                           ('If-None-Match: "other"', 200), (f"If-Modified-Since: {modified}", 304),
                           ("If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT", 200),
                           (f"If-Match: {etag}", 200), ('If-Match: "other"', 412)):
        equal(node.curl("file", "-H", header).status, status, header)
    for condition, status in ((etag, 206), ('"other"', 200)):
        answer = node.curl("file", "-H", f"If-Range: {condition}", "-r", "1-2")
        equal(answer.status, status, f"If-Range: {condition}")
    node.put("file", b"changed")
    equal(node.curl("file", "-H", f"If-None-Match: {etag}").status, 200, "after a change")


@test("what is not there is 404, what makes no sense 400 or 405, each with a sentence")
def refusals(net):
    node = one_node(net)
    for path, status in (("nowhere", 404), ("/other.example/file", 404), ("/.pond/nothing", 404),
                         ("/test.example", 404), ("/test.example/", 404)):
        answer = node.curl(path)
        check(answer.status == status or (status == 404 and answer.status in (400, 403)),
              f"{path} gave {answer.status}")
        check(len(answer.body) > 10, f"{path}: no reason in the body")
    answer = node.curl("file", "-X", "POST", "--data", "x")
    check(answer.status in (400, 405, 501), f"POST gave {answer.status}")


@test("status and metrics are read by the own host and by monitors, and by nobody else")
def monitors(net):
    node = cluster(net, 1, monitors=["10.77.0.2"])[0]
    monitor, other = net.add(2)
    for path in ("/.pond/status", "/.pond/metrics"):
        equal(node.curl(path).status, 200, f"{path} from its own host")
        equal(node.curl(path, host=monitor).status, 200, f"{path} from a monitor")
        equal(node.curl(path, host=other).status, 403, f"{path} from elsewhere")
    json.loads(node.curl("/.pond/status").body)
    equal(node.curl("file", host=monitor).status, 403, "an object from a monitor")
    metrics = node.curl("/.pond/metrics").body.decode()
    for line in metrics.splitlines():
        check(line.startswith(("# HELP pond_", "# TYPE pond_", "pond_")), f"odd line {line!r}")


@test("above max_connections the answer is 503 with Retry-After, and it ends when they leave",
      hostile=True)
def too_many_connections(net):
    node = one_node(net, max_connections=20)
    held = []
    for _ in range(40):
        try:
            held.append(node.host.connect(node.host.v4, HTTP_PORT))
        except OSError:
            break
    answer = wait_until(lambda: next((a for a in [node.curl("file")] if a.status == 503), None),
                        "503 is answered")
    check("retry-after" in answer.headers, "no Retry-After")
    equal(node.done("status", "--json")[:1], "{", "pond status meanwhile")
    for connection in held:
        connection.close()
    wait_until(lambda: node.curl("file").status == 200, "it serves again")


@test("a client that sends its request byte by byte is cut off", seconds=300, hostile=True)
def slow_senders(net):
    node = one_node(net)
    connection = node.host.connect(node.host.v4, HTTP_PORT)
    connection.settimeout(0.2)
    began, text = time.monotonic(), f"GET /{DOMAIN}/file HTTP/1.1\r\nX: ".encode() + b"y" * 10000

    def cut_off():
        nonlocal text
        try:
            connection.sendall(text[:1])
            text = text[1:]
            return connection.recv(100) == b"" or True
        except TimeoutError:
            return False
        except OSError:
            return True
    wait_until(cut_off, "the connection is closed", 90)
    check(time.monotonic() - began > 2, "it was closed at once")
    equal(node.curl("file").status, 200, "GET afterwards")
    wait_until(lambda: node.metric("pond_http_connections_reaped_total") >= 1, "it is counted")


@test("a client that does not read is cut off", seconds=300, hostile=True)
def slow_readers(net):
    node = cluster(net, 1, plain_get=True)[0]
    content = os.urandom(32 * 1024 * 1024)
    node.put("file", content)
    connection = node.host.connect(node.host.v4, HTTP_PORT)
    connection.sendall(f"GET /{DOMAIN}/file HTTP/1.1\r\nHost: {node.host.v4}:{HTTP_PORT}\r\n\r\n"
                       .encode())
    wait_until(lambda: node.metric("pond_http_connections_reaped_total") >= 1, "it is cut off", 150)
    got = b""
    try:
        while part := connection.recv(1 << 20):
            got += part
    except OSError:
        pass
    check(len(got) < len(content), "the whole was sent to one who did not read")


@test("half a body that was promised whole is not put in", hostile=True)
def broken_off_put(net):
    node = one_node(net)
    with node.socket() as connection:
        connection.sendall(f"PUT /{DOMAIN}/half HTTP/1.1\r\nHost: localhost\r\n"
                           "Content-Length: 1000000\r\n\r\n".encode() + b"x" * 500000)
    node.put("next", b"next")
    check(not node.knows("half"), "half an object is listed")
    wait_until(lambda: not os.listdir(os.path.join(node.home, "tmp")), "its draft is gone")


@test("keep-alive and pipelined requests are answered in order")
def keep_alive(net):
    node = one_node(net)
    one = f"GET /{DOMAIN}/file HTTP/1.1\r\nHost: {node.host.v4}:{HTTP_PORT}\r\nRange: bytes=%d-%d\r\n"
    asked = "".join(one % (i, i) + "\r\n" for i in range(5)) + one % (5, 5) + "Connection: close\r\n\r\n"
    answers = wire.exchange(node.host, node.host.v4, asked.encode())
    bodies = [part.partition(b"\r\n\r\n")[2] for part in answers.split(b"HTTP/1.1 206")[1:]]
    equal(bodies, [CONTENT[i:i + 1] for i in range(6)], "the bodies")


@test("an object that is not at hand is fetched for the own host's curl")
def curl_fetches(net):
    first, second = cluster(net, 2)
    first.put("file", CONTENT)
    answer = second.curl("file")
    equal((answer.status, answer.body == CONTENT), (200, True), "GET of what the other has")
    check("hit" not in answer.headers["cache-status"].split(";")[1:2], "it was said to be at hand")
    wait_until(lambda: "hit" in second.curl("file").headers["cache-status"], "it is at hand then")
