# SPDX-License-Identifier: ISC
"""Runs pond as a person or a script would."""

import os
import subprocess

POND = os.path.abspath(os.environ.get("POND", "tools/pond/pond"))
ROOT = os.path.abspath(os.environ.get("srcdir", "."))
MOST_S = 60

DONE, FAILED, USAGE, NOT_FOUND, REFUSED, NO_DAEMON = range(6)


def environment(**more):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("IS_")}
    return {**kept, "TZ": "UTC", "http_proxy": "http://192.0.2.1:9", **more}


def start(home, here, *words, **options):
    options.setdefault("env", environment())
    options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    return subprocess.Popen([POND, "--home", home, *words], cwd=here, **options)


class Result:
    def __init__(self, process, given=None):
        try:
            self.out, self.err = process.communicate(given, timeout=MOST_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        self.status = process.returncode
        self.message = (self.err or b"").decode()

    @property
    def text(self):
        return (self.out or b"").decode()


def pond(home, here, *words, given=None, **options):
    if given is not None:
        options["stdin"] = subprocess.PIPE
    return Result(start(home, here, *words, **options), given)


def expect(result, status, *parts):
    """The exit status, and parts of what stands on standard error; nothing there without parts."""
    said = f"exit status {result.status}, said: {result.message!r}"
    assert result.status == status, f"expected {status}: {said}"
    for part in parts:
        assert part in result.message, f"expected {part!r}: {said}"
    if parts:
        lines = result.message.splitlines()
        assert all(line.startswith("pond: ") for line in lines), said
    else:
        assert not result.message, said


def equal(got, wanted):
    assert got == wanted, f"got {got!r}, wanted {wanted!r}"
