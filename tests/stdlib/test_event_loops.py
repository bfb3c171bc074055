from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import trio

from simclock import Simulation, run

pytestmark = pytest.mark.usefixtures("each_loop")

VARIABLE = contextvars.ContextVar("VARIABLE", default="default")


async def nap(seconds):
    await asyncio.sleep(seconds)
    return seconds


# ---------------------------------------------------------------------------- asyncio
#
# The stock selector loop rounds its timeouts up to whole milliseconds.


def test_asyncio_run_takes_virtual_time(log):
    async def main():
        log(await nap(1.5))
        log(await asyncio.gather(nap(2), nap(1), nap(3)))
        return "result"

    with Simulation():
        log(asyncio.run(main()))

    assert log == [(1.5, 1.5), (4.5, [2, 1, 3]), (4.5, "result")]


def test_asyncio_timeouts(log):
    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(nap(10), 2.5)
        log("timed out")
        log(await asyncio.wait_for(nap(1), 10))
        done, pending = await asyncio.wait([asyncio.create_task(nap(n)) for n in (1, 9)], timeout=3)
        log((len(done), len(pending)))
        for task in pending:
            task.cancel()

    run(asyncio.run, main())

    assert log == [(2.5, "timed out"), (3.5, 1), (6.5, (1, 1))]


def test_asyncio_primitives_and_as_completed(log):
    async def main():
        items = asyncio.Queue(1)
        event = asyncio.Event()
        lock = asyncio.Lock()

        async def producer():
            for number in range(3):
                await asyncio.sleep(1)
                await items.put(number)
            event.set()

        async def worker(name):
            async with lock:
                await asyncio.sleep(1)
                log(name)

        task = asyncio.create_task(producer())
        for _ in range(3):
            log(await items.get())
        await event.wait()
        await asyncio.gather(worker("a"), worker("b"))
        for soonest in asyncio.as_completed([nap(3), nap(1), nap(2)]):
            log(await soonest)
        await task

    run(asyncio.run, main())

    assert log == [
        (1.0, 0),
        (2.0, 1),
        (3.0, 2),
        (4.0, "a"),
        (5.0, "b"),
        (6.0, 1),
        (7.0, 2),
        (8.0, 3),
    ]


def test_call_later_and_call_at_fire_in_order(log):
    async def main():
        loop = asyncio.get_running_loop()
        start = loop.time()
        loop.call_at(start + 2, log, "at 2")
        loop.call_later(1, log, "after 1")
        loop.call_later(0.5, log, "cancelled").cancel()
        loop.call_soon(log, "soon")
        await asyncio.sleep(3)

    run(asyncio.run, main())

    assert log == [(0.0, "soon"), (1.0, "after 1"), (2.0, "at 2")]


def test_to_thread_and_run_in_executor(log):
    def block(seconds):
        time.sleep(seconds)
        return seconds, VARIABLE.get()

    async def ticker():
        while True:
            await asyncio.sleep(1)
            log("tick")

    async def main():
        VARIABLE.set("task")
        loop = asyncio.get_running_loop()
        ticking = asyncio.create_task(ticker())
        log(await asyncio.to_thread(block, 2.5))
        log(await loop.run_in_executor(None, block, 1))
        with ThreadPoolExecutor(1) as pool:
            log(await asyncio.gather(*[loop.run_in_executor(pool, block, 1) for _ in range(2)]))
        ticking.cancel()

    with Simulation():
        contextvars.copy_context().run(asyncio.run, main())

    assert log == [
        (1.0, "tick"),
        (2.0, "tick"),
        (2.5, (2.5, "task")),
        (3.0, "tick"),
        (3.5, (1, "default")),
        (4.0, "tick"),
        (5.0, "tick"),
        (5.5, [(1, "default"), (1, "default")]),
    ]


def test_a_timeout_around_a_thread(log):
    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(time.sleep, 5), 2)
        log("timed out")

    with Simulation():
        asyncio.run(main())  # waits for the thread
        log("over")

    assert log == [(2.0, "timed out"), (5.0, "over")]


def test_threads_reach_a_loop_through_its_threadsafe_calls(log):
    def outside(loop, event):
        time.sleep(1)
        loop.call_soon_threadsafe(event.set)
        time.sleep(1)
        log(asyncio.run_coroutine_threadsafe(nap(2), loop).result(timeout=10))

    async def main():
        event = asyncio.Event()
        thread = threading.Thread(target=outside, args=(asyncio.get_running_loop(), event))
        thread.start()
        await event.wait()
        log("event")
        await asyncio.to_thread(thread.join)

    run(asyncio.run, main())

    assert log == [(1.0, "event"), (4.0, 2)]


