"""Many threads, many simulations, many calls: nothing grows."""

from __future__ import annotations

import _thread
import gc
import inspect
import json
import os
import queue
import sys
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import simclock
from simclock._boundary import _native

IMPORTS = """
import gc, os, queue, statistics, threading, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import simclock
"""


def resident_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def os_threads() -> int:
    return len(os.listdir("/proc/self/task"))


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture
def small_stacks():
    before = threading.stack_size(256 * 1024)
    yield
    threading.stack_size(before)


@pytest.mark.slow
@pytest.mark.hang_limit(300)
@pytest.mark.usefixtures("small_stacks")
def test_ten_thousand_threads_in_one_simulation():
    log = []

    def work(number):
        time.sleep(1 + number % 7)
        log.append(number)
        time.sleep(1)

    with simclock.Simulation() as sim:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(10_000)]
        for thread in threads:
            thread.start()
        most = len(sim.threads)
        for thread in threads:
            thread.join()
        left = len(sim.threads)

    assert (most, left, sim.elapsed) == (10_001, 1, 8.0)
    assert log == sorted(range(10_000), key=lambda number: number % 7)


def test_their_os_threads_are_gone_but_for_a_few():
    def wide():
        with simclock.Simulation():
            for _ in range(500):
                threading.Thread(target=time.sleep, args=(1,)).start()

    wide()
    until = time.monotonic() + 30
    while os_threads() > 100 and time.monotonic() < until:
        time.sleep(0.01)

    assert os_threads() <= 100
    assert _native.carriers()[1] <= 64


def program():
    """A bit of everything."""
    lock, items, done = threading.Lock(), queue.Queue(), threading.Event()

    def work():
        while (item := items.get()) is not None:
            with lock:
                time.sleep(item)
        done.set()

    with simclock.Simulation() as sim:
        threading.Thread(target=work).start()
        for item in (1, 2, None):
            items.put(item)
        done.wait(10)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(time.sleep, (1, 2, 3)))
        timer = threading.Timer(100, int)
        timer.start()
        timer.cancel()
        threading.Thread(target=time.sleep, args=(1e6,), daemon=True).start()
    return sim.elapsed


def fails():
    try:
        with simclock.Simulation():
            lock = threading.Lock()
            lock.acquire()
            threading.Thread(target=lock.acquire, daemon=True).start()
            lock.acquire()
    except simclock.errors.Deadlock:
        return "Deadlock"
    return None


MEASURE = """
def rounds(count):
    outcomes = set()
    for _ in range(count):
        outcomes.add((program(), fails()))
    gc.collect()
    return outcomes

def state():
    return resident_kib(), len(gc.get_objects()), os_threads(), descriptors()

outcomes = rounds(250)  # as many as below: garbage waits for its collection
states = [state()]
for _ in range(5):
    outcomes |= rounds(250)
    states.append(state())
print(len(outcomes))
changes = [[late - early for early, late in zip(*pair)] for pair in zip(states, states[1:])]
print([statistics.median(column) for column in zip(*changes)])
"""


@pytest.mark.skipif("COVERAGE_RUN" in os.environ, reason="its tracer keeps an object a thread")
def test_thousands_of_simulations_leave_no_memory_threads_or_descriptors(child):
    """In a process of its own: what other tests freed would hide what these take.

    Five times 250, and the median of what each added: the allocator takes memory by the MiB now and then, what leaks
    shows in every one.
    """
    names = (resident_kib, os_threads, descriptors, program, fails)
    source = "\n".join(inspect.getsource(name) for name in names)

    # One heap for all OS threads: which of several a thread gets is a matter of luck.
    distinct, changes = child(IMPORTS + source + MEASURE, MALLOC_ARENA_MAX="1")

    kib, objects, threads, open_descriptors = json.loads(changes)
    assert (distinct, threads, open_descriptors) == ("1", 0, 0)
    assert objects < 100  # not one for each of 500 simulations
    assert kib < 500  # nor 1 KiB


@pytest.mark.slow
def test_what_is_allocated_is_freed():
    for _ in range(50):
        program()
    gc.collect()
    tracemalloc.start()
    try:
        # Long enough for what is kept in places of a fixed number, which Python's own cache of
        # attributes has: each is new once.
        for _ in range(1000):
            program()
        gc.collect()
        first = tracemalloc.take_snapshot()
        # Many, because Python's caches go up and down by a hundred objects meanwhile.
        for _ in range(400):
            program()
        gc.collect()
        second = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()

    ours = [tracemalloc.Filter(inclusive=True, filename_pattern="*simclock*")]
    grown = [
        str(difference)
        for difference in second.filter_traces(ours).compare_to(first.filter_traces(ours), "lineno")
        if difference.count_diff >= 400
    ]
    assert grown == []


