"""``python -m benchmarks.rivals [CASE ...]``: compare with other simulators.

Prints a table of ratios for each case and writes a chart. A subject that is not
installed, or cannot run a case, is shown with the reason.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import machine
from benchmarks.rivals import chart, page
from benchmarks.rivals.cases import CASES
from benchmarks.rivals.results import rows, table
from benchmarks.rivals.sampling import ROOT, sample_in_turns
from benchmarks.rivals.subjects import SUBJECTS

if TYPE_CHECKING:
    from benchmarks.rivals.results import Row

ROUNDS = 5
CHART = ROOT / ".cache" / "rivals.svg"


def say(text: str) -> None:
    """Print progress where it does not get between the tables."""
    print(f"rivals: {text}", file=sys.stderr, flush=True)


def compared() -> str:
    """Return on what the figures were taken, and with which versions."""
    versions = [
        f"{one.label.partition(' ')[0]} {one.version}"
        for one in SUBJECTS.values()
        if one.kind != "ours" and one.distribution and not one.missing()
    ]
    return f"{machine()}; {', '.join(versions)}"


def parse() -> argparse.Namespace:
    """Return the arguments."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rivals", description=__doc__)
    parser.add_argument("case", nargs="*", choices=[*CASES, []], help="all, if none is named")
    parser.add_argument("--quick", action="store_true", help="small programs: a first look")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default: {ROUNDS}")
    parser.add_argument("--only", nargs="+", choices=SUBJECTS, metavar="SUBJECT", default=SUBJECTS)
    parser.add_argument("--chart", type=Path, default=CHART, help="where to write the chart (SVG)")
    parser.add_argument("--page", action="store_true", help=f"write {page.PAGE} and its chart")
    arguments = parser.parse_args()
    if arguments.page and (arguments.case or arguments.quick or arguments.only != SUBJECTS):
        parser.error("the page has everything at its full size: no cases, --quick or --only")
    absent = [one.name for one in SUBJECTS.values() if one.missing()]
    if arguments.page and absent:
        parser.error(f"the page compares with all: install {', '.join(absent)} (Python 3.12)")
    return arguments


def conclude(found: dict[str, list[Row]], absent: list[str]) -> None:
    """Print which targets were missed, and which are still open."""

    def named(verdict: bool | None) -> str:
        several = [
            f"{CASES[name].title}: {row.subject.label}"
            for name, rows in found.items()
            for row in rows
            if row.target and row.met is verdict
        ]
        return "; ".join(several) or "none of these"

    print(f"targets missed: {named(False)}\ntargets without a verdict: {named(None)}")
    if absent:
        print(f"not compared with: {', '.join(absent)}; some need Python 3.12")


def main() -> None:
    """Run the command line."""
    arguments = parse()
    print(
        f"{compared()}, load {os.getloadavg()[0]:.1f}\n"
        "Medians of alternating rounds, each sample in a process of its own. Read the ratios:\n"
        "absolute figures drift with the machine.\n"
    )
    found: dict[str, list[Row]] = {}
    sizes = {case.name: case.quick if arguments.quick else case.size for case in CASES.values()}
    for name in arguments.case or CASES:
        case, subjects = CASES[name], [SUBJECTS[one] for one in arguments.only]
        outcomes = sample_in_turns(case, sizes[name], subjects, arguments.rounds, say)
        found[name] = rows(case, sizes[name], outcomes)
        table(case, sizes[name], found[name]).show()
    conclude(found, [one for one in arguments.only if SUBJECTS[one].missing()])
    drawn = ROOT / page.CHART if arguments.page else arguments.chart
    drawn.parent.mkdir(parents=True, exist_ok=True)
    drawn.write_text(chart.draw(found), encoding="utf-8")
    print(f"chart: {drawn}")
    if arguments.page:
        taken = f"{arguments.rounds} round{'s' if arguments.rounds > 1 else ''} on {compared()}"
        (ROOT / page.PAGE).write_text(page.write(found, sizes, taken), encoding="utf-8")
        print(f"page: {page.PAGE}")


if __name__ == "__main__":
    main()
