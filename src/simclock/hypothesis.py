"""Hypothesis draws schedules: together with a test's own data, and shrunk together with it.

    @given(items=st.lists(st.integers()), schedule=schedules())
    def test_nothing_is_lost(items, schedule):
        schedule.run(send_and_receive, items)

`schedules` is a strategy in the sense of Hypothesis. What it draws are `Deviations`: where a run
departs from the canonical schedule, and how. They are drawn sparsely, whatever the length of the
run, so that Hypothesis shrinks them to few and early ones. With pytest, the marker
``simclock(schedules=True)`` does the same for a test that has no argument for it.

`ConcurrentStateMachine` is a rule-based machine whose rules run in simulated threads.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import hypothesis
from hypothesis import strategies as st
from hypothesis.control import cleanup, current_build_context
from hypothesis.stateful import (
    INITIALIZE_RULE_MARKER,
    INVARIANT_MARKER,
    RULE_MARKER,
    RuleBasedStateMachine,
    initialize,
    rule,
)

from simclock import Fault, FaultPlan, Simulation, active, run
from simclock._faults.plans import LATEST, SHAPES, between
from simclock.searching import Follow, Recorder, noting_unhandled, settings_of
from simclock.simulation import real_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from hypothesis.strategies import SearchStrategy

    from simclock import ChoicePoint, Schedule

    Result = TypeVar("Result")

__all__ = [
    "ConcurrentStateMachine",
    "Deviations",
    "concurrent",
    "drawn",
    "fault_plans",
    "following",
    "schedules",
]

# Pytest leaves out of tracebacks what is called here: they end in the user's lines.
__tracebackhide__ = True

LATENCY = 0.1
# The path of a candidate that is the clock.
CLOCK = "clock"
# How many threads an example reaches, and how many choice points of each; the rest is canonical.
THREADS = 16
POINTS = 1024
# An example's deviations lie among so many threads, and so many points of each. Most bugs need few
# of the first points of few threads; which are few, no one knows before.
WINDOWS = [(threads, points) for threads in (THREADS, 4) for points in (POINTS, 64, 16, 4)]
# The largest choice that is drawn; also how many deviations there are on average.
WAYS = 15
# Beyond, a schedule is as good as random, and slow to shrink.
MOST_DEVIATIONS = 64


class Deviations:
    """A schedule: where a run departs from the canonical one, and how.

    It fits any program: what it says of choice points that a run does not come to is left out, and
    a choice that is too large for its point is taken modulo the number of choices. Immutable;
    its ``repr`` is an expression that makes an equal one, to be used in ``@example``.

    Args:
        deviations: Of each, three numbers. The thread that would go on in the canonical way; they
            are numbered from 0 on, as the run comes to them (what is no choice among threads, such
            as an order of timers, has numbers among these). How many choice points that thread has
            had before. The choice; 1 is the first other one.
        fidelity: ``"legal"`` or ``"chaos"``, as for `simclock.explore`.
        latency: Virtual seconds, as for `simclock.explore`.

    Raises:
        TypeError, ValueError: An argument has no meaning.
    """

    def __init__(
        self, *deviations: tuple[int, int, int], fidelity: str = "legal", latency: float = LATENCY
    ) -> None:
        self._settings = settings_of(fidelity, latency)
        self._latency = latency
        checked = [_checked(each) for each in deviations]
        self._choices = {(thread, point): choice for thread, point, choice in checked}
        if len(self._choices) < len(deviations):
            raise ValueError(
                f"two deviations at one choice point: {deviations!r}\ngive one choice for each"
            )
        self._deviations = tuple(sorted(checked))

    @property
    def deviations(self) -> tuple[tuple[int, int, int], ...]:
        """Thread, choice point and choice of each, in order."""
        return self._deviations

    def __repr__(self) -> str:
        parts = [repr(each) for each in self._deviations]
        if self._settings.fidelity != "legal":
            parts.append(f"fidelity={self._settings.fidelity!r}")
        if self._latency != LATENCY:
            parts.append(f"latency={self._latency!r}")
        return f"Deviations({', '.join(parts)})"

    def __eq__(self, other: object) -> bool:
        return repr(self) == repr(other) if isinstance(other, Deviations) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._deviations)

    def run(self, function: Callable[..., Result], *args: Any, **options: Any) -> Result:
        """Call ``function(*args)`` in a simulation under this schedule and return its result.

        As `simclock.run` does, whose *options* it has; for a coroutine:
        ``schedule.run(asyncio.run, main())``. What is raised out of a thread is raised here too. In
        a failing example Hypothesis prints the token of the run, for `simclock.replay`.
        """
        with _Governed(self, options) as governed:
            return run(function, *args, choices=governed.recorder, **options)

    def simulation(self, **options: Any) -> AbstractContextManager[Simulation]:
        """Return a block in a simulation under this schedule; see `run`.

        Args:
            options: Of `simclock.Simulation`.
        """
        return self.recording(**options)[0]

    def recording(
        self, **options: Any
    ) -> tuple[AbstractContextManager[Simulation], Callable[[], Schedule]]:
        """Return the block of `simulation`, and what tells how the run has gone so far.

        For runners of tests. Both of one run.
        """
        governed = _Governed(self, options)
        return _Block(governed, Simulation(choices=governed.recorder, **options)), governed.schedule


def _checked(deviation: Any) -> tuple[int, int, int]:
    match deviation:
        case (int(thread), int(point), int(choice)) if thread >= 0 and point >= 0 and choice > 0:
            return thread, point, choice
    raise ValueError(
        f"this is no deviation: {deviation!r}\n"
        "give (thread, point, choice): two numbers from 0 on, and one from 1 on"
    )


# Classes, since a generator's frame comes with one of contextlib's, which nobody hides.


class _Unhandled:
    """In the block, gathers what is raised out of threads; at its end, raises the first of it."""

    def __init__(self) -> None:
        self._errors: list[BaseException] = []

    def __enter__(self) -> _Unhandled:
        self._noting = noting_unhandled(self._errors)
        self._noting.__enter__()
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._noting.__exit__(None, None, None)
        first = next(iter(self._errors), error)
        # No line of its own: Hypothesis tells lines that only failing examples run.
        if error is not None and first is not error and error.__cause__ is None:
            error.__cause__ = first  # as when nobody is left who would go on
        if error is None:
            self.raise_first()

    def raise_first(self) -> None:
        """Raise the first of what was gathered, if any. Nothing is raised twice."""
        if self._errors:
            first = self._errors[0]
            self._errors.clear()
            raise first


class _Governed:
    """A run under *schedule*, of which Hypothesis is told when it is over.

    Args:
        schedule: What it is to follow.
        options: Those of its simulation.
    """

    def __init__(self, schedule: Deviations, options: dict[str, Any]) -> None:
        settings = schedule._settings
        answers = _Sparse(schedule._choices)
        self.recorder = Recorder(answers, settings.fidelity, settings.latency_ns)
        self._followed = schedule
        self._seed: int = options.get("seed", 0)
        self._unhandled = _Unhandled()

    def schedule(self) -> Schedule:
        """Return the choices so far."""
        return self.recorder.schedule(self._seed)

    def __enter__(self) -> _Governed:
        self._unhandled.__enter__()
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        try:
            self._unhandled.__exit__(kind, error, traceback)
        finally:
            if hypothesis.currently_in_test_context():
                hypothesis.event("simclock: deviations", len(self.recorder.deviations))
                hypothesis.note(f"simclock: {self._followed!r}, token {self.schedule().token}")


class _Block:
    """A simulation in what is *around* it. Closing it again does nothing."""

    def __init__(self, around: _Governed | _Unhandled, simulation: Simulation) -> None:
        self._around = around
        self._simulation = simulation
        self.is_open = False

    def __enter__(self) -> Simulation:
        self._around.__enter__()
        try:
            self._simulation.__enter__()
        except BaseException:
            self._around.__exit__(*sys.exc_info())
            raise
        self.is_open = True
        return self._simulation

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if not self.is_open:
            return
        self.is_open = False
        found = error
        try:
            self._simulation.__exit__(None if error is None else type(error), error, None)
        except BaseException as raised:
            found = raised
            raise
        finally:
            self._around.__exit__(type(found), found, None)


class _Sparse:
    """Answers choice points as deviations say; the others canonically.

    Points are counted for each thread, not for the run: that a test's data is shrunk (fewer
    threads, shorter ones) then leaves the other threads' points as they are. With one count for
    all, data and schedule would have to be shrunk at once.

    Args:
        choices: By thread and point.
    """

    name = "hypothesis"

    def __init__(self, choices: Mapping[tuple[int, int], int]) -> None:
        self.begin(choices)

    def begin(self, choices: Mapping[tuple[int, int], int]) -> None:
        """Answer as *choices* say; points count from here."""
        self._choices = choices
        # By path, or by what is chosen.
        self._numbers: dict[str, int] = {}
        self._points: defaultdict[str, int] = defaultdict(int)

    def choose(self, point: ChoicePoint) -> int:
        """Return the choice at the next point."""
        if point.tunes:
            return 0
        for each in point.candidates:
            if each.path != CLOCK:
                self._number(each.path)
        whose = point.candidates[0].path if point.candidates else _kind_of(point)
        choice = self._choices.get((self._number(whose), self._points[whose]), 0)
        self._points[whose] += 1
        return (choice - 1) % (point.bound - 1) + 1 if choice else 0

    def _number(self, whose: str) -> int:
        return self._numbers.setdefault(whose, len(self._numbers))


def _kind_of(point: ChoicePoint) -> str:
    """Return what is chosen, for faults without the target: each label has a number, of few."""
    if not point.is_fault:
        return point.label
    return " ".join(point.label.split()[:2])


# ------------------------------------------------------------------------- the strategy


def schedules(*, fidelity: str = "legal", latency: float = LATENCY) -> SearchStrategy[Deviations]:
    """Return a strategy of Hypothesis that draws schedules, as `Deviations`.

    It shrinks towards the canonical schedule: to fewer, then to earlier deviations.

    Args:
        fidelity: ``"legal"``: schedules that real threads, timers and executors may have;
            ``"chaos"``: also other orders of the tasks of an event loop, and conditions that wake
            one more than they are told to.
        latency: Virtual seconds for which threads that could run may be kept from it.

    Raises:
        TypeError, ValueError: An argument has no meaning.
    """
    settings_of(fidelity, latency)
    return _deviations(fidelity, latency)


@st.composite
def _deviations(
    draw: Callable[[SearchStrategy[int]], int], fidelity: str, latency: float
) -> Deviations:
    # Made here, not by `map`: older versions of Hypothesis would print the call of that function.
    # What is drawn for the whole example must not limit what may be drawn after it: else the one
    # could not be shrunk without the other. So the simplest window is the widest, and threads and
    # points are drawn of the same ranges whatever the window. Nor does a deviation tell where the
    # next one is, so that it can be deleted. And no list of Hypothesis': few have ten elements.
    threads, points = WINDOWS[draw(st.integers(0, len(WINDOWS) - 1))]
    found: dict[tuple[int, int], int] = {}
    while len(found) < MOST_DEVIATIONS and (choice := draw(st.integers(0, WAYS))):
        thread = draw(st.integers(0, THREADS - 1)) % threads
        found.setdefault((thread, draw(st.integers(0, POINTS - 1)) % points), choice)
    made = [(*where, choice) for where, choice in found.items()]
    return Deviations(*made, fidelity=fidelity, latency=latency)


def drawn(*, fidelity: str = "legal", latency: float = LATENCY) -> Deviations | None:
    """Draw a schedule for the example of Hypothesis that is being run, in addition to its data.

    For runners of tests; the pytest plugin has ``simclock(schedules=True)``. Return None if the
    example is an explicit one, of ``@example``: nothing can be drawn for that.

    Raises:
        hypothesis.errors.InvalidArgument: Hypothesis runs nothing in this thread.
    """
    data: Any = current_build_context().data
    # That of an explicit example may not draw anything. In bytes, before Hypothesis 6.119.
    if 0 in (getattr(data, "max_choices", None), data.max_length):
        return None
    found: Deviations = data.draw(schedules(fidelity=fidelity, latency=latency))
    return found


@contextlib.contextmanager
def following(schedule: Schedule, *, strict: bool = True, **options: Any) -> Iterator[Simulation]:
    """Return a block in a simulation that follows *schedule*.

    For runners of tests, and examples for which nothing is `drawn`. Its seed is the schedule's.

    Args:
        schedule: That of a failure's token.
        strict: Whether a run that comes to other choice points is ended by `Divergence`; else
            what does not fit is left out.
        options: Of `simclock.Simulation`.

    Raises:
        Divergence: The run does not follow the schedule.
    """
    recorder = Recorder(Follow(schedule, strict=strict), schedule.fidelity, schedule.latency_ns)
    with (
        _Unhandled(),
        Simulation(choices=recorder, **{**options, "seed": schedule.seed}) as simulation,
    ):
        yield simulation
    divergence = recorder.end()
    if divergence is not None:
        raise divergence


# ----------------------------------------------------------------------- plans of faults


def fault_plans(
    hosts: Iterable[str],
    kinds: Iterable[str] = ("kill", "pause"),
    *,
    duration: float = 10.0,
    lasting: float = 5.0,
    most: int = 5,
) -> SearchStrategy[FaultPlan]:
    """Return a strategy of Hypothesis that draws plans for `Faults.follow`.

    It shrinks to few and early faults that are short, by kinds and hosts that come first.

    Args:
        hosts: The names of hosts; with ``"fire"`` among the kinds, those of sites.
        kinds: Of faults: see `simclock.Fault`.
        duration: The latest virtual second of a fault.
        lasting: How many virtual seconds one lasts at most.
        most: How many there are in a plan at most.

    Raises:
        TypeError, ValueError: An argument has no meaning.
    """
    names, chosen = _names(hosts, "hosts"), _names(kinds, "kinds")
    for kind in chosen:
        if kind not in SHAPES:
            raise ValueError(f"unknown fault: {kind!r}\nchoose one of {', '.join(SHAPES)}")
    if not chosen or not names:
        raise ValueError(f"no faults can be drawn of {chosen!r} for {names!r}\ngive some of each")
    if len(names) < 2 and any(SHAPES[kind].sides > 1 for kind in chosen):
        raise ValueError(f"a fault between hosts needs two: {names!r}\nname another one")
    _check_seconds("duration", duration, least=0)
    _check_seconds("lasting", lasting, least=0.001)
    if type(most) is not int or most < 0:
        raise ValueError(f"most is no number of faults: {most!r}\ngive a whole one, from 0 on")
    for name in names:
        Fault(0, "fire" if chosen == ["fire"] else "kill", name)  # raises what is wrong with it
    # In milliseconds, so that a plan can be read.
    instants = st.integers(0, round(duration * 1000)).map(_seconds)
    spans = st.integers(1, round(lasting * 1000)).map(_seconds)
    # Instant, span and first host are drawn alike for each kind, used or not: so Hypothesis gets
    # from one kind to a simpler one with the rest as it is.
    faults = st.one_of(
        [
            st.builds(
                functools.partial(_fault, kind),
                instants,
                spans,
                st.builds(_target, st.just(names), st.sampled_from(names), _others(kind, names)),
                st.sampled_from(_NUMBERS.get(kind, [None])),
            )
            for kind in chosen
        ]
    )
    return st.lists(faults, max_size=most).map(FaultPlan)


_NUMBERS: dict[str, list[float | None]] = {
    "skew": [60.0, -60.0, 0.5, -0.5],
    "drift": [0.01, -0.01],
    "slow": [0.1, 1.0],
}


def _names(given: Iterable[str], what: str) -> list[str]:
    """Return the names in *given*, which is an argument *what*."""
    alone = isinstance(given, str) or not hasattr(given, "__iter__")
    names: list[str] = [str(given)] if alone else list(given)
    if alone or not all(isinstance(name, str) for name in names):
        raise TypeError(
            f"{what} are no names: {given!r}\ngive a list of them, as {[*map(str, names)]}"
        )
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{what} have {name!r} twice: {names!r}\nname each once")
    return names


def _check_seconds(name: str, value: Any, least: float) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not least <= value <= LATEST:
        raise ValueError(
            f"{name} is no number of virtual seconds from {least:g} to {LATEST:g}: {value!r}\n"
            f"give it as {name}=5.0"
        )


def _seconds(milliseconds: int) -> float:
    return milliseconds / 1000


def _others(kind: str, names: Sequence[str]) -> SearchStrategy[list[str]]:
    """Draw who else is on the side of the first host; not all."""
    if SHAPES[kind].sides == 1 or len(names) < 3:
        return st.just([])
    return st.lists(st.sampled_from(names), max_size=len(names) - 2, unique=True)


def _target(names: Sequence[str], first: str, others: Sequence[str]) -> tuple[str, str]:
    """Return the target of a fault of one host, and of one between it with others and the rest."""
    one = dict.fromkeys([first, *others])
    return first, between(one, [name for name in names if name not in one])


def _fault(kind: str, at: float, lasts: float, targets: tuple[str, str], by: float | None) -> Fault:
    shape = SHAPES[kind]
    return Fault(at, kind, targets[shape.sides - 1], lasts=lasts if shape.lasts else None, by=by)


# ----------------------------------------------------------------------- state machines


def concurrent(function: Callable[..., None]) -> Callable[..., None]:
    """Let a rule of a `ConcurrentStateMachine` run in a simulated thread of its own.

    Below ``@rule``. The thread is started with the next `settle`, together with those of the
    other rules since the last; so such a rule returns nothing, and has no target.
    """

    @functools.wraps(function)
    def gather(self: ConcurrentStateMachine, **data: Any) -> None:
        self._group.append(
            threading.Thread(target=function, args=(self,), kwargs=data, name=function.__name__)
        )

    return gather


class ConcurrentStateMachine(RuleBasedStateMachine):
    """A rule-based state machine in a simulation, with rules that run in threads.

    Rules that are `concurrent` are gathered, and run at once with the next `settle`, a rule that
    Hypothesis chooses like any other, and with the end of the program. Others run by themselves,
    in the simulation's first thread. Invariants are checked when no rule is under way. Each group
    has the schedule that is drawn for the program, from its start.

    The simulation is open when ``__init__`` has returned, and closed by ``teardown``; who
    overrides one of these calls the inherited method. In a program that is run by itself, without
    Hypothesis, it is closed also by the first step that raises; ``teardown`` then does no more.

    Attributes:
        schedules: What the schedule is drawn from; `schedules()`, unless the subclass says else.
        simulation_options: Of `simclock.Simulation`.
        simulation: The one that is open.
    """

    schedules: ClassVar[SearchStrategy[Deviations]] = schedules()
    simulation_options: ClassVar[dict[str, Any]] = {}

    def __init__(self) -> None:
        super().__init__()
        self._group: list[threading.Thread] = []
        self._handled = sys.exc_info()[1]
        # Its schedule comes with the first rule.
        self._schedule = Deviations()
        self._answers = _Sparse({})
        self._recorder = Recorder(self._answers, "legal", 0)
        self.simulation: Simulation = Simulation(choices=self._recorder, **self.simulation_options)
        self._unhandled = _Unhandled()
        self._block = _Block(self._unhandled, self.simulation)
        self._block.__enter__()
        if hypothesis.currently_in_test_context():
            cleanup(functools.partial(self._end, current_build_context().data))
        else:
            self._guard_steps()

    def _guard_steps(self) -> None:
        """Let the first step that raises close the simulation: nobody else would."""
        # Whether a step is under way: one that another one calls may raise what that expects.
        self._is_in_step = False
        for name, member in inspect.getmembers(type(self)):
            for each in _steps_of(member):
                setattr(self, name, functools.partial(self._step, each.function))

    def _step(self, function: Callable[..., Any], *args: Any, **data: Any) -> Any:
        if self._is_in_step:
            return function(self, *args, **data)
        self._is_in_step = True
        try:
            return function(self, *args, **data)
        except BaseException as error:
            self._block.__exit__(type(error), error, None)
            raise
        finally:
            self._is_in_step = False

    @initialize(schedule=st.runner().flatmap(lambda machine: machine.schedules))
    def begin(self, schedule: Deviations) -> None:
        """Go on under *schedule*, the first rule of each program."""
        settings = schedule._settings
        self._recorder.fidelity = settings.fidelity
        self._recorder.chaos = settings.fidelity == "chaos"
        self._recorder.latency_ns = settings.latency_ns
        self._schedule = schedule
        self._answers.begin(schedule._choices)

    @rule()
    def settle(self) -> None:
        """Run the rules that were gathered, at once, until all have ended."""
        self._run_group()

    def _run_group(self) -> None:
        if not self._block.is_open:
            raise RuntimeError(
                "the program of this machine is over: a step of it has failed, or it is torn down\n"
                "make a new machine for each program"
            )
        group, self._group = self._group, []
        # Anew for each group: what came before may then be shrunk without a change to this one.
        self._answers.begin(self._schedule._choices)
        for each in group:
            each.start()
        for each in group:
            each.join()
        self.simulation.settle()
        self._unhandled.raise_first()

    def _end(self, data: Any) -> None:
        """Clean up when the example is over, also if nobody has called `teardown`."""
        self._block.__exit__(None, None, None)
        # The engine may have read the clock inside. Only its statistics are made of this.
        if active() is None:
            data.finish_time = real_seconds()

    def teardown(self) -> None:
        """Run what was gathered, check the invariants, and close the simulation."""
        # Called in any case, also with a failure on its way.
        error = sys.exc_info()[1]
        if error is self._handled:
            error = None
        try:
            if self._group and self._block.is_open and error is None:
                # Not `settle`: what Hypothesis has made of that is a frame that no report hides.
                self._run_group()
                self._check_all()
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._block.__exit__(type(error), error, None)
        super().teardown()

    def _check_all(self) -> None:
        if hypothesis.currently_in_test_context():
            self.check_invariants(hypothesis.settings(), lambda _: None, defaultdict(float))
            return
        # As there, where one has to be in an example.
        for _, member in inspect.getmembers(type(self)):
            for each in _steps_of(member, INVARIANT_MARKER):
                if all(holds(self) for holds in each.preconditions):
                    each.function(self)


def _steps_of(member: object, *markers: str) -> list[Any]:
    """Return what Hypothesis knows of *member*, if it is a rule or an invariant."""
    known = markers or (RULE_MARKER, INITIALIZE_RULE_MARKER, INVARIANT_MARKER)
    return [getattr(member, marker) for marker in known if hasattr(member, marker)]