class Sentinel:
    """Stands for an argument: what holds it too long shows in its reference count."""


def refcounts(action, *sentinels):
    """Return the change of each sentinel's reference count over many calls of *action*."""
    action()
    before = [sys.getrefcount(sentinel) for sentinel in sentinels]
    for _ in range(500):
        action()
    after = [sys.getrefcount(sentinel) for sentinel in sentinels]
    return [late - early for early, late in zip(before, after, strict=True)]


def test_calls_keep_no_reference_to_what_they_are_given():
    lock, rlock, items = threading.Lock(), threading.RLock(), queue.SimpleQueue()
    sentinel, function = Sentinel(), lambda *args, **kwargs: None

    def locks():
        lock.acquire()
        lock.release()
        lock.acquire(True, 5)
        lock.acquire(blocking=False)
        lock.__exit__(None, None, sentinel)
        with rlock, lock:
            rlock._release_save()
            rlock._acquire_restore((1, _thread.get_ident()))

    def queues():
        items.put(sentinel)
        items.put(item=sentinel, block=True, timeout=None)
        items.get()
        items.get(timeout=1)
        with pytest.raises(queue.Empty):
            items.get_nowait()

    def errors():
        for call in (
            lambda: time.sleep(sentinel),
            lambda: time.sleep(sentinel, sentinel),
            lambda: lock.acquire(sentinel, sentinel),
            lambda: lock.acquire(nonsense=sentinel),
            lambda: items.put(sentinel, nonsense=sentinel),
            lambda: _thread.start_new_thread(sentinel, sentinel),
            lambda: time.clock_gettime(sentinel),
            lambda: os.urandom(sentinel),
        ):
            with pytest.raises(TypeError):
                call()

    def threads():
        _thread.start_new_thread(function, (sentinel,), {"keyword": sentinel})
        time.sleep(0.001)

    sentinels = (lock, rlock, items, sentinel, function, True, False)
    immortal = sys.version_info >= (3, 12)
    gc.collect()  # what an earlier test has left would be let go meanwhile, and truth values with it
    with simclock.Simulation():
        found = {
            action.__name__: refcounts(action, *sentinels)
            for action in (locks, queues, errors, threads)
        }

    for name, (*changes, true, false) in found.items():
        assert changes == [0] * len(changes), name
        # Up to 3.11 truth values are counted too, by everybody; a thread that ended keeps some.
        assert immortal or name == "threads" or max(abs(true), abs(false)) < 100, name


def test_worlds_batons_and_kernels_are_freed():
    kinds = ("World", "Baton", "Kernel", "SimThread", "Wait", "Simulation")

    def count():
        gc.collect()
        return {
            kind: sum(type(thing).__name__ == kind for thing in gc.get_objects()) for kind in kinds
        }

    program()
    fails()
    before = count()
    for _ in range(20):
        program()
        fails()
    after = count()

    # The watchdog looks at the last one for a while, and at those of an earlier test no more.
    assert {kind for kind in kinds if after[kind] - before[kind] >= 20} == set()


def test_primitives_of_the_extension_leak_nothing():
    def cycle():
        world = _native.World()
        world.waiting = {"baton": _native.Baton(world)}
        world.exit_hook = lambda baton: (baton, world)

    for _ in range(100):
        cycle()
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(1000):
        cycle()
        _native.redirected()
        _native.carriers()
        _native.owner(before)
        with pytest.raises(TypeError):
            _native.Baton(1, key=2)
        with pytest.raises(TypeError):
            _native.switch(1, 2)
        with pytest.raises(TypeError):
            _native.give_turn(1)
        with pytest.raises(TypeError):
            _native.redirect(1, 2, 3)
    gc.collect()

    # What other threads of the process have let go meanwhile is no concern here.
    assert len(gc.get_objects()) - before < 50


def test_under_the_memory_debugger(child):
    lines = child(
        """
        import queue, threading, time, simclock
        from concurrent.futures import ThreadPoolExecutor

        def program():
            items = queue.SimpleQueue()
            with simclock.Simulation() as sim:
                with ThreadPoolExecutor(5) as pool:
                    list(pool.map(time.sleep, range(20)))
                threads = [threading.Thread(target=items.put, args=(n,)) for n in range(20)]
                for thread in threads:
                    thread.start()
                got = [items.get(timeout=1) for _ in threads]
                threading.Thread(target=time.sleep, args=(1e6,), daemon=True).start()
                return sim.elapsed, got

        for outcome in sorted({str(program()) for _ in range(20)}):
            print(outcome)
        """,
        "-X",
        "dev",
        PYTHONMALLOC="debug",
    )

    assert lines == [f"(46.0, {list(range(20))})"]
