"""The runner where it could go wrong; what the original gets wrong is in test_rows.py."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import logging
import os
import re
import signal
import sys
import threading
import time
import weakref
from concurrent.futures import CancelledError

import pytest
import trio

import simclock
from simclock import flavours
from simclock.systems._shared import lifecycle
from simclock.systems.services import (
    BackgroundFailure,
    NotRunning,
    PayloadCancelled,
    PayloadExit,
    ServiceRunner,
    State,
    StopToken,
    run,
    runtime,
    service,
    stop_token,
    units,
)

FLAVOURS = ["asyncio", "threading", "trio"]


def sleeper(flavour, seconds=1e6):
    """Return a payload that sleeps until it is asked to end."""
    if flavour == "threading":

        def payload():
            stop_token().wait(seconds)
    else:

        async def payload():
            await flavours.get(flavour).sleep(seconds)

    return payload


def payload_of(flavour, function):
    """Return a payload that calls a function."""
    if flavour == "threading":
        return function

    async def payload():
        function()

    return payload


def sleeping_service():
    @service(flavour=threading)
    class Sleeps:
        def run(self):
            stop_token().wait()

    return Sleeps()


# ------------------------------------------------------------------------------ adopt, execute


def test_between_two_runs_nothing_is_adopted(sim):
    runner = ServiceRunner()
    runner.shutdown()
    runner.accept()

    said = "the runner is stopped: it takes no payloads\nadopt them while its accept() runs; only"
    with pytest.raises(NotRunning, match=re.escape(said)):
        runner.adopt(print, flavour=threading)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_what_is_adopted_before_runs_once_it_accepts(sim, log, flavour):
    def note():
        log("runs")

    async def noted():
        log("runs")

    runner = ServiceRunner()
    runner.adopt(note if flavour == "threading" else noted, flavour=flavour)
    time.sleep(2)
    threading.Timer(1, runner.shutdown).start()
    runner.accept()

    assert log == [(2.0, "runs")]


def test_what_a_latched_shutdown_did_not_let_run_is_run_next_time(sim, log):
    runner = ServiceRunner()
    runner.adopt(log, "adopted", flavour=threading)
    runner.shutdown()
    runner.accept()
    log("first run")
    threading.Timer(1, runner.shutdown).start()
    runner.accept()

    assert log == [(0.0, "first run"), (0.0, "adopted")]


def test_what_a_failed_run_did_not_come_to_is_run_next_time(sim, log, monkeypatch):
    """The first cannot be started: the run is ended before it has come to the second."""

    class Broken:
        name, is_async = "broken", False

        def start(self):
            raise ImportError("no such library")

    runner = ServiceRunner()
    find = flavours.get
    monkeypatch.setattr(
        "simclock.systems.services.runner.get", lambda f: Broken() if f == "broken" else find(f)
    )
    runner.adopt(log, "never", flavour="broken")
    runner.adopt(log, "adopted", flavour=threading)
    with pytest.raises(BackgroundFailure) as caught:
        runner.accept()
    log("first run")
    threading.Timer(1, runner.shutdown).start()
    runner.accept()

    assert [str(error) for error in caught.value.exceptions] == ["no such library"]
    assert log == [(0.0, "first run"), (0.0, "adopted")]


@pytest.mark.parametrize("run", ["adopt", "execute"])
def test_bad_input_is_refused_and_disturbs_nothing(sim, accepting, run):
    async def coroutine_function(): ...

    with accepting() as runner:
        call = getattr(runner, run)
        with pytest.raises(LookupError, match="unknown flavour: 'curio'\nchoose one of asyncio"):
            call(print, flavour="curio")
        with pytest.raises(TypeError, match="no payload of flavour 'asyncio': 7\n"):
            call(7, flavour=asyncio)
        for args in (), (1,):
            with pytest.raises(TypeError) as caught:
                call(coroutine_function, *args, flavour=threading)
            assert str(caught.value) == (
                "this is no payload of flavour 'threading' but a coroutine function: "
                f"{coroutine_function!r}\n"
                "give flavour= the library that it awaits, such as asyncio or trio"
            )
        with pytest.raises(TypeError, match="flavour"):
            call(print)

        assert runner.state is State.RUNNING


@pytest.mark.parametrize("run", ["adopt", "execute"])
def test_bad_input_is_refused_before_the_start_too(run):
    with pytest.raises(LookupError, match="unknown flavour: 'curio'"):
        getattr(ServiceRunner(), run)(print, flavour="curio")
    with pytest.raises(TypeError, match="no payload of flavour 'asyncio': 7\n"):
        getattr(ServiceRunner(), run)(7, flavour=asyncio)


@pytest.mark.parametrize("grace", [-1, float("inf"), float("nan"), 1.1e9, "10", None, [1]])
def test_grace_is_a_number_of_seconds(grace):
    said = f"grace must be a number of seconds from 0 to 1e9: {grace!r}\n"
    with pytest.raises(ValueError, match=re.escape(said)):
        ServiceRunner(grace=grace)


def test_the_longest_grace_can_be_waited_for(accepting):
    async def payload():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)

    with accepting(grace=1e9) as runner:
        runner.adopt(payload, flavour=asyncio)
        assert runner.shutdown().abandoned == ()


def test_a_function_is_executed_in_the_calling_thread(sim, accepting):
    with accepting() as runner:
        thread = threading.current_thread()

        assert runner.execute(threading.current_thread, flavour=threading) is thread
        with pytest.raises(KeyError, match="missing"):
            runner.execute({}.__getitem__, "missing", flavour=threading)


def test_who_executes_and_is_interrupted_ends_the_payload(sim, log, accepting, monkeypatch):
    class Interrupted(BaseException):
        pass

    async def payload():
        try:
            await asyncio.sleep(1e6)
        finally:
            log("ends")

    def interrupt(self):
        time.sleep(1)
        raise Interrupted

    with accepting() as runner:
        runner.execute(sleeper("asyncio", 0), flavour=asyncio)
        with monkeypatch.context() as patch:
            patch.setattr("concurrent.futures.Future.result", interrupt)
            with pytest.raises(Interrupted):
                runner.execute(payload, flavour=asyncio)
        time.sleep(1)

    assert log == [(1.0, "ends")]


@pytest.mark.parametrize("flavour", ["asyncio", "trio"])
def test_who_executes_is_told_when_the_runner_ends_the_payload(sim, log, accepting, flavour):
    def caller():
        try:
            runner.execute(sleeper(flavour), flavour=flavour)
        except NotRunning as error:
            log(str(error))

    with accepting() as runner:
        thread = threading.Thread(target=caller)
        thread.start()
        time.sleep(1)
    thread.join()

    name = f"sleeper.<locals>.payload ({flavour})"
    said = f"{name} was ended before it was done: the runner has stopped"
    assert log == [(1.0, f"{said}\nexecute it while the runner accepts")]


def test_who_executes_does_not_wait_for_what_is_abandoned(sim, log, accepting):
    async def stubborn():
        while not go_on:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(1)
        return "too late"

    def caller():
        with pytest.raises(NotRunning, match=r"stubborn .* was ended before it was done"):
            runner.execute(stubborn, flavour=asyncio)
        log("told")

    go_on = []
    with accepting(grace=2) as runner:
        thread = threading.Thread(target=caller)
        thread.start()
        time.sleep(0.5)
    thread.join()
    go_on.append(True)

    assert log == [(3.5, "told")]


def test_a_function_that_is_executed_is_waited_for_and_asked(sim, log, accepting):
    def payload():
        log(stop_token().wait())
        return "its value"

    with accepting() as runner:
        thread = threading.Thread(target=lambda: log(runner.execute(payload, flavour="threading")))
        thread.start()
        time.sleep(1)
        assert runner.shutdown() == (0.0, ())
    thread.join()

    assert log == [(1.0, True), (1.0, "its value")]


def test_a_payload_that_is_cancelled_by_itself_is_the_callers(sim, accepting):
    async def payload():
        raise asyncio.CancelledError

    with accepting() as runner:
        with pytest.raises(CancelledError):
            runner.execute(payload, flavour=asyncio)
        assert runner.state is State.RUNNING


def test_a_payload_may_execute_one_of_another_flavour(sim, log, accepting):
    async def of_trio():
        await trio.sleep(2)
        return "from trio"

    with accepting() as runner:

        async def of_asyncio():
            return runner.execute(of_trio, flavour=trio)

        for _ in range(2):
            log(runner.execute(of_asyncio, flavour=asyncio))

    assert log == [(2.0, "from trio"), (4.0, "from trio")]


def test_a_payload_that_is_stopped_while_it_executes_another_has_not_failed(sim, accepting):
    accept = accepting()
    with accept as runner:
        runner.adopt(
            functools.partial(runner.execute, sleeper("trio"), flavour=trio), flavour=threading
        )
        time.sleep(1)

    assert accept.error is None
    assert runner.state is State.STOPPED


# -------------------------------------------------------------------------------- what fails


@pytest.mark.parametrize("raised", [SystemExit(3), KeyboardInterrupt()])
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_what_is_for_main_threads_is_a_failure_like_others(sim, accepting, flavour, raised):
    def function():
        raise raised

    async def coroutine():
        raise raised

    accept = accepting()
    with accept as runner:
        runner.adopt(function if flavour == "threading" else coroutine, flavour=flavour)
        accept.thread.join()

    (error,) = accept.error.exceptions
    assert type(error) is PayloadExit
    assert error.__cause__ is raised
    assert str(error).endswith(
        f"({flavour}) raised {raised!r}\nto end the daemon, let it call shutdown() of the runner"
    )


async def cancelled_by_what_it_awaits():
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(1, future.cancel)
    await future


def test_a_coroutine_that_is_cancelled_without_the_runner_is_a_failure(sim):
    runner = ServiceRunner()
    runner.adopt(cancelled_by_what_it_awaits, flavour=asyncio)
    with pytest.raises(BackgroundFailure) as caught:
        runner.accept()
    (error,) = caught.value.exceptions

    assert sim.elapsed == 1.0
    assert type(error) is PayloadCancelled
    assert str(error) == (
        "cancelled_by_what_it_awaits (asyncio) was cancelled, and nobody has asked the runner for "
        "that\nlet it handle that what it awaits is cancelled; to end a service, use its unit's "
        "cancel()"
    )


def test_what_had_failed_is_not_kept(sim, monkeypatch):
    monkeypatch.setattr(run.log, "disabled", True)  # pytest keeps what is logged

    class Thing: ...

    def program():
        thing = Thing()

        def payload():
            raise LookupError(thing)

        runner.adopt(payload, flavour=threading)
        with pytest.raises(BackgroundFailure):
            runner.accept()
        return weakref.ref(thing)

    runner = ServiceRunner()
    kept = program()
    gc.collect()

    assert kept() is None


def test_runners_of_all_flavours_are_closed_if_one_of_them_fails_at_that(sim, monkeypatch):
    def close(self, runner):
        closed.append(runner.flavour.name)
        if len(closed) == 1:
            raise LookupError("of the flavour")
        return real(self, runner)

    real, closed = run.Run._close, []
    monkeypatch.setattr(run.Run, "_close", close)
    runner = ServiceRunner()
    for flavour in "trio", "asyncio":
        runner.adopt(sleeper(flavour), flavour=flavour)
    threading.Timer(1, runner.shutdown).start()
    with pytest.raises(LookupError, match="of the flavour"):
        runner.accept()

    assert closed == ["trio", "asyncio"]


def test_failures_may_be_taken_apart_by_their_type(sim):
    def fails(error):
        time.sleep(1)
        raise error

    runner = ServiceRunner()
    runner.adopt(fails, KeyError("one"), flavour=threading)
    runner.adopt(fails, OSError("two"), flavour=threading)
    with pytest.raises(BackgroundFailure, match=r"background tasks failed: .*fails.*, ") as caught:
        runner.accept()

    matching, rest = caught.value.split(KeyError)
    assert type(matching) is type(rest) is BackgroundFailure
    assert [repr(error) for error in matching.exceptions] == ["KeyError('one')"]
    assert [repr(error) for error in rest.exceptions] == ["OSError('two')"]


def test_each_failure_is_logged_with_its_traceback(sim, caplog):
    def fails():
        raise KeyError("one")

    runner = ServiceRunner()
    runner.adopt(fails, flavour=threading)
    with pytest.raises(BackgroundFailure):
        runner.accept()

    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().endswith("<locals>.fails (threading)")
    assert record.exc_info[0] is KeyError


def test_after_a_failure_it_may_run_again(sim, log):
    runner = ServiceRunner()
    runner.adopt(lambda: 7, flavour=threading)
    with pytest.raises(BackgroundFailure):
        runner.accept()
    assert runner.state is State.FAILED
    threading.Timer(1, runner.shutdown).start()
    threading.Timer(0.5, lambda: runner.adopt(log, "runs", flavour=threading)).start()
    runner.accept()

    assert runner.state is State.STOPPED
    assert log == [(0.5, "runs")]


def test_what_fails_after_it_was_abandoned_is_logged_only(sim, caplog):
    def stubborn():
        go_on.wait()
        raise OSError("too late")

    go_on = threading.Event()
    runner = ServiceRunner(grace=0)
    runner.adopt(stubborn, flavour=threading)
    threading.Timer(1, runner.shutdown).start()
    runner.accept()
    go_on.set()
    time.sleep(1)

    assert runner.state is State.STOPPED
    assert [r.levelname for r in caplog.records] == ["WARNING", "ERROR"]


# ------------------------------------------------------------------------------------ its end


def test_it_accepts_once_at_a_time(sim, accepting):
    with accepting() as runner:
        with pytest.raises(RuntimeError, match="the runner is running: it runs once at a time\n"):
            runner.accept()
        assert runner.state is State.RUNNING


@pytest.mark.usefixtures("sim")
@pytest.mark.parametrize(
    ("flavour", "remedy"),
    [
        ("asyncio", "await asyncio.to_thread(runner.accept)"),
        ("trio", "await trio.to_thread.run_sync(runner.accept)"),
        ("curio", "threading.Thread(target=runner.accept).start()"),
    ],
)
def test_it_does_not_accept_where_it_would_block_a_loop(monkeypatch, flavour, remedy):
    class Curio:
        name = "curio"

    async def accepts():
        runner.accept()

    runner = ServiceRunner()
    if flavour == "curio":
        monkeypatch.setattr("simclock.systems.services.runner.running", Curio)
    with pytest.raises(RuntimeError) as caught:
        trio.run(accepts) if flavour == "trio" else asyncio.run(accepts())

    assert str(caught.value) == (
        f"accept() would block the loop of {flavour!r} that runs in its thread: 'MainThread'\n"
        f"call it in another thread: {remedy}"
    )
    assert runner.state is State.NEW


def test_it_does_not_accept_in_a_callback_of_a_loop(sim):
    def callback():
        with pytest.raises(RuntimeError, match="would block the loop of 'asyncio'"):
            runner.accept()
        loop.stop()

    runner, loop = ServiceRunner(), asyncio.new_event_loop()
    loop.call_soon(callback)
    loop.run_forever()
    loop.close()

    assert runner.state is State.NEW


def test_the_remedy_is_one(sim):
    async def main():
        accepting = asyncio.create_task(asyncio.to_thread(runner.accept))
        await asyncio.sleep(1)
        assert runner.shutdown() == (0.0, ())
        await accepting

    runner = ServiceRunner()
    asyncio.run(main())

    assert sim.elapsed == 1.0


def test_it_shows_its_state_and_payloads(sim, log, accepting):
    def stubborn():
        go_on.wait()

    go_on = threading.Event()
    runner = ServiceRunner(grace=1)
    log(repr(runner))
    runner.adopt(sleeper("trio"), flavour=trio)
    log(repr(runner))
    with accepting(runner):
        runner.adopt(sleeper("asyncio"), flavour=asyncio)
        runner.adopt(stubborn, flavour=threading)
        runner.adopt(stubborn, flavour=threading)
        log(repr(runner))
    log(repr(runner))
    go_on.set()
    time.sleep(1)
    log(repr(runner))

    assert log == [
        (0.0, "<ServiceRunner: new, 0 payloads>"),
        (0.0, "<ServiceRunner: new, 1 payload of trio>"),
        (0.0, "<ServiceRunner: running, 4 payloads of asyncio, threading, trio>"),
        (2.0, "<ServiceRunner: stopped, 2 payloads of threading>"),
        (3.0, "<ServiceRunner: stopped, 0 payloads>"),
    ]


def test_the_grace_period_may_be_changed_while_it_runs(sim, accepting):
    runner = ServiceRunner(grace=1e9)
    with accepting(runner):
        runner.adopt(time.sleep, 1000, flavour=threading)
        runner.grace = 5
        with pytest.raises(ValueError, match=r"grace must be a number of seconds .*: -1\n"):
            runner.grace = -1
        assert runner.shutdown().seconds == 6.0
    assert runner.grace == 5


@pytest.mark.skipif(sys.version_info < (3, 11), reason="errors have no notes")
@pytest.mark.parametrize("flavour", [None, "asyncio"])
def test_an_error_of_a_test_that_accepts_for_ever_says_what_ends_that(flavour):
    async def beats():
        while True:
            await asyncio.sleep(1)

    def program():
        if flavour is not None:
            runner.adopt(beats, flavour=flavour)
        runner.accept()

    runner = ServiceRunner()
    with pytest.raises((simclock.Deadlock, simclock.LimitReached)) as caught:
        simclock.run(program, max_time=100)

    assert type(caught.value) is (simclock.LimitReached if flavour else simclock.Deadlock)
    assert caught.value.__notes__[0] == (
        "accept() was waiting: it returns when a payload, another thread or a handler of a signal "
        "calls shutdown() of the runner"
    )


def test_shutdown_before_and_after_says_what_there_is(sim):
    runner = ServiceRunner()
    assert runner.report is None
    assert runner.shutdown() is None
    runner.accept()

    assert runner.shutdown() == runner.shutdown() == (0.0, ())


def test_many_may_shut_it_down_at_once(sim, log, accepting):
    def payload():
        stop_token().wait()
        time.sleep(2)

    with accepting() as runner:
        runner.adopt(payload, flavour=threading)
        threads = [threading.Thread(target=lambda: log(runner.shutdown())) for _ in range(3)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

    assert log == [(2.0, (2.0, ()))] * 3


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_payload_may_shut_it_down_and_is_not_made_to_wait(sim, log, flavour):
    runner = ServiceRunner()

    def function():
        log(runner.shutdown())

    async def coroutine():
        log(runner.shutdown())

    runner.adopt(function if flavour == "threading" else coroutine, flavour=flavour)
    runner.accept()

    assert log == [(0.0, None)]
    assert runner.report == (0.0, ())


@pytest.mark.parametrize("flavour", ["asyncio", "trio"])
def test_a_thread_that_a_coroutine_waits_for_may_shut_it_down(sim, log, flavour):
    runner = ServiceRunner()

    async def coroutine():
        if flavour == "asyncio":
            await asyncio.to_thread(lambda: log(runner.shutdown()))
        else:
            await trio.to_thread.run_sync(lambda: log(runner.shutdown()))

    runner.adopt(coroutine, flavour=flavour)
    runner.accept()

    assert log == [(0.0, None)]
    assert runner.report == (0.0, ())


def test_a_function_in_the_loops_own_executor_does_not_know_what_it_is_part_of(sim, log):
    """It waits for the end, and the end for it: `to_thread` is for that."""
    runner = ServiceRunner()

    async def coroutine():
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, lambda: log(runner.shutdown()))

    runner.adopt(coroutine, flavour="asyncio")
    runner.accept()

    assert runner.report == (1.0, ("tasks that payloads have started (asyncio)",))


def test_a_function_that_is_executed_may_shut_it_down(sim, log, accepting):
    with accepting() as runner:
        log(runner.execute(runner.shutdown, flavour=threading))

    assert log == [(0.0, None)]


@pytest.mark.parametrize("inner", FLAVOURS)
@pytest.mark.parametrize("outer", FLAVOURS)
def test_what_a_payload_executes_in_another_runner_may_shut_it_down(
    sim, log, accepting, outer, inner
):
    """The payload waits for that, and the end for the payload."""

    def shuts():
        log(runner.shutdown())

    def executes():
        other.execute(payload_of(inner, shuts), flavour=inner)

    def executes_what_executes():
        other.execute(executes, flavour=threading)

    runner = ServiceRunner(grace=5)
    with accepting() as other:
        runner.adopt(payload_of(outer, executes_what_executes), flavour=outer)
        runner.accept()

    assert log == [(0.0, None)]
    assert runner.report == (0.0, ())


def test_what_a_payload_adopts_in_another_runner_waits_for_its_end(sim, log, accepting):
    def shuts():
        log(runner.shutdown())

    def adopts():
        other.adopt(shuts, flavour=threading)
        stop_token().wait()
        time.sleep(2)

    runner = ServiceRunner(grace=5)
    with accepting() as other:
        runner.adopt(adopts, flavour=threading)
        runner.accept()

    assert log == [(2.0, (2.0, ()))]


def test_a_handler_in_the_accepting_thread_may_shut_it_down(sim, log):
    runner = ServiceRunner()
    before = signal.signal(signal.SIGUSR1, lambda *_: log(runner.shutdown()))
    try:
        threading.Timer(1, lambda: os.kill(os.getpid(), signal.SIGUSR1)).start()
        runner.accept()
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert log == [(1.0, None)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_the_main_thread(sim, log, number):
    before = signal.getsignal(number)

    async def payload():
        try:
            await asyncio.sleep(1e6)
        finally:
            await asyncio.sleep(3)
            log("cleaned up")

    runner = ServiceRunner()
    runner.adopt(payload, flavour=asyncio)
    threading.Timer(1, lambda: os.kill(os.getpid(), number)).start()
    runner.accept()

    assert log == [(4.0, "cleaned up")]
    assert signal.getsignal(number) == before


def test_a_second_signal_cuts_the_grace_period_short(sim, log):
    def stubborn():
        go_on.wait()

    go_on = threading.Event()
    runner = ServiceRunner(grace=1000)
    runner.adopt(stubborn, flavour=threading)
    for instant in 1, 3:
        threading.Timer(instant, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
    runner.accept()
    go_on.set()

    assert runner.report.seconds == 3.0
    assert len(runner.report.abandoned) == 1


@contextlib.contextmanager
def handling(handler, number=signal.SIGUSR1):
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def interrupt(after):
    """Return *after*, before which a signal comes."""

    def interrupted(*args, **kwargs):
        signal.raise_signal(signal.SIGUSR1)
        return after(*args, **kwargs)

    return interrupted


def test_two_signals_before_the_stop_begins_leave_no_grace(sim, monkeypatch):
    runner = ServiceRunner(grace=1000)
    go_on = threading.Event()
    runner.adopt(go_on.wait, flavour=threading)

    def two():
        for number in signal.SIGINT, signal.SIGTERM:
            signal.raise_signal(number)

    with handling(lambda *_: two()):
        monkeypatch.setattr("simclock.systems.services.units.join", interrupt(lambda _: None))
        runner.accept()
    go_on.set()

    assert runner.report.seconds == 1.0


def test_the_first_signal_after_a_shutdown_leaves_the_grace(sim):
    runner = ServiceRunner(grace=10)
    go_on = threading.Event()
    runner.adopt(go_on.wait, flavour=threading)
    threading.Timer(1, runner.shutdown).start()
    threading.Timer(3, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
    runner.accept()
    go_on.set()

    assert runner.report.seconds == 11.0


@pytest.mark.usefixtures("sim")
@pytest.mark.parametrize(
    ("owner", "name"),
    [(ServiceRunner, "_running_run"), (run.Run, "_runner"), (units.ServiceUnit, "began")],
)
def test_a_handler_that_interrupts_a_call_does_not_wait(log, accepting, monkeypatch, owner, name):
    """The accepting thread cannot end before that call goes on, which owns its lock."""

    @service(flavour=threading)
    class Waits:
        def run(self):
            stop_token().wait()

    it = accepting()
    with it as runner, handling(lambda *_: log(runner.shutdown())):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, interrupt(getattr(owner, name)))
            if owner is units.ServiceUnit:
                assert Waits()
            else:
                with contextlib.suppress(NotRunning):
                    runner.adopt(stop_token, flavour=threading)
        it.thread.join()

    assert log[0] == (0.0, None)


def test_a_handler_that_interrupts_who_owns_the_lock_of_the_units_does_not_wait(
    sim, log, accepting
):
    """Nor for the runner's lock: its owner waits for that of the units, in `Run.take`."""
    made = sleeping_service()

    class Asks:
        def __init__(self, work):
            self.ask_it = work.ask

        def ask(self):
            with units._lock:
                time.sleep(1)
                signal.raise_signal(signal.SIGUSR1)
            self.ask_it()

    def takes():
        with runner._lock, units._lock:
            pass

    with accepting() as runner, handling(lambda *_: log(runner.shutdown())):
        time.sleep(1)
        made.__service_unit__._work = Asks(made.__service_unit__._work)
        threading.Timer(0.5, takes).start()
        assert made.__service_unit__.cancel()

    assert log == [(2.0, None)]


