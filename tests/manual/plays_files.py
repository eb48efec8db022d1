# SPDX-License-Identifier: ISC
"""Examples that a reader writes into files: main.cf, nets, keys and rules."""

import os
import re
import stat

from plays import block, commands_of, left_out, plays

KEYS = ("carpond-keys.5", "# since November")
NETS = ("carpond-nets.5", "# nets/mesh")
RULES = ("carpond-rules.5", "#         sign, port")
MAIN = ("main.cf.5", "defaults = {")
left_out("carpond-keys.5", "the package makes that user", "chown carpond keys")
ONE_KEY = "defaults = { hmac_keys = \"keys\"; };\n"


def write_keys(host):
    host.write("keys", block(*KEYS).text, 0o600)


@plays(*KEYS)
def key_file(stage, one):
    host = stage.host("web1", "192.0.2.11")
    host.write("main.cf", ONE_KEY)
    host.write("keys", one.text, 0o600)
    host.check()
    assert "// keys: 2\n" in host.check("--host", "web1"), "both are read"


@plays("carpond-keys.5", "(umask 077; pond key new > keys)")
def new_key(stage, one):
    host = stage.host("web1")
    host.here = host.etc  # where main.cf looks for it
    host.write("main.cf", ONE_KEY)
    host.types(*commands_of(one))
    assert stat.S_IMODE(os.stat(os.path.join(host.etc, "keys")).st_mode) == 0o600
    assert "// keys: 1\n" in host.check("--host", "web1")


@plays(*NETS)
def nets_file(stage, one):
    """Who is named alone and who is of a network hand each other files."""
    name = one.text.splitlines()[0].removeprefix("# ")
    hosts = [stage.host("build1", "192.0.2.11"), stage.host("web1", "192.0.2.70")]
    for host in hosts:
        host.write("main.cf", 'defaults = { hmac_keys = "keys"; nobroadcast = true; '
                   f'nets = "{name}"; }};\n')
        write_keys(host)
        host.write(name, one.text)
        host.check()
        host.start()
    assert "// tier mesh: peer" in hosts[0].check("--host", "build1")
    hosts[1].types("echo 42 > a", "pond put a")
    hosts[0].knows("a")
    assert hosts[0].types("pond get a", "cat a") == "42\n"


@plays(*MAIN)
def main_cf(stage, one):
    host = stage.host("web3.example.com", "192.0.2.11")
    host.write("main.cf", one.text)
    write_keys(host)
    host.write("nets/mesh", block(*NETS).text)
    host.check()
    build1, web3 = (host.check("--host", name + ".example.com") for name in ("build1", "web3"))
    assert 'cache_size = "100G"' in build1 and "monitors" not in build1, build1
    assert 'monitors = [ "192.0.2.50" ]' in web3 and '"100G"' not in web3, web3


@plays("main.cf.5", "$ (umask 077; pond key new > /etc/carpond/gossip-secret)")
def discovery(stage, one):
    """The command makes the secret; the rest is main.cf, with a nets file in its comment."""
    first, rest = one.text.split("\n", 1)
    host = stage.host("web1", "10.27.4.11")
    host.write("main.cf", rest)
    write_keys(host)
    host.write("nets/web", re.search(r"nets/web.*// (udp .*)", rest)[1] + "\n")
    host.types(first.removeprefix("$ "))
    host.check()
    told = host.check("--host", "web1")
    assert "gossip = {" in told and 'secret = "gossip-secret"' in told, told
    host.start()


@plays("carpond-vip.8", "tiers = {")
def virtual_address(stage, one):
    """Both candidates of the tier would run it, with the program as it is installed."""
    host = stage.host("gw1.paris.example.com", "10.27.4.1")
    host.write("main.cf", 'defaults = { hmac_keys = "keys"; nets = "nets/paris";\n'
               f"nobroadcast = true;\n{one.text}}};\n")
    write_keys(host)
    host.write("nets/paris", block("README", "udp 10.27.4.1").text)
    host.check()
    told = host.check("--host", "gw1.paris.example.com")
    for hook, deed in ("on_master", "add"), ("on_backup", "del"):
        line = rf'{hook} = "exec /\S*/carpond-vip {deed} 10\.27\.4\.100/24 eth0"'
        assert re.search(line, told), told


# ---- rules


def gateway(stage, rules):
    """gw1 and the vault host, in a mesh with these rules in force."""
    hosts = [stage.host(name, address)
             for name, address in (("gw1", "10.27.4.1"), ("vault", "10.27.4.9"))]
    for host in hosts:
        host.write("main.cf", 'defaults = { domain = "example.com"; hmac_keys = "keys";\n'
                   'nets = "nets/paris"; nobroadcast = true; gate = "rules"; };\n')
        write_keys(host)
        host.write("nets/paris", "udp 10.27.4.1\nudp 10.27.4.9\n")
        host.write("rules", rules)
        host.check()
        host.start()
    return hosts


def numbers(text):
    return re.findall(r"^rule(\d+)", text, flags=re.M)


@plays(*RULES)
def rules_file(stage, one):
    """All are in force, and each decides about what its description says."""
    gw1, _ = gateway(stage, one.text)
    shown = gw1.types("pond gate")
    for number in numbers(one.text):
        assert f"rule{number} = " in shown, f"rule {number} is not in:\n{shown}"
    for words, number in (
            ("message=sendme sender=10.27.4.7 namespace=example.com/secret/a", "010"),
            ("message=sendme sender=10.27.4.9 namespace=example.com/secret/a port=65028", "011"),
            ("message=ihave sender=sun.example.com namespace=example.com/x", "020"),
            ("message=put sender=10.9.4.4 namespace=example.com/x", "030")):
        said = gw1.types(f"pond gate --test '{words}'")
        assert number in said, f"{words}: not rule {number}, but {said}"


@plays("carpond-rules.5", "rule010 = -,,sendme,example.com/secret,0.0.0.0/0")
def rules_by_address(stage, one):
    """What a candidate asks for others rules judge that name a sender, and no others."""
    host = stage.host("gw1", "10.27.4.1")
    host.write("main.cf", 'defaults = { domain = "example.com"; hmac_keys = "keys"; gate = "rules";\n'
               'nets = "nets/paris"; nobroadcast = true; };\n')
    write_keys(host)
    host.write("nets/paris", block("README", "udp 10.27.4.1").text)
    host.write("rules", block(*RULES).text)
    host.check()
    host.start()
    decide(host, {"10.27.4.30": "010", "10.27.4.2": None, "2001:db8::1": "010", "10.27.4.9": None})
    host.write("rules", one.text)
    host.types("pond check", "pond reload")
    decide(host, {"10.27.4.30": "010", "10.27.4.2": "010", "2001:db8::1": "011", "10.27.4.9": None})


def decide(host, refused):
    """Who gets the secret, and which rule keeps it from the others."""
    for sender, number in refused.items():
        said = host.types(f"pond gate --test 'message=sendme sender={sender} port=65028 "
                          "namespace=example.com/secret/a'")
        assert said.startswith("is refused" if number else "passes"), f"{sender}: {said}"
        assert not number or f"rule {number} " in said, f"{sender}: {said}"


@plays("carpond-rules.5", "pond gate --test")
def rules_asked(stage, one):
    """Of the page's own rules the first one lets that pass."""
    gw1, _ = gateway(stage, block(*RULES).text)
    said = gw1.types(*commands_of(one))
    assert said.startswith("passes") and "001" in said, said


@plays("carpond-rules.5", "+ gate=65028")
def rules_logged(stage, one):
    """The vault host gets what only it may have, and gw1's log says so in these words."""
    gw1, vault = gateway(stage, block(*RULES).text)
    gw1.types("echo 42 > a", "pond put a secret/a")
    vault.knows("secret/a")
    vault.types("pond get secret/a")
    line = re.sub(r"\\\n\s*", "", one.text).strip()
    gw1.logs(re.escape(line) + "\n")
