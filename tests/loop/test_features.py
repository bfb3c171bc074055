"""What the stock loop has, in a simulation; and what only this one has."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import re
import signal
import socket
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest

from simclock import (
    Deadlock,
    Livelock,
    SimEventLoop,
    Simulation,
    hookimpl,
    register,
    run,
    unregister,
)

# The first instant of a simulation, in nanoseconds.
START_NS = 1000 * 10**9


# ------------------------------------------------------------------------- the trace


def steps(sim):
    """Return the steps of tasks in the trace: seconds, path, name, line, part of asyncio."""
    found = []
    for record in sim.trace.records:
        name, _, site = record.detail.partition(" ")
        file, _, line = site.partition(":")
        if record.kind == "step" and file == "test_features.py":
            number, *called = line.split()
            found.append(
                ((record.time_ns - START_NS) / 1e9, record.path, name, int(number), *called)
            )
    return found


@pytest.mark.parametrize("debug", [False, True])
def test_each_step_of_a_task_is_in_the_trace(debug):
    async def inner():
        await asyncio.sleep(1)

    async def main():
        task = asyncio.create_task(inner(), name="inner")
        asyncio.get_running_loop().call_soon(task.get_name)
        await task

    with Simulation() as sim:
        worker = threading.Thread(target=lambda: asyncio.run(main(), debug=debug))
        worker.start()
        worker.join()

    line = inner.__code__.co_firstlineno
    assert steps(sim) == [
        (0.0, "0.1", "Task-1", line + 3),
        (0.0, "0.1", "inner", line),
        (1.0, "0.1", "inner", line + 1, "sleep"),
        (1.0, "0.1", "Task-1", line + 6),
    ]


def test_observers_see_the_steps_and_may_wait_for_nothing(log):
    class Watcher:
        @hookimpl
        def simclock_trace_observers(self, simulation):
            def observe(record):
                if record.kind == "step":
                    time.sleep(0)  # in the kernel: the original
                    log(record.detail.split()[0])

            return [observe]

    async def main():
        await asyncio.sleep(1)

    watcher = Watcher()
    register(watcher)
    try:
        with Simulation():
            asyncio.run(main())
    finally:
        unregister(watcher)

    assert [what for _, what in log[:2]] == ["Task-1", "Task-1"]


def test_a_name_made_from_a_repr_has_no_address_in_the_trace():
    class Subject:
        async def work(self):
            await asyncio.sleep(1)

    async def main():
        subject = Subject()
        await asyncio.create_task(subject.work(), name=repr(subject))

    digests = set()
    for _ in range(3):
        with Simulation() as sim:
            asyncio.run(main())
        digests.add(sim.trace.digest)
    assert len(digests) == 1
    assert any("Subject object> " in record.detail for record in sim.trace.records)


def test_what_is_awaited_need_not_be_a_coroutine():
    """Generators, and objects with __await__, have no frames that one could walk."""

    class Nap:
        def __await__(self):
            return (yield from asyncio.sleep(1).__await__())

    async def main():
        await Nap()
        await asyncio.gather(asyncio.ensure_future(Nap()))

    with Simulation() as sim:
        asyncio.run(main())

    assert sim.elapsed == 2.0


def test_a_coroutine_that_was_closed_by_others_has_no_place(log):
    async def main():
        coroutine = asyncio.sleep(1)
        task = asyncio.create_task(coroutine, name="closed")
        coroutine.close()
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            await task

    with Simulation() as sim:
        asyncio.run(main())

    assert "closed ended" in [record.detail for record in sim.trace.records]


# ------------------------------------------------------------------------- order


def test_sets_of_tasks_and_futures_are_in_order_of_creation():
    async def main():
        loop = asyncio.get_running_loop()
        tasks = {asyncio.create_task(asyncio.sleep(n), name=f"t{n}") for n in range(9)}
        futures = {loop.create_future(): None for _ in range(3)}
        assert [task.get_name() for task in tasks] == [f"t{n}" for n in range(9)]
        assert [hash(future) for future in futures] == sorted(hash(f) for f in futures)
        done, pending = await asyncio.wait(tasks, timeout=3.5)
        return [[task.get_name() for task in found] for found in (done, pending)]

    found = [run(asyncio.run, main()) for _ in range(2)]

    assert found[0] == found[1] == [["t0", "t1", "t2", "t3"], ["t4", "t5", "t6", "t7", "t8"]]


def test_order_does_not_depend_on_the_process(child):
    program = """
        import asyncio, simclock
        from concurrent.futures import ThreadPoolExecutor
        import anyio

        async def nap(seconds, log, name):
            try:
                await anyio.sleep(seconds)
            finally:
                log.append(name)

        async def main():
            log = []
            async with anyio.create_task_group() as outer:
                for name in "abc":
                    async def inner(name=name):
                        async with anyio.create_task_group() as group:
                            for number in range(3):
                                group.start_soon(nap, 9, log, f"{name}{number}")
                    outer.start_soon(inner)
                await anyio.sleep(1)
                outer.cancel_scope.cancel()
            return log

        with simclock.Simulation() as sim:
            print(asyncio.run(main()))
            with ThreadPoolExecutor(5) as pool:
                list(pool.map(lambda _: simclock.active().elapsed, range(5)))
        print(sim.trace.digest)
    """
    found = {tuple(child(program, PYTHONHASHSEED=seed)) for seed in ("0", "1", "2")}
    assert len(found) == 1


@pytest.mark.parametrize("debug", [False, True])
def test_tasks_may_read_the_clock_once_each(debug):
    """Only who reads it again and again is waiting."""

    async def job():
        await asyncio.wait_for(asyncio.sleep(1), 5)

    async def main():
        await asyncio.gather(*(job() for _ in range(3000)))

    with Simulation() as sim:
        asyncio.run(main(), debug=debug)

    assert sim.elapsed == 1.0


def test_who_reads_the_clock_turn_after_turn_is_waiting(log):
    async def main():
        end = time.monotonic() + 0.01
        while time.monotonic() < end:
            await asyncio.sleep(0)
        log("over")

    run(asyncio.run, main())

    assert 0.01 <= log[0][0] < 0.02


def test_what_is_a_task_is_a_task_by_every_name():
    async def main():
        future = asyncio.get_running_loop().create_future()
        for module in (asyncio, asyncio.futures):
            assert isinstance(future, module.Future)
            assert isinstance(module.Future(), module.Future)
        for module in (asyncio, asyncio.tasks):
            assert isinstance(asyncio.current_task(), module.Task)
            assert issubclass(type(asyncio.current_task()), module.Task)
            assert not isinstance(future, module.Task)

        class Own(asyncio.Task):
            pass

        own = Own(asyncio.sleep(0))
        assert isinstance(own, Own)
        assert not isinstance(asyncio.current_task(), Own)
        assert not issubclass(asyncio.Task, Own)
        await own

    run(asyncio.run, main())


def test_sets_of_tasks_made_by_the_class_are_in_order():
    async def nap(log, number):
        try:
            await asyncio.sleep(9)
        finally:
            log.append(number)

    async def main():
        log = []
        tasks = [asyncio.Task(nap(log, number)) for number in range(9)]
        await asyncio.sleep(0)
        for task in set(tasks):
            task.cancel()
        await asyncio.wait(tasks)
        return log

    assert run(asyncio.run, main()) == list(range(9))


def test_a_trace_does_not_depend_on_what_foreign_threads_do():
    async def main():
        for _ in range(200):
            await asyncio.sleep(0.01)

    def program():
        sleeper = threading.Thread(target=time.sleep, args=(1000,))
        sleeper.start()
        asyncio.run(main())
        sleeper.join()

    def busy(end):
        lock = threading.Lock()
        while not end.is_set():
            with lock:
                pass

    digests = set()
    for foreign in (False, True, True):
        end = threading.Event()
        thread = threading.Thread(target=busy, args=(end,))
        if foreign:
            thread.start()
        with Simulation() as sim:
            program()
        digests.add(sim.trace.digest)
        end.set()
        if foreign:
            thread.join()
    assert len(digests) == 1


# ------------------------------------------------------------------------- features


@pytest.mark.usefixtures("each_loop")
def test_signal_handlers_run_in_the_loop(log):
    async def main():
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, log, "handled")
        await asyncio.sleep(1)
        signal.raise_signal(signal.SIGUSR1)
        await asyncio.sleep(1)
        log("done")
        assert loop.remove_signal_handler(signal.SIGUSR1)

    run(asyncio.run, main())

    assert log == [(1.0, "handled"), (2.0, "done")]


@pytest.mark.usefixtures("each_loop")
def test_an_interrupt_cancels_the_main_task(log):
    async def main():
        asyncio.get_running_loop().call_later(2, signal.raise_signal, signal.SIGINT)
        try:
            await asyncio.sleep(9)
        finally:
            log("cancelled")

    with pytest.raises(KeyboardInterrupt):
        run(asyncio.run, main())

    assert log == [(2.0, "cancelled")]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_eager_tasks(log):
    async def work(seconds):
        log((asyncio.current_task().get_name(), "begins"))
        await asyncio.sleep(seconds)
        return seconds

    async def done():
        return "at once"

    async def main():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        task = asyncio.create_task(work(1))
        finished = asyncio.create_task(done(), name="finished")
        log(finished.result())
        asyncio.get_running_loop().call_soon(finished.cancel)
        log(await task)

    run(asyncio.run, main())

    assert log == [(0.0, ("Task-2", "begins")), (0.0, "at once"), (1.0, 1)]


def test_a_task_factory_of_the_users_gets_the_names(log):
    async def main():
        loop = asyncio.get_running_loop()
        made = []
        loop.set_task_factory(
            lambda loop, coro, **more: made.append(1) or asyncio.Task(coro, loop=loop)
        )
        await asyncio.create_task(asyncio.sleep(1))
        log((len(made), asyncio.create_task(asyncio.sleep(0)).get_name()))

    for _ in range(2):
        run(asyncio.run, main())

    assert log == [(1.0, (1, log[0][1][1]))] * 2
    assert re.fullmatch(r"Task-[345]", log[0][1][1])


def test_a_name_that_a_task_factory_gives_is_kept(log):
    async def main():
        loop = asyncio.get_running_loop()
        loop.set_task_factory(lambda loop, coro: asyncio.Task(coro, loop=loop, name="mine"))
        if sys.version_info[:2] != (3, 13):  # 3.13.0 overwrites it
            log(asyncio.create_task(asyncio.sleep(0)).get_name())
        log(asyncio.create_task(asyncio.sleep(0), name="given").get_name())

    run(asyncio.run, main())

    assert [what for _, what in log] in (["mine", "given"], ["given"])


def test_debug_mode_says_what_takes_long_in_virtual_time(caplog):
    async def main():
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0.25)
        time.sleep(0.5)
        loop.call_soon(time.sleep, 2)
        loop.call_soon(time.sleep, 9).cancel()
        handle = loop.call_later(1, print)
        assert handle._source_traceback[-1].name == "main"
        assert loop.call_soon(int)._source_traceback[-1].name == "main"
        handle.cancel()
        await asyncio.sleep(0)

    with Simulation(), caplog.at_level(logging.WARNING, "asyncio"):
        asyncio.run(main(), debug=True)

    messages = [record.getMessage() for record in caplog.records]
    assert [message.split(" created at")[0].split("coro=<")[0] for message in messages] == [
        "Executing <Task pending name='Task-1' ",
        "Executing <Handle sleep(2)",
    ]
    assert [message.rpartition(" took ")[2] for message in messages] == [
        "0.500 seconds",
        "2.000 seconds",
    ]


def test_debug_mode_checks_threads_and_callbacks():
    async def main():
        loop = asyncio.get_running_loop()
        with pytest.raises(TypeError, match="coroutines cannot be used with call_at"):
            loop.call_later(1, main)
        found = []

        def call():
            try:
                loop.call_later(1.0, print)
            except RuntimeError as error:
                found.append(str(error))

        await asyncio.to_thread(call)
        assert found == [
            "Non-thread-safe operation invoked on an event loop other than the current one"
        ]

    with Simulation():
        asyncio.run(main(), debug=True)


def test_a_running_loop_cannot_be_run():
    async def main():
        with pytest.raises(RuntimeError, match="This event loop is already running"):
            asyncio.get_running_loop().run_forever()
        await asyncio.sleep(1)

    with Simulation() as sim:
        asyncio.run(main())

    assert sim.elapsed == 1.0


def test_readers_and_writers(log):
    async def main():
        loop = asyncio.get_running_loop()
        one, other = socket.socketpair()
        with one, other:
            one.setblocking(False)
            loop.add_reader(one, lambda: log(one.recv(10)))
            loop.call_later(1.5, other.send, b"word")
            await asyncio.sleep(2)
            assert loop.remove_reader(one)
            writable = asyncio.Event()
            loop.add_writer(one, writable.set)
            await writable.wait()
            loop.remove_writer(one)
            log("writable")

    run(asyncio.run, main())

    assert log == [(1.5, b"word"), (2.0, "writable")]


def test_async_generators_are_closed_at_the_end(log):
    async def numbers():
        try:
            for number in range(9):
                yield number
                await asyncio.sleep(1)
        finally:
            await asyncio.sleep(1)
            log("closed")

    kept = []

    async def main():
        kept.append(numbers())
        async for number in kept[0]:
            if number == 2:
                break
        log("left")

    run(asyncio.run, main())

    assert log == [(2.0, "left"), (3.0, "closed")]


def test_the_exception_handler_gets_what_a_callback_raised(log):
    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: log(repr(context["exception"])))
        loop.call_later(1, int, "x")
        future = loop.create_future()
        loop.call_later(1, future.set_result, 1)
        loop.call_later(1, future.set_result, 2)
        await asyncio.sleep(2)
        return type(loop)

    assert run(asyncio.run, main()) is SimEventLoop
    assert log == [
        (1.0, "ValueError(\"invalid literal for int() with base 10: 'x'\")"),
        (1.0, "InvalidStateError('invalid state')"),
    ]


def test_a_sleep_that_somebody_else_ended_is_reported_as_by_the_stock_loop(log):
    """Nobody should know a sleep's future, but who looks for garbage does."""

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: log(repr(context["exception"])))
        future = asyncio.Future()
        loop.call_later(1.0, asyncio.futures._set_result_unless_cancelled, future, "late")
        future.set_result("early")
        cancelled = asyncio.Future()
        loop.call_later(1.0, asyncio.futures._set_result_unless_cancelled, cancelled, "late")
        cancelled.cancel()
        await asyncio.sleep(2)

    run(asyncio.run, main())

    assert log == [(1.0, "InvalidStateError('invalid state')")]


