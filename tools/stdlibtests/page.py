"""What came out, as a page of the documentation."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tools.stdlibtests.judging import Verdict
    from tools.stdlibtests.listed import Listed

FIRST, LAST = (3, 10), (3, 13)

HEAD = """\
# The standard library's own asyncio tests

Made by `./dev asynciotests --page`. CPython comes with the tests of its asyncio,
`test.test_asyncio`. Nothing in them is changed. Each module is run in a process of its own, and
each test, from its `setUp` to its last cleanup, in a simulation of its own. `asyncio.run`, `Runner`
and `new_event_loop` give a `SimEventLoop` there. Where a test names a class of stock loops to make
one (`SelectorEventLoop`, `EventLoop`, `BaseEventLoop`, `BaseSelectorEventLoop`), it gets a
`SimEventLoop` too, which has no use for the selector that some tests choose, and no self-pipe where
they give it a mock for a selector. The modules for the loops of Windows are left out.

Every test passes or is skipped by itself, except those listed below; and those all fail, so that
none is listed without need. `./dev asynciotests --stock` runs the same tests in simulated time on
the stock loop, `--real` in real time.
"""

LISTING = """\
## What does not apply

These tests are about what a `SimEventLoop` has in another way, or has not. Those that name a
version are about, or fail on, that one only.
"""


def markdown(verdicts: dict[str, Verdict], seconds: float, listed: Iterable[Listed]) -> str:
    """Return the page, from what came of each module."""
    lines = ["module", "tests", "passed", "skipped", "listed"]
    rows = [
        [
            f"`{module}`",
            *map(str, (sum(counts.values()), *(counts[name] for name in lines[2:]))),
        ]
        for module, counts in ((module, verdict.counts) for module, verdict in verdicts.items())
    ]
    sums = [sum(int(row[column]) for row in rows) for column in range(1, len(lines))]
    table = [lines, ["---", *["---:"] * 4], *rows, ["all", *map(str, sums)]]
    where = f"CPython {platform.python_version()}, {platform.system()} {platform.machine()}, "
    return "\n".join(
        [
            HEAD,
            f"{where}{seconds:.0f} s in all:\n",
            *(f"| {' | '.join(row)} |" for row in table),
            "",
            listing(listed),
        ]
    )


def listing(listed: Iterable[Listed]) -> str:
    """Return the part of the page about the tests that do not apply, on any Python."""
    reasons: dict[str, list[Listed]] = {}
    for entry in listed:
        reasons.setdefault(entry.why, []).append(entry)
    parts = [LISTING]
    for why, entries in reasons.items():
        parts.append(f"{why[0].upper()}{why[1:]}:\n")
        parts += [f"- `{entry.test}`{_versions(entry)}" for entry in entries]
        parts.append("")
    return "\n".join(parts)


def _versions(entry: Listed) -> str:
    """Return on which Pythons, if not on each."""
    since, until = (".".join(map(str, version)) for version in (entry.since, entry.until))
    if entry.since == entry.until:
        return f" ({since})"
    if entry.since > FIRST and entry.until < LAST:
        return f" ({since} to {until})"
    if entry.since > FIRST:
        return f" (from {since})"
    return f" (to {until})" if entry.until < LAST else ""