def test_a_handler_that_interrupts_another_shutdown_does_not_wait(sim, log, accepting):
    def payload():
        stop_token().wait()
        time.sleep(3)

    with accepting() as runner, handling(lambda *_: log(runner.shutdown())):
        runner.adopt(payload, flavour=threading)
        threading.Timer(1, lambda: os.kill(os.getpid(), signal.SIGUSR1)).start()
        log(runner.shutdown())

    assert log == [(1.0, None), (3.0, (3.0, ()))]


def test_a_handler_that_interrupts_who_waits_for_running_does_not_wait(sim, log, accepting):
    it = accepting()
    with handling(lambda *_: log(it.runner.shutdown())):
        threading.Timer(1, lambda: os.kill(os.getpid(), signal.SIGUSR1)).start()
        threading.Timer(2, it.thread.start).start()
        it.runner.running.wait(3)
        it.thread.join()

    assert log == [(1.0, None)]


def test_a_handler_that_interrupts_the_end_of_accept_has_the_report(sim, log, monkeypatch):
    runner = ServiceRunner()
    runner.shutdown()
    end = ServiceRunner._end

    def ended(*args):
        end(*args)
        signal.raise_signal(signal.SIGUSR1)

    monkeypatch.setattr(ServiceRunner, "_end", ended)
    with handling(lambda *_: log(runner.shutdown())):
        runner.accept()

    assert log == [(0.0, (0.0, ()))]


