"""Suites with asynchronous tests, each in a process of its own, as the plugins for them need.

The plugins change every session in whose environment they are, so these tests are skipped where
one of them is missing: ``./dev asyncplugins`` has environments with old and new versions of all.
"""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
from pathlib import Path
from textwrap import dedent

import pytest

HERE = Path(__file__).parent
NEEDED = ("anyio", "hypothesis", "pytest_asyncio", "pytest_trio", "trio", "xdist")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
OUTCOMES = ("passed", "failed", "errors", "skipped", "xfailed")
WORLDS = {"real": ["--no-simclock"], "whole suite": ["--simclock"], "marker": []}

# What the suites import: `log` writes down what happened and when, in virtual seconds since the
# test began; in real time it is *what* that counts. `soon(1)` is a second, or a moment if it would
# be a real one: what is longer stays longer.
TOLD = """
import math, pathlib
import pytest, simclock

WORLD = {world!r}
MARKS = [pytest.mark.simclock] if WORLD == "marker" else []

def soon(seconds):
    return seconds if simclock.active() else 0.01 * math.log1p(seconds)

def now():
    simulation = simclock.active()
    # Floats of trio's own clock are off by nanoseconds. In a whole suite each step takes a microsecond.
    return simulation and round(simulation.elapsed, 6 if WORLD == "marker" else 2)

def log(what):
    with pathlib.Path(__file__).with_name("told.txt").open("a") as file:
        print((now(), what), file=file)
"""


def pytest_collection_modifyitems(items):
    if MISSING:
        skip = pytest.mark.skip(reason=f"not installed: {', '.join(MISSING)}")
        for item in items:
            if item.path.parent == HERE:
                item.add_marker(skip)


class Ran:
    """What came of a suite."""

    def __init__(self, result, told):
        self.result = result
        counts = result.parseoutcomes()
        self.outcomes = {name: counts[name] for name in OUTCOMES if name in counts}
        lines = told.read_text().splitlines() if told.exists() else []
        self.log = [ast.literal_eval(line) for line in lines]

    @property
    def happened(self):
        """What happened, without when, and in no order: for a run in real time."""
        return sorted(what for _, what in self.log)

    def logged(self, world, expected):
        """Compare what happened with what is *expected*, and when if it was in virtual time."""
        if world == "real":
            assert self.happened == sorted(what for _, what in expected)
        else:
            assert self.log == expected

    def shows(self, *lines):
        self.result.stdout.fnmatch_lines_random(list(lines))


@pytest.fixture(params=WORLDS)
def world(request):
    return request.param


@pytest.fixture(params=[name for name in WORLDS if name != "real"])
def simulated(request):
    return request.param


@pytest.fixture
def suite(pytester):
    """Return a function that makes a test module and runs it."""

    def run(text, *arguments, world, mode="strict"):
        pytester.makepyfile(told=TOLD.format(world=world))
        imports = (
            "import asyncio, threading, time\nimport pytest\nfrom told import MARKS, log, soon\n"
        )
        pytester.makepyfile(test_suite=f"{imports}{dedent(text)}")
        told = pytester.path / "told.txt"
        told.unlink(missing_ok=True)
        result = pytester.runpytest_subprocess(
            "-p",
            "no:cacheprovider",
            *([] if mode is None else [f"--asyncio-mode={mode}"]),
            *WORLDS[world],
            *arguments,
            timeout=60,
        )
        return Ran(result, told)

    return run


@pytest.fixture
def asyncio_version():
    """The version of pytest-asyncio, which has had several ways to say the same."""
    return tuple(map(int, importlib.metadata.version("pytest-asyncio").split(".")[:2]))
