"""Waits of trio."""

from __future__ import annotations

from tools.comparison import judging
from tools.comparison.judging import Equals
from tools.comparison.wants import Group, Want

HOUR = 3600.0

TRIO = Group(
    "trio on a virtual clock",
    "`MockClock` with `autojump_threshold=0`.",
    ("simclock", "trio"),
    "they leave trio's clock as it is",
    (
        Want(
            "`trio.sleep(3600)` ends at once, 3,600 s later",
            "trios",
            "sleep",
            Equals(HOUR, unit=" s"),
        ),
        Want(
            "1,000 times `trio.sleep(0.1)` is 100.0 s", "trios", "exact", Equals(100.0, unit=" s")
        ),
        Want("`datetime.now()` moves along", "trios", "wall", Equals(HOUR, unit=" s"), ("trio",)),
        Want(
            "a thread sleeps an hour, awaited for two",
            "trios",
            "thread",
            Equals(HOUR, unit=" s"),
            ("trio",),
        ),
        Want("a thread computes, and no timeout outruns it", "trios", "computing", Equals("done")),
        Want(
            "a deadlock of tasks is an error",
            "trios",
            "deadlock",
            judging.ends_in_an_error,
            ("trio",),
        ),
        Want(
            "`while not done: await checkpoint()` is an error",
            "trios",
            "polling",
            judging.ends_in_an_error,
            ("trio",),
            limit=120,
        ),
    ),
)
