"""What goes wrong in the original, row by row; each test fails if ours does the same."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time

import pytest
import trio

import simclock
from simclock import flavours
from simclock.systems.services import (
    BackgroundFailure,
    NotRunning,
    OrphanedReturn,
    ServiceRunner,
    State,
    service,
    stop_token,
)

# What was found there, by the number of the finding.
ROWS = {
    "C1": "shutdown() racing accept() leaves a daemon that nothing ends",
    "C2": "a class that is decorated twice has two units, one of which dies",
    "C3": "services do not run again on a second accept()",
    "C4": "execute(asyncio) from asyncio dead-locks",
    "C5": "thread payloads survive accept()",
    "C6": "the type of the cause depends on the flavour",
    "C7": "the second of two failures is lost",
    "C8": "stop polls every 0.1 s",
    "C9": "stop hangs on a coroutine that refuses to be cancelled",
    "C10": "a payload that is adopted after the stop: an error, taken or dropped, by flavour",
    "C11": "execute() before the start is a KeyError of the module",
    "C12": "units cannot be cancelled, though the documentation says so",
    "C13": "a controller calls a method that it does not have",
}
LEFT_OUT = {
    "C13": "of COBalD's controllers of resource pools, which this system leaves out",
}
FLAVOURS = ["asyncio", "threading", "trio"]


def payload_of(flavour, function):
    """Return a payload that calls a function."""
    if flavour == "threading":
        return function

    async def payload():
        return function()

    payload.__qualname__ = function.__qualname__
    return payload


def test_each_row_has_a_test():
    numbers = {name.split("_")[1].upper() for name in globals() if name.startswith("test_c")}

    assert numbers == ROWS.keys() - LEFT_OUT.keys()


def test_c1_a_shutdown_before_accept_is_not_lost(sim, log):
    runner = ServiceRunner()

    assert runner.shutdown() is None
    runner.accept()
    log("the first ends at once")
    threading.Timer(5, runner.shutdown).start()
    runner.accept()
    log("the second does not")

    assert log == [(0.0, "the first ends at once"), (5.0, "the second does not")]


def test_c1_a_shutdown_in_any_window_of_accept_is_not_lost():
    def scenario():
        runner = ServiceRunner()
        thread = threading.Thread(target=runner.accept)
        thread.start()
        runner.shutdown()
        thread.join()
        assert runner.state is State.STOPPED

    report = simclock.explore(scenario, strategy="dfs:preemptions=2", runs=300).check()

    assert report.verdict == "passed"


def test_c2_a_class_that_is_decorated_twice_is_one_service_of_the_outer_flavour(log):
    with simclock.Simulation():

        @service(flavour=asyncio)
        class Inner:
            async def run(self):
                log("coroutine")

        @service(flavour=threading)
        class Outer(Inner):
            def run(self):
                log("function")

        runner = ServiceRunner()
        threading.Timer(1, runner.shutdown).start()
        made = Outer()
        runner.accept()

    assert log == [(0.0, "function")]
    assert made.__service_unit__.flavour == "threading"


def test_c2_a_class_that_is_decorated_twice_is_not_started_by_the_inner_decorator(
    sim, log, accepting
):
    """There the unit of the inner one is found by a runner until the outer one has its own."""

    @service(flavour=asyncio)
    class Inner:
        async def run(self):
            log("coroutine")

    class Between(Inner):
        def __new__(cls):
            made = super().__new__(cls)
            time.sleep(2)
            return made

    @service(flavour=threading)
    class Outer(Between):
        def run(self):
            log("function")

    accept = accepting()
    with accept as runner:
        made = Outer()
        time.sleep(2)
        assert runner.state is State.RUNNING

    assert accept.error is None
    assert log == [(2.0, "function")]
    del made


def test_c3_services_run_again_in_each_run(sim, log):
    @service(flavour="asyncio")
    class Beat:
        async def run(self):
            log("begins")

    beat, runner = Beat(), ServiceRunner()
    for _ in range(3):
        threading.Timer(1, runner.shutdown).start()
        runner.accept()

    assert log == [(0.0, "begins"), (1.0, "begins"), (2.0, "begins")]
    assert not beat.__service_unit__.running


@pytest.mark.parametrize("flavour", ["asyncio", "trio"])
def test_c4_a_coroutine_that_would_wait_for_its_own_loop_is_told(sim, log, accepting, flavour):
    async def other():
        log("never")

    with accepting() as runner:

        async def outer():
            runner.execute(other, flavour=flavour)

        with pytest.raises(RuntimeError) as caught:
            runner.execute(outer, flavour=flavour)

    assert str(caught.value) == (
        f"a payload of flavour {flavour!r} would wait for its own runner\n"
        "await it directly, or adopt it"
    )
    assert log == []


def test_c4_two_loops_that_would_wait_for_each_other_are_told(sim, accepting):
    async def innermost(): ...

    with accepting() as runner:

        async def of_trio():
            runner.execute(innermost, flavour=asyncio)

        def of_a_thread():
            runner.execute(of_trio, flavour=trio)

        async def of_asyncio():
            runner.execute(of_a_thread, flavour=threading)

        with pytest.raises(RuntimeError, match="'trio' would wait for its own runner"):
            runner.execute(of_asyncio, flavour=asyncio)
        # Nothing else is disturbed.
        assert runner.execute(innermost, flavour=asyncio) is None


def test_c5_a_thread_that_asks_its_token_has_ended_when_accept_returns(sim, log, accepting):
    def count():
        while not stop_token().wait(1):
            log("counts")
        time.sleep(0.25)
        log("ends")

    with accepting() as runner:
        runner.adopt(count, flavour=threading)
        time.sleep(2.5)
        report = runner.shutdown()
        log("stopped")

    assert log == [
        (1.0, "counts"), (2.0, "counts"), (2.75, "ends"), (2.75, "stopped"),
    ]  # fmt: skip
    assert report == (0.25, ())


def test_c5_a_thread_that_does_not_ask_is_abandoned_and_named(sim, log, accepting, caplog):
    def count():
        while not go_on.wait(1):
            log("counts")

    go_on = threading.Event()
    with accepting(grace=2) as runner:
        runner.adopt(count, flavour=threading)
        time.sleep(0.5)
        report = runner.shutdown()
        log("stopped")
    go_on.set()

    name = "test_c5_a_thread_that_does_not_ask_is_abandoned_and_named.<locals>.count (threading)"
    # The grace period, and a last chance of a second.
    assert report == (3.0, (name,))
    assert report == runner.report
    assert log == [(1.0, "counts"), (2.0, "counts"), (3.0, "counts"), (3.5, "stopped")]
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING] == [
        f"payloads would not stop and are abandoned: {name}"
    ]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_c6_failures_of_all_flavours_have_one_shape(sim, accepting, flavour):
    error = LookupError("of the payload")

    def fails():
        raise error

    accept = accepting()
    with accept as runner:
        runner.adopt(payload_of(flavour, fails), flavour=flavour)
        accept.thread.join()

    assert type(accept.error) is BackgroundFailure
    assert accept.error.exceptions == (error,)
    assert isinstance(accept.error, RuntimeError)
    assert runner.state is State.FAILED


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_c6_an_orphaned_return_has_the_same_shape(sim, accepting, flavour):
    def returns():
        return 7

    accept = accepting()
    with accept as runner:
        runner.adopt(payload_of(flavour, returns), flavour=flavour)
        accept.thread.join()

    (error,) = accept.error.exceptions
    assert type(error) is OrphanedReturn
    assert error.value == 7
    assert error.who.endswith(f"<locals>.returns ({flavour})")


def test_c7_no_failure_is_lost(sim, accepting):
    async def one():
        await asyncio.sleep(1)
        raise ValueError("one")

    async def two():
        await trio.sleep(1)
        raise KeyError("two")

    def three():
        time.sleep(1)
        return 3

    async def four():
        try:
            await asyncio.sleep(100)
        finally:
            raise OSError("while it is stopped")

    accept = accepting()
    with accept as runner:
        runner.adopt(one, flavour=asyncio)
        runner.adopt(two, flavour=trio)
        runner.adopt(three, flavour=threading)
        runner.adopt(four, flavour=asyncio)
        accept.thread.join()

    assert sorted(type(each).__name__ for each in accept.error.exceptions) == [
        "KeyError", "OSError", "OrphanedReturn", "ValueError",
    ]  # fmt: skip


def test_c8_a_stop_takes_no_time_that_payloads_do_not(sim, accepting):
    async def in_asyncio():
        await asyncio.sleep(100)

    async def in_trio():
        await trio.sleep(100)

    def in_a_thread():
        stop_token().wait()

    with accepting() as runner:
        runner.adopt(in_asyncio, flavour=asyncio)
        runner.adopt(in_trio, flavour=trio)
        runner.adopt(in_a_thread, flavour=threading)
        time.sleep(1)

        assert runner.shutdown() == (0.0, ())
    assert sim.elapsed == 1.0


def test_c9_a_coroutine_that_refuses_to_be_cancelled_does_not_hold_up_the_stop(sim, log, accepting):
    async def stubborn():
        while not go_on:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(1)
                continue
            log("refuses")

    go_on = []
    with accepting(grace=5) as runner:
        runner.adopt(stubborn, flavour=asyncio)
        time.sleep(1.5)
        report = runner.shutdown()
        log("stopped")
    go_on.append(True)

    name = "test_c9_a_coroutine_that_refuses_to_be_cancelled_does_not_hold_up_the_stop"
    assert report == (6.0, (f"{name}.<locals>.stubborn (asyncio)",))
    # It is asked, asked again after the grace period, and abandoned after a last chance.
    assert log == [(1.5, "refuses"), (6.5, "refuses"), (7.5, "stopped")]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_c10_what_is_adopted_after_the_stop_is_refused_for_all_flavours(
    sim, log, accepting, flavour
):
    with accepting() as runner:
        pass

    payload = payload_of(flavour, lambda: log("never"))
    for run in runner.adopt, runner.execute:
        with pytest.raises(NotRunning, match="the runner is stopped: it takes no payloads"):
            run(payload, flavour=flavour)
    assert log == []


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_c10_what_is_adopted_while_it_stops_is_refused_for_all_flavours(
    sim, log, accepting, flavour
):
    def late():
        stop_token().wait()
        try:
            runner.adopt(payload_of(flavour, lambda: log("never")), flavour=flavour)
        except NotRunning as error:
            log(str(error).partition(":")[0])

    with accepting() as runner:
        runner.adopt(late, flavour=threading)

    assert log == [(0.0, "the runner is stopping")]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_c11_execute_before_the_start_says_what_to_do(flavour):
    with pytest.raises(NotRunning) as caught:
        ServiceRunner().execute(
            payload_of(flavour, lambda: None), flavour=flavours.get(flavour).name
        )

    assert str(caught.value) == (
        "the runner is new: it runs nothing yet\n"
        "call accept(), in another thread if need be, and wait for runner.running"
    )


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_c12_a_unit_can_be_cancelled(sim, log, accepting, flavour):
    async def coroutine(self):
        try:
            while True:
                await flavours.get(flavour).sleep(1)
                log("beats")
        finally:
            log("ends")

    def function(self):
        while not stop_token().wait(1):
            log("beats")
        log("ends")

    @service(flavour=flavour)
    class Beat:
        run = function if flavour == "threading" else coroutine

    with accepting() as runner:
        beat = Beat()
        unit = beat.__service_unit__
        time.sleep(2.5)
        assert unit.running
        assert unit.cancel()
        time.sleep(1)
        log(unit.state)
        assert runner.state is State.RUNNING

    assert log == [(1.0, "beats"), (2.0, "beats"), (2.5, "ends"), (3.5, State.STOPPED)]