def test_context_variables(log):
    variable = contextvars.ContextVar("variable", default=0)

    async def main():
        loop = asyncio.get_running_loop()
        variable.set(1)
        loop.call_later(1, lambda: log(variable.get()))
        other = contextvars.copy_context()
        other.run(variable.set, 2)
        loop.call_later(1, lambda: log(variable.get()), context=other)
        loop.call_soon(lambda: log(variable.get()), context=other)
        await asyncio.sleep(2)

    run(asyncio.run, main())

    assert log == [(0.0, 2), (1.0, 1), (1.0, 2)]


def test_a_failed_task_that_nobody_keeps_is_told_of_at_once(log):
    async def fail():
        raise LookupError("lost")

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: log(context["message"]))
        reference = weakref.ref(asyncio.create_task(fail()))
        await asyncio.sleep(1)
        log(reference())

    gc.disable()
    try:
        run(asyncio.run, main())
    finally:
        gc.enable()

    assert log == [(0.0, "Task exception was never retrieved"), (1.0, None)]


def test_foreign_threads_wake_the_loop_while_the_clock_is_held(log):
    begin = threading.Event()

    async def main(sim):
        loop = asyncio.get_running_loop()
        event = asyncio.Event()
        hold = sim.hold("a foreign thread")

        def foreign():
            begin.wait(20)
            loop.call_soon_threadsafe(event.set)
            hold.release()

        with sim.real_time():
            threading.Thread(target=foreign).start()
        begin.set()
        await asyncio.wait_for(event.wait(), 5)
        log("woken")

    with Simulation() as sim:
        asyncio.run(main(sim))

    assert log == [(0.0, "woken")]


