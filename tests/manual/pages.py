# SPDX-License-Identifier: ISC
"""The literal blocks of the manual pages and of README: what a reader copies, or compares with."""

import os
import re
from typing import NamedTuple

ROOT = os.path.abspath(os.environ.get("srcdir", "."))
# What is installed, as the Makefile has it: a page that is added there is one that is played here.
INSTALLED = os.environ.get("MANUAL_PAGES", "").split()
ETC = os.environ.get("MANUAL_SYSCONFDIR", "/etc")  # as the pages that are made call it


class Block(NamedTuple):
    page: str
    line: int  # of its first one
    text: str

    @property
    def place(self):
        return f"{self.page}:{self.line}"


def path_of(name):
    """Pages that are made stand where the build is, the others in the source tree."""
    for folder in ".", ROOT:
        path = os.path.join(folder, name)
        if os.path.exists(path):
            return path
    raise FileNotFoundError(name)


def read(name):
    """With the folders of a usual installation, wherever this one goes."""
    with open(path_of(name), encoding="utf-8") as file:
        return file.read().replace(f"{ETC}/carpond", "/etc/carpond")


def plain(line):
    """A literal line as it is printed."""
    line = re.sub(r"\\&", "", line)
    line = re.sub(r"\\\(dq", '"', line)
    line = line.replace(r"\e", "\0").replace(r"\-", "-")
    assert "\\" not in line, f"{line!r} has an escape that this test does not know"
    return line.replace("\0", "\\")


def of_page(page, text):
    """From .Bd -literal to .Ed, and each .Dl."""
    blocks, began, lines = [], None, []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(".Bd"):
            assert " -literal" in line and began is None, f"{page}:{number}: {line}"
            began, lines = number + 1, []
        elif line == ".Ed":
            blocks.append(Block(page, began, "\n".join(lines) + "\n"))
            began = None
        elif line.startswith((".Dl ", ".D1 ")):
            blocks.append(Block(page, number, plain(line[4:]) + "\n"))
        elif began is not None:
            lines.append(plain(line))
    assert began is None, f"{page}:{began}: the block does not end"
    return blocks


def of_readme(page, text):
    """What stands four columns or more behind the text around it, of a list or of none."""
    blocks, margin, lines, began, after_empty = [], 0, [], 0, True

    def end():
        while lines and not lines[-1]:
            lines.pop()
        if lines:
            indent = min(len(line) - len(line.lstrip()) for line in lines if line)
            blocks.append(Block(page, began, "".join(line[indent:] + "\n" for line in lines)))
        lines.clear()

    for number, line in enumerate(text.splitlines(), 1):
        indent = len(line) - len(line.lstrip())
        if not line:
            if lines:
                lines.append("")
            after_empty = True
            continue
        if lines or (after_empty and indent >= margin + 4):
            if indent >= margin + 4:
                began = began if lines else number
                lines.append(line)
                continue
            end()
        item = re.match(r"\d+\. +", line)
        margin = item.end() if item else margin if indent == margin else 0
        after_empty = False
    end()
    return blocks


def all_blocks():
    """{page: its blocks}"""
    found = {os.path.basename(name): of_page(os.path.basename(name), read(name))
             for name in INSTALLED}
    found["README"] = of_readme("README", read("README"))
    return found
