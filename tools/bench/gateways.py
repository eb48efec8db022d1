# SPDX-License-Identifier: ISC
"""nginx, Squid and carpond, which hand files down a tree of hosts.

A tree is {host's label: the label of the one above it, None at the top}. Objects lie at the top.
Where `local`, readers ask their own host, which runs the system too; else the one above theirs.
"""

import os
import shutil
import signal
import string
import subprocess
import threading

from net import Failed, check, wait_until
from node import DOMAIN, HTTP_PORT, Node

SHAPES = os.path.join(os.path.dirname(os.path.realpath(__file__)), "fanout.d")
PUTTERS = 8
ENDS = 30  # seconds that a daemon may take to end


class Gateways:
    """hosts: {label: Host}; folder: a name that no other run has."""

    port, package, prefix = 80, None, "/"
    local = False  # as it is usually used

    def __init__(self, hosts, above, folder, local=None):
        self.above = above
        if local is not None:
            self.local = local
        self.hosts = {label: hosts[label] for label in above}
        self.top = next(label for label, parent in above.items() if parent is None)
        self._folders = {label: os.path.join(host.folder, folder)
                         for label, host in self.hosts.items()}
        for path in self._folders.values():
            os.makedirs(path)

    def inner(self):
        return [label for label in self.above if label in self.above.values()]

    def leaves(self):
        return [label for label in self.above if label not in self.above.values()]

    def serves(self, reader):
        """The address that this reader asks."""
        return self.hosts[reader if self.local else self.above[reader]].v4

    def start(self, objects):
        """All is up, and holds {name: bytes} at the top."""
        raise NotImplementedError

    def stop(self):
        raise NotImplementedError


class Proxies(Gateways):
    """Daemons in the foreground, below an nginx that has the files; a subclass says `words`."""

    def start(self, objects):
        www = os.path.join(self._folders[self.top], "www")
        for name, content in objects.items():
            path = os.path.join(www, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(content)
        self._processes = [self._launch(self.top, self.nginx("nginx-origin.conf", self.top,
                                                             www=www))]
        for label in [*self.inner(), *(self.leaves() if self.local else [])]:
            if label != self.top:
                self._processes.append(self._launch(label, self.words(label)))

    def words(self, label):
        """The command that starts the gateway on that host."""
        raise NotImplementedError

    def nginx(self, name, label, **values):
        return ["/usr/sbin/nginx", "-e", "stderr", "-c", self.shape(name, label, **values)]

    def shape(self, name, label, **values):
        """A file of fanout.d, filled in for that host; its path."""
        with open(os.path.join(SHAPES, name), encoding="utf-8") as file:
            text = string.Template(file.read()).substitute(
                folder=self._folders[label], name=label, **values)
        path = os.path.join(self._folders[label], name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def above_of(self, label):
        return self.hosts[self.above[label]].v4

    def _launch(self, label, words):
        host = self.hosts[label]
        log = os.path.join(self._folders[label], "output")
        with open(log, "ab") as output:
            process = subprocess.Popen(host.words(*words), stdout=output, stderr=output,
                                       stdin=subprocess.DEVNULL)
        wait_until(lambda: self._listens(host, process, log), f"{words[0]} listens on {label}")
        return process

    def _listens(self, host, process, log):
        if process.poll() is not None:
            with open(log, encoding="utf-8", errors="replace") as file:
                raise Failed(f"{' '.join(process.args)} ended:\n{file.read()}")
        try:
            host.connect(host.v4, self.port).close()
            return True
        except OSError:
            return False

    def stop(self):
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            process.wait(ENDS)


class Nginx(Proxies):
    """proxy_cache with lock."""

    package = "nginx"

    def words(self, label):
        return self.nginx("nginx-gateway.conf", label, above=self.above_of(label))


class Squid(Proxies):
    """collapsed_forwarding."""

    package = "squid"

    def words(self, label):
        shutil.chown(self._folders[label], "proxy")  # it will not be root
        return ["/usr/sbin/squid", "-N", "-d", "1", "-n", label, "-f",
                self.shape("squid.conf", label, above=self.above_of(label))]


class Carpond(Gateways):
    """A tier for each host that has others below it: that one its candidate, those its slaves.
    beside: {a further candidate: the one that it is beside}."""

    port, prefix = HTTP_PORT, f"/{DOMAIN}/"
    local = True

    def __init__(self, hosts, above, folder, local=None, beside=None):
        super().__init__(hosts, above, folder, local)
        self._beside = beside or {}
        self.nodes = {label: self._node(label) for label in above}

    def _node(self, label):
        tiers = [tier for tier in (self.above[label], label, self._beside.get(label))
                 if tier in self.inner()]
        node = Node(self.hosts[label], name=f"{label}.{DOMAIN}", folder=self._folders[label],
                    nobroadcast=True, plain_get=True, skew=10 if label in self._beside else 0)
        for tier in tiers:
            lines = "".join(f"udp {self.hosts[member].v4} {role}\n"
                            for member, role in self._members(tier).items())
            with open(os.path.join(node.folder, tier), "w", encoding="utf-8") as file:
                file.write(lines)
        node.settings["nets"] = tiers
        node.write_config()
        return node

    def _members(self, tier):
        """{label: role}"""
        return {tier: "master"} | \
            {label: "slave" for label, parent in self.above.items() if parent == tier} | \
            {label: "master" for label, other in self._beside.items() if other == tier}

    def start(self, objects):
        for node in self.nodes.values():
            node.launch()
        for label, node in self.nodes.items():
            wait_until(lambda node=node: self._answers(node), f"{label} answers")
        self._put(self.nodes[self.top], objects)
        names = {f"{DOMAIN}/{name}" for name in objects}
        for label, node in self.nodes.items():
            wait_until(lambda node=node: node.status()["cache"]["objects"] >= len(names),
                       f"{label} knows all names", 60 + len(names) / 100)

    @staticmethod
    def _answers(node):
        check(node.process.poll() is None, f"{node.name} ended:\n{node.log()}")
        return node.pond("status").returncode == 0 and \
            all(tier["master"] for tier in node.status()["tiers"])

    @staticmethod
    def _put(node, objects):
        """Over so many connections at once: the store syncs them in groups."""
        pairs, threads, wrong = list(objects.items()), [], []

        def put(some):
            try:
                node.put_many(dict(some))
            except Exception as error:  # pylint: disable=broad-except
                wrong.append(error)
        for first in range(min(PUTTERS, len(pairs))):
            threads.append(threading.Thread(target=put, args=(pairs[first::PUTTERS],)))
            threads[-1].start()
        for thread in threads:
            thread.join()
        check(not wrong, f"put at the top: {wrong[:1]}")

    def stop(self):
        running = {label: node for label, node in self.nodes.items() if node.process is not None}
        for node in running.values():
            node.process.terminate()
        for label, node in running.items():
            status = node.wait()
            check(status == 0, f"{label} ended with {status}")

    def follows(self, label, master):
        """Its log says so: asking it would take longer."""
        return f"slave of {master}.{DOMAIN}" in self.nodes[label].log()


SYSTEMS = {"nginx": Nginx, "squid": Squid, "carpond": Carpond}
