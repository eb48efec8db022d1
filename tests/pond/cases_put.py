# SPDX-License-Identifier: ISC
"""put: what the daemon gets, and what it must never get."""

import os
import subprocess
import time

from command import DONE, FAILED, REFUSED, USAGE, Result, equal, expect, pond, start
from fake import Fake, wait_for


def keep(fake, path):
    """Has the fake take a PUT there; the list gets each body, None for one that broke off."""
    bodies = []

    def answer(handler):
        bodies.append(handler.body())
        if bodies[-1] is not None:
            handler.whole(201, b"", Pond_Version="1.0")

    fake.on("PUT", path, answer)
    return bodies


def write(here, name, content):
    path = os.path.join(here, name)
    with open(path, "wb") as file:
        file.write(content)
    return path


def case_put_file(home, here):
    """put sends the file with its mode and its time, under its base name"""
    content = os.urandom(3_000_000)
    path = write(here, "a b%", content)
    os.chmod(path, 0o640)
    os.utime(path, ns=(0, 1795348801123456789))
    with Fake(home) as fake:
        bodies = keep(fake, "/example.com/a%20b%25")
        result = pond(home, here, "put", path)
        expect(result, DONE)
        equal(result.text, "")
        equal(bodies, [content])
        headers = fake.seen[-1][2]
        equal((headers["Content-Length"], headers["Pond-Mtime"], headers["Pond-Mode"]),
              ("3000000", "1795348801123456789", "640"))


def case_put_name(home, here):
    """put FILE NAME takes NAME with or without the domain"""
    path = write(here, "x", b"content")
    with Fake(home) as fake:
        bodies = keep(fake, "/example.com/d/y")
        expect(pond(home, here, "put", path, "d/y"), DONE)
        expect(pond(home, here, "put", path, "example.com/d/y"), DONE)
        expect(pond(home, here, "put", path, "d/../y"), USAGE, "d/../y")
        equal(bodies, [b"content"] * 2)


def case_put_empty(home, here):
    """an empty file is a file"""
    path = write(here, "empty", b"")
    with Fake(home) as fake:
        bodies = keep(fake, "/example.com/empty")
        expect(pond(home, here, "put", path), DONE)
        expect(pond(home, here, "put", "-", "empty", given=b""), DONE)
        equal(bodies, [b"", b""])


def case_put_stdin(home, here):
    """put - sends standard input, of whatever length, and needs a name"""
    content = os.urandom(2_000_000)
    with Fake(home) as fake:
        bodies = keep(fake, "/example.com/s")
        expect(pond(home, here, "put", "-", "s", given=content), DONE)
        expect(pond(home, here, "put", "-", given=b"x"), USAGE, "pond put - NAME")
        equal(bodies, [content])
        assert "Content-Length" not in fake.seen[1][2]


def case_put_unreadable(home, here):
    """what cannot be read is named: a missing file, a folder"""
    with Fake(home) as fake:
        expect(pond(home, here, "put", "none"), FAILED, "none", "No such file")
        expect(pond(home, here, "put", "."), USAGE, "folder")
        equal(fake.seen, [])


def case_put_options(home, here):
    """--copies is a number, --timeout seconds"""
    path = write(here, "x", b"x")
    with Fake(home) as fake:
        for wrong in ("0", "-1", "x", "1.5"):
            expect(pond(home, here, "put", path, "--copies", wrong), USAGE, "number of candidates")
        for wrong in ("0", "-1", "x", "1.5", "99999999999"):
            expect(pond(home, here, "put", path, "--timeout", wrong), USAGE, "whole seconds")
        equal(fake.seen, [])


def case_put_copies(home, here):
    """--copies and its time go to the daemon, which judges both; its sentences are passed on"""
    path = write(here, "x", b"x")
    with Fake(home) as fake:
        fake.on("PUT", "/example.com/x", lambda h: (h.body(), h.whole(201, b"{}")))
        expect(pond(home, here, "put", path, "--copies", "2"), DONE)
        expect(pond(home, here, "put", path, "--copies", "2", "--timeout", "7"), DONE)
        expect(pond(home, here, "put", path, "--timeout", "7"), DONE)
        asked = [(headers.get("Pond-Copies"), headers.get("Pond-Timeout"))
                 for method, _, headers in fake.seen if method == "PUT"]
        equal(asked, [("2", None), ("2", "7"), (None, None)])
        fake.on("PUT", "/example.com/x", lambda h: (h.body(), h.say(504, "only 1 of 2 copies")))
        expect(pond(home, here, "put", path, "--copies", "2"), FAILED, "only 1 of 2 copies")
        fake.on("PUT", "/example.com/x", lambda h: (h.body(), h.say(400, "9 are more than")))
        expect(pond(home, here, "put", path, "--copies", "9"), USAGE, "9 are more than")


