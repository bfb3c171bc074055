"""What is measured: each case, its size, and when in virtual time it has to end.

All durations are whole nanoseconds. So the exact end of each case is known, and
it is worked out here without any loop, in integers.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECOND = 1_000_000_000
Size = tuple[int, int]

LONGEST_SLEEP = 10 * SECOND
JOB_SECONDS = 0.01
# The queue test: pauses of its two producers and the work of each consumer, in seconds.
ITEMS = 6
PAUSES = (0.25, 0.375)
WORK = 0.5


@dataclass(frozen=True)
class Case:
    """One thing to measure.

    Attributes:
        name: What the command line calls it.
        title: The heading of its table.
        method: What the program does, in a sentence with the two numbers of the size.
        unit: What the figures count, such as ``sleeps/s``.
        size: Two numbers that say how much the program does.
        quick: The same for a quick look.
        amount: How many units a program of a size has; None where the figure is no rate.
        ends: The virtual seconds after which a program of a size has to end.
    """

    name: str
    title: str
    method: str
    unit: str
    size: Size
    quick: Size
    amount: Callable[[Size], int] | None = None
    ends: Callable[[Size], float] | None = None

    @property
    def more_is_better(self) -> bool:
        """Whether the figures are rates."""
        return self.amount is not None


def draw_sleeps(size: Size) -> list[list[float]]:
    """Return for each task how long it sleeps, in seconds; the same in each process."""
    draw = _drawn(size)
    return [[next(draw) / SECOND for _ in range(size[1])] for _ in range(size[0])]


def _drawn(size: Size) -> Iterator[int]:
    # One by one: a list would leave free memory behind, whose use the case `memory` would not see.
    draw = random.Random(0).randrange
    return (draw(LONGEST_SLEEP) for _ in range(size[0] * size[1]))


def _ends_of_sleeps(size: Size) -> float:
    drawn = _drawn(size)
    return max(sum(next(drawn) for _ in range(size[1])) for _ in range(size[0])) / SECOND


def phase(number: int, timers: int) -> float:
    """Return when timer *number* fires first: they are spread evenly over a second."""
    return number * (SECOND // timers) / SECOND


def _product(size: Size) -> int:
    return size[0] * size[1]


def _ends_of_timers(size: Size) -> float:
    timers, fires = size
    return (fires - 1) + phase(timers - 1, timers)


CASES = {
    case.name: case
    for case in (
        Case(
            "sleeps",
            "random sleeps",
            "{0:,} tasks sleep {1:,} times each, for up to 10 s, drawn in whole ns",
            "sleeps/s",
            (1000, 100),
            (500, 50),
            amount=_product,
            ends=_ends_of_sleeps,
        ),
        Case(
            "yields",
            "sleep(0)",
            "{0:,} tasks call sleep(0) {1:,} times each",
            "yields/s",
            (1000, 100),
            (500, 50),
            amount=_product,
            ends=lambda _: 0.0,
        ),
        Case(
            "queue",
            "a small test",
            "two producers, two consumers, a bounded queue, some sleeps; {0:,} runs, each on a "
            "loop of its own, made and closed",
            "runs/s",
            (1000, 1),
            (200, 1),
            amount=_product,
            # Each consumer does half of the items without a break, as items come faster than they
            # are worked off. The second of them has to wait for the slower producer's first.
            ends=lambda _: max(PAUSES) + WORK * ITEMS,
        ),
        Case(
            "timers",
            "one-hertz timers",
            "{0:,} timers, spread over a second, arm themselves again with call_later; each fires "
            "{1:,} times",
            "fires/s",
            (100, 3600),
            (100, 100),
            amount=_product,
            ends=_ends_of_timers,
        ),
        Case(
            "executor",
            "executor jobs",
            "{0:,} times: await loop.run_in_executor(None, job), where the job does nothing",
            "jobs/s",
            (5000, 1),
            (1000, 1),
            amount=_product,
        ),
        Case(
            "threads",
            "threads that sleep",
            "{0:,} times: await asyncio.to_thread(time.sleep, 0.01)",
            "jobs/s",
            (200, 1),
            (50, 1),
            amount=_product,
            ends=lambda size: size[0] * JOB_SECONDS,
        ),
        Case(
            "memory",
            "peak memory",
            "what the process grows by at most while {0:,} tasks sleep {1:,} times each",
            "MiB",
            (1000, 100),
            (500, 50),
        ),
        Case(
            "import",
            "import",
            "import of the package, in a fresh process with nothing imported",
            "ms",
            (0, 0),
            (0, 0),
        ),
        Case(
            "start",
            "first run",
            "import of the package and one empty program, in a fresh process with nothing imported",
            "ms",
            (0, 0),
            (0, 0),
        ),
    )
}
