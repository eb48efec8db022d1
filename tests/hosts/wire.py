# SPDX-License-Identifier: ISC
"""What goes over the network, byte by byte: to record it, to send it again, to forge it."""

import socket
import struct
import threading
import time

from node import DOMAIN, HTTP_PORT

MARK = 77  # of the relay's own connections


# ---- messages


def message(kind, headers, payload=b""):
    """fbp822: headers are (name, value) pairs; integers and booleans get their type beside them."""
    lines = [f"_type: {kind}", f"_size: {len(payload)}"]
    for name, value in headers:
        if isinstance(value, bool):
            lines += [f"{name}: {value}", f"_type_{name}: b"]
        elif isinstance(value, int):
            lines += [f"{name}: {value}", f"_type_{name}: i"]
        else:
            lines.append(f"{name}: {value}")
    date = time.strftime("%a %b %d %H:%M:%S %Y", time.gmtime())
    return f"From fbp822 {date}\n".encode() + "\n".join(lines).encode() + b"\n\n" + payload


def notice(kind, name, node="liar.test.example", domain=DOMAIN, boot=1, counter=1, **headers):
    """A whohas or an ihave, unsigned."""
    pairs = [("file", f"{domain}/{name}"), *headers.items(), ("format", 1), ("domain", domain),
             ("node", node), ("boot", boot), ("counter", counter)]
    return message(kind, pairs)


def parse(data):
    """The headers of a message as text."""
    head = data.partition(b"\n\n")[0].decode(errors="replace")
    return dict(line.split(": ", 1) for line in head.split("\n")[1:] if ": " in line)


def malformed_datagrams():
    good = notice("whohas", "x", counter=9, tuid="1.1@x", newer=0)
    return [
        b"\0", b"From", b"From fbp822 \n", b"\xff" * 1400, b"From fbp822\n\n", good[:-1],
        good[:len(good) // 2], good + b"trailing", good.replace(b"_size: 0", b"_size: 9"),
        good.replace(b"_size: 0", b"_size: -1"), good.replace(b"_size: 0", b"_size: 99999999999999"),
        good.replace(b"_type: whohas", b"_type: "), good.replace(b"_type: whohas", b"_type: apple"),
        good.replace(b"tuid: ", b"tuid:\0"), good.replace(b"newer: 0", b"newer: x"),
        good.replace(b"boot: 1", b"boot: 1\nboot: 2"), good.replace(b"\n", b"\r\n"),
        b"From fbp822 x\n" + b"a: b\n" * 200 + b"\n", b"GET / HTTP/1.1\r\n\r\n",
        good.replace(b"test.example/x", b"test.example/../x"),
        good.replace(b"test.example/x", b"x" * 1300),
        good.replace(b"domain: test.example", b"domain: other.example"),
        message("whohas", []), message("ihave", [("file", "test.example/x")]),
    ]


# ---- HTTP


def exchange(host, address, data, seconds=60):
    """Sends these bytes to a node's HTTP port, and returns all it says until it closes, or is
    silent for so long."""
    with host.connect(address, HTTP_PORT) as connection:
        connection.settimeout(seconds)
        answer = b""
        try:
            connection.sendall(data)
            while part := connection.recv(65536):
                answer += part
        except (TimeoutError, ConnectionResetError, BrokenPipeError):
            pass
        return answer


def send_request(host, address, request):
    """The status of the answer to one request."""
    with host.connect(address, HTTP_PORT) as connection:
        connection.sendall(request)
        answer = b""
        while b"\r\n" not in answer:
            part = connection.recv(65536)
            if not part:
                return 0
            answer += part
        return int(answer.split(b" ")[1])


def smuggling_requests(address):
    def get(*lines, first=f"GET /{DOMAIN}/file HTTP/1.1", body=""):
        return "\r\n".join((first, *lines, "", body)).encode("latin-1")
    host = f"Host: {address}:{HTTP_PORT}"
    second = f"GET /{DOMAIN}/file HTTP/1.1\r\n{host}\r\n\r\n"
    return [
        get(host, "Content-Length: 5", "Transfer-Encoding: chunked", body="0\r\n\r\n" + second),
        get(host, "Content-Length: 0", f"Content-Length: {len(second)}", body=second),
        get(host, "Transfer-Encoding: xchunked", "Connection: close"),
        get(host, "Transfer-Encoding: gzip, chunked", "Connection: close"),
        get(host, "Content-Length : 3", "Connection: close", body="abc"),
        get("Connection: close"), get(host, host, "Connection: close"),
        get(host, "Connection: close", first=f"GET /{DOMAIN}/fi%00le HTTP/1.1"),
        get(host, "Connection: close", first=f"GET /{DOMAIN}/%zz HTTP/1.1"),
        get(host, "Connection: close", first=f"GET /{DOMAIN}/../../etc/passwd HTTP/1.1"),
        get(host, "Connection: close", first=f"GET /{DOMAIN}/..%2f..%2fetc/passwd HTTP/1.1"),
        get(host, "Connection: close", first=f"GET http://evil/{DOMAIN}/file HTTP/1.1"),
        get(host, "Connection: close", first=f"FROBNICATE /{DOMAIN}/file HTTP/1.1"),
        get(host, "Connection: close", first=f"get /{DOMAIN}/file HTTP/1.1"),
        get(host, "X: " + "y" * 60000, "Connection: close"),
        get(host, "Connection: close", first=f"GET /{'z' * 60000} HTTP/1.1"),
    ]


class Relay:
    """Takes the connections that `host` opens to `target`, passes everything on, and keeps what
    was asked."""

    def __init__(self, host, target, port=9999):
        self.host, self.target, self._asked = host, target, []
        self._listener = host.listen(host.v4, port)
        host.nft("add table ip relay; add chain ip relay out { type nat hook output priority -100; };"
                 f" add rule ip relay out meta mark != {MARK} ip daddr {target[0]} "
                 f"tcp dport {target[1]} dnat to {host.v4}:{port}")
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            near = self._listener.accept()[0]
            far = self.host.socket()
            far.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, MARK)
            far.connect(self.target)
            record = bytearray()
            self._asked.append(record)
            for pair in ((near, far, record), (far, near, None)):
                threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    @staticmethod
    def _pass_on(source, sink, record):
        try:
            while data := source.recv(65536):
                if record is not None:
                    record += data
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def requests(self):
        """The requests without a body, each as it was on the wire."""
        return [one + b"\r\n\r\n" for record in self._asked
                for one in bytes(record).split(b"\r\n\r\n") if one]


class Tap:
    """Records the UDP datagrams that a host receives over IPv4."""

    def __init__(self, host):
        self._socket = host.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
        self._socket.settimeout(0.05)
        self._seen = []

    def datagrams(self, port):
        """(sender, payload) of all so far to that port."""
        try:
            while True:
                self._take(self._socket.recv(65536))
        except TimeoutError:
            pass
        return [(sender, data) for sender, to, data in self._seen if to == port]

    def _take(self, packet):
        head = (packet[0] & 15) * 4
        if packet[9] == socket.IPPROTO_UDP:
            to, length = struct.unpack("!HH", packet[head + 2:head + 6])
            data = packet[head + 8:head + length]
            self._seen.append((socket.inet_ntoa(packet[12:16]), to, data))
