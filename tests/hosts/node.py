# SPDX-License-Identifier: ISC
"""A carpond on a host, and the pond and curl commands as a user of that host types them."""

import hashlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess

from net import Failed, check, patience, wait_until

DOMAIN = "test.example"
PORT, HTTP_PORT = 65027, 65028
KEY = "a-key-that-only-these-tests-use-0123456789"

DONE, FAILED, USAGE, NOT_FOUND, REFUSED, NO_DAEMON = range(6)


def libconfig(value):
    """A Python value in libconfig's syntax."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[ " + ", ".join(libconfig(one) for one in value) + " ]"
    if isinstance(value, dict):
        return "{ " + " ".join(f"{name} = {libconfig(one)};" for name, one in value.items()) + " }"
    return f'"{value}"' if isinstance(value, str) else str(value)


class Node:
    """nets: lines of its nets file, or None for none; keys: lines of its key file, or None."""

    def __init__(self, host, nets=None, keys=(KEY,), name=None, folder=None, **settings):
        self.host, self.process, self.environment, self.under = host, None, {}, ()
        self.passed = ()  # descriptors that it inherits
        self.build = host.net.build  # the next start is of this one
        self.name = name or f"{host.name}.test.example"
        self.folder = folder or host.folder
        self.home = os.path.join(self.folder, "home")
        self.log_path = os.path.join(self.folder, "log")
        self.config = os.path.join(self.folder, "main.cf")
        self.settings = {"domain": DOMAIN, "home": "home"} | settings
        os.makedirs(self.folder, exist_ok=True)
        if nets is not None:
            self.settings["nets"] = ["nets"]
            self.write_nets(nets)
        if keys is not None:
            self.settings["hmac_keys"] = "keys"
            self.write_keys(*keys)
        self.write_config()
        host.net.nodes.append(self)

    def write_nets(self, lines):
        self._write("nets", "".join(f"udp {line}\n" for line in lines))

    def write_keys(self, *keys):
        """Replaces the file at once, as an administrator's tool would."""
        self._write("keys.new", "".join(key + "\n" for key in keys), 0o600)
        os.rename(os.path.join(self.folder, "keys.new"), os.path.join(self.folder, "keys"))

    def write_config(self):
        lines = "".join(f"  {name} = {libconfig(value)};\n"
                        for name, value in self.settings.items())
        self._write("main.cf", "defaults = {\n" + lines + "};\n")

    def _write(self, name, text, mode=0o644):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            os.chmod(path, mode)
            file.write(text)

    # ---- the process

    def launch(self):
        """Starts the daemon and does not wait for it."""
        check(self.process is None, f"{self.name} runs already")
        self.log_start = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.host.words(*self.under, self.program("carpond"), "-c", self.config, "-n", self.name),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                pass_fds=self.passed,
                env={k: v for k, v in os.environ.items() if not k.startswith("IS_")} |
                self.environment)

    def start(self):
        """Starts the daemon and returns once it answers."""
        self.launch()
        return self.answers()

    def answers(self):
        """Waits until it does, after a launch."""
        wait_until(self._answers, lambda: f"{self.name} answers pond status\n{self.log()}")
        return self

    def _answers(self):
        if self.process.poll() is not None:
            raise Failed(f"{self.name} ended with {self.process.returncode}:\n{self.log()}")
        return self.pond("status", "--json").returncode == DONE

    def kill(self):
        """As a power cut has it: SIGKILL."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = None

    def stop(self, seconds=60):
        """SIGTERM; returns the exit status."""
        self.process.terminate()
        return self.wait(seconds)

    def wait(self, seconds=60):
        try:
            status = self.process.wait(seconds * patience())
        except subprocess.TimeoutExpired as error:
            raise Failed(f"{self.name} does not end:\n{self.log()}") from error
        self.process = None
        return status

    def restart(self):
        status = self.stop()
        check(status == 0, f"{self.name} ended with {status} on SIGTERM:\n{self.log()}")
        return self.start()

    def log(self, whole=False):
        """What it logged since its latest start."""
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            if not whole:
                file.seek(self.log_start)
            return file.read()

    def logged(self, pattern, seconds=60):
        return wait_until(lambda: re.search(pattern, self.log()),
                          lambda: f"{self.name} logs {pattern!r}; it logged:\n{self.log()}",
                          seconds)

    # ---- the commands

    def program(self, path):
        return os.path.join(self.build, path)

    def words(self, *words):
        return self.host.words(self.program("tools/pond/pond"), "--home", self.home, *words)

    def pond(self, *words, **how):
        how = {"capture_output": True, "text": True, "stdin": subprocess.DEVNULL,
               "cwd": self.folder} | how
        if "input" in how:
            del how["stdin"]
        return subprocess.run(self.words(*words), check=False, timeout=120 * patience(), **how)

    def done(self, *words, **how):
        """A pond command that must succeed; returns its output."""
        run = self.pond(*words, **how)
        check(run.returncode == DONE, f"{self.name}: pond {' '.join(map(str, words))} exits "
              f"{run.returncode}: {run.stderr}\n{self.log()[-3000:]}")
        return run.stdout

    def status(self):
        return json.loads(self.done("status", "--json"))

    def peers(self):
        peers = json.loads(self.done("peers", "--json"))
        return peers["peers"] if isinstance(peers, dict) else peers

    def peer(self, host):
        """What this node knows of that host, or None."""
        return next((peer for peer in self.peers() if peer["address"] in (host.v4, host.v6)), None)

    def put(self, name, content):
        """Puts bytes under a name."""
        path = os.path.join(self.folder, "put")
        with open(path, "wb") as file:
            file.write(content)
        return self.done("put", path, name)

    def socket(self):
        """A connection to its control socket."""
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(60 * patience())
        made.connect(os.path.join(self.home, "carpond.sock"))
        return made

    def put_many(self, names):
        """Puts an object under each name, over one connection: {name: bytes}, or names alone, and
        each is its object's content."""
        contents = names if isinstance(names, dict) else {name: name.encode() for name in names}
        connection = http.client.HTTPConnection("localhost")
        connection.sock = self.socket()
        for name, content in contents.items():
            connection.request("PUT", f"/{DOMAIN}/{name}", body=content)
            answer = connection.getresponse()
            body = answer.read()
            check(answer.status in (200, 201, 204), f"PUT {name}: {answer.status} {body!r}")
        connection.close()

    def get(self, name, *options):
        """The object's bytes."""
        return self.done("get", name, "-o", "-", *options, text=False)

    def names(self):
        """What ls --json lists: {name: row}."""
        listed = json.loads(self.done("ls", "--json"))
        rows = listed["objects"] if isinstance(listed, dict) else listed
        return {row["name"].removeprefix(DOMAIN + "/"): row for row in rows}

    def knows(self, name):
        return name in self.names()

    def metric(self, name, **labels):
        """The value, summed over what has these labels."""
        total, found = 0.0, False
        for line in self.curl("/.pond/metrics").body.decode().splitlines():
            match = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)(?: \d+)?", line)
            if match and match[1] == name:
                has = dict(re.findall(r'(\w+)="([^"]*)"', match[2] or ""))
                if all(has.get(label) == value for label, value in labels.items()):
                    total, found = total + float(match[3]), True
        check(found, f"{self.name} has no metric {name} {labels or ''}")
        return total

    def refused(self, verdict=None):
        """How many messages and requests its gate has refused, with this verdict or with any."""
        if verdict:
            return self.metric("pond_messages_judged_total", verdict=verdict)
        return self.metric("pond_messages_judged_total") - self.refused("pass")

    def url(self, path, v6=False):
        if not path.startswith("/"):
            path = f"/{DOMAIN}/{path}"
        return f"http://[{self.host.v6}]:{HTTP_PORT}{path}" if v6 else \
            f"http://{self.host.v4}:{HTTP_PORT}{path}"

    def curl(self, path, *options, host=None, v6=False):
        """curl on `host` (default: on the node's own) asks this node."""
        return curl(host or self.host, self.url(path, v6), *options)


