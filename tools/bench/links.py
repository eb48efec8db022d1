# SPDX-License-Identifier: ISC
"""Cables of a given speed, and how many bytes of HTTP go over one."""

import json

from net import command

HEADERS = 20 + 32  # of IPv4, and of TCP with time stamps: what is not HTTP in each packet
WAIT_MS = 200      # that a packet may lie in front of a cable, at most


def limit(host, rate):
    """The host's cable carries no more than this ("100mbit"; None: as much as it can) in either
    direction. What the host sends waits at the host itself, as in front of a network card, so that
    nothing is lost."""
    for change, device in ((["tc", "qdisc"], host.port),
                           (["tc", "-n", host.name, "qdisc"], "eth0")):
        command(*change, "del", "dev", device, "root", check=False)
        if rate is not None:
            command(*change, "add", "dev", device, "root", "tbf", "rate", rate, "burst", "64kb",
                    "latency", f"{WAIT_MS}ms")


class Meter:
    """Bytes of HTTP on a host's cable, both directions, whoever of the two ends serves."""

    def __init__(self, host, port):
        self._name = f"meter_{host.port}"
        command("nft", f"add table bridge {self._name}; "
                f"add chain bridge {self._name} forward {{ type filter hook forward priority -1; }}; "
                f"add counter bridge {self._name} http")
        for way in ("iifname", "oifname"):
            for end in ("sport", "dport"):
                command("nft", f"add rule bridge {self._name} forward {way} {host.port} "
                        f"ip protocol tcp tcp {end} {port} counter name http")

    def read(self):
        shown = json.loads(command("nft", "-j", "list", "counters", "table", "bridge",
                                   self._name).stdout)
        counter = next(row["counter"] for row in shown["nftables"] if "counter" in row)
        return counter["bytes"] - HEADERS * counter["packets"]

    def end(self):
        command("nft", f"delete table bridge {self._name}")
