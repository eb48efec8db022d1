# SPDX-License-Identifier: ISC
"""Under a service manager: restarts that refuse no connection, and the watchdog."""

import os
import threading
import time

from manager import Manager, stop_thread
from net import check, equal, wait_until
from node import DOMAIN, HTTP_PORT, Node, nets_of
from registry import test
from tier import Tier

MIB = 1024 * 1024
CONTENT = os.urandom(2 * MIB)
CLIENTS = 8


class Client(threading.Thread):
    """Gets the file again and again, over a connection of its own each time. What it may see is a
    whole answer, or an end that shows: a reset, nothing at all, or less than the length that was
    told. Anything else is wrong, a refused connection too."""

    def __init__(self, host):
        super().__init__()
        self.host, self.whole, self.wrong, self.over = host, 0, [], False
        self.waits = False  # it has asked, and nothing has come yet
        self.start()

    def run(self):
        while not self.over and not self.wrong:
            try:
                self._get()
            except Exception as error:  # pylint: disable=broad-except
                self.wrong.append(repr(error))

    def _get(self):
        try:
            connection = self.host.connect(self.host.v4, HTTP_PORT, timeout=60)
        except OSError as error:
            self.wrong.append(f"connect: {error}")
            return
        with connection:
            try:
                connection.sendall(f"GET /{DOMAIN}/file HTTP/1.1\r\nHost: x\r\n"
                                   "Connection: close\r\n\r\n".encode())
                self.waits = True
                self._judge(self._read(connection))
            except (ConnectionResetError, BrokenPipeError):
                pass
        self.waits = False

    def _read(self, connection):
        got = b""
        while piece := connection.recv(65536):
            self.waits = False
            got += piece
        return got

    def _judge(self, got):
        head, _, body = got.partition(b"\r\n\r\n")
        length = f"content-length: {len(CONTENT)}".encode()
        if got and not (head.startswith(b"HTTP/1.1 200 ") and length in head.lower()):
            self.wrong.append(f"answered {head[:300]!r}")
        elif not CONTENT.startswith(body):
            self.wrong.append("it got other bytes than were put")
        elif len(body) == len(CONTENT):
            self.whole += 1


def all_served(clients, what):
    """Waits until each client has got the file once more, or something went wrong."""
    before = [client.whole for client in clients]
    wait_until(lambda: all(client.whole > had for client, had in zip(clients, before)) or
               any(client.wrong for client in clients), what, 60)


def under_load(manager, ends):
    """Lives of a node under load, each ended by the next of `ends`; while there is none, every
    client connects and waits."""
    clients = [Client(manager.node.host) for _ in range(CLIENTS)]
    try:
        for end in ends:
            all_served(clients, "each client is served")
            end()
            wait_until(lambda: all(client.waits for client in clients) or
                       any(client.wrong for client in clients),
                       "each client waits for the next life", 60)
            manager.start()
        all_served(clients, "each client is served in the end")
    finally:
        for client in clients:
            client.over = True
        for client in clients:
            client.join()
    equal([wrong for client in clients for wrong in client.wrong], [], "what went wrong")


def one_node(net):
    host = net.add(1)[0]
    return Node(host, nets=nets_of([host]), nobroadcast=True, plain_get=True)


@test("restarts under load refuse no connection: the manager keeps the sockets meanwhile",
      seconds=240)
def kept_sockets(net):
    node = one_node(net)
    manager = Manager(node)
    manager.start()
    wait_until(lambda: len(manager.kept) == 2, f"it keeps one for each family: {manager.kept}")
    node.put("file", CONTENT)
    under_load(manager, (node.stop, node.kill, node.stop, node.stop))
    equal(len(manager.kept), 2, "sockets that are kept in the end")


@test("restarts under load refuse no connection: the sockets are a socket unit's", seconds=240)
def activated(net):
    node = one_node(net)
    both = {"v4": node.host.listen(node.host.v4, HTTP_PORT)}
    node.settings["address"] = [node.host.v4]
    node.write_config()
    manager = Manager(node, both)
    manager.start()
    node.put("file", CONTENT)
    under_load(manager, (node.stop, node.kill, node.stop, node.stop))
    equal(manager.kept, {}, "sockets that the node has left besides")


@test("what is kept and no longer wanted is given up; a socket unit's at another place is a fault")
def other_places(net):
    node = one_node(net)
    manager = Manager(node)
    manager.start()
    wait_until(lambda: len(manager.kept) == 2, "both are kept")
    old = set(manager.kept)
    equal(node.stop(), 0, "how it ends")
    node.settings["http_port"] = HTTP_PORT + 100
    node.write_config()
    manager.start()
    wait_until(lambda: len(manager.kept) == 2 and not old & set(manager.kept),
               "it keeps the new ones alone")
    try:
        node.host.connect(node.host.v4, HTTP_PORT).close()
        check(False, "the old port is still open")
    except ConnectionRefusedError:
        pass
    equal(node.stop(), 0, "how it ends")
    manager.unit = {"http": node.host.listen(node.host.v4, HTTP_PORT)}
    manager.launch()
    equal(node.wait(), 1, "exit status with a socket that main.cf does not want")
    check("ListenStream= of the socket unit" in node.log(), f"no remedy told:\n{node.log()}")


@test("the watchdog is fed while the loops of cache and elections turn, and only then",
      seconds=240)
def watchdog(net):
    tier = Tier(net, 1, start=False)
    node = tier.nodes[0]
    manager = Manager(node, WATCHDOG_USEC="2000000")
    manager.start()
    for thread in "election", "carpond":
        fed(manager)
        go_on = stop_thread(node.process, thread)
        try:
            if thread == "election":
                time.sleep(1)  # half the limit: until then it may have turned lately enough
                node.status()  # what the main loop was at then is over
            starves(manager)
        finally:
            go_on()
        fed(manager)
    node.logged("the elections' thread has not come round")
    equal(node.stop(), 0, "how it ends")


def fed(manager):
    manager.hears(len(manager.told), WATCHDOG="1")


def starves(manager):
    """Silence cannot be waited for: four times as long as it is usually fed in must do."""
    since = manager.all_read()
    time.sleep(2)
    check(not manager.has_told(since, WATCHDOG="1"), f"it is fed: {manager.told[since:]}")