def test_a_handler_that_interrupts_the_first_start_is_heard(sim, log, monkeypatch):
    start = lifecycle.Lifecycle.start

    def started(*args):
        start(*args)
        signal.raise_signal(signal.SIGUSR1)

    runner = ServiceRunner()
    monkeypatch.setattr(lifecycle.Lifecycle, "start", started)
    with handling(lambda *_: log(runner.shutdown())):
        runner.accept()

    assert log == [(0.0, None)]
    assert runner.report == (0.0, ())


def test_other_handlers_and_calls_in_the_main_thread_wait(sim, log, accepting):
    """Those that have interrupted the program's own code, and what that does by itself."""

    def payload():
        stop_token().wait()
        time.sleep(3)

    class Thing:
        def __init__(self, runner):
            log(runner.shutdown())

        def run(self): ...

    def by_a_signal(runner):
        with handling(lambda *_: log(runner.shutdown())):
            signal.raise_signal(signal.SIGUSR1)

    def by_another(runner):
        with accepting() as other:
            other.execute(lambda: log(runner.shutdown()), flavour=threading)

    for ends in by_a_signal, service(flavour=threading)(Thing), by_another:
        with accepting() as runner:
            runner.adopt(payload, flavour=threading)
            made = ends(runner)
        del made

    assert log == [(3.0, (3.0, ())), (6.0, (3.0, ())), (9.0, (3.0, ()))]


