# SPDX-License-Identifier: ISC
"""What the network loses is made good; what a node had survives its end."""

import os
import pathlib
import signal
import subprocess
import time

from net import check, contains, equal, wait_until
from node import (DOMAIN, FAILED, NOT_FOUND, PORT, REFUSED, Node, cluster, everyone_knows, nets_of,
                  sha256)
from registry import test

CONTENT = os.urandom(700 * 1024)


@test("announcements that were lost are made good by the comparison", seconds=900)
def lost_announcements(net):
    first, second, third = cluster(net, 3)
    first.put("before", b"1")
    everyone_knows((second, third), "before")
    net.drop(f"udp dport {PORT}")
    first.put("lost", b"2")
    first.done("rm", "before")
    for node in (second, third):
        wait_until(lambda node=node: node.knows("lost") and not node.knows("before"),
                   f"{node.name} has caught up without a datagram", 400)


@test("with a third of all datagrams lost, a mesh agrees", seconds=1300)
def lossy_network(net):
    nodes = cluster(net, 3)
    net.drop(f"udp dport {PORT} numgen random mod 100 < 33")
    for number in range(30):
        nodes[number % 3].put(f"file{number}", str(number).encode())
    wanted = {f"file{number}" for number in range(30)}
    for node in nodes:
        wait_until(lambda node=node: set(node.names()) == wanted, f"{node.name} has all", 400)
    equal(nodes[0].get("file1"), b"1", "file1")


@test("two halves of a parted network agree after it is whole again", seconds=1300)
def parted_network(net):
    first, second, third = cluster(net, 3)
    first.put("same", b"from the first")
    everyone_knows((second, third), "same")
    equal(third.get("same"), b"from the first", "before")
    third.host.unplug()
    first.put("same", b"changed by the first")
    first.put("left", b"left")
    third.put("same", b"changed by the third, later")
    third.put("right", b"right")
    third.done("rm", "right")
    third.host.plug_in()
    for node in (first, second, third):
        wait_until(lambda node=node: set(node.names()) == {"same", "left"}, f"{node.name} agrees",
                   400)
        wait_until(lambda node=node: node.get("same") == b"changed by the third, later",
                   f"{node.name} has the newest")


@test("a node that was away hears of removals when it comes back", seconds=600)
def tombstones_travel(net):
    first, second = cluster(net, 2)
    first.put("gone", b"x")
    first.put("stays", b"y")
    equal(second.get("gone"), b"x", "before")
    equal(second.stop(), 0, "SIGTERM")
    first.done("rm", "gone")
    second.start()
    wait_until(lambda: not second.knows("gone"), "the removal arrives", 400)
    check(second.knows("stays") and first.knows("stays"), "the other object went as well")
    check(not first.knows("gone"), "the removed object came back")
    second.put("gone", b"new")
    wait_until(lambda: first.knows("gone"), "a removed name can be used again")
    equal(first.get("gone"), b"new", "the new content")


@test("a restart, good or by kill -9, keeps everything")
def restart_keeps_everything(net):
    first, second = cluster(net, 2)
    first.put("file", CONTENT)
    equal(second.get("file"), CONTENT, "get")
    fetches = []
    for restart in (second.restart, lambda: (second.kill(), second.start())):
        restart()
        check(second.knows("file"), "the name is gone")
        equal(second.get("file"), CONTENT, "the content")
        fetches.append(second.metric("pond_fetches_total"))
    equal(fetches, [0, 0], "fetches after a restart")
    first.put("file", b"newer")
    wait_until(lambda: second.get("file") == b"newer", "a version put in after it arrives")


@test("kill -9 in the middle of many puts loses none that was confirmed", seconds=300)
def killed_while_putting(net):
    node = cluster(net, 1)[0]
    confirmed = []
    for life in range(3):
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            name = f"life{life}/file{len(confirmed)}"
            node.put(name, name.encode())
            confirmed.append(name)
        node.kill()
        node.start()
        listed = node.names()
        missing = [name for name in confirmed if name not in listed]
        check(not missing, f"{missing} were confirmed and are gone")
    equal(node.get(confirmed[-1]), confirmed[-1].encode(), "the last one")
    node.done("verify")


