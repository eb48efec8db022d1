# SPDX-License-Identifier: ISC
"""A host that takes part in an open cluster and lies.

It passes every request on to a true node and spoils the answer; it says that it has everything, and
is the first to say so.
"""

import http.client
import socket
import threading

import wire
from node import DOMAIN, HTTP_PORT, PORT


class Liar:
    """spoil: one of the methods spoil_... below."""

    def __init__(self, host, truth, spoil):
        self.host, self.truth, self.spoil = host, truth, getattr(self, f"spoil_{spoil}")
        self.sent, self.asked, self.when_asked, self._counter = 0, [], None, 0
        self._open()

    def _open(self):
        self._udp = self.host.datagrams(PORT)
        self._udp.settimeout(None)
        self._tcp = self.host.listen(self.host.v4, HTTP_PORT)
        for loop in (self._hear, self._serve):
            threading.Thread(target=loop, daemon=True).start()

    # ---- datagrams

    def announce(self, name, to, **changes):
        """Says, unasked, that it has this name's content; changes: headers that differ."""
        self._say(name, to, changes)

    def _say(self, name, to, changes):
        manifest = wire.parse(self._true(f"/.pond/manifest/{DOMAIN}/{name}")[1])
        self._counter += 1
        headers = {"mtime": int(manifest.get("mtime_ns", "0")) // 10**9, "port": HTTP_PORT,
                   "scheme": "http", "version": manifest["version"], "held": True,
                   "size": int(manifest["size"]), "sha256": manifest["sha256"]}
        data = wire.notice("ihave", name, counter=self._counter, **headers | changes)
        self._udp.sendto(data, (to, PORT))

    def _hear(self):
        while True:
            data, sender = self._udp.recvfrom(65536)
            asked = wire.parse(data)
            if asked.get("_type") != "whohas":
                continue
            try:
                self._say(asked["file"].removeprefix(DOMAIN + "/"), sender[0],
                          {"tuid": asked["tuid"]})
            except (KeyError, ValueError, OSError):
                pass  # the true node does not know it either

    # ---- HTTP

    def _true(self, target, headers=()):
        """Asks the true node: status, body, headers."""
        connection = http.client.HTTPConnection(self.truth.host.v4, HTTP_PORT)
        connection.sock = self.host.connect(self.truth.host.v4, HTTP_PORT)
        connection.request("GET", target, headers=dict(headers))
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body, answer.getheaders()

    def _serve(self):
        while True:
            threading.Thread(target=self._answer_all, args=(self._tcp.accept()[0],),
                             daemon=True).start()

    def _answer_all(self, connection):
        try:
            with connection, connection.makefile("rb") as reader:
                while (head := self._head(reader)) is not None:
                    self._answer(connection, *head)
        except OSError:
            pass

    @staticmethod
    def _head(reader):
        first = reader.readline().decode("latin-1").split(" ")
        if len(first) < 2:
            return None
        headers = {}
        while (line := reader.readline().decode("latin-1").strip()):
            name, _, value = line.partition(": ")
            headers[name] = value
        return first[1], headers

    def _answer(self, connection, target, headers):
        self.asked.append(target)
        if self.when_asked and (self.is_content(target) or "/chunks/" in target):
            self.when_asked()
        headers = [(name, value) for name, value in headers.items() if name != "Host"]
        status, body, answered = self._true(target, headers)
        kept = [(name, value) for name, value in answered
                if name.lower() not in ("content-length", "connection", "transfer-encoding")]
        self.spoil(connection, target, status, kept, body)

    def reply(self, connection, status, headers, body, length=None):
        lines = [f"HTTP/1.1 {status} So", *(f"{name}: {value}" for name, value in headers)]
        if length is not False:
            lines.append(f"Content-Length: {len(body) if length is None else length}")
        connection.sendall("\r\n".join(lines + ["", ""]).encode("latin-1"))
        for start in range(0, len(body), 65536):
            part = body[start:start + 65536]
            connection.sendall(part)
            self.sent += len(part)

    # ---- the lies

    @staticmethod
    def is_content(target):
        return not target.startswith("/.pond/")

    def spoil_chunk(self, connection, target, status, headers, body):
        if self.is_content(target) and body:
            body = bytes([body[0] ^ 1]) + body[1:]
        self.reply(connection, status, headers, body)

    def spoil_list(self, connection, target, status, headers, body):
        if target.startswith("/.pond/chunks/"):
            body = body[:-1] + bytes([body[-1] ^ 1])
        self.reply(connection, status, headers, body)

    def spoil_short(self, connection, target, status, headers, body):
        if not self.is_content(target):
            return self.reply(connection, status, headers, body)
        self.reply(connection, status, headers, body[:len(body) // 2], len(body))
        return connection.shutdown(socket.SHUT_RDWR)

    def spoil_endless(self, connection, target, status, headers, body):
        if not self.is_content(target):
            return self.reply(connection, status, headers, body)
        self.reply(connection, status, headers, body, False)
        while True:
            connection.sendall(bytes(65536))
            self.sent += 65536

    def spoil_silence(self, connection, target, status, headers, body):
        if not self.is_content(target):
            return self.reply(connection, status, headers, body)
        return threading.Event().wait(3600)

    def spoil_http(self, connection, target, _status, _headers, _body):
        connection.sendall(f"SMTP 220 what is {target}?\r\n\r\n".encode())
        connection.shutdown(socket.SHUT_RDWR)

    def spoil_manifest(self, connection, target, status, headers, body):
        if target.startswith("/.pond/manifest/"):
            body = body.replace(b"_type: manifest", b"_type: banana")
        self.reply(connection, status, headers, body)

    def spoil_name(self, connection, target, status, headers, body):
        """Whatever manifest it is asked for, it gives that of `other`."""
        if target.startswith("/.pond/manifest/"):
            status, body, headers = self._true(f"/.pond/manifest/{DOMAIN}/other")
            headers = [one for one in headers if one[0].lower() == "content-type"]
        self.reply(connection, status, headers, body)

    def spoil_nothing(self, connection, target, status, headers, body):
        self.reply(connection, status, headers, body)