@pytest.mark.real
def test_an_interrupt_at_the_start_of_accept_leaves_the_runner_usable(monkeypatch):
    """Real: a simulation would put it off."""

    def interrupted(_):
        monkeypatch.undo()
        signal.raise_signal(signal.SIGINT)

    runner = ServiceRunner()
    monkeypatch.setattr(signal, "getsignal", interrupted)
    with pytest.raises(KeyboardInterrupt):
        runner.accept()
    assert runner.state is State.NEW
    runner.shutdown()
    runner.accept()

    assert runner.state is State.STOPPED


def test_what_interrupts_accept_ends_it_all_the_same(sim, log, monkeypatch):
    """Not only signals do: the error of a simulation comes there, too."""

    async def payload():
        try:
            await asyncio.sleep(1e6)
        finally:
            log("ends")

    def interrupt(self):
        time.sleep(1)
        raise KeyboardInterrupt

    runner = ServiceRunner()
    runner.adopt(payload, flavour=asyncio)
    monkeypatch.setattr("simclock.systems.services.run.Run.wait_for_stop", interrupt)
    with pytest.raises(KeyboardInterrupt):
        runner.accept()

    assert log == [(1.0, "ends")]
    assert runner.state is State.STOPPED
    assert not runner.running.is_set()


def test_tasks_that_payloads_have_started_are_named_if_they_do_not_end(sim, accepting):
    async def stubborn():
        while not go_on:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(1)

    async def payload():
        tasks.append(asyncio.ensure_future(stubborn()))
        await asyncio.sleep(0)

    go_on, tasks = [], []
    with accepting(grace=0) as runner:
        runner.adopt(payload, flavour=asyncio)
        time.sleep(0.5)
        report = runner.shutdown()
    go_on.append(True)

    assert report == (1.0, ("tasks that payloads have started (asyncio)",))