def case_put_refused(home, here):
    """a refusal exits 4, with the daemon's sentence, whether it reads the body or not"""
    path = write(here, "x", b"x" * 20_000_000)
    with Fake(home) as fake:
        fake.on("PUT", "/example.com/x", lambda h: h.say(507, "the disk is full"))
        fake.unasked.add(("PUT", "/example.com/x"))
        expect(pond(home, here, "put", path), REFUSED, "put example.com/x: the disk is full")
        fake.unasked.clear()
        fake.on("PUT", "/example.com/x", lambda h: (h.body(), h.say(403, "not you")))
        expect(pond(home, here, "put", path), REFUSED, "put example.com/x: not you")


def case_put_refused_midway(home, here):
    """a daemon that answers in the middle of a body is heard"""
    path = write(here, "x", b"x" * 20_000_000)

    def answer(handler):
        handler.rfile.read(100_000)
        handler.say(507, "the disk is full")
        handler.swallow()

    with Fake(home) as fake:
        fake.on("PUT", "/example.com/x", answer)
        expect(pond(home, here, "put", path), REFUSED, "the disk is full")


def case_put_daemon_dies(home, here):
    """a daemon that dies in the middle of a body is an error"""
    path = write(here, "x", b"x" * 20_000_000)
    with Fake(home) as fake:
        fake.on("PUT", "/example.com/x", lambda h: setattr(h, "close_connection", True))
        expect(pond(home, here, "put", path), FAILED, "put example.com/x: ", "broke off")


def case_put_timeout(home, here):
    """--timeout ends a put that takes too long, and says what is known"""
    path = write(here, "x", b"x")
    with Fake(home) as fake:
        hold = []
        fake.on("PUT", "/example.com/x",
                lambda h: (h.body(), wait_for(lambda: hold, "the end of the test")))
        result = pond(home, here, "put", path, "--timeout", "3")
        hold.append(True)
        expect(result, FAILED, "did not answer in time", "pond ls")


def case_put_timeout_stdin(home, here):
    """--timeout counts while standard input keeps us waiting, and then nothing arrives whole"""
    with Fake(home) as fake:
        bodies = keep(fake, "/example.com/x")
        process = start(home, here, "put", "-", "x", "--timeout", "3", stdin=subprocess.PIPE)
        process.stdin.write(b"some")
        process.stdin.flush()
        equal(process.wait(60), FAILED)
        expect(Result(process), FAILED, "standard input did not end", "--timeout")
        wait_for(lambda: bodies, "the end of the body")
        equal(bodies, [None])


def changed_while_read(home, here, change):
    """Changes the file once the daemon has some of it; what the daemon got, and the result."""
    path = write(here, "x", b"x" * 20_000_000)
    bodies = []

    def answer(handler):
        handler.rfile.read(1_000_000)
        change(path)
        left = 19_000_000
        rest = handler.rfile.read(left)
        bodies.append(len(rest) == left)
        handler.whole(201, b"")

    with Fake(home) as fake:
        fake.on("PUT", "/example.com/x", answer)
        result = pond(home, here, "put", path)
        wait_for(lambda: bodies, "the end of the body")
    return bodies, result


def grow(path):
    with open(path, "ab") as file:
        file.write(b"more")


def rewrite(path):
    with open(path, "r+b") as file:
        file.write(b"other")
    os.utime(path, ns=(0, 1))


def case_put_changed(home, here):
    """a file that changes while it is read never arrives whole"""
    for change, part in ((grow, "changed while it was read"),
                         (rewrite, "changed while it was read"),
                         (lambda path: os.truncate(path, 5), "became shorter")):
        bodies, result = changed_while_read(home, here, change)
        expect(result, FAILED, part)
        equal(bodies, [False])


def case_put_quiet(home, here):
    """no progress bar where standard error is no terminal"""
    path = write(here, "x", b"x" * 1000)

    def slow(handler):
        body = handler.body()
        time.sleep(1.2)
        handler.whole(201, body[:0])

    with Fake(home) as fake:
        fake.on("PUT", "/example.com/x", slow)
        expect(Result(start(home, here, "put", path)), DONE)
