# SPDX-License-Identifier: ISC
"""Each command of pond that the pages and README speak of exists, with its options; and so do the
alerts, for each of which README says what to do."""

import re
import subprocess

from pages import INSTALLED, all_blocks, read
from stage import CARPOND, POND

# What is spoken of at least, lest a change of the markup empties the check.
IN_README, IN_PAGES = 30, 20


def in_page(name):
    """As macros have it: .Ic pond check; .Nm pond, then .Cm check; \\fBpond log-level\\fR."""
    text = re.sub(r"\bFl (-?)(?=\w)", r"-\1", read(name))
    said = re.findall(r"^\.(?:Ic|Cm|Li|Ql) pond (\S.*)$", text, flags=re.M)
    said += re.findall(r"^\.Nm(?: pond)?\n\.Cm (\S.*)$", text, flags=re.M)
    said += re.findall(r"^\.Cm ([a-z]+ -.*)$", text, flags=re.M)
    return said + re.findall(r"\\fBpond ([^\\]+)\\f", text)


def in_readme():
    return re.findall(r"`pond ([^`]+)`", read("README"))


def in_blocks():
    return [(one.place, said) for blocks in all_blocks().values() for one in blocks
            for said in re.findall(r"(?:^|[$(;] ?)pond ([^#|;)\n]+)", one.text, flags=re.M)]


def options_of(*words):
    run = subprocess.run([*words, "--help"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"{' '.join(words)} --help: {run.stderr}"
    return set(re.findall(r"(?:^ *|, )(--?[\w-]+)", run.stdout, flags=re.M))


def check_said(place, said):
    words = said.split()
    options = {word for word in words if re.fullmatch(r"--?[a-zA-Z][\w-]*", word)}
    command = re.sub(r"^(?:--?\w+ \S+ )*", "", said).split()[0]
    unknown = options - options_of(POND, command)
    assert not unknown, f"{place}: pond {said}: there is no {', '.join(unknown)}"


def all_exist(stage):
    del stage
    pages = [(name, said) for name in INSTALLED for said in in_page(name)]
    readme = [("README", said) for said in in_readme()]
    assert len(pages) >= IN_PAGES and len(readme) >= IN_README, (len(pages), len(readme))
    for place, said in pages + readme + in_blocks():
        check_said(place, said)


def own_options(stage):
    del stage
    text = read(next(name for name in INSTALLED if name.endswith("/carpond.8")))
    listed = text.split("The options are:")[1].split(".Ss ")[0]
    told = {"-" + option for line in re.findall(r"^\.It (Fl .*)$", listed, flags=re.M)
            for option in re.findall(r"Fl (-?[\w-]+)", line)}
    assert told == options_of(CARPOND), told ^ options_of(CARPOND)


def alerts_told(stage):
    del stage
    told = re.findall(r"^\| `(Pond\w+)` \|", read("README"), flags=re.M)
    ring = re.findall(r"alert: (\w+)", read("conf/examples/alerts.yml"))
    assert ring and sorted(told) == sorted(ring), set(told) ^ set(ring)


def cases():
    return [("every command of pond that is spoken of exists, with its options", all_exist),
            ("carpond.8 has the options of carpond", own_options),
            ("README says of each example alert what to do", alerts_told)]
