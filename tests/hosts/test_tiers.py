# SPDX-License-Identifier: ISC
"""Tiers: content flows down from master to master, puts flow up, and masters die meanwhile."""

import concurrent.futures
import os
import threading

from net import check, equal, wait_until
from node import HTTP_PORT, everyone_knows
from registry import test
from stack import Stack, kill_master

SMALL = b"one two three\n"


def large(mib):
    return os.urandom(mib * 1024 * 1024)


def unconfirmed(node):
    return node.status()["cache"]["unconfirmed"]


def gets(node, name, content, seconds=60):
    """It comes to serve this content, and nothing that is neither this nor an older version."""
    def got():
        run = node.pond("get", name, "-o", "-", text=False)
        return run.returncode == 0 and run.stdout == content
    wait_until(got, lambda: f"{node.name} serves {name}\n{node.log()[-2000:]}", seconds, pause=0.1)


def get_at_once(node, contents):
    """One curl on the node's host gets all of them, 32 at a time."""
    folder = os.path.join(node.folder, "got")
    config = os.path.join(node.folder, "curlrc")
    with open(config, "w", encoding="utf-8") as file:
        for name in contents:
            file.write(f'url = "{node.url(name)}"\noutput = "{folder}/{name}"\n')
    run = node.host.run("curl", "-sSfZ", "--parallel-max", 32, "--create-dirs", "--noproxy", "*",
                        "-K", config)
    equal(run.returncode, 0, f"curl: {run.stderr}")
    for name, content in contents.items():
        with open(os.path.join(folder, name), "rb") as file:
            equal(file.read() == content, True, f"{name} at {node.name}")


@test("what is put at the bottom reaches the top and the other bottom")
def tiers_up_and_down(net):
    stack = Stack(net, paris=(2, 1), rome=(1, 1))
    paris, rome = stack.sites["paris"], stack.sites["rome"]
    content = large(3)
    paris.slaves[0].put("tool", content)
    everyone_knows(stack.nodes, "tool")
    for node in (stack.core.nodes[0], rome.slaves[0], stack.core.nodes[1], rome.candidates[0]):
        equal(node.get("tool") == content, True, f"the content at {node.name}")
    stack.same_catalogue()


@test("what a slave put before it was killed is there soon after its return, whoever waits for it")
def tiers_putter_comes_back(net):
    stack = Stack(net, paris=(2, 1))
    slave, content = stack.sites["paris"].slaves[0], os.urandom(200 * 1024)
    readers = [node for node in stack.nodes if node is not slave]
    net.drop(f"ip saddr {slave.host.v4} tcp sport {HTTP_PORT} meta length > 1400")
    slave.put("file", content)
    everyone_knows(stack.nodes, "file")
    with concurrent.futures.ThreadPoolExecutor(len(readers)) as pool:
        read = [pool.submit(gets, node, "file", content) for node in readers]
        slave.kill()
        net.drop_nothing()
        slave.start()
        for one in read:
            one.result()


@test("a candidate of a top tier comes to hold everything; what is above is not asked twice")
def tiers_top_keeps_all(net):
    stack = Stack(net, paris=(1, 2))
    paris = stack.sites["paris"]
    contents = {f"file{i}": os.urandom(300000 + i) for i in range(5)}
    for name, content in contents.items():
        paris.slaves[0].put(name, content)
    for node in stack.core.nodes:
        wait_until(lambda node=node: node.status()["cache"]["bytes"] >=
                   sum(map(len, contents.values())), f"{node.name} holds all")
    before = stack.core.nodes[0].metric("pond_fetches_total") + \
        stack.core.nodes[1].metric("pond_fetches_total")
    for name, content in contents.items():
        equal(paris.slaves[1].get(name) == content, True, name)
    after = stack.core.nodes[0].metric("pond_fetches_total") + \
        stack.core.nodes[1].metric("pond_fetches_total")
    equal(after, before, "fetches of the core's for what it holds")


@test("many small objects that are asked for at once come in few answers, each what it should be")
def tiers_many_small(net):
    stack = Stack(net, core=1, paris=(1, 1))
    top, bottom = stack.core.nodes[0], stack.sites["paris"].slaves[0]
    contents = {f"small/{i}": os.urandom(1 + 37 * i) for i in range(400)}
    top.put_many(contents)
    wait_until(lambda: len(bottom.names()) == len(contents), "the bottom knows all names")
    before = top.metric("pond_http_requests_total")
    bottom.host.slow_down("20mbit")  # so that some are asked for while others come
    get_at_once(bottom, contents)
    asked = top.metric("pond_http_requests_total") - before
    check(asked < 0.8 * len(contents), f"the top was asked {asked} times for {len(contents)}")


