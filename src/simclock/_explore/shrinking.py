"""From a schedule that fails to the least one that fails in the same way.

Least: with the fewest choices that are not canonical; of those with as many, the one with the
fewest preemptions, since these are what surprises; then the one whose choices come earliest.

Choices are left out as in A. Zeller and R. Hildebrandt, "Simplifying and isolating
failure-inducing input", IEEE TSE 28 (2002): halves first, single ones last, until none can be
spared. They are named by what they are about (`simclock._core.aiming`), so that the others keep
their meaning.
"""

from __future__ import annotations

import functools
import gc
import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

from simclock._core.aiming import Aimed
from simclock._core.recording import Follow
from simclock.simulation import real_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from simclock._core.aiming import Aim, Landmark, Passed
    from simclock._core.recording import Given
    from simclock._explore.playing import Played

# Runs that may be spent on it.
RUNS = 1000
# Real seconds after which no other run is begun for it: what takes so long is worth reading.
SECONDS = 30.0
# Other places that are tried for one choice.
MOVES = 40
# Runs that are looked at for one that passes, of those with one choice less.
NEIGHBOURS = 5
COLLECT_EVERY = 200


class Shrunk(NamedTuple):
    """The least schedule that was found.

    Attributes:
        played: A run of it.
        passing: Of the run that passes without the last of its choices, or None.
        runs: How many it took to find it.
    """

    played: Played
    passing: Played | None
    runs: int


class _Attempt(NamedTuple):
    """A run of some choices."""

    played: Played
    passed: list[Passed]
    aims: tuple[Aim, ...]

    @property
    def cost(self) -> tuple[Any, ...]:
        """What is to be little."""
        preemptions = sum(aim.preempts for aim in self.aims)
        choices = tuple(each[:2] for each in self.played.schedule.deviations)
        return len(self.aims), preemptions, choices


def shrink(
    failed: Played, repeat: Callable[[Given], Played], *, runs: int = RUNS, seconds: float = SECONDS
) -> Shrunk:
    """Return the least schedule under which the program fails as *failed* did.

    Args:
        failed: A run that failed, and can be repeated.
        repeat: Makes a run.
        runs: How many may be made.
        seconds: Real seconds after which none is begun.
    """
    return _Shrinking(failed, repeat, runs, seconds).result()


class _Shrinking:
    def __init__(
        self, failed: Played, repeat: Callable[[Given], Played], runs: int, seconds: float
    ) -> None:
        self._failed = failed
        self._repeat = repeat
        self._runs = runs
        self._until = real_seconds() + seconds
        self._count = 0
        # What was tried: it is not tried again.
        self._known: set[frozenset[Aim]] = set()

    def result(self) -> Shrunk:
        """Return the least schedule."""
        first = self._run(Aimed((), Follow(self._failed.schedule, strict=True)))
        if not self._is_same(first):
            return Shrunk(self._failed, None, self._count)
        self._best = first
        if not self._try(()):
            self._leave_out(max(1, len(first.aims) // 2))
            self._find_one()
            self._improve()
        return Shrunk(self._best.played, self._passing(), self._count)

    # ----------------------------------------------------------------------- runs

    @property
    def _may_go_on(self) -> bool:
        return self._count < self._runs and real_seconds() < self._until

    def _run(self, aimed: Aimed) -> _Attempt:
        self._count += 1
        if self._count % COLLECT_EVERY == 0:
            gc.collect()
        played = self._repeat(aimed)
        return _Attempt(played, aimed.passed, aimed.aims)

    def _is_same(self, attempt: _Attempt) -> bool:
        played = attempt.played
        return played.verdict == "failed" and played.signature == self._failed.signature

    def _try(self, aims: tuple[Aim, ...]) -> bool:
        """Run these choices; return whether that is the least failure so far."""
        key = frozenset(aims)
        if key in self._known or not self._may_go_on:
            return False
        self._known.add(key)
        attempt = self._run(Aimed(aims))
        is_less = self._is_same(attempt) and attempt.cost < self._best.cost
        if is_less:
            self._best = attempt
        return is_less

    # ---------------------------------------------------------------------- steps

    def _leave_out(self, size: int) -> None:
        """Leave out so many choices at once, then half as many... until none can be spared."""
        while self._may_go_on:
            before = len(self._best.aims)
            index = 0
            while index < len(self._best.aims):
                aims = self._best.aims
                if not self._try(aims[:index] + aims[index + size :]):
                    index += size
            if size > 1:
                size //= 2
            elif len(self._best.aims) == before:
                return

    def _improve(self) -> None:
        """Make other choices instead, as long as that helps: some can be spared afterwards."""
        before = None
        while self._best is not before:
            before = self._best
            self._preempt_less()
            self._come_earlier()
            self._leave_out(1)
            self._merge()

    def _find_one(self) -> None:
        """Look for a single choice that is enough, if several are left."""
        if len(self._best.aims) < 2:
            return
        canonical = self._run(Aimed(()))
        for aim in sorted(_others(canonical.passed), key=_preempts):
            if self._try((aim,)):
                return

    def _preempt_less(self) -> None:
        """Let threads wait where they would wait anyway, instead of where they run."""
        for aim in self._best.aims:
            if aim.preempts:
                self._move(aim, _others, preempting=False)

    def _come_earlier(self) -> None:
        """Make each choice at the first place where it does the same."""
        for aim in self._best.aims:
            before = functools.partial(_until, aim.place)
            self._move(aim, before, preempting=aim.preempts)

    def _merge(self) -> None:
        """Make one choice instead of two that come one after the other."""
        index = 0
        while index + 1 < len(self._best.aims) and self._may_go_on:
            aims = self._best.aims
            rest = aims[:index] + aims[index + 2 :]
            others = _others(self._run(Aimed(rest)).passed)
            tries = (self._try((*rest, other)) for other in itertools.islice(others, MOVES))
            index += not any(tries)

    def _move(
        self, aim: Aim, others: Callable[[list[Passed]], Iterable[Aim]], *, preempting: bool
    ) -> None:
        """Make another choice instead of *aim*, the first that does the same."""
        if aim not in self._best.aims or not self._may_go_on:
            return
        rest = tuple(each for each in self._best.aims if each != aim)
        fit = (
            each
            for each in others(self._run(Aimed(rest)).passed)
            if preempting or not each.preempts
        )
        for other in itertools.islice(fit, MOVES):
            if self._try((*rest, other)):
                return

    def _passing(self) -> Played | None:
        """Return the run that passes with the least left out."""
        aims = self._best.aims
        for index in [*reversed(range(len(aims)))][:NEIGHBOURS]:
            played = self._run(Aimed(aims[:index] + aims[index + 1 :])).played
            if played.verdict == "passed":
                return played
        return None


def _others(passed: Iterable[Passed]) -> Iterator[Aim]:
    """Yield the choices that a run has not made, in the order of its points."""
    for each in passed:
        if not each.point.tunes:
            yield from (aim for n, aim in enumerate(each.aims) if n not in (0, each.choice))


def _until(place: Landmark, passed: list[Passed]) -> Iterator[Aim]:
    """Yield them as far as *place*, which a run without the choice made there comes to, too."""
    places = [each.place for each in passed]
    end = places.index(place) + 1 if place in places else len(places)
    yield from _others(passed[:end])


def _preempts(aim: Aim) -> bool:
    return aim.preempts
