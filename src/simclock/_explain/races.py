"""Which lines race: what one thread does with shared data between two looks of another one.

Two accesses of one thread with another's between them are *unserialisable* if no order of the two
threads, one after the other, has the same effect. There are four such patterns (S. Lu, J. Tucek,
F. Qin and Y. Zhou, "AVIO: detecting atomicity violations via access interleaving invariants",
ASPLOS 2006). Where there is none, an order tells: of two accesses, or of two operations on one
lock or queue, that came the other way round in a run that passes.
"""

from __future__ import annotations

import collections
import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

from simclock._explain.narrative import CHOICES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from simclock._explain.accesses import Access
    from simclock._explain.narrative import Narrative, Place

# Accesses to one thing that are compared, the last ones.
COMPARED = 300


class Touch(NamedTuple):
    """An access in a run."""

    at: int
    who: str
    place: Place
    access: Access

    @property
    def key(self) -> tuple[Any, ...]:
        """What is the same in another run."""
        access = self.access
        part = access.part if isinstance(access.part, (int, str, bytes)) else None
        return self.who, self.place, access.writes, "" if access.calls else access.said, part

    def conflicts(self, other: Touch) -> bool:
        """Return whether their order matters."""
        parts = self.access.part, other.access.part
        return (
            self.who != other.who
            and (self.access.writes or other.access.writes)
            and (parts[0] == parts[1] or None in parts)
        )


class Race(NamedTuple):
    """Lines of which the order matters.

    Attributes:
        touches: In the order of the run that failed: two, or three of which the second is another
            thread's.
        is_new: Whether the run that passes has none of the kind there.
        is_chosen: Whether a choice that is not canonical came in between.
        is_near: Whether it is about what the failing line is about.
    """

    touches: tuple[Touch, ...]
    is_new: bool
    is_chosen: bool
    is_near: bool

    @property
    def places(self) -> tuple[Place, ...]:
        """The lines."""
        return tuple(touch.place for touch in self.touches)

    @property
    def pattern(self) -> str:
        """What each does, a letter each: ``r`` reads, ``w`` writes."""
        return "".join("rw"[each.access.writes] for each in self.touches)

    def said(self, names: dict[str, str]) -> str:
        """Return what went wrong, as a sentence."""
        if len(self.touches) == 2:
            one, other = (_did(touch, names) for touch in self.touches)
            return f"{one} before {other}; the run that passes has it the other way round"
        first, between, last = self.touches
        what = first.access.said
        mine, theirs = names[first.who], names[between.who]
        return _PATTERNS[self.pattern].format(
            what=what,
            mine=mine,
            theirs=theirs,
            first=first.place,
            between=between.place,
            last=last.place,
        )


_PATTERNS = {
    "rww": (
        "{mine} read {what} ({first}), then {theirs} wrote it ({between}), and then {mine} wrote it"
        " ({last}), by what it had read before"
    ),
    "rwr": (
        "{mine} read {what} twice ({first}, {last}), and {theirs} wrote it in between ({between})"
    ),
    "wwr": (
        "{mine} wrote {what} ({first}) and read it again ({last}), and {theirs} wrote it in"
        " between ({between})"
    ),
    "wrw": (
        "{mine} wrote {what} twice ({first}, {last}), and {theirs} read it in between ({between}),"
        " half done"
    ),
}


# The most telling first.
_ORDER = ("rww", "rwr", "wwr", "wrw", "rw", "wr", "ww")


def _did(touch: Touch, names: dict[str, str]) -> str:
    if touch.access.calls:
        return f"{names[touch.who]} came to {touch.access.said} ({touch.place})"
    verb = "wrote" if touch.access.writes else "read"
    return f"{names[touch.who]} {verb} {touch.access.said} ({touch.place})"


