# SPDX-License-Identifier: ISC
"""Hosts of one tier, its candidates first: who is master there, and what becomes of it."""

import re
import time

from net import check, patience, wait_until
from node import Node

ADVERT_PORT = 65029
SAID = re.compile(r" tier nets: (?:(?:now|still) master|(?P<role>backup|slave) "
                  r"(?:of (?P<of>[^,]+), \S+|without a master)), epoch (?P<epoch>\d+): "
                  r"(?P<reason>[^(\n]*\b)[^\n]*\n")  # a line that is whole


class Tier:
    """`candidates` hosts, of which the first is the best (skews 0, 10, 20 ...), and `slaves` more.
    settings: of all nodes' main.cf."""

    def __init__(self, net, candidates, slaves=0, v6=False, start=True, **settings):
        self.net, self.v6 = net, v6
        self.hosts = net.add(candidates + slaves)
        lines = [f"{self.address(host)} master" for host in self.hosts[:candidates]]
        if slaves:
            lines.append("fd77::/64 slave" if v6 else "10.77.0.0/24 slave")
        self.nodes = [
            Node(host, nets=lines, **{"nobroadcast": True, "base": 0.2} |
                 ({"skew": 10 * i} if i < candidates else {}) | settings)
            for i, host in enumerate(self.hosts)]
        self.candidates, self.slaves = self.nodes[:candidates], self.nodes[candidates:]
        if start:
            for node in self.nodes:
                node.start()

    def address(self, host):
        return host.v6 if self.v6 else host.v4

    def running(self):
        return [node for node in self.nodes if node.process is not None]

    # ---- what they say

    @staticmethod
    def view(node):
        """How the node stands in the tier, as it said last: role, master, epoch, reason."""
        said = list(SAID.finditer(node.log()))
        if not said:
            return {"role": None, "master": None, "epoch": 0, "reason": ""}
        said = said[-1].groupdict()
        return {"role": said["role"] or "master", "master": said["of"] or
                (None if said["role"] else node.name), "epoch": int(said["epoch"]),
                "reason": said["reason"]}

    def role(self, node):
        return self.view(node)["role"]

    def masters(self, nodes=None):
        return [node for node in nodes or self.running() if self.role(node) == "master"]

    def agree(self, nodes=None):
        """The master that all of them see, one of them alone in that role; else None."""
        nodes = nodes or self.running()
        views = [self.view(node) for node in nodes]
        names = {view["master"] for view in views}
        masters = [node for node, view in zip(nodes, views) if view["role"] == "master"]
        if len(names) != 1 or len(masters) != 1 or masters[0].name not in names:
            return None
        return masters[0]

    def settled(self, nodes=None, seconds=60):
        """Waits until they agree; returns the master, who need not be the best as yet."""
        return wait_until(lambda: self.agree(nodes), lambda: "they agree on one master:\n" +
                          self.told(nodes), seconds)

    def becomes_master(self, node, nodes=None, seconds=60):
        """Waits until all see this one as master; returns the seconds that it took."""
        began = time.monotonic()
        wait_until(lambda: self.agree(nodes) is node, lambda: f"all see {node.name} as master:\n" +
                   self.told(nodes), seconds, pause=0.01)
        return time.monotonic() - began

    def knows_itself(self):
        """Waits until each of the others believes the rest, and none is behind the master: then the
        best of them is sure to be the next."""
        def is_ready(node):
            places = [place for peer in node.peers() for place in peer["tiers"] or []
                      if place["role"] != "slave"]
            return (len(places) == len(self.candidates) - 1 and
                    all(place["believed"] and not place["behind"] for place in places))
        for node in self.candidates:
            wait_until(lambda node=node: is_ready(node), lambda node=node: f"{node.name} knows how "
                       f"the others stand: {node.peers()}")

    def names_its_successor(self, node, heir):
        """Waits until the master says who is to follow it, should it go."""
        wait_until(lambda: node.status()["tiers"][0]["successor"] == self.address(heir.host),
                   lambda: f"{node.name} names {heir.name} as its successor: "
                   f"{node.status()['tiers']}")

    def stays(self, node, seconds, nodes=None):
        """It goes on being master, alone, for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            master = self.agree(nodes)
            check(master is node, f"{node.name} is no longer the only master:\n" + self.told(nodes))
            time.sleep(0.05)

    def told(self, nodes=None):
        return "\n".join(f"{node.name}: {self.view(node)}" for node in nodes or self.running())

    # ---- what is done to them

    def cut(self, node):
        """Its cable is pulled: it hears nobody, and nobody hears it."""
        node.host.unplug()

    def mend(self, node):
        node.host.plug_in()

    def part(self, some, others):
        """Two halves that do not hear each other, until net.drop_nothing()."""
        for a in some:
            for b in others:
                self.net.drop(f"iifname {a.host.port} oifname {b.host.port}")
                self.net.drop(f"iifname {b.host.port} oifname {a.host.port}")


def intervals(node, count):
    """So many of this node's advert intervals, in seconds, on a machine that is slow too."""
    settings = node.settings
    return count * (settings["base"] + settings.get("skew", 0) / 256) * patience()
