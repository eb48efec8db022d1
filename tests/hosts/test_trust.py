# SPDX-License-Identifier: ISC
"""Who is let in: members and outsiders, keys, signatures, replays."""

import threading

import wire
from net import check, contains, equal, wait_until
from node import HTTP_PORT, KEY, NOT_FOUND, PORT, Node, cluster, everyone_knows, nets_of
from registry import test

CONTENT = b"for members alone\n"


@test("an outsider is refused, datagrams and HTTP; it is counted and logged", hostile=True)
def an_outsider_is_refused(net):
    first, second = cluster(net, 2)
    third = net.add(1)[0]
    outsider = Node(third, nets=nets_of(net.hosts), nobroadcast=True).start()
    first.put("secret", CONTENT)
    outsider.put("foreign", CONTENT)
    wait_until(lambda: first.refused("not_member") > 0, "the datagram is counted")
    line = first.logged(r".*sender=10\.77\.0\.3.*not a member.*")[0]
    contains(line, "gate=65027", "the log line")
    answer = first.curl("secret", host=third)
    equal(answer.status, 403, "curl from the outsider")
    contains(answer.body.decode(), "not a member", "its reason")
    first.logged(r"gate=65028 .*sender=10\.77\.0\.3.*not a member")
    equal(outsider.pond("get", "secret", "-o", "-").returncode, NOT_FOUND, "get by the outsider")
    check(not first.knows("foreign") and not second.knows("foreign"), "its object was taken")


@test("a host with a wrong key is refused, and cannot read", hostile=True)
def a_wrong_key_is_refused(net):
    hosts = net.add(3)
    first, second = [Node(h, nets=nets_of(hosts), nobroadcast=True).start() for h in hosts[:2]]
    wrong = Node(hosts[2], nets=nets_of(hosts), nobroadcast=True,
                 keys=["another-key-that-nobody-else-has-012345"]).start()
    first.put("secret", CONTENT)
    wrong.put("forged", CONTENT)
    wait_until(lambda: first.refused("wrong_key") > 0, "it is counted")
    first.logged(r"sender=10\.77\.0\.3.*key")
    equal(wrong.pond("get", "secret", "-o", "-").returncode, NOT_FOUND, "get with the wrong key")
    equal(second.get("secret"), CONTENT, "get with the right one")
    check(not first.knows("forged"), "an object signed with the wrong key was taken")


@test("what is unsigned is refused with enforce, and taken with permissive", hostile=True)
def unsigned_messages(net):
    hosts = net.add(3)
    nets = nets_of(hosts)
    enforcing = Node(hosts[0], nets=nets, nobroadcast=True).start()
    permissive = Node(hosts[1], nets=nets, nobroadcast=True, auth="permissive").start()
    unsigned = Node(hosts[2], nets=nets, nobroadcast=True, auth="receive-only").start()
    unsigned.put("plain", CONTENT)
    everyone_knows((permissive,), "plain")
    equal(permissive.get("plain"), CONTENT, "an object of a host that does not sign")
    wait_until(lambda: enforcing.refused("unsigned") > 0, "it is counted where it is refused")
    enforcing.logged(r"sender=10\.77\.0\.3.*not signed")
    check(not enforcing.knows("plain"), "an unsigned announcement was taken")
    permissive.put("signed", CONTENT)
    everyone_knows((enforcing, unsigned), "signed")


@test("unsigned GET by a member is 401, and 200 with plain_get")
def plain_get(net):
    hosts = net.add(2)
    nodes = [Node(host, nets=nets_of(hosts), nobroadcast=True, plain_get=host.number == 2).start()
             for host in hosts]
    nodes[0].put("file", CONTENT)
    equal(nodes[1].get("file"), CONTENT, "get")
    equal(nodes[0].curl("file", host=hosts[1]).status, 401, "curl without plain_get")
    equal(nodes[1].curl("file", host=hosts[0]).body, CONTENT, "curl with plain_get")


@test("keys are rotated without a gap")
def key_rotation(net):
    nodes = cluster(net, 2)
    second = "the-second-key-0123456789-0123456789-01"
    number = 0

    def works():
        nonlocal number
        for author, reader in (nodes, nodes[::-1]):
            number += 1
            author.put(f"file{number}", CONTENT)
            equal(reader.get(f"file{number}"), CONTENT, f"file{number} in the rotation")

    def rekey(node, *keys):
        before = node.log().count("in force")
        node.write_keys(*keys)
        wait_until(lambda: node.log().count("in force") > before,
                   f"{node.name} reads its key file anew and says so")

    def shown(node):
        return {peer["key"] for peer in node.peers()}

    works()
    for keys, signed in (((KEY, second), {1}), ((second, KEY), {1}), ((second,), {1})):
        for node in nodes:
            rekey(node, *keys)
            works()
            if keys[0] == second and node is nodes[0] and len(keys) == 2:
                wait_until(lambda: shown(nodes[0]) == {2}, "pond peers: the other signs with the old")
        for node in nodes:
            wait_until(lambda node=node: shown(node) == signed, f"pond peers at {node.name}: {keys}")
    rekey(nodes[0], "a-third-key-that-only-one-host-has-012345")
    nodes[1].put("after", CONTENT)
    wait_until(lambda: nodes[0].refused("wrong_key") > 0, "the old keys count no more")


