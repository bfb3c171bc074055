from __future__ import annotations

import _thread
import signal
import threading
import time

import pytest

from simclock import Deadlock, Simulation
from simclock._boundary import _native
from simclock._boundary.active import kernels


def start(*targets):
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    return threads


def join(threads):
    for thread in threads:
        thread.join()


@pytest.fixture(params=["Lock", "RLock", "default"])
def condition(request):
    if request.param == "default":
        return threading.Condition()
    return threading.Condition(getattr(threading, request.param)())


# ------------------------------------------------------------------------- Event


def test_an_event_wakes_its_waiters_at_the_instant_it_is_set_in_order(log):
    event = threading.Event()

    def waiter(name):
        return lambda: log((name, event.wait(), event.is_set()))

    with Simulation():
        threads = start(*map(waiter, "abc"))
        time.sleep(2.5)
        event.set()
        log("set")
        join(threads)
        log(event.wait())
        event.clear()
        log(event.is_set())

    assert log == [
        (2.5, "set"),
        (2.5, ("a", True, True)),
        (2.5, ("b", True, True)),
        (2.5, ("c", True, True)),
        (2.5, True),
        (2.5, False),
    ]


@pytest.mark.parametrize(
    ("timeout", "waited"),
    [(0, 0.0), (-1, 0.0), (0.1, 0.1), (7, 7.0), (1e-9, 1e-9), (1e-15, 1e-9), (True, 1.0)],
)
def test_waiting_for_an_event_gives_up_exactly_at_its_timeout(timeout, waited):
    with Simulation() as sim:
        assert threading.Event().wait(timeout) is False

        assert sim.elapsed == waited


@pytest.mark.parametrize("timeout", ["x", [], 1e300, float("inf")], ids=repr)
def test_wrong_timeouts_of_an_event_give_the_errors_of_the_original(timeout, outcome):
    original = outcome(threading.Event().wait, timeout)

    with Simulation() as sim:
        simulated = outcome(threading.Event().wait, timeout)
        assert sim.elapsed == 0.0

    assert original[0] != "returned"
    assert simulated == original


def test_threading_timeout_max_is_accepted():
    event = threading.Event()

    with Simulation() as sim:
        threading.Timer(3, event.set).start()
        assert event.wait(threading.TIMEOUT_MAX)

        assert sim.elapsed == 3.0


# --------------------------------------------------------------------- Condition


def test_notify_wakes_the_longest_waiting(condition, log):
    def waiter(name):
        def wait():
            with condition:
                condition.wait()
                log(name)

        return wait

    with Simulation():
        threads = start(*map(waiter, "abcd"))
        for count in (1, 2, 5):
            time.sleep(1)
            with condition:
                condition.notify(count)
                log("notified")
        join(threads)

    assert log == [
        (1.0, "notified"),
        (1.0, "a"),
        (2.0, "notified"),
        (2.0, "b"),
        (2.0, "c"),
        (3.0, "notified"),
        (3.0, "d"),
    ]


def test_notify_all_wakes_all_one_after_another(condition, log):
    def waiter(name):
        def wait():
            with condition:
                condition.wait()
                time.sleep(1)  # owning the lock again
                log(name)

        return wait

    with Simulation():
        threads = start(*map(waiter, "abc"))
        with condition:
            condition.notify_all()
        join(threads)

    assert log == [(1.0, "a"), (2.0, "b"), (3.0, "c")]


def test_a_condition_gives_up_at_its_timeout_and_then_needs_its_lock(condition, log):
    def waiter():
        with condition:
            log(condition.wait(1.5))
            log(condition.wait(0))
            log(condition.wait(-1))

    def owner():
        time.sleep(1)
        with condition:
            time.sleep(2)

    with Simulation():
        join(start(waiter, owner))

    assert log == [(3.0, False), (3.0, False), (3.0, False)]


