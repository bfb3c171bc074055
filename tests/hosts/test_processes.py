"""Processes on simulated hosts: what they are told, how they end, who sees it."""

from __future__ import annotations

import asyncio
import atexit
import functools
import os
import platform
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import trio

import simclock


def test_each_has_a_pid_a_host_and_an_environment(logged, monkeypatch):
    monkeypatch.setenv("WHO", "test")
    told = {}

    def tell(name):
        os.environ["ONLY"] = name
        told[name] = (
            os.getpid(), os.getppid(), socket.gethostname(), os.uname().nodename,
            os.environ["WHO"], os.getenv("ONLY"),
        )  # fmt: skip
        time.sleep(1)
        told[name] += (os.environ["ONLY"],)

    with logged() as it:
        first = it.sim.host("web-1").start(tell, "first", environ={"WHO": "me"})
        second = it.sim.host("web-2").start(tell, "second")
        first.join()
        second.join()
        it.note(first.pid, first.name, first.exitcode, second.exitcode, "ONLY" in os.environ)

    pid = first.pid
    assert told == {
        "first": (pid, os.getpid(), "web-1", "web-1", "me", "first", "first"),
        "second": (pid + 1, os.getpid(), "web-2", "web-2", "test", "second", "second"),
    }
    assert it.log == [(1.0, 4194305, "web-1/tell", 0, 0, False)]
    assert "ONLY" not in os.environ


@pytest.mark.parametrize(
    ("ends", "exitcode"),
    [
        (lambda: None, 0),
        (sys.exit, 0),
        (lambda: sys.exit(3), 3),
        (lambda: sys.exit(256 + 3), 3),
        (lambda: sys.exit("no such file"), 1),
        (lambda: os._exit(4), 4),
        (os.abort, -6),
        (lambda: os.kill(os.getpid(), 9), -9),
        (lambda: os.kill(os.getpid(), 15), -15),
    ],
)
def test_exit_codes(logged, capfd, ends, exitcode):
    with logged() as it:
        process = it.sim.host("a").start(ends)
        it.note(process.join(), process.exitcode, process.is_alive(), process.state)

    assert it.log == [(0.0, True, exitcode, False, "ended")]
    assert capfd.readouterr().err == ("no such file\n" if exitcode == 1 else "")


def test_an_error_is_told_as_that_of_a_thread_and_kept(logged, monkeypatch):
    told = []
    monkeypatch.setattr(threading, "excepthook", lambda args: told.append(args.exc_value))

    def fails():
        raise LookupError("nothing there")

    with logged() as it:
        process = it.sim.host("a").start(fails)
        process.join()
        it.note(process.exitcode, repr(process.error))

    assert it.log == [(0.0, 1, "LookupError('nothing there')")]
    assert [str(each) for each in told] == ["nothing there"]


def test_a_process_ends_when_its_threads_have(logged):
    def main(it):
        atexit.register(it.note, "first", "registered")
        atexit.register(it.note, "last")
        threading.Thread(target=slow, args=(it, 2, "waited for")).start()
        threading.Thread(target=slow, args=(it, 9, "never"), daemon=True).start()
        pool = ThreadPoolExecutor(1)
        pool.submit(slow, it, 3, "pooled")
        it.note("main returns")

    def slow(it, seconds, what):
        time.sleep(seconds)
        it.note(what)

    with logged() as it:
        process = it.sim.host("a").start(main, it)
        process.join()
        it.note(process.exitcode)
        time.sleep(10)

    assert it.log == [
        (0.0, "main returns"),
        (2.0, "waited for"),
        (3.0, "pooled"),
        (3.0, "last"),
        (3.0, "first", "registered"),
        (3.0, 0),
    ]


def test_monotonic_clocks_begin_anew_with_each_start(logged):
    read = []

    def main():
        began = time.monotonic(), time.perf_counter()
        time.sleep(1.5)
        read.append((began, time.monotonic() - began[0], time.monotonic_ns() % 10**9))

    with logged(seed=7) as it:
        processes = [it.sim.host("a").start(main), it.sim.host("b").start(main)]
        for each in processes:
            each.join()
            each.restart()
            each.join()

    begins = [began for began, _, _ in read]
    assert len(set(begins)) == 4
    assert all(one == other for one, other in begins)
    assert [duration for _, duration, _ in read] == [1.5] * 4
    assert {rest for _, _, rest in read} == {0, 500_000_000}


