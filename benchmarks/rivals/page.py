"""The page of the documentation: the tables, the chart, the command and the method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.page import row, sentence
from benchmarks.rivals.cases import CASES
from benchmarks.rivals.results import method

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.rivals.cases import Size
    from benchmarks.rivals.results import Row

PAGE = "docs/reference/rivals.md"
CHART = "docs/reference/rivals.svg"
HEAD = """\
# Speed, beside other simulators

Made by `./dev rivals --page`: figures, tables and chart are those of one run of that command.
`./dev rivals --quick` is a first look that takes two minutes. What simclock costs otherwise is in
the [benchmarks](benchmarks.md).

![For each case: how many times as fast as the fastest rival](rivals.svg)

## How it is measured

Each sample is a process of its own with a time limit. The subjects take turns, so that what else
the machine does meets all of them; a figure is the median of the rounds, a ratio the median of the
rounds' ratios. What takes more than ten seconds is sampled once. Times are taken outside of any
simulation and include making and closing the loop. Ratios are to the *fastest rival*: the fastest
of the simulators of asyncio or trio that came to the right end.

Three lines are simclock's:

- *a simulation*: `simclock.run(asyncio.run, main())`. Threads, sockets and all clocks are simulated
  too.
- *its loop alone*: `asyncio.run(main(), loop_factory=simclock.SimEventLoop)`. Only the loop's time
  is virtual.
- *the stock loop*: an `asyncio.SelectorEventLoop` in a simulation, for programs that ask for one.
  Its poller rounds up to whole milliseconds, there as everywhere.

The rivals are used as their own documentation has it, with default options: seedloop, simloop and
simloom by their calls for many seeds, trio with the same programs written for trio. SimPy runs no
asyncio; its programs are generators, and its line says how fast a simulator in Python can be that
has no tasks and futures to serve. SimPy and asyncio in real time are yardsticks, never the fastest
rival. async-solipsism is GPL-3.0-or-later and runs in this benchmark only.

Durations are whole nanoseconds, so the exact end of each program is known. *Ends exactly* means
within half a nanosecond. A program whose clock is off by more than a hundredth has not been run,
however fast it was. Memory is the peak of the resident size less what it was before the program.
"""


def write(found: dict[str, list[Row]], sizes: dict[str, Size], machine: str) -> str:
    """Return the page."""
    parts = [HEAD, f"{machine}. Absolute figures drift with the machine.\n"]
    for name, rows in found.items():
        case = CASES[name]
        said = method(case, sizes[name])
        parts.append(f"## {sentence(case.title)}\n\n{sentence(said)}.\n")
        parts.append(
            "\n".join(
                [
                    row(("", case.unit, "ratio", "")),
                    row(("---", "---:", "---:", "---")),
                    *(row(_cells(one)) for one in rows),
                    "",
                ]
            )
        )
    return "\n".join(parts)


def _cells(one: Row) -> Iterable[str]:
    ratio = "" if one.ratio is None else f"{one.ratio:.2f}x"
    verdict = "" if one.met is None else f"target {one.target}: {'met' if one.met else 'missed'}"
    notes = "; ".join(filter(None, (verdict, one.note)))
    return (one.subject.label, one.value.partition(" ")[0], ratio, notes)
