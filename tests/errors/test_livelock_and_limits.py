from __future__ import annotations

import contextlib
import queue
import threading
import time

import pytest

import simclock
from simclock import LimitReached, Livelock


def spin_on_sleep():
    while True:
        time.sleep(0)


def spin_on_a_free_lock():
    lock = threading.Lock()
    while True:
        with lock:
            pass


def spin_on_a_failing_try():
    lock = threading.Lock()
    lock.acquire()
    while True:
        lock.acquire(blocking=False)


def spin_on_locked():
    lock = threading.Lock()
    while not lock.locked():
        pass


def spin_on_an_empty_queue():
    items = queue.SimpleQueue()
    while True:
        with contextlib.suppress(queue.Empty):
            items.get_nowait()


def spin_on_a_set_event():
    event = threading.Event()
    event.set()
    while event.wait():
        pass


SPINNERS = [
    spin_on_sleep,
    spin_on_a_free_lock,
    spin_on_a_failing_try,
    spin_on_locked,
    spin_on_an_empty_queue,
    spin_on_a_set_event,
]


@pytest.mark.parametrize("spin", SPINNERS)
def test_a_spin_at_one_instant_is_a_livelock_at_the_culprits_site(spin, normal):
    def program():
        time.sleep(2)
        spin()

    with pytest.raises(Livelock) as caught:
        simclock.run(program, max_steps_per_instant=5000)
    lines = normal(caught.value).splitlines()
    assert lines[0] == "livelock: more than 5000 steps at virtual +2 s, running root"
    assert lines[1] == f"    in {spin.__name__}"
    assert lines[-1] == "let it wait for something, or raise max_steps_per_instant"


@pytest.mark.parametrize("spin", SPINNERS)
def test_a_spin_in_a_thread_is_a_livelock_too(spin):
    def program():
        threading.Thread(target=spin, name="spinner", daemon=True).start()
        threading.Event().wait()

    with pytest.raises(Livelock, match=r"more than 5000 steps at virtual \+0 s, running spinner"):
        simclock.run(program, max_steps_per_instant=5000)


def test_two_threads_that_yield_to_each_other(normal):
    def program():
        one, two = threading.Semaphore(0), threading.Semaphore(1)

        def answer():
            while True:
                one.acquire()
                two.release()

        threading.Thread(target=answer, name="answer", daemon=True).start()
        while True:
            two.acquire()
            one.release()

    with pytest.raises(Livelock) as caught:
        simclock.run(program, max_steps_per_instant=5000)
    assert str(caught.value).startswith("livelock: more than 5000 steps at virtual +0 s, running ")


def test_the_threads_that_are_blocked_meanwhile_are_named():
    def program():
        threading.Thread(target=threading.Event().wait, name="victim", daemon=True).start()
        spin_on_sleep()

    with pytest.raises(Livelock, match=r"\n  victim \(0\.1\), waits for a notification in Event"):
        simclock.run(program, max_steps_per_instant=5000)


def test_as_many_steps_are_no_livelock_when_time_passes():
    def program():
        for _ in range(20):
            for _ in range(1000):
                time.sleep(0)
            time.sleep(1)
        return simclock.active().elapsed

    assert simclock.run(program, max_steps_per_instant=3000) == 20.0


@pytest.mark.parametrize("ask", ["sleep", "acquire", "locked", "get_nowait"])
def test_a_spinner_lets_another_thread_make_progress(ask):
    """Fair although the current thread is kept: after 1,000 steps at one instant it goes last."""

    def program():
        log = []
        done = []
        lock = threading.Lock()
        lock.acquire()
        items = queue.SimpleQueue()

        def work():
            log.append("worker runs")
            done.append(True)

        def spin_once():
            if ask == "sleep":
                time.sleep(0)
            elif ask == "acquire":
                lock.acquire(blocking=False)
            elif ask == "locked":
                lock.locked()
            else:
                with pytest.raises(queue.Empty):
                    items.get_nowait()

        go = threading.Event()
        threading.Thread(target=lambda: (go.wait(), work())).start()
        go.set()
        spins = 0
        while not done:
            spin_once()
            spins += 1
        log.append("spinner ends")
        return log, spins <= 1001, simclock.active().elapsed

    assert simclock.run(program) == (["worker runs", "spinner ends"], True, 0.0)


def test_a_busy_wait_on_the_clock_ends_soon():
    def program():
        reads = 0
        while time.monotonic() < 1000.5:
            reads += 1
        return reads, simclock.active().elapsed_ns

    reads, elapsed_ns = simclock.run(program)
    # 1,000 reads are free; then the clock moves by 1 µs, doubling up to 1 ms, after 100 each.
    steps_ns = [min(1000 * 2**n, 1_000_000) for n in range(1000)]
    jumps = next(n for n in range(1000) if sum(steps_ns[:n]) >= 500_000_000)
    assert elapsed_ns == sum(steps_ns[:jumps])
    assert reads == 1000 + (jumps - 1) * 101


