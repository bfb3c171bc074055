"""trio as it is, in simulated threads."""

from __future__ import annotations

import asyncio
import functools
import json
import math
import queue
import sys
import threading
import time
import types

import pytest
import trio
import trio.testing
from trio._core import _io_epoll, _run, _thread_cache

import simclock
from simclock import Deadlock, Simulation, flavours
from simclock.flavours.triolib import loops

# ----------------------------------------------------------------------- its clocks


def test_sleeps_are_exact_however_they_add_up(log):
    async def main():
        for _ in range(50):
            await trio.sleep(0.1)
        log("fifty")
        with trio.move_on_after(0.3):
            await trio.sleep_forever()
        log("moved on")
        with pytest.raises(trio.TooSlowError), trio.fail_after(0.7):
            await trio.sleep(86400 * 1000)
        log("too slow")
        await trio.sleep(86400 * 400)
        log("after 400 days")

    with Simulation():
        trio.run(main)

    assert log == [
        (5.0, "fifty"), (5.3, "moved on"), (6.0, "too slow"), (34560006.0, "after 400 days"),
    ]  # fmt: skip


def test_a_mock_clock_that_jumps_by_itself_goes_on_by_what_its_loop_waits(log):
    clock = trio.testing.MockClock(autojump_threshold=0)

    async def main():
        log(trio.current_time())
        await trio.sleep(3600)
        log(trio.current_time())
        await trio.to_thread.run_sync(time.sleep, 2)
        log(trio.current_time())
        clock.jump(10)
        log(trio.current_time())
        with trio.move_on_after(0.1):
            await trio.Event().wait()
        log(trio.current_time())

    with Simulation():
        trio.run(main, clock=clock)
        time.sleep(5)
        log(clock.current_time())
        trio.run(trio.sleep, 1, clock=clock)
        log(clock.current_time())

    assert log == [
        (0.0, 0.0), (3600.0, 3600.0), (3602.0, 3602.0), (3602.0, 3612.0), (3602.1, 3612.1),
        (3607.1, 3612.1), (3608.1, 3613.1),
    ]  # fmt: skip


def test_a_mock_clock_does_not_jump_over_threads_and_other_loops(log):
    """Its own way would: it knows of its loop's tasks only."""
    answers = queue.Queue()

    def other():
        asyncio.run(asyncio.sleep(2))
        answers.put("answer")

    async def main():
        threading.Thread(target=other).start()
        with trio.fail_after(3):
            log(await trio.to_thread.run_sync(answers.get))

    with Simulation():
        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))

    assert log == [(2.0, "answer")]


def test_a_mock_clock_may_begin_and_cease_to_jump(log):
    clock = trio.testing.MockClock()

    async def main():
        await trio.to_thread.run_sync(time.sleep, 5)
        log(trio.current_time())
        clock.autojump_threshold = 0
        await trio.sleep(1)
        log(trio.current_time())
        clock.autojump_threshold = math.inf
        await trio.to_thread.run_sync(time.sleep, 5)
        log(trio.current_time())
        clock.jump(3)
        log(trio.current_time())

    with Simulation():
        trio.run(main, clock=clock)

    assert log == [(5.0, 0.0), (6.0, 1.0), (11.0, 1.0), (11.0, 4.0)]


def test_a_mock_clock_does_not_see_what_steps_cost(log):
    """What its tasks read is what they have slept."""

    async def main():
        for _ in range(5):
            start = trio.current_time()
            await trio.sleep(1)
            log(trio.current_time() - start)

    with Simulation(step_cost=1e-6) as sim:
        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
        assert 5 < sim.elapsed < 5.001

    assert [what for _, what in log] == [1.0] * 5


def test_a_mock_clock_that_nobody_moves_is_a_deadlock():
    with pytest.raises(Deadlock, match=r"at virtual \+0 s"):
        simclock.run(functools.partial(trio.run, trio.sleep, 5, clock=trio.testing.MockClock()))


def test_a_mock_clock_with_a_rate_is_that_much_faster(log):
    async def main():
        await trio.sleep(3600)
        log(trio.current_time())

    with Simulation():
        trio.run(main, clock=trio.testing.MockClock(rate=10, autojump_threshold=0))

    assert log == [(360.0, 3600.0)]