def test_wait_for_counts_its_timeout_over_all_wakings(condition, log):
    items = []

    def waiter():
        with condition:
            log(condition.wait_for(lambda: len(items) >= 3, timeout=2.5))
            log(condition.wait_for(lambda: len(items) >= 3))
            log(condition.wait_for(lambda: len(items) >= 9, timeout=0.5))

    def producer():
        for number in range(4):
            time.sleep(1)
            with condition:
                items.append(number)
                condition.notify()

    with Simulation():
        join(start(waiter, producer))

    assert log == [(2.5, False), (3.0, True), (3.5, False)]


def test_a_reentrant_condition_lets_go_of_all_levels(log):
    condition = threading.Condition()

    def waiter():
        with condition, condition, condition:
            log(condition.wait(10))
        log("left")

    def notifier():
        time.sleep(1)
        with condition:
            condition.notify()

    with Simulation():
        join(start(waiter, notifier))

    assert log == [(1.0, True), (1.0, "left")]


@pytest.mark.parametrize("call", ["wait", "notify", "notify_all"])
def test_a_condition_whose_lock_is_not_owned_gives_the_error_of_the_original(
    condition, call, outcome
):
    original = outcome(getattr(condition, call))

    with Simulation():
        simulated = outcome(getattr(condition, call))

    assert original[0] is RuntimeError
    assert simulated == original


# --------------------------------------------------------------------- Semaphore


@pytest.mark.parametrize("kind", [threading.Semaphore, threading.BoundedSemaphore])
def test_a_semaphore_admits_as_many_as_it_counts(kind, log):
    semaphore = kind(2)

    def worker(name):
        def work():
            with semaphore:
                log(name)
                time.sleep(1)

        return work

    with Simulation():
        join(start(*map(worker, "abcde")))

    assert log == [(0.0, "a"), (0.0, "b"), (1.0, "c"), (1.0, "d"), (2.0, "e")]


def test_a_semaphore_gives_up_at_its_timeout(log):
    semaphore = threading.Semaphore(0)

    with Simulation():
        log(semaphore.acquire(timeout=1.25))
        log(semaphore.acquire(blocking=False))
        threading.Timer(2, semaphore.release, kwargs={"n": 2}).start()
        log(semaphore.acquire(timeout=5))
        log(semaphore.acquire())
        log(semaphore.acquire(timeout=0.5))

    assert log == [(1.25, False), (1.25, False), (3.25, True), (3.25, True), (3.75, False)]


def test_a_semaphore_refuses_wrong_use_as_the_original_does(outcome):
    def misuse():
        return [
            outcome(threading.Semaphore, -1),
            outcome(threading.Semaphore(1).acquire, blocking=False, timeout=1),
            outcome(threading.Semaphore(1).release, 0),
            outcome(threading.BoundedSemaphore(1).release),
        ]

    original = misuse()
    with Simulation():
        simulated = misuse()

    assert simulated == original
    assert all(kind is ValueError for kind, _ in original)


# ----------------------------------------------------------------------- Barrier


def test_a_barrier_lets_all_pass_at_the_last_arrival_round_after_round(log):
    barrier = threading.Barrier(3, action=lambda: log("action"))

    def party(name, seconds):
        def walk():
            for _ in range(2):
                time.sleep(seconds)
                barrier.wait()
                log(name)

        return walk

    with Simulation():
        join(start(party("a", 1), party("b", 3), party("c", 2)))

    assert log == [
        (3.0, "action"),
        (3.0, "b"),
        (3.0, "a"),
        (3.0, "c"),
        (6.0, "action"),
        (6.0, "b"),
        (6.0, "a"),
        (6.0, "c"),
    ]


def test_a_barrier_breaks_for_all_when_one_times_out(log, outcome):
    barrier = threading.Barrier(3)

    def party(name, arrival, timeout):
        def walk():
            time.sleep(arrival)
            log((name, outcome(barrier.wait, timeout)[0]))

        return walk

    with Simulation():
        join(start(party("a", 0, 10), party("b", 1, 2.5), party("late", 5, 1)))
        assert barrier.broken

    broken = threading.BrokenBarrierError
    assert log == [(3.5, ("b", broken)), (3.5, ("a", broken)), (5.0, ("late", broken))]