@test("keys are rolled out to a cluster that has none, without a gap")
def key_rollout(net):
    hosts = net.add(3)
    nodes = [Node(host, nets=nets_of(hosts), nobroadcast=True, keys=None, open=True,
                  address=host.v4).start() for host in hosts]
    number = 0

    def works(author):
        nonlocal number
        number += 1
        name = f"file{number}"
        author.put(name, CONTENT)
        everyone_knows(nodes, name)
        for reader in nodes:
            equal(reader.get(name), CONTENT, f"{name} at {reader.name}")

    def all_sign_with(keys):
        for node in nodes:
            works(node)
        for node in nodes:
            wait_until(lambda node=node: {peer["key"] for peer in node.peers()} == keys,
                       f"pond peers at {node.name} shows {keys}")
    all_sign_with({None})
    for node in nodes:
        node.write_keys(KEY)
        node.settings |= {"hmac_keys": "keys", "auth": "receive-only"}
        node.write_config()
        node.restart()
        works(node)
    all_sign_with({0})
    contains(nodes[0].done("peers"), "unsigned", "pond peers")
    for auth in ("permissive", "enforce"):
        for node in nodes:
            node.settings["auth"] = auth
            node.write_config()
            node.done("reload")
            works(node)
        all_sign_with({1})


@test("a recorded HTTP request is refused when it is sent again", hostile=True)
def a_replayed_request_is_refused(net):
    first, second = cluster(net, 2)
    first.put("file", CONTENT)
    relay = wire.Relay(second.host, (first.host.v4, HTTP_PORT))
    equal(second.get("file"), CONTENT, "get through the relay")
    signed = [one for one in relay.requests() if b"\r\nAuthorization: Pond " in one
              and b' nonce="none"' not in one]  # by which it asks for one, where it has none yet
    check(signed, "no signed request went through the relay")
    before = first.refused()
    for request in signed:
        status = wire.send_request(second.host, first.host.v4, request)
        equal(status, 401, f"the answer to the replayed {request[:60]!r}")
    wait_until(lambda: first.refused() >= before + len(signed),
               "the replays are counted")
    changed = [one.replace(b"/test.example/file ", b"/test.example/fil3 ") for one in signed]
    check(changed != signed, "no request for the object was recorded")
    for request in changed:
        status = wire.send_request(second.host, first.host.v4, request)
        check(status in (401, 403), f"an edited {request[:60]!r} was answered {status}")


@test("a recorded datagram is counted when it is sent again, and does nothing", hostile=True)
def a_replayed_datagram_is_refused(net):
    first, second = cluster(net, 2)
    tap = wire.Tap(first.host)
    second.put("file", CONTENT)
    everyone_knows((first,), "file")
    recorded = wait_until(lambda: [data for sender, data in tap.datagrams(PORT)
                                   if sender == second.host.v4 and b"ihave" in data],
                          "an announcement is recorded")[0]
    first.done("rm", "file")
    sender = second.host.datagrams()
    for count in (1, 2, 3):
        sender.sendto(recorded, (first.host.v4, PORT))
        wait_until(lambda count=count: first.refused("replayed") >= count, "it is counted")
    check(not first.knows("file"), "a replayed datagram brought it back")
    forged = recorded.replace(b"file: test.example/file", b"file: test.example/fil3")
    check(forged != recorded, "the datagram could not be edited")
    sender.sendto(forged, (first.host.v4, PORT))
    wait_until(lambda: first.refused("wrong_key") >= 1, "an edited one is refused")


@test("anything at all on the UDP port is met with a count, never a crash", hostile=True)
def malformed_datagrams(net):
    first = cluster(net, 2)[0]
    sender = net.hosts[1].datagrams()
    shapes = wire.malformed_datagrams()
    for data in shapes:
        sender.sendto(data, (first.host.v4, PORT))
    wait_until(lambda: first.refused("form") + first.refused("unsigned")
               + first.refused("other_domain") + first.refused("name") >= len(shapes),
               f"all {len(shapes)} are counted as refused")
    equal(first.process.poll(), None, "its exit status")


@test("PUT and DELETE from elsewhere are refused, and from the socket taken", hostile=True)
def changes_need_the_socket_or_a_signature(net):
    first, second = cluster(net, 2, plain_get=True)
    first.put("file", CONTENT)
    for method, body in (("PUT", ("--data-binary", "x")), ("DELETE", ())):
        for host in (first.host, second.host):
            answer = first.curl("file", "-X", method, *body, host=host)
            check(answer.status in (401, 403), f"{method} from {host.name} gave {answer.status}")
    equal(first.get("file"), CONTENT, "the object")


@test("requests of smuggling shapes are refused and the connection closed", hostile=True)
def smuggling_shapes(net):
    node = cluster(net, 1, plain_get=True)[0]
    node.put("file", CONTENT)
    for request in wire.smuggling_requests(node.host.v4):
        answer = wire.exchange(node.host, node.host.v4, request)
        check(answer.startswith(b"HTTP/1.1 4") or answer == b"",
              f"{request!r} was answered {answer[:200]!r}")
        equal(answer.count(b"HTTP/1.1 "), 1 if answer else 0, f"answers to {request!r}")
    equal(node.curl("file").body, CONTENT, "the object afterwards")


@test("many wrong messages at once become a summary in the log", hostile=True)
def a_flood_is_summarized(net):
    first = cluster(net, 1)[0]
    outsider = net.add(1)[0].datagrams()
    message = wire.notice("whohas", "x/y", node="o", counter=1, tuid="1.1@o", newer=0)
    done = threading.Event()

    def flood():
        while not done.is_set():
            outsider.sendto(message, (first.host.v4, PORT))
    threads = [threading.Thread(target=flood)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: first.refused("not_member") > 5000, "thousands were refused")
    finally:
        done.set()
        for thread in threads:
            thread.join()
    lines = first.log().count("not a member")
    check(1 <= lines < 500, f"{lines} lines for {first.refused('not_member'):.0f} refusals")
    first.put("still", CONTENT)
