"""The choices of one run: asked of a strategy, or of a schedule, and written down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from simclock._core.choices import CLOCK, THREAD
from simclock._core.schedule import Deviation, Schedule
from simclock.errors import Divergence, PluginError, SimclockError

if TYPE_CHECKING:
    from simclock._core.choices import ChoicePoint, Witness

# Choice points after which the choices are fair whatever the strategy: what only an unfair
# schedule can hold up for ever is no finding.
FAIR_AFTER = 10_000


class Answers(Protocol):
    """What says which way to go."""

    def choose(self, point: ChoicePoint) -> int:
        """Return a number below the point's bound."""


class Recorder:
    """The choice source of one run: it asks, checks and records.

    Args:
        answers: A strategy, or `Follow`.
        fidelity: ``"legal"``: only what real threads, timers, and executors may do; ``"chaos"``:
            also other orders of an event loop's tasks.
        latency_ns: Virtual nanoseconds for which threads that could run may be kept from it.

    Attributes:
        deviations: The choices so far that were not canonical.
        points: How many choice points there were so far.
        ways: How many choices they had together.
        is_fair: Whether the strategy is not asked any more, since the run took too long.
        error: What the strategy raised, if it did.
    """

    interested = True

    def __init__(self, answers: Answers, fidelity: str, latency_ns: int) -> None:
        # Who answers may also want to know what threads do.
        self.witness: Witness | None = getattr(answers, "witness", None)
        self._answers = answers
        self.fidelity = fidelity
        self.chaos: bool = fidelity == "chaos"
        self.latency_ns = latency_ns
        self.deviations: list[Deviation] = []
        self.points: int = 0
        self.ways: int = 0
        self.is_fair: bool = False
        self.error: BaseException | None = None
        # When each thread was chosen last, by path.
        self._turns: dict[str, int] = {}

    def choose(self, point: ChoicePoint) -> int:
        """Return the choice at the next point of the run."""
        position = self.points
        self.points += 1
        self.ways += 1 if point.tunes else point.bound
        choice = self._answer(point)
        if choice:
            self.deviations.append(Deviation(position, choice, point.bound, point.label))
        if self.points > FAIR_AFTER // 2 and point.candidates:
            self._turns[point.candidates[choice].path] = position
        return choice

    def _answer(self, point: ChoicePoint) -> int:
        if self.error is not None:
            return 0
        if self.points > FAIR_AFTER and not isinstance(self._answers, Given):
            self.is_fair = True
            return self._fair(point)
        try:
            choice: Any = self._answers.choose(point)
        except SimclockError as error:
            self.error = error
            raise
        except Exception as error:
            self.error = _failed(self._answers, f"failed: {error!r}", point)
            raise self.error from error
        if not isinstance(choice, int) or not 0 <= choice < point.bound:
            self.error = _failed(self._answers, f"has chosen {choice!r}", point)
            raise self.error
        return choice

    def _fair(self, point: ChoicePoint) -> int:
        """Return the thread that was not chosen for longest; the canonical way of anything else."""
        if point.label != THREAD:
            return 0
        turns = [self._turns.get(each.path, -1) for each in point.candidates if each.path != CLOCK]
        return turns.index(min(turns))

    def end(self) -> Divergence | None:
        """End the run; return how it did not come to the end of the schedule that it was given."""
        if isinstance(self._answers, Given):
            try:
                self._answers.end(self.points)
            except Divergence as divergence:
                return divergence
        return None

    def schedule(self, seed: int) -> Schedule:
        """Return what this run can be repeated by."""
        return Schedule(seed, self.fidelity, self.latency_ns, tuple(self.deviations), self.points)


def _failed(answers: Any, what: str, point: ChoicePoint) -> PluginError:
    name = getattr(answers, "name", type(answers).__name__)
    return PluginError(
        f"the strategy {name!r} {what}\n  at {point}\n"
        f"it has to return a number from 0 to {point.bound - 1}: mend it, or choose another one"
    )


class Given:
    """Answers that are known before the run: fairness is not to add any."""

    name = "replay"

    def choose(self, point: ChoicePoint) -> int:
        """Return a number below the point's bound."""
        raise NotImplementedError

    def end(self, points: int) -> None:
        """Note that the run is over after so many choice points.

        Raises:
            Divergence: It should have come to others.
        """


class Follow(Given):
    """Makes the choices of a schedule again.

    Args:
        schedule: What to follow.
        strict: Whether a run that comes to other choice points is ended by `Divergence`; else
            what does not fit is left out.

    Attributes:
        diverged: Where the run came to other choice points first, in words, or nothing.
    """

    def __init__(self, schedule: Schedule, *, strict: bool) -> None:
        self._schedule = schedule
        self._strict = strict
        self._left = list(reversed(schedule.deviations))
        self._position = 0
        self.diverged: str = ""

    def choose(self, point: ChoicePoint) -> int:
        """Return what the schedule has for the next point."""
        position = self._position
        self._position += 1
        if not self._left or self._left[-1].position != position:
            return 0
        due = self._left.pop()
        if (due.label, due.bound) != (point.label, point.bound):
            expected = f"{due.label!r} with {due.bound} choices, of which {due.choice} was taken"
            found = [f"{point.label!r} with {point.bound} choices"]
            found += [f"  could go on: {each.path}, {each.operation}" for each in point.candidates]
            self._diverge(f"choice point {position}", expected, found)
        fits = due.label == point.label and due.choice < point.bound
        return due.choice if fits else 0

    def end(self, points: int) -> None:
        """Note that the run is over after so many choice points.

        Raises:
            Divergence: It was to be strict, and came to others than the schedule.
        """
        if self._left:
            due = self._left[-1]
            expected = f"a choice of kind {due.label!r}"
            self._diverge(f"choice point {due.position}", expected, ["the end of the run"])
        elif points != self._schedule.points:
            expected = f"{self._schedule.points} choice points"
            self._diverge("the end of the run", expected, [f"{points} choice points"])

    def _diverge(self, where: str, expected: str, found: list[str]) -> None:
        self.diverged = self.diverged or f"{where}: expected {expected}, found {found[0]}"
        if self._strict:
            lines = [
                f"the run does not follow its schedule, at {where}",
                f"  expected: {expected}",
                f"  found: {found[0]}",
                *found[1:],
                "replay it with the code and the Python that it was made with, or tolerantly",
            ]
            raise Divergence("\n".join(lines))
