"""The fixture `sim_event_executor`."""

from __future__ import annotations

import anyio
import pytest

from simclock.systems.eventflow import Event, Executor


class Wait(Event):
    seconds: float

    async def _invoke(self):
        await anyio.sleep(self.seconds)
        return self.seconds


@pytest.mark.anyio
async def test_it_runs_events_of_any_class_in_simulated_time(sim_event_executor, sim):
    assert isinstance(sim_event_executor, Executor)

    class Other(Wait):
        """Of another class."""

    async with sim_event_executor:
        for kind in (Wait, Other):
            await sim_event_executor.append(kind(seconds=3600))
        await sim_event_executor.processor.join()

    assert [event.response for event in sim_event_executor.completed_events] == [3600, 3600]
    assert sim.elapsed == 3600.0


async def test_it_starts_a_hundred_events_in_a_second(sim_event_executor, sim):
    async with sim_event_executor:
        for _ in range(201):
            await sim_event_executor.append(Wait(seconds=0))
        await sim_event_executor.processor.join()

    assert 2.0 <= sim.elapsed < 2.1


TESTS = """
    import pytest

    async def test_unused(sim_event_executor):
        pass

    async def test_stopped(sim_event_executor):
        await sim_event_executor.start()
        await sim_event_executor.stop()

    async def test_left(sim_event_executor):
        await sim_event_executor.start()
"""


def test_what_is_left_running_is_an_error(pytester):
    pytester.makepyfile(TESTS)

    result = pytester.runpytest_subprocess("-p", "no:xdist", "-W", "error")

    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_left*",
            "the test has left its executor running: Executor(total=0, *)",
            "use it in `async with sim_event_executor:`, or await sim_event_executor.stop()",
        ]
    )
