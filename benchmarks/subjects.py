"""What is measured: each subject in words, with its tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import (
    eventflow,
    fast_paths,
    opening,
    plugin,
    rates,
    runners,
    scale,
    schedules,
    services,
    switching,
    taskqueue,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from benchmarks.measure import Table

SLOW = "../decisions/0012-what-is-not-as-fast-as-wanted.md"


@dataclass(frozen=True)
class Subject:
    """What is measured together.

    Attributes:
        title: What it is.
        about: What that means to somebody who uses it, in Markdown.
        tables: The titles of its tables, in order.
        run: Measures, table by table.
        why: Which page says more of its targets, if they are missed; empty: none does.
    """

    title: str
    about: str
    tables: tuple[str, ...]
    run: Callable[[], Generator[Table, None, None]]
    why: str = ""

    def measure(self) -> Generator[Table, None, None]:
        """Measure, and see that the tables are those that are named, as the page is tested."""
        for title, table in zip(self.tables, self.run(), strict=True):
            if table.title != title:
                raise ValueError(
                    f"another table than is named: {table.title!r} instead of {title!r}\n"
                    "name it in benchmarks/subjects.py"
                )
            yield table


SUBJECTS = {
    "switching": Subject(
        "From one thread to another",
        "Of the threads of a simulation one runs at a time. What each change from one to another "
        "costs, beside two real threads that wake each other. With two CPUs much of both is the "
        "operating system's; with one there is nothing for it to choose.",
        ("thread switch", "thread switch, process bound to one CPU"),
        switching.run,
        why=SLOW,
    ),
    "opening": Subject(
        "A simulation by itself",
        "What each test pays that has a simulation, and each run of a search.",
        ("start and stop",),
        opening.run,
        why=SLOW,
    ),
    "fast_paths": Subject(
        "What never waits",
        "Reading a clock and taking a free lock are answered in C: in a simulated thread, and for "
        "foreign threads, which get the original while a simulation is open elsewhere.",
        ("clock read", "uncontended lock"),
        fast_paths.run,
    ),
    "scale": Subject(
        "Many threads, many timers",
        "How the cost of each grows with how many there are.",
        ("many threads", "many timers"),
        scale.run,
        why=SLOW,
    ),
    "plugin": Subject(
        "The pytest plugin",
        "What it costs suites that simulate nothing, and tests that are simulated.",
        ("import of the pytest plugin", "unmarked tests", "simulated empty tests"),
        plugin.run,
        why=SLOW,
    ),
    "schedules": Subject(
        "Schedules per second",
        "How fast a search goes through the schedules of a small program, by strategy. *Found by "
        "schedule* is with which one it found the bug, in each round.",
        ("schedules, lost update", "schedules, bounded buffer", "schedules, two-lock transfer"),
        schedules.run,
        why="../explanation/schedules.md#what-it-costs",
    ),
    "rates": Subject(
        "Functions at a rate",
        "[The executors](../how-to/run-at-a-rate.md) beside loops that are written by hand and do "
        "less: no figures, no log, no choice of what becomes of late ticks.",
        (
            "overhead per tick, real time",
            "overhead per tick, simulated time",
            "100 Hz for a virtual hour",
        ),
        rates.run,
    ),
    "services": Subject(
        "Services",
        "What [the daemon](../how-to/run-services.md) adds to the flavours that it is built on, "
        "when it is given payloads to run.",
        tuple(
            f"services: {flavour}, {how}"
            for flavour in ("asyncio", "trio", "threading")
            for how in ("at once", "one by one")
        ),
        services.run,
    ),
    "taskqueue": Subject(
        "Tasks",
        "[The task queue](../how-to/run-tasks.md) beside workers by hand on an `asyncio.Queue`, "
        "which keep no record and retry nothing.",
        ("taskqueue: throughput", "taskqueue: latency"),
        taskqueue.run,
    ),
    "eventflow": Subject(
        "Events",
        "[The executor of events](../how-to/process-events.md) beside workers by hand on an "
        "`asyncio.PriorityQueue`, which know of no status, limit or record.",
        (
            "eventflow: throughput",
            "eventflow: a move from status to status",
            "eventflow: memory",
        ),
        eventflow.run,
    ),
    "runners": Subject(
        "Task runners",
        "[The runners](../how-to/run-task-runners.md) beside a pool of threads, which keeps "
        "nothing. On SQLite and Redis who calls and who runs are two processes. *The original* is "
        "pynenc, by what its own benchmark says.",
        (
            "runners: round trip",
            "runners: throughput",
            "runners: idle",
            "runners: recovery",
        ),
        runners.run,
    ),
}
