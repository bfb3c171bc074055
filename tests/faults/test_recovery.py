"""What must be true again when the faults have stopped."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
import time

import pytest

import simclock


def at_line_of(function, text):
    """Return where *text* stands in the source of a function, as an error says it."""
    lines, first = inspect.getsourcelines(function)
    found = next(number for number, line in enumerate(lines) if text in line)
    return f"  at test_recovery.py:{first + found}"


def test_it_is_asked_until_it_is_true(log):
    def check():
        log("look")
        if len(log) == 1:
            raise KeyError("not there yet")
        return len(log) == 4

    with simclock.Simulation() as sim:
        for seconds in (1, 2, 5):
            threading.Timer(seconds, lambda: None).start()
        sim.faults.recovers(check, within=10)

    assert log == [(0.0, "look"), (1.0, "look"), (2.0, "look"), (5.0, "look")]


def test_what_never_becomes_true_is_said(world):
    def scenario():
        with simclock.Simulation() as sim:
            with sim.faults.follow("at 1 s kill a for 0.5 s\nat 2 s pause b", hosts=world.hosts):
                time.sleep(3)
            sim.faults.recovers(dict, "all is stored", within=2.5)

    with pytest.raises(simclock.Violation) as caught:
        scenario()

    assert str(caught.value).splitlines() == [
        "no recovery: 'all is stored' was not true within 2.5 s after the faults",
        "  the last time it returned {}",
        "  the faults were:",
        "    at 1 s kill a for 0.5 s",
        "    at 2 s pause b",
        at_line_of(scenario, "sim.faults.recovers"),
    ]


def test_an_error_of_the_check_is_said():
    def stored():
        raise KeyError("order 7")

    def scenario():
        with simclock.Simulation() as sim:
            sim.faults.recovers(stored, within=0)

    with pytest.raises(simclock.Violation) as caught:
        scenario()

    assert str(caught.value).splitlines()[:3] == [
        f"no recovery: {stored.__qualname__!r} was not true within 0 s after the faults",
        "  the last time it raised KeyError: 'order 7'",
        "  there were no faults",
    ]


def test_of_many_faults_the_last_are_said(world):
    plan = "\n".join(f"at {number} s skew a for 0.5 s by 1" for number in range(25))
    with pytest.raises(simclock.Violation) as caught, simclock.Simulation() as sim:
        with sim.faults.follow(plan, hosts=world.hosts):
            time.sleep(100)
        sim.faults.recovers(lambda: False)

    lines = str(caught.value).splitlines()
    assert lines[2:5] == [
        "  the faults were:",
        "    ... 5 before these",
        "    at 5 s skew a for 0.5 s by 1",
    ]
    assert lines[-2] == "    at 24 s skew a for 0.5 s by 1"


def test_a_failure_is_remembered_where_it_is_swallowed():
    def scenario():
        with simclock.Simulation() as sim, contextlib.suppress(simclock.Violation):
            sim.faults.recovers(lambda: False)

    with pytest.raises(simclock.Violation):
        scenario()


def test_in_a_task(log):
    async def main(sim):
        async def work():
            await asyncio.sleep(2)
            log("done")

        async def done():
            log("look")
            if len(log) == 1:
                raise KeyError
            return (2.0, "done") in log

        task = asyncio.create_task(work())
        await sim.faults.arecovers(done, within=5)
        await task
        await sim.faults.arecovers(lambda: True, within=5)
        await sim.faults.arecovers(lambda: False, "never", within=5)

    never = pytest.raises(simclock.Violation, match="'never' was not true within 5 s")
    with never, simclock.Simulation() as sim:
        asyncio.run(main(sim))

    assert log == [(0.0, "look"), (2.0, "done"), (2.0, "look")]


async def nothing():
    """Be a coroutine function."""


@pytest.mark.parametrize(
    ("check", "within", "error"),
    [
        (True, 1, "this is no check: True\ngive a function without arguments that returns"),
        (bool, -1, "cannot wait within -1 seconds\ngive a number, 0 or more"),
        (nothing, 1, "the check of recovers() is a coroutine function\nawait arecovers() instead"),
    ],
)
def test_errors(check, within, error):
    with simclock.Simulation() as sim, pytest.raises((TypeError, ValueError)) as caught:
        sim.faults.recovers(check, within=within)

    assert str(caught.value).startswith(error)


def test_inside_of_a_phase_nothing_recovers(world):
    is_refused = pytest.raises(RuntimeError, match=r"recovers\(\) was called inside of a phase")
    with simclock.Simulation() as sim, sim.faults.phase(kill=[world.a]), is_refused:
        sim.faults.recovers(lambda: True)
