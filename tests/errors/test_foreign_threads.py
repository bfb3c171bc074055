from __future__ import annotations

import threading
import time
from queue import SimpleQueue

import pytest

import simclock
from simclock import Deadlock, Escape, Stalled

POLICIES = ["hold", "strict", "ignore"]
# Foreign threads get this long in real time; nothing here depends on how long it is.
SHORTLY = 0.05


class Owner:
    """A foreign thread that owns a lock, seen acquiring it, from *acquire* to *release*."""

    def __init__(self, lock, foreign):
        self.lock = lock
        self._wanted, self._owned, self._unwanted = (threading.Event() for _ in range(3))
        self.thread = foreign(self._own)

    def _own(self):
        self._wanted.wait()
        with self.lock:
            self._owned.set()
            self._unwanted.wait()
            time.sleep(SHORTLY)

    def acquire(self):
        with simclock.active().real_time():
            self._wanted.set()
            self._owned.wait()

    def release_shortly(self):
        self._wanted.set()
        self._unwanted.set()


@pytest.fixture(params=[threading.Lock, threading.RLock], ids=["Lock", "RLock"])
def owner(request, foreign):
    owner = Owner(request.param(), foreign)
    yield owner
    owner.release_shortly()


def elapsed():
    return simclock.active().elapsed


def test_hold_lets_the_clock_wait_for_a_lock_that_a_foreign_thread_owns(owner):
    def program():
        owner.acquire()
        time.sleep(5)
        owner.release_shortly()
        with owner.lock:
            return elapsed()

    assert simclock.run(program) == 5.0


def test_hold_beats_a_timeout_and_everybody_elses_timers(owner):
    def program():
        log = []
        owner.acquire()
        timer = threading.Timer(1, lambda: log.append((elapsed(), "timer")))
        timer.start()
        owner.release_shortly()
        log.append((owner.lock.acquire(timeout=7), elapsed()))
        owner.lock.release()
        timer.join()
        return log

    assert simclock.run(program) == [(True, 0.0), (1.0, "timer")]


def test_hold_is_bounded_by_the_watchdogs_time(owner, normal):
    def program():
        time.sleep(2)
        owner.acquire()
        owner.lock.acquire(timeout=7)

    with pytest.raises(Stalled) as caught:
        simclock.run(program, watchdog=0.1)
    kind = "lock" if isinstance(owner.lock, type(threading.Lock())) else "RLock"
    first, waits, *_, last = normal(caught.value).splitlines()
    assert first == "stalled: the clock was held for 0.1 real seconds at virtual +2 s"
    assert waits == (
        f"  root (0), waits for {kind}, owned by a foreign thread, until +9 s, since +2 s"
    )
    assert (
        last
        == "release what is named above, give the wait a timeout if nothing has to come, or give a longer watchdog="
    )


def test_strict_refuses_to_wait_for_a_foreign_owner(owner, normal):
    def program():
        owner.acquire()
        owner.lock.acquire()

    with pytest.raises(Escape) as caught:
        simclock.run(program, external="strict")
    kind = "lock" if isinstance(owner.lock, type(threading.Lock())) else "RLock"
    lines = normal(caught.value).splitlines()
    assert lines[:4] == [
        "escape: a simulated thread waits on something outside, at virtual +0 s",
        f"  root (0), waits for {kind}, owned by a foreign thread, since +0 s",
        "    in program",
        "      owner.lock.acquire()",
    ]
    assert lines[-1] == 'allow it with external="hold" (the clock waits) or external="ignore"'


def test_strict_lets_a_lock_be_taken_that_is_free_again(owner):
    def program():
        owner.acquire()
        with simclock.active().real_time():
            owner.release_shortly()
            owner.thread.join()
        with owner.lock:
            return elapsed()

    assert simclock.run(program, external="strict") == 0.0


def test_ignore_lets_the_clock_run_on(owner):
    def program():
        owner.acquire()
        return owner.lock.acquire(timeout=7), elapsed()

    assert simclock.run(program, external="ignore") == (False, 7.0)


def test_ignore_without_a_timeout_is_a_potential_deadlock(owner):
    def program():
        owner.acquire()
        owner.lock.acquire()

    with pytest.raises(Deadlock, match=r"^potential deadlock: 1 thread can never run again"):
        simclock.run(program, external="ignore")