def test_a_barrier_has_a_default_timeout_and_can_be_aborted_and_reset(log, outcome):
    barrier = threading.Barrier(2, timeout=4)

    def party():
        log(outcome(barrier.wait)[0])

    with Simulation():
        join(start(party))  # times out
        barrier.reset()
        threads = start(party)
        time.sleep(1)
        barrier.abort()
        join(threads)
        barrier.reset()
        threads = start(party)
        time.sleep(1)
        barrier.reset()  # somebody is waiting
        join(threads)
        join(start(party, party))
        log(barrier.broken)

    broken = threading.BrokenBarrierError
    assert log == [
        (4.0, broken),
        (5.0, broken),
        (6.0, broken),
        (6.0, "returned"),
        (6.0, "returned"),
        (6.0, False),
    ]


def test_a_barrier_numbers_its_parties():
    barrier = threading.Barrier(4)
    numbers = []

    with Simulation():
        join(start(*[lambda: numbers.append(barrier.wait())] * 4))

    assert sorted(numbers) == [0, 1, 2, 3]


# -------------------------------------------- a wait that is left by an exception


def test_who_is_interrupted_in_a_wait_owns_the_lock_again_however_often(condition, log):
    def own():
        with condition:
            _thread.interrupt_main()
            time.sleep(2)
            _thread.interrupt_main()
            time.sleep(3)

    with Simulation():
        with condition:
            threads = start(own)
            with pytest.raises(KeyboardInterrupt):
                condition.wait()
            log("owned")
            condition.notify()  # raises if it is not
        join(threads)

    assert log == [(5.0, "owned")]


def test_who_can_never_own_the_lock_again_is_told_the_real_error_only(condition, log):
    def own():
        time.sleep(1)
        with condition:
            threading.Event().wait()

    def wait():
        with condition:
            condition.wait()

    with pytest.raises(Deadlock) as told, Simulation() as sim:
        threading.Thread(target=own, daemon=True).start()
        with pytest.raises(Deadlock) as caught:
            wait()
        log(condition.acquire(blocking=False))
        log(kernels[-1].world.interested)
        with pytest.raises(Deadlock):
            condition.acquire()

    assert caught.value is told.value is sim.failure
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert log == [(1.0, False), (1.0, 0)]


def test_an_interrupt_is_not_hidden_by_a_lock_that_can_never_be_had_again(condition):
    def own():
        time.sleep(1)
        with condition:
            _thread.interrupt_main()
            threading.Event().wait()

    with pytest.raises(KeyboardInterrupt) as told, Simulation() as sim:
        threading.Thread(target=own, daemon=True).start()
        with condition:
            condition.wait()

    assert told.value.__cause__ is None
    assert sim.failure is None


def test_a_reentrant_lock_that_can_never_be_had_again_is_released_as_often_as_owned():
    condition = threading.Condition()

    def own():
        time.sleep(1)
        with condition:
            threading.Event().wait()

    with pytest.raises(Deadlock) as told, Simulation() as sim:
        threading.Thread(target=own, daemon=True).start()
        with condition, condition, condition:
            condition.wait()

    assert told.value is sim.failure
    assert told.value.__cause__ is None


def test_what_is_raised_as_the_lock_is_let_go_finds_it_owned(condition):
    """The wait would leave a block that has to own it."""
    with Simulation(), condition:
        _native.defer(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            condition._release_save()
        condition.notify()  # raises if it is not owned


def test_what_is_raised_as_the_lock_is_taken_again_finds_it_owned(condition):
    with Simulation(), condition:
        state = condition._release_save()
        _native.defer(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            condition._acquire_restore(state)
        condition.notify()