class Answer:
    """What curl got: status, headers (names in lower case), body; curl's own exit status."""

    def __init__(self, raw, status, error):
        self.exit, self.error = status, error
        head, _, self.body = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        first = lines[0].split(" ")
        self.status = int(first[1]) if len(first) > 1 else 0
        self.headers = {name.lower(): value.strip()
                        for name, _, value in (line.partition(":") for line in lines[1:])}


def curl(host, url, *options):
    run = host.run("curl", "-sS", "-i", "--noproxy", "*", "--max-time", int(60 * patience()),
                   *options, url, text=False)
    return Answer(run.stdout, run.returncode, run.stderr.decode())


def nets_of(hosts, v6=False):
    return [host.v6 if v6 else host.v4 for host in hosts]


def cluster(net, count, v6=False, **settings):
    """That many hosts, each with a running node; all in one nets file, with one key."""
    hosts = net.add(count)
    lines = nets_of(hosts, v6)
    settings = {"nets": lines, "nobroadcast": True} | settings
    return [Node(host, **settings).start() for host in hosts]


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def everyone_knows(nodes, name, seconds=60):
    for node in nodes:
        wait_until(lambda node=node: node.knows(name), f"{node.name} knows {name}", seconds)


def start_in_order(nodes):
    for node in nodes:
        node.start()
    return nodes