class Wakers:
    """Pairs of what a simulated thread waits with and what a foreign one does about it."""

    def __init__(self):
        self.lock, self.event, self.items = threading.Lock(), threading.Event(), SimpleQueue()
        self.condition = threading.Condition()
        self.done = False
        self.lock.acquire()
        self.pairs = {
            "Event": (self.event.wait, self.event.set),
            "Lock": (self.lock.acquire, self.lock.release),
            "SimpleQueue": (self.items.get, lambda: self.items.put("item")),
            "Condition": (self._wait, self._notify),
        }

    def _wait(self):
        with self.condition:
            self.condition.wait_for(lambda: self.done)

    def _notify(self):
        with self.condition:
            self.done = True
            self.condition.notify()


@pytest.mark.parametrize("policy", ["hold", "strict"])
@pytest.mark.parametrize("kind", ["Event", "Lock", "SimpleQueue", "Condition"])
def test_a_foreign_thread_wakes_a_simulated_one(policy, kind, foreign):
    """Nothing but the foreign thread can help, so it gets the time, whatever the policy."""
    go = threading.Event()
    wait, wake = Wakers().pairs[kind]
    foreign(lambda: (go.wait(), time.sleep(SHORTLY), wake()))

    def program():
        time.sleep(3)
        go.set()
        wait()
        return elapsed()

    assert simclock.run(program, external=policy) == 3.0


def test_a_foreign_thread_wakes_one_beside_a_longer_timer(foreign):
    """Its release is seen although the clock could go on to the timer."""
    go = threading.Event()
    items = SimpleQueue()
    thread = foreign(lambda: (go.wait(), items.put("item")))

    def program():
        go.set()
        with simclock.active().real_time():
            thread.join()
        return items.get(timeout=10), elapsed()

    assert simclock.run(program) == ("item", 0.0)


def test_foreign_threads_keep_real_time(foreign):
    go, log = threading.Event(), []

    def measure():
        go.wait()
        before = time.monotonic()
        time.sleep(SHORTLY)
        log.append(time.monotonic() - before >= SHORTLY)
        log.append(threading.Event().wait(SHORTLY))
        log.append(time.time() > 1.7e9)
        log.append(simclock.active())

    def program():
        go.set()
        with simclock.active().real_time():
            thread.join()
        return time.monotonic(), time.time()

    thread = foreign(measure)
    assert simclock.run(program) == (1000.0, 946684800.0)
    assert log == [True, False, True, None]


def test_the_join_of_a_foreign_thread_holds_the_clock(foreign):
    go = threading.Event()

    def program():
        time.sleep(1)
        go.set()
        thread.join(timeout=100)
        return thread.is_alive(), elapsed()

    thread = foreign(lambda: (go.wait(), time.sleep(SHORTLY)))
    assert simclock.run(program) == (False, 1.0)


def test_the_join_of_a_foreign_thread_is_an_escape_when_strict(foreign):
    go = threading.Event()
    thread = foreign(go.wait)
    try:
        with pytest.raises(Escape, match=r"in Thread\.join, owned by a foreign thread, since"):
            simclock.run(thread.join, external="strict")
    finally:
        go.set()


def test_the_join_of_a_foreign_thread_that_has_ended_returns_at_once(foreign):
    thread = foreign(int)
    thread.join()
    assert simclock.run(thread.join, external="strict") is None


def test_a_lock_whose_owner_is_unknown_does_not_hold_the_clock(foreign):
    """Acquired before the simulation, by a thread that nobody saw."""
    lock, owned, end = threading.Lock(), threading.Event(), threading.Event()

    def own():
        with lock:
            owned.set()
            end.wait()

    foreign(own)
    owned.wait()
    try:
        result = simclock.run(lambda: (lock.acquire(timeout=7), elapsed()))
    finally:
        end.set()
    assert result == (False, 7.0)


def test_threads_started_in_real_time_are_foreign():
    def program():
        seen = []
        with simclock.active().real_time():
            thread = threading.Thread(target=lambda: seen.append(simclock.active()))
            thread.start()
            thread.join()
        return seen, len(simclock.active().threads)

    assert simclock.run(program) == ([None], 1)


def test_another_simulation_opened_by_a_foreign_thread_is_refused_by_name(foreign):
    go, errors = threading.Event(), []

    def open_another():
        go.wait()
        with pytest.raises(simclock.Unsupported) as caught:
            simclock.Simulation().__enter__()
        errors.append(str(caught.value))

    def program():
        go.set()
        with simclock.active().real_time():
            thread.join()
        time.sleep(1)
        return elapsed()

    thread = foreign(open_another, name="meddler")
    assert simclock.run(program) == 1.0
    what, advice = errors[0].splitlines()
    assert what == (
        "thread 'meddler' cannot open a simulation: another one is open, and it is foreign to that"
    )
    assert advice == "open it in a simulated thread, or after the other has been closed"
    assert simclock.run(elapsed) == 0.0