@pytest.mark.parametrize("make", [asyncio.SelectorEventLoop, None])
def test_an_asyncio_loop_has_the_clock_of_its_process(logged, make):
    async def main(it):
        loop = asyncio.get_running_loop()
        assert abs(loop.time() - time.monotonic()) < 1e-6
        loop.call_at(loop.time() + 2, it.note, "called")
        async with asyncio.timeout(5) if sys.version_info >= (3, 11) else _Nothing():
            await asyncio.sleep(3)
        it.note("slept")

    def run(it):
        loop = make() if make else asyncio.new_event_loop()
        loop.run_until_complete(main(it))
        loop.close()

    with logged(seed=3) as it:
        it.sim.host("a").start(run, it).join()

    assert it.log == [(2.0, "called"), (3.0, "slept")]
    assert {each[0] for each in it.sim.trace} <= {1000 * 10**9, 1002 * 10**9, 1003 * 10**9}


class _Nothing:
    async def __aenter__(self):
        pass

    async def __aexit__(self, *_):
        pass


def test_a_trio_loop_in_a_process(logged):
    async def main(it):
        with trio.move_on_after(2.5):
            await trio.to_thread.run_sync(time.sleep, 1)
            it.note("from a thread")
            await trio.sleep(9)
        it.note("moved on")

    with logged(seed=3) as it:
        it.sim.host("a").start(trio.run, main, it).join()

    assert it.log == [(1.0, "from a thread"), (2.5, "moved on")]


def test_the_main_thread_is_that_of_the_process(logged):
    def main(it):
        it.note(threading.current_thread() is threading.main_thread())
        inner = threading.Thread(target=is_main, args=(it,))
        inner.start()
        inner.join()

    def is_main(it):
        it.note(threading.current_thread() is threading.main_thread())

    outside = threading.main_thread()
    with logged() as it:
        it.sim.host("a").start(main, it).join()
        it.note(threading.main_thread() is outside)

    assert it.log == [(0.0, True), (0.0, False), (0.0, True)]
    assert threading.main_thread() is outside


def test_wall_clocks_differ_drift_and_are_set(logged):
    epoch = 1_000_000_000

    def read(it, name):
        for _ in range(3):
            it.note(name, time.time() - epoch)
            time.sleep(100)

    with logged(epoch=epoch) as it:
        fast, slow = it.sim.host("fast"), it.sim.host("slow")
        fast.drift(0.01)
        slow.move_wall(-10)
        fast.start(read, it, "fast")
        slow.start(read, it, "slow")
        time.sleep(150)
        fast.drift(-0.01)
        slow.set_right()
        time.sleep(50)
        it.note("test", time.time() - epoch)
        it.note((fast.wall - slow.wall).total_seconds())

    assert it.log == [
        (0.0, "fast", 0.0),
        (0.0, "slow", -10.0),
        (100.0, "fast", 101.0),
        (100.0, "slow", 90.0),
        (200.0, "test", 200.0),
        (200.0, 1.0),
    ] or it.log[4:] == [
        (200.0, "fast", 201.0),
        (200.0, "slow", 200.0),
        (200.0, "test", 200.0),
        (200.0, 1.0),
    ]


def test_the_same_in_each_run(logged):
    def main(it, name):
        for number in range(3):
            it.note(name, os.getpid(), int(time.monotonic()))
            time.sleep(number / 10)

    def run():
        with logged(seed=5) as it:
            processes = [it.sim.host(name).start(main, it, name) for name in "abc"]
            time.sleep(0.05)
            processes[1].kill()
            processes[1].restart()
            for each in processes:
                each.join()
        return it.log, it.sim.trace.digest

    assert run() == run()


@pytest.mark.parametrize("name", ["", "a b", "-a", "a" * 64, 3, None])
def test_names_that_no_host_has(name):
    with simclock.Simulation() as sim, pytest.raises(ValueError, match=r"no name of a host"):
        sim.host(name)


