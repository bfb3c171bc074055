from __future__ import annotations

import threading
import time

import pytest

import simclock
from simclock import Leak, Stalled

SHORTLY = 0.05


def test_the_clock_does_not_jump_while_it_is_held():
    def program():
        sim = simclock.active()
        log = []

        def release():
            time.sleep(SHORTLY)
            log.append((sim.elapsed, "released"))
            hold.release()

        hold = sim.hold("the upload")
        with sim.real_time():
            thread = threading.Thread(target=release)
            thread.start()
        time.sleep(5)
        log.append((sim.elapsed, "slept"))
        thread.join()
        return log

    assert simclock.run(program) == [(0.0, "released"), (5.0, "slept")]


def test_holds_are_counted_even_if_nobody_keeps_them():
    def program():
        sim = simclock.active()
        sim.hold("one")
        sim.hold("two")

    with pytest.raises(Leak) as caught:
        simclock.run(program)
    assert str(caught.value).splitlines() == [
        "the simulation left something behind",
        "  a hold that was never released: one",
        "  a hold that was never released: two",
        "end, join or release what is named above",
    ]


def test_every_hold_counts_and_a_second_release_does_not():
    def program():
        sim = simclock.active()
        log = []

        def release():
            for hold in (first, first, second):
                time.sleep(SHORTLY)
                log.append(sim.elapsed)
                hold.release()

        first, second = sim.hold("first"), sim.hold("second")
        with sim.real_time():
            thread = threading.Thread(target=release)
            thread.start()
        time.sleep(5)
        thread.join()
        return log, sim.elapsed

    assert simclock.run(program) == ([0.0, 0.0, 0.0], 5.0)


def test_a_nested_hold_ends_with_its_block():
    def program():
        sim = simclock.active()
        with sim.hold("outer"), sim.hold("inner"):
            time.sleep(0)
        time.sleep(1)
        return sim.elapsed

    assert simclock.run(program) == 1.0


def test_threads_run_on_at_the_instant_that_is_held():
    def program():
        sim = simclock.active()
        log = []
        with sim.hold("the upload"):
            thread = threading.Thread(target=lambda: log.append(sim.elapsed))
            thread.start()
            thread.join()
        return log

    assert simclock.run(program) == [0.0]


def test_a_hold_that_is_waited_for_too_long_is_named(normal):
    def program():
        simclock.active().hold("the archive")
        time.sleep(1)

    with pytest.raises(Stalled) as caught:
        simclock.run(program, watchdog=0.1)
    assert normal(caught.value).splitlines() == [
        "stalled: the clock was held for 0.1 real seconds at virtual +0 s",
        "  held by: the archive",
        "release what is named above, give the wait a timeout if nothing has to come, or give a longer watchdog=",
    ]


def test_a_deadlock_waits_for_the_hold_and_what_it_brings():
    def program():
        sim = simclock.active()
        event = threading.Event()

        def bring():
            time.sleep(SHORTLY)
            event.set()
            hold.release()

        hold = sim.hold("the answer")
        with sim.real_time():
            thread = threading.Thread(target=bring)
            thread.start()
        event.wait()
        thread.join()
        return sim.elapsed

    assert simclock.run(program) == 0.0


def test_ignore_ignores_holds_too():
    def program():
        with simclock.active().hold("the archive"):
            time.sleep(1)
        return simclock.active().elapsed

    assert simclock.run(program, external="ignore") == 1.0


def test_calls_in_real_time_are_real_and_the_simulation_stands_still():
    def program():
        sim = simclock.active()
        log = []
        ticker = threading.Timer(SHORTLY / 2, lambda: log.append((sim.elapsed, "timer")))
        ticker.start()
        with sim.real_time():
            before = time.monotonic()
            time.sleep(SHORTLY)
            log.append(time.monotonic() - before >= SHORTLY)
            log.append(simclock.active())
            log.append((sim.elapsed, "left"))
        log.append((time.monotonic(), "back"))
        ticker.join()
        return log

    assert simclock.run(program) == [
        True,
        None,
        (0.0, "left"),
        (1000.0, "back"),
        (SHORTLY / 2, "timer"),
    ]


def test_any_simulated_thread_may_leave():
    def program():
        sim = simclock.active()

        def work():
            with sim.real_time():
                time.sleep(SHORTLY)
            time.sleep(2)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return sim.elapsed

    assert simclock.run(program) == 2.0


def test_an_exception_leaves_real_time():
    def program():
        sim = simclock.active()
        with pytest.raises(ValueError, match="mine"), sim.real_time():
            raise ValueError("mine")
        time.sleep(1)
        return sim.elapsed

    assert simclock.run(program) == 1.0


def test_real_time_may_be_longer_than_the_watchdogs_patience():
    def program():
        with simclock.active().real_time():
            time.sleep(0.5)
        return simclock.active().elapsed

    assert simclock.run(program, watchdog=0.1) == 0.0


def test_real_time_in_real_time_is_refused():
    def program():
        sim = simclock.active()
        with sim.real_time(), sim.real_time():
            pass

    with pytest.raises(RuntimeError) as caught:
        simclock.run(program)
    assert str(caught.value) == (
        "real_time() is for simulated threads\nthis thread is in real time already"
    )