@test("the site's master is killed in the middle of a download: it ends intact")
def tiers_master_killed_midway(net):
    stack = Stack(net, paris=(2, 2))
    paris, content = stack.sites["paris"], large(40)
    stack.core.nodes[0].put("big", content)
    everyone_knows(stack.nodes, "big")
    reader = paris.slaves[0]
    reader.host.slow_down("60mbit")
    answer = []
    thread = threading.Thread(target=lambda: answer.append(reader.curl("big")))
    thread.start()
    wait_until(lambda: reader.metric("pond_fetched_bytes_total") > 4 << 20, "the download runs",
               pause=0.02)
    kill_master(stack, paris)
    thread.join()
    equal((answer[0].status, answer[0].exit), (200, 0), "curl")
    equal(answer[0].body == content, True, "what it got")
    wait_until(lambda: stack.master(paris) is paris.candidates[1], "the other candidate is master")


def move(stack, node, before, after):
    """A slave of one site becomes one of another, by reloads alone."""
    before.nodes.remove(node)
    after.nodes.append(node)
    node.settings["nets"] = [f"nets/{after.tier}"]
    node.write_config()
    for site in (after, before):
        lines = stack.lines(site.candidate_hosts, [slave.host for slave in site.slaves])
        for member in site.nodes:
            stack.write(member, f"nets/{site.tier}", lines)
    for member in after.nodes + before.nodes:
        member.done("reload")


@test("a slave that moves to another site in the middle of a download goes on there")
def tiers_slave_moves(net):
    stack = Stack(net, core=1, paris=(1, 1), lyon=(1, 1))
    paris, lyon, content = stack.sites["paris"], stack.sites["lyon"], large(40)
    stack.core.nodes[0].put("big", content)
    everyone_knows(stack.nodes, "big")
    reader = paris.slaves[0]
    reader.host.slow_down("30mbit")
    start, answer = reader.host.received(), []
    thread = threading.Thread(target=lambda: answer.append(reader.curl("big")))
    thread.start()
    wait_until(lambda: reader.metric("pond_fetched_bytes_total") > 4 << 20, "the download runs",
               pause=0.02)
    move(stack, reader, paris, lyon)
    wait_until(lambda: stack.master(lyon) is lyon.candidates[0], "it follows its new master")
    reader.host.slow_down("1gbit")
    thread.join()
    equal((answer[0].status, answer[0].exit), (200, 0), "curl")
    equal(answer[0].body == content, True, "what it got")
    check(reader.host.received() - start < 1.2 * len(content), "what it had was fetched again")
    check(lyon.candidates[0].metric("pond_served_bytes_total") > 0, "its new master served nothing")


@test("the site's master is killed while its slaves read several files: each comes whole")
def tiers_master_killed_amid_many(net):
    stack = Stack(net, paris=(2, 2))
    paris = stack.sites["paris"]
    contents = {f"file{i}": large(8) for i in range(4)}
    for name, content in contents.items():
        stack.core.nodes[0].put(name, content)
    for name in contents:
        everyone_knows(stack.nodes, name)
    for reader in paris.slaves:
        reader.host.slow_down("100mbit")
    answers = {}
    threads = [threading.Thread(target=lambda reader=reader, name=name: answers.update(
        {(reader.name, name): reader.curl(name)})) for reader in paris.slaves for name in contents]
    for thread in threads:
        thread.start()
    wait_until(lambda: min(r.metric("pond_fetched_bytes_total") for r in paris.slaves) > 4 << 20,
               "the downloads run", pause=0.02)
    kill_master(stack, paris)
    for thread in threads:
        thread.join()
    for (reader, name), answer in answers.items():
        equal((answer.status, answer.exit), (200, 0), f"curl of {name} at {reader}")
        equal(answer.body == contents[name], True, f"{name} at {reader}")
    equal(len(answers), len(threads), "downloads")


