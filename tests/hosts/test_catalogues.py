# SPDX-License-Identifier: ISC
"""Members of tiers that lie about names and whole catalogues, in every role, and sign it with the
key: nothing of it is taken, who lied is named, and what is true comes from somebody else."""

import os

from net import check, wait_until
from node import DOMAIN, PORT, everyone_knows
from registry import test
from stack import Stack
from test_traitors import ABOUT_NAMES, CHUNK, all_go_on, blamed, comes, nothing_wrong
from traitor import Traitor

# What is wrong with its catalogue, and what it is then blamed for.
ABOUT_CATALOGUES = {"pages": "wrong_manifest", "foreign": "wrong_manifest",
                    "more": "wrong_answer", "ranges": "wrong_answer"}
MANY = [f"many/{number}" for number in range(300)]


class Librarian(Traitor):
    """It lies about its whole catalogue."""

    @staticmethod
    def is_page(target):
        return target.startswith("/.pond/catalogue")

    def spoil_pages(self, connection, target, status, headers, body):
        """Pages of something else."""
        if self.is_page(target) and body:
            body = b"banana\n" * 20
        self.reply(connection, status, headers, body)

    def spoil_foreign(self, connection, target, status, headers, body):
        """Names of another domain."""
        if self.is_page(target):
            body = body.replace(f"{DOMAIN}/".encode(), b"evil.example/")
        self.reply(connection, status, headers, body)

    def spoil_more(self, connection, target, status, headers, body):
        """Pages without an end: behind each there is said to be more, and it comes again."""
        if self.is_page(target):
            headers = [(name, "1") if name.lower() == "pond-more" else (name, value)
                       for name, value in headers]
        self.reply(connection, status, headers, body)

    def spoil_ranges(self, connection, target, status, headers, body):
        """More names than there can be, in ranges that go back."""
        if target.startswith("/.pond/ranges"):
            line = f"{1 << 40} {'ab' * 32} {DOMAIN}/a\n".encode()
            body = line + line.replace(b"/a\n", b"/0\n")
        self.reply(connection, status, headers, body)


def away(nodes, stack, names, putter):
    """What is put while these nodes are away, they learn from a catalogue alone."""
    for node in nodes:
        node.stop()
    putter.put_many(names)
    rest = [node for node in stack.nodes if node not in nodes]
    for node in rest:
        wait_until(lambda node=node: set(names) <= set(node.names()), f"{node.name} knows them all")


def took_nothing(nodes):
    for node in nodes:
        wrong = set(node.names()) - set(MANY) - {"before", "honest"}
        check(not wrong, f"{node.name} took {sorted(wrong)[:9]}")


def lying_above(stack, site, followers):
    """A master lies to each of its followers in another way, until somebody demotes it."""
    first, second = site.candidates
    second.put("before", b"before")
    everyone_knows(stack.nodes, "before")
    away(followers, stack, MANY, second)
    lies = {node.host.v4: lie for node, lie in zip(followers, ABOUT_CATALOGUES)}
    traitor = Librarian(first, lies=lies)
    for node in followers:
        node.start()
    for node, fault in zip(followers, ABOUT_CATALOGUES.values()):
        blamed(node, traitor, fault)
    took_nothing(followers)
    first.done("demote", site.tier)
    wait_until(lambda: stack.master(site) is second, "the other one is master")
    stack.same_catalogue()


@test("a site's master that lies about its catalogue is named by its slaves, who take nothing of "
      "it, and read the next master's", hostile=True)
def false_catalogues_above(net):
    stack = Stack(net, core=1, paris=(2, len(ABOUT_CATALOGUES)))
    lying_above(stack, stack.sites["paris"], stack.sites["paris"].slaves)


@test("a core's master that lies about its catalogue is named by the gateways below, who take "
      "nothing of it, and read the next master's", hostile=True)
def false_catalogues_above_gateways(net):
    sites = {f"site{number}": (1, 0) for number in range(len(ABOUT_CATALOGUES))}
    stack = Stack(net, core=2, **sites)
    lying_above(stack, stack.core, [site.nodes[0] for site in stack.sites.values()])


@test("slaves that lie about their catalogues are named by their gateway, which takes nothing of "
      "it, and reads the honest one's", hostile=True)
def false_catalogues_below(net):
    lies = ABOUT_CATALOGUES
    stack = Stack(net, core=1, paris=(1, len(lies) + 1))
    paris, top = stack.sites["paris"], stack.core.nodes[0]
    gateway, (honest, *slaves) = paris.candidates[0], paris.slaves
    honest.put("before", b"before")
    everyone_knows(stack.nodes, "before")
    gateway.stop()
    honest.put_many(MANY)
    for slave, lie in zip(slaves, lies):
        slave.put_many([f"of/{lie}"])
    traitors = [Librarian(slave, lie) for slave, lie in zip(slaves, lies)]
    for slave in slaves:  # what they have they do not announce: it is read in their catalogues
        net.drop(f"iifname {slave.host.port} udp dport {PORT}")
    gateway.start()
    for traitor, fault in zip(traitors, lies.values()):
        blamed(gateway, traitor, fault)
    net.drop_nothing()
    for node in (gateway, top):
        wait_until(lambda node=node: set(MANY) <= set(node.names()), f"{node.name} knows them all")
    all_go_on(honest, [gateway, top], "honest")


@test("a site's master that lies about names, or in HTTP, gives its slaves nothing wrong, and once "
      "another is master they learn what is true", hostile=True)
def false_names_above(net):
    stack = Stack(net, core=1, paris=(2, len(ABOUT_NAMES)))
    paris, content = stack.sites["paris"], os.urandom(3 * CHUNK)
    first, second = paris.candidates
    second.put("other", b"another")
    everyone_knows(stack.nodes, "other")
    lies = {node.host.v4: lie for node, lie in zip(paris.slaves, ABOUT_NAMES)}
    traitor = Traitor(first, lies=lies)
    second.put("new", content)
    for node, fault in zip(paris.slaves, ABOUT_NAMES.values()):
        blamed(node, traitor, fault)
    nothing_wrong(paris.slaves, {"new": content, "other": b"another"})
    first.done("demote", "paris")
    wait_until(lambda: stack.master(paris) is second, "the other one is master")
    for node in paris.slaves:
        comes(node, "new", content)
    all_go_on(paris.slaves[0], [second, *paris.slaves, *stack.core.nodes], "honest")