def test_a_mock_clock_outside_is_what_it_was():
    async def main():
        await trio.sleep(3600)
        return trio.current_time()

    with Simulation() as sim, sim.real_time():
        clock = trio.testing.MockClock(autojump_threshold=0)
        assert trio.run(main, clock=clock) == 3600.0
        assert sim.elapsed == 0

    assert trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0)) == 3600.0


# ------------------------------------------------------------------------ its order


def test_wait_all_tasks_blocked_takes_no_time(log):
    async def child():
        for _ in range(3):
            await trio.lowlevel.checkpoint()
        log("child is done")
        await trio.sleep(1)
        log("child has slept")

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child)
            await trio.testing.wait_all_tasks_blocked()
            log("blocked")

    with Simulation():
        trio.run(main)

    assert log == [(0.0, "child is done"), (0.0, "blocked"), (1.0, "child has slept")]


FIRST_IMPORT = """
import json, simclock

def program():
    import trio
    log = []
    async def child(number):
        await trio.sleep(1)
        log.append(number)
    async def main():
        async with trio.open_nursery() as nursery:
            for number in range(8):
                nursery.start_soon(child, number)
        log.append(trio.current_time())
    trio.run(main)
    return log

print(json.dumps([simclock.run(program) for _ in range(2)]))
"""


def test_a_first_import_inside_a_simulation_is_as_any(child):
    (line,) = child(FIRST_IMPORT)

    assert json.loads(line) == [[*range(8), 11001.0]] * 2


MIXED = """
import asyncio, functools, json, queue, threading, time, simclock, trio

def program():
    log, start = [], time.monotonic()
    note = lambda *what: log.append((time.monotonic() - start, *what))
    to_thread, to_trio = queue.Queue(), queue.Queue()

    def in_asyncio():
        async def tick(name, seconds):
            for number in range(4):
                await asyncio.sleep(seconds)
                note("asyncio", name, number)
                to_thread.put((name, number))
        async def main():
            await asyncio.gather(*{asyncio.create_task(tick(name, 1)) for name in "abc"})
            to_thread.put(None)
        asyncio.run(main())

    def in_thread():
        while (item := to_thread.get()) is not None:
            note("thread", *item)
            to_trio.put(item)
        to_trio.put(None)

    def in_trio():
        async def tick(number):
            for _ in range(4):
                await trio.sleep(1)
                note("trio", number)
        async def main():
            async with trio.open_nursery() as nursery:
                for number in range(3):
                    nursery.start_soon(tick, number)
                while (item := await trio.to_thread.run_sync(to_trio.get)) is not None:
                    note("trio got", *item)
        trio.run(main)

    threads = [threading.Thread(target=each) for each in (in_asyncio, in_thread, in_trio)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    return log

with simclock.Simulation() as sim:
    log = program()
print(len(log), log[:7], sim.trace.digest)
print(simclock.run(program) == log)
"""


def test_asyncio_trio_and_a_thread_interleave_the_same_in_every_process(child):
    runs = [child(MIXED, PYTHONHASHSEED=seed) for seed in ("0", "1", "2")]

    assert runs[0] == runs[1] == runs[2]
    (first, again) = runs[0]
    assert again == "True"
    assert first.startswith("48 [")


# ---------------------------------------------------------------------- its threads


def test_threads_of_a_simulation_are_not_those_of_others():
    """An idle thread would run the next job where it was started: inside, or outside."""

    async def ident():
        return await trio.to_thread.run_sync(threading.get_ident)

    outside = trio.run(ident)
    with Simulation() as sim:
        inside = trio.run(ident)
        assert inside in {thread.ident for thread in sim.threads}
        with sim.real_time():
            assert trio.run(ident) == outside
        assert [thread.name for thread in sim.threads] == ["root", "Trio thread 0"]

    assert trio.run(ident) != inside
    assert all(worker._thread.is_alive() for worker in _thread_cache.THREAD_CACHE._idle_workers)


def test_a_child_process_forgets_idle_threads(child):
    lines = child("""
import os, simclock, trio
from trio._core import _thread_cache

async def main():
    await trio.to_thread.run_sync(int)

with simclock.Simulation():
    trio.run(main)
    print(len(_thread_cache.THREAD_CACHE._idle_workers))
    _thread_cache.clear_worker_threads()
    print(len(_thread_cache.THREAD_CACHE._idle_workers))
print(len(_thread_cache.THREAD_CACHE._idle_workers))
""")

    assert lines == ["1", "0", "0"]


