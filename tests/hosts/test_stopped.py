# SPDX-License-Identifier: ISC
"""Gateways that stand still, or whose clocks are stepped, while their site reads through them."""

import os
import signal
import threading

from net import check, comes_to, equal, wait_until
from node import everyone_knows
from registry import test
from stack import Stack
from test_clock import HOUR, Clock
from test_full import AGAIN, why_demoted

MIB = 1024 * 1024


class Download:
    """curl at a node, of an object that comes slowly; begun once some of it has come."""

    def __init__(self, node, name):
        self.answer, self._thread = None, threading.Thread(target=self._run, args=(node, name))
        node.host.slow_down("40mbit")
        self._thread.start()
        wait_until(lambda: node.metric("pond_fetched_bytes_total") > 2 * MIB, "the download runs",
                   pause=0.02)

    def _run(self, node, name):
        self.answer = node.curl(name)

    def ends_with(self, content):
        self._thread.join()
        equal((self.answer.status, self.answer.exit), (200, 0), "curl")
        check(self.answer.body == content, "what it got is not what was put")


def site(net, start=True):
    stack = Stack(net, core=1, paris=(2, 2), start=start, preempt_delay=0.5)
    return stack, stack.sites["paris"], os.urandom(20 * MIB)


@test("a gateway that is stopped in the middle of downloads costs none of them, nor when it goes on")
def stopped_gateway(net):
    stack, paris, content = site(net)
    wait_until(lambda: stack.master(paris) is paris.candidates[0], "the best is master")
    stack.core.nodes[0].put("big", content)
    everyone_knows(stack.nodes, "big")
    downloads = [Download(slave, "big") for slave in paris.slaves]
    paris.candidates[0].process.send_signal(signal.SIGSTOP)
    for download in downloads:
        download.ends_with(content)
    comes_to(lambda: stack.view(paris.slaves[0])["paris"][1], paris.candidates[1].name,
             "who is master")
    paris.candidates[0].process.send_signal(signal.SIGCONT)
    wait_until(lambda: stack.master(paris) is paris.candidates[0], "it takes over again")
    paris.slaves[0].put("after", b"after")
    everyone_knows(stack.nodes, "after")


@test("a gateway whose clock is stepped by an hour breaks no download, and holds up no put")
def stepped_gateway(net):
    stack, paris, content = site(net, start=False)
    clock = Clock(paris.candidates[0])
    stack.start()
    wait_until(lambda: stack.master(paris) is paris.candidates[0], "the best is master")
    stack.core.nodes[0].put("big", content)
    everyone_knows(stack.nodes, "big")
    download = Download(paris.slaves[0], "big")
    clock.step(HOUR)
    paris.slaves[1].put("meanwhile", b"meanwhile")
    everyone_knows([stack.core.nodes[0], *paris.slaves], "meanwhile")
    wait_until(lambda: why_demoted(paris.candidates[0], "paris") == "its clock is off",
               "it demotes itself", AGAIN)
    download.ends_with(content)
    clock.step(0)
    wait_until(lambda: stack.master(paris) is paris.candidates[0], "it comes back", AGAIN)
    paris.slaves[0].put("after", b"after")
    everyone_knows(stack.nodes, "after")
    stack.same_catalogue()
