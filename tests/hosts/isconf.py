# SPDX-License-Identifier: ISC
"""An ISconf 4.2.8 host, as section 5 of the design describes it; it knows nothing of carpond.

It keeps files with whole seconds as their times. It asks for a file again and again until it has
it, takes what others announce where that is later than what it has, and serves what it has. All
that it writes looks as ISconf's Python 2 writes it: the headers in the order of its dictionaries,
the marks of types behind their headers, dates as its mail library has them.
"""

import collections
import email.utils
import hashlib
import hmac
import http.client
import http.server
import random
import threading
import time
import urllib.parse

from net import check, patience, wait_until

UDP_PORT, TCP_PORT = 65027, 65028
REPEAT_S = 0.5

File = collections.namedtuple("File", "content mtime")


def mac(key, text):
    return hmac.new(key.encode(), text, hashlib.sha1).hexdigest()


# ---- messages


def write(kind, key, headers):
    """One message without a payload: integers are marked as such."""
    lines = [f"_type: {kind}", "_size: 0"]
    for name, value in headers:
        lines.append(f"{name}: {value}")
        if isinstance(value, int):
            lines.append(f"_type_{name}: i")
    body = ("\n".join(lines) + "\n\n").encode()
    token = "" if key is None else f" HMAC={mac(key, body)}"
    return f"From fbp822 {time.ctime()}{token}\n".encode() + body


def read(data, keys):
    """{header: value} of a message that is sound, and signed with a key where there are keys."""
    first, _, body = data.partition(b"\n")
    words = first.decode().split(" ")
    check(words[:2] == ["From", "fbp822"], f"the From line is {first!r}")
    claimed = [word[len("HMAC="):] for word in words if word.startswith("HMAC=")]
    check(not keys or claimed and claimed[0] in [mac(key, body) for key in keys],
          f"the HMAC of {data!r}")
    head, _, payload = body.partition(b"\n\n")
    headers = {}
    for line in head.decode().split("\n"):
        name, _, value = line.partition(":")
        headers[name] = value.lstrip(" ")
    check(int(headers["_size"]) == len(payload), f"the _size of {data!r}")
    for name, value in headers.items():
        if headers.get("_type_" + name) == "i":
            headers[name] = int(value)
    return headers