def test_from_thread_and_cancel_scopes(log):
    def work(scope):
        time.sleep(1)
        trio.from_thread.run(trio.sleep, 0.5)
        log("slept from a thread")
        trio.from_thread.run_sync(scope.cancel)

    async def main():
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.to_thread.run_sync, work, scope)
                try:
                    await trio.sleep_forever()
                finally:
                    log("cancelled")

    with Simulation():
        trio.run(main)

    assert log == [(1.5, "slept from a thread"), (1.5, "cancelled")]


def test_sockets_and_processes(log):
    async def main():
        left, right = trio.socket.socketpair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(left.send, b"hello")
            log((await right.recv(10)).decode())
        with trio.move_on_after(5):
            await right.recv(10)
        log("nothing came")
        left.close()
        right.close()
        done = await trio.run_process([sys.executable, "-c", "print('child')"], capture_stdout=True)
        log(done.stdout.decode().strip())

    with Simulation():
        trio.run(main)

    assert log == [(0.0, "hello"), (5.0, "nothing came"), (5.0, "child")]


# -------------------------------------------------------------------------- as a guest


def as_guest(main, loop):
    """Run *main* of trio as a guest of asyncio's *loop*; return its outcome in a future."""
    done = loop.create_future()
    trio.lowlevel.start_guest_run(
        main,
        run_sync_soon_threadsafe=loop.call_soon_threadsafe,
        done_callback=done.set_result,
        host_uses_signal_set_wakeup_fd=True,
    )
    return done


