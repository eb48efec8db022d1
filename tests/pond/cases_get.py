# SPDX-License-Identifier: ISC
"""get: a file that appears whole and checked, or not at all, and nothing else beside it."""

import errno
import hashlib
import os
import pty
import resource
import signal
import stat
import subprocess
import time

from command import DONE, FAILED, NOT_FOUND, REFUSED, USAGE, Result, environment, equal, expect
from command import POND, pond, start
from cases_ask import read_until
from fake import Fake, wait_for

BODY = os.urandom(1_500_000)


def serve(fake, path="/example.com/d/x", body=BODY, **headers):
    fake.on("GET", path, lambda h: h.content(body, **headers))


def read(*path):
    with open(os.path.join(*path), "rb") as file:
        return file.read()


def write(*path):
    with open(os.path.join(*path), "wb") as file:
        file.write(b"mine")


def case_get(home, here):
    """get writes the file under its base name, with its time and its mode, and nothing else"""
    with Fake(home) as fake:
        serve(fake, Pond_Mtime=1795348801123456789, Pond_Mode="6750")
        for number, name in enumerate(("d/x", "example.com/d/x")):
            place = os.path.join(here, str(number))
            os.mkdir(place)
            result = pond(home, place, "get", name, umask=0o022)
            expect(result, DONE)
            equal(result.text, "")
            equal(os.listdir(place), ["x"])
            equal(read(place, "x"), BODY)
            found = os.stat(os.path.join(place, "x"))
            equal((stat.S_IMODE(found.st_mode), found.st_mtime_ns), (0o750, 1795348801123456789))


def case_get_defaults(home, here):
    """without a mode the umask decides; Last-Modified is the time where there is no finer one"""
    with Fake(home) as fake:
        serve(fake, Last_Modified="Sun, 22 Nov 2026 12:00:01 GMT")
        expect(pond(home, here, "get", "d/x", umask=0o027), DONE)
    found = os.stat(os.path.join(here, "x"))
    equal((stat.S_IMODE(found.st_mode), int(found.st_mtime)), (0o640, 1795348801))


def case_get_empty(home, here):
    """an empty file is a file"""
    with Fake(home) as fake:
        serve(fake, body=b"")
        expect(pond(home, here, "get", "d/x"), DONE)
        equal(pond(home, here, "get", "d/x", "-o", "-").status, DONE)
    equal(read(here, "x"), b"")


def case_get_chunked(home, here):
    """an answer without a length is checked by its digest"""
    text = "a line"
    digest = hashlib.sha256(b"a line\n").digest()

    def answer(handler, end):
        from base64 import b64encode
        handler.head(200, Transfer_Encoding="chunked",
                     Repr_Digest=f"sha-512=:AAAA:, sha-256=:{b64encode(digest).decode()}:")
        handler.wfile.write(b"7\r\n" + text.encode() + b"\n\r\n" + end)
        handler.close_connection = True

    with Fake(home) as fake:
        fake.on("GET", "/example.com/d/x", lambda h: answer(h, b"0\r\n\r\n"))
        expect(pond(home, here, "get", "d/x"), DONE)
        fake.on("GET", "/example.com/d/x", lambda h: answer(h, b""))
        expect(pond(home, here, "get", "d/x", "-o", "y"), FAILED, "broke off")
    equal(os.listdir(here), ["x"])


def case_get_output(home, here):
    """get -o FILE writes there, -o - to standard output"""
    with Fake(home) as fake:
        serve(fake)
        os.mkdir(os.path.join(here, "f"))
        expect(pond(home, here, "get", "d/x", "-o", "f/y"), DONE)
        result = pond(home, here, "get", "-o-", "d/x")
    expect(result, DONE)
    equal(result.out, BODY)
    equal(os.listdir(here), ["f"])
    equal(os.listdir(os.path.join(here, "f")), ["y"])


