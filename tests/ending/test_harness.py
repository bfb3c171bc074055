"""A simulation that is left and entered again, as runners of tests do."""

from __future__ import annotations

import gc
import random
import signal
import threading
import time

import pytest

import simclock
from simclock import harness
from simclock.harness import Harness


@pytest.fixture
def opened():
    """Return a function that opens a simulation and leaves it; each is closed in the end."""
    made = []

    def open_(**options):
        made.append(Harness(simclock.Simulation(**options)))
        made[-1].open()
        return made[-1]

    yield open_
    for one in reversed(made):
        if one.is_open:
            one.come_back()
            one.close(None)


def test_outside_the_time_is_real_and_inside_it_goes_on(opened):
    one = opened()

    assert one.is_open
    assert simclock.active() is None
    assert time.gmtime().tm_year > 2020
    for elapsed in (5, 10):
        one.come_back()
        time.sleep(5)
        assert simclock.active() is one.simulation
        assert one.simulation.elapsed == elapsed
        one.leave()
    one.come_back()
    one.close(None)
    assert not one.is_open


def test_threads_stand_still_while_it_is_left(opened):
    one = opened()
    log = []
    one.come_back()

    def tick():
        for _ in range(3):
            time.sleep(1)
            log.append(one.simulation.elapsed)

    thread = threading.Thread(target=tick)
    thread.start()
    time.sleep(1.5)
    one.leave()
    time.sleep(0.02)
    assert log == [1.0]
    one.come_back()
    thread.join()
    assert log == [1.0, 2.0, 3.0]
    one.leave()


def test_a_stretch_has_a_zero_a_name_and_a_seed_of_its_own(opened):
    one = opened(seed=1)
    drawn = []

    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        one.begin(name, seed)
        one.come_back()
        assert one.name == name
        assert one.simulation.seed == seed
        assert one.simulation.elapsed == 0
        time.sleep(3)
        drawn.append(random.random())
        one.leave()

    assert drawn[0] == drawn[1] != drawn[2]
    assert one.simulation.now_ns == 1009 * 10**9


def test_holds_are_released_by_the_stretch_that_made_them(opened):
    one = opened()
    one.begin("a", 0)
    one.simulation.hold("kept")
    one.begin("b", 0)
    one.simulation.hold("one")
    one.simulation.hold("another").release()

    assert one.release_holds("b") == ["one"]
    assert one.release_holds("b") == []
    assert one.release_holds("a") == ["kept"]


def test_a_failure_that_was_told_can_be_forgotten(opened):
    one = opened()
    one.come_back()
    with pytest.raises(simclock.Deadlock):
        threading.Event().wait()
    assert one.simulation.failure is not None

    one.forget_failure()

    one.close(None)


def test_handlers_and_the_collector_are_the_users_meanwhile(opened):
    def handler(*_):
        raise AssertionError

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        one = opened()
        assert signal.getsignal(signal.SIGUSR1) is handler
        one.come_back()
        assert not gc.isenabled()
        one.leave()
        assert not gc.isenabled()
        one.come_back()
        one.leave(collect=True)
        assert gc.isenabled()
        # What is opened meanwhile gives it back as it was.
        assert simclock.run(gc.isenabled) is False
        assert gc.isenabled()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_it_works_in_another_thread_than_the_main_one():
    log = []

    def work():
        one = Harness(simclock.Simulation())
        one.open()
        one.come_back()
        time.sleep(5)
        one.leave()
        one.come_back()
        log.append(one.simulation.elapsed)
        one.close(None)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert log == [5.0]


def test_an_interrupt_on_the_way_in_leaves_it_outside(opened, monkeypatch):
    one = opened()

    def interrupted():
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(harness.signals, "listen", interrupted)
        patch.setattr(harness.activation.signals, "stop", lambda: None)
        with pytest.raises(KeyboardInterrupt):
            one.come_back()

    assert simclock.active() is None
    one.come_back()
    assert simclock.active() is one.simulation
    one.leave()


def test_what_was_opened_inside_can_be_unwound(opened):
    one = opened()
    one.come_back()
    depth = harness.depth()
    assert not harness.unwind(depth)

    simclock.Simulation().__enter__().real_time().__enter__()
    simclock.Simulation().__enter__()
    assert harness.depth() == depth + 3

    assert harness.unwind(depth)
    assert simclock.active() is one.simulation
    one.leave()


def test_unwinding_raises_the_first_error_when_all_is_closed(opened):
    one = opened()
    one.come_back()
    depth = harness.depth()
    for name in ("outer", "inner"):
        simclock.Simulation(drain=0).__enter__()
        threading.Thread(target=threading.Event().wait, name=name).start()

    with pytest.raises(simclock.Leak, match="inner"):
        harness.unwind(depth)

    assert simclock.active() is one.simulation
    one.leave()