def test_a_simulation_inside_of_a_task_leaves_the_outer_one_its_loops(log):
    async def other():
        for _ in range(3):
            await trio.sleep(1)
            log(trio.current_time())

    async def main():
        await trio.sleep(0.5)
        with Simulation() as inner:
            trio_in_a_thread = threading.Thread(target=trio.run, args=(trio.sleep, 5))
            trio_in_a_thread.start()
            trio_in_a_thread.join()
            assert inner.elapsed == 5
        await trio.sleep(0.25)
        log("after the inner one")

    with Simulation():
        clock = trio.testing.MockClock(autojump_threshold=0)
        thread = threading.Thread(target=functools.partial(trio.run, other, clock=clock))
        thread.start()
        trio.run(main)
        thread.join()

    assert log == [(0.75, "after the inner one"), (1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]


def test_what_a_cancellation_reaches_is_in_order():
    def program():
        order = []

        async def child(number):
            def abort(_raise_cancel):
                order.append(number)
                return trio.lowlevel.Abort.SUCCEEDED

            with trio.CancelScope():
                await trio.lowlevel.wait_task_rescheduled(abort)

        async def main():
            async with trio.open_nursery() as nursery:
                for number in range(20):
                    nursery.start_soon(child, number)
                await trio.sleep(1)
                nursery.cancel_scope.cancel()

        trio.run(main)
        return order

    kept = []  # so that addresses differ
    orders = []
    for _ in range(3):
        orders.append(simclock.run(program))
        kept.append([object() for _ in range(1000)])

    assert orders[0] == orders[1] == orders[2]
    assert sorted(orders[0]) == list(range(20))


def test_a_task_that_blocks_its_thread_is_who_is_told():
    """And not the main task, which only waits for it."""
    told = []

    async def blocks():
        try:
            threading.Event().wait()
        except Deadlock:
            told.append("who blocks")

    async def main():
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(blocks)
        except BaseException:
            told.append("the main task")
            raise

    with pytest.raises(Deadlock), Simulation():
        trio.run(main)

    assert told == ["who blocks"]


def test_a_mock_clock_does_not_go_back(log):
    clock = trio.testing.MockClock(autojump_threshold=0)

    async def main():
        await trio.sleep(5)
        log(trio.current_time())

    def jump():
        time.sleep(1)
        clock.jump(10)

    with Simulation():
        threading.Thread(target=jump).start()
        trio.run(main, clock=clock)

    assert log == [(5.0, 10.0)]


def test_as_a_guest_of_asyncio(log):
    async def in_trio():
        for _ in range(3):
            await trio.sleep(1)
            log("trio")
        assert await trio.to_thread.run_sync(lambda: 7) == 7
        assert flavours.running().name == "trio"
        return "of trio"

    async def in_asyncio():
        assert flavours.running().name == "asyncio"
        done = as_guest(in_trio, asyncio.get_running_loop())
        for _ in range(3):
            await asyncio.sleep(1.25)
            log("asyncio")
        log((await done).unwrap())

    def program():
        asyncio.run(in_asyncio())

    with Simulation():
        program()

    assert log == [
        (1.0, "trio"), (1.25, "asyncio"), (2.0, "trio"), (2.5, "asyncio"), (3.0, "trio"),
        (3.75, "asyncio"), (3.75, "of trio"),
    ]  # fmt: skip


# ------------------------------------------------------------------- what never goes on


def tree_of(error):
    """Return the lines of a report about tasks."""
    return [line for line in str(error).splitlines() if " waits at " in line or " wait at " in line]


async def stuck():
    await trio.Event().wait()


def test_a_deadlock_shows_the_tree_of_its_tasks():
    async def parent():
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(stuck)
            nursery.start_soon(trio.Lock().acquire, name="free")
            await trio.sleep(1)

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(parent)
            nursery.start_soon(stuck, name="another")

    trio_line = stuck.__code__.co_firstlineno + 1
    own = main.__code__.co_firstlineno + 1
    with pytest.raises(Deadlock, match=r"1 thread can never run again, at virtual \+1 s") as caught:
        simclock.run(trio.run, main)

    file = "test_trio.py"
    many = "stuck, stuck, stuck and 2 more"
    assert tree_of(caught.value) == [
        f"    task main waits at {file}:{own} __aexit__",
        f"      task parent waits at {file}:{parent.__code__.co_firstlineno + 1} __aexit__",
        f"        5 tasks wait at {file}:{trio_line} wait: {many}",
        f"      task another waits at {file}:{trio_line} wait",
    ]
    # What was told once is in the report once, and trio runs on.
    assert trio.run(flavours.get("trio").sleep, 0) is None


def test_it_is_raised_in_the_main_task_which_may_clean_up(log):
    async def main():
        try:
            await trio.Event().wait()
        except Deadlock:
            log("told")
            await trio.sleep(1)
            log("and cleaned up")
            raise

    with pytest.raises(Deadlock), Simulation():
        trio.run(main)

    assert log == [(0.0, "told"), (1.0, "and cleaned up")]


def test_who_swallows_it_and_waits_on_gets_it_at_the_end(log):
    async def main():
        with pytest.raises(Deadlock):
            await trio.Event().wait()
        log("told")
        await trio.Event().wait()

    with pytest.raises(Deadlock), Simulation():
        trio.run(main)

    assert log == [(0.0, "told")]


def test_a_call_in_a_thread_that_never_ends_cannot_be_interrupted():
    """Then the loop itself raises."""

    async def main():
        await trio.to_thread.run_sync(threading.Event().wait)

    with pytest.raises(Deadlock) as caught:
        simclock.run(trio.run, main)

    assert "task main waits at" in str(caught.value)


@pytest.mark.parametrize("is_daemon", [False, True])
def test_a_loop_that_is_left_behind_ends_in_its_own_way(is_daemon, capsys):
    cleaned = []

    async def main():
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stuck)
                await trio.sleep(1e6)
        finally:
            cleaned.append(True)

    def program():
        with Simulation(drain=1):
            threading.Thread(target=trio.run, args=(main,), daemon=is_daemon).start()
            time.sleep(1)

    if is_daemon:
        program()
    else:
        with pytest.raises(simclock.Leak):
            program()

    assert cleaned == [True]
    assert capsys.readouterr() == ("", "")


def test_a_loop_that_spins_is_a_livelock():
    async def main():
        while True:
            await trio.sleep(0)

    said = f"task main waits at test_trio.py:{main.__code__.co_firstlineno + 2} sleep"
    with pytest.raises(simclock.Livelock, match=said), Simulation(max_steps_per_instant=10_000):
        trio.run(main)


def test_who_reads_the_clock_again_and_again_sees_it_move():
    async def main():
        end = trio.current_time() + 0.5
        while trio.current_time() < end:
            await trio.lowlevel.checkpoint()

    with Simulation() as sim:
        trio.run(main)
        assert 0.5 <= sim.elapsed < 0.51


