"""The chart: for each case, how many times as good as the fastest rival, as an SVG.

Drawn by hand: bars and texts need no library, and two charts can be compared as text.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from benchmarks.rivals.cases import CASES
from benchmarks.rivals.subjects import OURS, RIVAL

if TYPE_CHECKING:
    from benchmarks.rivals.results import Row

# In pixels. A panel has names, bars and figures, from left to right.
PANEL, NAMES, BARS, GAP, LINE, HEAD, TOP = 560, 160, 210, 24, 18, 58, 74
COLUMNS = 2
LEAST, MOST = 1 / 128, 8.0
TICKS = (1 / 64, 1 / 8, 1.0, 8.0)
COLOURS = {OURS: "#0b63b0", RIVAL: "#9aa3ad"}
OTHER = "#d3b67a"
TITLE = "simclock and other simulators"
LEGEND = (
    (COLOURS[OURS], "simclock"),
    (COLOURS[RIVAL], "simulators of asyncio or trio"),
    (OTHER, "yardsticks: no asyncio, or real time"),
)
# Nothing to see in these: the same few imports for everybody.
LEFT_OUT = ("import", "start")


def draw(found: dict[str, list[Row]]) -> str:
    """Return the chart of these cases."""
    panels = [(name, rows) for name, rows in found.items() if name not in LEFT_OUT]
    parts, bottom = [], TOP
    for first in range(0, len(panels), COLUMNS):
        both = panels[first : first + COLUMNS]
        for column, (name, rows) in enumerate(both):
            parts += _panel(name, rows, GAP + column * (PANEL + GAP), bottom)
        bottom += HEAD + LINE * max(len(rows) for _, rows in both) + GAP
    width = GAP + COLUMNS * (PANEL + GAP)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{bottom}" '
        f'viewBox="0 0 {width} {bottom}" font-family="DejaVu Sans, Verdana, sans-serif" '
        'font-size="12" fill="#222">'
    )
    return "\n".join(
        [
            head,
            f"<title>{TITLE}</title>",
            f'<rect width="{width}" height="{bottom}" fill="#fff"/>',
            _text(GAP, 28, TITLE, 'font-size="18" font-weight="bold"'),
            *_legend(),
            *parts,
            "</svg>\n",
        ]
    )


def _legend() -> list[str]:
    parts, left = [], GAP
    for colour, meaning in LEGEND:
        parts.append(f'<rect x="{left}" y="41" width="11" height="11" fill="{colour}"/>')
        parts.append(_text(left + 16, 51, meaning))
        left += 40 + 6 * len(meaning)
    told = "1x: the fastest rival simulator of that case. Bars to the right are better."
    return [*parts, _text(left + 10, 51, told, 'fill="#555"')]


def _panel(name: str, rows: list[Row], left: float, top: float) -> list[str]:
    case = CASES[name]
    better = "" if case.more_is_better else ", times less"
    bottom = top + HEAD + LINE * len(rows) - 8
    parts = [_text(left, top + 14, case.title + better, 'font-size="14" font-weight="bold"')]
    if any(row.ratio for row in rows):
        for tick in TICKS:
            x = left + NAMES + _place(tick)
            shade = "#777" if tick == 1 else "#e3e3e3"
            words = f"{tick:g}x" if tick >= 1 else f"1/{1 / tick:g}"
            parts.append(
                f'<line x1="{x:.1f}" y1="{top + 38}" x2="{x:.1f}" y2="{bottom:.1f}" '
                f'stroke="{shade}"/>'
            )
            parts.append(_text(x, top + 34, words, 'text-anchor="middle" fill="#777"'))
    for number, row in enumerate(rows):
        parts += _bar(row, case.more_is_better, left, top + HEAD + LINE * number - 4)
    return parts


def _bar(row: Row, more_is_better: bool, left: float, base: float) -> list[str]:
    weight = ' font-weight="bold"' if row.subject.kind == OURS else ""
    style = f'text-anchor="end" font-size="11"{weight}'
    parts = [_text(left + NAMES - 8, base, row.subject.label, style)]
    if not row.value:
        words = row.note if len(row.note) <= 66 else row.note[:64].rstrip() + "..."
        return [*parts, _text(left + NAMES, base, words, 'font-size="11" fill="#a33"')]
    if row.ratio:
        good = row.ratio if more_is_better else 1 / row.ratio
        ends = sorted((_place(1.0), _place(good)))
        colour = COLOURS.get(row.subject.kind, OTHER)
        parts.append(
            f'<rect x="{left + NAMES + ends[0]:.1f}" y="{base - 10}" '
            f'width="{max(2.0, ends[1] - ends[0]):.1f}" height="12" fill="{colour}"/>'
        )
        parts.append(
            _text(left + NAMES + BARS + 46, base, f"{good:.2f}x", f'text-anchor="end"{weight}')
        )
    words = row.value if row.ratio else f"{row.value}; {row.note}"
    x = left + NAMES + (BARS + 56 if row.ratio else 0)
    return [*parts, _text(x, base, words, 'font-size="11" fill="#555"')]


def _place(times: float) -> float:
    """Return how far to the right of a panel's bars *times* is, on a scale of logarithms."""
    within = min(max(times, LEAST), MOST)
    return BARS * math.log(within / LEAST) / math.log(MOST / LEAST)


def _text(x: float, y: float, words: str, style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(words)}</text>'