def content_file(node, content):
    digest = sha256(content)
    found = [path for path in pathlib.Path(node.home).rglob(f"{digest}*")
             if path.is_file() and path.stat().st_size == len(content)]
    check(len(found) == 1, f"{found} are the files of {digest}")
    return found[0]


def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 4]))


@test("pond verify finds a flipped bit, and it is mended from a peer")
def verify_mends(net):
    first, second = cluster(net, 2)
    first.put("file", CONTENT)
    equal(second.get("file"), CONTENT, "get")
    second.done("verify")
    flip(content_file(second, CONTENT), 300 * 1024)
    found = second.pond("verify")
    equal(found.returncode, FAILED, "pond verify of what has rotted")
    contains(found.stdout, "1 rotten", "pond verify")
    second.logged(sha256(CONTENT))
    wait_until(lambda: second.pond("verify").returncode == 0, "it is mended")
    equal(second.get("file"), CONTENT, "the content")


@test("a flipped bit is never served", hostile=True)
def rot_is_never_served(net):
    first, second = cluster(net, 2)
    first.put("file", CONTENT)
    equal(second.get("file"), CONTENT, "get")
    equal(second.stop(), 0, "SIGTERM")
    flip(content_file(second, CONTENT), 300 * 1024)
    second.start()
    wait_until(lambda: second.pond("get", "file", "-o", "-", text=False).stdout == CONTENT,
               "the content is whole again")
    equal(first.stop(), 0, "SIGTERM")
    equal(second.get("file"), CONTENT, "the mended content, alone")


@test("rot that nobody can mend ends as an error, never as wrong bytes", hostile=True)
def rot_alone(net):
    node = cluster(net, 1)[0]
    node.put("file", CONTENT)
    equal(node.stop(), 0, "SIGTERM")
    flip(content_file(node, CONTENT), 300 * 1024)
    node.start()
    run = node.pond("get", "file", "-o", "out")
    check(run.returncode in (FAILED, NOT_FOUND), f"get exits {run.returncode}")
    check(not os.path.exists(os.path.join(node.folder, "out")), "a file was left")


@test("pond rebuild makes the catalogue anew, tombstones included")
def rebuild(net):
    first, second = cluster(net, 2)
    for number in range(20):
        first.put(f"file{number}", str(number).encode())
    first.done("rm", "file3")
    before = first.names()
    first.done("rebuild")
    equal(set(first.names()), set(before), "the names after rebuild")
    equal(first.get("file7"), b"7", "a file after rebuild")
    equal(first.pond("get", "file3", "-o", "-").returncode, NOT_FOUND, "the removed one")
    equal(first.stop(), 0, "SIGTERM")
    for path in pathlib.Path(first.home, "catalogue").iterdir():
        path.unlink()
    first.start()
    equal(set(first.names()), set(before), "the names without a catalogue file")
    equal(first.get("file9"), b"9", "a file without a catalogue file")
    first.put("file3", b"anew")
    everyone_knows((second,), "file3")


@test("a disk that is full refuses a put with a clear error, and reads go on", hostile=True)
def disk_full(net):
    hosts = net.add(2)
    first, second = [Node(host, nets=nets_of(hosts), nobroadcast=True) for host in hosts]
    os.makedirs(first.home)
    os.chmod(first.home, 0o700)
    status = os.system(f"mount -t tmpfs -o size=16m,mode=700 tmpfs {first.home}")
    equal(status, 0, "mount")
    first.start()
    second.start()
    first.put("small", b"small")
    run = first.pond("put", "-", "large", input="x" * (32 * 1024 * 1024))
    equal(run.returncode, REFUSED, "put on a full disk")
    contains(run.stderr.lower(), "full", "its message")
    equal(first.get("small"), b"small", "what was there before")
    check(not first.knows("large"), "the large object is listed")
    second.put("elsewhere", os.urandom(20 * 1024 * 1024))
    wait_until(lambda: first.knows("elsewhere"), "the name arrives all the same")
    run = first.pond("get", "elsewhere", "-o", os.path.join(first.folder, "out"))
    check(run.returncode in (0, FAILED), f"get of what does not fit exits {run.returncode}")
    equal(first.process.poll(), None, "the exit status of the daemon")
    first.put("after", b"after")
    equal(second.get("after"), b"after", "a put that fits")