def test_a_system_task_of_the_program_is_in_the_report():
    async def main():
        trio.lowlevel.spawn_system_task(stuck, name="of the program")
        await trio.Event().wait()

    with pytest.raises(Deadlock) as caught:
        simclock.run(trio.run, main)

    assert [line.split(" waits ")[0].strip() for line in tree_of(caught.value)] == [
        "task main",
        "task of the program",
    ]


def test_a_guest_that_is_left_behind_harms_nobody(capsys):
    async def in_asyncio():
        as_guest(trio.sleep_forever, asyncio.get_running_loop())
        await asyncio.Event().wait()

    with Simulation(drain=1):
        threading.Thread(target=asyncio.run, args=(in_asyncio(),), daemon=True).start()
        time.sleep(1)

    def in_the_opening_thread():
        with Simulation(drain=1):
            loop = asyncio.new_event_loop()
            as_guest(trio.sleep_forever, loop)
            loop.run_until_complete(asyncio.sleep(1))
            loop.close()
        trio.run(trio.sleep, 0)

    in_the_opening_thread()
    thread = threading.Thread(target=in_the_opening_thread)
    thread.start()
    thread.join()
    trio.run(trio.sleep, 0)
    assert capsys.readouterr() == ("", "")


def test_a_coroutine_that_never_lets_go_is_let_go():
    class Stubborn:
        asked = 0

        def close(self):
            self.asked += 1
            raise RuntimeError("coroutine ignored GeneratorExit")

    coroutine = Stubborn()
    loops._close(coroutine)

    assert coroutine.asked == loops.PATIENCE


# ------------------------------------------------------------------------- afterwards


def test_all_is_as_it_was():
    def state():
        return {
            "order": _run._r,
            "clock": vars(_run.SystemClock)["current_time"],
            "sleep": vars(_run.SystemClock)["deadline_to_sleep_time"],
            "mock": vars(trio.testing.MockClock)["deadline_to_sleep_time"],
            "resync": vars(trio.testing.MockClock)["_try_resync_autojump_threshold"],
            "events": vars(_io_epoll.EpollIOManager)["get_events"],
            "scopes": vars(_run.CancelStatus)["__init__"],
            "names": _thread_cache.name_counter,
            "flag": _run._ALLOW_DETERMINISTIC_SCHEDULING,
            "most": _run._MAX_TIMEOUT,
            "setup": _run.setup_runner,
            "threads": _thread_cache.THREAD_CACHE,
            "id": vars(_run).get("id"),
        }

    before = state()
    with Simulation():
        trio.run(trio.sleep, 1)

        same = [name for name, value in state().items() if value is before[name]]
        # pytest-trio sets the flag for good, and the longest wait is the same number to others.
        assert [name for name in same if name != "flag"] == []

    assert state() == before


def test_fixtures_of_pytest_trio_are_in_order(monkeypatch):
    """It may not be installed here: it goes by a set of them."""
    plugin = types.ModuleType("pytest_trio.plugin")
    monkeypatch.setitem(sys.modules, "pytest_trio.plugin", plugin)

    with Simulation():
        assert list(plugin.set("cab")) == ["c", "a", "b"]

    assert not hasattr(plugin, "set")


def test_a_foreign_thread_s_trio_is_the_usual_one():
    """Its order is by chance, its time is real."""
    found, offsets = [], []

    async def main():
        for _ in range(3):
            await trio.sleep(0.001)
        await trio.to_thread.run_sync(int)
        found.append(trio.current_time())
        if not offsets:
            offsets.append(trio.lowlevel.current_clock().offset)

    go_on, done = threading.Event(), threading.Event()

    def foreign():
        go_on.wait()
        trio.run(main)
        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
        done.set()

    thread = threading.Thread(target=foreign)
    thread.start()
    with Simulation() as sim:
        with sim.real_time():
            go_on.set()
            done.wait()
        trio.run(trio.sleep, 1)
    thread.join()

    assert offsets != [10000.0]
    assert found[1] == pytest.approx(0.003)


def test_a_random_number_of_trio_s_own_is_still_there():
    with Simulation():
        assert 0 <= _run._r.random() < 1
        assert functools.reduce(lambda total, _: total + _run._r.uniform(1, 2), range(2), 0) == 2
