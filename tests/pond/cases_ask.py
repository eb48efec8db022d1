# SPDX-License-Identifier: ISC
"""What is asked of the daemon and shown: status, peers, ls, rm, whohas, verify, events."""

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import termios
import time
import urllib.parse

from command import DONE, FAILED, NO_DAEMON, NOT_FOUND, REFUSED, USAGE, Result, equal, expect
from command import environment, pond, start, POND
from fake import STATUS, Fake, wait_for


def case_status(home, here):
    """status for people has the node, its tier, cache, peers and events"""
    with Fake(home):
        result = pond(home, here, "status")
    expect(result, DONE)
    for part in ("here.example.com   up 1d 2h   carpond 0.1.0\n", "mesh  peer  -",
                 "CACHE   12,381 objects   1 of 10 GiB   hits 75 %\n",
                 "PEERS   2 known   1 usable\n", "put in example.com/x\n"):
        assert part in result.text, (part, result.text)


def case_status_says_what_is_only_here(home, here):
    """status tells how many puts no candidate has confirmed, and how many conflicts are kept"""
    cache = {**STATUS["cache"], "unconfirmed": 1200, "conflicts": 1}
    with Fake(home) as fake:
        fake.on("GET", "/.pond/status", lambda h: h.json({**STATUS, "cache": cache}))
        result = pond(home, here, "status")
    expect(result, DONE)
    assert "hits 75 %   not confirmed above 1,200   conflicts 1\n" in result.text, result.text


def case_status_little(home, here):
    """what little is held of a large cache_size is told in a unit of its own"""
    with Fake(home) as fake:
        for held, shown in ((30000000, "28.6 MiB of 20 GiB"), (0, "0 of 20 GiB"),
                            (5 << 30, "5 of 20 GiB")):
            cache = {**STATUS["cache"], "bytes": held, "limit": 20 << 30}
            fake.on("GET", "/.pond/status", lambda h, c=cache: h.json({**STATUS, "cache": c}))
            result = pond(home, here, "status")
            assert f" objects   {shown} " in result.text, result.text


def case_status_json(home, here):
    """status --json is what the daemon said, fields of later versions too"""
    with Fake(home) as fake:
        fake.on("GET", "/.pond/status", lambda h: h.json({**STATUS, "later": {"a": [1.5]}}))
        result = pond(home, here, "status", "--json")
    expect(result, DONE)
    equal(json.loads(result.text), {**STATUS, "later": {"a": [1.5]}})