def case_get_keeps(home, here):
    """get overwrites nothing without -f, and asks for nothing then"""
    write(here, "x")
    with Fake(home) as fake:
        serve(fake)
        expect(pond(home, here, "get", "d/x"), FAILED, "x is there already", "-f")
        assert all(target == "/.pond/status" for _, target, _ in fake.seen)
        equal(read(here, "x"), b"mine")
        expect(pond(home, here, "get", "-f", "d/x"), DONE)
    equal(read(here, "x"), BODY)
    equal(os.listdir(here), ["x"])


def case_get_keeps_late(home, here):
    """a file that appears while get runs is not overwritten either"""
    with Fake(home) as fake:
        fake.on("GET", "/example.com/d/x", lambda h: (write(here, "x"), h.content(BODY)))
        expect(pond(home, here, "get", "d/x"), FAILED, "x is there already")
    equal(read(here, "x"), b"mine")
    equal(os.listdir(here), ["x"])


def case_get_odd_targets(home, here):
    """folders, devices and missing folders are named, with -f too"""
    with Fake(home) as fake:
        serve(fake)
        os.mkdir(os.path.join(here, "x"))
        expect(pond(home, here, "get", "d/x", "-f"), FAILED, "x is a folder")
        expect(pond(home, here, "get", "d/x", "-f", "-o", "/dev/null"), FAILED, "not a plain file")
        expect(pond(home, here, "get", "d/x", "-o", "none/x"), FAILED, "none/x", "No such file")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def case_get_long_name(home, here):
    """a name as long as a file's name may be works"""
    name = "ü" * 127
    with Fake(home) as fake:
        serve(fake, path="/example.com/" + "%C3%BC" * 127)
        expect(pond(home, here, "get", name), DONE)
    equal(os.listdir(here), [name])


def case_get_not_found(home, here):
    """what nobody has exits 3 and leaves nothing"""
    with Fake(home):
        expect(pond(home, here, "get", "d/x"), NOT_FOUND, "get example.com/d/x: ")
        expect(pond(home, here, "get", "d/x", "-o", "-"), NOT_FOUND, "get example.com/d/x: ")
        expect(pond(home, here, "get", ""), USAGE, "no name")
    equal(os.listdir(here), [])


def case_get_refused(home, here):
    """a refusal exits 4, leaves nothing, and its sentence is not taken for content"""
    with Fake(home) as fake:
        fake.on("GET", "/example.com/d/x", lambda h: h.say(403, "not you"))
        expect(pond(home, here, "get", "d/x"), REFUSED, "get example.com/d/x: not you")
        equal(pond(home, here, "get", "d/x", "-o", "-").out, b"")
    equal(os.listdir(here), [])


def case_get_wrong(home, here):
    """content that is short, wrong or unvouched for exits 1 and leaves nothing; -f keeps the old"""
    def wrong(handler):
        handler.content(BODY, sent=BODY[:-1] + bytes([BODY[-1] ^ 1]))

    answers = (
        (lambda h: h.content(BODY, sent=BODY[:-1]), "broke off"),
        (lambda h: h.content(BODY, sent=b""), "broke off"),
        (wrong, "does not match its SHA-256"),
        (lambda h: h.whole(200, BODY), "no digest"),
        (lambda h: h.content(BODY, Repr_Digest="sha-256=:AAAA:"), "no digest"),
        (lambda h: h.content(BODY, Repr_Digest="sha-256=:" + "!" * 44 + ":"), "no digest"),
        (lambda h: h.head(206, Content_Length=0), "206"),
    )
    write(here, "old")
    with Fake(home) as fake:
        for answer, part in answers:
            fake.on("GET", "/example.com/d/x", answer)
            expect(pond(home, here, "get", "d/x"), FAILED, "get example.com/d/x: ", part)
            expect(pond(home, here, "get", "d/x", "-f", "-o", "old"), FAILED, part)
            expect(pond(home, here, "get", "d/x", "-o", "-"), FAILED, part)
    equal(os.listdir(here), ["old"])
    equal(read(here, "old"), b"mine")


