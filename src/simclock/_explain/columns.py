"""A run as a table of text: a column for each thread or task, a row for each line it runs."""

from __future__ import annotations

import collections
import itertools
from typing import TYPE_CHECKING, NamedTuple

from simclock._core.instants import START_NS, shown_seconds, to_seconds
from simclock._core.places import short
from simclock._explain.narrative import CHOICES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simclock._explain.narrative import Moment, Narrative, Place

WIDTH = 118
# More than these do not fit beside each other; then each row names its own.
COLUMNS = 3
# Rows around a choice, around a line of note, and before the end.
AROUND_CHOICE, AROUND_NOTE, AT_END = 3, 2, 3
# So few are shown instead of a gap.
GAP = 2
_OF_LOCKS = ("acquire", "release")
# Letters of a line's source that are shown at least.
SOURCE = 16
# Threads and tasks whose coming to the line that raises is shown, the latest: the end and the
# cause have to fit, too.
IN_RAISING = 5
# A table is to be read.
ROWS = 60


class _Row(NamedTuple):
    """A row of the table.

    Attributes:
        at: The number of its moment.
        moment: What it tells.
        said: The rest of what happens in that line.
    """

    at: int
    moment: Moment
    said: str


def table(
    narrative: Narrative, noted: Iterable[int], at_end: int = AT_END, raised: Iterable[int] = ()
) -> list[str]:
    """Return the part of a run around its choices and its end, as lines.

    Args:
        narrative: The run.
        noted: Numbers of moments of note: they are marked, and shown.
        at_end: How many rows before the last one are shown.
        raised: Numbers of moments of which the latest are shown, whatever is left out.
    """
    rows = _rows(narrative)
    marks = _rows_of(rows, narrative, noted)
    shown = _shown(rows, marks, at_end, sorted(_rows_of(rows, narrative, raised), reverse=True))
    if not any(rows[number].moment.place for number in shown):
        return []
    style = _Style([rows[number] for number in shown], narrative.names, [rows[n] for n in marks])
    lines = style.head()
    before = shown[0] - 1
    for number in shown:
        if number != before + 1:
            lines.append("     ...")
        lines.append(style.line(rows[number], is_marked=number in marks))
        before = number
    return lines


def _rows(narrative: Narrative) -> list[_Row]:
    rows: list[_Row] = []
    # The row of each thread's line that is under way; what each waits for.
    current: dict[str, int] = {}
    waiting: dict[str, object] = {}
    for at, moment in enumerate(narrative.moments):
        if moment.kind in ("line", *CHOICES):
            waiting.pop(moment.who, None)
            current[moment.who] = len(rows)
            rows.append(_Row(at, moment, ""))
            continue
        said = _said(narrative, moment, waiting)
        if moment.kind == "wait":
            waiting[moment.who] = moment.subject
        row = current.get(moment.who)
        if row is not None and rows[row].moment.place == moment.place:
            rows[row] = rows[row]._replace(said=_more_telling(rows[row].said, said))
        elif moment.kind == "wait":
            current[moment.who] = len(rows)
            rows.append(_Row(at, moment, said))
    return rows


def _said(narrative: Narrative, moment: Moment, waiting: dict[str, object]) -> str:
    """Return what is to be said of an operation, or nothing."""
    if moment.kind == "wait":
        return f"waits: {moment.said}"
    if moment.subject is None or moment.operation not in _OF_LOCKS:
        return ""
    others = (pair for pair in waiting.items() if pair[0] != moment.who)
    woken = [who for who, subject in others if subject is moment.subject]
    if moment.operation == "release" and woken:
        return "wakes " + " or ".join(narrative.names[who] for who in woken)
    return moment.said if moment.said.startswith(moment.operation) else ""


def _more_telling(one: str, other: str) -> str:
    """Return which of two things that happen in a line is to be said: the last of those alike."""
    return other if other and (not one.startswith("wa") or other.startswith("wa")) else one


def _rows_of(rows: list[_Row], narrative: Narrative, ats: Iterable[int]) -> set[int]:
    found = (_row_of(rows, at, narrative.moments[at]) for at in ats)
    return {row for row in found if row is not None}


