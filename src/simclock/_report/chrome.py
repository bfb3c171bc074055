"""A timeline as a Chrome trace: JSON that Perfetto and ``chrome://tracing`` open.

Twice, as two processes: over virtual time, where what happens at one instant has no width; and by
step, each record a microsecond wide.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from simclock._report.lanes import BLOCKING, RUNNING, WAITING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simclock._report.lanes import Span
    from simclock._report.timeline import Timeline

    Events = Iterator[dict[str, Any]]
    # Where a record, given by its number, is on the axis.
    Axis = Callable[[float], float]

VIRTUAL, STEPS = 1, 2
AXES = {VIRTUAL: "virtual time", STEPS: "by step: a microsecond each"}
# Records that are shown by the spans that begin with them.
SHOWN_AS_SPANS = ("run", "park", "choice", "start", "end", "step")


def events(timeline: Timeline) -> dict[str, Any]:
    """Return *timeline* in the trace event format."""
    found: list[dict[str, Any]] = []
    instants = [record.time_ns / 1000 for record in timeline.records]
    instants.append(max([timeline.elapsed_ns / 1000, *instants[-1:]]))
    first = timeline.first
    axes: dict[int, Axis] = {
        VIRTUAL: lambda number: instants[math.floor(number) - first],
        STEPS: lambda number: number - first,
    }
    for process, axis in axes.items():
        found += _names(timeline, process)
        found += _spans(timeline, process, axis)
        found += _instants(timeline, process, axis)
    return {
        "displayTimeUnit": "ns",
        "otherData": {
            "title": timeline.title,
            "verdict": timeline.verdict,
            "error": timeline.error,
            "seed": timeline.seed,
            **timeline.details,
        },
        "traceEvents": found,
    }


def _names(timeline: Timeline, process: int) -> Events:
    about = {"ph": "M", "pid": process}
    yield {**about, "name": "process_name", "args": {"name": AXES[process]}}
    yield {**about, "name": "process_sort_index", "args": {"sort_index": process}}
    threads = {0: "the clock"}
    threads |= {tid: timeline.name_of(lane) for tid, lane in enumerate(timeline.lanes, 1)}
    for tid, name in threads.items():
        yield {**about, "tid": tid, "name": "thread_name", "args": {"name": name}}
        yield {**about, "tid": tid, "name": "thread_sort_index", "args": {"sort_index": tid}}


def _spans(timeline: Timeline, process: int, axis: Axis) -> Events:
    for tid, lane in enumerate(timeline.lanes, 1):
        for span in lane.spans:
            begin, end = axis(span.first), axis(span.last)
            step = math.ceil(span.first)
            place = timeline.places.get(step)
            arguments: dict[str, Any] = {"step": step, "site": span.site}
            if place is not None:
                arguments["line"] = f"{place.file}:{place.line} in {place.function}"
                arguments["source"] = place.source
            yield {
                "ph": "X", "pid": process, "tid": tid, "ts": begin, "dur": end - begin,
                "name": called(span), "cat": span.state, "args": arguments,
            }  # fmt: skip


def called(span: Span) -> str:
    """Return what a span is called."""
    if span.state == RUNNING:
        return "running"
    if span.state == WAITING:
        return f"waits: {span.reason}" if span.reason else "waits"
    return f"blocks its loop: {span.reason}" if span.state == BLOCKING else "ready"


def _instants(timeline: Timeline, process: int, axis: Axis) -> Events:
    tids = [index + 1 for index in timeline.lane_of]
    first = timeline.first
    for number, record in enumerate(timeline.records, first):
        if record.kind not in SHOWN_AS_SPANS:
            name = f"{record.kind}: {record.detail}" if record.detail else record.kind
            yield _instant(process, tids[number - first], axis(number), name, record.kind)
    threads = {lane.path: tid for tid, lane in enumerate(timeline.lanes, 1) if not lane.task}
    for number, path, text in timeline.deviations:
        yield _instant(process, threads.get(path, 0), axis(number), text, "deviation")
    for noted in timeline.logs:
        name = f"{noted.line.level}: {noted.line.text}"
        yield _instant(process, noted.lane + 1, axis(noted.number), name, "log")


def _instant(process: int, tid: int, at: float, name: str, category: str) -> dict[str, Any]:
    return {
        "ph": "i", "s": "t", "pid": process, "tid": tid, "ts": at, "name": name, "cat": category,
    }  # fmt: skip
