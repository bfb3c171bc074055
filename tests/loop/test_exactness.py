"""What is promised of asyncio in a simulation, each to the nanosecond and in next to no real time."""

from __future__ import annotations

import asyncio
import math
import queue
import sys
import threading
import time
from fractions import Fraction

import pytest

from simclock import SimEventLoop, Simulation, run

DAY = 86400.0


def elapsed_ns(main):
    """Return how long *main* takes in a simulation."""
    with Simulation() as sim:
        asyncio.run(main())
    return sim.elapsed_ns


def test_blocking_calls_in_threads_are_parallel():
    async def main():
        await asyncio.gather(*(asyncio.to_thread(time.sleep, 1) for _ in range(3)))

    assert elapsed_ns(main) == 1_000_000_000


def test_a_worker_waits_for_an_event_that_the_loop_sets(log):
    async def main():
        event = threading.Event()
        worker = asyncio.create_task(asyncio.to_thread(event.wait, 9))
        await asyncio.sleep(2.5)
        event.set()
        log(await worker)

    run(asyncio.run, main())

    assert log == [(2.5, True)]


def test_a_worker_gets_what_the_loop_puts(log):
    async def main():
        items = queue.Queue()
        worker = asyncio.create_task(asyncio.to_thread(items.get, timeout=10))
        await asyncio.sleep(9.999)
        items.put("item")
        log(await worker)
        with pytest.raises(queue.Empty):
            await asyncio.to_thread(items.get, timeout=10)
        log("empty")

    run(asyncio.run, main())

    assert log == [(9.999, "item"), (19.999, "empty")]


def test_a_worker_waits_for_a_coroutine(log):
    async def work():
        await asyncio.sleep(3)
        return "done"

    async def main():
        loop = asyncio.get_running_loop()

        def worker():
            log(asyncio.run_coroutine_threadsafe(work(), loop).result(timeout=9))

        await asyncio.to_thread(worker)

    run(asyncio.run, main())

    assert log == [(3.0, "done")]


def test_a_worker_has_a_loop_of_its_own(log):
    async def inner():
        await asyncio.sleep(2)
        log("inner")

    async def main():
        worker = asyncio.create_task(asyncio.to_thread(asyncio.run, inner()))
        await asyncio.sleep(1)
        log("outer")
        await worker

    run(asyncio.run, main())

    assert log == [(1.0, "outer"), (2.0, "inner")]


@pytest.mark.parametrize("work", ["sleeps", "computes"])
def test_a_thread_that_works_wakes_the_loop_long_before_a_timeout(log, work):
    async def main():
        loop = asyncio.get_running_loop()
        event = asyncio.Event()

        def worker():
            if work == "sleeps":
                time.sleep(0.1)
            else:
                sum(range(1_000_000))
            loop.call_soon_threadsafe(event.set)

        thread = threading.Thread(target=worker)
        thread.start()
        await asyncio.wait_for(event.wait(), 9)
        log("woken")
        thread.join()

    run(asyncio.run, main())

    assert log == [(0.1 if work == "sleeps" else 0.0, "woken")]


def test_a_year():
    async def main():
        await asyncio.sleep(365 * DAY)

    assert elapsed_ns(main) == 365 * 86400 * 10**9


def test_ten_tenths_are_one():
    async def main():
        for _ in range(10):
            await asyncio.sleep(0.1)

    assert elapsed_ns(main) == 1_000_000_000


def test_no_duration_is_rounded():
    async def main():
        for seconds in (1e-9, 0.0000017, 0.0123456789, 1.0004, 3):
            await asyncio.sleep(seconds)

    assert elapsed_ns(main) == 1 + 1_700 + 12_345_679 + 1_000_400_000 + 3_000_000_000


# --------------------------------------------------------------------- by itself, too


@pytest.fixture(params=["in a simulation", "alone"])
def loop(request):
    """Return a loop that is not running, which a test may use in a simulation or without one."""
    simulation = Simulation(max_time=3e9) if request.param == "in a simulation" else None
    if simulation:
        simulation.__enter__()
    made = SimEventLoop()
    yield made
    made.close()
    if simulation:
        simulation.__exit__(None, None, None)


@pytest.fixture
def at(loop, new_log):
    """Return a log with the loop's time since now."""
    start = loop.time()
    found = []
    return found, lambda what: found.append((loop.time() - start, what))


def test_equal_deadlines_come_in_arming_order(loop, at):
    log, note = at
    for number in range(10):
        loop.call_later(1 if number % 2 else 1.0, note, number)
    loop.call_at(loop.time() + 0.5, note, "before")

    loop.run_until_complete(asyncio.sleep(2))

    assert log == [(0.5, "before"), *((1.0, number) for number in range(10))]


