"""The fixtures `sim_io_executor` and `sim_cpu_executor`."""

from __future__ import annotations

import asyncio

from simclock.systems.taskqueue import CPUExecutor, IOExecutor


async def test_it_runs_coroutines_in_simulated_time(sim_io_executor, sim):
    assert isinstance(sim_io_executor, IOExecutor)

    @sim_io_executor.task()
    async def wait(seconds):
        await asyncio.sleep(seconds)
        return seconds

    async with sim_io_executor:
        task_id = await sim_io_executor.submit(wait, 3600)
        record = await sim_io_executor.wait_for_result(task_id)

    assert (record.result, sim.elapsed) == (3600, 3600.0)


async def test_it_runs_functions_in_simulated_processes(sim_cpu_executor, sim, functions):
    assert isinstance(sim_cpu_executor, CPUExecutor)
    square = sim_cpu_executor.task()(functions.square)

    async with sim_cpu_executor:
        found = [each async for each in sim_cpu_executor.map(square, [1, 2, 3, 4])]
        task_id = await sim_cpu_executor.submit(square, 5, seconds=3600)
        found.append((await sim_cpu_executor.wait_for_result(task_id)).result)

    assert found == [1, 4, 9, 16, 25]
    assert sim.elapsed == 3600.0


TESTS = """
    import multiprocessing
    import os

    import pytest

    def is_simulated():
        process = multiprocessing.get_context("spawn").Process(target=os.getpid)
        process.start()
        process.join()
        return process.pid > 2**22

    def test_simulated(sim_cpu_executor):
        assert is_simulated()

    @pytest.mark.simclock(processes="real")
    def test_real(sim_cpu_executor):
        assert not is_simulated()

    def test_other_tests_have_real_ones(sim_io_executor):
        assert not is_simulated()

    async def test_left(sim_io_executor):
        await sim_io_executor.start()
"""


def test_processes_are_simulated_and_what_is_left_is_an_error(pytester):
    pytester.makepyfile(TESTS)

    result = pytester.runpytest_subprocess("-p", "no:xdist", "-W", "error")

    result.assert_outcomes(passed=4, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_left*",
            "the test has left its executor running: <IOExecutor of 0 functions, running>",
            "use it in `async with sim_io_executor:`, or await sim_io_executor.stop()",
        ]
    )
