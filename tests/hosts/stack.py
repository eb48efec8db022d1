# SPDX-License-Identifier: ISC
"""Tiers above each other: a core, and sites whose candidates are slaves of the core."""

import json
import os

from net import check, wait_until
from node import Node


class Site:
    """candidates, slaves: how many; the best candidate first."""

    def __init__(self, tier, hosts, candidates):
        self.tier, self.hosts = tier, hosts
        self.candidate_hosts, self.slave_hosts = hosts[:candidates], hosts[candidates:]
        self.nodes = []

    @property
    def candidates(self):
        return self.nodes[:len(self.candidate_hosts)]

    @property
    def slaves(self):
        return self.nodes[len(self.candidate_hosts):]


class Stack:
    """core: how many candidates it has; sites: {name: (candidates, slaves)}. settings: of all
    nodes' main.cf."""

    def __init__(self, net, core=2, start=True, **sites_and_settings):
        sites = {k: v for k, v in sites_and_settings.items() if isinstance(v, tuple)}
        settings = {k: v for k, v in sites_and_settings.items() if k not in sites}
        self.net = net
        self.core = Site("core", net.add(core), core)
        self.sites = {name: Site(name, net.add(sum(counts)), counts[0])
                      for name, counts in sites.items()}
        gateways = [host for site in self.sites.values() for host in site.candidate_hosts]
        nets = {"core": self.lines(self.core.candidate_hosts, gateways)} | {
            name: self.lines(site.candidate_hosts, site.slave_hosts)
            for name, site in self.sites.items()}
        for site in (self.core, *self.sites.values()):
            for i, host in enumerate(site.hosts):
                tiers = [tier for tier in nets if any(host.v4 + " " in line for line in nets[tier])]
                skew = {"skew": 20 * i} if host in site.candidate_hosts else {}
                node = Node(host, **{"nobroadcast": True, "base": 0.2} | skew | settings)
                node.settings["nets"] = [f"nets/{tier}" for tier in tiers]
                node.write_config()
                for tier in tiers:
                    self.write(node, f"nets/{tier}", nets[tier])
                site.nodes.append(node)
        self.nodes = self.core.nodes + [n for s in self.sites.values() for n in s.nodes]
        if start:
            self.start()

    @staticmethod
    def lines(masters, slaves):
        return [f"udp {host.v4} master" for host in masters] + \
               [f"udp {host.v4} slave" for host in slaves]

    @staticmethod
    def write(node, name, lines):
        os.makedirs(os.path.join(node.folder, "nets"), exist_ok=True)
        with open(os.path.join(node.folder, name), "w", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in lines))

    def start(self):
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.answers()
        for site in (self.core, *self.sites.values()):
            wait_until(lambda site=site: self.master(site) is site.candidates[0],
                       lambda site=site: f"{site.tier} has its best candidate as master:\n"
                       f"{self.told(site)}")

    # ---- who leads whom

    @staticmethod
    def view(node):
        """{tier: (role, master's name)}, as this node sees it."""
        run = node.pond("status", "--json")
        if run.returncode != 0:
            return {}
        return {row["tier"]: (row["role"], row["master"]) for row in json.loads(run.stdout)["tiers"]}

    def master(self, site):
        """The master on whom all running members of the tier agree, or None."""
        running = [node for node in site.candidates + self.members(site) if node.process]
        views = [self.view(node).get(site.tier) for node in running]
        names = {view[1] if view else None for view in views}
        if len(names) != 1 or None in names:
            return None
        master = [node for node in running if {node.name} == names]
        return master[0] if master and views[running.index(master[0])][0] == "master" else None

    def members(self, site):
        if site is self.core:
            return [node for other in self.sites.values() for node in other.candidates]
        return site.slaves

    def told(self, site):
        return "\n".join(f"{node.name}: {self.view(node)}"
                         for node in site.candidates + self.members(site) if node.process)

    def settled(self):
        """Waits until each tier has a master, whoever it is."""
        for site in (self.core, *self.sites.values()):
            wait_until(lambda site=site: self.master(site), lambda site=site: f"{site.tier} agrees "
                       f"on a master:\n{self.told(site)}")

    def same_catalogue(self, seconds=60):
        """Waits until all running nodes list the same names and versions."""
        def same():
            lists = [{name: row["version"] for name, row in node.names().items()}
                     for node in self.nodes if node.process]
            return all(one == lists[0] for one in lists)
        wait_until(same, "all catalogues are the same", seconds)


def kill_master(stack, site):
    """SIGKILL for the tier's master; returns it."""
    master = stack.master(site)
    check(master is not None, f"{site.tier} has no master")
    master.kill()
    return master