def test_turns_without_end_at_one_instant_are_a_livelock():
    async def main():
        while True:
            await asyncio.sleep(0)

    with pytest.raises(Livelock, match="more than 5000 steps at virtual"):
        run(asyncio.run, main(), max_steps_per_instant=5000)


def test_threads_get_their_turns_while_the_loop_spins(log):
    async def main():
        thread = threading.Thread(target=log, args=("thread",))
        thread.start()
        while thread.is_alive():
            await asyncio.sleep(0)
        log("loop")

    run(asyncio.run, main())

    assert log == [(0.0, "thread"), (0.0, "loop")]


def test_a_deadlock_names_the_tasks():
    async def wait_for_ever():
        await asyncio.Event().wait()

    async def main():
        await asyncio.sleep(1)
        await asyncio.gather(wait_for_ever(), anyio.sleep_forever())

    with pytest.raises(Deadlock) as caught:
        run(asyncio.run, main())

    line = wait_for_ever.__code__.co_firstlineno
    lines = [each.strip() for each in str(caught.value).splitlines()]
    assert lines[0] == "deadlock: 1 thread can never run again, at virtual +1 s"
    assert [each for each in lines if each.startswith("task ")][:2] == [
        f"task Task-1 waits at test_features.py:{line + 5}",
        f"task Task-2 waits at test_features.py:{line + 1} wait",
    ]


