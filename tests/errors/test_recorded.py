"""What the kernel finds fails the simulation, whatever user code does about it."""

from __future__ import annotations

import os
import threading
import time

import pytest

import simclock
from simclock import Deadlock, Escape, Leak, LimitReached, Livelock, SimclockError, Stalled

GO = threading.Event()


def deadlock():
    threading.Event().wait()


def livelock():
    while True:
        time.sleep(0)


def limit_of_time():
    while True:
        time.sleep(10)


def limit_of_steps():
    while True:
        time.sleep(0.001)


def hold():
    with simclock.active().hold("the archive"):
        time.sleep(1)


def spin():
    while True:
        pass


def stuck():
    counter = os.eventfd(0)
    try:
        os.eventfd_read(counter)
    finally:
        os.close(counter)


def escape():
    outside.join()


outside: threading.Thread

FINDINGS = [
    (deadlock, {}, Deadlock, RuntimeError),
    (livelock, {"max_steps_per_instant": 3000}, Livelock, RuntimeError),
    (limit_of_time, {"max_time": 50}, LimitReached, TimeoutError),
    (limit_of_steps, {"max_steps": 50}, LimitReached, TimeoutError),
    (hold, {"watchdog": 0.1}, Stalled, TimeoutError),
    (spin, {"watchdog": 0.2}, Stalled, TimeoutError),
    (stuck, {"watchdog": 0.2}, Stalled, TimeoutError),
    (escape, {"external": "strict"}, Escape, RuntimeError),
]
findings = pytest.mark.parametrize(
    ("program", "options", "kind", "builtin"), FINDINGS, ids=[row[0].__name__ for row in FINDINGS]
)


@pytest.fixture(autouse=True)
def outside_thread(request, foreign):
    global outside  # noqa: PLW0603
    GO.clear()
    spec = getattr(request.node, "callspec", None)
    if spec is not None and spec.params.get("program") is escape:
        outside = foreign(GO.wait)
    yield
    GO.set()


@findings
@pytest.mark.parametrize("caught", [Exception, BaseException])
def test_an_error_that_is_swallowed_fails_the_simulation(program, options, kind, builtin, caught):
    swallowed = []
    sim = simclock.Simulation(**options)

    def swallow():
        with sim:
            try:
                program()
            except caught as error:
                swallowed.append(error)

    with pytest.raises(kind) as raised:
        swallow()
    assert [type(error).__mro__[-5:] for error in swallowed] == [kind.__mro__[-5:]]
    assert raised.value is sim.failure
    assert str(swallowed[0]) == str(raised.value)


@findings
def test_each_is_caught_as_the_builtin_and_as_simclocks_own(program, options, kind, builtin):
    assert issubclass(kind, builtin)
    assert issubclass(kind, SimclockError)
    with pytest.raises(builtin):
        simclock.run(program, **options)


@findings
def test_the_last_line_says_what_to_do(program, options, kind, builtin):
    with pytest.raises(kind) as raised:
        simclock.run(program, **options)
    advice = {
        Deadlock: "break the cycle, notify the waiter, or give the wait a timeout;",
        Livelock: "let it wait for something, or raise max_steps_per_instant",
        LimitReached: "end what keeps the clock going, or raise max_",
        Escape: 'allow it with external="hold"',
    }
    stalled = {
        hold: "release what is named above, give the wait a timeout if nothing has to come, or give a longer watchdog=",
        spin: "make it wait through something that simclock sees, or give a longer watchdog=",
        stuck: "run it in real time: `with sim.real_time(): ...` or @pytest.mark.simclock(False);",
    }
    first, *_, last = str(raised.value).splitlines()
    assert last.startswith(stalled.get(program) or advice[kind])
    assert first[0].islower()
    assert "at virtual +" in first or program in (spin, stuck)


@findings
def test_the_trace_and_the_failure_say_it(program, options, kind, builtin):
    sim = simclock.Simulation(**options)
    with pytest.raises(kind), sim:
        program()
    assert type(sim.failure) is kind
    assert [record.detail for record in sim.trace.records if record.kind == "fail"] == [
        kind.__name__
    ]


def test_an_error_swallowed_in_a_loop_ends_the_loop(foreign):
    """`except Exception` around every wait: after a hundred times it is a SystemExit.

    The foreign thread gets its time to help before the first error only.
    """
    foreign(GO.wait)
    swallowed = []

    def program():
        while True:
            try:
                threading.Event().wait()
            except Exception as error:
                swallowed.append(type(error))

    with pytest.raises(Deadlock) as raised:
        simclock.run(program, watchdog=0.2)
    assert swallowed == [Deadlock] * 100
    assert type(raised.value.__cause__).__name__ == "Unwind"


def test_the_first_error_counts():
    def program():
        with pytest.raises(LimitReached):
            time.sleep(100)
        threading.Event().wait()

    with pytest.raises(LimitReached) as raised:
        simclock.run(program, max_time=50)
    assert isinstance(raised.value.__cause__, Deadlock)


def test_an_error_of_the_body_is_the_cause_of_the_one_that_was_found_before():
    def program():
        with pytest.raises(Deadlock):
            threading.Event().wait()
        raise KeyError("mine")

    with pytest.raises(Deadlock) as raised:
        simclock.run(program)
    assert repr(raised.value.__cause__) == "KeyError('mine')"


def test_an_error_that_nobody_swallows_is_raised_as_it_is():
    with pytest.raises(Deadlock) as raised:
        simclock.run(deadlock)
    assert raised.value.__cause__ is None


def test_what_the_watchdog_raises_is_not_the_cause_of_itself():
    with pytest.raises(Stalled) as raised:
        simclock.run(spin, watchdog=0.2)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_a_leak_is_a_warning_category_and_an_error():
    assert issubclass(Leak, ResourceWarning)
    assert issubclass(Leak, SimclockError)
    with pytest.raises(ResourceWarning, match="never released: mine"):
        simclock.run(lambda: simclock.active().hold("mine"))


def test_an_exception_of_the_body_wins_over_a_leak():
    def program():
        simclock.active().hold("mine")
        raise ValueError("body")

    with pytest.raises(ValueError, match="body") as raised:
        simclock.run(program)
    assert raised.value.__context__ is None


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_base_exceptions_of_the_body_leave_as_they_are(error):
    def program():
        raise error

    with pytest.raises(error):
        simclock.run(program)
    assert simclock.run(int) == 0
