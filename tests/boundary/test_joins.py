"""What ``threading`` promises of starting and joining, also where C does it (3.13)."""

from __future__ import annotations

import _thread
import sys
import threading
import time

import pytest

import simclock
from simclock.errors import Deadlock

needs_handles = pytest.mark.skipif(sys.version_info < (3, 13), reason="3.13 has thread handles")


def sleeper(seconds):
    return threading.Thread(target=time.sleep, args=(seconds,))


def test_join_returns_when_the_thread_ends():
    with simclock.Simulation() as sim:
        thread = sleeper(3)
        thread.start()
        alive = thread.is_alive()
        thread.join()

    assert (alive, thread.is_alive(), sim.elapsed) == (True, False, 3.0)


def test_join_with_a_timeout():
    log = []
    with simclock.Simulation() as sim:
        thread = sleeper(3)
        thread.start()
        for timeout in (1, 0, 0.5, -1, 10):
            thread.join(timeout)
            log.append((sim.elapsed, thread.is_alive()))

    assert log == [(1.0, True), (1.0, True), (1.5, True), (1.5, True), (3.0, False)]


def test_many_threads_join_one():
    log = []

    def join(thread, name):
        thread.join()
        log.append((sim.elapsed, name))

    with simclock.Simulation() as sim:
        thread = sleeper(2)
        thread.start()
        others = [threading.Thread(target=join, args=(thread, name)) for name in "abc"]
        for other in others:
            other.start()
        for other in others:
            other.join()
        thread.join()

    assert log == [(2.0, "a"), (2.0, "b"), (2.0, "c")]


def test_join_after_the_end_and_after_the_simulation():
    with simclock.Simulation():
        thread = sleeper(1)
        thread.start()
        thread.join()
        thread.join()
        thread.join(0)
    thread.join()

    assert not thread.is_alive()


def test_join_of_a_thread_that_ended_in_the_drain():
    with simclock.Simulation():
        thread = sleeper(1)
        thread.start()
    thread.join()

    assert not thread.is_alive()


def test_errors_are_those_of_threading():
    thread = sleeper(1)
    with simclock.Simulation():
        with pytest.raises(RuntimeError, match="cannot join thread before it is started"):
            thread.join()
        thread.start()
        with pytest.raises(RuntimeError, match="threads can only be started once"):
            thread.start()
        thread.join()
        with pytest.raises(RuntimeError, match="threads can only be started once"):
            thread.start()
        with pytest.raises(RuntimeError, match="cannot join current thread"):
            threading.current_thread().join()


def test_a_thread_cannot_join_itself():
    raised = []

    def join():
        try:
            threading.current_thread().join()
        except RuntimeError as error:
            raised.append(str(error))

    with simclock.Simulation():
        thread = threading.Thread(target=join)
        thread.start()
        thread.join()

    assert raised == ["cannot join current thread"]


def test_two_threads_that_join_each_other_are_a_deadlock():
    threads = []

    def join(index):
        time.sleep(1)
        threads[index].join()

    with (
        pytest.raises(Deadlock, match=r"cycle: (one -> two -> one|two -> one -> two)"),
        simclock.Simulation(),
    ):
        threads.append(threading.Thread(target=join, args=(1,), name="one", daemon=True))
        threads.append(threading.Thread(target=join, args=(0,), name="two", daemon=True))
        for thread in threads:
            thread.start()
        threads[0].join()


def test_a_foreign_thread_joins_a_simulated_one():
    log = []

    def join():
        thread.join()
        log.append(thread.is_alive())

    foreign = threading.Thread(target=join)
    with simclock.Simulation() as sim:
        thread = sleeper(50)
        thread.start()
        with sim.real_time():
            foreign.start()
        thread.join()
    foreign.join()

    assert log == [False]


def test_a_simulated_thread_joins_a_foreign_one():
    foreign = threading.Thread(target=time.sleep, args=(0.05,))
    foreign.start()
    with simclock.Simulation() as sim:
        foreign.join()

    assert not foreign.is_alive()
    assert sim.elapsed == 0.0


