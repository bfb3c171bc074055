"""One test for each oddity of the original executors: each fails on how those behave."""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
import sys
import time
from pathlib import Path

import pytest

from simclock.systems.rates import (
    AlreadyRunningError,
    AsyncExecutor,
    RateExecutor,
    SyncRateExecutor,
)

# What the originals of the classes do, and what is done instead.
ROWS = {
    "r1": "catching up is unbounded: the backlog can be bounded, skipped or made one tick",
    "r2": "a callback that fails is called at once again: its tick is over",
    "r3": "a stop waits for the rest of the period: it wakes the sleeper",
    "r4": "a stop before the loop's first step is lost: it is kept, once",
    "r5": "cancellation is swallowed or raised, by where it lands: it is raised",
    "r6": "any rate is taken, and 0 is a ZeroDivisionError: only those with a meaning",
    "r7": "the executor in a thread wakes up a hundred times per second: never in vain",
    "r8": "two runs share one flag: the second is refused",
}


def test_every_row_has_a_test():
    names = re.findall(r"^def test_(r\d+)_", Path(__file__).read_text(), re.MULTILINE)

    assert list(dict.fromkeys(names)) == list(ROWS)


def test_r1_catching_up_can_be_bounded_skipped_or_made_one(ticks, caplog):
    def stall(number):
        if number == 0:
            time.sleep(0.5)

    burst, _ = ticks(200, 0.512, stall)
    bounded, executor = ticks(200, 0.512, stall, max_backlog=10)
    skip, skipped = ticks(200, 0.512, stall, catch_up="skip")
    coalesce, made_one = ticks(200, 0.512, stall, catch_up="coalesce")

    # The default is what the original promises: ticks 1 to 100 are due when the stall is over.
    assert burst.times() == [0, *[0.5] * 100, 0.505, 0.51, 0.512]
    assert bounded.times() == [0, *[0.5] * 10, 0.505, 0.51, 0.512]
    assert skip.times() == [0, 0.5, 0.505, 0.51, 0.512]
    assert coalesce.times() == [0, 0.5, 0.505, 0.51, 0.512]
    assert executor.statistics().dropped == 90
    assert skipped.statistics().dropped == made_one.statistics().dropped == 99
    assert [record.getMessage() for record in caplog.records] == [
        f"{executor!r} is too late, ticks dropped: 90"
    ]


def test_r2_a_failing_callback_is_no_hot_loop(ticks, caplog):
    def fail(number):
        raise LookupError(number)

    it, executor = ticks(10, 0.45, fail)

    assert it.log == [
        (0.0, "tick"),
        (0.1, "tick"),
        (0.2, "tick"),
        (0.3, "tick"),
        (0.4, "tick"),
        (0.45, "ended"),
    ]
    assert executor.statistics().failures == 5
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 5
    assert "Traceback" in caplog.text
    assert "LookupError: 4" in caplog.text


def test_r3_a_stop_does_not_wait_for_the_rest_of_the_period(ticks):
    it, _ = ticks(0.5, 0.1)

    assert it.log == [(0.0, "tick"), (0.1, "ended")]


def test_r4_a_stop_before_the_first_step_is_not_lost(logged, driven):
    with logged() as it:
        one = driven(lambda: it.note("tick"), 10)
        one.executor.stop()
        one.begin()
        one.join()
        it.note(one.outcome, one.executor.running)
        one.begin()
        time.sleep(0.15)
        one.executor.stop()
        one.join()
        it.note(one.outcome)

    assert it.log == [
        (0.0, "returned", False),
        (0.0, "tick"),
        (0.1, "tick"),
        (0.15, "returned"),
    ]