def test_two_loops_in_two_threads_share_one_clock(log):
    async def tick(name, seconds):
        for _ in range(2):
            await asyncio.sleep(seconds)
            log(name)

    with Simulation():
        threads = [
            threading.Thread(target=asyncio.run, args=(tick(name, seconds),))
            for name, seconds in [("a", 1), ("b", 1.5)]
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert log == [(1.0, "a"), (1.5, "b"), (2.0, "a"), (3.0, "b")]


def test_default_task_names_start_anew_in_each_simulation():
    async def main():
        named = asyncio.create_task(nap(0), name="mine")
        tasks = [asyncio.create_task(nap(0)) for _ in range(2)]
        await asyncio.gather(named, *tasks)
        assert named.get_name() == "mine"
        return [int(task.get_name()[5:]) for task in (asyncio.current_task(), *tasks)]

    first, second = asyncio.run(main()), asyncio.run(main())
    found = [run(asyncio.run, main()) for _ in range(2)]
    third = asyncio.run(main())

    # Which names consume a number differs between versions of Python.
    assert found == [[number - first[0] + 1 for number in first]] * 2
    assert third[0] - second[0] == second[0] - first[0]


def test_sets_of_tasks_go_by_order_of_creation():
    async def main():
        tasks = [asyncio.create_task(nap(0), name=str(number)) for number in range(50)]
        names = [task.get_name() for task in set(tasks)]
        done, _ = await asyncio.wait(tasks)
        return names, [task.get_name() for task in done]

    (created, done), again = run(asyncio.run, main()), run(asyncio.run, main())

    assert created == [str(number) for number in range(50)]
    assert (created, done) == again


def test_asyncio_debug_mode_sees_slow_callbacks_in_virtual_time(caplog):
    async def main():
        time.sleep(3)  # blocks the loop

    run(lambda: asyncio.run(main(), debug=True))

    [record] = [record for record in caplog.records if "took" in record.message]
    assert record.message.endswith("took 3.000 seconds")


# ------------------------------------------------------------------------------- trio


def test_trio_run_takes_exact_virtual_time(log):
    async def child(name, seconds):
        await trio.sleep(seconds)
        log(name)

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child, "slow", 2.0001)
            nursery.start_soon(child, "quick", 1)
        with trio.move_on_after(1.5) as scope:
            await trio.sleep_forever()
        log(scope.cancelled_caught)
        with pytest.raises(trio.TooSlowError), trio.fail_after(0.5):
            await trio.sleep(10)
        log("over")

    with Simulation():
        trio.run(main)

    assert log == [(1.0, "quick"), (2.0001, "slow"), (3.5001, True), (4.0001, "over")]


def test_trio_to_thread_and_from_thread(log):
    def block(seconds):
        time.sleep(seconds)
        log(trio.from_thread.run(ask))
        return trio.from_thread.run_sync(lambda: "sync")

    async def ask():
        await trio.sleep(1)
        return "async"

    async def main():
        log(await trio.to_thread.run_sync(block, 2))
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(trio.to_thread.run_sync, block, 1)

    with Simulation():
        trio.run(main)

    assert log == [(3.0, "async"), (3.0, "sync"), (5.0, "async"), (5.0, "async")]


def test_trio_in_the_root_while_threads_run(log):
    items = queue.Queue()

    def consumer():
        while (item := items.get()) is not None:
            log(item)
            time.sleep(1)

    async def main():
        for number in range(3):
            items.put(number)
            await trio.sleep(0.75)
        items.put(None)

    with Simulation():
        thread = threading.Thread(target=consumer)
        thread.start()
        trio.run(main)
        thread.join()
        log("joined")

    assert log == [(0.0, 0), (1.0, 1), (2.0, 2), (3.0, "joined")]


def trio_order():
    """Return the order in which trio wakes twelve tasks with one deadline."""
    order = []

    async def child(number):
        await trio.sleep(1)
        order.append(number)

    async def main():
        async with trio.open_nursery() as nursery:
            for number in range(12):
                nursery.start_soon(child, number)

    trio.run(main)
    return order


def test_trio_runs_what_is_ready_at_once_in_the_order_of_creation_whatever_the_seed():
    assert [run(trio_order, seed=seed) for seed in (0, 0, 7)] == [list(range(12))] * 3


def test_the_order_of_a_batch_of_trio_is_from_the_schedule(choosing):
    asked = []

    def last(point):
        if point.label != "trio batch":
            return 0
        asked.append(point.bound)
        return point.bound - 1

    assert run(trio_order, choices=choosing(last))[-12:] == list(reversed(range(12)))
    assert 12 in asked


# -------------------------------------------------------------------------- all mixed


def test_threads_asyncio_and_trio_share_one_clock(log):
    to_asyncio, to_trio = queue.SimpleQueue(), queue.Queue()

    def in_asyncio():
        async def main():
            for _ in range(2):
                item = await asyncio.to_thread(to_asyncio.get)
                log(("asyncio", item))
                await asyncio.sleep(0.5)
                to_trio.put(item)

        asyncio.run(main())

    def in_trio():
        async def main():
            for _ in range(2):
                item = await trio.to_thread.run_sync(to_trio.get)
                await trio.sleep(0.25)
                log(("trio", item))

        trio.run(main)

    with Simulation():
        threads = [threading.Thread(target=target) for target in (in_asyncio, in_trio)]
        for thread in threads:
            thread.start()
        for number in range(2):
            time.sleep(2)
            to_asyncio.put(number)
        for thread in threads:
            thread.join()
        log("over")

    assert log == [
        (2.0, ("asyncio", 0)),
        (2.75, ("trio", 0)),
        (4.0, ("asyncio", 1)),
        (4.75, ("trio", 1)),
        (4.75, "over"),
    ]


def test_leftovers_of_all_kinds_leave_nothing_behind():
    """Loops that still run, idle trio workers and pools: the next simulation is not harmed."""

    def program(times):
        async def forever():
            while True:
                await asyncio.sleep(7)

        async def trio_main():
            await trio.to_thread.run_sync(time.sleep, 1)

        threading.Thread(target=asyncio.run, args=(forever(),), daemon=True).start()
        trio.run(trio_main)
        ThreadPoolExecutor(1).submit(time.sleep, 1).result()
        times.append(time.monotonic())

    times = []
    for _ in range(3):
        run(program, times)

    assert times == [1002.0] * 3
