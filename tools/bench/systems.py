# SPDX-License-Identifier: ISC
"""keepalived, ucarp and carpond on one host each: how they are configured, started and ended.

In all three the first host is to be master, and the others are a tenth worse.
"""

import os
import re
import signal
import string
import subprocess

from node import Node

ADDRESS = "10.77.0.100"  # the virtual one
SHAPES = os.path.join(os.path.dirname(os.path.realpath(__file__)), "failover.d")


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


class Daemon:
    """One process, maybe with children. A subclass says `words()`."""

    binary, package = None, None
    mastership = None  # what its log says each time that it becomes master

    def __init__(self, host, interval, servers):
        self.host, self.interval, self.servers = host, interval, servers
        self.best = host is servers[0]
        self.process = None

    def start(self):
        with open(os.path.join(self.host.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(self.host.words(*self.words()), stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, cwd=self.host.folder)

    def words(self):
        raise NotImplementedError

    def pids(self):
        """All of its processes, the parent last."""
        return [*children(self.process.pid), self.process.pid]

    def masterships(self):
        """How often it has become master."""
        with open(os.path.join(self.host.folder, "log"), encoding="utf-8", errors="replace") as log:
            return len(re.findall(self.mastership, log.read()))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)

    def reap(self):
        self.process.wait()

    def shape(self, name, **values):
        """A file of failover.d, filled in for this host; its path."""
        with open(os.path.join(SHAPES, name), encoding="utf-8") as file:
            text = string.Template(file.read()).substitute(values)
        path = os.path.join(self.host.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path


class Keepalived(Daemon):
    """Moves the address by itself."""

    binary, package = "/usr/sbin/keepalived", "keepalived"
    mastership = "Entering MASTER STATE"

    @staticmethod
    def knows(_interval):
        return True

    def words(self):
        path = self.shape("keepalived.conf", priority=250 if self.best else 225,
                          interval=f"{self.interval:g}", address=ADDRESS)
        pid = os.path.join(self.host.folder, "pid")
        for stale in (pid, pid + ".vrrp"):  # of one that was killed
            if os.path.exists(stale):
                os.unlink(stale)
        return [self.binary, "--dont-fork", "--vrrp", "--log-console", "--no-syslog",
                "--use-file", path, "--pid", pid, "--vrrp_pid", pid + ".vrrp"]


class Ucarp(Daemon):
    """Moves the address by its up and down scripts; whole seconds and 256ths of one."""

    binary, package = "/usr/sbin/ucarp", "ucarp"
    mastership = "Switching to state: MASTER"

    @staticmethod
    def knows(interval):
        return interval >= 1

    def words(self):
        return [self.binary, "--interface=eth0", f"--srcip={self.host.v4}", "--vhid=77",
                "--facility=none", "--pass=secret", f"--addr={ADDRESS}", f"--advbase={int(self.interval)}",
                f"--advskew={0 if self.best else 26}", "--preempt", "--shutdown",
                "--upscript=" + os.path.join(SHAPES, "ucarp-up"),
                "--downscript=" + os.path.join(SHAPES, "ucarp-down")]


class Carpond(Daemon):
    """Moves the address by its hooks and the shipped tool for that."""

    mastership = "tier nets: now master"

    @staticmethod
    def knows(_interval):
        return True

    def __init__(self, host, interval, servers):
        super().__init__(host, interval, servers)
        vip = os.path.join(host.net.build, "tools/vip/carpond-vip")
        nets = [f"{server.v4} master" for server in servers]
        self.node = Node(host, nets=nets, nobroadcast=True,
                         base=interval if self.best else round(interval * 1.1, 6),
                         preempt_delay=0, on_master=f"{vip} add {ADDRESS}/32 eth0",
                         on_backup=f"{vip} del {ADDRESS}/32 eth0")

    def start(self):
        self.node.launch()
        self.process = self.node.process

    def reap(self):
        super().reap()
        self.node.process = None


SYSTEMS = {"keepalived": Keepalived, "ucarp": Ucarp, "carpond": Carpond}
