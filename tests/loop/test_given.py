"""Who gets a SimEventLoop, and what becomes of it elsewhere."""

from __future__ import annotations

import asyncio
import sys
import threading
import unittest

import anyio
import pytest

from simclock import SimEventLoop, Simulation, run


async def kind():
    return type(asyncio.get_running_loop())


def by_run():
    return asyncio.run(kind())


def by_runner():
    with asyncio.Runner() as runner:
        return runner.run(kind())


def by_new_event_loop():
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(kind())
    finally:
        loop.close()


def by_anyio():
    return anyio.run(kind, backend="asyncio")


def by_unittest():
    found = []

    class Case(unittest.IsolatedAsyncioTestCase):
        async def runTest(self):  # noqa: N802 - unittest's name
            found.append(await kind())

    Case().debug()
    return found[0]


@pytest.mark.skipif(sys.version_info < (3, 13), reason="a test case has no loop_factory there")
def test_a_test_case_of_unittest_may_name_the_loop():
    found = []

    class Case(unittest.IsolatedAsyncioTestCase):
        loop_factory = SimEventLoop

        async def runTest(self):  # noqa: N802 - unittest's name
            loop = asyncio.get_running_loop()
            before = loop.time()
            await asyncio.sleep(3600)
            found.append((type(loop), loop.time() - before))

    Case().debug()

    assert found == [(SimEventLoop, 3600.0)]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio has no Runner there")
def test_a_runner_may_be_given_the_loop():
    async def main():
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=SimEventLoop) as runner:
        assert runner.run(main()) == 4600.0


WAYS = [by_run, by_new_event_loop, by_anyio, by_unittest]
if sys.version_info >= (3, 11):
    WAYS.append(by_runner)


def in_a_thread(function):
    """Return what *function* returns in a thread that is started here."""
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_get_a_loop_gives_one_in_a_simulation(way):
    with Simulation() as sim:
        assert way() is SimEventLoop
        assert in_a_thread(way) is SimEventLoop
        with sim.real_time():
            assert way() is asyncio.SelectorEventLoop

    assert way() is asyncio.SelectorEventLoop


def test_foreign_threads_go_on_with_stock_loops():
    begin, found = threading.Event(), []

    def foreign():
        begin.wait(20)
        found.append(by_run())

    thread = threading.Thread(target=foreign)
    thread.start()
    with Simulation() as sim:
        begin.set()
        with sim.real_time():
            thread.join()

    assert found == [asyncio.SelectorEventLoop]


def test_a_stock_loop_that_is_asked_for_is_a_stock_loop(log):
    async def main():
        log(type(asyncio.get_running_loop()).__name__)
        await asyncio.sleep(2)
        log("later")

    with Simulation():
        loop = asyncio.SelectorEventLoop()
        loop.run_until_complete(main())
        loop.close()

    assert log == [(0.0, "_UnixSelectorEventLoop"), (2.0, "later")]


def test_a_users_policy_stays_the_users():
    class Loop(asyncio.SelectorEventLoop):
        pass

    class Policy(asyncio.DefaultEventLoopPolicy):
        def new_event_loop(self):
            return Loop()

    asyncio.set_event_loop_policy(Policy())
    try:
        assert run(by_run) is Loop
    finally:
        asyncio.set_event_loop_policy(None)


# ----------------------------------------------------------- from one world to another


def test_a_loop_made_before_has_the_simulations_time_in_it(new_log):
    loop = SimEventLoop()
    loop.run_until_complete(asyncio.sleep(500))
    with Simulation(max_time=100):
        log = new_log()
        loop.call_later(1, log, "armed inside")
        loop.run_until_complete(asyncio.sleep(2.5))
        log("done")
    loop.run_until_complete(asyncio.sleep(1))

    assert log == [(1.0, "armed inside"), (2.5, "done")]
    assert loop.time() == 1501.0
    loop.close()