def hanging(fake, hold):
    def answer(handler):
        handler.head(200, Content_Length=len(BODY))
        handler.wfile.write(BODY[:1_000_000])
        handler.wfile.flush()
        wait_for(lambda: hold, "the end of the test")
        handler.close_connection = True

    fake.on("GET", "/example.com/d/x", answer)


def case_get_interrupted(home, here):
    """Ctrl-C, a hang-up or kill ends get at once, as a signal does, and leaves nothing"""
    with Fake(home) as fake:
        hold = []
        hanging(fake, hold)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            process = start(home, here, "get", "d/x")
            wait_for(lambda: any(os.path.getsize(os.path.join(here, name)) for name in
                                 os.listdir(here)), "the first bytes")
            (name,) = os.listdir(here)
            assert name.startswith(".x.pond-"), name
            process.send_signal(number)
            equal(Result(process).status, -number)
            equal(os.listdir(here), [])
        hold.append(True)


def case_get_too_long_for_a_file(home, here):
    """a name that an object may have and a file may not wants -o"""
    name = "d/" + "x" * 300
    with Fake(home) as fake:
        serve(fake, f"/example.com/{name}")
        expect(pond(home, here, "get", name), FAILED, "File name too long", "-o")
        expect(pond(home, here, "get", name, "-o", "x"), DONE)
    equal(os.listdir(here), ["x"])


def case_get_no_room(home, here):
    """what the disk does not take is named, and leaves nothing"""
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    with Fake(home) as fake:
        serve(fake)
        expect(pond(home, here, "get", "d/x", preexec_fn=limit), FAILED, "cannot write x",
               "File too large")
        with open("/dev/full", "wb") as full:
            expect(Result(start(home, here, "get", "d/x", "-o", "-", stdout=full)), FAILED,
                   "standard output", "No space left")
    equal(os.listdir(here), [])


def case_get_version(home, here):
    """--version asks for that version, --newest for the newest"""
    with Fake(home) as fake:
        serve(fake)
        expect(pond(home, here, "get", "d/x", "--version", "1795348800123.7"), DONE)
        equal(fake.seen[-1][1], "/example.com/d/x?version=1795348800123.7")
        assert "Cache-Control" not in fake.seen[-1][2]
        expect(pond(home, here, "get", "d/x", "-f", "--newest"), DONE)
        equal(fake.seen[-1][2]["Cache-Control"], "no-cache")
        expect(pond(home, here, "get", "d/x", "--version", "1.x"), USAGE, "1.x", "pond ls")


def read_rest(master):
    """All that was drawn on a terminal that its programs have left."""
    drawn = b""
    try:
        while part := os.read(master, 65536):
            drawn += part
    except OSError as error:
        equal(error.errno, errno.EIO)
    return drawn


def case_get_progress(home, here):
    """a slow get draws a bar on a terminal, and takes it away at the end"""
    def slow(handler):
        handler.content(BODY, sent=BODY[:500_000])
        for part in range(500_000, len(BODY), 100_000):
            handler.wfile.flush()
            time.sleep(0.15)
            handler.wfile.write(BODY[part:part + 100_000])

    with Fake(home) as fake:
        fake.on("GET", "/example.com/d/x", slow)
        master, slave = pty.openpty()
        process = subprocess.Popen([POND, "--home", home, "get", "d/x"], cwd=here, stderr=slave,
                                   stdin=subprocess.DEVNULL, env=environment())
        os.close(slave)
        drawn = read_until(master, b" %")
        equal(process.wait(60), DONE)
        drawn += read_rest(master)
        os.close(master)
    assert b"example.com/d/x" in drawn and b"\033[K" in drawn, drawn
    assert drawn.endswith(b"\r\033[K"), drawn
    equal(read(here, "x"), BODY)
