"""SimEventLoop by itself: no simulation, nothing redirected."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from simclock import Deadlock, Livelock, SimEventLoop
from simclock.flavours.aio import drivers

# Real seconds for what takes real time; far more than it needs.
LIMIT = 20.0


@pytest.fixture
def loop():
    made = SimEventLoop()
    yield made
    made.close()


@pytest.fixture
def at(loop):
    """Return a log with the loop's time since now, and what adds to it."""
    start, found = loop.time(), []
    return found, lambda what: found.append((round(loop.time() - start, 9), what))


def test_nothing_else_moves(loop):
    before = time.monotonic()

    loop.run_until_complete(asyncio.sleep(1_000_000))

    assert time.monotonic() - before < 1000


@pytest.mark.skipif(sys.version_info < (3, 12), reason="asyncio.run has no loop_factory there")
def test_the_documented_way():
    async def main():
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    assert asyncio.run(main(), loop_factory=SimEventLoop) == 4600.0


def test_a_thread_of_the_programs_own_is_not_waited_for(loop, at):
    """As in a simulation it is."""
    log, note = at
    event = asyncio.Event()
    timer = threading.Timer(60, loop.call_soon_threadsafe, (event.set,))
    timer.start()

    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(event.wait(), 5)
        note("timed out")

    loop.run_until_complete(main())
    timer.cancel()
    timer.join()

    assert log == [(5.0, "timed out")]


def test_who_waits_for_the_real_clock_sleeps_through_hours(loop):
    async def main():
        start, until = loop.time(), time.monotonic() + 0.5
        while time.monotonic() < until:
            await asyncio.sleep(600)
        return loop.time() - start

    assert loop.run_until_complete(main()) > 3600


def test_a_server_that_listens_may_be_connected_to_by_anybody(loop, at):
    log, note = at

    async def main():
        gone = asyncio.Event()

        async def answer(_, writer):
            note("connected")
            writer.close()
            await writer.wait_closed()
            gone.set()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            address = server.sockets[0].getsockname()
            timer = threading.Timer(0.2, lambda: socket.create_connection(address).close())
            timer.start()
            await gone.wait()
            timer.join()

    loop.run_until_complete(main())

    assert log == [(0.0, "connected")]


def test_jobs_of_executors_hold_the_clock(loop, at):
    log, note = at

    async def main():
        job = loop.run_in_executor(None, time.sleep, 0.05)
        await asyncio.wait_for(job, 9)
        note("job")
        await asyncio.wait_for(asyncio.to_thread(time.sleep, 0.05), 9)
        note("thread")
        await asyncio.sleep(5)
        note("sleep")
        await loop.shutdown_default_executor()
        note("shut down")

    loop.run_until_complete(main())

    assert log == [(0.0, "job"), (0.0, "thread"), (5.0, "sleep"), (5.0, "shut down")]


def test_child_processes_hold_the_clock(loop, at):
    log, note = at

    async def main():
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "print(input())", stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        note((await asyncio.wait_for(child.communicate(b"word\n"), LIMIT))[0])
        await asyncio.sleep(1)
        note(child.returncode)

    loop.run_until_complete(main())

    assert log == [(0.0, b"word\n"), (1.0, 0)]


def test_a_job_that_waits_for_the_loop_is_not_waited_for_longer_than_in_reality(
    loop, at, monkeypatch
):
    monkeypatch.setattr(drivers, "LEAST_HOLD", 0.05)
    log, note = at
    event = threading.Event()
    loop.call_later(0.01, event.set)

    note(loop.run_until_complete(loop.run_in_executor(None, event.wait, LIMIT)))

    assert log == [(0.01, True)]
    loop.run_until_complete(loop.shutdown_default_executor())


def test_jobs_one_after_the_other_put_no_deadline_off(loop, monkeypatch):
    monkeypatch.setattr(drivers, "LEAST_HOLD", 0.05)

    async def main():
        async def jobs():
            while True:
                await asyncio.to_thread(time.sleep, 0.02)

        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(jobs(), 0.1)
        await loop.shutdown_default_executor()

    loop.run_until_complete(main())


def test_real_work_at_one_instant_is_no_livelock(loop, monkeypatch):
    monkeypatch.setattr(drivers, "TURNS_PER_INSTANT", 100)

    async def main():
        for _ in range(100):
            await asyncio.to_thread(int)
        await loop.shutdown_default_executor()

    loop.run_until_complete(main())


def test_idle_workers_of_its_pool_help_nobody(loop):
    async def main():
        await asyncio.to_thread(int)
        await asyncio.Event().wait()

    with pytest.raises(Deadlock):
        loop.run_until_complete(main())
    end(loop)
    loop.run_until_complete(loop.shutdown_default_executor())


