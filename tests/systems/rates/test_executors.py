"""What the page of the originals does not say: back-off, subclasses, threads, bad input."""

from __future__ import annotations

import asyncio
import functools
import subprocess
import sys
import threading
import time

import pytest

from simclock.systems.rates import (
    AlreadyRunningError,
    AsyncExecutor,
    BaseAsyncExecutor,
    Node,
    RateExecutor,
    RateStatistics,
    SyncRateExecutor,
)


def test_a_tight_loop_backs_off_longer_and_longer_until_a_call_succeeds(logged, caplog):
    async def main():
        async def fails():
            it.note("call")
            if len(it.log) != 10:
                raise LookupError

        executor = AsyncExecutor(fails)
        asyncio.get_running_loop().call_later(3.3, executor.stop)
        await executor.run()
        it.note("ended")

    with logged() as it:
        it.run(main())

    assert it.log == [
        *[(at, "call") for at in (0, 0.01, 0.03, 0.07, 0.15, 0.31, 0.63, 1.27, 2.27, 3.27)],
        *[(3.27, "call"), (3.28, "call")],
        (3.3, "ended"),
    ]


def test_a_subclass_says_when_to_call(logged):
    class Twice(BaseAsyncExecutor):
        async def _run_impl(self, *args, **kwargs):
            # `_running` is what subclasses of the original ask.
            while self._running:
                await self.func(*args, **kwargs)
                await self.func(*args, **kwargs)
                await self._pause(1)

    async def main():
        async def tick():
            it.note("tick")

        executor = Twice(tick)
        threading.Timer(1.5, executor.stop).start()
        await executor.run()
        it.note("ended", repr(executor).endswith("tick)"))

    with logged() as it:
        it.run(main())

    assert it.log == [
        *[(0.0, "tick")] * 2,
        *[(1.0, "tick")] * 2,
        (1.5, "ended", True),
    ]


def test_what_leaves_the_loop_leaves_the_executor_stopped(logged):
    class Fails(BaseAsyncExecutor):
        async def _run_impl(self):
            it.note(self.running)
            raise LookupError

    with logged() as it:
        executor = Fails(asyncio.sleep)
        for _ in range(2):
            with pytest.raises(LookupError):
                it.run(executor.run())
            it.note(executor.running)

    assert it.log == [(0.0, True), (0.0, False)] * 2


def test_start_and_stop_of_a_subclass_are_called(logged):
    class Noted(RateExecutor):
        def start(self):
            it.note("start")
            super().start()

        def stop(self):
            it.note("stop")
            super().stop()

    async def main():
        async def tick():
            executor.stop()

        executor = Noted(tick, 10)
        await executor.run()

    with logged() as it:
        it.run(main())

    assert it.log == [(0.0, "start"), (0.0, "stop"), (0.0, "stop")]


def test_another_thread_wakes_a_coroutine_that_sleeps(logged):
    async def main():
        async def tick():
            it.note("tick")

        executor = RateExecutor(tick, 1)
        threading.Timer(2.25, executor.stop).start()
        await executor.run()
        it.note("ended")

    with logged() as it:
        it.run(main())

    assert it.log == [(0.0, "tick"), (1.0, "tick"), (2.0, "tick"), (2.25, "ended")]


def test_a_stop_after_its_loop_was_closed_is_none(logged):
    async def nothing():
        pass

    with logged() as it:
        loop = asyncio.new_event_loop()
        executor = RateExecutor(nothing, 1)
        task = loop.create_task(executor.run())
        loop.run_until_complete(asyncio.sleep(0.5))
        # The task is left in its sleep, as by a program that ends in the wrong order.
        loop.close()
        executor.stop()
        it.note(executor.running)
        task._log_destroy_pending = False
        del task

    assert it.log == [(0.5, False)]


