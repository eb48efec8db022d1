# SPDX-License-Identifier: ISC
"""What systemd is to a service: it hears how the daemon stands, and holds its sockets."""

import ctypes
import os
import socket
import sys
import threading

from net import wait_until

# As systemd does between fork and exec: the sockets stand from 3 on, for this process alone.
PASS = """
import os, sys
high = [os.dup(int(fd)) for fd in os.environ.pop("HELD").split()]
for place, fd in enumerate(high, 3):
    os.dup2(fd, place)
    os.set_inheritable(place, True)
os.environ["LISTEN_PID"] = os.environ["WATCHDOG_PID"] = str(os.getpid())
os.execvp(sys.argv[1], sys.argv[1:])
"""


class Manager:
    """Of one node. sockets: {name: listening socket} of a socket unit; what the node leaves with it
    is in `kept` as {name: descriptor}."""

    def __init__(self, node, sockets=None, **environment):
        self.node, self.unit, self.kept, self.told = node, sockets or {}, {}, []
        path = os.path.join(node.folder, "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path)
        node.environment = node.environment | environment | {"NOTIFY_SOCKET": path}
        node.under = (sys.executable, "-c", PASS, *node.under)
        threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self):
        while True:
            text, fds, _, _ = socket.recv_fds(self._socket, 4096, 4)
            fields = dict(line.split("=", 1) for line in text.decode().splitlines())
            if "FDSTORE" in fields:
                self.kept[fields["FDNAME"]] = fds[0]
            if "FDSTOREREMOVE" in fields:
                os.close(self.kept.pop(fields["FDNAME"]))
            self.told.append(fields)

    def has_told(self, since=0, **fields):
        return any(fields.items() <= told.items() for told in self.told[since:])

    def hears(self, since=0, seconds=60, **fields):
        """Waits until the node has told that, after the first `since` things that it told."""
        wait_until(lambda: self.has_told(since, **fields),
                   f"{self.node.name} tells its manager {fields}; it told {self.told[-9:]}\n"
                   f"{self.node.log()}", seconds)

    def all_read(self):
        """Returns how many things were told up to now; all that come later are later."""
        mark = str(len(self.told))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
            own.sendto(f"MARK={mark}".encode(), self._socket.getsockname())
        self.hears(MARK=mark)
        return len(self.told)

    def launch(self):
        held = [(name, made.fileno()) for name, made in self.unit.items()] + list(self.kept.items())
        self.node.passed = [fd for _, fd in held]
        self.node.environment |= {"HELD": " ".join(str(fd) for _, fd in held),
                                  "LISTEN_FDS": str(len(held)),
                                  "LISTEN_FDNAMES": ":".join(name for name, _ in held)}
        self.node.launch()

    def start(self):
        """Returns once the node says that it is ready, as systemctl does."""
        since = len(self.told)
        self.launch()
        self.hears(since, READY="1")


def stop_thread(process, name):
    """Stops that thread of a process, and no other; returns what lets it go on."""
    libc = ctypes.CDLL(None, use_errno=True)
    seize, interrupt, detach = 0x4206, 0x4207, 17
    folder = f"/proc/{process.pid}/task"

    def named(thread):
        with open(f"{folder}/{thread}/comm", encoding="ascii") as file:
            return file.read().strip() == name

    thread = next(int(thread) for thread in os.listdir(folder) if named(thread))

    def trace(request):
        if libc.ptrace(request, thread, None, None) != 0:
            raise OSError(ctypes.get_errno(), "ptrace")

    trace(seize)
    trace(interrupt)
    os.waitpid(thread, 0x40000000)  # __WALL
    return lambda: trace(detach)

