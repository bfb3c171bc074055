"""What came out, as lines for a terminal and as a page of the documentation."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tools.compat.comparing import Comparison

HEAD = """\
# Compatibility: published projects' own tests

Made by `./dev compat --page`. Each project's source distribution is fetched, pinned by its
hash, and its tests are run twice as published: by plain pytest, then with `--simclock`. Nothing in
them is changed, and nothing in them knows of simclock. *Kind* says what waits in them: threads, or
coroutines by the name of what runs them. *Same* counts the tests with the same outcome in both
runs, *different* the others; none may differ, and none may fail. Times and processor times are
those of the whole pytest process, its start and collection included.

"""


def cells(comparison: Comparison) -> dict[str, str]:
    """Return one line of the table, by heading."""
    real, simulated = comparison.real, comparison.simulated
    differing = len(comparison.differing)
    return {
        "project": comparison.project.label,
        "licence": comparison.project.license,
        "kind": comparison.project.kind,
        "tests": str(len(comparison.tests)),
        "same": str(len(comparison.tests) - differing),
        "different": str(differing),
        "skipped": str(len(real.ended("skipped"))),
        "not run": str(real.deselected),
        "real": f"{real.seconds:.1f} s",
        "its CPU": f"{real.cpu_seconds:.1f} s",
        "simulated": f"{simulated.seconds:.1f} s",
        "its CPU ": f"{simulated.cpu_seconds:.1f} s",
        "ratio": f"{real.seconds / simulated.seconds:.1f}x",
    }


def table(comparisons: Iterable[Comparison]) -> str:
    """Return a line of headings and one for each project, aligned."""
    lines = [cells(comparison) for comparison in comparisons]
    rows = [list(line.values()) for line in lines]
    rows[:0] = [list(lines[0])] if lines else []
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )


def markdown(comparisons: list[Comparison]) -> str:
    """Return the page."""
    lines = [cells(comparison) for comparison in comparisons]
    where = (
        f"CPython {platform.python_version()}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} CPUs. Absolute times drift with the machine.\n"
    )
    body = [
        where,
        *([_row(lines[0]), _row(["---"] * 3 + ["---:"] * (len(lines[0]) - 3))] if lines else []),
        *(_row(line.values()) for line in lines),
        "",
        *(part for comparison in comparisons for part in _remarks(comparison)),
    ]
    return HEAD + "\n".join(body).rstrip("\n") + "\n"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.strip() for cell in cells)} |"


def _remarks(comparison: Comparison) -> list[str]:
    """Return what a reader must know of one project besides its figures."""
    project = comparison.project
    skipped = comparison.real.ended("skipped")
    return [
        f"## {project.label}\n",
        f"{project.about}. Run: {', '.join(f'`{name}`' for name in project.files)}.\n",
        *_listed("Options", project.options),
        *_listed("Not run", project.left_out),
        *_listed("Different", dict.fromkeys(comparison.differing, "")),
        *([f"Skipped by the project itself, in both runs: {len(skipped)}.\n"] if skipped else []),
        *_listed_tests(skipped),
    ]


def _listed(title: str, reasons: dict[str, str]) -> list[str]:
    if not reasons:
        return []
    items = [f"- `{what}`" + (f": {why}" if why else "") for what, why in reasons.items()]
    return [f"{title}:\n", *items, ""]


def _listed_tests(tests: list[str]) -> list[str]:
    """Return the tests by class, with how many there are: some suites skip hundreds."""
    classes: dict[str, int] = {}
    for test in tests:
        # A module that skips itself has no class.
        name = test.partition("::")[0] or test[2:]
        classes[name] = classes.get(name, 0) + 1
    return [
        *(f"- `{name}`: {count}" for name, count in classes.items()),
        *([""] if classes else []),
    ]