NAMES = 60000


@test("SIGTERM during a long rebuild ends the node at once, and what was there stays")
def stop_during_a_rebuild(net):
    node = cluster(net, 1)[0]
    node.put("model", b"model")
    model = node.curl(f"/.pond/manifest/{DOMAIN}/model").body
    equal(node.stop(), 0, "SIGTERM")
    subprocess.run([node.program("tools/bench/names"), node.home, str(NAMES),
                    str(int(time.time() * 1000)), "0", "0"], input=model, check=True)
    node.start()
    anew = os.path.join(node.home, "catalogue.new")
    with subprocess.Popen(node.words("rebuild"), cwd=node.folder, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as rebuild_run:
        wait_until(lambda: os.path.exists(anew), "it is under way", pause=0.001)
        began = time.monotonic()
        equal(node.stop(), 0, "the exit status on SIGTERM")
        check(time.monotonic() - began < 15, "it took more than 15 s")
        check(rebuild_run.wait() != 0, "pond rebuild was content")
    node.start()
    equal(os.path.exists(anew), False, "is a part of the new one left?")
    equal(node.status()["cache"]["objects"], NAMES + 1, "the names")
    node.done("rebuild")
    equal(node.status()["cache"]["objects"], NAMES + 1, "the names after a whole rebuild")


@test("SIGTERM during a download ends in good order")
def stop_during_a_download(net):
    first, second = cluster(net, 2)
    content = os.urandom(24 * 1024 * 1024)
    first.put("file", content)
    second.host.slow_down("40mbit")
    reader = second.host.connect(first.host.v4, 65028)
    reader.close()
    process = os.fork()
    if process == 0:
        os._exit(0 if second.pond("get", "file", "-o", "out").returncode == 0 else 1)
    wait_until(lambda: second.host.received() > 3 * 1024 * 1024, "the download is under way")
    equal(first.stop(60), 0, "the source's exit status on SIGTERM")
    _, status = os.waitpid(process, 0)
    whole = os.path.join(second.folder, "out")
    if status == 0:
        equal(sha256(pathlib.Path(whole).read_bytes()), sha256(content), "the download")
    else:
        check(not os.path.exists(whole), "a part was left as if it were the whole")
    first.start()
    equal(sha256(second.get("file")), sha256(content), "the download, resumed")


@test("SIGTERM does not wait for a download whose source is silent")
def stop_with_a_stuck_download(net):
    source, node = cluster(net, 2)
    source.put("file", os.urandom(24 * 1024 * 1024))
    everyone_knows((node,), "file")
    node.host.slow_down("40mbit")
    start = node.host.received()
    with subprocess.Popen(node.words("get", "file", "-o", "out"), cwd=node.folder,
                          stderr=subprocess.DEVNULL) as reader:
        wait_until(lambda: node.host.received() - start > 1024 * 1024, "it is under way")
        source.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        equal(node.stop(), 0, "the exit status on SIGTERM")
        check(time.monotonic() - began < 8, "it took more than 8 s")
        check(reader.wait() != 0, "pond get was content with a part")
    source.process.send_signal(signal.SIGCONT)


@test("SIGTERM and SIGINT end an idle node at once")
def stop_when_idle(net):
    node = cluster(net, 1)[0]
    began = time.monotonic()
    equal(node.stop(), 0, "SIGTERM")
    check(time.monotonic() - began < 5, "it took more than 5 s")
    node.start()
    node.process.send_signal(signal.SIGINT)
    equal(node.wait(), 0, "SIGINT")