class Isconf:
    """nets: addresses to which it speaks; None: the broadcast address. keys: the first signs."""

    def __init__(self, host, keys=(), nets=None):
        self.host, self.keys = host, list(keys)
        self.to = ["255.255.255.255"] if nets is None else list(nets)
        self.tuid = f"{random.random()}@{host.name}"
        self.files, self.heard, self.unsound, self.failed = {}, [], [], []
        self.served = 0
        self._wanted = {}
        self._udp = host.datagrams(UDP_PORT)
        self._udp.settimeout(None)
        self._http = _Server(self)
        for loop in (self._hear, self._http.serve_forever):
            threading.Thread(target=loop, daemon=True).start()

    # ---- what it says

    def key(self):
        return self.keys[0] if self.keys else None

    def say(self, data, to=None):
        for address in [to] if to else self.to:
            self._udp.sendto(data, (address, UDP_PORT))

    def whohas(self, name, newer=0, **changed):
        headers = {"tuid": self.tuid, "newer": newer, "file": name} | changed
        return write("whohas", self.key(), headers.items())

    def ihave(self, name, mtime, **changed):
        headers = {"port": TCP_PORT, "scheme": "http", "file": name, "tuid": self.tuid,
                   "mtime": mtime} | changed
        return write("ihave", self.key(), headers.items())

    def keep(self, name, content, mtime):
        """Has the file, and tells nobody unasked."""
        self.files[name] = File(content, mtime)

    def announce(self, name, content, mtime):
        self.keep(name, content, mtime)
        self.say(self.ihave(name, mtime))

    def pull(self, name, newer=0, seconds=60):
        """Asks until it has one that is later than that; returns its content."""
        end = time.monotonic() + seconds * patience()
        question = self.whohas(name, newer)  # the same bytes each time
        while name not in self.files or self.files[name].mtime <= newer:
            check(time.monotonic() < end, f"whohas {name} brings nothing: {self.story()}")
            self.say(question)
            time.sleep(REPEAT_S)
        return self.files[name].content

    # ---- what it hears

    def _hear(self):
        while True:
            data, sender = self._udp.recvfrom(8192)
            try:
                message = read(data, self.keys)
                if message.get("tuid") == self.tuid:
                    continue  # it takes that for its own
                self.heard.append(message)
                if message["_type"] == "whohas":
                    self._asked(message)
                elif message["_type"] == "ihave":
                    self._told(message, sender[0])
            except Exception as error:  # pylint: disable=broad-except
                self.unsound.append((data, repr(error)))

    def _asked(self, message):
        name = message["file"].lstrip("/")
        if name in self.files and self.files[name].mtime > int(message["newer"]):
            self.say(self.ihave(name, self.files[name].mtime))

    def _told(self, message, address):
        name = message["file"].lstrip("/")
        mine = self.files[name].mtime if name in self.files else 0
        check(isinstance(message["mtime"], int), f"the mtime of {message}")
        if message["mtime"] > mine:
            self.get(message["scheme"], address, message["port"], name)
        elif message["mtime"] < mine:
            self.say(self.ihave(name, mine))

    def get(self, scheme, address, port, name, challenge=None):
        """GETs the file as ISconf does, and has it then; False where it may not."""
        challenge = challenge or str(random.random())
        check(scheme == "http", f"the scheme {scheme}")
        connection = http.client.HTTPConnection(address, int(port))
        connection.sock = self.host.connect(address, int(port))
        connection.request("GET", f"/{name}?challenge={challenge}",
                           headers={"Connection": "close", "User-agent": "Python-urllib/2.4"})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        good = [mac(key, challenge.encode()) for key in self.keys]
        if answer.status != 200 or (good and answer.getheader("X-HMAC") not in good):
            self.failed.append((name, answer.status, answer.getheaders()))
            return False
        check(int(answer.getheader("Content-Length")) == len(content), f"the length of {name}")
        modified = email.utils.parsedate_tz(answer.getheader("Last-Modified"))
        mtime = int(email.utils.mktime_tz(modified))
        if name not in self.files or mtime > self.files[name].mtime:
            self.files[name] = File(content, mtime)
        return True

    # ---- what a test wants to know

    def story(self):
        return (f"it heard {len(self.heard)}, the last {self.heard[-1:]}; could not read "
                f"{self.unsound[-1:]}; was not served {self.failed[-1:]}")

    def has(self, name, content, seconds=60):
        """Waits until it does."""
        wait_until(lambda: name in self.files and self.files[name].content == content,
                   lambda: f"the ISconf host has {name}: {self.story()}", seconds)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, peer):
        self.peer = peer
        super().__init__((peer.host.v4, TCP_PORT), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = peer.host.listen(peer.host.v4, TCP_PORT)


class _Handler(http.server.BaseHTTPRequestHandler):
    server_version = "ISconfHTTP/0.0"

    def do_GET(self):  # pylint: disable=invalid-name
        peer = self.server.peer
        path, _, arguments = urllib.parse.unquote(self.path).rpartition("?")
        name, _, challenge = arguments.partition("=")
        if name != "challenge":
            path = self.path
        file = peer.files.get(path.lstrip("/"))
        if file is None:
            self.send_error(404, "File not found")
            return
        peer.served += 1
        self.send_response(200)
        self.send_header("Content-type", "application/octet-stream")
        self.send_header("Last-Modified", email.utils.formatdate(file.mtime))
        self.send_header("Content-Length", str(len(file.content)))
        if name == "challenge":
            key = peer.key()
            self.send_header("X-HMAC", mac(key, challenge.encode()) if key else "None")
        self.end_headers()
        self.wfile.write(file.content)

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass
