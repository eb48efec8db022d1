# SPDX-License-Identifier: ISC
"""The rules of the gate: what is kept out, from whom, and how that is told."""

import json
import os

from net import check, contains, equal, wait_until
from node import DONE, DOMAIN, FAILED, NOT_FOUND, USAGE, cluster, curl, everyone_knows, sha256
from registry import test
from stack import Stack

SECRET, PUBLIC = b"what only the vault host may have\n", b"what everybody may have\n"


def write_rules(node, *lines):
    with open(os.path.join(node.folder, "rules"), "w", encoding="utf-8") as file:
        file.write("".join(line + "\n" for line in lines))


def rule(node, *lines):
    """These are in force from now on."""
    write_rules(node, *lines)
    if node.settings.get("gate") != "rules":
        node.settings["gate"] = "rules"
        node.write_config()
    return node.done("reload")


def hits(node):
    """{number: hits} of the rules in force."""
    return {row["number"]: row["hits"]
            for row in json.loads(node.done("gate", "--json"))["rules"]}


def passes(node, **words):
    told = node.done("gate", "--json", "--test", " ".join(f"{k}={v}" for k, v in words.items()))
    return json.loads(told)["passes"]


def gets(node, name):
    run = node.pond("get", name, "-o", "-", text=False)
    return run.stdout if run.returncode == DONE else None


@test("nothing comes from a host that a rule names, and nothing goes to it, until a reload")
def gate_nothing_from_sun(net):
    first, sun = cluster(net, 2)
    told = rule(first, f"rule020 = -,,,,{sun.name}, nothing from sun")
    contains(told, "rules of the gate", "what pond reload says")
    first.put("mine", PUBLIC)
    sun.put("theirs", PUBLIC)
    wait_until(lambda: first.refused("rule") > 0, "the announcement is refused, and counted")
    first.logged(r"- gate=65027 message=ihave namespace=test\.example/theirs sender=10\.77\.0\.2 "
                 rf"\({sun.name}\) receiver={first.name} rule=020 nothing from sun\n")
    equal(sun.pond("get", "mine", "-o", "-").returncode, NOT_FOUND, "get by sun")
    equal(first.pond("get", "theirs", "-o", "-").returncode, NOT_FOUND, "get from sun")
    check(hits(first)[20] > 0, "the rule has no hits")
    check(not passes(first, message="put", sender=sun.name), "a put by sun would pass")
    check(not passes(first, message="put", sender=sun.host.v4), "a put from there would pass")
    equal(first.pond("gate", "--test", "message=nothing").returncode, USAGE, "nonsense")

    write_rules(first, "rule020 = -,,,,nobody, nothing from nobody", "rule021 = -,,take,,, x")
    run = first.pond("reload")
    equal(run.returncode, FAILED, "reload of a file with an error")
    contains(run.stdout + run.stderr, "rules:2: ", "the place of the error")
    check(not passes(first, message="put", sender=sun.name), "the rules in force are gone")

    rule(first, "rule001 = -,,put,,, nobody puts")
    wait_until(lambda: gets(first, "theirs") == PUBLIC, "get from sun")
    wait_until(lambda: gets(sun, "mine") == PUBLIC, "get by sun")


@test("what is kept from a host is in no catalogue, manifest, chunk list or batch for it")
def gate_left_out(net):
    first, second = cluster(net, 2, plain_get=True)
    content = os.urandom(300000)
    rule(first, "rule010 = -,,sendme,secret,, nobody fetches secrets")
    for name in ("secret/a", "secret/b"):
        first.put(name, SECRET + name.encode())
    first.put("secret/big", content)
    first.put("public", PUBLIC)
    everyone_knows([second], "public")

    def ask(path):
        return curl(second.host, first.url(path))

    for path in ("/.pond/catalogue?store=0000000000000000&since=0", "/.pond/catalogue?from=&to=",
                 "/.pond/ranges?from=&to=&parts=256"):
        answer = ask(path)
        equal(answer.status, 200, path)
        check(b"secret" not in answer.body, f"{path} tells of secrets: {answer.body!r}")
    contains(ask("/.pond/catalogue?from=&to=").body, b"/public", "the catalogue")
    equal(ask("/.pond/ranges?from=&to=&parts=1").body.split(b" ")[0], b"1", "names in all")
    answer = ask("secret/a")
    equal(answer.status, 403, "GET of a secret")
    equal(answer.body.decode(),
          "rule 010 of this node's gate keeps it out: nobody fetches secrets\n", "the reason")
    equal(ask(f"/.pond/manifest/{DOMAIN}/secret/a").status, 403, "its manifest")
    equal(ask(f"/.pond/chunks/{sha256(content)}").status, 404, "the chunk list of a secret")
    first_secret = sha256(SECRET + b"secret/a")
    batch = ask(f"/.pond/contents?of={first_secret},{sha256(PUBLIC)}")
    equal((batch.status, SECRET in batch.body, PUBLIC in batch.body), (200, False, True), "a batch")
    first.logged(r"- gate=65028 message=sendme namespace=test\.example/secret/a "
                 r"sender=10\.77\.0\.2 .*rule=010 nobody fetches secrets")

    # The same bytes under a name that may be had are had.
    first.put("copy", content)
    equal(second.get("copy") == content, True, "a public copy of a secret")
    equal(first.get("secret/a"), SECRET + b"secret/a", "the own host")
    check(not second.knows("secret/a"), "the other host knows of it")
    # Who is refused one name is served the others at once.
    equal(second.pond("get", "secret/b", "-o", "-").returncode, NOT_FOUND, "get of a secret")
    first.put("later", PUBLIC)
    equal(second.get("later"), PUBLIC, "what comes after a refusal")


@test("secrets go down to the one host that may have them, through candidates who ask for it")
def gate_secrets_through_tiers(net):
    stack = Stack(net, core=2, paris=(1, 2), plain_get=True, start=False)
    vault, other = stack.sites["paris"].slaves
    gateway = stack.sites["paris"].candidates[0]
    rules = ("rule010 = -,,sendme,example/secret,, not this one",
             f"rule011 = -,,sendme,{DOMAIN}/secret,, nobody fetches secrets",
             f"rule012 = +,65028,sendme,secret,{vault.host.v4}, but the vault host does")
    for node in stack.nodes:
        write_rules(node, *rules)
        node.settings["gate"] = "rules"
        node.write_config()
    stack.start()
    for node in stack.core.nodes:
        wait_until(lambda node=node: passes(node, message="sendme", sender=gateway.name,
                                            namespace="secret/x"),
                   f"{node.name} knows that the gateway asks for others")
    top = stack.core.nodes[0]
    top.put("secret/a", SECRET)
    top.put("public", PUBLIC)
    everyone_knows([vault, other], "public")
    wait_until(lambda: gets(vault, "secret/a") == SECRET, "the vault host gets the secret")
    gateway.logged(r"\+ gate=65028 message=sendme namespace=test\.example/secret/a "
                   rf"sender={vault.host.v4} .*rule=012 but the vault host does")
    equal(other.pond("get", "secret/a", "-o", "-").returncode, NOT_FOUND, "get by another host")
    equal(curl(other.host, gateway.url("secret/a")).status, 403, "curl by another host")
    equal(other.get("public"), PUBLIC, "get of what is public")
    check(not other.knows("secret/a"), "another host knows of the secret")
    for node in stack.core.nodes:
        equal(node.refused("rule"), 0, f"refused by rules at {node.name}")