@pytest.mark.parametrize("name", ["localhost", "LocalHost", "10.0.0.1", "7", "db.1"])
def test_names_that_are_taken_for_addresses(name):
    with simclock.Simulation() as sim, pytest.raises(ValueError, match="takes this for an address"):
        sim.host(name)


async def coroutine_function():
    pass


class Async:
    async def __call__(self):
        pass


def generator_function():
    yield


def test_what_cannot_be_started():
    made = coroutine_function()
    with simclock.Simulation() as sim:
        called = functools.partial(Async(), 1)
        for given in (made, coroutine_function, called, Async(), generator_function):
            with pytest.raises(TypeError, match=r"cannot run this") as told:
                sim.host("a").start(given)
            assert str(told.value).endswith("such as host.start(lambda: asyncio.run(main()))")
        assert sim.host("a").processes == []
    made.close()


def test_a_coroutine_that_nobody_runs_is_the_error_of_its_process(monkeypatch):
    def main():
        return coroutine_function()

    told = []
    monkeypatch.setattr(threading, "excepthook", lambda args: told.append(str(args.exc_value)))
    with simclock.Simulation() as sim:
        process = sim.host("a").start(main)
        process.join()
        assert process.exitcode == 1

    assert told == [str(process.error)]
    assert told[0].startswith("a process cannot run this: <coroutine object coroutine_function")


@pytest.mark.parametrize(
    "environ", [{"A": 1}, {1: "A"}, "A=1", 3, {"A=B": "C"}, {"": "A"}, {"A": "\0"}, {"A": "\ud800"}]
)
def test_an_environment_is_text(environ):
    with simclock.Simulation() as sim:
        with pytest.raises(
            TypeError, match=r"this is no environment: .*\nnames and values are text"
        ):
            sim.host("a").start(time.sleep, 1, environ=environ)
        sim.sleep(1)
        assert sim.host("a").processes == []


@pytest.mark.parametrize("what", ["host", "process"])
def test_nobody_restarts_himself(what):
    def main():
        with pytest.raises(RuntimeError, match="this would kill its caller, who starts nothing"):
            (host if what == "host" else host.processes[0]).restart()

    with simclock.Simulation() as sim:
        host = sim.host("a")
        process = host.start(main)
        process.join()
        assert process.exitcode == 0


def test_signal_0_only_asks():
    with simclock.Simulation() as sim:
        process = sim.host("a").start(time.sleep, 1)
        process.send_signal(0)
        assert process.join(2)
        assert process.exitcode == 0


def test_hosts_are_found_again_and_listed():
    with simclock.Simulation() as sim:
        one, other = sim.host("a"), sim.host("b")
        assert sim.host("a") is one
        assert sim.hosts == (one, other)
        assert [each.address for each in sim.hosts] == ["127.1.0.1", "127.1.0.2"]
        assert repr(one) == "<Host 'a' 127.1.0.1>"


def test_nothing_of_it_works_from_outside():
    with simclock.Simulation() as sim:
        process = sim.host("a").start(time.sleep, 1)
        with (
            sim.real_time(),
            pytest.raises(RuntimeError, match="belong to the threads of their simulation"),
        ):
            process.kill()
    assert platform.node() == socket.gethostname()


def test_a_whole_host_stands_still_and_its_clock_goes_on(logged):
    def main(it, name):
        time.sleep(2)
        it.note(name, time.time() - 946684800)

    with logged() as it:
        host = it.sim.host("a")
        one, other = host.start(main, it, "one"), host.start(main, it, "other")
        it.note(repr(one), repr(one._group))
        host.pause()
        it.note(one.state, other.state)
        time.sleep(5)
        host.move_wall(timedelta(seconds=60))
        host.resume()
        it.note(one.state, other.state, one.join(timeout=0.5))

    assert it.log == [
        (0.0, "<Process 'a/main' 4194305 running>", "<process 'a/main' 4194305 running>"),
        (0.0, "paused", "paused"),
        (5.0, "running", "running", True),
        (5.0, "one", 65.0),
        (5.0, "other", 65.0),
    ] or it.log[2:] == [
        (5.0, "one", 65.0),
        (5.0, "other", 65.0),
        (5.0, "running", "running", True),
    ]


