from __future__ import annotations

import _thread
import queue
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import simclock
from simclock import Leak, Simulation


@pytest.fixture(autouse=True)
def silence(monkeypatch, capfd):
    """Whatever is left behind, nothing is printed and no hook is called."""
    reports = []
    monkeypatch.setattr(threading, "excepthook", reports.append)
    monkeypatch.setattr(sys, "unraisablehook", reports.append)
    yield
    assert reports == []
    assert capfd.readouterr() == ("", "")


def start(function, *args, name=None, daemon=True):
    thread = threading.Thread(target=function, args=args, name=name, daemon=daemon)
    thread.start()
    return thread


def leaks_of(function, **options):
    with pytest.raises(Leak) as caught:
        simclock.run(function, **options)
    first, *leaks, last = str(caught.value).splitlines()
    assert first == "the simulation left something behind"
    assert last == "end, join or release what is named above"
    return leaks


# ------------------------------------------------------------------------ drain


@pytest.mark.parametrize("daemon", [True, False])
def test_timed_leftovers_end_by_themselves(daemon):
    log = []

    def work():
        for _ in range(3):
            time.sleep(10)
            log.append(simclock.active().elapsed)

    with Simulation() as sim:
        start(work, daemon=daemon)
        time.sleep(5)
    assert log == [10.0, 20.0, 30.0]
    assert sim.elapsed == 30.0


def test_the_clock_stays_when_nothing_is_left():
    with Simulation() as sim:
        time.sleep(5)
    assert sim.elapsed == 5.0


@pytest.mark.parametrize(("drain", "ended"), [(9.5, False), (10, True), (0, False)])
def test_leftovers_get_as_long_as_drain_says(drain, ended):
    log = []

    def work():
        time.sleep(10)
        log.append("ended")

    simclock.run(lambda: start(work), drain=drain)
    assert bool(log) is ended


def test_new_threads_are_refused_while_it_ends():
    log = []

    def work():
        time.sleep(1)
        try:
            start(int)
        except RuntimeError as error:
            log.append(str(error))

    simclock.run(lambda: start(work))
    assert log == ["can't start new thread: the simulation is ending"]


def test_a_spinner_does_not_keep_the_others_from_ending():
    log = []

    def spin():
        while True:
            time.sleep(0)

    def work():
        event.wait()
        log.append("worked")

    event = threading.Event()

    def program():
        start(spin)
        start(work)
        event.set()

    simclock.run(program)
    assert log == ["worked"]


def test_an_endless_ticker_is_drained_for_so_long_and_then_unwound():
    log = []

    def tick():
        while True:
            time.sleep(1)
            log.append(simclock.active().elapsed)

    simclock.run(lambda: start(tick), drain=3)
    assert log == [1.0, 2.0, 3.0]


# ------------------------------------------------------------------------ pools


def test_a_pool_kept_in_a_global_refuses_work_and_the_next_simulation_is_healthy():
    pool = ThreadPoolExecutor(2)

    def program():
        return pool.submit(lambda: time.sleep(1) or simclock.active().elapsed).result()

    assert simclock.run(program) == 1.0
    for again in (program, lambda: simclock.run(program)):
        with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
            again()
    pool = ThreadPoolExecutor(2)
    assert simclock.run(program) == 1.0


def test_a_pool_that_was_dropped_is_retired_too():
    def program():
        pool = ThreadPoolExecutor(1)
        future = pool.submit(int)
        pool.shutdown(wait=False)
        return future.result()

    assert simclock.run(program) == 0
    assert simclock.run(lambda: ThreadPoolExecutor(1).submit(int).result()) == 0


def test_a_pool_with_work_that_never_ends_is_a_leak():
    pool = ThreadPoolExecutor(1, "pool")
    leaks = leaks_of(lambda: pool.submit(threading.Event().wait) and None)
    assert len(leaks) == 1
    assert leaks[0].startswith("  a non-daemon thread that would never have ended: pool_0 (0.1), ")


# ----------------------------------------------------------------------- unwind


@pytest.mark.parametrize(
    "wait",
    [
        lambda: threading.Event().wait(),
        lambda: queue.Queue().get(),
        lambda: queue.SimpleQueue().get(),
        lambda: time.sleep(1e6),
        lambda: threading.Barrier(2).wait(),
        lambda: threading.main_thread().join(),
        lambda: simclock.active().sleep(1e6),
    ],
    ids=["Event", "Queue", "SimpleQueue", "sleep", "Barrier", "join", "sim.sleep"],
)
def test_daemon_leftovers_are_unwound_silently(wait):
    log = []

    def work():
        try:
            wait()
        finally:
            log.append("unwound")

    def program():
        thread = start(work)
        time.sleep(1)
        return thread

    thread = simclock.run(program)
    assert log == ["unwound"]
    assert not thread.is_alive()


def test_a_non_daemon_leftover_is_a_leak():
    def program():
        start(threading.Event().wait, name="worker", daemon=False)
        start(time.sleep, 100.0, name="sleeper", daemon=False)
        start(time.sleep, 100.0, name="daemon", daemon=True)
        time.sleep(1)

    leak = "  a non-daemon thread that would never have ended: "
    assert leaks_of(program) == [
        f"{leak}worker (0.1), waits for a notification in Event.wait, since +0 s",
        f"{leak}sleeper (0.2), waits for sleep, until +100 s, since +0 s",
    ]


def test_threads_started_below_threading_are_no_leak():
    assert simclock.run(lambda: _thread.start_new_thread(time.sleep, (1e6,)) and 7) == 7