def with_more(value):
    """The same as a later version says it: each object has fields more, each in another shape."""
    if isinstance(value, list):
        return [with_more(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {"aaa": [{}, [1.5, None]], **{key: with_more(one) for key, one in value.items()},
            "later": {"name": True, "node": 7}}


def case_later_fields(home, here):
    """what people are shown is the same where the daemon is of a later version, and says more"""
    words = {"list": ["ls"], "whohas": ["whohas", "x"]}
    answers = {
        "status": STATUS,
        "peers": {"format": 1, "peers": [
            {"node": "a", "address": "127.0.0.2", "member": True, "heard_s": 0.25, "used": True,
             "why": None, "avoided_for_s": 0.0}]},
        "gate": {"format": 1, "rules": [{"number": 1, "sign": "+", "rule": "rule001 = +,,,,, all",
                                         "hits": 7, "description": "all"}],
                 "verdicts": [{"verdict": "pass", "sentence": "it passes", "count": 3}]},
        "list": {"objects": objects("a", "b"), "more": False},
        "whohas": {"name": "x", "missing": [], "answers": [
            {"node": "a", "tier": "paris", "address": "127.0.0.2:65028", "version": "2.0",
             "size": 4096, "held": True, "deleted": False}]}}
    for what, answer in answers.items():
        shown = []
        for said in (answer, with_more(answer)):
            with Fake(home) as fake:
                fake.on("GET", f"/.pond/{what}", lambda h, said=said: h.json(said))
                result = pond(home, here, *words.get(what, [what]))
            expect(result, DONE)
            shown.append(result.text)
        assert shown[0].strip(), what
        equal(shown[1], shown[0])


def case_status_watch_in_pipe(home, here):
    """status --watch in a pipe prints a block each second, and ends with the daemon"""
    with Fake(home):
        process = start(home, here, "status", "--watch")
        blocks = [process.stdout.readline() for _ in range(10)]
        assert blocks.count(blocks[0]) >= 2, blocks
    result = Result(process)
    expect(result, NO_DAEMON, "carpond.sock")
    assert "\033" not in result.text


def read_until(fd, wanted, most=60):
    seen = b""
    end = time.monotonic() + most
    while wanted not in seen:
        left = max(0, end - time.monotonic())
        assert select.select([fd], [], [], left)[0], f"{wanted!r} did not come: {seen!r}"
        seen += os.read(fd, 65536)
    return seen


def watch_on_terminal(home, here, end):
    """Starts it on a terminal, lets it redraw, ends it; the wait status, and what was drawn."""
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(here)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # who runs us in the background ignores it
        os.execve(POND, [POND, "--home", home, "status", "--watch"], environment())
    before = termios.tcgetattr(fd)[3]
    drawn = read_until(fd, b"PEERS") + read_until(fd, b"PEERS")
    assert not termios.tcgetattr(fd)[3] & termios.ECHO
    os.write(fd, end)
    drawn += read_until(fd, b"\033[?25h")
    _, status = os.waitpid(pid, 0)
    equal(termios.tcgetattr(fd)[3], before)
    os.close(fd)
    return status, drawn


def case_status_watch_on_terminal(home, here):
    """status --watch on a terminal redraws in place, ends with q, and leaves the terminal as it was"""
    with Fake(home):
        status, drawn = watch_on_terminal(home, here, b"q")
    equal(os.waitstatus_to_exitcode(status), DONE)
    equal(drawn.count(b"\033[2J"), 1)


def case_status_watch_interrupted(home, here):
    """status --watch ends with Ctrl-C, and leaves the terminal as it was"""
    with Fake(home):
        status, _ = watch_on_terminal(home, here, b"\x03")
    equal(os.waitstatus_to_exitcode(status), -signal.SIGINT)


def case_peers(home, here):
    """peers says who was heard when, and who is not used and why"""
    peers = {"format": 1, "peers": [
        {"node": "a", "address": "127.0.0.2", "member": True, "heard_s": 0.25, "used": True,
         "why": None, "avoided_for_s": 0.0},
        {"node": None, "address": "127.0.0.3", "member": False, "heard_s": None, "used": False,
         "why": "sent a chunk that does not match its digest", "avoided_for_s": 8.0}]}
    with Fake(home) as fake:
        fake.on("GET", "/.pond/peers", lambda h: h.json(peers))
        result, as_json = pond(home, here, "peers"), pond(home, here, "peers", "--json")
    expect(result, DONE)
    equal([re.split(r"  +", line) for line in result.text.splitlines()],
          [["NODE", "ADDRESS", "MEMBER", "HEARD", "USED"],
           ["a", "127.0.0.2", "yes", "0.2 s ago", "yes"],
           ["-", "127.0.0.3", "no", "never",
            "no: sent a chunk that does not match its digest; tried again in 8.0 s"]])
    equal(json.loads(as_json.text), peers)


def case_gate(home, here):
    """gate counts what was let in and what was refused"""
    gate = {"format": 1, "rules": [], "verdicts": [
        {"verdict": "pass", "sentence": "it passes", "count": 12345},
        {"verdict": "not_member", "sentence": "not a member", "count": 0}]}
    with Fake(home) as fake:
        fake.on("GET", "/.pond/gate", lambda h: h.json(gate))
        result, as_json = pond(home, here, "gate"), pond(home, here, "gate", "--json")
    expect(result, DONE)
    equal(result.text, "RULES   none: nets, nobroadcast and the keys decide\n"
                       " COUNT  VERDICT     WHICH MEANS\n"
                       "12,345  pass        it passes\n"
                       "     0  not_member  not a member\n")
    equal(json.loads(as_json.text), gate)


def case_gate_rules(home, here):
    """gate lists the rules in force with their hits"""
    gate = {"format": 1, "verdicts": [{"verdict": "pass", "sentence": "it passes", "count": 3}],
            "rules": [{"number": 1, "sign": "+", "rule": "rule001 = +,,,,, all", "hits": 12345,
                       "description": "all"},
                      {"number": 10, "sign": "-", "rule": "rule010 = -,,put,,sun, no", "hits": 0,
                       "description": "no"}]}
    with Fake(home) as fake:
        fake.on("GET", "/.pond/gate", lambda h: h.json(gate))
        result = pond(home, here, "gate")
    expect(result, DONE)
    equal(result.text, "  HITS  RULE\n"
                       "12,345  rule001 = +,,,,, all\n"
                       "     0  rule010 = -,,put,,sun, no\n"
                       "COUNT  VERDICT  WHICH MEANS\n"
                       "    3  pass     it passes\n")


def case_gate_test(home, here):
    """gate --test says which rule would decide"""
    words = "message=put sender=10.0.0.1 namespace=a/b&c%"
    told = {"format": 1, "passes": False, "decides": 10, "carries": False,
            "why": "rule 010 is the only one that matches: it is refused",
            "matching": [{"number": 10, "sign": "-", "rule": "rule010 = -,,put,,, no", "hits": 7,
                          "description": "no"}]}

    def answer(handler):
        asked = urllib.parse.parse_qs(handler.query)
        if asked == {"test": [words]}:
            handler.json(told)
        else:
            handler.say(400, f"what is {handler.query}?")

    with Fake(home) as fake:
        fake.on("GET", "/.pond/gate", answer)
        result = pond(home, here, "gate", "--test", words)
        as_json = pond(home, here, "gate", "--json", "--test", words)
        wrong = pond(home, here, "gate", "--test", "nonsense")
    expect(result, DONE)
    equal(result.text, "is refused: rule 010 is the only one that matches: it is refused\n"
                       "RULE\nrule010 = -,,put,,, no\n")
    equal(json.loads(as_json.text), told)
    equal(wrong.status, USAGE)


def objects(*paths):
    return [{"name": f"example.com/{path}", "version": "1795348800123.7", "size": 1234567,
             "mtime_ns": 1795348801500000000, "held": path != "b", "sha256": "00"} for path in paths]


def paged(handler):
    """Two pages, as ?after= asks."""
    assert "prefix=" in handler.query
    if handler.query.endswith("after="):
        handler.json({"objects": objects("a", "b"), "more": True})
    elif handler.query.endswith("after=example.com/b"):
        handler.json({"objects": objects("c/%20 d"), "more": False})
    else:
        handler.say(400, f"what is {handler.query}?")


def case_ls(home, here):
    """ls lists all pages, one object a line"""
    with Fake(home) as fake:
        fake.on("GET", "/.pond/list", paged)
        result, as_json = pond(home, here, "ls"), pond(home, here, "ls", "--json")
    expect(result, DONE)
    line = "1,234,567  2026-11-22 12:00:01  1795348800123.7  {}  example.com/{}\n"
    equal(result.text, line.format("here", "a") + line.format("away", "b") +
          line.format("here", "c/%20 d"))
    equal(json.loads(as_json.text)["objects"], objects("a", "b", "c/%20 d"))


def case_ls_prefix(home, here):
    """ls PREFIX is taken with or without the domain; nothing below it exits 3"""
    with Fake(home) as fake:
        fake.on("GET", "/.pond/list", lambda h: h.json({"objects": [], "more": False}))
        for typed in ("p q/r", "p q/r/", "example.com/p q/r"):
            expect(pond(home, here, "ls", typed), NOT_FOUND, "nothing below example.com/p q/r")
        for typed in ("example.com", "example.com/", "/"):
            expect(pond(home, here, "ls", typed), DONE)
        equal(pond(home, here, "ls", "--json").text, '{"format": 1, "objects": []}\n')
        targets = [target for _, target, _ in fake.seen if target.startswith("/.pond/list")]
        expect(pond(home, here, "ls", "a//b"), USAGE, "a//b")
    equal(targets, ["/.pond/list?prefix=example.com/p%20q/r&after="] * 3 +
          ["/.pond/list?prefix=&after="] * 4)


def case_ls_in_circles(home, here):
    """a list that does not lead on is an error, not a loop"""
    with Fake(home) as fake:
        fake.on("GET", "/.pond/list", lambda h: h.json({"objects": objects("a"), "more": True}))
        expect(pond(home, here, "ls"), FAILED, "does not go on")
        fake.on("GET", "/.pond/list", lambda h: h.json({"objects": [], "more": True}))
        expect(pond(home, here, "ls"), FAILED, "does not go on")


def case_rm(home, here):
    """rm deletes by the whole name; what is not there exits 3"""
    with Fake(home) as fake:
        fake.on("DELETE", "/example.com/a%20b", lambda h: h.whole(204, b""))
        expect(pond(home, here, "rm", "a b"), DONE)
        expect(pond(home, here, "rm", "example.com/a b"), DONE)
        expect(pond(home, here, "rm", "c"), NOT_FOUND, "rm example.com/c: there is no")
        expect(pond(home, here, "rm", "../x"), USAGE, "../x")


def case_whohas(home, here):
    """whohas lists the answers; none exits 3"""
    answers = [{"node": "a", "tier": "paris", "address": "127.0.0.2:65028", "version": "2.0", "size": 4096,
                "held": True, "deleted": False},
               {"node": "b", "address": "127.0.0.3:65028", "version": "3.0", "size": 0,
                "held": False, "deleted": True}]
    with Fake(home) as fake:
        fake.on("GET", "/.pond/whohas",
                lambda h: h.json({"name": "x", "answers": answers, "missing": ["gw1 is mute"]}))
        result, as_json = pond(home, here, "whohas", "x"), pond(home, here, "whohas", "x", "--json")
        equal(fake.seen[-1][1], "/.pond/whohas?name=example.com/x")
        fake.on("GET", "/.pond/whohas", lambda h: h.json({"name": "x", "answers": []}))
        expect(pond(home, here, "whohas", "x"), NOT_FOUND, "example.com/x", "nobody")
    equal([line.split(None, 5) for line in result.text.splitlines()],
          [["NODE", "TIER", "ADDRESS", "VERSION", "SIZE", "STATE"],
           ["a", "paris", "127.0.0.2:65028", "2.0", "4,096", "has it"],
           ["b", "-", "127.0.0.3:65028", "3.0", "-", "removed"]])
    expect(result, DONE, "whohas example.com/x: gw1 is mute")
    equal(json.loads(as_json.text)["answers"], answers)


def case_conflicts(home, here):
    """conflicts lists page by page what was replaced unknown; none is fine"""
    first = {"place": 4, "name": "example.com/x", "version": "2.0", "newest": "3.0", "node": "a",
             "size": 4096, "deleted": False, "held": True, "until_ms": 86400000,
             "sha256": "3fa9c0d2" + 56 * "0"}
    second = {**first, "place": 9, "version": "2.7", "deleted": True, "held": False}
    with Fake(home) as fake:
        fake.on("GET", "/.pond/conflicts", lambda h: h.json(
            {"conflicts": [second], "more": False} if h.path.endswith("after=4") else
            {"conflicts": [first], "more": True}))
        result, as_json = pond(home, here, "conflicts"), pond(home, here, "conflicts", "--json")
        fake.on("GET", "/.pond/conflicts", lambda h: h.json({"conflicts": [], "more": False}))
        expect(pond(home, here, "conflicts"), DONE)
        fake.on("GET", "/.pond/conflicts", lambda h: h.json({"conflicts": [], "more": True}))
        expect(pond(home, here, "conflicts"), FAILED, "does not go on")
    rows = [line.split() for line in result.text.splitlines()]
    equal([(row[0], row[1], row[2], row[3], row[-1]) for row in rows[1:]],
          [("2.0/3fa9c0d2", "4,096", "a", "here", "example.com/x"),
           ("2.7", "-", "a", "removal", "example.com/x")])
    equal(json.loads(as_json.text)["conflicts"], [first, second])


def report(**more):
    return json.dumps({"objects": 3, "bytes": 2048, "rotten": 0, "mended": 0, "recovered": 0, **more})


def case_verify(home, here):
    """verify tells what was read; rot exits 1"""
    with Fake(home) as fake:
        fake.on("POST", "/.pond/verify", lambda h: h.lines([report(), report(result="done")]))
        result = pond(home, here, "verify")
        expect(result, DONE)
        equal(result.text, "3 objects, 2.0 KiB read: 0 rotten, 0 mended\n")
        fake.on("POST", "/.pond/verify", lambda h: h.lines([report(objects=1, result="done")]))
        equal(pond(home, here, "verify").text, "1 object, 2.0 KiB read: 0 rotten, 0 mended\n")
        fake.on("POST", "/.pond/verify", lambda h: h.lines([report(rotten=1, result="done")]))
        result = pond(home, here, "verify")
        expect(result, FAILED, "fetched anew")
        assert "1 rotten" in result.text
        fake.on("POST", "/.pond/verify", lambda h: h.lines([report(result="the disk is full")]))
        expect(pond(home, here, "verify"), FAILED, "verify: the disk is full")


def case_rebuild(home, here):
    """rebuild tells how many names were found"""
    with Fake(home) as fake:
        last = report(recovered=12345, result="done")
        fake.on("POST", "/.pond/rebuild", lambda h: h.lines([report(), last]))
        result = pond(home, here, "rebuild")
    expect(result, DONE)
    equal(result.text, "the catalogue was rebuilt: 12,345 names, 0 rotten records\n")


def case_work_breaks_off(home, here):
    """verify and rebuild whose account breaks off are errors"""
    with Fake(home) as fake:
        for broken in (True, False):
            for work in ("verify", "rebuild"):
                fake.on("POST", f"/.pond/{work}", lambda h, b=broken: h.lines([report()], broken=b))
                result = pond(home, here, work)
                expect(result, FAILED, f"{work}: ")
                equal(result.text, "")


def case_events(home, here):
    """events prints each line as it comes, and ends with an error when the daemon stops"""
    with Fake(home) as fake:
        hold = []

        def answer(handler):
            handler.lines(['{"event": "put"}'], broken=True)
            handler.wfile.flush()
            wait_for(lambda: hold, "the test's leave")

        fake.on("GET", "/.pond/events", answer)
        process = start(home, here, "events")
        equal(process.stdout.readline(), b'{"event": "put"}\n')
        equal(process.poll(), None)
        hold.append(True)
        expect(Result(process), FAILED, "events: ")


def case_log_level(home, here):
    """log-level tells the daemon"""
    with Fake(home) as fake:
        fake.on("POST", "/.pond/log-level", lambda h: h.whole(200, b"done\n"))
        result = pond(home, here, "log-level", "debug")
        expect(result, DONE)
        equal(result.text, "")
        equal(fake.seen[-1][:2], ("POST", "/.pond/log-level?level=debug"))


RELOADED = {
    "format": 1, "result": "applied", "keys": True, "restart": ["port", "home"],
    "settings": [{"name": "skew", "tier": "paris", "was": "0", "is": "7"},
                 {"name": "cache_size", "tier": None, "was": "", "is": "\"1G\""}],
    "tiers": [{"tier": "rome", "change": "joined"}, {"tier": "core", "change": "left"}],
    "members": {"added": 1, "removed": 70, "changed": 1, "list": [
        {"tier": "paris", "member": "10.0.0.1", "was": None, "is": "slave"},
        {"tier": "paris", "member": "10.0.0.2", "was": "slave", "is": "candidate"},
        {"tier": "paris", "member": "10.0.0.0/24", "was": "slave", "is": None}]},
    "errors": [], "warnings": ["main.cf:3: warning: look \033[2Jhere"], "read_ms": 1.5, "applied_ms": 0.1}


def case_reload(home, here):
    """reload prints what was changed, and what waits for a restart"""
    with Fake(home) as fake:
        fake.on("POST", "/.pond/reload", lambda h: h.json(RELOADED))
        result, as_json = pond(home, here, "reload"), pond(home, here, "reload", "--json")
        fake.on("POST", "/.pond/reload", lambda h: h.json(
            RELOADED | {"result": "unchanged", "settings": [], "tiers": [], "members": {},
                        "keys": False, "restart": [], "warnings": []}))
        same = pond(home, here, "reload")
    expect(result, DONE, "pond: main.cf:3: warning: look ?[2Jhere\n")
    equal(result.text.splitlines(), [
        "paris/skew: 0 -> 7", 'cache_size: not set -> "1G"', "tier rome: joined",
        "tier core: left", "paris: 10.0.0.1 added, slave",
        "paris: 10.0.0.2 is candidate now, was slave", "paris: 10.0.0.0/24 removed",
        "and 69 more: 1 members added, 70 removed, 1 of another role in all", "keys: others",
        "port: counts from the next start: restart carpond",
        "home: counts from the next start: restart carpond"])
    equal(json.loads(as_json.text), RELOADED)
    expect(same, DONE)
    equal(same.text, "nothing has changed\n")


def case_reload_faulty(home, here):
    """reload exits 1 where the configuration is faulty, with each fault's place"""
    faulty = RELOADED | {"result": "faulty", "errors": ["nets/a:7: what is wrong", "keys: no keys"]}
    with Fake(home) as fake:
        fake.on("POST", "/.pond/reload", lambda h: h.json(faulty))
        result, as_json = pond(home, here, "reload"), pond(home, here, "reload", "--json")
    expect(result, FAILED, "pond: nets/a:7: what is wrong\npond: keys: no keys\n",
           "pond: reload: nothing was changed\n")
    equal(result.text, "")
    equal(as_json.status, FAILED)
    equal(json.loads(as_json.text), faulty)


def case_demote_and_restore(home, here):
    """demote and restore tell the daemon, for how long too, and print what it did"""
    with Fake(home) as fake:
        fake.on("POST", "/.pond/demote", lambda h: h.whole(200, b"demoted in tier a b\n"))
        fake.on("POST", "/.pond/restore", lambda h: h.whole(200, b"restored in tier a b\n"))
        for words, query in ([], ""), (["--for", "90s"], "&for=90"), (["--for", "15m"], "&for=900"), \
                (["--for", "2h"], "&for=7200"), (["--for", "1d"], "&for=86400"):
            result = pond(home, here, "demote", "a b", *words)
            expect(result, DONE)
            equal(result.text, "demoted in tier a b\n")
            equal(fake.seen[-1][:2], ("POST", "/.pond/demote?tier=a%20b" + query))
        result = pond(home, here, "restore", "a b")
        expect(result, DONE)
        equal(result.text, "restored in tier a b\n")
        equal(fake.seen[-1][:2], ("POST", "/.pond/restore?tier=a%20b"))


def case_demote_refused(home, here):
    """demote exits 3 where there is no such tier, 4 where this node is no candidate in it"""
    with Fake(home) as fake:
        fake.on("POST", "/.pond/demote", lambda h: h.say(404, "it has a role in: paris"))
        expect(pond(home, here, "demote", "rome"), NOT_FOUND, "it has a role in: paris")
        fake.on("POST", "/.pond/demote", lambda h: h.say(409, "a slave in tier paris"))
        expect(pond(home, here, "demote", "paris"), REFUSED, "a slave in tier paris")
        fake.on("POST", "/.pond/demote", lambda h: h.say(507, "nothing is changed"))
        expect(pond(home, here, "demote", "paris"), REFUSED, "nothing is changed")


PARIS = {"tier": "paris", "role": "backup", "master": "gw1.paris.example.com",
         "address": "10.27.4.1", "base": 1, "skew": 100, "epoch": 14, "last_advert_s": 0.4,
         "since": 7.5, "reason": "it heard the master", "behind": 3, "successor": "10.27.4.2",
         "demotion": 144, "demoted": "its clock is off, somebody demoted it",
         "by_hand": {"since": "2026-11-22T12:00:00Z", "left_s": 843.2}}


def case_status_roles(home, here):
    """status says who is master of each tier, and why this node is demoted there"""
    core = {**PARIS, "tier": "core", "role": "slave", "master": None, "address": None,
            "base": None, "skew": None, "last_advert_s": None, "behind": None, "demoted": "somebody demoted it",
            "by_hand": {"since": "2026-11-22T12:00:00Z", "left_s": None}}
    lone = {**PARIS, "tier": "lone", "role": "master", "demoted": None, "by_hand": None,
            "members": 5, "unconfirmed": 1}
    near = {**lone, "tier": "near", "role": "backup", "behind": 0}
    with Fake(home) as fake:
        fake.on("GET", "/.pond/status",
                lambda h: h.json({**STATUS, "tiers": [PARIS, core, {**lone, "behind": None}]}))
        result = pond(home, here, "status")
        fake.on("GET", "/.pond/status", lambda h: h.json({**STATUS, "tiers": [near, PARIS, core]}))
        stacked = pond(home, here, "status")
    expect(result, DONE)
    equal([re.split(r"  +", line) for line in result.text.splitlines()[1:5]],
          [["TIER", "ROLE", "MASTER", "ADDRESS", "BASE+SKEW", "EPOCH", "LAST ADVERT"],
           ["paris", "backup", "gw1.paris.example.com", "10.27.4.1", "1+100", "14", "0.4 s ago"],
           ["core", "slave", "-", "-", "-", "14", "-"],
           ["lone", "master", "gw1.paris.example.com", "10.27.4.1", "1+100", "14", "0.4 s ago"]])
    equal(result.text.splitlines()[5:9],
          ["BEHIND  paris: 3 changes of its master's catalogue are not here yet",
           "LEADS   lone: 5 members heard, 10.27.4.2 stands by, 1 put not confirmed",
           "DEMOTED paris: its clock is off, somebody demoted it (for another 14m 3s)",
           "DEMOTED core: somebody demoted it (until pond restore)"])
    for text in (result.text, stacked.text):
        assert "behind master by 3" in text, text


def case_peers_roles(home, here):
    """peers shows the roles of those that are heard in elections"""
    peer = {"address": "10.27.4.2", "member": True, "heard_s": 1, "used": True, "why": None,
            "avoided_for_s": 0}
    paris = {"tier": "paris", "role": "backup", "candidate": True, "base": 0.5, "skew": 7,
             "demoted": "its clock is off"}
    core = {"tier": "core", "role": "slave", "candidate": False, "base": 1, "skew": 0,
            "demoted": None}
    gone = {**paris, "believed": False, "demoted": None}
    peers = [{**peer, "node": "a", "tiers": [paris, core]}, {**peer, "node": "b", "tiers": []},
             {**peer, "node": "c", "heard_s": None, "tiers": [gone]}]
    with Fake(home) as fake:
        fake.on("GET", "/.pond/peers", lambda h: h.json({"format": 1, "peers": peers}))
        result = pond(home, here, "peers")
    expect(result, DONE)
    equal([re.split(r"  +", line) for line in result.text.splitlines()],
          [["NODE", "ADDRESS", "MEMBER", "HEARD", "ROLES", "USED"],
           ["a", "10.27.4.2", "yes", "1.0 s ago", "paris backup 0.5+7 demoted, core slave", "yes"],
           ["b", "10.27.4.2", "yes", "1.0 s ago", "-", "yes"],
           ["c", "10.27.4.2", "yes", "never", "paris candidate 0.5+7", "yes"]])


def case_refused(home, here):
    """a refusal exits 4 and prints the daemon's sentence, without what could drive a terminal"""
    with Fake(home) as fake:
        for status in (401, 403, 405, 409, 507, 508):
            fake.on("GET", "/.pond/peers", lambda h, s=status: h.say(s, "not for \033[2Jyou"))
            result = pond(home, here, "peers")
            expect(result, REFUSED, "pond: peers: not for ?[2Jyou\n")
        for status in (500, 503):
            fake.on("GET", "/.pond/peers", lambda h, s=status: h.say(s, "it broke"))
            expect(pond(home, here, "peers"), FAILED, "it broke")
        fake.on("GET", "/.pond/peers", lambda h: h.whole(418, b""))
        expect(pond(home, here, "peers"), REFUSED, "HTTP status 418")


def case_no_access(home, here):
    """a socket that may not be used exits 4, and says who may"""
    nobody = {"user": 65534} if os.geteuid() == 0 else {}
    with Fake(home) as fake:
        os.chmod(fake.path, 0)  # which stops everyone but root
        os.chmod(os.path.dirname(home), 0o755)
        result = Result(start(home, "/", "status", **nobody))
    expect(result, REFUSED, "socket_group")


def case_stale_socket(home, here):
    """a socket that nobody listens on is no daemon"""
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(os.path.join(home, "carpond.sock"))
    stale.close()
    expect(pond(home, here, "status"), NO_DAEMON, "carpond.sock")


def case_not_carpond(home, here):
    """answers that make no sense are errors, never crashes"""
    with Fake(home) as fake:
        for body in (b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"domain": 7}', b"{" * 100000):
            fake.on("GET", "/.pond/status", lambda h, b=body: h.whole(200, b))
            expect(pond(home, here, "ls"), FAILED, "is it carpond?")
        fake.on("GET", "/.pond/status", lambda h: h.wfile.write(b"SSH-2.0-OpenSSH\r\n"))
        equal(pond(home, here, "status").status, FAILED)
        fake.on("GET", "/.pond/status", lambda h: h.head(200, Content_Length=100))
        fake.server.RequestHandlerClass.timeout = 0.2
        expect(pond(home, here, "status"), FAILED, "broke off")
        fake.server.RequestHandlerClass.timeout = None
        fake.on("GET", "/.pond/status", lambda h: h.head(307, Location="/x", Content_Length=0))
        expect(pond(home, here, "status"), FAILED, "307")


def case_closed_pipe(home, here):
    """a reader that goes away ends pond quietly"""
    with Fake(home) as fake:
        fake.on("GET", "/.pond/list", paged)
        process = subprocess.run(
            ["sh", "-c", '"$0" --home "$1" ls | head -n 0', POND, home], cwd=here,
            env=environment(), capture_output=True, timeout=60, check=True)
    equal(process.stderr, b"")