@test("who comes back to another master is not said to be behind by 0 before it knows all")
def tiers_behind_a_new_master(net):
    stack = Stack(net, paris=(2, 1))
    paris = stack.sites["paris"]
    slave = paris.slaves[0]
    stack.core.nodes[0].put("old", SMALL)
    everyone_knows(stack.nodes, "old")
    slave.stop()
    names = [f"name{i}" for i in range(150)]
    stack.core.nodes[0].put_many(names)
    wait_until(lambda: len(paris.candidates[1].names()) == 151, "the backup knows all")
    kill_master(stack, paris)
    slave.start()

    def behind():
        row = next(row for row in slave.status()["tiers"] if row["tier"] == "paris")
        return row["behind"] if row["master"] == paris.candidates[1].name else None

    def agrees():
        if behind() != 0:
            return False
        equal(len(slave.names()), 151, "names known at a slave that is behind by 0")
        return True
    wait_until(agrees, "it is behind by 0", 60, pause=0.01)


@test("without a master, what is put is kept, and goes up when there is one")
def tiers_put_without_master(net):
    stack = Stack(net, paris=(1, 1))
    paris = stack.sites["paris"]
    kill_master(stack, paris)
    slave = paris.slaves[0]
    slave.put("early", SMALL)
    slave.done("put", "-", "late", input="late")
    equal(slave.get("early"), SMALL, "at the slave")
    paris.candidates[0].start()
    for node in stack.core.nodes:
        gets(node, "early", SMALL)
        gets(node, "late", b"late")


@test("the site's master dies before what was put below it went up: the backup takes it up")
def tiers_master_killed_before_it_is_up(net):
    stack = Stack(net, core=1, paris=(2, 1))
    paris, core = stack.sites["paris"], stack.core.nodes[0]
    slave, backup, content = paris.slaves[0], paris.candidates[1], large(4)
    paris.candidates[0].host.slow_down("1mbit")  # what is known of it comes at once
    slave.put("it", content)
    wait_until(lambda: backup.knows("it"), "the backup knows it", pause=0.01)
    equal(unconfirmed(slave), 1, "unconfirmed puts before the master dies")
    kill_master(stack, paris)
    wait_until(lambda: unconfirmed(slave) == 0, lambda: f"it is confirmed\n{backup.log()[-2000:]}")
    for node in (slave, core):
        node.host.unplug()
    equal(backup.get("it") == content, True, "the content at the backup, alone")
    for node in (slave, core):
        node.host.plug_in()
    gets(core, "it", content)
    wait_until(lambda: unconfirmed(backup) == 0, "the core has confirmed it")


@test("a backup of a site mirrors what its master has fetched")
def tiers_backup_mirrors(net):
    stack = Stack(net, core=1, paris=(2, 1))
    paris, content = stack.sites["paris"], large(1)
    master, backup = paris.candidates
    stack.core.nodes[0].put("it", content)
    everyone_knows(stack.nodes, "it")
    equal(paris.slaves[0].get("it") == content, True, "the content at the slave")
    wait_until(lambda: backup.status()["cache"]["bytes"] >= len(content),
               lambda: f"the backup holds it\n{backup.log()[-2000:]}")
    wait_until(lambda: master.status()["cache"]["bytes"] >= len(content), "the master holds it")


@test("what is removed at the bottom is gone everywhere")
def tiers_remove(net):
    stack = Stack(net, paris=(2, 1), rome=(1, 1))
    bottom, other = stack.sites["paris"].slaves[0], stack.sites["rome"].slaves[0]
    bottom.put("gone", SMALL)
    gets(other, "gone", SMALL)
    other.done("rm", "gone")
    for node in stack.nodes:
        wait_until(lambda node=node: not node.knows("gone"), f"{node.name} knows that it is gone")


@test("a node that was away catches up by itself")
def tiers_catch_up(net):
    stack = Stack(net, paris=(2, 1))
    paris = stack.sites["paris"]
    away = [paris.candidates[1], stack.core.nodes[1], paris.slaves[0]]
    stack.core.nodes[0].put("before", SMALL)
    everyone_knows(stack.nodes, "before")
    for node in away:
        node.stop()
    for i in range(20):
        paris.candidates[0].put(f"name{i}", SMALL + bytes([i]))
    for node in away:
        node.start()
    stack.same_catalogue()
    gets(paris.slaves[0], "name7", SMALL + bytes([7]))
