# SPDX-License-Identifier: ISC
"""A daemon for which an allocation fails while it works.

Who asked is told, or the daemon ends and says where; nothing is lost by either, and it never runs
into memory that it did not get.
"""

import os
import re
import signal
import struct

from blows import died, each, recovered
from net import Failed, check
from node import DONE
from victim import Victim

NEVER = -1


class Scarce:
    """The memory of a node that does not run yet."""

    def __init__(self, node):
        self._path = os.path.join(node.folder, "scarce")
        self.set(NEVER)
        node.environment |= {"LD_PRELOAD": os.path.join(node.build, "tests/hosts/scarce.so"),
                             "SCARCE": self._path}

    def set(self, until, stays=False):
        """In place: the daemon has mapped it."""
        with open(self._path, "r+b" if os.path.exists(self._path) else "wb") as file:
            file.write(struct.pack("=qqq", until, int(stays), 0))

    def figures(self):
        """until, stays, failed."""
        with open(self._path, "rb") as file:
            return struct.unpack("=qqq", file.read(24))


def poor_at_each(net, name, step=1, stays=False, jobs=2):
    """Each step-th allocation fails in its turn, once or all that come after it as well."""
    victims = [Victim(net, name) for _ in range(jobs)]
    for victim in victims:
        victim.scarce = Scarce(victim.node)
    how = " and all after it" if stays else ""
    return each(victims, {number: f"allocation {number + 1}{how}"
                          for number in range(0, _needed(victims[0]), step)},
                lambda victim, number: _poor(victim, number, stays))


def _needed(victim):
    """How many allocations the work takes, about."""
    many = 10 ** 9
    victim.anew()
    victim.node.start()
    victim.scarce.set(many)
    check(victim.work.run(victim).returncode == DONE, f"{victim.name} fails as it is")
    return many - victim.scarce.figures()[0]


def _poor(victim, until, stays):
    node, scarce = victim.node, victim.scarce
    scarce.set(NEVER)
    victim.anew()
    node.start()
    scarce.set(until, stays)
    run = victim.work.run(victim)
    acknowledged, failed = run.returncode == DONE, scarce.figures()[2]
    scarce.set(NEVER)
    check(acknowledged or run.stderr, f"exit {run.returncode} without a word")
    if not acknowledged:
        died(victim)
    _up(victim)
    try:
        recovered(victim, acknowledged)
    except Failed:  # who has answered may end after that, for what it did beside
        if died(victim) is None:
            raise
        _up(victim)
        recovered(victim, acknowledged)
    return failed > 0


def _up(victim):
    """Starts it again if it has ended, which must have had that one cause."""
    node = victim.node
    status = node.process.poll()
    if status is None:
        return
    check(status in (1, -signal.SIGABRT), f"it ended with {status}:\n{node.log()[-3000:]}")
    check(re.search("no memory|cannot allocate", node.log()), f"it ended with {status}, and the "
          f"log does not say why:\n{node.log()[-3000:]}")
    victim.end()
    node.start()
