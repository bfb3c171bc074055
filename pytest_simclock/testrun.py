"""One test in its simulation: its set-up, its call and its teardown.

The test's own parts, that is ``item.setup()``, ``item.runtest()`` and what the
item has been told to tear down. What pytest and its plugins do around these is
outside, where the time is real.
"""

from __future__ import annotations

import contextlib
import random
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from pytest_simclock import examples, reporting
from pytest_simclock.collecting import Kind, kind_of
from pytest_simclock.fixtures import simulation_of

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_simclock.running import Running
    from pytest_simclock.worlds import World, Worlds
    from simclock import Leak, Simulation
    from simclock.harness import Harness

# The test while it is run.
test_run: pytest.StashKey[TestRun] = pytest.StashKey()

LEFT_OPEN = (
    "the test has opened a simulation, or a block of real time, and left it open\n"
    "use it in a with statement"
)


class TestRun:
    """One test in its world, with what that world finds.

    Args:
        item: The test.
        running: What knows the other tests and what they share.
    """

    __test__ = False

    def __init__(self, item: pytest.Item, running: Running) -> None:
        self._item = item
        self._running = running
        # Whether its schedule is chosen for each run.
        self.is_chosen = False
        self.worlds: Worlds = running.worlds
        self._kind = kind_of(item)
        self._originals: dict[str, Any] = {}
        self.forget()

    def forget(self) -> None:
        """Be as new: a test may be run again."""
        # Its simulation, while it has one, and whether a leak there fails the test.
        self._harness: Harness | None = None
        self._strict = False
        # None if it could not be started.
        self.seed: int | None = None
        self._set_up_began = False
        self._own_is_closed = False
        self._is_given_up = False
        # How deep in simulations and blocks of real time it was when it began.
        self._depth = 0
        self._elapsed = 0.0
        self._escapes: list[str] = []
        # The first exception that left a part of the test.
        self._error: BaseException | None = None
        # What its own simulation raised when it was closed.
        self._found: BaseException | None = None
        # Whether pytest knows already what the kernel found.
        self._told = False
        # The simulation of the last run, also when it is closed.
        self.last: Simulation | None = None
        # What a report that is a failure is about, the first one.
        self.raised: BaseException | None = None
        # Of the last example that has failed, if it is a test with examples: when, in virtual
        # seconds of its own, and the token of its schedule if it is no canonical one.
        self._failed_at: float | None = None
        self.token: str | None = None
        # Whether an example was run under the schedule that is to be replayed.
        self.has_replayed = False

    # ------------------------------------------------------------------ the parts

    @contextlib.contextmanager
    def attached(self) -> Generator[None, None, None]:
        """Replace the parts of the test by the same in its world, for a block."""
        item: Any = self._item
        parts = {"setup": self._set_up, "runtest": self._call, "teardown": self._tear_down}
        self._originals = {name: getattr(item, name) for name in parts}
        for name, part in parts.items():
            setattr(item, name, part)
        try:
            yield
        finally:
            for name in parts:
                delattr(item, name)

    def _set_up(self) -> None:
        __tracebackhide__ = True
        self.forget()
        with self._part(self.worlds.open_suite if self._kind is Kind.SUITE else None):
            if not (self._kind is Kind.OWN and self._running.is_suite):
                self.begin()
            self._set_up_began = True
            self._running.coroutines.begin(self._item)
            self._originals["setup"]()
            self.begin()

    def begin(self) -> None:
        """Begin the simulated part.

        In a whole suite a test's own simulation is opened after the wide
        fixtures: one of these may have to be torn down in the suite's first.
        """
        if self._harness is not None or self._kind is Kind.REAL:
            return
        __tracebackhide__ = True
        self._harness, self._strict = self._started()
        self.last = self._harness.simulation
        self._item.stash[simulation_of] = self.simulation
        self.seed = self.simulation.seed
        self._depth = depth()

    def _started(self) -> tuple[Harness, bool]:
        from simclock import SimclockError

        __tracebackhide__ = True
        try:
            return self._running.start(self._item)
        except SimclockError as error:
            text = f"{type(error).__name__}: {error}"
        except (TypeError, ValueError) as error:
            text = f"simclock: {error}"
        # Where in our code it was raised helps nobody.
        pytest.fail(text, pytrace=False)

    def _call(self) -> None:
        __tracebackhide__ = True
        with self._part(self._harness), self._balanced(), examples.apart(self._item, self):
            try:
                self._originals["runtest"]()
            finally:
                self._forget_repetitions()

    def _forget_repetitions(self) -> None:
        """Of the errors that unittest has noted, forget those that only came of the first."""
        noted = getattr(self._item, "_excinfo", None) or []
        if noted and self._is_failure(noted[0].value):
            noted[1:] = [found for found in noted[1:] if not self._comes_of_failure(found.value)]

    def prepare_teardown(self) -> None:
        """See to it that what the test alone tears down is torn down in its world."""
        if is_set_up(self._item):
            harness = self._harness
            # The last finalizer that is added is the first to be called.
            self._item.addfinalizer(lambda: self.worlds.enter(harness))

    def _tear_down(self) -> None:
        """Do the last that is done for the test alone; what follows is shared with others."""
        __tracebackhide__ = True
        try:
            if self._set_up_began:
                self._originals["teardown"]()
        finally:
            self._leave()

    def _leave(self) -> None:
        try:
            if self._harness is not None and unwind(self._depth):
                raise RuntimeError(LEFT_OPEN)
        finally:
            if self._kind is Kind.OWN:
                # Now: fixtures of the suite's simulation may be torn down next.
                self._close_own()
            self.worlds.enter(self.worlds.shared)
            if self._is_given_up:
                self.finish()

    @contextlib.contextmanager
    def _part(self, world: World) -> Generator[None, None, None]:
        """Be in *world* for a block; raise what the kernel found, even if swallowed or hidden."""
        with self.worlds.inside(world):
            try:
                yield
            except BaseException as error:
                # What a loop raises when it is cut off, and closed, says nothing more.
                if self._told or not self._comes_of_failure(error):
                    self.note(error)
                    raise
        self._tell()

    @contextlib.contextmanager
    def _balanced(self) -> Generator[None, None, None]:
        """Close what a block has opened and left open: it is in the way of all else."""
        before = depth()
        try:
            yield
        finally:
            left = unwind(before)
        if left:
            raise RuntimeError(LEFT_OPEN)

    # ---------------------------------------------------------------- what was found

    def note(self, error: BaseException) -> None:
        """Note an exception that pytest will report."""
        self._error = self._error or error
        self._told = self._told or self._tells(error)

    def _tells(self, error: BaseException) -> bool:
        """Return whether the report of *error* shows what the kernel found."""
        return any(self._is_failure(shown) for shown in reporting.shown_with(error))

    def _is_failure(self, error: BaseException) -> bool:
        failure = None if self._harness is None else self.simulation.failure
        # What the watchdog raises in a thread is a copy.
        return failure is not None and (
            error is failure or (isinstance(error, type(failure)) and str(error) == str(failure))
        )

    def repeats(self, error: BaseException) -> bool:
        """Return whether *error* only came of what the kernel found, and that is told already."""
        parts = getattr(error, "exceptions", None)
        if parts is not None:
            return all(map(self.repeats, parts))
        return self._told and (self._is_failure(error) or self._comes_of_failure(error))

    def _comes_of_failure(self, error: BaseException) -> bool:
        """Return whether *error* only is what a loop made of what the kernel had found before."""
        from simclock import Deadlock, LimitReached, Livelock, Stalled

        if self._harness is None or self.simulation.failure is None or self._is_failure(error):
            return False
        # A kernel that has found something may go on to find more.
        is_further = isinstance(error, (Deadlock, LimitReached, Livelock, Stalled))
        return is_further or any(map(self._is_failure, reporting.wrapped_in(error)))

    def _tell(self) -> None:
        failure = None if self._harness is None else self.simulation.failure
        if failure is not None and not self._told:
            self.note(failure)
            before = failure.__context__
            try:
                raise failure
            finally:
                # Not what is being handled just now: that came of it.
                failure.__context__ = before

    # -------------------------------------------------------------------- the end

    def finish(self) -> None:
        """End the test's part in the simulation; raise what it has found and nobody saw."""
        if self._harness is None:
            return
        self._escapes += self.simulation.escapes
        try:
            if self._kind is Kind.SUITE:
                self._elapsed += self.simulation.elapsed
                if self.simulation.failure is not None:
                    self.worlds.mend(self._harness)
                self._tell()
                self._check_leftovers()
            else:
                self._close_own()
                self._judge_own()
        finally:
            del self._item.stash[simulation_of]
            self._harness = None

    def _close_own(self) -> None:
        """Close the test's own simulation, if that is not done, and keep what it found."""
        if self._own_is_closed or self._harness is None:
            return
        self._own_is_closed = True
        self._elapsed += self.simulation.elapsed
        try:
            self.worlds.close_own(self._error)
        except BaseException as found:  # noqa: BLE001 - judged when the teardown is over
            self._found = found

    def _judge_own(self) -> None:
        from simclock import Leak

        found, self._found = self._found, None
        if isinstance(found, Leak):
            if self._error is None:
                self._leaked(found)
        elif found is not None and not (found is self.simulation.failure and self._told):
            raise found

    def _leaked(self, leak: Leak) -> None:
        if self._strict:
            # Where in our code it was found helps nobody.
            pytest.fail(f"Leak: {leak}", pytrace=False)
        reporting.warn(self._item.config, leak, self._item.nodeid)

    def _check_leftovers(self) -> None:
        """Look for what a test of the suite has left: holds, and threads if that is to fail it."""
        from simclock import Leak

        assert self._harness is not None
        owners = self._harness.release_holds(self._item.nodeid)
        lines = [f"  a hold that was never released: {owner}" for owner in owners]
        if self._strict:
            lines += [f"  a thread that would never have ended: {n}" for n in self._stuck_threads()]
        if lines:
            what = "\n".join(lines)
            self._leaked(
                Leak(
                    f"the test left something behind\n{what}\n"
                    "end, join or release what is named above, or choose --simclock-leaks=warn"
                )
            )

    def _stuck_threads(self) -> list[str]:
        """Return the names of threads that the test has started and that do not end."""
        # Workers of a pool that stays end with the process, by its own protocol.
        pools = sys.modules.get("concurrent.futures.thread")
        workers = getattr(pools, "_threads_queues", ())
        mine = [
            thread.python_thread
            for thread in self.simulation.threads
            if thread.stretch == self._item.nodeid
            and not thread.daemon
            and thread.python_thread is not None
            and thread.python_thread not in workers
        ]
        assert self._harness is not None
        with self.worlds.inside(self._harness):
            end = time.monotonic() + self._harness.drain
            for thread in mine:
                thread.join(max(0.0, end - time.monotonic()))
        return [thread.name for thread in mine if thread.is_alive()]

    def give_up(self) -> None:
        """End a test whose teardown pytest has left out: the session ends, and does it later."""
        if is_set_up(self._item):
            self._is_given_up = self._told = True
            self.prepare_teardown()
        else:
            self._told = True
            self.worlds.enter(None)
            self.finish()

    # ------------------------------------------------------------- what others ask for

    @property
    def simulation(self) -> Simulation:
        """The simulation that the test is run in."""
        assert self._harness is not None
        return self._harness.simulation

    @property
    def elapsed(self) -> float:
        """Virtual seconds that the test has taken so far."""
        if self._harness is None or self._own_is_closed:
            return self._elapsed
        return self._elapsed + self.simulation.elapsed

    @property
    def failed_at(self) -> float:
        """The virtual time of a failure: of its example, if it is a test with examples."""
        return self.elapsed if self._failed_at is None else self._failed_at

    @property
    def escapes(self) -> list[str]:
        """For what the test has waited in real time so far, one line each."""
        now = () if self._harness is None else self.simulation.escapes
        return list(dict.fromkeys((*self._escapes, *now)))

    def synchronous(self, inner: Any) -> tuple[Any, bool] | None:
        """Return how to run an example, and whether it can be in a simulation of its own.

        None if it is to be run as it is, where the test is.
        """
        if self._harness is None:
            return None
        return self._running.coroutines.synchronous(self._item, inner)

    @contextlib.contextmanager
    def example(self, seeded: Any, *, alone: bool) -> Generator[Simulation, None, None]:
        """Be in the simulation of one example: one that is opened for it, or a part of the test's.

        There, `random` goes on from *seeded*. An example that is not to be
        *alone* gets a part of the test's own simulation, as in a whole suite.
        """
        if alone and self._kind is Kind.OWN:
            with self.worlds.inside(self._harness), self._own_example(seeded) as own:
                yield own
            return
        examples.check_not_drawn(self._item)
        with self.worlds.inside(self._harness):
            self._begin_again()
        # In real time: a test that did so itself would mean all those after it.
        random.setstate(seeded)
        with self.worlds.inside(self._harness):
            try:
                yield self.simulation
                self._tell()
            except BaseException as error:
                self._note_example(error, self.simulation.elapsed, None)
                raise
            finally:
                self._begin_again()

    @contextlib.contextmanager
    def _own_example(self, seeded: Any) -> Generator[Simulation, None, None]:
        from simclock import Leak

        options, _ = self._running.options_of(self._item)
        block, token = examples.simulation(self._item, options, self)
        elapsed = 0.0
        try:
            with block as own:
                self.last = own
                random.setstate(seeded)
                try:
                    yield own
                finally:
                    elapsed = own.elapsed
                    self._elapsed += elapsed
        except BaseException as error:
            if isinstance(error, Leak) and not self._strict:
                self._leaked(error)
                return
            self._note_example(error, elapsed, token())
            raise

    def _note_example(self, error: BaseException, seconds: float, token: str | None) -> None:
        if examples.is_failure(error):
            self._failed_at, self.token = seconds, token

    def _begin_again(self) -> None:
        assert self._harness is not None
        self._elapsed += self.simulation.elapsed
        self._harness.begin(self._item.nodeid, self.simulation.seed)


def depth() -> int:
    """Return how deep in simulations and blocks of real time the thread is."""
    from simclock import harness

    return harness.depth()


def unwind(to: int) -> bool:
    """Close what was opened since `depth` returned *to*; return whether anything was."""
    from simclock import harness

    return harness.unwind(to)


def is_set_up(item: pytest.Item) -> bool:
    """Return whether *item* is still to be torn down."""
    return item in getattr(item.session._setupstate, "stack", ())
