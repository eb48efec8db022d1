# SPDX-License-Identifier: ISC
"""Hosts that share one loopback: what goes between them meets no cable."""

import os

from net import command


class Place:
    """A further address of a host, which a Node takes for a host of its own."""

    def __init__(self, host, number):
        self.net, self.name, self.v4 = host.net, f"{host.name}-{number}", f"10.99.0.{number}"
        self.words, self.run = host.words, host.run
        self.folder = os.path.join(host.folder, str(number))
        command("ip", "-n", host.name, "addr", "add", f"{self.v4}/32", "dev", "lo")
        os.makedirs(self.folder)
