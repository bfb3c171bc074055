"""One run of a scenario under one schedule, and what it was like."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any, NamedTuple

from simclock._core.recording import Follow, Recorder
from simclock.errors import Divergence, LimitReached, PluginError, Stalled, Unwind
from simclock.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simclock._core.recording import Answers
    from simclock._core.schedule import Schedule
    from simclock._core.trace import Trace

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
        digest: Of its trace.
        trace: Its records.
        ways: How many ways to go on its choice points had together.
        threads: How many threads it had.
        uncontrolled: What took part that no schedule governs, one line each.
        is_fair: Whether the strategy was not asked to the end.
        result: What the scenario returned, in words, if that is plain data.
    """

    error: BaseException | None
    schedule: Schedule
    digest: str
    trace: Trace
    ways: int
    threads: int
    uncontrolled: tuple[str, ...]
    is_fair: bool
    result: str

    @classmethod
    def of(
        cls,
        simulation: Simulation,
        recorder: Recorder,
        error: BaseException | None,
        result: object = None,
    ) -> Played:
        """Return what a run was like, from its simulation, which is closed."""
        uncontrolled = simulation.escapes
        if simulation.foreign:
            names = ", ".join(simulation.foreign)
            uncontrolled += (f"foreign threads may have taken part: {names}",)
        return cls(
            error,
            recorder.schedule(simulation.seed),
            simulation.trace.digest,
            simulation.trace,
            recorder.ways,
            simulation.started_threads,
            uncontrolled,
            recorder.is_fair,
            repr(result) if _is_plain(result) else "",
        )

    @property
    def verdict(self) -> str:
        """``"passed"``, ``"failed"``, or ``"inconclusive"`` where a limit ended it."""
        if self.error is None:
            return "passed"
        return "inconclusive" if isinstance(self.error, LIMITS) else "failed"

    @property
    def end(self) -> tuple[str, str, str]:
        """What two runs have in common that are the same."""
        return self.digest, self.signature, self.result

    @property
    def signature(self) -> str:
        """What tells failures apart: the type of the error, and where the user's code raised it."""
        error = self.error
        return "" if error is None else f"{type(error).__qualname__} {_innermost(error)}"


def _innermost(error: BaseException) -> str:
    if type(error).__module__.startswith("simclock"):
        return ""  # raised at whatever wait the main thread was in
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""


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
    if isinstance(answers, Follow) and error is None:
        try:
            answers.end(recorder.points)
        except Divergence as divergence:
            error = divergence
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
def noting_unhandled(found: list[BaseException], *, quietly: bool = True) -> Iterator[None]:
    """Append to *found* what is raised out of threads while the block lasts.

    Unless *quietly*, the hook that was there hears of it too.
    """

    def note(args: Any) -> None:
        error = args.exc_value
        # `threading` ignores a SystemExit.
        if error is not None and not (isinstance(error, SystemExit) or _is_of_the_end(error)):
            found.append(error)
        if not quietly:
            before(args)

    before, threading.excepthook = threading.excepthook, note
    try:
        yield
    finally:
        threading.excepthook = before


def _is_of_the_end(error: BaseException) -> bool:
    """Return whether *error* was raised in a thread on its way out, which no real one has."""
    context = error.__context__
    while context is not None and not isinstance(context, Unwind):
        context = context.__context__
    return context is not None
