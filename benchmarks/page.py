"""The page of the documentation: the targets that are missed, the method, and the tables."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from benchmarks.measure import times

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from benchmarks.measure import Line, Table
    from benchmarks.subjects import Subject

PAGE = "docs/reference/benchmarks.md"
WIDTH = 100
HEAD = """\
# What simclock costs

Made by `./dev bench --page`: all figures are of one run of that command. `./dev bench` prints them
only, and `./dev bench switching rates` those of two subjects. Comparisons with other projects,
which have to be installed for that, have commands of their own:

- `./dev rivals`: [other simulators](rivals.md) of asyncio and of time;
- `./dev schedules`: [other explorers](../explanation/schedules.md#what-it-costs) of threads;
- `./dev tasks`: [another task queue](../how-to/run-tasks.md#what-it-costs).
"""
METHOD = """\
## How it is measured

Times are real ones, by a clock outside of any simulation, also of what is simulated; CPU time is
called so. What a table compares is sampled in turns, after one turn that does not count, so that
what else the machine does meets all of it. A value is the median of the turns. A ratio is the
median of the turns' ratios, which is not quite the ratio of the medians; it is to the first line of
its table where nothing else is said. A table says so where a value is of one run.

Read the ratios: values drift with the machine, and with what else runs on it. Of that the load
tells, an average of the minute before the run: above the number of CPUs, all waited for others.
"""


def write(found: Mapping[str, list[Table]], subjects: Mapping[str, Subject], taken: str) -> str:
    """Return the page, of the tables of each subject and on what they were taken."""
    parts = [HEAD, *_targets(found, subjects), METHOD, f"This run: {taken}\n"]
    for name, tables in found.items():
        subject = subjects[name]
        parts += [f"## {subject.title}\n", f"{_filled(subject.about)}\n", f"`./dev bench {name}`\n"]
        for table in tables:
            method = _filled(f"{sentence(table.method)}.")
            parts += [f"### {sentence(table.title)}\n", f"{method}\n", _table(table)]
    return "\n".join(parts)


def _targets(found: Mapping[str, list[Table]], subjects: Mapping[str, Subject]) -> Iterator[str]:
    """Yield what became of the targets, those first that are missed."""
    every = [
        (subjects[name], table, line)
        for name, tables in found.items()
        for table in tables
        for line in table.lines
        if line.target
    ]
    met, missed, unjudged = (
        [one for one in every if one[2].met is is_so] for is_so in (True, False, None)
    )
    yield "## Targets\n"
    yield f"{len(met)} of {len(met) + len(missed)} targets are met.\n"
    if missed:
        yield "Missed:\n"
        yield "\n".join(_missed(*one) for one in missed) + "\n"
    if unjudged:
        yield "Not judged here, since what they compare with is not installed:\n"
        # A line for each table: what it compares with is what all of its lines lack.
        yield "\n".join(dict.fromkeys(_unjudged(*one) for one in unjudged)) + "\n"


def _missed(subject: Subject, table: Table, line: Line) -> str:
    figure = ", ".join(filter(None, (line.value, times(line.ratio))))
    return f"- {_link(table)}, {line.name}: {figure}; target {line.target}{_why(subject, 'why')}"


def _unjudged(subject: Subject, table: Table, line: Line) -> str:
    return f"- {_link(table)}: {line.target}{_why(subject, 'elsewhere')}"


def _link(table: Table) -> str:
    # As code hosts make anchors of headings.
    anchor = re.sub(r"[^\w\- ]", "", table.title.lower()).replace(" ", "-")
    return f"[{table.title}](#{anchor})"


def _why(subject: Subject, words: str) -> str:
    return f" ([{words}]({subject.why}))" if subject.why else ""


def _filled(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _table(table: Table) -> str:
    """Return the lines, without a column that would be empty."""
    columns = [
        ("", "---", [line.name for line in table.lines]),
        ("value", "---:", [line.value for line in table.lines]),
        ("ratio", "---:", [times(line.ratio) for line in table.lines]),
        ("", "---", [line.verdict for line in table.lines]),
    ]
    kept = [(head, rule, *cells) for head, rule, cells in columns if any(cells)]
    return "\n".join([*map(row, zip(*kept, strict=True)), ""])


def sentence(words: str) -> str:
    """Return *words* with a capital."""
    return words[0].upper() + words[1:]


def row(cells: Iterable[str]) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
