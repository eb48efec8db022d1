# SPDX-License-Identifier: ISC
"""README: the five-minute mesh, tiers, what one sees, operating."""

import os
import pty
import re
import select
import shutil
import subprocess
import time

from plays import block, commands_of, expect, left_out, missing, plays, typed
from stage import MOST_S, wait_until

R = "README"
MESH_KEY = "(umask 077; pond key new > /etc/carpond/keys)"
MESH_NETS = "udp 10.1.0.17"
MESH_MAIN = 'defaults = {\n  domain = "example.com";\n  hmac_keys = "keys";\n  nets'
GOSSIP = "gossip = {"
PARIS_NETS = "udp 10.27.4.1       master     # candidates"
PARIS_HOSTS = "hosts = (\n"
STACK_NETS = "udp 10.0.0.1"
STACK_MAIN = 'defaults = {\n  domain = "example.com";\n  hmac_keys = "keys";\n  nobroadcast'
RULES = "rule010 = "
ASK_RULES = "pond gate --test"

left_out(R, "it installs packages and builds",
         "./tools/demo [FILE]     seven nodes in three tiers on this machine pass files up and "
         "down",
         "./tools/check           installs what is needed, builds, and runs every test")
left_out(R, "make check runs this test",
         "autoreconf -i && ./configure && make && make check", "sudo make install")
left_out(R, "tools/check package does it, into a clean root",
         "sudo apt-get build-dep ./",
         "dpkg-buildpackage -b -us -uc            # DEB_BUILD_OPTIONS=nocheck leaves the tests out",
         "sudo apt-get install ../carpond_*.deb")
left_out(R, "the service is installed by the package",
         "systemctl restart carpond        # or without systemd: carpond",
         "systemctl status carpond       # its state, and in one line what this node is in each "
         "tier",
         "systemctl reload carpond       # pond reload: all applied when it returns, or nothing "
         "and status 1",
         "systemctl restart carpond      # hands mastership over, finishes what is served, starts "
         "anew",
         "journalctl -u carpond -p warning       # what may want you; -p info is all but the "
         "details")
left_out(R, "the package makes that user", "chown carpond /etc/carpond/keys")
left_out(R, "a part of the service's unit",
         "[Service]",
         "CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW",
         "AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW",
         "ReadWritePaths=/srv/carpond")


def text_of(begins):
    return block(R, begins).text


def copy_keys(hosts):
    """Made on the first one by README's command, and copied to every other."""
    hosts[0].types(*commands_of(block(R, MESH_KEY)))
    with open(os.path.join(hosts[0].etc, "keys"), encoding="utf-8") as file:
        key = file.read()
    for host in hosts[1:]:
        host.write("keys", key, 0o600)


def office(stage):
    """The five-minute mesh: two hosts that are named alone, and one of the network."""
    hosts = [stage.host("build1.example.com", "10.1.0.17"),
             stage.host("build2.example.com", "10.1.0.18"),
             stage.host("web7.example.com", "10.1.0.30")]
    copy_keys(hosts)
    for host in hosts:
        host.write("nets/office", text_of(MESH_NETS))
        host.write("main.cf", text_of(MESH_MAIN))
    return hosts


@plays(R, MESH_KEY, MESH_NETS, MESH_MAIN)
def mesh_files(stage, *_):
    """They are sound on each host, and what the daemon starts with."""
    for host in office(stage):
        host.check()
        assert "// tier office: peer" in host.check("--host", host.name)
        host.start()


@plays(R, "pond check")
def mesh_check(stage, one):
    for host in office(stage):
        printed = host.types(*commands_of(one))
        assert "// web7.example.com\n" in printed and "// tier office: peer" in printed, printed


@plays(R, "pond put build-42.tar.gz")
def mesh_use(stage, one):
    """What is meant for another host than the first is typed there."""
    hosts = [host.start() for host in office(stage)]
    hosts[0].types("echo 42 > build-42.tar.gz")
    for command in commands_of(one):
        host = hosts[2] if "# on any other" in command else hosts[0]
        if host == hosts[2]:
            host.knows("pkgs/build-42.tar.gz")
        printed = host.types(command)
        if command.startswith("pond ls"):
            assert "pkgs/build-42.tar.gz" in printed, printed
    assert printed.startswith("build1.example.com   up "), printed
    hosts[2].types("grep 42 build-42.tar.gz")


