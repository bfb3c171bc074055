from __future__ import annotations

import importlib
import multiprocessing.pool
import os
import select
import selectors
import socket
import subprocess
import sys
import threading
import time
import uuid
import weakref

import pytest

from simclock import Simulation, run


def start(*targets):
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    return threads


def join(threads):
    for thread in threads:
        thread.join()


# --------------------------------------------------------------------- the wall clock


def test_ctime_and_asctime_read_the_virtual_clock():
    with Simulation(epoch=86400.0 * 366):
        time.sleep(61)

        assert time.ctime() == time.ctime(None) == time.ctime(86400 * 366 + 61)
        assert time.asctime() == time.asctime(time.localtime(86400 * 366 + 61))
        assert time.asctime(time.gmtime(0)) == "Thu Jan  1 00:00:00 1970"


@pytest.mark.parametrize("name", ["ctime", "asctime"])
@pytest.mark.parametrize("args", [("x",), (1, 2), ([],)], ids=repr)
def test_wrong_arguments_of_ctime_and_asctime_give_the_errors_of_the_original(name, args, outcome):
    original = outcome(getattr(time, name), *args)

    with Simulation():
        simulated = outcome(getattr(time, name), *args)

    assert original[0] is TypeError
    assert simulated == original


def test_uuid1_follows_the_virtual_clock_and_starts_anew_in_each_simulation():
    def draw():
        return [uuid.uuid1(node=1), uuid.uuid1(node=1)]

    def nested():
        return run(draw), draw()

    first, second = run(nested)

    assert first == second == run(draw)
    assert [found.time - first[0].time for found in first] == [0, 1]


# ------------------------------------------------------------------------------ pools


def test_a_thread_pool_of_multiprocessing(log):
    def nap(seconds):
        time.sleep(seconds)
        return seconds

    with Simulation():
        pool = multiprocessing.pool.ThreadPool(2)
        log(pool.map(nap, [2, 1, 1], chunksize=1))
        result = pool.apply_async(nap, (5,))
        with pytest.raises(multiprocessing.TimeoutError):
            result.get(timeout=1.5)
        log("timed out")
        log(result.get())
        log(list(pool.imap_unordered(nap, [3, 1])))
        pool.close()
        pool.join()

    assert [what for _, what in log] == [[2, 1, 1], "timed out", 5, [1, 3]]
    first, second, third, fourth = (seconds for seconds, _ in log)
    assert first == 2.0
    assert second == 3.5
    # Its handlers look every 0.1 s at most.
    assert (round(third - first, 1), round(fourth - third, 1)) == (5.0, 3.0)


# ----------------------------------------------------- modules imported inside


def test_threads_that_import_a_slow_module_wait_for_each_other(log, tmp_path, monkeypatch):
    (tmp_path / "slow_module.py").write_text("import time\ntime.sleep(2)\nvalue = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    def use(name):
        def work():
            log((name, importlib.import_module("slow_module").value))

        return work

    try:
        with Simulation():
            join(start(use("a"), use("b")))
    finally:
        sys.modules.pop("slow_module", None)

    assert log == [(2.0, ("a", 1)), (2.0, ("b", 1))]


def test_the_first_run_of_a_process_is_like_the_others_although_it_imports():
    """Nothing but simclock is imported before, and sets of futures and tasks are looked at."""
    program = """
import simclock

def program():
    import asyncio, time
    from concurrent.futures import ThreadPoolExecutor, as_completed

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(int) for _ in range(20)]
        time.sleep(1)
        order = [futures.index(future) for future in as_completed(futures)]

    async def main():
        tasks = [asyncio.create_task(asyncio.sleep(0)) for _ in range(20)]
        done, _ = await asyncio.wait(tasks)
        return [tasks.index(task) for task in done], tasks[0].get_name()

    return order, asyncio.run(main())

print(*[simclock.run(program) for _ in range(3)], sep="\\n")
"""
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout.splitlines()
        for seed in ("1", "2")
    ]

    assert len(outputs[0]) == 3
    assert len({*outputs[0], *outputs[1]}) == 1


# ---------------------------------------------------------------------------- pollers


def test_select_without_descriptors_is_a_sleep(log):
    with Simulation():
        assert select.select([], [], [], 1.25) == ([], [], [])
        log("select")
        assert select.poll().poll(500) == []
        log("poll")
        with select.epoll() as epoll:
            assert epoll.poll(0.25) == []
            log("epoll")
        with selectors.DefaultSelector() as selector:
            assert selector.select(2) == []
            log("selector")

    assert log == [(1.25, "select"), (1.75, "poll"), (2.0, "epoll"), (4.0, "selector")]


def test_a_poll_returns_at_the_instant_something_is_written(log):
    with Simulation():
        ours, theirs = socket.socketpair()
        with ours, theirs, selectors.DefaultSelector() as selector:
            selector.register(ours, selectors.EVENT_READ)
            threading.Timer(1.5, theirs.send, (b"x",)).start()
            log(len(selector.select(10)))
            log(ours.recv(1))
            log(len(selector.select(0)))

    assert log == [(1.5, 1), (1.5, b"x"), (1.5, 0)]


# -------------------------------------------------------------------- tracers, entropy


@pytest.mark.skipif(sys.version_info < (3, 12), reason="new in Python 3.12")
@pytest.mark.parametrize("kind", ["trace", "profile"])
def test_a_tracer_for_all_threads_reaches_the_simulated_ones(kind):
    seen = set()

    def function(frame, event, _):
        if event == "call" and frame.f_code is step.__code__:
            seen.add(threading.current_thread().name)

    def step():
        pass

    def work():
        time.sleep(1)
        step()

    setter = getattr(threading, f"set{kind}_all_threads")
    mine, theirs = getattr(sys, f"get{kind}")(), getattr(threading, f"get{kind}")()
    with Simulation() as sim:
        threads = [threading.Thread(target=work, name=name) for name in ("one", "two")]
        for thread in threads:
            thread.start()
        setter(function)
        try:
            join(threads)
        finally:
            setter(None)
            getattr(sys, f"set{kind}")(mine)
            getattr(threading, f"set{kind}")(theirs)
        assert sim.elapsed == 1.0

    assert seen == {"one", "two"}


def test_getrandom_is_drawn_from_the_seed(outcome):
    original = outcome(os.getrandom, -1)

    def draw():
        return os.getrandom(8), os.getrandom(8, os.GRND_NONBLOCK), os.getrandom(size=8, flags=0)

    assert run(draw) == run(draw)
    assert run(draw) != run(draw, seed=1)
    assert len(set(run(draw))) == 3
    assert run(outcome, os.getrandom, -1) == original


def test_weak_references_and_finalizers_run_at_once(log):
    class Subject:
        def __del__(self):
            log("deleted")
            with lock:
                log("locked")

    lock = threading.Lock()

    def work():
        subject = Subject()
        weakref.finalize(subject, log, "finalized")
        time.sleep(1)
        del subject
        log("after")

    with Simulation():
        join(start(work))

    # `__del__` comes first, then weak references are cleared.
    assert log == [(1.0, what) for what in ("deleted", "locked", "finalized", "after")]
