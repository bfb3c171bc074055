"""``python -m benchmarks [SUBJECT ...]``: measure, and print each figure beside its target."""

from __future__ import annotations

import argparse
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import page
from benchmarks.measure import machine, versions
from benchmarks.subjects import SUBJECTS

if TYPE_CHECKING:
    from benchmarks.measure import Table

ROOT = Path(__file__).resolve().parents[1]
# What the subjects run beside, and their own versions may explain a figure.
COMPARED = ("simclock", "freezegun", "pytest", "redis", "trio")


def parse() -> argparse.Namespace:
    """Return the arguments."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("subject", nargs="*", choices=[*SUBJECTS, []], help="all, if none is named")
    parser.add_argument("--page", action="store_true", help=f"write {page.PAGE}")
    arguments = parser.parse_args()
    if arguments.page and arguments.subject:
        parser.error("the page is about all subjects: name none of them with --page")
    if arguments.page and shutil.which("redis-server") is None:
        parser.error("the page is about all subjects: install redis-server")
    return arguments


def conclude(found: dict[str, list[Table]]) -> None:
    """Print which targets were missed, and which could not be judged."""

    def named(verdict: bool | None) -> str:
        several = [
            f"{table.title}: {line.name}"
            for tables in found.values()
            for table in tables
            for line in table.lines
            if line.target and line.met is verdict
        ]
        return "; ".join(several) or "none of these"

    print(f"targets missed: {named(False)}\ntargets without a verdict: {named(None)}")


def main() -> None:
    """Run the command line."""
    arguments = parse()
    began = time.perf_counter()
    load = f"load {os.getloadavg()[0]:.1f} at the beginning"
    taken = f"{machine()}; {versions(COMPARED)}; {load}"
    print(
        f"{taken}\n"
        "Medians of alternating rounds. Read the ratios: absolute figures drift with the machine.\n"
    )
    found: dict[str, list[Table]] = {}
    for name in arguments.subject or SUBJECTS:
        found[name] = []
        for table in SUBJECTS[name].measure():
            table.show()
            found[name].append(table)
    conclude(found)
    if arguments.page:
        taken += f"; {(time.perf_counter() - began) / 60:.0f} minutes in all."
        (ROOT / page.PAGE).write_text(page.write(found, SUBJECTS, taken), encoding="utf-8")
        print(f"page: {page.PAGE}")


if __name__ == "__main__":
    main()
