"""The fixture `sim_runtime`."""

from __future__ import annotations

import asyncio
import threading

import pytest

from simclock.systems.services import ServiceRunner, State


def test_it_accepts_in_simulated_time(sim_runtime, sim, log):
    async def payload():
        await asyncio.sleep(3600)
        return "done"

    assert isinstance(sim_runtime, ServiceRunner)
    log(sim_runtime.execute(payload, flavour=asyncio))

    assert log == [(3600.0, "done")]
    assert "sim_runtime" in [thread.name for thread in sim.threads]


def test_a_test_may_shut_it_down_and_run_it_again(sim_runtime):
    sim_runtime.shutdown()
    threading.Thread(target=sim_runtime.accept).start()
    sim_runtime.running.wait()

    assert sim_runtime.state is State.RUNNING


TESTS = """
    import asyncio, threading, time
    import pytest

    ended = []

    def test_leaves_much(sim_runtime):
        async def forever():
            try:
                await asyncio.sleep(1e6)
            finally:
                ended.append("coroutine")

        def stubborn():
            threading.Event().wait()

        sim_runtime.adopt(forever, flavour=asyncio)
        sim_runtime.adopt(stubborn, flavour=threading)
        time.sleep(1)

    def test_it_was_ended():
        assert ended == ["coroutine"]

    def test_fails_in_the_background(sim_runtime):
        sim_runtime.adopt(lambda: 7, flavour=threading)
"""


@pytest.fixture
def suite(pytester):
    pytester.makepyfile(TESTS)
    return pytester.runpytest_subprocess("-p", "no:xdist", "-p", "no:randomly", timeout=60)


def test_whatever_a_test_leaves_is_ended_and_failures_are_told(suite):
    suite.assert_outcomes(passed=3, errors=1)
    suite.stdout.fnmatch_lines(["*services.failures.BackgroundFailure: background tasks failed: *"])


FAILS_ONCE = """
    import threading
    import time

    from simclock.systems.services import service

    runs, kept = [], []

    @service(flavour=threading)
    class Fails:
        def __init__(self, name):
            self.name = name
            kept.append(self)

        def run(self):
            runs.append(self.name)
            raise ValueError(self.name)

    Fails("of the module")

    def test_one(sim_runtime):
        Fails("one")
        time.sleep(1)

    def test_two(sim_runtime):
        time.sleep(1)
        assert runs == ["one"]
"""


def test_services_of_other_tests_and_of_modules_are_none_of_its_own(pytester):
    pytester.makepyfile(FAILS_ONCE)

    result = pytester.runpytest_subprocess("-p", "no:xdist", "-p", "no:randomly")

    result.assert_outcomes(passed=2, errors=1)