@pytest.mark.parametrize(
    ("do", "message"),
    [
        (lambda host: host.move_wall("1"), "this is not a step of a wall clock: '1'"),
        (lambda host: host.move_wall(1e10), "this is not a step of a wall clock: 10000000000.0"),
        (lambda host: host.drift(0.7), "this is not a rate of drift: 0.7\\ngive .* at most 0.5"),
        (lambda host: host.drift(float("nan")), "this is not a rate of drift: nan"),
        (lambda host: host.start(int).join(timeout="x"), "this is not a timeout: 'x'"),
    ],
)
def test_wrong_numbers(do, message):
    with simclock.Simulation() as sim, pytest.raises(ValueError, match=message):
        do(sim.host("a"))


def test_one_host_too_many(monkeypatch):
    monkeypatch.setattr("simclock.hosts.MOST", 2)
    with simclock.Simulation() as sim:
        sim.host("a")
        sim.host("b")
        with pytest.raises(ValueError, match="one host too many: 'c'\nuse at most 2 hosts"):
            sim.host("c")


def test_a_child_process_of_an_error_at_the_end_is_quiet(logged, capfd):
    """What a process does when the simulation unwinds it is nobody's business."""

    def main():
        try:
            time.sleep(1000)
        finally:
            raise LookupError("on the way out")

    with logged() as it:
        process = it.sim.host("a").start(main)
        time.sleep(1)

    assert process.error is None
    assert capfd.readouterr().err == ""


def test_each_test_of_a_suite_begins_with_its_clocks_and_links(pytester):
    pytester.makepyfile(
        """
        import simclock

        def test_before():
            simclock.active().host("b")
            simclock.active().network.heal()

        def test_first():
            sim = simclock.active()
            sim.host("a").drift(0.5)
            sim.network.set("a", sim.host("b"), latency=1)
            sim.network.partition("a")
            sim.sleep(10)
            assert sim.host("a").wall > sim.wall

        def test_second():
            sim = simclock.active()
            assert sim.host("a").wall == sim.wall
            assert sim.network.traits("a", "b").latency == 0
        """
    )
    pytester.runpytest_subprocess("--simclock", "-p", "no:xdist").assert_outcomes(passed=3)


def test_a_simulation_inside_of_a_process(logged):
    def main(it):
        with simclock.Simulation() as inner:
            time.sleep(100)
            assert inner.elapsed == 100
        time.sleep(1)
        it.note("after it")

    with logged() as it:
        process = it.sim.host("a").start(main, it)
        process.join()
        it.note(process.exitcode)

    assert it.log == [(1.0, "after it"), (1.0, 0)]


def test_a_process_that_stops_its_host_stops_it_whole(logged):
    def main(it):
        simclock.active().host("a").pause()
        it.note("resumed")
        simclock.active().host("a").kill()
        it.note("never")

    with logged() as it:
        host = it.sim.host("a")
        before, first = host.start(time.sleep, 50), host.start(main, it)
        last = host.start(time.sleep, 50)
        it.note([each.state for each in (before, first, last)])
        host.resume()
        time.sleep(1)
        it.note([each.state for each in (before, first, last)])

    assert it.log == [
        (0.0, ["paused", "paused", "running"]),
        (0.0, "resumed"),
        (1.0, ["ended", "ended", "ended"]),
    ]


def test_a_kill_of_what_is_just_being_started():
    def scenario():
        process = simclock.active().host("a").start(time.sleep, 5)
        killing = threading.Thread(target=process.kill)
        killing.start()
        process.restart()
        killing.join()
        process.join(timeout=20)
        assert not process.is_alive()

    report = simclock.explore(scenario, runs=300, strategy="random")
    assert report.failure is None, str(report)


def test_a_host_without_a_process_leaves_nothing(logged):
    with logged() as it:
        host = it.sim.host("a")
        host.move_wall(60)
        it.note((host.wall - it.sim.wall).total_seconds())

    assert it.log == [(0.0, 60.0)]


def test_a_process_sets_the_clock_of_its_host(logged):
    def main(it):
        before = time.time()
        simclock.active().host("a").move_wall(60)
        it.note(time.time() - before)

    with logged() as it:
        it.sim.host("a").start(main, it).join()

    assert it.log == [(0.0, 60.0)]
