# SPDX-License-Identifier: ISC
"""Which example is played how. One that nobody plays is a failure, and so are a page without any
and a rule without its example."""

import functools
import re

from pages import all_blocks

PLAYS = {}  # {(page, how an example begins): what plays it}
LEFT_OUT = {}  # {(page, a whole line of an example): why nobody types it}

PAGES = all_blocks()
BLOCKS = [one for blocks in PAGES.values() for one in blocks]


def plays(page, *beginnings):
    """Marks the function that plays the examples which begin so, all at once."""
    def register(function):
        for begins in beginnings:
            assert (page, begins) not in PLAYS, (page, begins)
            PLAYS[page, begins] = function
        return function
    return register


def left_out(page, why, *lines):
    LEFT_OUT.update({(page, line): why for line in lines})


def block(page, begins):
    """The one that begins so."""
    found = [one for one in PAGES[page] if one.text.startswith(begins)]
    assert len(found) == 1, f"{page}: {len(found)} examples begin with {begins!r}"
    return found[0]


def is_left_out(page, line):
    return (page, line) in LEFT_OUT


# ---- what a block says


def typed(one):
    """(command, the lines that it prints) for each command of it. Where there are prompts, what has
    none was printed."""
    prompt = re.compile(r"^(?:\w+)?\$ ")
    text = re.sub(r"\\\n\s*", "", one.text)
    lines = [line for line in text.splitlines() if not is_left_out(one.page, line)]
    if not any(prompt.match(line) for line in lines):
        return [(line, []) for line in lines]
    found = []
    for line in lines:
        if prompt.match(line):
            found.append((prompt.sub("", line), []))
        elif found:
            found[-1][1].append(line)
    return found


def commands_of(one):
    return [command for command, _ in typed(one)]


def squeezed(line):
    return re.sub(r" +", " ", line).strip()


def missing(wanted, got, alike=lambda line: line):
    """The first line that the page shows and that is not printed, in this order; what else is
    printed is no matter."""
    left = iter([alike(squeezed(line)) for line in got])
    return next((line for line in wanted if alike(squeezed(line)) not in left), None)


def expect(wanted, got, alike=lambda line: line):
    line = missing(wanted, got, alike)
    assert line is None, f"{line!r} is not printed, or not there, in:\n" + "\n".join(got)


# ---- the cases


def player_of(one):
    """The one function that plays it; None where all of it is left out."""
    if all(is_left_out(one.page, line) for line in one.text.splitlines()):
        return None
    found = [function for (page, begins), function in PLAYS.items()
             if page == one.page and one.text.startswith(begins)]
    assert len(found) == 1, f"{one.place}: {len(found)} plays for this example; say in " \
        f"tests/manual how it is played:\n{one.text}"
    return found[0]


def every_example(stage):
    del stage
    for one in BLOCKS:
        player_of(one)


def every_page(stage):
    del stage
    for page in PAGES:
        assert any(of == page for of, _ in PLAYS), f"{page}: none of its examples is played"


def every_rule(stage):
    del stage
    for page, begins in PLAYS:
        block(page, begins)
    for page, line in LEFT_OUT:
        found = [one.place for one in PAGES[page] if line in one.text.splitlines()]
        assert found, f"{page} has no line {line!r} any more"


def title(examples):
    return ", ".join(one.place for one in examples) + ": " + examples[0].text.split("\n")[0].strip()


def cases():
    found = [("every page has examples", every_page), ("every example is played", every_example),
             ("every rule has its example, and what is left out stands there", every_rule)]
    for play in dict.fromkeys(PLAYS.values()):
        examples = [one for one in BLOCKS if any(
            function is play and page == one.page and one.text.startswith(begins)
            for (page, begins), function in PLAYS.items())]
        if examples:
            found.append((title(examples), functools.partial(play_all, play, examples)))
    return found


def play_all(play, examples, stage):
    return play(stage, *examples)
