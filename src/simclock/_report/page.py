"""A timeline as one page of HTML: the template with the data in it, column by column."""

from __future__ import annotations

import functools
import html
import json
import re
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simclock._report.timeline import Timeline

TITLE, DATA = "SIMCLOCK-TITLE", "SIMCLOCK-DATA"
# Changes with the form of the data.
VERSION = 2


def render(timeline: Timeline) -> str:
    """Return the page."""
    title = f"{timeline.verdict}: {timeline.title}"
    # In a script element only "</" and "<!--" could end the data.
    text = json.dumps(data(timeline), separators=(",", ":"), ensure_ascii=True)
    text = text.replace("<", "\\u003c")
    parts = {TITLE: html.escape(title), DATA: text}
    # At once: neither may be looked for in the other.
    return re.sub(f"{TITLE}|{DATA}", lambda found: parts[found[0]], _template())


@functools.cache
def _template() -> str:
    return files("simclock._report").joinpath("timeline.html").read_text(encoding="utf-8")


class _Texts:
    """Each text once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        """Return the number of *text*."""
        return self._numbers.setdefault(text, len(self._numbers))

    def all(self) -> list[str]:
        """Return them, in order of their numbers."""
        return list(self._numbers)


def data(timeline: Timeline) -> dict[str, Any]:
    """Return what the page's script reads."""
    texts = _Texts()
    texts.number("")
    first = timeline.first
    records = timeline.records
    places = list(dict.fromkeys(timeline.places.values()))
    place_numbers = {place: number for number, place in enumerate(places)}
    return {
        "version": VERSION,
        "title": timeline.title,
        "verdict": timeline.verdict,
        "error": timeline.error,
        "raised": timeline.raised,
        "seed": timeline.seed,
        "elapsed": timeline.elapsed_ns,
        "first": first,
        "ending": None if timeline.ending is None else timeline.ending - first,
        "details": timeline.details,
        "lanes": [
            {
                "path": lane.path,
                "name": timeline.names[lane.path],
                "task": lane.task,
                # Columns: first, last, state, reason, site.
                "spans": _columns(
                    (
                        span.first - first,
                        span.last - first,
                        texts.number(span.state),
                        texts.number(span.reason),
                        texts.number(span.site),
                    )
                    for span in lane.spans
                ),
            }
            for lane in timeline.lanes
        ],
        # Columns: nanoseconds since the record before, lane, kind, text.
        "records": [
            _steps([record.time_ns for record in records]),
            timeline.lane_of,
            [texts.number(record.kind) for record in records],
            [texts.number(record.detail) for record in records],
        ],
        # By record: which place.
        "at": [[number - first, place_numbers[at]] for number, at in timeline.places.items()],
        "places": places,
        "deviations": [
            [number - first, path, texts.number(text)]
            for number, path, text in timeline.deviations
        ],
        # Before which record, lane, instant, level, logger, message, site.
        "logs": [
            [
                noted.number - first, noted.lane, noted.time_ns, texts.number(noted.line.level),
                texts.number(noted.line.logger), noted.line.text, texts.number(noted.line.site),
            ]
            for noted in timeline.logs
        ],
        "texts": texts.all(),
    }  # fmt: skip


def _columns(rows: Any) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _steps(values: list[int]) -> list[int]:
    return [value - before for before, value in zip([0, *values], values, strict=False)]
