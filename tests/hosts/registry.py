# SPDX-License-Identifier: ISC
"""The list of tests: every function marked with @test in a test_*.py of this folder."""

import collections
import glob
import importlib
import os

Test = collections.namedtuple("Test", "name sentence function seconds hostile versions")

_tests = []


def test(sentence, seconds=300, hostile=False, versions=False):
    """Marks a test: what holds when it passes; after how long it has failed; does it feed the
    daemons what is wrong; does it need the build of another version, too?"""
    def mark(function):
        _tests.append(Test(function.__name__, sentence, function, seconds, hostile, versions))
        return function
    return mark


def load():
    if not _tests:
        folder = os.path.dirname(os.path.realpath(__file__))
        for path in sorted(glob.glob(os.path.join(folder, "test_*.py"))):
            importlib.import_module(os.path.basename(path)[:-3])
    return _tests