def test_coroutines_never_run_beside_those_that_were_abandoned(sim, log, accepting):
    async def stubborn():
        while not go_on:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(1)

    async def payload():
        log("runs")

    go_on, runner = [], ServiceRunner(grace=0)
    with accepting(runner):
        runner.adopt(stubborn, flavour=asyncio)
        time.sleep(0.5)
    with accepting(runner):
        with pytest.raises(RuntimeError) as caught:
            runner.adopt(payload, flavour=asyncio)
        # Others are free to run, and once the old ones have ended all are.
        runner.execute(sleeper("trio", 1), flavour=trio)
        go_on.append(True)
        time.sleep(5)
        runner.execute(payload, flavour=asyncio)

    assert str(caught.value).splitlines()[0] == (
        "coroutines of flavour 'asyncio' that an earlier run has abandoned still run"
    )
    assert "stubborn" in str(caught.value)
    assert log == [(7.5, "runs")]


def test_two_runners_run_beside_each_other(sim, log, accepting):
    async def payload(what):
        await asyncio.sleep(1)
        log(what)

    with accepting() as one, accepting() as two:
        one.adopt(payload, "one", flavour=asyncio)
        two.execute(payload, "two", flavour=asyncio)
        two.shutdown()
        one.execute(payload, "one again", flavour=asyncio)

    assert sorted(log) == [(1.0, "one"), (1.0, "two"), (2.0, "one again")]


