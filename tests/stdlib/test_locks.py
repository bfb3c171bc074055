from __future__ import annotations

import _thread
import threading
import time

import pytest

from simclock import Simulation

# Made when this module was imported: long before any simulation.
LOCK = threading.Lock()
RLOCK = threading.RLock()
CONDITION = threading.Condition()

KINDS = {"Lock": threading.Lock, "RLock": threading.RLock}
WRONG_ACQUIRES = [
    ((True, -2), {}),
    ((True, float("nan")), {}),
    ((True, float("inf")), {}),
    ((True, 1e300), {}),
    ((True, 10**30), {}),
    ((True, "1"), {}),
    ((True, None), {}),
    ((False, 1), {}),
    ((False, 0), {}),
    ((False, -2), {}),
    ((False, "1"), {}),
    ((True, 1, 2), {}),
    ((), {"wrong": 1}),
    ((True,), {"blocking": True}),
    ((), {"timeout": "x"}),
    ((), {"timeout": -3}),
    ((), {"blocking": False, "timeout": 3}),
    (("yes", -7), {}),
]


class Untrue:
    def __bool__(self):
        raise LookupError("neither")


@pytest.fixture(params=KINDS)
def lock(request):
    return KINDS[request.param]()


@pytest.mark.parametrize(("args", "kwargs"), WRONG_ACQUIRES, ids=repr)
def test_wrong_arguments_of_acquire_give_the_errors_of_the_original(lock, args, kwargs, outcome):
    original = outcome(lock.acquire, *args, **kwargs)

    with Simulation() as sim:
        simulated = outcome(lock.acquire, *args, **kwargs)
        assert sim.elapsed == 0.0

    assert original[0] != "returned"
    assert simulated == original
    assert lock.acquire(blocking=False)  # neither took it
    lock.release()


@pytest.mark.parametrize("name", ["release", "__enter__", "locked"])
@pytest.mark.parametrize(("args", "kwargs"), [((1, 2, 3, 4), {}), ((), {"wrong": 1})], ids=repr)
def test_wrong_arguments_of_other_methods_give_the_errors_of_the_original(
    lock, name, args, kwargs, outcome
):
    if not hasattr(lock, name):
        pytest.skip("this Python's RLock has no such method")
    original = outcome(getattr(lock, name), *args, **kwargs)
    with Simulation():
        simulated = outcome(getattr(lock, name), *args, **kwargs)

    assert original[0] != "returned" or name == "__enter__"
    assert simulated == original


@pytest.mark.parametrize("blocking", [Untrue(), "yes", 0, 1, None, 2.5], ids=type)
def test_any_object_for_blocking_is_taken_as_the_original_takes_it(lock, blocking, outcome):
    original = outcome(lock.acquire, blocking)
    if original == ("returned", True):
        lock.release()

    with Simulation():
        simulated = outcome(lock.acquire, blocking)
        if simulated == ("returned", True):
            lock.release()

    assert simulated == original


class Two:
    def __repr__(self):
        return "Two()"

    def __index__(self):
        return 2


@pytest.mark.parametrize(
    ("args", "kwargs", "waited"),
    [
        ((True, Two()), {}, 2.0),
        ((True, 1.5), {}, 1.5),
        ((), {"timeout": 0.25}, 0.25),
        ((1, 3), {}, 3.0),
        ((True, 1e-9), {}, 1e-9),
        ((True, 1e-12), {}, 1e-9),
        ((True, 0), {}, 0.0),
        ((True, -0.0), {}, 0.0),
        ((False,), {}, 0.0),
        ((False, -1), {}, 0.0),
        ((), {"blocking": False}, 0.0),
    ],
    ids=repr,
)
def test_acquire_gives_up_exactly_at_its_timeout(lock, args, kwargs, waited):
    found = []

    def other():
        taken = lock.acquire(*args, **kwargs)
        found.append((taken, sim.elapsed))

    with Simulation() as sim, lock:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()

    assert found == [(False, waited)]


def test_releasing_a_free_lock_gives_the_error_of_the_original(lock, outcome):
    original = outcome(lock.release)

    with Simulation():
        simulated = outcome(lock.release)

    assert original[0] is RuntimeError
    assert simulated == original


def test_exit_passes_exceptions_on(lock):
    with Simulation(), pytest.raises(KeyError), lock:
        raise KeyError

    assert lock.acquire(blocking=False)
    lock.release()


def test_all_spellings_of_the_lock_methods_work():
    lock = _thread.allocate_lock()
    with Simulation():
        assert lock.acquire_lock()
        assert lock.locked_lock()
        assert lock.locked()
        assert not lock.acquire_lock(False)
        assert lock.release_lock() is None
        assert not lock.locked_lock()
        assert lock.__enter__() is True
        assert lock.__exit__(None, None, None) is None
        assert not lock.locked()