@plays(R, GOSSIP)
def mesh_gossip(stage, one):
    """In main.cf's defaults, with the command of its comment."""
    setting, command = re.fullmatch(r"(.*;) +// (.*)\n", one.text).groups()
    hosts = office(stage)[:1]
    for host in hosts:
        host.write("main.cf", text_of(MESH_MAIN).replace("};", f"  {setting}\n}};"))
        host.here = host.etc
        host.types(command)
        host.check()
        assert 'secret = "gossip-secret"' in host.check("--host", host.name)
        host.start()


# ---- tiers


def paris(stage):
    """Two gateways and a host behind them, which is in the mesh of an office too."""
    hosts = [stage.host("gw1.paris.example.com", "10.27.4.1"),
             stage.host("gw2.paris.example.com", "10.27.4.2"),
             stage.host("web7.paris.example.com", "10.27.4.30", "10.1.0.17")]
    copy_keys(hosts)
    sections = text_of(PARIS_HOSTS).replace(
        "hosts = (\n", 'hosts = (\n  { match = "web7.paris.example.com"; cache_size = "100G";\n'
        '    nets = [ "nets/office", "nets/paris" ]; },\n')
    for host in hosts:
        host.write("nets/office", text_of(MESH_NETS))
        host.write("nets/paris", text_of(PARIS_NETS))
        host.write("main.cf", 'defaults = { domain = "example.com"; hmac_keys = "keys"; '
                   f'nobroadcast = true; }};\n{sections}')
    return hosts


@plays(R, PARIS_NETS, PARIS_HOSTS)
def paris_files(stage, *_):
    for host in paris(stage):
        host.write("main.cf", 'defaults = { domain = "example.com"; hmac_keys = "keys"; '
                   f'nobroadcast = true; }};\n{text_of(PARIS_HOSTS)}')
        host.check()
        role = "candidate" if host.name.startswith("gw") else "slave"
        told = host.check("--host", host.name)
        assert f"// tier paris: {role}" in told, told


def follow(hosts, master):
    """Waits until all do."""
    for host in hosts:
        wait_until(lambda: re.search(rf"^paris +(\w+) +{re.escape(master)} ",
                                     host.types("pond status"), flags=re.M),
                   lambda: f"{host.name} does not follow {master}:\n{host.log}")


def masked(line):
    """What is another each time is left out: times, counts, versions, epochs, sizes."""
    line = re.sub(r"\bup .*? (?=carpond )", "up T ", line)
    line = re.sub(r"carpond \d\S*", "carpond V", line)
    line = re.sub(r" \S+ [\d.]+ m?s ago$", " EPOCH T ago", line)
    line = re.sub(r"for another [^)]*", "for another T", line)
    line = re.sub(r"[\d,]+ objects?", "N objects", line)
    line = re.sub(r"\d+ (known|usable)", r"N \1", line)
    line = re.sub(r"objects [\d.]+( [KMGT]?i?B)? of", "objects N of", line)
    return re.sub(r"hits [\d.]+ %", "hits N %", line)


def play_shown(host, one):
    """Each command prints what README shows; the status comes to it."""
    for command, printed in typed(one):
        if command == "pond status":
            wait_until(lambda: not missing(printed, host.types("pond status").splitlines(), masked),
                       lambda: f"not as README has it: {host.types('pond status')}")
        else:
            expect(printed, host.types(command).splitlines())


@plays(R, "$ pond status\nweb7.paris")
def paris_status(stage, one):
    hosts = [host.start() for host in paris(stage)]
    follow(hosts, "gw1.paris.example.com")
    hosts[2].types("echo 42 > a", "pond put a", "pond get a -o -")
    play_shown(hosts[2], one)


@plays(R, "$ pond demote paris")
def paris_demote(stage, one):
    hosts = [host.start() for host in paris(stage)]
    follow(hosts, "gw1.paris.example.com")
    play_shown(hosts[0], one)
    follow(hosts, "gw2.paris.example.com")


def stack(stage):
    """Hosts of each kind of two tiers, one below the other. Which gateway has which addresses,
    main.cf says: pond check could ask the kernel on real ones."""
    hosts = [stage.host("core1", "10.0.0.1", listed=True),
             stage.host("core2", "10.0.0.2", listed=True),
             stage.host("gw1.paris.example.com", "10.0.0.11", "10.27.4.1", listed=True),
             stage.host("gw2.paris.example.com", "10.0.0.12", "10.27.4.2", listed=True),
             stage.host("web7.paris.example.com", "10.27.4.30", listed=True)]
    copy_keys(hosts)
    core, site = text_of(STACK_NETS).split("\n\n")
    main_cf = text_of(STACK_MAIN)
    for host, section in zip(hosts, re.findall(r"^  \{ match = \S+;", main_cf, flags=re.M)):
        addresses = ", ".join(f'"{address}"' for address in host.addresses)
        main_cf = main_cf.replace(section, f"{section} address = [ {addresses} ];")
    for host in hosts:
        host.write("nets/core", core + "\n")
        host.write("nets/paris", site)
        host.write("main.cf", main_cf)
    return hosts