@pytest.mark.parametrize("stops", [True, False])
def test_a_run_whose_loop_was_closed_is_over(logged, stops):
    async def tick():
        it.note("tick")

    async def main():
        run = asyncio.ensure_future(executor.run())
        await asyncio.sleep(0.5)
        # What is left of the first run goes, as when it is collected, and takes nothing with it.
        task._log_destroy_pending = False
        task.get_coro().close()
        it.note("runs", executor.running)
        threading.Timer(0.25, executor.stop).start()
        await run
        it.note("ended")

    with logged() as it:
        loop = asyncio.new_event_loop()
        executor = RateExecutor(tick, 1)
        task = loop.create_task(executor.run())
        loop.run_until_complete(asyncio.sleep(0.5))
        loop.close()
        if stops:
            executor.stop()
        it.note("runs", executor.running)
        it.run(main())

    assert it.log == [
        (0.0, "tick"),
        (0.5, "runs", False),
        (0.5, "tick"),
        (1.0, "runs", True),
        (1.25, "ended"),
    ]


def test_a_run_that_is_collected_after_its_loop_was_closed_is_over(logged):
    async def tick():
        it.note("tick")

    with logged() as it:
        for one in (RateExecutor(tick, 1), Node()):
            loop = asyncio.new_event_loop()
            task = loop.create_task(one.run())
            loop.run_until_complete(asyncio.sleep(0.5))
            loop.close()
            task._log_destroy_pending = False
            task.get_coro().close()
            it.note("runs", one.running)
            # There is no stop that would be kept for the next one.
            with pytest.raises(asyncio.TimeoutError):
                it.run(asyncio.wait_for(one.run(), 0.25))

    assert it.log == [
        (0.0, "tick"),
        (0.5, "runs", False),
        (0.5, "tick"),
        (1.25, "runs", False),
    ]


@pytest.mark.parametrize("kind", ["executor", "node"])
def test_a_run_cancelled_before_its_first_step_takes_its_start_with_it(logged, kind):
    async def tick():
        it.note("tick")

    async def main():
        executor = RateExecutor(tick, 1) if kind == "executor" else Node()
        if kind == "node":
            executor.create_timer(1, tick)
        executor.start()
        task = asyncio.ensure_future(executor.run())
        assert executor.running
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        it.note("runs", executor.running)
        executor.stop()
        # That stop had nothing to stop: it is not kept for this run.
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(executor.run(), 0.5)

    with logged() as it:
        it.run(main())

    assert it.log == [(0.0, "runs", False), (0.0, "tick")]


def test_func_and_interval_may_be_changed(logged):
    with logged() as it:
        executor = SyncRateExecutor(lambda: None, 10)

        def first():
            it.note("first")
            executor.func = second
            executor.interval = 0.25

        def second():
            it.note("second")
            if len(it.log) % 3 == 0:
                executor.stop()

        executor.func = first
        executor.run()
        executor.run()

    assert it.log == [
        (0.0, "first"),
        (0.1, "second"),
        (0.2, "second"),
        (0.2, "second"),
        (0.45, "second"),
        (0.7, "second"),
    ]


def lines_of(caplog):
    return [record.getMessage().split(": ", 1)[-1].splitlines() for record in caplog.records]


@pytest.mark.parametrize("kind", [lambda func: RateExecutor(func, 10), AsyncExecutor])
def test_a_callback_that_returns_no_coroutine_is_logged_once(logged, caplog, kind):
    def plain():
        it.note("call")
        return 7

    async def main():
        executor = kind(plain)
        asyncio.get_running_loop().call_later(0.25, executor.stop)
        await executor.run()
        return executor

    with logged() as it:
        executor = it.run(main())

    assert len(it.log) > 2
    assert lines_of(caplog) == [
        [
            f"{plain.__qualname__} has returned what cannot be awaited: 7",
            "define it with `async def`, or use SyncRateExecutor, or a timer with mode='sync'",
        ]
    ]
    if isinstance(executor, RateExecutor):
        assert executor.statistics().failures == executor.statistics().ticks == 3