def _row_of(rows: list[_Row], at: int, moment: Moment) -> int | None:
    """Return the number of the row that has the line of *moment*, which is number *at*."""
    mine = (
        number
        for number, row in enumerate(rows)
        if row.at <= at and row.moment.who == moment.who and row.moment.place == moment.place
    )
    return max(mine, default=None)


def _shown(rows: list[_Row], marks: Iterable[int], at_end: int, raised: Iterable[int]) -> list[int]:
    last = len(rows) - 1
    around = [(row, 0) for row in itertools.islice(raised, IN_RAISING)]
    around += [(last, at_end)] + [(mark, AROUND_NOTE) for mark in marks]
    choices = [number for number, row in enumerate(rows) if row.moment.kind in CHOICES]
    around += [(number, AROUND_CHOICE) for number in reversed(choices)]
    shown: set[int] = set()
    for number, distance in around:
        wanted = set(range(max(0, number - distance), min(last, number + distance) + 1))
        if len(shown | wanted) > ROWS:
            break
        shown |= wanted
    if len(shown) < ROWS // 2:
        for number in sorted(shown):
            following = next((n for n in range(number + 1, number + GAP + 2) if n in shown), number)
            shown |= set(range(number, following))
    return sorted(shown)


class _Style:
    """How rows are written: as wide as they may be.

    Args:
        rows: Those that are shown.
        names: Of threads and tasks, by key, in the order in which they came.
        marked: The rows of note.
    """

    def __init__(self, rows: list[_Row], names: dict[str, str], marked: list[_Row]) -> None:
        shown = {row.moment.who for row in rows if row.moment.place}
        self._columns = [each for each in names if each in shown]
        self._names = names
        self._legend = "; * marks the likely cause" if marked else ""
        # The file that matters most is not named with each line.
        places = [row.moment.place for row in marked or rows if row.moment.place]
        self._file = collections.Counter(place.file for place in places).most_common(1)[0][0]
        self._is_wide = len(self._columns) > COLUMNS
        self._indent = max(len(names[each]) for each in self._columns) if self._is_wide else 0
        self._width = (WIDTH - 18) // (1 if self._is_wide else len(self._columns)) - 3

    def head(self) -> list[str]:
        """Return the lines above the table."""
        names = [self._names[each] for each in self._columns]
        return [
            f"the run that fails; lines are of {short(self._file)}{self._legend}",
            self._row("step", "time", ["thread"] if self._is_wide else names),
        ]

    def line(self, row: _Row, *, is_marked: bool) -> str:
        """Return a row."""
        moment = row.moment
        time = f"+{shown_seconds(to_seconds(moment.time_ns - START_NS))}" if moment.time_ns else ""
        if moment.kind in CHOICES:
            return f"{moment.step:>6}  {time:>8}  --- {moment.said} ---"
        assert moment.place is not None
        text = ("* " if is_marked else "  ") + self._text(moment.place)
        if row.said:
            text = self._with(text, row.said)
        if self._is_wide:
            cells = [f"{self._names[moment.who]:<{self._indent}} {text}"]
        else:
            cells = ["" for _ in self._columns]
            cells[self._columns.index(moment.who)] = text
        return self._row(str(moment.step), time, cells)

    def _with(self, text: str, said: str) -> str:
        """Return *text* with what happens in that line, as far as there is room."""
        if len(text) + len(said) + 3 > self._width:
            if said.startswith(_OF_LOCKS):
                return text
            said = "waits" if said.startswith("waits") else said
        return f"{_cut(text, max(self._width - len(said) - 3, SOURCE))} ({said})"

    def _text(self, place: Place) -> str:
        where = str(place.line) if place.file == self._file else str(place)
        return f"{where} {place.source}"

    def _row(self, step: str, time: str, cells: list[str]) -> str:
        shown = [f"{_cut(cell, self._width):<{self._width}}" for cell in cells]
        return f"{step:>6}  {time:>8}  {' | '.join(shown)}".rstrip()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(0, width - 3)] + "..."
