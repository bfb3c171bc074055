"""Calls into packages that are listed run in real time, and the clock is held."""

from __future__ import annotations

import threading
import time

import pytest

import simclock
from simclock._boundary import _native, realtime


class Stopwatch:
    """Real seconds since it was made."""

    def __init__(self):
        self._began = self._now()

    @property
    def elapsed(self):
        return self._now() - self._began

    @staticmethod
    def _now():
        return _native.call_kernel(realtime.now)


def listed(**options):
    return simclock.Simulation(real_packages=["slow"], **options)


# ------------------------------------------------------------------------------ waits


def test_a_wait_holds_the_clock_for_a_thread_that_was_started_there(slow):
    log = []

    def tick():
        time.sleep(1)
        log.append("tick")

    with listed() as sim:
        threading.Thread(target=tick).start()
        watch = Stopwatch()
        got, (seen,) = slow.answer(0.2)
        log.append((got, sim.elapsed))
        assert watch.elapsed >= seen >= 0.2

    assert log == [(True, 0.0), "tick"]


def test_others_run_meanwhile(slow):
    log = []

    with listed() as sim:
        thread = threading.Thread(target=lambda: log.append(slow.answer(0.2)[0]))
        thread.start()
        sim.checkpoint()
        log.append("main")
        thread.join()
        assert sim.elapsed == 0.0

    assert log == ["main", True]


def test_a_wait_is_an_escape_that_names_the_package(slow):
    with listed() as sim:
        slow.answer(0.1)
        lines = sim.escapes

    assert any("a call into slow" in line for line in lines)


def test_a_timeout_takes_as_long_in_reality_before_the_clock_moves(slow):
    with listed() as sim:
        watch = Stopwatch()
        assert not slow.wait(0.2)
        assert watch.elapsed >= 0.2
        assert sim.elapsed == 0.2


def test_a_wait_that_never_ends_is_stalled_and_names_the_package(slow):
    text = r"the clock was held .*\n.*a call into slow"
    with pytest.raises(simclock.Stalled, match=text), listed(watchdog=0.3):
        slow.wait(None)


def test_a_wait_is_forbidden_where_nothing_may_happen_outside(slow):
    with pytest.raises(simclock.Escape, match="a call into slow"), listed(external="strict"):
        slow.wait(None)


def test_the_clock_is_let_go_when_nothing_comes_from_outside(slow):
    event = threading.Event()

    def answer():
        time.sleep(3)
        event.set()

    with listed(watchdog=0.3) as sim:
        threading.Thread(target=answer).start()
        assert slow.call(event.wait)
        assert sim.elapsed == 3.0


def test_a_simulated_thread_may_end_the_wait(slow):
    event = threading.Event()

    with listed() as sim:
        threading.Thread(target=event.set).start()
        assert slow.call(event.wait)
        assert sim.elapsed == 0.0


# ---------------------------------------------------------------------------- threads


def test_a_thread_that_is_started_there_is_foreign(slow):
    seen = []

    with listed() as sim:
        thread = slow.start(lambda: seen.append(simclock.active()))
        slow.call(thread.join)
        assert [each.name for each in sim.threads] == ["root"]

    assert seen == [None]


def test_a_thread_that_is_started_elsewhere_is_simulated(slow):
    seen = []

    with listed() as sim:
        thread = threading.Thread(target=lambda: seen.append(simclock.active()))
        thread.start()
        thread.join()

    assert seen == [sim]


# ----------------------------------------------------------------------------- sleeps


def test_a_sleep_is_real_with_the_clock_held_and_then_virtual(slow):
    log = []

    def tick():
        time.sleep(0.1)
        log.append("tick")

    with listed() as sim:
        watch = Stopwatch()
        threading.Thread(target=tick).start()
        slow.sleep(0.2)
        assert watch.elapsed >= 0.2
        assert sim.elapsed == 0.2
        time.sleep(100)
        assert watch.elapsed < 50

    assert log == ["tick"]


def test_a_sleep_of_nothing_is_a_step(slow):
    with listed() as sim:
        slow.sleep(0)
        assert sim.elapsed == 0.0


# ------------------------------------------------------------------------ stuck in C


@pytest.mark.parametrize("where", ["root", "another thread"])
def test_who_is_stuck_in_c_is_reported_with_the_package(slow, where):
    text = r"(?s)stuck in C code, in a call into slow.*\nend the call, or give a longer watchdog=$"
    with pytest.raises(simclock.Stalled, match=text), listed(watchdog=0.3):
        if where == "root":
            slow.stick(2)
        else:
            thread = threading.Thread(target=slow.stick, args=(2,))
            thread.start()
            thread.join()


# ------------------------------------------------------------------------- the list


def test_a_package_that_is_not_listed_is_simulated(slow):
    with simclock.Simulation(real_packages=["other"]) as sim:
        slow.sleep(10)
        assert not slow.wait(10)
        assert slow.answer(10) == (True, [10.0])
        assert sim.elapsed == 30.0
        assert sim.escapes == ()


def test_an_inner_simulation_has_a_list_of_its_own(slow):
    with listed() as outer:
        with simclock.Simulation() as inner:
            slow.sleep(10)
            assert inner.elapsed == 10.0
        assert outer.elapsed == 0.0


@pytest.mark.parametrize(
    ("packages", "error", "text"),
    [
        (["grpc.aio"], ValueError, "this is no top-level name of a package: 'grpc.aio'\n"),
        (["a b"], ValueError, "this is no top-level name of a package: 'a b'\n"),
        ([""], ValueError, "this is no top-level name of a package: ''\n"),
        (
            [time],
            ValueError,
            "this is no top-level name of a package: <module 'time' (built-in)>\n",
        ),
        ("grpc", TypeError, "real_packages is no list of names: 'grpc'\n"),
        (7, TypeError, "real_packages is no list of names: 7\n"),
    ],
)
def test_what_is_no_list_of_names_is_refused(packages, error, text):
    with pytest.raises(error) as caught:
        simclock.Simulation(real_packages=packages)

    assert str(caught.value) == text + 'give a list of names such as ("grpc",)'
