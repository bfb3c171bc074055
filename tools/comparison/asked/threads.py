"""Waits of threads."""

from __future__ import annotations

from tools.comparison import judging
from tools.comparison.judging import Equals
from tools.comparison.wants import Group, Want

HOUR = 3600.0

THREADS = Group(
    "Threads on a virtual clock",
    'Each program runs in threads that the tool is given. frontrun is asked for `clock="virtual"`; in\n'
    "interleave-test a sleep is documented as a choice point that takes no time. Seconds are virtual.",
    ("simclock", "frontrun", "interleave_test"),
    "they leave `time.sleep` and the waits of threads as they are",
    (
        Want(
            "`time.sleep(3600)` ends at once, 3,600 s later",
            "threads",
            "sleep",
            Equals(HOUR, unit=" s"),
            ("interleave_test",),
        ),
        Want(
            "1,000 times `time.sleep(0.1)` is 100.0 s",
            "threads",
            "exact",
            Equals(100.0, unit=" s"),
            ("interleave_test",),
        ),
        Want(
            "who sleeps for less wakes first",
            "threads",
            "order",
            Equals([1, 3]),
            ("interleave_test",),
        ),
        Want(
            "timeouts of `Event.wait` and `Queue.get`",
            "threads",
            "timeouts",
            Equals(2 * HOUR, unit=" s"),
        ),
        Want(
            "a `threading.Timer`, started by the thread",
            "threads",
            "timer",
            Equals(HOUR, unit=" s"),
            ("frontrun", "interleave_test"),
        ),
        Want(
            "a `ThreadPoolExecutor` whose job sleeps",
            "threads",
            "pool",
            Equals(HOUR, unit=" s"),
            ("frontrun", "interleave_test"),
        ),
        Want(
            "a real `socketserver` on 127.0.0.1, slow by an hour",
            "threads",
            "server",
            Equals(["hello", 3600]),
            ("frontrun", "interleave_test"),
        ),
        Want(
            "`datetime.now()` moves along",
            "threads",
            "wall",
            Equals(HOUR, unit=" s"),
            ("interleave_test",),
        ),
        Want(
            "the process is afterwards as it was",
            "threads",
            "sleep",
            judging.is_as_before,
            how="after",
        ),
        Want(
            "a deadlock of two locks is an error", "threads", "deadlock", judging.ends_in_an_error
        ),
        Want(
            "`while not done: time.sleep(0)` is an error",
            "threads",
            "polling",
            judging.ends_in_an_error,
            limit=120,
        ),
        Want(
            "`while True: number += 1` is an error", "threads", "counting", judging.ends_in_an_error
        ),
    ),
)