def test_soon_is_first_come_first_served(loop, at):
    log, note = at
    loop.call_soon(note, 1)
    loop.call_later(0, note, "due at once")
    loop.call_later(-1, note, "overdue")
    loop.call_soon_threadsafe(note, 2)
    loop.call_soon(lambda: loop.call_soon(note, "next turn"))

    loop.run_until_complete(asyncio.sleep(0.25))

    assert log == [(0.0, what) for what in (1, 2, "overdue", "due at once", "next turn")]


@pytest.mark.parametrize("far", [2**24, 2**25 + 1, 2_500_000_000])
def test_durations_are_exact_far_from_the_clocks_zero(loop, far):
    """See the next test for the stock loop there."""

    async def main():
        started = loop.time()
        await asyncio.sleep(far)
        for _ in range(3):
            for seconds in (0.1, 0.000001):
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(asyncio.sleep(99), seconds)
                before = loop._clock.now_ns
                loop.call_at(loop.time() + seconds, (done := asyncio.Event()).set)
                await done.wait()
                assert loop._clock.now_ns - before == round(seconds * 1e9)
        return loop._clock.now_ns - round(started * 1e9)

    assert loop.run_until_complete(main()) == far * 10**9 + 3 * (200_002_000)


@pytest.mark.parametrize(("far", "late"), [(2**23, False), (2**24, True), (2**25, True)])
def test_far_from_the_clocks_zero_a_stock_loop_spins_until_time_has_passed(far, late):
    """Its clock's resolution is less than a float's there, so what is due seems to be to come."""

    async def main(sim):
        await asyncio.sleep(far)
        before = sim.elapsed
        await asyncio.sleep(0.5)
        return round((sim.elapsed - before) * 1e6)

    def run(make):
        with Simulation() as sim:
            loop = make()
            try:
                return loop.run_until_complete(main(sim))
            finally:
                loop.close()

    assert run(asyncio.SelectorEventLoop) == 500_000 + late
    assert run(SimEventLoop) == 500_000


def test_an_instant_far_off_that_is_not_round_is_as_exact_as_a_float(loop):
    async def main():
        await asyncio.sleep(2**22)
        before = loop._clock.now_ns
        loop.call_at(loop.time() + 0.123456789, (done := asyncio.Event()).set)
        await done.wait()
        return loop._clock.now_ns - before

    assert abs(loop.run_until_complete(main()) - 123_456_789) <= 2 * math.ulp(2**22) * 1e9


def test_what_is_infinitely_far_never_comes(loop, at):
    log, note = at
    handle = loop.call_later(math.inf, note, "never")
    loop.call_at(math.inf, note, "never")
    loop.call_later(-math.inf, note, "long ago")

    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.sleep(math.inf), 5)

    loop.run_until_complete(main())

    assert handle.when() == math.inf
    assert log == [(0.0, "long ago")]
    handle.cancel()


def test_any_number_that_adds_to_a_float_is_a_duration(loop, at):
    log, note = at
    loop.call_later(Fraction(1, 4), note, "a quarter")
    loop.call_later(True, note, "one")
    for longest in (1e300, sys.float_info.max, -1e300):
        loop.call_later(longest, note, "long ago").cancel()
        loop.call_at(longest, note, "long ago").cancel()
    loop.run_until_complete(asyncio.sleep(2))

    assert log == [(0.25, "a quarter"), (1.0, "one")]


@pytest.mark.parametrize("call", ["call_later", "call_at"])
def test_what_is_no_time_is_refused(loop, call):
    with pytest.raises(ValueError, match="this is no time: nan\ngive a number of seconds"):
        getattr(loop, call)(math.nan, print)
    with pytest.raises(TypeError):
        getattr(loop, call)("1", print)
    with pytest.raises(TypeError, match=r"(delay must not|when cannot) be None"):
        getattr(loop, call)(None, print)


def test_cancelled_timers_do_not_run_and_do_not_pile_up(loop, at):
    log, note = at
    for _ in range(1000):
        loop.call_later(60, note, "cancelled").cancel()
    for number in range(150):
        loop.call_later(number, note, number)
    kept = loop.call_later(1, note, "kept")
    kept_not = loop.call_later(1, note, "not kept")
    loop.call_later(0.5, kept_not.cancel)
    kept_not_either = loop.call_later(1, note, "not either")
    loop.call_at(loop.time() + 1, note, "last")

    loop.call_at(loop.time(), kept_not_either.cancel)
    loop.run_until_complete(asyncio.sleep(1.5))

    assert log == [(0.0, 0), (1.0, 1), (1.0, "kept"), (1.0, "last")]
    assert len(loop._timers.heap) < 300
    assert not kept.cancelled()


def test_a_timer_cancelled_by_another_of_its_instant_does_not_run(loop, at):
    log, note = at
    second = None

    def first():
        note("first")
        second.cancel()

    loop.call_later(1, first)
    second = loop.call_later(1, note, "second")
    loop.run_until_complete(asyncio.sleep(2))

    assert log == [(1.0, "first")]


def test_a_busy_wait_ends(loop):
    async def main():
        end = loop.time() + 0.5
        while loop.time() < end:
            pass

    loop.run_until_complete(main())