def test_tasks_may_read_the_clock_once_each(loop):
    async def job():
        await asyncio.wait_for(asyncio.sleep(1), 5)

    async def main():
        await asyncio.gather(*(job() for _ in range(3000)))
        return loop.time()

    assert loop.run_until_complete(main()) == 1001.0


def test_a_crowd_that_reads_the_clock_turn_after_turn_is_waiting(loop):
    async def wait():
        end = loop.time() + 0.001
        while loop.time() < end:
            await asyncio.sleep(0)

    async def main():
        await asyncio.gather(*(wait() for _ in range(200)))
        return loop.time()

    assert 1000.001 <= loop.run_until_complete(main()) < 1001


def test_a_foreign_thread_wakes_the_loop_that_has_no_deadline(loop):
    async def main():
        event = asyncio.Event()

        def work():
            time.sleep(0.05)
            loop.call_soon_threadsafe(event.set)

        thread = threading.Thread(target=work)
        thread.start()
        await event.wait()
        thread.join()
        return loop.time()

    assert loop.run_until_complete(main()) == 1000.0


def test_a_thread_that_wakes_it_just_before_it_can_be_woken_is_not_missed():
    class Loop(SimEventLoop):
        def _open_self_pipe(self):
            # As late as a thread can be that found no self-pipe to write to.
            self.call_soon_threadsafe(self.stop)
            super()._open_self_pipe()

    loop = Loop()
    loop.run_forever()
    loop.close()

    assert loop.time() == 1000.0


def test_streams(loop, at):
    log, note = at

    async def serve(reader, writer):
        data = await reader.readline()
        await asyncio.sleep(2)
        writer.write(data.upper())
        writer.close()

    async def main():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"word\n")
            note(await asyncio.wait_for(reader.readline(), 9))
            writer.close()
            await writer.wait_closed()

    loop.run_until_complete(main())

    assert log == [(2.0, b"WORD\n")]


def test_signal_handlers(loop, at):
    log, note = at

    async def main():
        event = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, event.set)
        signal.raise_signal(signal.SIGUSR1)
        await event.wait()
        note("raised")
        # It is waited for, like anything outside, while no deadline is armed.
        threading.Timer(0.05, signal.pthread_kill, (threading.get_ident(), signal.SIGUSR1)).start()
        event.clear()
        await event.wait()
        note("from outside")
        loop.remove_signal_handler(signal.SIGUSR1)

    loop.run_until_complete(main())

    assert log == [(0.0, "raised"), (0.0, "from outside")]


def test_what_can_never_go_on_is_a_deadlock(loop):
    async def lock_twice():
        lock = asyncio.Lock()
        await lock.acquire()
        await lock.acquire()

    async def main():
        await asyncio.sleep(1.5)
        other = asyncio.create_task(lock_twice(), name="other")
        await asyncio.wait([other])

    line = main.__code__.co_firstlineno
    with pytest.raises(Deadlock) as caught:
        loop.run_until_complete(main())

    assert str(caught.value).splitlines() == [
        "deadlock: no task can ever run again and no timer is armed, at virtual +1.5 s",
        f"  task Task-1 waits at test_alone.py:{line + 3} wait",
        f"    task other waits at test_alone.py:{line - 2} acquire",
        "let something end the wait, or give it a timeout; each run ends here again",
    ]
    end(loop)


@pytest.fixture
def few_turns(monkeypatch):
    """Let loops that are made from now on call a thousand turns at one instant too many."""
    monkeypatch.setattr(drivers, "TURNS_PER_INSTANT", 1000)


@pytest.mark.usefixtures("few_turns")
def test_what_goes_on_at_one_instant_for_ever_is_a_livelock(loop):
    turns = 0

    async def spin():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    line = spin.__code__.co_firstlineno
    with pytest.raises(Livelock) as caught:
        loop.run_until_complete(spin())

    assert turns == 1000
    assert str(caught.value).splitlines() == [
        "livelock: more than 1000 turns of the loop, at virtual +0 s",
        f"  task Task-1 waits at test_alone.py:{line + 4} sleep",
        "let one of them wait for something",
    ]
    end(loop)


def end(loop):
    """Cancel what is left of *loop*, as asyncio.run would."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))


def test_it_closes_its_descriptors():
    made = SimEventLoop()
    made.add_signal_handler(signal.SIGUSR1, print)
    pair = (made._ssock, made._csock)

    made.close()

    assert [each.fileno() for each in pair] == [-1, -1]
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        made.call_later(1.0, print)
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        made.call_soon(print)
