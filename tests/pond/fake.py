# SPDX-License-Identifier: ISC
"""A tiny daemon for the pond command: HTTP on HOME/carpond.sock, answering what a test tells it to."""

import base64
import hashlib
import http.server
import json
import os
import socket
import socketserver
import threading
import time

STATUS = {
    "format": 1, "node": "here.example.com", "domain": "example.com", "version": "0.1.0",
    "uptime_s": 93784.5,
    "tiers": [{"tier": "mesh", "role": "peer", "master": None, "address": "127.0.0.1",
               "base": None, "skew": None, "epoch": None, "last_advert_s": None, "since": 1.0,
               "reason": "a flat mesh", "behind": None}],
    "cache": {"objects": 12381, "bytes": 1 << 30, "limit": 10 << 30, "hits": 3, "misses": 1},
    "peers": {"known": 2, "usable": 1}, "health": "ok", "fetches": [],
    "events": ["2026-11-22T12:00:00Z put in example.com/x"],
}


def repr_digest(body):
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def address_string(self):
        return "unix"

    def handle_expect_100(self):
        """A body that is to be refused is not asked for, as carpond does not."""
        if (self.command, self.path) not in self.server.fake.unasked:
            self.send_response_only(100)
            self.end_headers()
        return True

    def any_method(self):
        path, _, query = self.path.partition("?")
        self.query = query
        self.server.fake.seen.append((self.command, self.path, dict(self.headers)))
        answer = self.server.fake.routes.get((self.command, path))
        if answer is None:
            self.say(404, f"there is no {path} here")
        else:
            answer(self)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = any_method

    # What the tests' answers are made of.

    def head(self, status, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def whole(self, status, body, **headers):
        self.head(status, Content_Length=len(body), **headers)
        self.wfile.write(body)

    def say(self, status, sentence):
        self.whole(status, sentence.encode() + b"\n")
        self.close_connection = True  # the request's body, if it has one, was not read

    def json(self, value):
        self.whole(200, json.dumps(value).encode())

    def content(self, body, sent=None, **headers):
        """An object's content; of its body, `sent` is what really goes out."""
        headers.setdefault("Repr_Digest", repr_digest(body))
        self.head(200, Content_Length=len(body), **headers)
        self.wfile.write(body if sent is None else sent)
        if sent is not None:
            self.close_connection = True

    def swallow(self):
        """Reads what still comes, until the client has heard our answer and hangs up."""
        self.wfile.flush()
        while self.rfile.read1(1 << 20):
            pass

    def lines(self, lines, broken=False):
        """Chunked lines; `broken`: without the chunk that ends them."""
        self.head(200, Transfer_Encoding="chunked")
        for line in lines:
            data = (line + "\n").encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()
        if not broken:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    def body(self):
        """The request's body, or None where it broke off."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            length = int(self.headers.get("Content-Length", 0))
            data = self.rfile.read(length)
            return data if len(data) == length else None
        data = b""
        while True:
            line = self.rfile.readline()
            size = int(line, 16) if line.strip() else -1
            if size < 0:
                return None
            data += self.rfile.read(size)
            if self.rfile.readline() != b"\r\n":
                return None
            if size == 0:
                return data


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 16

    def get_request(self):
        connection, address = super().get_request()
        self.connections.append(connection)
        return connection, address

    def handle_error(self, *_):
        pass  # a client that goes away is what some tests are about


class Fake:
    """with Fake(home) as fake: fake.on("GET", "/path", lambda h: h.json({}))"""

    def __init__(self, home):
        self.path = os.path.join(home, "carpond.sock")
        self.routes = {}
        self.seen = []  # (method, target, headers)
        self.unasked = set()  # (method, target) whose body is refused by the head alone
        self.on("GET", "/.pond/status", lambda h: h.json(STATUS))

    def on(self, method, path, answer):
        self.routes[(method, path)] = answer

    def __enter__(self):
        self.server = Server(self.path, Handler)
        self.server.fake = self
        self.server.connections = []
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        for connection in self.server.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it is closed already
        self.thread.join()
        os.unlink(self.path)


def wait_for(condition, what, most=60):
    """Waits for what will come; never for a time that decides."""
    end = time.monotonic() + most
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come within {most} s")
        time.sleep(0.01)