def test_waiters_get_a_lock_in_the_order_in_which_they_came(lock, log):
    def work(name):
        with lock:
            log(name)
            time.sleep(1)

    with Simulation():
        threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert log == [(0.0, "a"), (1.0, "b"), (2.0, "c"), (3.0, "d")]


def test_a_lock_that_comes_free_at_the_instant_of_the_deadline_is_taken_by_someone(lock, log):
    def hold():
        with lock:
            time.sleep(2)
        log("released")

    def want():
        taken = lock.acquire(timeout=2)
        log(taken)
        if taken:
            lock.release()

    with Simulation():
        threads = [threading.Thread(target=target) for target in (hold, want)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert log == [(2.0, "released"), (2.0, True)]


def test_locks_made_at_import_are_simulated(log):
    def want(lock):
        log(lock.acquire(timeout=1))
        log(lock.acquire(timeout=5))
        lock.release()

    with Simulation():
        for lock in (LOCK, RLOCK, CONDITION):
            with lock:
                thread = threading.Thread(target=want, args=(lock,))
                thread.start()
                time.sleep(3)
            thread.join()

    assert log == [
        (1.0, False),
        (3.0, True),
        (4.0, False),
        (6.0, True),
        (7.0, False),
        (9.0, True),
    ]


def test_a_plain_lock_may_be_released_by_another_thread(log):
    lock = threading.Lock()

    def free():
        time.sleep(1)
        lock.release()

    with Simulation():
        lock.acquire()
        threading.Thread(target=free).start()
        log(lock.acquire())
        lock.release()

    assert log == [(1.0, True)]


# ------------------------------------------------------------------------- RLock


def test_rlock_is_reentrant_and_free_after_as_many_releases(log):
    lock = threading.RLock()

    def want():
        with lock:
            log("other")

    with Simulation():
        assert lock.acquire()
        assert lock.acquire(timeout=3)
        assert lock.acquire(blocking=False)
        with lock:
            thread = threading.Thread(target=want)
            thread.start()
            time.sleep(1)
        for _ in range(3):
            log("releasing")
            lock.release()
            time.sleep(1)
        thread.join()

    assert log == [(1.0, "releasing"), (2.0, "releasing"), (3.0, "releasing"), (3.0, "other")]


def test_an_rlock_is_released_by_its_owner_only(outcome):
    lock = threading.RLock()
    found = []

    def steal():
        found.append(outcome(lock.release))
        found.append(lock._is_owned())

    def steal_in_a_thread():
        with lock:
            assert lock._is_owned()
            thread = threading.Thread(target=steal)
            thread.start()
            thread.join()

    steal_in_a_thread()
    with Simulation():
        steal_in_a_thread()

    assert found == [(RuntimeError, "cannot release un-acquired lock"), False] * 2


def test_release_save_and_acquire_restore_keep_the_depth(log):
    lock = threading.RLock()

    def want():
        with lock:
            log("other")
            time.sleep(2)

    with Simulation():
        for _ in range(3):
            lock.acquire()
        thread = threading.Thread(target=want)
        thread.start()
        state = lock._release_save()
        assert not lock._is_owned()
        time.sleep(1)
        lock._acquire_restore(state)
        log("again")
        assert state[0] == 3
        for _ in range(3):
            assert lock._is_owned()
            lock.release()
        assert not lock._is_owned()
        thread.join()

    assert log == [(0.0, "other"), (2.0, "again")]


@pytest.mark.parametrize("state", [(), None, (1,), ("x", 1), (1, 2, 3)], ids=repr)
def test_wrong_arguments_of_acquire_restore_give_the_errors_of_the_original(state, outcome):
    original = outcome(threading.RLock()._acquire_restore, state)

    with Simulation():
        lock = threading.RLock()
        simulated = outcome(lock._acquire_restore, state)

    assert original[0] is TypeError
    assert simulated == original


def test_release_save_of_a_free_rlock_gives_the_error_of_the_original(outcome):
    original = outcome(threading.RLock()._release_save)

    with Simulation():
        simulated = outcome(threading.RLock()._release_save)

    assert original[0] is RuntimeError
    assert simulated == original


def test_the_rlock_written_in_python_works(log):
    lock = threading._PyRLock()

    def want():
        log(lock.acquire(timeout=1))
        with lock:
            log("other")

    with Simulation():
        with lock, lock:
            thread = threading.Thread(target=want)
            thread.start()
            time.sleep(2)
        thread.join()

    assert log == [(1.0, False), (2.0, "other")]
