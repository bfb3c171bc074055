"""Nodes: what they run, when it ends, and what is told of what does not."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import functools
import gc
import math
import pickle
import re
import signal
import sys
import threading
import time

import pytest

from simclock.systems.rates import (
    AlreadyRunningError,
    AsyncExecutor,
    Node,
    RateExecutor,
    SyncRateExecutor,
)


def noted(it, what):
    """Return a plain function and a coroutine function that note *what*."""

    async def note_async():
        it.note(what, "async")

    return functools.partial(it.note, what, "sync"), note_async


def after(seconds, function, *args):
    """Call a function later, in a thread."""
    threading.Timer(seconds, function, args).start()


# ---------------------------------------------------------------------------------- running


def test_run_has_timers_of_both_modes(logged):
    async def main():
        plain, coroutine = noted(it, "tick")
        node = Node("robot")
        node.create_timer(0.5, coroutine)
        timer = node.create_timer(0.75, plain, mode="sync")
        after(1.6, node.stop)
        await node.run()
        it.note("ended", timer.name, timer.executor.statistics().ticks)

    with logged() as it:
        it.run(main())

    assert sorted(it.log) == [
        (0.0, "tick", "async"),
        (0.0, "tick", "sync"),
        (0.5, "tick", "async"),
        (0.75, "tick", "sync"),
        (1.0, "tick", "async"),
        (1.5, "tick", "async"),
        (1.5, "tick", "sync"),
        (1.6, "ended", "robot-timer-2", 3),
    ]


def test_spin_needs_no_event_loop(logged):
    with logged() as it:
        node = Node()
        node.create_timer(0.5, functools.partial(it.note, "tick"), mode="sync")
        node.spawn_thread(lambda stop: (stop.wait(), it.note("told")))
        node.spin(timeout=1.2)
        it.note("ended", node.running, threading.active_count())

    assert it.log == [
        (0.0, "tick"),
        (0.5, "tick"),
        (1.0, "tick"),
        (1.2, "told"),
        (1.2, "ended", False, 1),
    ]


def test_a_node_without_anything_runs_until_it_is_stopped(logged):
    with logged() as it:
        node = Node()
        after(3, node.stop)
        it.run(node.run())
        it.note("ended")

    assert it.log == [(3.0, "ended")]


def test_the_period_is_exact(logged):
    with logged() as it:
        node = Node()
        node.create_timer(0.003, functools.partial(it.note, "tick"), "sync")
        node.spin(timeout=0.0125)

    assert it.times() == [0, 0.003, 0.006, 0.009, 0.012]


def test_timers_start_when_they_are_created_while_it_runs(logged):
    async def main():
        plain, coroutine = noted(it, "late")
        node = Node()

        async def once():
            first.stop()
            node.create_timer(0.5, plain, "sync")
            node.create_timer(0.5, coroutine)

        first = node.create_timer(10, once)
        after(0.8, lambda: node.create_timer(1, noted(it, "other")[1]))
        after(1.1, node.stop)
        await node.run()

    with logged() as it:
        it.run(main())

    assert sorted(it.log) == [
        (0.0, "late", "async"),
        (0.0, "late", "sync"),
        (0.5, "late", "async"),
        (0.5, "late", "sync"),
        (0.8, "other", "async"),
        (1.0, "late", "async"),
        (1.0, "late", "sync"),
    ]


def test_a_timer_is_stopped_for_good_by_its_handle(logged):
    with logged() as it:
        node = Node("n")
        kept = node.create_timer(1, lambda: it.note("kept"), mode="sync")
        other = node.create_timer(1, lambda: it.note("stopped"), mode="sync")
        after(0.5, other.stop)
        after(0.7, lambda: it.note(kept.running, other.running))
        node.spin(1.5)
        other.stop()
        node.spin(0.5)

    assert sorted(it.log, key=str) == [
        (0.0, "kept"),
        (0.0, "stopped"),
        (0.7, True, False),
        (1.0, "kept"),
        (1.5, "kept"),
    ]
    assert repr(kept).startswith("<timer n-timer-1 of Node('n'): SyncRateExecutor(")


def test_a_timer_may_have_a_name_of_its_own(logged, caplog):
    async def main():
        async def steer():
            it.note(asyncio.current_task().get_name())
            raise LookupError

        def control():
            it.note(threading.current_thread().name)
            time.sleep(0.35)

        node = Node("robot")
        timers = [
            node.create_timer(1, steer, name="steer"),
            node.create_timer(0.1, control, "sync", max_backlog=1, name="control"),
            node.create_timer(1, steer),
        ]
        asyncio.get_running_loop().call_later(0.5, node.stop)
        await node.run()
        return timers

    with logged() as it:
        timers = it.run(main())

    assert [each.name for each in timers] == ["steer", "control", "robot-timer-1"]
    assert sorted(it.log) == [
        (0.0, "control"),
        (0.0, "robot-timer-1"),
        (0.0, "steer"),
        (0.35, "control"),
    ]
    for each in timers:
        assert repr(each).startswith(f"<timer {each.name} of Node('robot'): ")
    assert {record.getMessage() for record in caplog.records} == {
        f"the callback of {timers[0]!r} has failed",
        f"{timers[1]!r} is too late, ticks dropped: 2",
        f"the callback of {timers[2]!r} has failed",
    }


def test_timers_catch_up_as_they_are_told(logged):
    with logged() as it:
        node = Node()

        def tick():
            it.note("tick")
            time.sleep(0.25 if len(it.log) == 1 else 0)

        node.create_timer(0.1, tick, "sync", catch_up="skip")
        bounded = node.create_timer(0.1, lambda: time.sleep(0.01), "sync", max_backlog=2)
        node.spin(0.45)

    assert it.times() == [0, 0.3, 0.4]
    assert bounded.executor.statistics().dropped == 0


def test_threads_get_the_event_and_arguments(logged):
    def work(stop, *args, **kwargs):
        it.note(threading.current_thread().name, args, kwargs, stop is node.stop_event)

    with logged() as it:
        node = Node("n")
        node.spawn_thread(work, 1, two=2).join()
        thread = node.spawn_thread(work, name="named")
        thread.join()
        node.spawn_thread(work).join()

    assert it.log == [
        (0.0, "n-thread-1", (1,), {"two": 2}, True),
        (0.0, "named", (), {}, True),
        (0.0, "n-thread-2", (), {}, True),
    ]
    assert thread.daemon


# ------------------------------------------------------------------- starting and stopping


def test_a_node_runs_again_with_its_timers(logged):
    async def main():
        node = Node()
        node.create_timer(1, noted(it, "tick")[1])
        for _ in range(2):
            asyncio.get_running_loop().call_later(1.5, node.stop)
            await node.run()
            node.stop()
            it.note("ended", node.stop_event.is_set())

    with logged() as it:
        it.run(main())

    assert it.log == [
        (0.0, "tick", "async"),
        (1.0, "tick", "async"),
        (1.5, "ended", False),
        (1.5, "tick", "async"),
        (2.5, "tick", "async"),
        (3.0, "ended", False),
    ]


@pytest.mark.parametrize("run", [lambda node: asyncio.run(node.run()), lambda node: node.spin(1)])
def test_a_stop_before_a_run_is_kept_once(logged, run):
    with logged() as it:
        node = Node()
        node.create_timer(1, lambda: it.note("tick"), "sync")
        node.stop()
        run(node)
        it.note("returned")
        after(1, node.stop)
        run(node)
        it.note("ended")

    assert it.log[:2] == [(0.0, "returned"), (0.0, "tick")]
    assert it.log[-1] == (1.0, "ended")


def test_a_stop_between_the_call_of_run_and_its_first_step_is_kept(logged):
    async def main():
        node = Node()
        node.create_timer(1, noted(it, "tick")[1])
        for _ in range(2):
            task = asyncio.ensure_future(node.run())
            await node.close()
            await task
        it.note("ended")

    with logged() as it:
        it.run(main())

    assert it.log == [(0.0, "ended")]


def test_start_and_entering_forget_a_stop_that_was_kept(logged):
    with logged() as it:
        node = Node()
        node.stop()
        node.start()
        it.note(node.running)
        node.spin(1)
        node.start()
        node.stop()
        with node:
            node.spin(1)
        it.note("ended")

    assert it.log == [(0.0, True), (2.0, "ended")]


def test_a_second_run_is_refused_and_the_first_goes_on(logged):
    async def main():
        node = Node()
        node.create_timer(1, noted(it, "tick")[1])
        first = asyncio.ensure_future(node.run())
        await asyncio.sleep(0.5)
        with pytest.raises(AlreadyRunningError, match=r"running already: Node\('node'\)"):
            await node.run()
        await asyncio.sleep(1)
        node.stop()
        await first

    with logged() as it:
        it.run(main())

    assert it.times() == [0, 1]


def test_what_is_created_while_it_ends_is_for_the_next_run(logged):
    with logged() as it:
        node = Node()

        def slow(stop):
            stop.wait()
            time.sleep(0.5)
            node.create_timer(1, lambda: it.note("tick"), "sync")
            it.note("created", stop is node.stop_event)

        node.spawn_thread(slow)
        node.spin(1)
        it.note("ended")
        node.spin(0.5)

    assert it.log == [(1.5, "created", True), (1.5, "ended"), (1.5, "tick")]


def test_a_stop_tells_the_threads_of_a_node_that_never_ran(logged):
    with logged() as it:
        with Node() as node:
            for name in ("first", "second"):
                node.spawn_thread(lambda stop, name: (stop.wait(), it.note(name)), name)
                time.sleep(1)
                node.stop()
        it.note("closed")

    assert it.log == [(1.0, "first"), (2.0, "second"), (2.0, "closed")]


def test_callbacks_under_way_may_return(logged):
    async def main():
        async def slow():
            await asyncio.sleep(1)
            it.note("returns")

        def slow_in_thread():
            time.sleep(1.5)
            it.note("returns, too")

        node = Node()
        node.create_timer(5, slow)
        node.create_timer(5, slow_in_thread, "sync")
        asyncio.get_running_loop().call_later(0.5, node.stop)
        await node.run()
        it.note("ended")

    with logged() as it:
        it.run(main())

    assert it.log == [(1.0, "returns"), (1.5, "returns, too"), (1.5, "ended")]


def test_cancelling_a_run_cancels_its_callbacks_and_is_raised(logged):
    async def main():
        async def slow():
            try:
                await asyncio.sleep(10)
            finally:
                it.note("cancelled")

        node = Node()
        node.create_timer(1, slow)
        task = asyncio.ensure_future(node.run())
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        it.note("ended", node.running)

    with logged() as it:
        it.run(main())

    assert it.log == [(0.5, "cancelled"), (0.5, "ended", False)]


# ------------------------------------------------------------------------------------ closing


def test_close_ends_a_run_in_another_task(logged):
    async def main():
        node = Node()
        node.create_timer(1, noted(it, "tick")[1])
        task = asyncio.ensure_future(node.run())
        await asyncio.sleep(1.5)
        it.note(await node.close(), node.running)
        await task
        it.note(await node.close())

    with logged() as it:
        it.run(main())

    assert it.log == [(0.0, "tick", "async"), (1.0, "tick", "async"), (1.5, [], False), (1.5, [])]


def test_close_sync_ends_a_run_in_another_thread(logged):
    with logged() as it:
        with Node() as node:
            node.create_timer(1, noted(it, "tick")[1])
            thread = threading.Thread(target=lambda: asyncio.run(node.run()))
            thread.start()
            time.sleep(1.5)
        it.note("closed")
        thread.join()

    assert it.log == [(0.0, "tick", "async"), (1.0, "tick", "async"), (1.5, "closed")]


def test_what_belongs_to_a_node_may_close_it(logged):
    async def main():
        async def tick():
            it.note("tick")
            it.note(await node.close())

        def thread(stop):
            time.sleep(1)
            it.note(node.close_sync())

        for start in (lambda: node.create_timer(1, tick), lambda: node.spawn_thread(thread)):
            async with Node() as node:
                start()
                await node.run()
                it.note("ended")

    with logged() as it:
        it.run(main())

    assert it.log == [(0.0, "tick"), (0.0, []), (0.0, "ended"), (1.0, []), (1.0, "ended")]


def test_close_sync_does_not_block_the_loop_that_it_would_wait_for(logged):
    async def main():
        node = Node()
        task = asyncio.ensure_future(node.run())
        await asyncio.sleep(1)
        with pytest.raises(
            RuntimeError,
            match=r"^close_sync would block the event loop .*: Node\('node'\)\nuse `await node.close\(\)`",
        ):
            node.close_sync()
        await task
        it.note("ended")

    with logged() as it:
        it.run(main())

    assert it.log == [(1.0, "ended")]


def test_close_sync_does_not_block_a_loop_for_threads(logged):
    async def main():
        node = Node()
        # Nothing is there to be waited for.
        it.note(node.close_sync())
        thread = node.spawn_thread(lambda stop: (stop.wait(), time.sleep(1), it.note("ended")))
        with pytest.raises(RuntimeError, match=r"^close_sync would block the event loop"):
            node.close_sync()
        it.note("stopped")
        it.note(await node.close(), thread.is_alive())

    with logged() as it:
        it.run(main())

    assert it.log == [(0.0, []), (0.0, "stopped"), (1.0, "ended"), (1.0, [], False)]


def test_spinning_does_not_block_a_loop(logged):
    async def main():
        node = Node()
        node.create_timer(1, lambda: it.note("tick"), "sync")
        with pytest.raises(
            RuntimeError,
            match=r"^spin would block the event loop .*: Node\('node'\)\nuse `await node.run\(\)`",
        ):
            node.spin(timeout=5)
        it.note(node.running)
        # In a thread of its own it blocks nobody.
        await asyncio.to_thread(node.spin, 0.5)
        it.note("ended")

    with logged() as it:
        it.run(main())

    assert it.log == [(0.0, False), (0.0, "tick"), (0.5, "ended")]


def test_a_handler_in_the_thread_that_spins_cannot_wait_for_its_end(logged):
    with logged() as it:
        node = Node()
        node.spawn_thread(lambda stop: (stop.wait(), time.sleep(1)))
        before = signal.signal(signal.SIGTERM, lambda *_: it.note("closed", node.close_sync()))
        try:
            after(0.5, signal.raise_signal, signal.SIGTERM)
            node.spin()
        finally:
            signal.signal(signal.SIGTERM, before)
        it.note("ended")

    assert it.log == [(0.5, "closed", []), (1.5, "ended")]


def test_what_would_not_stop_is_named(logged, caplog):
    async def stubborn():
        while not free.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(60)

    async def main():
        async with Node("n", join_timeout=1.5) as node:
            node.spawn_thread(lambda _: free.wait(), name="deaf")
            node.create_timer(1, stubborn)
            node.create_timer(1, free.wait, "sync")
            asyncio.get_running_loop().call_later(1, node.stop)
            await node.run()
            it.note("ended")
            # What is left is still there, but was reported.
            it.note(await node.close())
        it.note("left")
        free.set()
        await asyncio.sleep(60)
        it.note(await node.close())

    with logged() as it:
        free = threading.Event()
        it.run(main())

    # It waits 1.5 s, cancels, waits 1.5 s; then close() does, and the end of the block.
    assert it.log == [
        (4.0, "ended"),
        (5.5, ["deaf", "n-timer-1", "n-timer-2"]),
        (7.0, "left"),
        (67.0, []),
    ]
    assert [record.getMessage() for record in caplog.records] == [
        "Node('n') has ended without these, which would not stop in 1.5 s: deaf, n-timer-1, n-timer-2"
    ]


def test_a_coroutine_that_does_not_return_is_cancelled(logged, caplog):
    async def slow():
        try:
            await asyncio.sleep(60)
        finally:
            it.note("cancelled")

    with logged() as it:
        node = Node()
        node.create_timer(1, slow)
        after(1, node.stop)
        it.run(node.run())
        it.note("ended")

    assert it.log == [(3.0, "cancelled"), (3.0, "ended")]
    assert not caplog.records


def test_a_run_whose_loop_was_closed_keeps_nobody_waiting(logged):
    async def tick():
        pass

    with logged() as it:
        loop = asyncio.new_event_loop()
        node = Node("n")
        node.create_timer(1, tick)
        task = loop.create_task(node.run())
        loop.run_until_complete(asyncio.sleep(0.5))
        loop.close()
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            node.create_timer(1, tick)
        it.note(sorted(node.close_sync()))
        for each in [task, *(work.task for work in node._works.others() if work.task)]:
            each._log_destroy_pending = False
            each.get_coro().close()
        it.note(node.running, node.close_sync())

    assert it.log == [(2.5, ["n-timer-1", "n.run"]), (4.5, False, ["n-timer-1"])]


@pytest.mark.parametrize("stops", [True, False])
def test_a_run_whose_loop_was_closed_is_over(logged, caplog, stops):
    async def tick():
        it.note("tick")

    async def main():
        run = asyncio.ensure_future(node.run())
        await asyncio.sleep(0.5)
        # What is left of the first run goes, as when it is collected, and takes nothing with it.
        for each in left:
            each._log_destroy_pending = False
            each.get_coro().close()
        await asyncio.sleep(1)
        it.note("runs", node.running)
        after(0.25, node.stop)
        await run

    with logged() as it:
        loop = asyncio.new_event_loop()
        node = Node("n")
        node.create_timer(1, tick)
        left = [loop.create_task(node.run())]
        loop.run_until_complete(asyncio.sleep(0.5))
        left += [work.task for work in node._works.others() if work.task]
        loop.close()
        if stops:
            node.stop()
        it.note("runs", node.running)
        it.run(main())
        it.note("left", node.close_sync())

    assert it.log == [
        (0.0, "tick"),
        (0.5, "runs", False),
        (0.5, "tick"),
        (1.5, "tick"),
        (2.0, "runs", True),
        (2.25, "left", []),
    ]
    assert caplog.text == ""


# ------------------------------------------------------------------------------------- errors


def test_errors_of_callbacks_and_threads_are_logged_and_end_nothing_else(logged, caplog):
    async def fails():
        raise LookupError("in a coroutine")

    def fails_in_thread(*_):
        raise LookupError("in a thread")

    with logged() as it:
        node = Node("n")
        node.create_timer(1, fails)
        node.create_timer(1, fails_in_thread, "sync")
        node.create_timer(1, functools.partial(it.note, "tick"), "sync")
        node.spawn_thread(fails_in_thread)
        after(1.5, node.stop)
        it.run(node.run())

    assert it.times() == [0, 1]
    assert caplog.text.count("LookupError: in a coroutine") == 2
    assert caplog.text.count("LookupError: in a thread") == 3
    for number, kind in ((1, "RateExecutor"), (2, "SyncRateExecutor")):
        named = f"the callback of <timer n-timer-{number} of Node('n'): {kind}("
        assert caplog.text.count(named) == 2
    assert "n-thread-1 of Node('n') has failed" in caplog.text


# Pytest has a word for it: it replaces the hook of threading, which has none.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_system_exit_in_a_thread_ends_its_timer_without_a_word(logged, caplog):
    with logged() as it:
        node = Node()
        timer = node.create_timer(1, sys.exit, "sync")
        node.create_timer(1, functools.partial(it.note, "tick"), "sync")
        after(0.5, lambda: it.note("runs", timer.running, node.running))
        node.spin(1.5)

    assert it.log == [(0.0, "tick"), (0.5, "runs", False, True), (1.0, "tick")]
    assert caplog.text == ""


def test_a_system_exit_in_a_coroutine_ends_the_loop(logged):
    async def leave():
        sys.exit("left")

    with logged() as it:
        node = Node()
        node.create_timer(1, leave)
        with pytest.raises(SystemExit, match="left"):
            it.run(node.run())
        it.note(node.running)

    assert it.log == [(0.0, False)]


def test_a_callback_that_raises_a_cancelled_error_ends_its_timer_which_is_told(logged, caplog):
    async def cancelled():
        raise asyncio.CancelledError

    with logged() as it:
        node = Node("n")
        node.create_timer(1, cancelled)
        node.create_timer(1, functools.partial(it.note, "tick"), "sync")
        after(1.5, node.stop)
        it.run(node.run())

    assert it.times() == [0, 1]
    assert [record.getMessage() for record in caplog.records] == [
        "n-timer-1 of Node('n') has ended: it was cancelled, or its callback raised a CancelledError"
    ]


def test_a_timer_that_was_left_behind_cannot_start_again_which_is_told(logged, caplog):
    async def stubborn():
        while not free.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(1)

    async def main():
        node = Node("n", join_timeout=1)
        node.create_timer(1, stubborn)
        node.create_timer(1, free.wait, "sync")
        for _ in range(2):
            asyncio.get_running_loop().call_later(1, node.stop)
            await node.run()
        free.set()
        await asyncio.sleep(2)

    with logged() as it:
        free = threading.Event()
        it.run(main())

    assert "n-timer-1 of Node('n') has ended\n" in caplog.text
    assert "n-timer-2 of Node('n') has failed\n" in caplog.text
    assert caplog.text.count("AlreadyRunningError: it is running already") == 2


def test_a_thread_that_cannot_be_started_is_forgotten(logged, monkeypatch):
    def cannot(_):
        raise RuntimeError("can't start new thread")

    with logged() as it:
        node = Node()
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", cannot)
            with pytest.raises(RuntimeError, match="can't start new thread"):
                node.spawn_thread(print)
        it.note(node.close_sync())

    assert it.log == [(0.0, [])]


async def coroutine_function():
    pass


@pytest.mark.parametrize("period", [0, -1, math.inf, math.nan, "1", None, 1e-10])
def test_a_period_is_finite_and_positive(period):
    with pytest.raises(
        ValueError, match=r"^this is no period: .*\ngive a positive, finite number of seconds"
    ):
        Node().create_timer(period, coroutine_function)


@pytest.mark.parametrize(
    ("mode", "callback", "error", "message"),
    [
        ("async", print, TypeError, r"^this is no coroutine function: print\ndefine it with `async def`, or"),
        ("async", "tick", TypeError, r"^this cannot be called: 'tick'\n"),
        ("sync", coroutine_function, TypeError, r"^this is a coroutine function, .*: coroutine_function\ngive"),
        ("sync", None, TypeError, r"^this cannot be called: None\n"),
        ("thread", print, ValueError, r"^this is no mode of a timer: 'thread'\nuse 'async' or 'sync'$"),
    ],
)  # fmt: skip
def test_a_callback_is_of_the_kind_of_its_mode(mode, callback, error, message):
    node = Node()
    with pytest.raises(error, match=message):
        node.create_timer(1, callback, mode)

    assert node._timers == []


@pytest.mark.parametrize("period", [1, 0.5, "1"])
def test_a_callback_and_a_period_that_are_swapped_are_refused(period):
    node = Node()
    with pytest.raises(TypeError) as error:
        node.create_timer(coroutine_function, period)

    assert str(error.value).splitlines() == [
        f"the callback and the period are swapped: coroutine_function, {period!r}",
        f"write create_timer({period!r}, coroutine_function)",
    ]
    assert node._timers == []


def test_coroutine_functions_are_no_target_of_threads():
    with pytest.raises(TypeError) as error:
        Node().spawn_thread(coroutine_function)

    assert str(error.value).splitlines() == [
        "this is a coroutine function, which a thread would not await: coroutine_function",
        "give a plain function, or make it a task of an event loop: asyncio.create_task",
    ]


@pytest.mark.parametrize("make", [coroutine_function, lambda: None], ids=["coroutine", "None"])
def test_what_a_call_has_returned_is_no_target_of_threads(recwarn, make):
    node = Node()
    with pytest.raises(TypeError, match=r"^this cannot be called: .*\ngive the function itself"):
        node.spawn_thread(make())

    assert node._works.others() == []
    # No warning of a coroutine that was never awaited hides the error.
    gc.collect()
    assert [str(each.message) for each in recwarn] == []


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
@pytest.mark.parametrize(
    "make",
    [
        Node,
        lambda: Node().create_timer(1, coroutine_function),
        lambda: Node().create_timer(1, print, "sync"),
        lambda: RateExecutor(coroutine_function, 10),
        lambda: AsyncExecutor(coroutine_function),
        lambda: SyncRateExecutor(print, 10),
    ],
    ids=["node", "timer-async", "timer-sync", "rate", "tight", "sync"],
)
def test_there_are_no_copies(copied, make):
    one = make()
    with pytest.raises(TypeError) as error:
        copied(one)

    assert str(error.value).splitlines() == [
        f"this cannot be copied or pickled, as it may be running: {one!r}",
        "make another one, in the way that this one was made",
    ]


def test_a_subclass_may_say_how_it_is_copied():
    class Copied(SyncRateExecutor):
        def __reduce__(self):
            return type(self), (self.func, 10)

    assert copy.copy(Copied(print, 10)).func is print


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: RateExecutor(coroutine_function, 10), "RateExecutor.run"),
        (lambda: AsyncExecutor(coroutine_function), "AsyncExecutor.run"),
        (Node, "Node.run"),
    ],
)
def test_a_run_that_nobody_awaits_has_the_name_that_was_called(make, name):
    with pytest.warns(RuntimeWarning, match=f"^coroutine '{name}' was never awaited"):
        make().run()


@pytest.mark.parametrize("timeout", [0, -1, math.inf])
def test_a_join_has_a_bound(timeout):
    with pytest.raises(ValueError, match=r"^this is no join_timeout: "):
        Node(join_timeout=timeout)


def test_spinning_is_refused_with_a_timer_that_needs_a_loop_and_disturbs_nothing(logged):
    with logged() as it:
        node = Node()
        thread = node.spawn_thread(lambda stop: stop.wait())
        node.create_timer(1, coroutine_function)
        with pytest.raises(
            RuntimeError,
            match=r"^Node\('node'\) spins without an event loop, which a timer needs: coroutine_function\nuse `await node.run\(\)`",
        ):
            node.spin()
        it.note(thread.is_alive(), node.running)
        node.close_sync()

    assert it.log == [(0.0, True, False)]


def test_a_timer_that_needs_a_loop_is_refused_while_it_spins(logged):
    def create():
        with pytest.raises(RuntimeError, match="spins without an event loop"):
            node.create_timer(1, coroutine_function)
        it.note("refused")

    with logged() as it:
        node = Node()
        node.create_timer(1, lambda: it.note("tick"), "sync")
        after(0.5, create)
        node.spin(1.5)

    assert it.log == [(0.0, "tick"), (0.5, "refused"), (1.0, "tick")]


@pytest.mark.parametrize("timeout", [math.inf, math.nan, -1, 1e300, "1"])
def test_how_long_it_spins_is_checked_before_anything_starts(logged, timeout):
    message = "^" + re.escape(
        f"this is no timeout: {timeout!r}\ngive a number of seconds, from 0 to "
    )
    with logged() as it:
        node = Node()
        node.create_timer(1, lambda: it.note("tick"), "sync")
        with pytest.raises(ValueError, match=message):
            node.spin(timeout)
        assert node.close_sync() == []

    assert it.log == []


@pytest.mark.parametrize("kind", ["spin", "run"])
def test_a_thread_of_the_node_cannot_run_it(logged, kind):
    def own(stop_event):
        with pytest.raises(RuntimeError) as error:
            node.spin() if kind == "spin" else asyncio.run(node.run())
        it.note(str(error.value).splitlines())

    with logged() as it:
        node = Node("n")
        node.spawn_thread(own).join()
        # Others may, and it is not disturbed.
        node.spin(timeout=1)
        it.note("ended")

    assert it.log == [
        (
            0.0,
            [
                f"{kind} would wait for the thread that calls it: n-thread-1 of Node('n')",
                f"call {kind} in a thread that the node has not started",
            ],
        ),
        (1.0, "ended"),
    ]


def test_a_thread_of_the_node_is_told_that_it_runs_already(logged):
    with logged() as it:
        node = Node("n")

        def own(stop_event):
            with pytest.raises(AlreadyRunningError):
                node.spin()
            it.note("refused")

        after(0.5, node.spawn_thread, own)
        node.spin(timeout=1)

    assert it.log == [(0.5, "refused")]


@pytest.mark.parametrize("of", ["node", "timer"])
def test_a_handler_may_stop_it_wherever_its_thread_is_while_another_one_stops_it(logged, of):
    with logged() as it:
        node = Node()
        timer = node.create_timer(1, lambda: None, "sync")
        switch = node._switch if of == "node" else timer.executor._switch
        after(0.5, node.stop)
        # Interrupted there, a thread runs the handler.
        with switch._lock:
            time.sleep(1)
            node.stop()
        it.note("stopped")

    assert it.log == [(1.0, "stopped")]