def test_r5_cancellation_ends_the_loop_in_one_way_wherever_it_lands(logged):
    async def waits():
        await asyncio.sleep(0.05)

    async def waits_for_what_is_cancelled():
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    async def cancelled(executor, seconds):
        task = asyncio.ensure_future(executor.run())
        await asyncio.sleep(seconds)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return task.cancelled(), executor.running

    async def main():
        # In the callback, in the pacing sleep, between two calls, and in the callback by itself.
        it.note(*await cancelled(RateExecutor(waits, 1), 0.02))
        it.note(*await cancelled(RateExecutor(waits, 1), 0.1))
        it.note(*await cancelled(AsyncExecutor(waits), 0.02))
        it.note(*await cancelled(AsyncExecutor(waits), 0.05))
        it.note(*await cancelled(RateExecutor(waits_for_what_is_cancelled, 1), 0.5))
        it.note(*await cancelled(AsyncExecutor(waits_for_what_is_cancelled), 0.5))

    with logged() as it:
        it.run(main())

    assert [rest for _, *rest in it.log] == [[True, False]] * 6


@pytest.mark.parametrize("seconds", [0.02, 0.5])
def test_r5_wait_for_a_run_is_a_timeout(logged, seconds):
    async def waits():
        await asyncio.sleep(0.05)

    with logged() as it, pytest.raises(asyncio.TimeoutError):
        it.run(asyncio.wait_for(RateExecutor(waits, 1).run(), seconds))


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.timeout came with 3.11")
@pytest.mark.parametrize("seconds", [0.02, 0.5])
def test_r5_a_timeout_around_a_run_is_raised(logged, seconds):
    async def waits():
        await asyncio.sleep(0.05)

    async def main():
        async with asyncio.timeout(seconds):
            await RateExecutor(waits, 1).run()

    with logged() as it, pytest.raises(TimeoutError):
        it.run(main())


BAD_RATES = [
    0, -5, 0.0, -0.0, math.inf, -math.inf, math.nan, 1e-320, 1e10, 10**400, "10", None, 1j,
]  # fmt: skip


@pytest.mark.parametrize("rate", BAD_RATES)
@pytest.mark.parametrize("kind", [RateExecutor, SyncRateExecutor])
def test_r6_rates_are_finite_and_positive(kind, rate):
    with pytest.raises(
        ValueError, match=r"^this is no rate: .*\ngive a positive, finite number of Hz"
    ):
        kind(print, rate)


def test_r7_who_sleeps_does_not_wake_up_in_vain(logged, driven, monkeypatch):
    reads = []

    def watched(clock):
        return lambda: reads.append(it.sim.elapsed) or clock()

    with logged() as it:
        one = driven(lambda: it.note("tick"), 0.5)
        one.begin()
        time.sleep(0.5)
        for name in ("perf_counter", "perf_counter_ns"):
            monkeypatch.setattr(time, name, watched(getattr(time, name)))
        time.sleep(1.0)
        monkeypatch.undo()
        one.executor.stop()
        one.join()

    # Nobody asked how late it is between the tick at 0 and the one at 2.
    assert reads == []
    assert it.log == [(0.0, "tick")]


def test_r8_a_second_run_is_refused_and_the_first_goes_on(logged, driven):
    with logged() as it:
        one = driven(it.note, 10)
        one.begin("first")
        time.sleep(0.15)
        first, one.outcome = one._thread, None
        one.begin("second")
        one.join()
        it.note(one.outcome, one.executor.running)
        time.sleep(0.1)
        one.executor.stop()
        first.join()
        it.note(one.outcome)

    assert it.log == [
        (0.0, "first"),
        (0.1, "first"),
        (0.15, "AlreadyRunningError", True),
        (0.2, "first"),
        (0.25, "returned"),
    ]


def test_r8_also_while_the_first_is_ending(logged):
    async def slow():
        await asyncio.sleep(1)

    async def main():
        executor = RateExecutor(slow, 10)
        first = asyncio.ensure_future(executor.run())
        await asyncio.sleep(0.5)
        executor.stop()
        with pytest.raises(
            AlreadyRunningError,
            match=r"^it is running already: RateExecutor\(.*slow, 10\)\nstop it and wait",
        ):
            await asyncio.wait_for(executor.run(), 10)
        await first
        it.note("ended")

    with logged() as it:
        it.run(main())

    assert it.log == [(1.0, "ended")]