ROLES = {"co": {"core": "candidate"}, "gw": {"core": "slave", "paris": "candidate"},
         "we": {"paris": "slave"}}


@plays(R, STACK_NETS, STACK_MAIN)
def stack_files(stage, *_):
    """Started in any order, they elect their masters, and a file goes from top to bottom."""
    hosts = stack(stage)
    for host in hosts:
        host.check()
        told = host.check("--host", host.name).split("// keys")[1]
        for tier, role in ROLES[host.name[:2]].items():
            assert f"// tier {tier}: {role}" in told, told
    for host in reversed(hosts):
        host.start()
    hosts[0].types("echo 42 > a", "pond put a pkgs/a")
    follow(hosts[2:], "gw1.paris.example.com")
    hosts[4].knows("pkgs/a")
    assert hosts[4].types("pond get pkgs/a", "cat a") == "42\n"


# ---- what one sees


@plays(R, "- gate=65027")
def not_a_member(stage, one):
    """A host that is in nobody's nets file asks; web7's log has the line."""
    web7, stranger = stage.host("web7", "10.1.0.30"), stage.host("stranger", "10.9.9.9")
    copy_keys([web7, stranger])
    for host in web7, stranger:
        host.write("nets/office", text_of(MESH_NETS))
        host.write("main.cf", text_of(MESH_MAIN))
    stranger.write("nets/office", "udp 10.9.9.9\nudp 10.1.0.30\n")
    web7.start()
    stranger.start()
    stranger.types("pond whohas x || test $? = 3")
    web7.logs(re.escape(one.text))


@plays(R, "curl -O")
def curl(stage, one):
    if not shutil.which("curl"):
        return "no curl here"
    hosts = [host.start() for host in office(stage)]
    hosts[1].types("echo 42 > a", "pond put a pkgs/build-42.tar.gz")
    hosts[0].knows("pkgs/build-42.tar.gz")
    printed = hosts[0].types(*commands_of(one))
    assert re.search(r"^pond_objects 1$", printed, flags=re.M), printed
    hosts[0].types("grep 42 build-42.tar.gz")
    return None


# ---- rules, operating


def ruled(stage):
    host = office(stage)[0]
    host.write("main.cf", text_of(MESH_MAIN).replace("};", '  gate = "rules";\n};'))
    host.write("rules", text_of(RULES))
    host.check()
    return host.start()


@plays(R, RULES)
def rules(stage, one):
    host = ruled(stage)
    shown = host.types("pond gate")
    for number, text in re.findall(r"^rule(\d+) = .*,\s*(\S.*)$", one.text, flags=re.M):
        assert re.search(rf"rule{number} = .*{re.escape(text)}$", shown, flags=re.M), shown


@plays(R, ASK_RULES)
def rules_asked(stage, one):
    """The vault host may, the next one may not."""
    host = ruled(stage)
    (command,) = commands_of(one)
    said = host.types(command)
    assert said.startswith("passes") and "011" in said, said
    said = host.types(command.replace("10.27.4.9", "10.27.4.10"))
    assert not said.startswith("passes") and "010" in said, said


@plays(R, "systemctl status carpond")
def operate(stage, one):
    """What systemd is not needed for; and the status is watched on a terminal, until q."""
    host = office(stage)[0].start()
    commands = commands_of(one)
    assert [command.split("#")[0].strip() for command in commands] == \
        ["pond log-level debug", "pond status --watch"], commands
    host.types(commands[0])
    ours, terminal = pty.openpty()
    run = subprocess.Popen(["sh", "-c", host.real(commands[1])], env=host.environment() |
                           {"TERM": "xterm"}, stdin=terminal, stdout=terminal, stderr=terminal,
                           cwd=host.here, start_new_session=True)
    os.close(terminal)
    try:
        seen, end = b"", time.monotonic() + MOST_S
        while b"CACHE" not in seen:
            assert select.select([ours], [], [], max(0, end - time.monotonic()))[0], seen
            seen += os.read(ours, 4096)
        os.write(ours, b"q")
        assert run.wait(MOST_S) == 0
    finally:
        run.kill()
        run.wait()
        os.close(ours)
