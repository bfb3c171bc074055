"""Suites of their own, run by pytest inside pytest."""

from __future__ import annotations

# pytester takes what a suite of its own has imported off sys.modules again. A second copy of this one
# would know nothing of the workers of the pools of the first.
import concurrent.futures.thread  # noqa: F401
import re
from textwrap import dedent

import pytest


@pytest.fixture(autouse=True)
def _not_for_a_ci_service(monkeypatch):
    """pytest says more where these are set (`running_on_ci`); what it says is compared here."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("BUILD_NUMBER", raising=False)


@pytest.fixture
def suite(pytester):
    """Return a function that makes a test module and runs it, in this process, in its order."""

    def run(text, *arguments, setup="", conftest=None):
        if conftest is not None:
            pytester.makeconftest(dedent(conftest))
        pytester.makepyfile(test_suite=f"{dedent(setup)}\n{dedent(text)}")
        return pytester.runpytest_inprocess(
            "-p", "no:cacheprovider", "-p", "no:random-order", *arguments
        )

    return run


@pytest.fixture
def plain_lines():
    """Return a function that gives a run's output without what differs from run to run."""

    def lines(result):
        kept = [
            re.sub(r"\d+\.\d+s|0x[0-9a-f]+|in \d+ms", "N", line).rstrip()
            for line in result.stdout.lines
        ]
        # How far a line of signs is filled depends on what stands in it.
        return [re.sub(r"[=_-]{2,}", "==", line) for line in kept]

    return lines
