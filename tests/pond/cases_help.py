# SPDX-License-Identifier: ISC
"""--help, the manual page, and what needs no daemon."""

import os
import re

from command import DONE, FAILED, NO_DAEMON, POND, ROOT, USAGE, Result, environment, equal, expect
from command import pond, start
import subprocess


def plain(*words, **more):
    return Result(subprocess.Popen([POND, *words], env=environment(**more), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, stdin=subprocess.DEVNULL))


def commands():
    text = plain("--help").text
    block = text.split("Commands:\n")[1].split("\n\n")[0]
    return [line.split()[0] for line in block.splitlines()]


def options(text):
    block = text.split("Options:\n")[1].split("\n\n")[0]
    return set(re.findall(r"(?:^  |, )(--?[\w-]+)", block, flags=re.M))


def manual():
    with open(os.path.join(ROOT, "tools", "pond.1"), encoding="utf-8") as file:
        return file.read()


def manual_entries():
    """{command: the text of its entry}"""
    section = manual().split(".Sh COMMANDS")[1].split("\n.Sh ")[0]
    entries = re.split(r"^\.It Xo Cm ", section, flags=re.M)[1:]
    return {re.match(r"[\w-]+", entry)[0]: entry for entry in entries}


def case_help(home, here):
    """--help speaks of every command and exits 0, whatever else is said"""
    del home, here
    assert len(commands()) >= 13
    for command in commands():
        result = plain(command, "--help")
        expect(result, DONE)
        assert result.text.startswith(f"Usage: pond {command}"), result.text
    expect(plain("get", "--help", "and", ), DONE)


def case_manual_commands(home, here):
    """the manual has the commands that pond has, and their options"""
    del home, here
    entries = manual_entries()
    equal(sorted(entries), sorted(commands()))
    common = options(plain("check", "--help").text) - {"--host"}
    for command, entry in entries.items():
        has = options(plain(command, "--help").text) - common
        told = {"--" + o[1:] if o.startswith("-") else "-" + o
                for o in re.findall(r"Fl (\\?-?[\w-]+)", entry.replace("\\-", "-"))}
        equal((command, told - common), (command, has))


def case_manual_exits(home, here):
    """the manual has every exit status"""
    del home, here
    section = manual().split(".Sh EXIT STATUS")[1].split("\n.Sh ")[0]
    equal(re.findall(r"^\.It (\d)$", section, flags=re.M), list("012345"))


def case_version(home, here):
    """--version prints name and version"""
    del home, here
    result = plain("--version")
    expect(result, DONE)
    assert re.fullmatch(r"pond \d+\.\d+\.\d+\S*\n", result.text), result.text


def case_wrong_usage(home, here):
    """wrong usage exits 2, and says what would be right"""
    del home, here
    expect(plain(), USAGE, "a command is missing", "pond --help")
    expect(plain("stauts"), USAGE, "did you mean status?")
    expect(plain("get"), USAGE, "NAME", "pond get --help")
    expect(plain("ls", "--jsn"), USAGE, "did you mean --json?")
    expect(plain("quarrels"), USAGE, "there is no command quarrels")
    expect(plain("demote"), USAGE, "TIER", "pond demote --help")
    for time in ("", "90", "s", "0s", "-1m", "1.5h", "15 m", "1w", "3651d", "9" * 30 + "s"):
        expect(plain("demote", "paris", "--for", time), USAGE, "90s, 15m, 2h or 1d")
    expect(plain("key", "old"), USAGE, "pond key new")
    expect(plain("log-level", "loud"), USAGE, "error, warn, info, debug")


def case_no_daemon(home, here):
    """without a daemon the exit status is 5, and the message names the socket"""
    socket = os.path.join(home, "carpond.sock")
    for words in (["status"], ["peers"], ["ls"], ["get", "x"], ["rm", "x"], ["put", "-", "x"],
                  ["whohas", "x"], ["conflicts"], ["verify"], ["rebuild"], ["events"], ["reload"],
                  ["log-level", "info"], ["demote", "paris"], ["restore", "paris"]):
        expect(pond(home, here, *words), NO_DAEMON, socket, "start carpond", "--home")


def case_finds_home(home, here):
    """the daemon is found by --home, else IS_HOME, else main.cf"""
    other = os.path.join(here, "other")
    config = os.path.join(here, "main.cf")
    with open(config, "w", encoding="utf-8") as file:
        file.write(f'defaults = {{ home = "{here}/third"; }};\n')
    expect(plain("status", "--home", home, IS_HOME=other), NO_DAEMON, home + "/carpond.sock")
    expect(plain("-c", config, "status", IS_HOME=other), NO_DAEMON, other + "/carpond.sock")
    expect(plain("status", "-c", config), NO_DAEMON, here + "/third/carpond.sock")
    expect(plain("-c", here + "/none.cf", "status"), FAILED, here + "/none.cf", "-c")
    expect(plain("status", "--home", "/" + "long/" * 40), USAGE, "choose a shorter home")


def case_key_new(home, here):
    """key new prints a new good key each time"""
    keys = {pond(home, here, "key", "new").text for _ in range(3)}
    equal(len(keys), 3)
    assert all(re.fullmatch(r"[0-9a-f]{64}\n", key) for key in keys), keys


def case_check(home, here):
    """check exits 0 for a sound configuration, 1 otherwise, a missing file included"""
    good, bad = os.path.join(here, "good.cf"), os.path.join(here, "bad.cf")
    with open(good, "w", encoding="utf-8") as file:
        file.write('defaults = { domain = "example.com"; };\n')
    with open(bad, "w", encoding="utf-8") as file:
        file.write('defaults = {\n  domian = "example.com";\n};\n')
    expect(pond(home, here, "check", good), DONE)
    expect(pond(home, here, "-c", good, "check"), DONE)
    result = pond(home, here, "check", bad)
    equal(result.status, FAILED)
    assert f"{bad}:2:" in result.message and "domain" in result.message, result.message
    equal(pond(home, here, "check", good + "x").status, FAILED)
    equal(pond(home, here, "-c", good + "x", "check").status, FAILED)
    expect(pond("/" + "long/" * 40, here, "check", good), DONE)
    result = pond(home, here, "check", good, "--host", "web1")
    expect(result, DONE)
    assert "example.com" in result.text, result.text


def case_full_output(home, here):
    """what cannot be written to standard output is an error"""
    with open("/dev/full", "wb") as full:
        expect(Result(start(home, here, "key", "new", stdout=full)), FAILED, "No space left")