def test_a_thread_that_never_ran_never_runs():
    log = []

    def program():
        _thread.start_new_thread(log.append, ("ran",))
        raise KeyError("early")

    with pytest.raises(KeyError):
        simclock.run(program)
    assert log in ([], ["ran"])  # it may be drained, but nothing is left
    with pytest.raises(simclock.LimitReached):
        simclock.run(_start_one_more_than_may_run, log, max_steps=2)
    assert "too late" not in log


def _start_one_more_than_may_run(log):
    lock = _thread.allocate_lock()
    lock.acquire()
    for _ in range(5):
        _thread.start_new_thread(time.sleep, (1e6,))
    time.sleep(1)
    _thread.start_new_thread(log.append, ("too late",))
    lock.acquire()


def test_finally_blocks_run_and_their_waits_end_them_without_a_word():
    log = []
    lock, other = threading.Lock(), threading.RLock()
    items = queue.Queue()
    condition = threading.Condition()

    def work():
        try:
            with lock, condition:
                try:
                    condition.wait()
                finally:
                    log.append("inner")
                    with other:
                        items.put("x")
                    log.append("locks and queues work")
        finally:
            log.append("outer")
            time.sleep(1)
            log.append("never")

    def program():
        start(work)
        time.sleep(1)

    simclock.run(program)
    assert log == ["inner", "locks and queues work", "outer"]
    assert not lock.locked()
    assert other.acquire(blocking=False)
    other.release()


def test_several_threads_are_unwound_one_after_another_in_order_of_their_start():
    log = []
    lock = threading.Lock()

    def work(name):
        try:
            threading.Event().wait()
        finally:
            log.append(f"{name} begins")
            threading.Event().set()
            with lock:
                log.append(f"{name} ends")

    def program():
        for name in "abc":
            start(work, name)

    simclock.run(program)
    assert log == [f"{name} {what}" for name in "abc" for what in ("begins", "ends")]


def test_a_leftover_may_fail_in_its_own_way(monkeypatch):
    reports = []
    monkeypatch.setattr(threading, "excepthook", lambda args: reports.append(repr(args.exc_value)))

    def work():
        try:
            threading.Event().wait()
        finally:
            raise ValueError("of its own")

    simclock.run(lambda: start(work) and None)
    assert reports == ["ValueError('of its own')"]


def test_whoever_swallows_the_end_a_few_times_still_ends():
    log = []

    def work():
        while len(log) < 20:
            try:
                time.sleep(1000)
            except BaseException as error:
                log.append(type(error).__name__)

    simclock.run(lambda: start(work, daemon=True) and None)
    assert log == ["Unwind"] * 20


# ------------------------------------------------------------ errors of the body


def test_an_exception_of_the_body_wins_over_leftovers():
    def program():
        start(threading.Event().wait, daemon=False)
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine") as caught:
        simclock.run(program)
    assert caught.value.__context__ is None


def test_a_failure_wins_over_leftovers_and_lets_nobody_drain():
    log = []

    def work():
        time.sleep(10)
        log.append("drained")

    def program():
        start(work)
        lock = threading.Lock()
        lock.acquire()
        lock.acquire(timeout=5)
        while True:
            time.sleep(0)

    with pytest.raises(simclock.Livelock):
        simclock.run(program, max_steps_per_instant=3000)
    assert log == []


# -------------------------------------------------------- in a process of its own

SWALLOWER = """
import concurrent.futures, sys, threading, time
import simclock

def work():
    while True:
        try:
            time.sleep(1000)
        except BaseException:
            pass

def program():
    START
    time.sleep(1)

pool = concurrent.futures.ThreadPoolExecutor(1, "pool")
before = {thread.name for thread in threading.enumerate()}
with simclock.Simulation() as sim:
    pass
sim = simclock.Simulation()
try:
    with sim:
        program()
except simclock.Leak as leak:
    print("\\n".join(str(leak).splitlines()[1:-1]))
print([(thread.path, thread.state.value) for thread in sim.threads])
print(simclock.run(lambda: time.sleep(1) or time.monotonic()))
"""


@pytest.mark.parametrize(
    ("start", "name", "daemon"),
    [
        ("threading.Thread(target=work, name='stubborn').start()", "stubborn", False),
        ("threading.Thread(target=work, name='stubborn', daemon=True).start()", "stubborn", True),
        ("pool.submit(work)", "pool_0", False),
        ("__import__('_thread').start_new_thread(work, ())", "work", True),
    ],
    ids=["thread", "daemon", "pool", "_thread"],
)
def test_a_thread_that_swallows_everything_is_reported_and_the_process_still_ends(
    start, name, daemon
):
    result = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", SWALLOWER.replace("START", start)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = result.stdout.splitlines()
    expected = [f"  a thread that refused to end and stays parked: {name}"]
    if not daemon:
        expected.insert(
            0,
            f"  a non-daemon thread that would never have ended: {name} (0.1), "
            "waits for sleep, until +1000 s, since +0 s",
        )
    assert (result.returncode, result.stderr) == (0, "")
    assert lines == [*expected, "[('0', 'runnable'), ('0.1', 'abandoned')]", "1001.0"]


@pytest.mark.parametrize("kind", [threading.Lock, threading.RLock])
def test_a_release_of_what_an_unwound_thread_did_not_get_is_no_error_of_its_own(kind):
    lock = kind()

    def own():
        lock.acquire()
        try:
            threading.Event().wait()
        finally:
            lock.release()

    def want():
        try:
            lock.acquire()
        finally:
            lock.release()

    with Simulation():
        start(own)
        start(want)
        time.sleep(1)

    assert lock.acquire(blocking=False)