def races(failed: Narrative, passed: Narrative | None, ends: Iterable[Place]) -> list[Race]:
    """Return the races of a run that failed, the most telling one first.

    Args:
        failed: The run.
        passed: One that is as similar as can be, and passes.
        ends: The lines where threads were when it failed.
    """
    whole, before = _touches(failed), [] if passed is None else _touches(passed)
    several_have = _of_several(whole) | _of_several(before)
    touches, usual = _shared(whole), _shared(before)
    known = {_kind(found) for found in _unserialisable(usual)}
    orders = {(one.key, other.key) for group in usual for one, other in _orders(group)}
    chosen = [at for at, each in enumerate(failed.moments) if each.kind in CHOICES]
    last = frozenset(ends)
    near = {id(group) for group in touches if any(touch.place in last for touch in group)}
    found = []
    for group in touches:
        several: list[tuple[Touch, ...]] = [*_unserialisable([group])]
        several += _turned(group, orders, several_have)
        found += [
            Race(
                each,
                _kind(each) not in known,
                any(each[0].at <= at <= each[-1].at for at in chosen),
                id(group) in near,
            )
            for each in several
        ]
    return sorted(found, key=_rank)


def _kind(touches: tuple[Touch, ...]) -> tuple[Any, ...]:
    """Return what is the same whoever comes in between."""
    return touches[0].key, touches[1].key[1:], touches[-1].key


def _rank(race: Race) -> tuple[Any, ...]:
    first, last = race.touches[0], race.touches[-1]
    return (
        first.access.calls,
        not race.is_near,
        not race.is_new,
        not race.is_chosen,
        _ORDER.index(race.pattern),
        last.at - first.at,
    )


def _touches(narrative: Narrative) -> list[list[Touch]]:
    """Return the accesses of a run, in their order, a list for each thing."""
    found: dict[Any, list[Touch]] = {}
    for at, moment in enumerate(narrative.moments):
        for access in moment.accesses:
            assert moment.place is not None
            whole = access.owner if isinstance(access.owner, str) else id(access.owner)
            attribute = access.part if not _is_content(access) else None
            touch = Touch(at, moment.who, moment.place, access)
            found.setdefault((whole, attribute), []).append(touch)
    return list(found.values())


def _shared(groups: Iterable[list[Touch]]) -> list[list[Touch]]:
    """Return the last accesses to what several threads or tasks have come to."""
    last = (touches[-COMPARED:] for touches in groups)
    return [touches for touches in last if len({touch.who for touch in touches}) > 1]


def _of_several(groups: Iterable[list[Touch]]) -> set[tuple[Any, ...]]:
    """Return the accesses that a run does to several things: which is which in another run?"""
    keys = ({each.key[1:] for each in group if not each.access.calls} for group in groups)
    count = collections.Counter(itertools.chain.from_iterable(keys))
    return {key for key, number in count.items() if number > 1}


def _is_content(access: Access) -> bool:
    return hasattr(type(access.owner), "__getitem__")


def _unserialisable(groups: Iterable[list[Touch]]) -> Iterator[tuple[Touch, Touch, Touch]]:
    for touches in groups:
        before: dict[str, Touch] = {}
        for last in touches:
            first = before.get(last.who)
            if first is not None:
                yield from _between(touches, first, last)
            before[last.who] = last


def _between(
    touches: list[Touch], first: Touch, last: Touch
) -> Iterator[tuple[Touch, Touch, Touch]]:
    for other in touches:
        if first.at <= other.at <= last.at and other.conflicts(first) and other.conflicts(last):
            pattern = "".join("rw"[each.access.writes] for each in (first, other, last))
            # What a loop reads again and again, it reads to see what has changed.
            is_loop = first.place == last.place and pattern != "rww"
            if pattern in _PATTERNS and not is_loop:
                yield first, other, last


def _turned(
    group: list[Touch], usual: set[tuple[Any, Any]], several_have: set[tuple[Any, ...]]
) -> Iterator[tuple[Touch, Touch]]:
    """Yield the pairs that only this run has in this order, and the other in the other one."""
    for one, last in _orders(group):
        if one.key[1:] in several_have or last.key[1:] in several_have:
            continue
        if (last.key, one.key) in usual and (one.key, last.key) not in usual:
            following = (touch for touch in group if touch.at > one.at and touch.key == last.key)
            yield one, next(following)


def _orders(group: list[Touch]) -> Iterator[tuple[Touch, Touch]]:
    """Yield, of accesses that conflict, which comes before which at all: the first, and the last.

    As many as a thing has lines that touch it, squared, however often these are run.
    """
    first: dict[tuple[Any, ...], Touch] = {}
    for touch in group:
        first.setdefault(touch.key, touch)
    last = {touch.key: touch for touch in group}
    for one in first.values():
        for other in last.values():
            if one.at < other.at and one.conflicts(other):
                yield one, other