def test_a_plain_function_that_returns_a_coroutine_has_failed(logged, caplog):
    async def coroutine():
        it.note("never")

    def plain():
        made.append(coroutine())
        executor.stop()
        return made[-1]

    made = []
    with logged() as it:
        executor = SyncRateExecutor(plain, 10)
        executor.run()

    assert it.log == []
    assert made[0].cr_frame is None
    assert executor.statistics().failures == 1
    assert (
        f"{plain.__qualname__} has returned a coroutine, which nobody would await: <coroutine"
        in caplog.text
    )
    assert "give a plain function, or use RateExecutor, or a timer with mode='async'" in caplog.text


def test_a_subclass_may_set_what_it_asks(logged):
    class Old(BaseAsyncExecutor):
        def start(self):
            self._running = True

        def stop(self):
            self._running = False

        async def _run_impl(self):
            while self._running:
                await self.func()
                await self._pause(1)

    async def main():
        async def tick():
            it.note("tick")

        executor = Old(tick)
        executor.start()
        assert executor.running
        threading.Timer(1.5, executor.stop).start()
        await executor.run()
        it.note("ended", executor.running)

    with logged() as it:
        it.run(main())

    assert it.log == [(0.0, "tick"), (1.0, "tick"), (1.5, "ended", False)]


def test_figures_of_a_run(ticks):
    def work(number):
        if number in {1, 5}:
            time.sleep(0.15)
        if number == 3:
            raise LookupError

    _, executor = ticks(10, 1.05, work)

    # Two ticks are late, by 0.05 s each, behind the two that have overrun.
    assert executor.statistics() == RateStatistics(
        ticks=11, failures=1, overruns=2, dropped=0,
        lateness_p50=0.0, lateness_p90=0.05, lateness_p99=0.05, lateness_max=0.05,
    )  # fmt: skip


def test_figures_before_a_run_are_nought():
    assert SyncRateExecutor(print, 1).statistics() == RateStatistics()
    assert RateExecutor(asyncio.sleep, 1).statistics() == RateStatistics(0, 0, 0, 0, 0, 0, 0, 0)


def test_percentiles_are_of_the_latest_thousand_ticks(ticks):
    _, executor = ticks(1000, 2.0005, lambda number: time.sleep(0.01 if number == 0 else 0))

    figures = executor.statistics()
    assert (figures.ticks, figures.lateness_p99, figures.lateness_max) == (2001, 0.0, 0.009)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"catch_up": "hurry"}, r"^this is no way to catch up: 'hurry'\nuse 'burst', 'skip', 'coalesce'$"),
        ({"max_backlog": 0}, r"^this is no bound .*: 0\ngive a whole number from 1 on, or None"),
        ({"max_backlog": True}, r"^this is no bound .*: True\n"),
        ({"max_backlog": 1.5}, r"^this is no bound .*: 1.5\n"),
        ({"catch_up": "skip", "max_backlog": 3}, r"^with catch_up='skip' there is no backlog to bound: max_backlog=3\nleave max_backlog out"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [RateExecutor, SyncRateExecutor])
def test_options_without_a_meaning_are_refused(kind, options, message):
    with pytest.raises(ValueError, match=message):
        kind(print, 10, **options)


class Callable:
    async def __call__(self):
        pass


async def coroutine_function():
    pass


@pytest.mark.parametrize(
    "callback", [coroutine_function, functools.partial(coroutine_function), Callable(), Callable().__call__]
)  # fmt: skip
def test_the_executor_for_threads_refuses_coroutine_functions(callback):
    with pytest.raises(
        TypeError,
        match=r"^this is a coroutine function, which nobody would await: .*\ngive a plain",
    ):
        SyncRateExecutor(callback, 10)


@pytest.mark.parametrize("kind", [RateExecutor, SyncRateExecutor])
def test_what_cannot_be_called_is_refused(kind):
    with pytest.raises(
        TypeError, match=r"^this cannot be called: 'tick'\ngive the function itself"
    ):
        kind("tick", 10)


def test_the_error_of_a_second_run_is_a_runtime_error():
    assert issubclass(AlreadyRunningError, RuntimeError)


def test_using_it_loads_no_simulator():
    program = (
        "import sys, simclock.systems.rates; "
        "print([n for n in sys.modules if n.startswith(('simclock._core', 'simclock._boundary'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"