def test_a_timed_join_of_a_foreign_thread_is_held_not_timed_out():
    foreign = threading.Thread(target=time.sleep, args=(0.05,))
    foreign.start()
    with simclock.Simulation() as sim:
        foreign.join(timeout=5)
        alive = foreign.is_alive()

    assert (alive, sim.elapsed) == (False, 0.0)


def test_a_thread_can_be_started_again_below_threading():
    log = []
    with simclock.Simulation() as sim:
        ident = _thread.start_new_thread(lambda: log.append(threading.get_ident()), ())
        sim.settle()

    assert log == [ident]


@pytest.mark.parametrize(
    "args",
    [(), (print,), (1, ()), (print, []), (print, (), 1), (print, (), {}, 1), (print, (), None)],
)
def test_wrong_arguments_of_start_raise_what_the_original_raises(args):
    def outcome():
        try:
            _thread.start_new_thread(*args)
        except TypeError as error:
            return str(error)
        return None

    outside = outcome()
    with simclock.Simulation() as sim:
        inside = outcome()
        assert sim.threads[1:] == ()

    assert inside == outside != None  # noqa: E711


@needs_handles
def test_a_handle_is_done_when_its_thread_has_ended():
    log = []
    with simclock.Simulation() as sim:
        handle = _thread.start_joinable_thread(lambda: time.sleep(2))
        log.append((sim.elapsed, handle.is_done()))
        handle.join(0.5)
        log.append((sim.elapsed, handle.is_done()))
        handle.join(1)
        log.append((sim.elapsed, handle.is_done()))
        handle.join()
        log.append((sim.elapsed, handle.is_done()))
        handle.join()

    assert log == [(0.0, False), (0.5, False), (1.5, False), (2.0, True)]
    handle.join()


@needs_handles
def test_a_negative_timeout_of_a_handle_is_none():
    with simclock.Simulation() as sim:
        handle = _thread.start_joinable_thread(lambda: time.sleep(2))
        handle.join(-1)

    assert sim.elapsed == 2.0


@needs_handles
def test_a_handle_knows_its_thread():
    idents = []
    with simclock.Simulation():
        handle = _thread.start_joinable_thread(lambda: idents.append(_thread.get_ident()))
        handle.join()

    assert idents == [handle.ident]


@needs_handles
def test_a_given_handle_is_used_and_only_once():
    handle = _thread._ThreadHandle()
    with simclock.Simulation():
        with pytest.raises(RuntimeError, match="thread not started"):
            handle.join()
        assert _thread.start_joinable_thread(int, handle) is handle
        with pytest.raises(RuntimeError, match="thread already started"):
            _thread.start_joinable_thread(int, handle)
        handle.join()
        with pytest.raises(RuntimeError, match="thread already started"):
            _thread.start_joinable_thread(int, handle)


@needs_handles
def test_a_handle_cannot_be_joined_by_its_thread():
    raised = []

    def join():
        try:
            handle.join()
        except RuntimeError as error:
            raised.append(str(error))

    with simclock.Simulation():
        handle = _thread._ThreadHandle()
        _thread.start_joinable_thread(join, handle)
        handle.join()

    assert raised == ["Cannot join current thread"]


@needs_handles
def test_set_done_ends_the_wait_of_a_join():
    log = []
    release = threading.Event()

    with simclock.Simulation() as sim:
        handle = _thread.start_joinable_thread(release.wait)

        def mark():
            time.sleep(1)
            handle._set_done()

        threading.Thread(target=mark).start()
        handle.join()
        log.append(sim.elapsed)
        release.set()

    assert log == [1.0]


@needs_handles
@pytest.mark.parametrize("args", [(), (1,), (print, 1)])
def test_wrong_arguments_of_a_joinable_start_raise_what_the_original_raises(args):
    def outcome():
        try:
            _thread.start_joinable_thread(*args)
        except TypeError as error:
            return str(error)
        return None

    outside = outcome()
    with simclock.Simulation() as sim:
        inside = outcome()
        assert sim.threads[1:] == ()

    assert inside == outside != None  # noqa: E711
