# SPDX-License-Identifier: ISC
"""Hosts on which the manual's examples are played: each has its /etc/carpond, its home, its
addresses and a shell, all below one folder, and no privileges. What stands in an example is
rewritten to that (`real`), and what a program prints is written back (`told`)."""

import os
import re
import select
import shutil
import socket
import subprocess
import time

CARPOND = os.path.abspath(os.environ.get("CARPOND", "./carpond"))
POND = os.path.abspath(os.environ.get("POND", "tools/pond/pond"))
MOST_S = 60

# Networks of the examples; each is a /24 of loopback here. No socket gets one of carpond's ports by
# itself (ip_local_port_range), so that they need not be others than in the examples.
NETWORKS = ("10.0.0", "10.1.0", "10.9.9", "10.27.4", "192.0.2")
FIRST_OCTET = 101
LOCK_PORT = 26137


def take_octet():
    """The third octet of all our addresses; who else runs this test has another."""
    for octet in range(1, 255):
        lock = socket.socket()
        try:
            lock.bind((f"127.100.{octet}.1", LOCK_PORT))
            return octet, lock
        except OSError:
            lock.close()
    raise AssertionError("no addresses are left")


class Shell:
    """What is typed goes to a real one, a line at a time."""

    MARK = "the-end-of-it"

    def __init__(self, host, program):
        self.host, self.log = host, os.path.join(host.folder, "typed.log")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [program], cwd=host.here, env=host.environment(), stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=log, start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            os.killpg(self.process.pid, 9)  # what it left in the background, too
        except ProcessLookupError:
            pass
        self.process.communicate()

    def errors(self):
        with open(self.log, encoding="utf-8") as file:
            return file.read()

    def logs(self, part):
        """Waits until what runs in the background does."""
        wait_until(lambda: part in self.errors(), lambda: f"no {part!r} in {self.errors()!r}")

    def type(self, command):
        """What it prints. One that fails is an error."""
        self.process.stdin.write(f"{command}\nprintf '\\n%s %s\\n' {self.MARK} $?\n".encode())
        self.process.stdin.flush()
        out = self.read_until(rf"\n{self.MARK} (\d+)\n$".encode(), command)
        printed, status = out.decode().rsplit(f"\n{self.MARK} ", 1)
        assert int(status) == 0, f"{command!r}: exit status {int(status)}\n{printed}{self.errors()}"
        return self.host.stage.told(printed)

    def read_until(self, pattern, command):
        seen, end = b"", time.monotonic() + MOST_S
        while not re.search(pattern, seen):
            left = max(0, end - time.monotonic())
            assert select.select([self.process.stdout], [], [], left)[0], \
                f"{command!r} does not end: {seen!r}\n{self.errors()}"
            more = os.read(self.process.stdout.fileno(), 65536)
            assert more, f"{command!r} ended the shell: {seen!r}\n{self.errors()}"
            seen += more
        return seen


class Host:
    """`addresses` are those of the examples; main.cf does not name them, unless they are `listed`.
    Unless `bare`, pond and carpond find main.cf where they would find /etc/carpond/main.cf."""

    def __init__(self, stage, name, addresses, bare=False, listed=False):
        self.stage, self.name, self.bare, self.listed = stage, name, bare, listed
        self.folder = os.path.join(stage.folder, name)
        self.etc, self.home = os.path.join(self.folder, "etc"), os.path.join(self.folder, "var")
        self.here, self.bin = os.path.join(self.folder, "here"), os.path.join(self.folder, "bin")
        self.addresses = [stage.real(address) for address in addresses]
        self.process = None
        for folder in self.etc, self.here, self.bin:
            os.makedirs(folder)
        given = "" if self.bare else f"-c '{self.etc}/main.cf'"
        self.install(CARPOND, given)
        self.install(POND, given)
        # Its loopback address is shared by all here, and so none of its own.
        if self.addresses and (curl := shutil.which("curl")):
            self.install(curl, f"--interface {self.addresses[0]}")

    def install(self, program, given):
        path = os.path.join(self.bin, os.path.basename(program))
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\nexec '{program}' {given} \"$@\"\n")
            os.fchmod(file.fileno(), 0o755)

    def environment(self):
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith("IS_") and not name.lower().endswith("_proxy")}
        mine = {"PATH": self.bin + ":" + kept["PATH"], "HOME": self.here, "TZ": "UTC",
                "LC_ALL": "C.UTF-8", "IS_NAME": self.name}
        if self.addresses and not self.listed:
            mine["IS_ADDRESS"] = ",".join(self.addresses)
        # A bare one is like many others on this machine: not all should meet.
        return kept | mine | ({"IS_NOBROADCAST": "true"} if self.bare else {"IS_HOME": self.home})

    def real(self, text):
        text = text.replace("/etc/carpond", self.etc).replace("/var/lib/carpond", self.home)
        if self.addresses:
            text = text.replace("127.0.0.1", self.addresses[0])
        return self.stage.real(text)

    def write(self, name, text, mode=0o644):
        """A file of an example, below /etc/carpond."""
        path = os.path.join(self.etc, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            file.write(self.real(text))
        return path

    # ---- commands

    def shell(self, program="sh"):
        return Shell(self, program)

    def types(self, *commands, program="sh"):
        """What the last one prints."""
        printed = ""
        with self.shell(program) as shell:
            for command in commands:
                printed = shell.type(self.real(command))
        return printed

    def check(self, *words):
        """pond check: sound, and nothing is warned of. What it prints."""
        run = subprocess.run([os.path.join(self.bin, "pond"), "check", *words], cwd=self.here,
                             env=self.environment(), capture_output=True, text=True, check=False)
        assert run.returncode == 0 and not run.stderr, f"pond check: {run.returncode}\n{run.stderr}"
        return self.stage.told(run.stdout)

    # ---- its daemon

    @property
    def log(self):
        with open(os.path.join(self.folder, "log"), encoding="utf-8") as file:
            return self.stage.told(file.read())

    def start(self):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(
                [os.path.join(self.bin, "carpond")], cwd=self.here, env=self.environment(),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.stage.started.append(self)
        self.logs(r" is ready: ")
        return self

    def knows(self, name):
        """Waits until it has heard of that object, as a person does before he asks for it."""
        wait_until(lambda: name in self.types("pond ls"),
                   lambda: f"{self.name} does not know {name}:\n{self.log}")

    def logs(self, pattern):
        """Waits until it does."""
        def look():
            assert self.process.poll() is None, f"{self.name} ended:\n{self.log}"
            return re.search(pattern, self.log)
        wait_until(look, lambda: f"{self.name} logs no {pattern!r}:\n{self.log}")


class Stage:
    def __init__(self, folder):
        self.folder, self.started = folder, []
        self.octet, self.lock = take_octet()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for host in self.started:
            host.process.kill()
            host.process.wait()
        self.lock.close()

    def host(self, name, *addresses, **how):
        return Host(self, name, addresses, **how)

    def real(self, text):
        for i, network in enumerate(NETWORKS):
            text = re.sub(rf"(?<![\d.]){re.escape(network)}\.(?=\d)",
                          f"127.{FIRST_OCTET + i}.{self.octet}.", text)
        return text

    def told(self, text):
        for i, network in enumerate(NETWORKS):
            text = text.replace(f"127.{FIRST_OCTET + i}.{self.octet}.", network + ".")
        return text


def wait_until(holds, said):
    end = time.monotonic() + MOST_S
    while not (result := holds()):
        assert time.monotonic() < end, said()
        time.sleep(0.02)
    return result
