"""Whether a run repeats: its first difference from another one, and where that may come from."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from simclock._core.trace import Record, Trace

# Hints on what a difference comes from, by the first that fits.
OF_TIME = (
    "a duration that is not the same: of a random generator that no seed reaches, an id or a hash,"
    " a clock that is not simulated"
)
OF_ORDER = (
    "the order of a set or of ids, a random generator that was made before the run, or state"
    " that an earlier run has left"
)
OF_TASKS = "an order that depends on addresses: a set of objects without a hash of their own, id()"
OF_LENGTH = "state that an earlier run has left: a cache, a module's global, a lazy import"


def difference(first: Trace, second: Trace, uncontrolled: Iterable[str] = ()) -> str:
    """Return where two traces differ first and what that may come from; nothing if nowhere."""
    if first.digest == second.digest:
        return ""
    # The first that is kept of both.
    begin = max(len(each) - len(each.records) for each in (first, second))
    ends = [each.records[begin - (len(each) - len(each.records)) :] for each in (first, second)]
    for index, (one, other) in enumerate(itertools.zip_longest(*ends)):
        if one != other:
            return (
                f"two runs of one schedule differ at step {begin + index}\n"
                f"  first:  {_said(one)}\n  second: {_said(other)}\n"
                f"likely source: {_likely(one, other, list(uncontrolled))}"
            )
    return (
        "two runs of one schedule differ, before the last steps, which are kept\n"
        f"likely source: {OF_ORDER}"
    )


def _said(record: Record | None) -> str:
    if record is None:
        return "nothing more"
    at = record.time_ns / 1e9
    return f"at {at:.9f} s, thread {record.path or '-'}: {record.kind} {record.detail}".rstrip()


def _likely(one: Record | None, other: Record | None, uncontrolled: list[str]) -> str:
    if uncontrolled:
        return f"what is not controlled: {uncontrolled[0]}"
    if one is None or other is None:
        return OF_LENGTH
    for fits, source in _SOURCES:
        if fits(one, other):
            return source
    return OF_ORDER


_SOURCES: tuple[tuple[Callable[[Any, Any], bool], str], ...] = (
    (lambda one, other: one[1:] == other[1:], OF_TIME),
    (lambda one, other: "step" in (one.kind, other.kind), OF_TASKS),
    (lambda one, other: "jump" in (one.kind, other.kind), OF_TIME),
)
