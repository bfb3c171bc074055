from __future__ import annotations

import os
import queue
import select
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import simclock
from simclock import Deadlock

NEXT = "break the cycle, notify the waiter, or give the wait a timeout; each run ends here again"


def found(function, **options) -> Deadlock:
    with pytest.raises(Deadlock) as caught:
        simclock.run(function, **options)
    return caught.value


def test_abba_names_threads_owners_stacks_and_the_cycle(normal):
    def program():
        first, second = threading.Lock(), threading.Lock()

        def other():
            with second:
                time.sleep(1)
                with first:
                    pass

        threading.Thread(target=other, name="other").start()
        with first:
            time.sleep(2)
            with second:
                pass

    assert normal(found(program)).splitlines() == [
        "deadlock: 2 threads can never run again, at virtual +2 s",
        "  root (0), waits for lock, owned by other (0.1), since +2 s",
        "    in program",
        "      with second:",
        "    in found",
        "      simclock.run(function, **options)",
        "    in test_abba_names_threads_owners_stacks_and_the_cycle",
        "      assert normal(found(program)).splitlines() == [",
        "  other (0.1), waits for lock, owned by root (0), since +1 s",
        "    in other",
        "      with first:",
        "  cycle: root -> other -> root",
        NEXT,
    ]


def test_a_cycle_is_named_without_those_who_only_wait_for_it():
    def take(first, second):
        with first:
            time.sleep(1)
            with second:
                pass

    def program():
        left, right = threading.Lock(), threading.RLock()
        threads = [
            threading.Thread(target=take, args=(left, right), name="left"),
            threading.Thread(target=take, args=(right, left), name="right"),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    text = str(found(program))
    assert text.startswith("deadlock: 3 threads can never run again, at virtual +1 s\n")
    assert "  cycle: left -> right -> left\n" in text
    assert "  left (0.1), waits for RLock, owned by right (0.2), since +1 s\n" in text
    assert "  right (0.2), waits for lock, owned by left (0.1), since +1 s\n" in text
    assert "in Thread.join, owned by left (0.1), since +0 s\n" in text


def test_a_lock_acquired_twice_is_owned_by_itself(normal):
    def program():
        lock = threading.Lock()
        lock.acquire()
        time.sleep(3)
        lock.acquire()

    assert normal(found(program)).splitlines() == [
        "deadlock: 1 thread can never run again, at virtual +3 s",
        "  root (0), waits for lock, owned by itself, since +3 s",
        "    in program",
        "      lock.acquire()",
        "    in found",
        "      simclock.run(function, **options)",
        "    in test_a_lock_acquired_twice_is_owned_by_itself",
        "      assert normal(found(program)).splitlines() == [",
        "  cycle: root -> root",
        NEXT,
    ]


def test_who_waits_for_descriptors_is_told_how_to_wait_for_what_is_outside():
    def program():
        reader, writer = os.pipe()
        try:
            select.select([reader], [], [])
        finally:
            os.close(reader)
            os.close(writer)

    assert str(found(program)).splitlines()[-1] == (
        "break the cycle, notify the waiter, or give the wait a timeout; if something outside "
        "is to answer that simclock does not know of, hold the clock with sim.hold(...)"
    )


def test_a_lost_wake_up():
    def program():
        condition = threading.Condition()
        with condition:
            condition.notify()  # too early: nobody waits yet
        with condition:
            condition.wait()

    text = str(found(program))
    assert "  root (0), waits for a notification in Condition.wait, since +0 s\n" in text
    assert "cycle:" not in text
    assert "owned by" not in text


def test_a_condition_that_nobody_notifies_in_a_thread():
    def program():
        condition = threading.Condition()

        def wait():
            with condition:
                condition.wait_for(lambda: False)

        thread = threading.Thread(target=wait, name="waiter")
        thread.start()
        time.sleep(2)
        thread.join()

    text = str(found(program))
    assert "  waiter (0.1), waits for a notification in Condition.wait_for, since +0 s\n" in text
    assert "in Thread.join, owned by waiter (0.1), since +2 s\n" in text


@pytest.mark.parametrize(
    ("make", "wait"),
    [
        (threading.Event, "a notification in Event.wait"),
        (lambda: threading.Barrier(2), "a notification in Barrier.wait"),
        (lambda: _Get(queue.Queue()), "a notification in Queue.get"),
        (lambda: _Get(queue.SimpleQueue()), "SimpleQueue"),
        (lambda: _Acquire(threading.Semaphore(0)), "a notification in Semaphore.acquire"),
    ],
    ids=["Event", "Barrier", "Queue", "SimpleQueue", "Semaphore"],
)
def test_the_kind_of_wait_is_named(make, wait):
    assert f"  root (0), waits for {wait}, since +0 s\n" in str(found(lambda: make().wait()))


class _Get:
    def __init__(self, subject):
        self.wait = subject.get


class _Acquire:
    def __init__(self, subject):
        self.wait = subject.acquire


@pytest.mark.parametrize(("make", "kind"), [(threading.Lock, "lock"), (threading.RLock, "RLock")])
def test_an_owner_that_has_ended(make, kind):
    def program():
        lock = make()
        thread = threading.Thread(target=lock.acquire, name="gone")
        thread.start()
        thread.join()
        time.sleep(1)
        lock.acquire()

    text = str(found(program))
    assert (
        f"  root (0), waits for {kind}, owned by gone (0.1, which has ended), since +1 s\n" in text
    )


def test_an_rlock_owned_by_a_thread_that_waits():
    def program():
        lock = threading.RLock()

        def own():
            with lock, lock:
                threading.Event().wait()

        threading.Thread(target=own, name="owner").start()
        lock.acquire()

    text = str(found(program))
    assert "  root (0), waits for RLock, owned by owner (0.1), since +0 s\n" in text
    assert "  owner (0.1), waits for a notification in Event.wait, since +0 s\n" in text


def test_a_pool_that_waits_for_itself():
    def program():
        with ThreadPoolExecutor(1, "pool") as pool:
            pool.submit(lambda: pool.submit(int).result()).result()

    text = str(found(program))
    assert "  root (0), waits for a notification in Future.result, since +0 s\n" in text
    assert "  pool_0 (0.1), waits for a notification in Future.result, since +0 s\n" in text


def test_threads_that_join_each_other():
    def program():
        threads = {}

        def join(name):
            time.sleep(1)
            threads[name].join()

        threads["x"] = threading.Thread(target=join, args=("y",), name="x")
        threads["y"] = threading.Thread(target=join, args=("x",), name="y")
        for thread in threads.values():
            thread.start()
        threads["x"].join()

    text = str(found(program))
    assert "  cycle: x -> y -> x\n" in text
    assert "  x (0.1), waits for " in text
    assert " in Thread.join, owned by y (0.2), since +1 s\n" in text


def test_join_of_the_current_thread_keeps_its_own_error():
    def program():
        errors = []

        def join():
            with pytest.raises(RuntimeError, match="cannot join current thread") as caught:
                threading.current_thread().join()
            errors.append(caught.type)

        thread = threading.Thread(target=join)
        thread.start()
        thread.join()
        join()
        return errors

    assert simclock.run(program) == [RuntimeError, RuntimeError]


def test_a_lock_owned_across_a_sleep_is_no_deadlock():
    def program():
        lock = threading.Lock()
        log = []

        def own():
            with lock:
                time.sleep(3600)
            log.append((simclock.active().elapsed, "released"))

        threading.Thread(target=own).start()
        time.sleep(1)
        with lock:
            log.append((simclock.active().elapsed, "acquired"))
        time.sleep(1)
        return log

    assert simclock.run(program) == [(3600.0, "released"), (3600.0, "acquired")]


def test_a_wait_with_a_timeout_is_no_deadlock():
    def program():
        lock = threading.Lock()
        lock.acquire()
        return lock.acquire(timeout=7.5), simclock.active().elapsed

    assert simclock.run(program) == (False, 7.5)


def test_it_is_raised_at_the_wait_of_the_root_thread_only():
    log = []

    def wait(name):
        try:
            threading.Event().wait()
        except Deadlock:
            log.append((simclock.active().elapsed, name))

    def program():
        threading.Thread(target=wait, args=("worker",), daemon=True).start()
        time.sleep(1)
        wait("root")

    found(program)
    assert log == [(1.0, "root")]


def test_it_is_found_while_the_root_sleeps_no_more():
    """Threads that can never run again are no deadlock while another one still can."""

    def program():
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        time.sleep(50)
        return simclock.active().elapsed

    assert simclock.run(program) == 50.0


def test_a_foreign_thread_makes_it_potential(foreign):
    end = threading.Event()
    foreign(end.wait)
    try:
        text = str(found(threading.Event().wait, watchdog=0.2))
    finally:
        end.set()
    first, *_, threads, advice, last = text.splitlines()
    assert first == "potential deadlock: 1 thread can never run again, at virtual +0 s"
    assert threads.startswith("  foreign threads might still help: ")
    assert "foreigner" in threads
    assert advice == (
        "  if one of them does real work for this simulation, wrap the wait in sim.hold(...)"
    )
    assert last == NEXT


def test_of_many_threads_all_are_named_and_twenty_shown_with_stacks():
    gate = threading.Lock()
    gate.acquire()

    with pytest.raises(simclock.Deadlock) as found, simclock.Simulation():
        for n in range(30):
            threading.Thread(target=gate.acquire, name=f"worker-{n}", daemon=True).start()
        gate.acquire()

    text = str(found.value)
    assert [n for n in range(30) if f"  worker-{n} (0.{n + 1}), waits for lock" in text] == [
        *range(30)
    ]
    assert text.startswith("deadlock: 31 threads can never run again")
    assert text.count(" in run\n") == 19