def test_a_loop_of_one_simulation_can_be_used_in_the_next(new_log):
    with Simulation():
        loop = asyncio.new_event_loop()
        loop.run_until_complete(asyncio.sleep(1))
    with Simulation():
        log = new_log()
        loop.run_until_complete(asyncio.sleep(3))
        log("done")
    loop.close()

    assert log == [(3.0, "done")]


def test_a_loop_that_left_its_simulation_is_in_real_time():
    with Simulation():
        loop = asyncio.new_event_loop()
        loop.run_until_complete(asyncio.sleep(1000))
    started = loop.time()
    loop.run_until_complete(asyncio.sleep(0.05))
    thread = threading.Timer(0.05, loop.call_soon_threadsafe, (loop.stop,))
    loop.call_soon(thread.start)
    loop.run_forever()
    thread.join()

    assert loop.time() - started >= 0.05
    loop.close()


def test_another_librarys_selector_and_clock_are_respected():
    """As looptime does it: the clock is replaced in the class, the wait in the selector."""
    now = 7.0

    class Moved(SimEventLoop):
        def time(self):
            return now

    def select(timeout):
        nonlocal now
        found = original(0)
        if not found and timeout:
            now += timeout
        return found

    loop = Moved()
    original, loop._selector.select = loop._selector.select, select
    loop.run_until_complete(asyncio.sleep(2.5))
    loop.run_until_complete(asyncio.sleep(0))

    assert now == 9.5
    loop.close()


def test_a_selector_that_does_not_wait_is_a_busy_wait():
    """As tests with a mock for a selector have it. The loop still lets others run."""

    async def main(loop):
        done = loop.create_future()
        timer = threading.Timer(0.5, loop.call_soon_threadsafe, (done.set_result, None))
        timer.start()
        await done

    with Simulation() as sim:
        loop = SimEventLoop()
        loop._selector.select = lambda timeout: []
        loop.run_until_complete(main(loop))
        loop.close()

    assert 0.5 <= sim.elapsed < 0.51


def test_another_clock_is_respected():
    now = 7.0
    loop = SimEventLoop()
    loop.time = lambda: now
    done = []
    loop.call_later(10, done.append, "done")
    loop.run_until_complete(asyncio.sleep(0))
    assert done == []

    now += 10
    loop.run_until_complete(asyncio.sleep(0))

    assert done == ["done"]
    loop.close()


@pytest.mark.skipif(sys.version_info < (3, 13), reason="came with 3.13")
def test_a_loop_that_is_run_turn_by_turn(log):
    """As those do who run it inside of another one, of a user interface."""
    with Simulation():
        loop = asyncio.new_event_loop()
        loop.call_later(1, log, "called")
        loop.call_later(2, loop.stop)
        loop._run_forever_setup()
        try:
            while not loop._stopping:
                loop._run_once()
        finally:
            loop._run_forever_cleanup()
            loop.close()
        log("stopped")

    assert log == [(1.0, "called"), (2.0, "stopped")]


def test_a_simulation_opened_by_a_coroutine(new_log):
    logs = []

    async def main():
        await asyncio.sleep(7)
        with Simulation() as sim:
            log = new_log()
            await asyncio.sleep(5)
            log("inside")
            assert sim.elapsed == 5.0
        logs.extend(log)
        await asyncio.sleep(1)
        return asyncio.get_running_loop().time()

    loop = SimEventLoop()
    try:
        assert loop.run_until_complete(main()) == 1008.0
    finally:
        loop.close()
    assert logs == [(5.0, "inside")]


def test_a_simulation_opened_by_a_coroutine_of_another(log):
    async def main():
        await asyncio.sleep(1)
        with Simulation() as inner:
            await asyncio.sleep(5)
            for _ in range(1000):
                await asyncio.sleep(0)
            assert inner.elapsed == 5.0
        log("outside again")
        await asyncio.sleep(1)
        log("done")

    with Simulation():
        asyncio.run(main())

    assert log == [(1.0, "outside again"), (2.0, "done")]
