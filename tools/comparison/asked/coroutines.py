"""Waits of asyncio."""

from __future__ import annotations

from tools.comparison import judging
from tools.comparison.judging import Equals
from tools.comparison.wants import Group, Want

HOUR = 3600.0

LOOPS = ("looptime", "async_solipsism", "aiotools", "seedloop", "simloop", "simloom")
ALL_LOOPS = (*LOOPS, "frontrun")

COROUTINES = Group(
    "asyncio on a virtual clock",
    "Times are those of `loop.time()`; for frontrun, whose documentation says that this one stays real, those of\n"
    "`time.monotonic()`. looptime is given `idle_timeout=2`, its option against idle loops. *Refused* is an error that says\n"
    "that the tool has drawn its line there. seedloop has an auditor, not used here, that refuses all three sources of random\n"
    "numbers; simloop has some of its own.",
    ("simclock", *ALL_LOOPS),
    "they leave the clock of asyncio's loops as it is",
    (
        Want(
            "`asyncio.sleep(3600)` ends at once, 3,600 s later",
            "coroutines",
            "sleep",
            Equals(HOUR, unit=" s"),
        ),
        Want(
            "1,000 times `asyncio.sleep(0.1)` is 100.0 s",
            "coroutines",
            "exact",
            Equals(100.0, unit=" s"),
        ),
        Want(
            "no sleep is too short (of 300, drawn in ns)",
            "coroutines",
            "early",
            Equals(0, unit=" of 300"),
        ),
        Want("a sleep of 365 days", "coroutines", "year", Equals(365.0, "no: no end", " days")),
        Want("`datetime.now()` moves along", "coroutines", "wall", Equals(HOUR, unit=" s"), LOOPS),
        Want(
            "a thread sleeps an hour, awaited for two",
            "coroutines",
            "thread",
            Equals(HOUR, unit=" s"),
            ALL_LOOPS,
        ),
        Want(
            "... awaited for a minute too little: times out then",
            "coroutines",
            "late_thread",
            Equals(HOUR - 60, unit=" s"),
            ALL_LOOPS,
        ),
        Want(
            "a thread computes, and no timeout outruns it",
            "coroutines",
            "computing",
            Equals("done"),
            ("seedloop", "frontrun"),
        ),
        Want(
            "a real child process, and no timeout outruns it",
            "coroutines",
            "child",
            Equals("done"),
            ALL_LOOPS,
        ),
        Want(
            "`start_server` and a client, slow by an hour",
            "coroutines",
            "server",
            Equals(["hello", 3600]),
            ("seedloop", "frontrun"),
        ),
        Want(
            "a deadlock of tasks is an error",
            "coroutines",
            "deadlock",
            judging.ends_in_an_error,
            ("aiotools",),
        ),
        Want(
            "`while not done: await sleep(0)` is an error",
            "coroutines",
            "polling",
            judging.ends_in_an_error,
            ("looptime", "async_solipsism", "aiotools", "seedloop", "simloop"),
            limit=120,
        ),
        Want(
            "`random.random()` is the same in each process",
            "coroutines",
            "random_number",
            judging.is_the_same,
            ("looptime", "async_solipsism", "aiotools", "seedloop", "simloop", "frontrun"),
            "twice",
        ),
        Want(
            "`uuid.uuid4()` is",
            "coroutines",
            "identifier",
            judging.is_the_same,
            ("looptime", "async_solipsism", "aiotools", "simloop", "frontrun"),
            "twice",
        ),
        Want(
            "`os.urandom()` is",
            "coroutines",
            "entropy",
            judging.is_the_same,
            ("looptime", "async_solipsism", "aiotools", "simloop", "frontrun"),
            "twice",
        ),
        Want(
            "the process is afterwards as it was",
            "coroutines",
            "sleep",
            judging.is_as_before,
            how="after",
        ),
    ),
)