def test_nothing_is_left_after_a_run(sim):
    before = threading.active_count()
    runner = ServiceRunner()
    for flavour in FLAVOURS:
        runner.adopt(sleeper(flavour), flavour=flavour)
    timer = threading.Timer(1, runner.shutdown)
    timer.start()
    runner.accept()
    timer.join()

    assert threading.active_count() == before


def test_what_has_ended_is_not_kept(sim, accepting):
    class Thing:
        pass

    async def payload(thing):
        return thing

    with accepting() as runner:
        thing = Thing()
        gone = weakref.ref(thing)
        assert runner.execute(payload, thing, flavour=asyncio) is thing
        time.sleep(1)
        del thing
        gc.collect()

        assert gone() is None


# -------------------------------------------------------------------------------- the stop token


def test_the_token_may_be_given_to_other_threads(sim, log, accepting):
    def helper(token):
        log(token.wait())

    def payload():
        token = stop_token()
        assert isinstance(token, StopToken)
        assert not token.is_set()
        thread = threading.Thread(target=helper, args=(token,))
        thread.start()
        assert flavours.stop_requested(1e6)
        thread.join()
        log(token.is_set())

    with accepting() as runner:
        runner.adopt(payload, flavour=threading)
        time.sleep(2)

    assert log == [(2.0, True), (2.0, True)]


