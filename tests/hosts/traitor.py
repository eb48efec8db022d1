# SPDX-License-Identifier: ISC
"""A member of tiers that lies, and has the key: what it says is well signed, and wrong.

A true carpond runs on its host, takes part in its elections and has its store. What others ask it
over HTTP is answered by a liar in front of it (Traitor); what it says in datagrams goes through one
beside the switch, who may change it, keep it back or add to it (Tampered).
"""

import base64
import hashlib
import hmac
import re
import socket
import struct
import threading

import wire
from liar import Liar
from node import HTTP_PORT, KEY, PORT
from tier import ADVERT_PORT

IN_FRONT = 9998  # the liar's port, before the true one
NONCE = "once"
OURS = 8         # the type of service of datagrams that have been tampered with
STEP = 1 << 16   # room between two counters of the true node's, for what is added
ETH_P_ALL, PACKET_OUTGOING, MTU = 3, 4, 2048

# As src/challenge.c has them.
ANSWER_HEADERS = ("content-digest", "content-range", "repr-digest", "etag", "last-modified",
                  "location", "retry-after", "pond-version", "pond-epoch", "pond-node",
                  "pond-store", "pond-sequence", "pond-head", "pond-last", "pond-more",
                  "pond-touch")


def mac(text):
    return hmac.new(KEY.encode(), text.encode(), hashlib.sha256).hexdigest()


def lower(headers):
    return {name.lower(): value for name, value in headers}


class Traitor(Liar):
    """node: a running one. spoil: as a Liar's, or one of the lies below. lies: what it tells hosts
    of these addresses in the place of that."""

    def __init__(self, node, spoil="nothing", lies=None):
        self.node, self.lies, self._claim = node, lies or {}, threading.local()
        node.host.nft("add table ip traitor; add chain ip traitor in { type nat hook prerouting "
                      f"priority -100; }}; add rule ip traitor in iifname eth0 tcp dport {HTTP_PORT} "
                      f"redirect to :{IN_FRONT}")
        self.usual = spoil
        super().__init__(node.host, node, "by_asker")

    def _open(self):
        self._tcp = self.host.listen(self.host.v4, IN_FRONT)
        threading.Thread(target=self._serve, daemon=True).start()

    def _answer(self, connection, target, headers):
        claim = re.match(rf'Pond .*nonce="{NONCE}", nc=(\d+), mac="(\w+)"',
                         headers.get("Authorization", ""))
        if not claim:
            challenge = ("WWW-Authenticate", f'Pond nonce="{NONCE}"')
            return super().reply(connection, 401, [challenge], b"")
        self._claim.nc, self._claim.mac = claim.groups()
        return super()._answer(connection, target, {
            name: value for name, value in headers.items()
            if name not in ("Authorization", "Cache-Control", "Via")})

    def reply(self, connection, status, headers, body, length=None):
        """Signed, its body too."""
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        headers = headers + [("Content-Digest", f"sha-256=:{digest}:")]
        said = lower(headers)
        lines = ["pond-answer", str(status), self._claim.mac, "",
                 *(f"{name}: {said.get(name, '')}" for name in ANSWER_HEADERS)]
        signature = mac("".join(line + "\n" for line in lines))
        headers.append(("Authentication-Info", f'Pond nc={self._claim.nc}, mac="{signature}"'))
        super().reply(connection, status, headers, body, length)

    def spoil_by_asker(self, connection, *answer):
        lie = self.lies.get(connection.getpeername()[0], self.usual)
        getattr(self, f"spoil_{lie}")(connection, *answer)

    # ---- more lies

    def spoil_range(self, connection, target, status, headers, body):
        """It says that the bytes stand elsewhere in the object than was asked."""
        if self.is_content(target):
            headers = [(name, re.sub(r"bytes (\d+)-(\d+)", self._beside, value))
                       if name.lower() == "content-range" else (name, value)
                       for name, value in headers]
        self.reply(connection, status, headers, body)

    @staticmethod
    def _beside(match):
        return f"bytes {int(match[1]) + 1}-{int(match[2]) + 1}"

    def spoil_long(self, connection, target, status, headers, body):
        """More than was asked for, and it says so."""
        if self.is_content(target):
            body += bytes(70000)
        self.reply(connection, status, headers, body)

    def spoil_busy(self, connection, target, status, headers, body):
        """No lie: it gives names, and no content just now."""
        if self.is_content(target):
            status, headers, body = 503, [], b"busy"
        self.reply(connection, status, headers, body)

    def change_manifest(self, connection, target, status, headers, body, pattern, by):
        if target.startswith("/.pond/manifest/"):
            body = re.sub(pattern, by, re.sub(rb" SUM=\w+", b"", body))
        self.reply(connection, status, headers, body)

    def spoil_sums(self, *answer):
        """Manifests with the sums of no content at all."""
        self.change_manifest(*answer, rb"(?m)^(sha256|chunks): .*", rb"\1: " + b"ab" * 32)


class Tampered:
    """From now on the datagrams of a host are what `change` makes of them: of a port, an address
    and a message's headers (a dict, in their order) a list of (address, headers)."""

    def __init__(self, host, change):
        self.host, self.change, self._last = host, change, {}
        self._raw = host.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self._tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self._tap.bind((host.port, ETH_P_ALL))
        for port in (PORT, ADVERT_PORT):
            host.net.drop(f"iifname {host.port} ether type ip ip dscp != {OURS >> 2} udp dport {port}")
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            packet, where = self._tap.recvfrom(MTU)
            if where[2] == PACKET_OUTGOING or packet[0] >> 4 != 4 or packet[1] == OURS or \
                    packet[9] != socket.IPPROTO_UDP:
                continue
            head = (packet[0] & 15) * 4
            port, length = struct.unpack("!HH", packet[head + 2:head + 6])
            if port in (PORT, ADVERT_PORT):
                self._pass_on(port, socket.inet_ntoa(packet[16:20]),
                              packet[head + 8:head + length])

    def _pass_on(self, port, to, data):
        headers = wire.parse(data)
        self._last[port] = headers | {"counter": str(int(headers["counter"]) * STEP)}
        for where, changed in self.change(port, to, headers):
            self.say(port, where, changed)

    def say(self, port, to, headers, source=None):
        """As the host's own, after all that it has said there; as if from that address."""
        last = self._last[port]
        last["counter"] = str(int(last["counter"]) + 1)
        headers = headers | {name: last[name] for name in ("node", "boot", "counter")}
        headers.pop("hmac256", None)
        covered = "".join(f"{name}: {value}\n" for name, value in headers.items())
        signature = mac(covered + "\n")
        data = f"From fbp822 Sun Nov 22 00:00:00 2026\n{covered}hmac256: {signature}\n\n".encode()
        udp = struct.pack("!HHHH", port, port, 8 + len(data), 0) + data
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, OURS, 0, 0, 0, 64, socket.IPPROTO_UDP, 0,
                         socket.inet_aton(source or self.host.v4), socket.inet_aton(to))
        self._raw.sendto(ip + udp, (to, 0))
