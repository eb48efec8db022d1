# SPDX-License-Identifier: ISC
"""Examples that a reader types, of pond(1), carpond(8) and carpond-http(7)."""

import os
import re
import shutil

from plays import commands_of, expect, plays, typed
from plays_files import write_keys


def mesh(stage, *names):
    """Hosts of one mesh."""
    hosts = [stage.host(name, f"10.27.4.{i}") for i, name in enumerate(names, 1)]
    for host in hosts:
        host.write("main.cf", 'defaults = { domain = "example.com"; hmac_keys = "keys";\n'
                   'nets = "nets/paris"; nobroadcast = true; };\n')
        write_keys(host)
        host.write("nets/paris", "".join(f"udp 10.27.4.{i + 1}\n" for i in range(len(names))))
        host.start()
    return hosts


def make_archive(host):
    """foo.tar.gz, with one file in it."""
    host.types("echo 42 > answer", "tar -czf foo.tar.gz answer", "rm answer")


def content(host, name):
    with open(os.path.join(host.here, name), "rb") as file:
        return file.read()


@plays("pond.1", "host1$ pond put")
def put_and_get(stage, one):
    """Each line on the host that its prompt names."""
    hosts = {host.name: host for host in mesh(stage, "host1", "host2")}
    make_archive(hosts["host1"])
    for line in one.text.splitlines():
        name, command = line.split("$ ", 1)
        if name == "host2":
            hosts[name].knows("pkgs/foo.tar.gz")
        hosts[name].types(command)
    assert content(hosts["host1"], "foo.tar.gz") == content(hosts["host2"], "foo.tar.gz")


@plays("pond.1", "$ set -o pipefail")
def unpack(stage, one):
    """In a shell that knows pipefail; and what breaks off is noticed."""
    bash = shutil.which("bash")
    if not bash:
        return "no bash here"
    (host,) = mesh(stage, "host1")
    make_archive(host)
    host.types("pond put foo.tar.gz pkgs/foo.tar.gz")
    host.types(*commands_of(one), program=bash)
    assert content(host, "answer") == b"42\n"
    host.types("pond rm pkgs/foo.tar.gz")
    try:
        host.types(*commands_of(one), program=bash)
    except AssertionError as error:
        assert "exit status" in str(error), error
        return None
    raise AssertionError("it passes without the file")


@plays("pond.1", "$ pond ls pkgs --json | jq")
def names_for_a_script(stage, one):
    if not shutil.which("jq"):
        return "no jq here"
    (host,) = mesh(stage, "host1")
    host.types("echo 1 > a", "pond put a pkgs/a", "pond put a pkgs/b", "pond put a other")
    assert host.types(*commands_of(one)) == "example.com/pkgs/a\nexample.com/pkgs/b\n"
    return None


@plays("pond.1", "$ curl --unix-socket")
def curl_over_the_socket(stage, one):
    if not shutil.which("curl"):
        return "no curl here"
    (host,) = mesh(stage, "host1")
    make_archive(host)
    host.types("pond put foo.tar.gz pkgs/foo.tar.gz", "mv foo.tar.gz put.tar.gz")
    host.types(*commands_of(one))
    assert content(host, "foo.tar.gz") == content(host, "put.tar.gz")
    return None


@plays("carpond.8", "$ echo 'defaults = {")
def try_it(stage, one):
    """As any user, with nothing made before; a moment passes before the next line is typed."""
    host = stage.host("laptop", "192.0.2.99", bare=True)
    with host.shell() as shell:
        for command in commands_of(one):
            printed = shell.type(host.real(command))
            if command.endswith("&"):
                shell.logs(" is ready: ")
    assert printed.startswith("laptop   up "), printed
    assert "1 object" in printed, printed


HTTP = "carpond-http.7"


def masked(line):
    """The version is another each time."""
    return re.sub(r"\b\d{13}\.\d+", "VERSION", line)


@plays(HTTP, "$ curl -sI http:", "$ curl -s -r 0-1", "$ curl -s --unix-socket",
       "$ curl -s http://127.0.0.1:65028/.pond/metrics")
def curl(stage, *examples):
    """In their order, with foo.tar.gz put in as the page has it; what is printed is as it shows."""
    missing = [program for program in ("curl", "jq") if not shutil.which(program)]
    if missing:
        return f"no {' and no '.join(missing)} here"
    (host,) = mesh(stage, "host1")
    host.types("printf '42\\n' > foo.tar.gz", "pond put foo.tar.gz pkgs/foo.tar.gz",
               "mv foo.tar.gz kept")
    with host.shell() as shell:
        for example in examples:
            for command, printed in typed(example):
                expect(printed, shell.type(host.real(command)).splitlines(), masked)
    assert content(host, "foo.tar.gz") == content(host, "kept")
    return None
