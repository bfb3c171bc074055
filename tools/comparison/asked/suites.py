"""Suites of tests."""

from __future__ import annotations

from tools.comparison.judging import Equals
from tools.comparison.wants import Group, Want

SUITES = Group(
    "Suites that are there, with hours of sleeps, unchanged",
    "By an option of pytest, or by a hook in `conftest.py`.",
    ("simclock", "looptime", "async_solipsism"),
    "their documentation shows no way for all sleeps of a suite without a change of its tests",
    (
        Want(
            "plain functions, threads and `unittest`",
            "suites",
            "plain",
            Equals("3 passed"),
            ("looptime", "async_solipsism"),
        ),
        Want("tests for pytest-asyncio", "suites", "asyncio", Equals("2 passed")),
        Want(
            "... that also sleep in a thread",
            "suites",
            "mixed",
            Equals("1 passed"),
            ("looptime", "async_solipsism"),
        ),
    ),
)
