"""One run of a scenario under one schedule, and what it was like."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import re
import sys
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from simclock._core.places import entries, raised_in
from simclock._core.recording import Recorder
from simclock._explore.report import worded
from simclock.errors import (
    LimitReached,
    PluginError,
    SimclockError,
    Stalled,
    Unwind,
    Violation,
)
from simclock.simulation import Simulation, active

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simclock._core.recording import Answers
    from simclock._core.schedule import Schedule
    from simclock._core.trace import Trace
    from simclock._faults.injecting import Seen
    from simclock.predicates import Ledger

# What ends a run without saying anything about the program: it was longer than allowed.
LIMITS = (LimitReached, Stalled)


class Settings(NamedTuple):
    """What is the same in each run.

    Attributes:
        fidelity: ``"legal"`` or ``"chaos"``.
        latency_ns: Virtual nanoseconds for which threads that could run may be kept from it.
        options: Of `simclock.Simulation`.
    """

    fidelity: str
    latency_ns: int
    options: dict[str, Any]

    @property
    def said(self) -> str:
        """The options that no token has, as further arguments of a call."""
        return "".join(f", {key}={value!r}" for key, value in self.options.items() if key != "seed")


class Played(NamedTuple):
    """A run that is over.

    Attributes:
        error: What it ended with, or None.
        schedule: What it can be repeated by.
        trace: Its records.
        ways: How many ways to go on its choice points had together.
        threads: How many threads it had.
        uncontrolled: What took part that no schedule governs, one line each.
        is_fair: Whether the strategy was not asked to the end.
        result: What the scenario returned, in words, if that is plain data.
        predicates: What was seen of the program's statements.
        value: What the scenario returned.
        faults: What went wrong by plan or by choice.
    """

    error: BaseException | None
    schedule: Schedule
    trace: Trace
    ways: int
    threads: int
    uncontrolled: tuple[str, ...]
    is_fair: bool
    result: str
    predicates: Ledger
    value: object
    faults: Seen

    @classmethod
    def of(
        cls,
        simulation: Simulation,
        recorder: Recorder,
        error: BaseException | None,
        result: object = None,
    ) -> Played:
        """Return what a run was like, from its simulation, which is closed.

        One that has passed and did not follow its schedule to the end has a `Divergence`.
        """
        uncontrolled = simulation.escapes
        if simulation.foreign:
            names = ", ".join(simulation.foreign)
            uncontrolled += (f"foreign threads may have taken part: {names}",)
        return cls(
            error or recorder.end(),
            recorder.schedule(simulation.seed),
            simulation.trace,
            recorder.ways,
            simulation.started_threads,
            uncontrolled,
            recorder.is_fair,
            repr(result) if _is_plain(result) else "",
            simulation.predicates,
            result,
            simulation.faults_seen,
        )

    @property
    def verdict(self) -> str:
        """``"passed"``, ``"failed"``, or ``"inconclusive"`` where a limit ended it."""
        if self.error is None:
            return "passed"
        return "inconclusive" if isinstance(self.error, LIMITS) else "failed"

    @property
    def is_complete(self) -> bool:
        """Whether nothing has cut the run, or its strategy's part in it."""
        return self.verdict != "inconclusive" and not self.is_fair

    @property
    def end(self) -> tuple[str, str, str]:
        """What two runs have in common that are the same."""
        return self.trace.digest, self.signature, self.result

    @property
    def signature(self) -> str:
        """What tells failures apart: the type of the error, and where the user's code raised it."""
        return "" if self.error is None else _signature(self.error)


def _signature(error: BaseException) -> str:
    words = [type(error).__qualname__, *_places(error)]
    if error.__cause__ is not None:
        words += ["of", _signature(error.__cause__)]
    return " ".join(words)


def _places(error: BaseException) -> tuple[str, ...]:
    if isinstance(error, SimclockError):
        return error.where  # it was raised at whatever wait the main thread was in
    *_, innermost = (None, *entries(error))
    if innermost is None:
        # A plugin of pytest has made it a failure, or it was never raised: there is its text only.
        return (re.sub(r"\d+", "#", worded(error)),)
    # The same built-in may raise it wherever it is called from.
    last = filter(None, [raised_in(error), innermost])
    found = [f"{each.tb_frame.f_code.co_filename}:{each.tb_lineno}" for each in last]
    return tuple(dict.fromkeys(found))


def play(scenario: Callable[[], Any], answers: Answers, settings: Settings) -> Played:
    """Run *scenario* in a simulation of its own; *answers* says which way to go.

    Raises:
        PluginError: The strategy failed.
        BaseException: What is neither an `Exception` nor a failure of pytest ends the search.
    """
    recorder = Recorder(answers, settings.fidelity, settings.latency_ns)
    simulation = Simulation(choices=recorder, **settings.options)
    error: BaseException | None = None
    result: object = None
    unhandled: list[BaseException] = []
    is_open = False
    try:
        # The threads that the scenario leaves go on until the simulation is closed.
        with noting_unhandled(unhandled), simulation:
            is_open = True
            result = _call(scenario)
    except BaseException as raised:
        if not is_open or not _is_result(raised):
            raise
        error = raised
        if unhandled and error.__cause__ is None:
            error.__cause__ = unhandled[0]  # as when nobody is left who would go on
    else:
        error = unhandled[0] if unhandled else None
    if isinstance(recorder.error, PluginError):
        raise recorder.error
    return Played.of(simulation, recorder, error, result)


def _call(scenario: Callable[[], Any]) -> object:
    result = scenario()
    # Not by what the function is: it may be a lambda, or an object that can be called.
    return asyncio.run(result) if inspect.iscoroutine(result) else result


def _is_plain(value: object) -> bool:
    """Return whether *value* is data whose text is the same in each process."""
    if isinstance(value, (tuple, list)):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, [*value, *value.values()]))
    return isinstance(value, (bool, int, float, str, bytes))


def _is_result(error: BaseException) -> bool:
    """Return whether *error* is the result of a run, and no wish to end it all."""
    # What `pytest.fail` raises, and `pytest.raises` where nothing was raised.
    pytest = sys.modules.get("pytest")
    return isinstance(error, Exception if pytest is None else (Exception, pytest.fail.Exception))


@contextlib.contextmanager
def noting_unhandled(
    found: list[BaseException], *, quietly: bool = True, threads: list[str] | None = None
) -> Iterator[None]:
    """Append to *found* what is raised out of threads while the block lasts.

    To *threads* their names, if it is given. Unless *quietly*, the hook that was there hears of it
    too.
    """

    def note(args: Any) -> None:
        error = args.exc_value
        # `threading` ignores a SystemExit.
        if _is_told(error):
            return
        if error is not None and not (isinstance(error, SystemExit) or _is_of_the_end(error)):
            found.append(error)
            if threads is not None:
                threads.append("" if args.thread is None else args.thread.name)
        if not quietly:
            before(args)

    before, threading.excepthook = threading.excepthook, note
    try:
        yield
    finally:
        threading.excepthook = before


def _is_told(error: BaseException | None) -> bool:
    """Return whether *error* is one that the simulation itself will raise."""
    simulation = active() if isinstance(error, Violation) else None
    return simulation is not None and str(simulation.failure) == str(error)


def _is_of_the_end(error: BaseException) -> bool:
    """Return whether *error* was raised in a thread on its way out, which no real one has."""
    context = error.__context__
    while context is not None and not isinstance(context, Unwind):
        context = context.__context__
    return context is not None