def test_there_is_no_token_elsewhere(sim, accepting):
    async def payload():
        stop_token()

    with pytest.raises(RuntimeError) as caught:
        stop_token()
    assert str(caught.value) == (
        "there is no stop token here: the caller is no payload of a runner\n"
        "ask for it in a payload that runs in a thread; coroutines are cancelled instead"
    )
    with accepting() as runner, pytest.raises(RuntimeError, match=r"payload \(asyncio\) is async"):
        runner.execute(payload, flavour=asyncio)


def test_an_outer_token_is_there_again_after_an_inner_payload(sim, accepting):
    def inner():
        return stop_token()._stop

    def outer():
        mine = stop_token()._stop
        return runner.execute(inner, flavour=threading) is not mine, stop_token()._stop is mine

    with accepting() as runner:
        assert runner.execute(outer, flavour=threading) == (True, True)


# ---------------------------------------------------------------------------- the process' own


def test_the_runtime_serves_one_simulation_after_the_other(log):
    def program():
        threading.Timer(1, runtime.shutdown).start()
        threading.Timer(0.5, lambda: runtime.adopt(log, "runs", flavour=threading)).start()
        runtime.accept()

    for _ in range(2):
        simclock.run(program)

    assert log == [(0.5, "runs")] * 2
    assert runtime.state is State.STOPPED


def test_a_simulation_that_is_left_leaves_the_runner_usable(log):
    """Its thread is unwound where it waits; a later run is as if that had never been."""
    runner = ServiceRunner()
    with simclock.Simulation():
        threading.Thread(target=runner.accept, daemon=True).start()
        runner.running.wait()
        runner.adopt(sleeper("asyncio"), flavour=asyncio)

    assert runner.state is State.STOPPED
    with simclock.Simulation():
        threading.Timer(1, runner.shutdown).start()
        runner.accept()