def test_a_busy_wait_moves_the_clock_no_further_than_the_next_deadline():
    def program():
        log = []

        def sleep():
            time.sleep(0.000_000_5)
            log.append((simclock.active().elapsed_ns, "sleeper"))

        threading.Thread(target=sleep).start()
        while not log:
            time.monotonic()
        log.append((simclock.active().elapsed_ns, "reader"))
        return log

    assert simclock.run(program)[0] == (500, "sleeper")


def test_waits_make_the_steps_of_a_busy_wait_small_again():
    def program():
        sim = simclock.active()

        def first_step():
            before = time.monotonic_ns()
            while time.monotonic_ns() == before:
                pass
            return time.monotonic_ns() - before

        log = [first_step(), first_step(), first_step()]
        sim.sleep(1)
        return [*log, first_step()]

    assert simclock.run(program) == [1000, 2000, 4000, 1000]


def endless_ticker():
    def tick():
        while True:
            time.sleep(1)

    lock = threading.Lock()
    lock.acquire()
    threading.Thread(target=tick, name="ticker", daemon=True).start()
    time.sleep(0.5)
    lock.acquire()


LIMITS = [
    ({"max_time": 100}, "100 virtual seconds", 100, "max_time"),
    ({"max_steps": 500}, "500 steps", None, "max_steps"),
]


@pytest.mark.parametrize(("options", "reached", "at", "option"), LIMITS)
def test_an_endless_ticker_beside_a_blocked_thread(options, reached, at, option, normal):
    with pytest.raises(LimitReached) as caught:
        simclock.run(endless_ticker, **options)
    lines = normal(caught.value).splitlines()
    assert lines[0].startswith(f"limit reached: {reached}, at virtual +")
    assert at is None or lines[0].endswith(f"at virtual +{at} s")
    assert lines[1:3] == [
        "  root waits without a timeout since +0.5 s; only ticker runs: this looks like a deadlock",
        "  root (0), waits for lock, owned by itself, since +0.5 s",
    ]
    assert lines[3:5] == ["    in endless_ticker", "      lock.acquire()"]
    ticker = next(n for n, line in enumerate(lines) if line.startswith("  ticker (0.1), "))
    assert lines[ticker].startswith("  ticker (0.1), waits for sleep, until +")
    assert lines[ticker + 1 : ticker + 3] == ["    in tick", "      time.sleep(1)"]
    assert lines[-1] == f"end what keeps the clock going, or raise {option}"


@pytest.mark.parametrize(("count", "rest"), [(10, ""), (11, ", 1 more"), (12, ", 2 more")])
def test_of_many_that_keep_the_clock_going_ten_are_named(count, rest):
    def program():
        for n in range(count):
            threading.Thread(target=tick, name=f"t{n}", daemon=True).start()
        threading.Event().wait()

    def tick():
        while True:
            time.sleep(1)

    with pytest.raises(LimitReached) as caught:
        simclock.run(program, max_time=10)
    assert str(caught.value).splitlines()[1] == (
        "  root waits without a timeout since +0 s; "
        f"only t0, t1, t2, t3, t4, t5, t6, t7, t8, t9{rest} run: this looks like a deadlock"
    )


@pytest.mark.parametrize("how", ["timeout", "join", "lock"])
def test_a_root_that_waits_for_one_that_runs_is_not_said_to_be_deadlocked(how):
    def program():
        lock = threading.Lock()

        def tick():
            with lock:
                while True:
                    time.sleep(1)

        thread = threading.Thread(target=tick, name="ticker", daemon=True)
        thread.start()
        time.sleep(0.5)
        if how == "timeout":
            threading.Event().wait(1e9)
        elif how == "join":
            thread.join()
        else:
            lock.acquire()

    with pytest.raises(LimitReached) as caught:
        simclock.run(program, max_time=100)
    assert str(caught.value).splitlines()[1].startswith("  root (0), waits for ")


def test_a_ticker_of_the_root_itself():
    def program():
        while True:
            time.sleep(1)

    with pytest.raises(LimitReached, match=r"10 virtual seconds, at virtual \+10 s"):
        simclock.run(program, max_time=10)


def test_a_run_may_last_exactly_as_long_as_its_limit():
    def program():
        time.sleep(10)
        return simclock.active().elapsed

    assert simclock.run(program, max_time=10) == 10.0


def test_whoever_swallows_the_limit_is_told_again():
    log = []

    def program():
        while len(log) < 3:
            try:
                time.sleep(100)
            except TimeoutError:
                log.append(simclock.active().elapsed)

    with pytest.raises(LimitReached):
        simclock.run(program, max_time=250)
    # An hour of virtual time goes by before it is told again.
    assert log == [200.0, 3900.0, 7600.0]
