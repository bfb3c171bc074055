"""What searching offers by default, asyncio may do: its queues are first come first served.

Generated programs of tasks that use ``call_soon``, ``sleep(0)``, events, queues and timers. Without
timers they have one log, that of the stock loop in real time, whatever the strategy. With them,
sleeps of equal length still end in the order in which they began.
"""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simclock

RUNS = 12
STRATEGIES = ["random", "pos", "clock", "dfs"]
# Turns of the loop in which any of these programs has done all that it ever does.
TURNS = 60

immediate = st.one_of(
    st.just(("zero", 0)),
    st.tuples(st.sampled_from(["soon", "set", "wait", "put", "get", "spawn"]), st.integers(0, 1)),
)
timed = st.one_of(immediate, st.tuples(st.just("sleep"), st.integers(1, 3)))


def tasks(operation):
    return st.lists(st.lists(operation, max_size=5), min_size=2, max_size=4)


class Interpreter:
    """Runs a program of tasks, each a list of operations; logs what happens in which order."""

    def __init__(self, log):
        self._log = log
        self._events = [asyncio.Event(), asyncio.Event()]
        self._queues = [asyncio.Queue(1), asyncio.Queue()]
        self._spawned = []

    async def run(self, program, rest):
        """Run *program*; cancel after *rest* whoever waits in vain."""
        made = [asyncio.create_task(self._execute(*each)) for each in enumerate(program)]
        await rest()
        for task in made:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await asyncio.gather(*self._spawned)

    async def _execute(self, name, operations):
        for place, (kind, target) in enumerate(operations):
            what = (name, place, kind, target)
            await getattr(self, f"_{kind}")(what, target)
            self._log.append((*what, "done"))

    async def _soon(self, what, target):
        asyncio.get_running_loop().call_soon(self._log.append, (*what, "called"))

    async def _zero(self, what, target):
        await asyncio.sleep(0)

    async def _set(self, what, target):
        self._events[target].set()

    async def _wait(self, what, target):
        await self._events[target].wait()

    async def _put(self, what, target):
        await self._queues[target].put(what)

    async def _get(self, what, target):
        self._log.append((*what, "got", await self._queues[target].get()))

    async def _spawn(self, what, target):
        self._spawned.append(asyncio.create_task(self._child(what)))

    async def _child(self, what):
        self._log.append((*what, "child began"))
        await asyncio.sleep(0)
        self._log.append((*what, "child ended"))

    async def _sleep(self, what, target):
        self._log.append((*what, "began"))
        await asyncio.sleep(target)


async def turns():
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def seconds():
    await asyncio.sleep(100)


def logs(program, rest, strategy, **options):
    """Return the log of each run of a search."""
    found = []

    async def scenario():
        found.append([])
        await Interpreter(found[-1]).run(program, rest)

    report = simclock.explore(scenario, runs=RUNS, strategy=strategy, **options)
    assert report.verdict == "passed", str(report)
    return found


@settings(max_examples=25)
@given(tasks(immediate), st.sampled_from(STRATEGIES))
def test_tasks_without_timers_have_the_log_of_the_stock_loop(program, strategy):
    stock = []

    async def in_real_time():
        await Interpreter(stock).run(program, turns)

    loop = asyncio.SelectorEventLoop()
    try:
        loop.run_until_complete(in_real_time())
    finally:
        loop.close()

    assert all(log == stock for log in logs(program, turns, strategy))


@pytest.mark.usefixtures("each_loop")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_tasks_without_timers_have_one_log_on_both_loops(strategy):
    program = [[("put", 0), ("put", 0), ("soon", 0)], [("zero", 0), ("get", 0)], [("get", 0)]]

    found = logs(program, turns, strategy)

    assert found == [found[0]] * len(found)


@settings(max_examples=25)
@given(tasks(timed), st.sampled_from(STRATEGIES))
def test_sleeps_of_one_length_end_in_the_order_in_which_they_began(program, strategy):
    for log in logs(program, seconds, strategy):
        for length in (1, 2, 3):
            began = [each[:2] for each in log if each[2:] == ("sleep", length, "began")]
            done = [each[:2] for each in log if each[2:] == ("sleep", length, "done")]
            assert done == began


def test_chaos_has_other_logs_and_says_so():
    program = [[("zero", 0), ("zero", 0)], [("zero", 0), ("zero", 0)]]

    found = logs(program, turns, "random", fidelity="chaos")

    assert any(log != found[0] for log in found)
    for log in found:
        for name in (0, 1):
            steps = [each[1] for each in log if each[0] == name]
            assert steps == sorted(steps)
