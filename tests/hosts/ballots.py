# SPDX-License-Identifier: ISC
"""What the hosts of a tier say to each other about its election, as a tap at the switch hears it."""

import collections
import ctypes
import socket
import statistics
import struct
import threading

import wire
from tier import ADVERT_PORT

ETH_P_ALL, MTU = 3, 2048
SO_ATTACH_FILTER, SO_RCVBUFFORCE, SO_TIMESTAMPNS = 26, 33, 35
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # of a socket filter: BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
PACKET_TYPE, INTERFACE = 0xFFFFF004, 0xFFFFF008  # SKF_AD_OFF + SKF_AD_PKTTYPE, + SKF_AD_IFINDEX

# time: as the kernel took it in, in seconds; host: the number of the one it came from; kind:
# "advert", "standing" or "solicit"; headers: as text; data: the datagram.
Ballot = collections.namedtuple("Ballot", "time host kind headers data")


class Ear:
    """Hears, from now on, each ballot that comes in at the switch (over IPv4), once."""

    def __init__(self, net, hosts=None):
        """hosts: only what those say."""
        self._ports = {host.port: host.number for host in hosts or net.hosts}
        self._heard = []
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        self._keep_out_the_rest()
        threading.Thread(target=self._listen, daemon=True).start()

    def _keep_out_the_rest(self):
        """The kernel drops what comes from other hosts, or goes out: a flood does not deafen us."""
        ports = [socket.if_nametoindex(port) for port in self._ports]
        count = len(ports)
        program = [(LOAD, 0, 0, PACKET_TYPE), (EQUAL, count + 1, 0, socket.PACKET_OUTGOING),
                   (LOAD, 0, 0, INTERFACE),
                   *((EQUAL, count - i, 0, port) for i, port in enumerate(ports)),
                   (RETURN, 0, 0, 0), (RETURN, 0, 0, MTU)]
        lines = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line)
                                                     for line in program))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                                struct.pack("HL", len(program), ctypes.addressof(lines)))

    def _listen(self):
        while True:
            packet, extra, _, where = self._socket.recvmsg(MTU, 64)
            if where[0] in self._ports:  # what came before the filter
                self._take(packet, self._ports[where[0]], struct.unpack("qq", extra[0][2]))

    def _take(self, packet, host, when):
        head = (packet[0] & 15) * 4
        if packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_UDP:
            return
        port, length = struct.unpack("!HH", packet[head + 2:head + 6])
        if port == ADVERT_PORT:
            data = packet[head + 8:head + length]
            headers = wire.parse(data)
            self._heard.append(Ballot(when[0] + when[1] / 1e9, host, headers.get("_type"), headers,
                                      data))

    def mark(self):
        """Now, for since()."""
        return len(self._heard)

    def since(self, mark=0, host=None, kind=None):
        return [ballot for ballot in self._heard[mark:]
                if host in (None, ballot.host) and kind in (None, ballot.kind)]


def masterships(ballots):
    """{(host, epoch): (first, last)}: when who adverted first and last in an epoch of its own."""
    spans = {}
    for ballot in ballots:
        if ballot.kind == "advert" and ballot.headers["leaving"] != "True":
            key = ballot.host, int(ballot.headers["epoch"])
            spans[key] = spans.get(key, (ballot.time,))[0], ballot.time
    return spans


def overlap(ballots):
    """For how long, at most, two masterships of different hosts went on beside each other: seconds,
    and which."""
    spans, worst = sorted(masterships(ballots).items()), (0, None)
    for number, (one, (began, ended)) in enumerate(spans):
        for other, (other_began, other_ended) in spans[:number]:
            both = min(ended, other_ended) - max(began, other_began)
            if one[0] != other[0] and both > worst[0]:
                worst = both, (other, one)
    return worst


def longest_gap(ballots):
    """The longest time between two that came one after the other, in seconds."""
    times = [ballot.time for ballot in ballots]
    return max((later - earlier for earlier, later in zip(times, times[1:])), default=0)


def usual_gap(ballots):
    """The median time from one to the next, whomever it goes to, in seconds: what the machine does
    for a moment does not change that."""
    times = sorted({ballot.data: ballot.time for ballot in ballots}.values())
    return statistics.median(later - earlier for earlier, later in zip(times, times[1:]))
