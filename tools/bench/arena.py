# SPDX-License-Identifier: ISC
"""One system on three servers of a network of its own, and a client that asks the virtual address.

Events are asked for by a line on standard input ("cut 0.35"), and answered by one on standard output
("gap MICROSECONDS": the longest in the answers). A second line ("ready") says that all is as it was
before, and the next event may come.
"""

import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

from net import Net, check, command, wait_until
from systems import ADDRESS, SYSTEMS

PORT = 7  # echo's
BRIDGE_ADD, BRIDGE_DELETE = 0x89A2, 0x89A3  # SIOCBRADDIF, SIOCBRDELIF
ETH_P_ALL = 3
NO_GAP_US = 20000  # shorter ones are the machine's own, when it is busy
REALTIME = ["chrt", "--fifo", "50"]  # the instruments, not what is measured


class Instruments:
    """The probe on the client and what it has said."""

    def __init__(self, client, build):
        self.lines, self.host, self.answers, self.moved = [], 0, 0, time.monotonic()
        self._moves = []
        self._process = subprocess.Popen(
            client.words(*REALTIME, os.path.join(build, "tools/bench/probe"), ADDRESS, PORT),
            stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self._process.stdout:
            now, words = time.monotonic(), line.split()
            if words[0] == "answers":
                self.answers = int(words[1])
                continue
            self.lines.append((now, words[0], int(words[1])))
            if words[0] == "gap":
                if words[2] != words[3]:
                    self._moves.append(now)
                if words[2] != words[3] or int(words[1]) > NO_GAP_US:
                    self.moved = now
                self.host = int(words[3])

    def since(self, when, kind):
        """The largest figure of that kind since then; 0: none."""
        return max((figure for at, what, figure in list(self.lines)
                    if what == kind and at >= when), default=0)

    def moves_since(self, when):
        """How often another host has begun to answer."""
        return sum(1 for at in list(self._moves) if at >= when)

    def quiet_for(self):
        """How long the answers have been coming without a gap, from one host."""
        return time.monotonic() - self.moved if self.answers else 0

    def has_moved(self, host):
        return self.host not in (0, host)


class Arena:
    """The network, its hosts and their daemons."""

    def __init__(self, system, interval, folder, build):
        self.net, self.interval, self.build = Net(folder, build), interval, build
        self.servers, self.echoes = self.net.add(3), {}
        client = self.net.add(1)[0]
        self.daemons = [SYSTEMS[system](host, interval, self.servers) for host in self.servers]
        for server in self.servers:
            self.start_echo(server)
        # The best begins first, and alone: the least to settle.
        for daemon in self.daemons:
            daemon.start()
        self.instruments = Instruments(client, build)
        self._control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.port = socket.if_nametoindex(self.servers[0].port)
        self.settle()

    def start_echo(self, host):
        self.echoes[host] = subprocess.Popen(host.words(
            *REALTIME, os.path.join(self.build, "tools/bench/echo"), host.number, PORT))

    def settle(self):
        """Until the first host has had the address for five intervals, and half a second."""
        enough = 0.5 + 5 * self.interval
        wait_until(lambda: self.instruments.host == 1 and self.instruments.quiet_for() > enough,
                   "the best host has the address", 90)

    # ---- events

    def event(self, kind, phase):
        """Does it at `phase` (0 to 1) of an interval behind an advert; the gap."""
        self.await_advert()
        time.sleep(phase * self.interval)
        began = time.monotonic()
        getattr(self, kind)()
        wait_until(lambda: self.instruments.has_moved(1), "another host has the address", 60, 0.02)
        time.sleep(0.3 + self.interval)  # what follows belongs to it: does it move once more?
        return self.instruments.since(began, "gap"), self.instruments.since(began, "late")

    def await_advert(self):
        """Until the first host adverts: what comes in at its end of the cable tells. (Of what a port
        of a bridge takes in, only a tap for all protocols sees anything.)"""
        with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL)) as tap:
            tap.bind((self.servers[0].port, ETH_P_ALL))
            tap.settimeout(30)
            while not self.is_advert(tap.recv(2048)):
                pass

    def is_advert(self, packet):
        if packet[0] >> 4 != 4 or socket.inet_ntoa(packet[12:16]) != self.servers[0].v4:
            return False
        return packet[9] == 112 or packet[9] == socket.IPPROTO_UDP and b"_type: advert" in packet

    def cut(self):
        """The cable leaves the switch; the host goes on, with carrier, and learns nothing of it."""
        self.bridge(BRIDGE_DELETE)

    def kill(self):
        """The daemon, and what it stands for: the service on that host."""
        pids = [*self.daemons[0].pids(), self.echoes[self.servers[0]].pid]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    def stop(self):
        self.daemons[0].stop()

    def bridge(self, request):
        fcntl.ioctl(self._control, request, struct.pack("16si20x", b"bridge0", self.port))

    # ---- and back

    def restore(self, kind):
        if kind == "cut":
            self.bridge(BRIDGE_ADD)
        else:
            self.daemons[0].reap()
            self.servers[0].run("ip", "address", "del", f"{ADDRESS}/32", "dev", "eth0")
            if kind == "kill":
                self.echoes[self.servers[0]].wait()
                self.start_echo(self.servers[0])
            self.daemons[0].start()
        self.settle()


def go_first():
    """Where the kernel shares processors out by sessions (sched(7), autogroup), ours is the first."""
    try:
        with open("/proc/self/autogroup", "w", encoding="ascii") as file:
            file.write("-20")
    except OSError:
        pass


def serve(system, interval, folder, build):
    go_first()
    command("mount", "-t", "tmpfs", "tmpfs", "/run")
    arena = Arena(system, interval, folder, build)
    print("ready", flush=True)
    for line in sys.stdin:
        kind, phase = line.split()
        check(kind in ("cut", "kill", "stop"), f"{kind} is no event")
        gap, late = arena.event(kind, float(phase))
        print(f"gap {gap} {late}", flush=True)
        arena.restore(kind)
        print("ready", flush=True)