def test_many_tasks_that_wait_at_one_place_are_one_line():
    async def main():
        event = asyncio.Event()
        await asyncio.gather(*(event.wait() for _ in range(20)))

    with pytest.raises(
        Deadlock, match=r"20 tasks wait at locks.py:[0-9]+: Task-2, Task-3, Task-4 and 17"
    ):
        run(asyncio.run, main())


def test_a_livelock_names_the_tasks():
    async def spin():
        while True:
            await asyncio.sleep(0)

    async def main():
        await asyncio.create_task(spin(), name="spinner")

    line = spin.__code__.co_firstlineno
    with pytest.raises(Livelock, match=f"task spinner waits at test_features.py:{line + 2} sleep"):
        run(asyncio.run, main(), max_steps_per_instant=5000)


def test_real_time_in_a_coroutine_is_real_for_what_it_awaits(log):
    async def main(sim):
        await asyncio.sleep(1)
        with sim.real_time():
            before = time.monotonic()
            await asyncio.sleep(0.05)
            assert time.monotonic() - before >= 0.05
        log("back")
        await asyncio.sleep(1)
        log("later")

    with Simulation() as sim:
        asyncio.run(main(sim))

    assert log == [(1.0, "back"), (2.0, "later")]


def test_a_loop_that_spins_in_real_time_does_not_count_for_the_simulation():
    async def main(sim):
        with sim.real_time():
            for _ in range(1000):
                await asyncio.sleep(0)
        await asyncio.sleep(1)

    with Simulation(max_steps_per_instant=600) as sim:
        asyncio.run(main(sim))

    assert sim.elapsed == 1.0


def test_the_threads_of_a_pool_are_as_good_as_a_set():
    with Simulation(), ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        threads = pool._threads
        known = next(iter(threads))
        assert known in threads
        assert len(threads) == 1
        threads.discard("no thread")
        threads.discard(known)
        assert not threads
        threads.add(known)


def test_a_coroutine_given_to_run_says_what_to_do():
    async def main():
        pass

    for given in (main, coroutine := main()):
        with pytest.raises(TypeError, match=r"simclock.run\(asyncio.run, main\(\)\)"):
            run(given)
    coroutine.close()
