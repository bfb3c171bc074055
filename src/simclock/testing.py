"""What authors of plugins test them with; needs pytest."""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

import pytest

import simclock
from simclock import flavours

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    Steps = Callable[[], Generator[float, None, Any]]

__all__ = ["FlavourContract"]

# In seconds; virtual, but for what is run for real.
LONG = 1e6
SHORT = 0.01


class FlavourContract:
    """Tests that every flavour passes.

    To be subclassed in a test module::

        class TestCurio(FlavourContract):
            flavour = "curio"

    Each test is run for real and in simulated time. The plugin that has the
    flavour must be registered.

    Attributes:
        flavour: The name of the flavour.
        waits_forever: A payload that waits for what never comes, in the
            library's own way, and the name that reports have for its task;
            None leaves out what is about reports.
    """

    flavour: str
    waits_forever: tuple[Callable[[], Any], str] | None = None

    # ---------------------------------------------------------------------- tools

    @pytest.fixture(params=["real", "simulated"], autouse=True)
    def world(self, request: pytest.FixtureRequest) -> Iterator[None]:
        """Run each test twice; what one simulates by itself is then inside another simulation."""
        if request.param == "real":
            yield
            return
        with simclock.Simulation():
            yield

    @pytest.fixture
    def runner(self, world: None) -> Iterator[flavours.Runner]:
        """Return a runner that is closed at the end; it is started where the test is run."""
        del world  # first
        with flavours.get(self.flavour).start() as runner:
            yield runner

    def payload(self, steps: Steps) -> Callable[[], Any]:
        """Return a payload of this flavour.

        *steps* is a generator function: what it yields are the seconds to
        sleep, what it returns is the payload's. It is closed when the payload
        is cancelled.
        """
        flavour = flavours.get(self.flavour)
        if not flavour.is_async:
            return lambda: _in_thread(steps())

        async def run() -> Any:
            work = steps()
            try:
                while True:
                    try:
                        seconds = next(work)
                    except StopIteration as end:
                        return end.value
                    nap = flavour.sleep(seconds)
                    assert nap is not None, "sleep() of an async flavour returns an awaitable"
                    await nap
            finally:
                work.close()

        return run

    def function(self, call: Callable[[], Any]) -> Callable[[], Any]:
        """Return a payload that calls a function and does not wait."""

        def steps() -> Generator[float, None, Any]:
            return call()
            yield  # it is a generator all the same

        return self.payload(steps)

    # ------------------------------------------------------------------- its shape

    def test_is_found_by_its_name(self) -> None:
        flavour = flavours.get(self.flavour)

        assert flavour.name == self.flavour
        assert flavours.registered()[self.flavour] is flavour

    # -------------------------------------------------------------------- payloads

    def test_execute_returns_what_the_payload_does(self, runner: flavours.Runner) -> None:
        def steps() -> Generator[float, None, int]:
            yield SHORT
            return 7

        assert runner.execute(self.payload(steps)) == 7

    def test_execute_raises_what_the_payload_does(self, runner: flavours.Runner) -> None:
        error = ValueError("of the payload")

        def steps() -> Generator[float, None, None]:
            yield SHORT
            raise error

        with pytest.raises(ValueError, match="of the payload") as caught:
            runner.execute(self.payload(steps))
        assert caught.value is error

    def test_an_interrupt_in_a_payload_is_its_outcome(self, runner: flavours.Runner) -> None:
        def interrupt() -> None:
            raise KeyboardInterrupt("of the payload")

        future = runner.adopt(self.function(interrupt))

        assert isinstance(future.exception(), KeyboardInterrupt)
        assert runner.execute(self.function(lambda: "it goes on")) == "it goes on"

    def test_adopt_returns_before_the_payload_ends(self, runner: flavours.Runner) -> None:
        go_on = threading.Event()

        def steps() -> Generator[float, None, str]:
            while not go_on.is_set():
                yield SHORT
            return "done"

        future = runner.adopt(self.payload(steps))
        assert not future.done()
        assert future.running()
        go_on.set()

        assert future.result() == "done"
        assert future.done()
        assert not future.running()

    def test_who_waits_for_a_payload_is_told_at_its_end(self, runner: flavours.Runner) -> None:
        told: list[Any] = []
        future = runner.adopt(self.function(lambda: "done"))

        future.add_done_callback(lambda ended: told.append(ended.result()))
        future.result()
        runner.close()

        assert told == ["done"]

    def test_what_is_no_payload_is_refused(self, runner: flavours.Runner) -> None:
        wrong: list[Any] = [None, 7]
        if not flavours.get(self.flavour).is_async:

            async def coroutine_function() -> None: ...

            wrong.append(coroutine_function)
        for each in wrong:
            with pytest.raises(TypeError, match=f"no payload of flavour '{self.flavour}'"):
                runner.adopt(each)
            with pytest.raises(TypeError, match=f"no payload of flavour '{self.flavour}'"):
                runner.execute(each)

    def test_payloads_of_an_async_flavour_are_not_run_in_parallel(
        self, runner: flavours.Runner
    ) -> None:
        if not flavours.get(self.flavour).is_async:
            pytest.skip("its payloads are threads")
        inside: list[int] = []
        most: list[int] = []

        def steps() -> Generator[float, None, None]:
            for _ in range(5):
                inside.append(1)
                time.sleep(SHORT / 10)
                most.append(len(inside))
                inside.pop()
                yield SHORT

        futures = [runner.adopt(self.payload(steps)) for _ in range(4)]
        for future in futures:
            future.result()

        assert set(most) == {1}

    def test_a_payload_may_adopt_another(self, runner: flavours.Runner) -> None:
        def steps() -> Generator[float, None, Any]:
            future = runner.adopt(self.function(lambda: "of the other"))
            while not future.done():
                yield SHORT
            return future.result()

        assert runner.execute(self.payload(steps)) == "of the other"

    def test_a_payload_that_would_wait_for_its_own_runner_is_told(
        self, runner: flavours.Runner
    ) -> None:
        def ask() -> tuple[bool, Any]:
            is_inside = runner.is_inside()
            try:
                return is_inside, runner.execute(self.function(lambda: "inline"))
            except RuntimeError as error:
                return is_inside, str(error).partition("\n")[0]

        is_inside, said = runner.execute(self.function(ask))

        expected = f"a payload of flavour {self.flavour!r} would wait for its own runner"
        assert said == (expected if is_inside else "inline")
        assert is_inside or not flavours.get(self.flavour).is_async

    def test_a_payload_knows_its_flavour_and_may_wait_for_a_thread(
        self, runner: flavours.Runner
    ) -> None:
        flavour = flavours.get(self.flavour)
        if not flavour.is_async:
            pytest.skip("a plain function needs nobody to wait for a thread")

        async def payload() -> tuple[Any, Any]:
            here = threading.get_ident()
            there = await flavour.in_thread(threading.get_ident)
            return flavours.running(), there != here

        assert runner.execute(payload) == (flavour, True)
        assert not flavour.is_running()

    def test_what_a_function_in_a_thread_raises_is_raised(self, runner: flavours.Runner) -> None:
        flavour = flavours.get(self.flavour)
        if not flavour.is_async:
            pytest.skip("a plain function needs nobody to wait for a thread")

        def fails() -> None:
            raise KeyError("missing")

        async def payload() -> Any:
            return await flavour.in_thread(fails)

        with pytest.raises(KeyError, match="missing"):
            runner.execute(payload)

    # ------------------------------------------------------------ cancel and close

    def _sleeper(self, log: list[str]) -> Callable[[], Any]:
        def steps() -> Generator[float, None, None]:
            log.append("begins")
            try:
                yield LONG
            finally:
                log.append("cleans up")

        return self.payload(steps)

    def _until(self, log: list[str], wanted: str) -> None:
        while wanted not in log:
            time.sleep(SHORT)

    def _outcome(self, future: flavours.PayloadFuture) -> str:
        try:
            return "returned" if future.result() is None else "returned something"
        except CancelledError:
            return "cancelled"

    def test_a_payload_that_is_cancelled_cleans_up(self, runner: flavours.Runner) -> None:
        log: list[str] = []
        future = runner.adopt(self._sleeper(log))
        self._until(log, "begins")

        assert future.cancel()

        assert self._outcome(future) in {"cancelled", "returned"}
        assert log == ["begins", "cleans up"]
        is_async = flavours.get(self.flavour).is_async
        assert future.cancelled() is is_async, "a task is cancelled, a thread is only asked"
        assert not future.cancel(), "it has ended"

    def test_a_payload_that_has_not_begun_may_be_cancelled(self, runner: flavours.Runner) -> None:
        future = runner.adopt(self._sleeper([]))

        future.cancel()

        assert self._outcome(future) in {"cancelled", "returned"}

    def test_close_cancels_what_runs_and_waits_for_it(self) -> None:
        log: list[str] = []
        threads = threading.active_count()
        runner = flavours.get(self.flavour).start()
        futures = [runner.adopt(self._sleeper(log)) for _ in range(3)]
        while log.count("begins") < len(futures):
            time.sleep(SHORT)

        runner.close()

        assert log == ["begins"] * 3 + ["cleans up"] * 3
        assert all(future.done() for future in futures)
        assert threading.active_count() == threads

    def test_a_closed_runner_takes_nothing(self) -> None:
        runner = flavours.get(self.flavour).start()
        runner.close()
        runner.close()

        for run in (runner.adopt, runner.execute):
            with pytest.raises(RuntimeError, match="closed"):
                run(self.function(lambda: None))

    def test_close_names_who_does_not_end(self) -> None:
        stubborn = threading.Event()

        def refuses() -> Generator[float, None, None]:
            begun.set()
            stubborn.wait()  # nobody can interrupt this
            yield 0.0

        begun = threading.Event()
        payload = self.payload(refuses)
        payload.__qualname__ = "the stubborn one"
        runner = flavours.get(self.flavour).start()
        future = runner.adopt(payload)
        begun.wait()

        with pytest.raises(TimeoutError, match="the stubborn one"):
            runner.close(timeout=SHORT)
        stubborn.set()
        runner.close()

        assert future.done()

    def test_a_payload_may_close_its_own_runner(self) -> None:
        runner = flavours.get(self.flavour).start()

        runner.adopt(self.function(runner.close)).exception()
        runner.close()

    def test_two_runners_do_not_know_of_each_other(self, runner: flavours.Runner) -> None:
        with flavours.get(self.flavour).start() as other:
            assert other.execute(self.function(lambda: "other")) == "other"

        assert runner.execute(self.function(lambda: "first")) == "first"

    # ------------------------------------------------------------------ simulated

    def test_sleep_is_exact(self) -> None:
        flavour = flavours.get(self.flavour)

        def plain() -> float:
            flavour.sleep(0.1)
            return time.monotonic() - start

        async def coroutine() -> float:
            nap = flavour.sleep(0.1)
            assert nap is not None
            await nap
            return time.monotonic() - start

        with simclock.Simulation(), flavour.start() as runner:
            start = time.monotonic()
            slept = runner.execute(coroutine if flavour.is_async else plain)

        assert round(slept, 9) == 0.1

    def _interleaved(self) -> list[tuple[float, str]]:
        log: list[tuple[float, str]] = []
        start = time.monotonic()

        def worker(name: str, seconds: float) -> Steps:
            def steps() -> Generator[float, None, None]:
                for _ in range(3):
                    yield seconds
                    log.append((time.monotonic() - start, name))

            return steps

        with flavours.get(self.flavour).start() as runner:
            futures = [
                runner.adopt(self.payload(worker(name, seconds)))
                for name, seconds in (("a", 0.5), ("b", 0.75), ("c", 1.5), ("d", 1.5))
            ]
            for future in futures:
                future.result()
        return log

    def test_sleeps_are_exact_and_in_the_same_order_each_time(self) -> None:
        logs = [simclock.run(self._interleaved) for _ in range(3)]

        assert logs[0] == logs[1] == logs[2]
        assert sorted(logs[0]) == [
            (0.5, "a"), (0.75, "b"), (1.0, "a"), (1.5, "a"), (1.5, "b"), (1.5, "c"), (1.5, "d"),
            (2.25, "b"), (3.0, "c"), (3.0, "d"), (4.5, "c"), (4.5, "d"),
        ]  # fmt: skip

    def test_many_at_one_instant_are_in_the_same_order_each_time(self) -> None:
        def program() -> list[int]:
            log: list[int] = []

            def sleeper(number: int) -> Steps:
                def steps() -> Generator[float, None, None]:
                    yield 1.0
                    log.append(number)

                return steps

            with flavours.get(self.flavour).start() as runner:
                futures = [runner.adopt(self.payload(sleeper(number))) for number in range(20)]
                for future in futures:
                    future.result()
            return log

        orders = [simclock.run(program) for _ in range(3)]

        assert orders[0] == orders[1] == orders[2]
        assert sorted(orders[0]) == list(range(20))

    def test_traces_are_the_same_each_time(self) -> None:
        def digest() -> str:
            with simclock.Simulation() as sim:
                self._interleaved()
            return sim.trace.digest

        digest()  # what is imported for the first time is imported here
        assert digest() == digest()

    def test_a_simulation_leaves_it_healthy(self) -> None:
        before = flavours.get(self.flavour).start()
        threads = threading.active_count()

        simclock.run(self._interleaved)
        with simclock.Simulation():
            # Not closed: it is the simulation's to end it.
            flavours.get(self.flavour).start().adopt(self._sleeper([]))
            time.sleep(1)

        assert threading.active_count() == threads
        assert before.execute(self.function(lambda: "before")) == "before"
        before.close()
        with flavours.get(self.flavour).start() as after:
            assert after.execute(self.function(lambda: "after")) == "after"

    def test_settle_has_an_async_form(self) -> None:
        flavour = flavours.get(self.flavour)
        if not flavour.is_async:
            pytest.skip("a plain function calls settle()")
        log: list[tuple[float, str]] = []

        with simclock.Simulation() as sim, flavour.start() as runner:

            def other() -> Generator[float, None, None]:
                log.append((sim.elapsed, "other begins"))
                yield 1.0
                log.append((sim.elapsed, "other ends"))

            async def payload() -> None:
                runner.adopt(self.payload(other))
                await sim.asettle()
                log.append((sim.elapsed, "settled"))
                await sim.asleep(1.0)
                log.append((sim.elapsed, "slept"))

            runner.execute(payload)

        assert log == [
            (0.0, "other begins"), (0.0, "settled"), (1.0, "other ends"), (1.0, "slept"),
        ]  # fmt: skip

    def test_a_deadlock_shows_its_tasks_and_where_they_wait(self) -> None:
        if self.waits_forever is None:
            pytest.skip("the subclass has no `waits_forever`")
        payload, name = self.waits_forever

        with pytest.raises(simclock.Deadlock) as caught, simclock.Simulation():
            flavours.get(self.flavour).start().execute(payload)

        file = payload.__code__.co_filename.rpartition("/")[2]
        line = next(line for line in str(caught.value).splitlines() if name in line)
        assert f"task {name} waits at {file}:" in line


def _in_thread(work: Generator[float, None, Any]) -> Any:
    while True:
        try:
            seconds = next(work)
        except StopIteration as end:
            return end.value
        if flavours.stop_requested(seconds):
            work.close()
            return None
