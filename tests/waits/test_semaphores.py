from __future__ import annotations

import _multiprocessing
import multiprocessing as mp
import queue
import threading
import time

import pytest

import simclock
from simclock import Deadlock, Simulation

FORK = mp.get_context("fork")
# Real seconds: what a child takes, and far more than a test takes.
SHORTLY = 0.1
REAL = 20.0


def start(*targets):
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    return threads


def join(threads):
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("kind", [FORK.Lock, FORK.RLock], ids=["Lock", "RLock"])
def test_a_lock_that_is_owned_across_a_virtual_sleep_does_not_hang(kind, log):
    lock = kind()

    def owner(name):
        def run():
            with lock:
                log((name, "in"))
                time.sleep(10)

        return run

    with Simulation() as sim:
        join(start(owner("a"), owner("b"), owner("c")))
        assert sim.escapes == ()

    assert log == [(0.0, ("a", "in")), (10.0, ("b", "in")), (20.0, ("c", "in"))]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((True, 2.5), (2.5, False)),
        ((True, 7), (5.0, True)),
        ((True, 0), (0.0, False)),
        ((True, -1), (0.0, False)),
        ((False,), (0.0, False)),
        ((False, 9), (0.0, False)),
        ((1, 2), (2.0, False)),
        ((True, None), (5.0, True)),
        ((), (5.0, True)),
    ],
)
def test_acquire_waits_for_so_long_in_virtual_time(arguments, expected, log):
    lock = FORK.Lock()

    def owner():
        with lock:
            time.sleep(5)

    with Simulation():
        owners = start(owner)
        time.sleep(0)
        log(lock.acquire(*arguments))
        join(owners)

    assert log == [expected]


@pytest.mark.parametrize(
    "arguments", [(True, "soon"), (True, [1]), ("no", 0.01), (1.5, 0.01), (None, 1), (True, 1, 2)]
)
@pytest.mark.parametrize("owned", [False, True])
def test_errors_of_arguments_are_those_of_the_original(arguments, owned, outcome):
    def told():
        lock = FORK.Lock()
        if owned:
            lock.acquire()
        return outcome(lock.acquire, *arguments)

    real = told()

    with Simulation():
        assert told() == real


@pytest.mark.parametrize("kind", [FORK.Lock, FORK.RLock], ids=["Lock", "RLock"])
def test_a_release_too_many_is_the_originals_error(kind, outcome):
    real = outcome(kind().release)

    with Simulation():
        assert outcome(kind().release) == real


def test_an_rlock_is_its_owners_as_often_as_it_likes(log):
    lock = FORK.RLock()

    def other():
        log(("other", lock.acquire(False)))
        with lock:
            log("other")

    with Simulation():
        with lock, lock:
            others = start(other)
            time.sleep(1)
            lock.acquire()
            lock.release()
            log("released once")
        join(others)

    assert log == [(0.0, ("other", False)), (1.0, "released once"), (1.0, "other")]


def test_an_rlock_is_released_by_its_owner_only(outcome):
    def told():
        lock = FORK.RLock()
        lock.acquire()
        found = []
        join(start(lambda: found.append(outcome(lock.release))))
        lock.release()
        return found

    real = told()

    with Simulation():
        assert told() == real


def test_a_semaphore_lets_in_as_many_as_it_counts(log):
    semaphore = FORK.Semaphore(2)

    def worker(name):
        def run():
            with semaphore:
                log(name)
                time.sleep(1)

        return run

    with Simulation():
        join(start(*map(worker, "abcde")))

    assert log == [(0.0, "a"), (0.0, "b"), (1.0, "c"), (1.0, "d"), (2.0, "e")]


def test_several_releases_at_once_let_in_as_many(log):
    semaphore = FORK.Semaphore(0)

    def worker(name):
        return lambda: log((name, semaphore.acquire()))

    with Simulation():
        workers = start(*map(worker, "abc"))
        time.sleep(1)
        semaphore.release()
        semaphore.release()
        time.sleep(1)
        semaphore.release()
        join(workers)

    assert log == [(1.0, ("a", True)), (1.0, ("b", True)), (2.0, ("c", True))]


def test_a_bounded_semaphore_refuses_a_release_too_many():
    semaphore = FORK.BoundedSemaphore(1)
    with Simulation(), pytest.raises(ValueError, match="semaphore or lock released too many times"):
        semaphore.release()


def test_a_condition_wakes_its_waiters_at_the_instant_of_the_notification(log):
    condition = FORK.Condition()

    def waiter(name, timeout=None):
        def run():
            with condition:
                log((name, condition.wait(timeout)))

        return run

    with Simulation():
        waiters = start(waiter("a"), waiter("b"), waiter("impatient", 1))
        time.sleep(3)
        with condition:
            condition.notify_all()
        join(waiters)

    assert log == [(1.0, ("impatient", False)), (3.0, ("a", True)), (3.0, ("b", True))]


def test_an_event_is_waited_for_in_virtual_time(log):
    event = FORK.Event()
    with Simulation():
        log(event.wait(2))
        threading.Timer(3, event.set).start()
        log(event.wait())
        log(event.wait(5))

    assert log == [(2.0, False), (5.0, True), (5.0, True)]


