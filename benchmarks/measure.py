"""Samples, medians and the table: what every benchmark shares.

Absolute figures drift on a shared machine. So whatever is compared is sampled
in turns, a ratio is the median of the ratios of the turns, and a target is a
ratio wherever the design gives one.
"""

from __future__ import annotations

import contextlib
import os
import platform
import statistics
import time
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING

import simclock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Samples = dict[str, list[float]]


@dataclass
class Line:
    """One figure.

    Attributes:
        name: What was measured.
        value: The median, with its unit.
        ratio: The median ratio to the first line of its table, if that makes sense.
        target: What the design asks for, in its words.
        met: Whether that holds; None without a target, or where it could not be judged.
        note: What else there is to say of it.
    """

    name: str
    value: str
    ratio: float | None = None
    target: str = ""
    met: bool | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        """The target, whether it is met, and the note."""
        judged = {True: "met", False: "missed", None: "not judged"}[self.met]
        target = f"target {self.target}: {judged}" if self.target else ""
        return "; ".join(filter(None, (target, self.note)))


@dataclass
class Table:
    """Figures that belong together.

    Attributes:
        title: What they are about.
        method: What was done, per what a value is, to what a ratio is if not to the first line.
        lines: The figures.
    """

    title: str
    method: str
    lines: list[Line] = field(default_factory=list)

    def add(
        self,
        name: str,
        value: str,
        ratio: float | None = None,
        target: str = "",
        *,
        met: bool | None = None,
        note: str = "",
    ) -> None:
        """Append one figure."""
        self.lines.append(Line(name, value, ratio, target, met, note))

    def show(self) -> None:
        """Print it."""
        print(f"{self.title}\n  {self.method}")
        names = max(len(line.name) for line in self.lines)
        values = max(len(line.value) for line in self.lines)
        for line in self.lines:
            figures = f"{line.value:>{values}}  {times(line.ratio):>8}"
            print(f"    {line.name:{names}}  {figures}  {line.verdict}".rstrip())
        print(flush=True)


def machine() -> str:
    """Return on what the figures are taken."""
    return (
        f"CPython {platform.python_version()}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} CPUs"
    )


def versions(distributions: Iterable[str]) -> str:
    """Return those that are installed, with their versions."""
    found = []
    for name in distributions:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found.append(f"{name} {metadata.version(name)}")
    return ", ".join(found)


def in_turns(rounds: int, **measured: Callable[[], float]) -> Samples:
    """Sample each of *measured* once in every round; the first round only warms up."""
    samples: Samples = {name: [] for name in measured}
    for turn in range(rounds + 1):
        for name, measure in measured.items():
            sample = measure()
            if turn:
                samples[name].append(sample)
    return samples


def median(samples: list[float]) -> float:
    """Return the median."""
    return statistics.median(samples)


def ratio(samples: Samples, name: str, base: str) -> float:
    """Return the median of the ratios of the turns."""
    return median([a / b for a, b in zip(samples[name], samples[base], strict=True)])


def times(found: float | None) -> str:
    """Return a ratio in two or three digits: more are noise; nothing if there is none."""
    if found is None:
        return ""
    digits = 2 if found < 10 else 1 if found < 100 else 0
    return f"{found:,.{digits}f}x"


def rounded(value: float) -> str:
    """Return a rate in three digits: a shared machine gives no more."""
    return f"{float(f'{value:.3g}'):,.0f}"


def per_second(nanoseconds_each: float, unit: str) -> str:
    """Return how many of *unit* there are in a second."""
    return f"{rounded(1e9 / nanoseconds_each)} {unit}/s"


def nanoseconds(value: float) -> str:
    """Return a duration with a unit that suits it."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g} ns"


class Stopwatch:
    """Reads the real clock, also from inside a simulation, by leaving it for the reading."""

    def __init__(self) -> None:
        self._empty = 0
        self._empty = int(median([self.time(lambda: None) for _ in range(21)]))

    def time(self, work: Callable[[], object]) -> float:
        """Return how long *work* takes in real nanoseconds, less what the reading costs."""
        began = self._now()
        work()
        return self._now() - began - self._empty

    @staticmethod
    def _now() -> int:
        simulation = simclock.active()
        if simulation is None:
            return time.perf_counter_ns()
        with simulation.real_time():
            return time.perf_counter_ns()
