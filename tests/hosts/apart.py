# SPDX-License-Identifier: ISC
"""Namespaces of their own for those who make hosts."""

import os
import subprocess

APART = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]


def how_to_enter():
    """The words in front of a command that give it namespaces of its own, or None and why not."""
    user = ["unshare", "--user", "--map-root-user", *APART]
    ways = [["unshare", *APART], user] if os.geteuid() == 0 else \
        [user, ["sudo", "-n", "--preserve-env", "unshare", *APART]]
    reasons = []
    for words in ways:
        probe = words + ["ip", "link", "add", "probe0", "type", "bridge"]
        try:
            run = subprocess.run(probe, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            reasons.append(str(error))
            continue
        if run.returncode == 0:
            return words, None
        reasons.append((run.stderr.strip() or "failed").splitlines()[-1])
    return None, "no network namespaces here: " + "; ".join(reasons)