@pytest.mark.unclean("the memory that processes share is kept for the next barrier")
def test_a_barrier_waits_in_virtual_time(log):
    barrier = FORK.Barrier(2)

    def late():
        time.sleep(4)
        barrier.wait()

    with Simulation():
        others = start(late)
        barrier.wait()
        log("passed")
        join(others)

    assert log == [(4.0, "passed")]


def test_a_lock_that_its_owner_waits_for_is_a_deadlock_and_names_it():
    lock = FORK.Lock()
    with pytest.raises(Deadlock, match=r"waits for SemLock, owned by itself"), Simulation():
        lock.acquire()
        lock.acquire()


def test_two_locks_in_two_orders_are_a_cycle():
    one, two = FORK.Lock(), FORK.Lock()

    def cross(first, second):
        def run():
            with first:
                time.sleep(1)
                with second:
                    pass

        return run

    with pytest.raises(Deadlock, match=r"cycle: Thread-\d+ .* -> Thread-\d+"), Simulation():
        join(start(cross(one, two), cross(two, one)))


def test_what_is_left_waiting_is_unwound_and_releases_what_it_has():
    lock, other = FORK.Lock(), FORK.Lock()

    def waiter():
        with other, lock:
            pass

    with Simulation():
        lock.acquire()
        threading.Thread(target=waiter, daemon=True).start()
        time.sleep(1)

    assert other.acquire(False)


def test_a_leftover_in_a_conditions_wait_is_unwound_quietly():
    condition = FORK.Condition()

    def waiter():
        with condition:
            condition.wait()

    def owner():
        with condition:
            time.sleep(1e6)

    with Simulation():
        for target in (waiter, waiter, owner):
            threading.Thread(target=target, daemon=True).start()
        time.sleep(1)


def test_a_lock_that_a_foreign_thread_owns_holds_the_clock(log):
    lock = FORK.Lock()
    owned, unwanted = threading.Event(), threading.Event()

    def own():
        with lock:
            owned.set()
            unwanted.wait()
            time.sleep(SHORTLY)

    def program():
        with simclock.active().real_time():
            foreign.start()
            owned.wait()
            unwanted.set()
        log(lock.acquire(timeout=7))
        return simclock.active().escapes

    foreign = threading.Thread(target=own)
    (line,) = simclock.run(program)
    foreign.join()

    assert log == [(0.0, True)]
    assert "waits for SemLock, owned by a foreign thread" in line


def run_child(target):
    child = FORK.Process(target=target)
    child.start()
    return child


def test_a_semaphore_that_a_child_releases_holds_the_clock(log):
    ready = FORK.Semaphore(0)

    def child():
        for _ in range(2):
            time.sleep(SHORTLY)
            ready.release()

    with Simulation() as sim:
        process = run_child(child)
        threading.Timer(5, log, ["timer"]).start()
        log(ready.acquire(timeout=REAL))
        log(ready.acquire())
        process.join()
        process.close()
        time.sleep(5)
        escapes = sim.escapes

    assert log == [(0.0, True), (0.0, True), (5.0, "timer")]
    assert [line for line in escapes if "waited for child process" in line and "in SemLock" in line]


def test_a_child_that_releases_nothing_is_not_waited_for_for_ever(log):
    ready, end = FORK.Semaphore(0), FORK.Semaphore(0)
    # Longer than a child takes to end where others work, too.
    with Simulation(watchdog=10):
        process = run_child(end.acquire)
        log(ready.acquire(timeout=0.05))
        threading.Timer(5, ready.release).start()
        log(ready.acquire())
        end.release()
        process.join()
        process.close()

    assert log == [(0.05, False), (5.05, True)]


def test_a_lock_of_ours_does_not_hold_the_clock_while_a_child_lives(log):
    lock, end = FORK.Lock(), FORK.Semaphore(0)

    def owner():
        with lock:
            time.sleep(100)

    with Simulation():
        process = run_child(end.acquire)
        owners = start(owner)
        time.sleep(0)
        with lock:
            log("owned")
        join(owners)
        end.release()
        process.join()
        process.close()

    assert log == [(100.0, "owned")]


def test_a_full_queue_is_emptied_by_a_child(log):
    items = FORK.Queue(1)

    def child():
        for _ in range(3):
            time.sleep(SHORTLY)
            items.get()

    with Simulation():
        process = run_child(child)
        for item in range(3):
            items.put(item)
        log("put")
        process.join()
        process.close()
        items.close()
        items.join_thread()

    assert log == [(0.0, "put")]


def test_queues_of_processes_work_between_threads(log):
    items = FORK.JoinableQueue()

    def consumer():
        while (item := items.get()) is not None:
            time.sleep(1)
            log(item)
            items.task_done()
        items.task_done()

    with Simulation():
        consumers = start(consumer)
        for item in ("a", "b", None):
            items.put(item)
        items.join()
        log("joined")
        join(consumers)
        with pytest.raises(queue.Empty):
            items.get(timeout=3)
        # `multiprocessing.connection.wait` goes on asking until its deadline is over.
        assert time.monotonic() == pytest.approx(1005)
        items.close()
        items.join_thread()

    assert log == [(1.0, "a"), (2.0, "b"), (2.0, "joined")]


def test_the_short_signature_of_exit_is_that_of_the_original(outcome):
    def told():
        lock = FORK.Lock()
        lock.acquire()
        raw = lock._semlock
        return outcome(_multiprocessing.SemLock.__exit__, raw, None, None, None), outcome(
            raw.__exit__
        )

    real = told()

    with Simulation():
        assert told() == real
