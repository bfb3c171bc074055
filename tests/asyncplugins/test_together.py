"""All plugins in one suite, and what is the same twice and in workers."""

from __future__ import annotations

import re

MIXED = """
import unittest
import anyio, pytest_asyncio, trio

pytestmark = MARKS

@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param

def run_thread():
    def work():
        time.sleep(soon(40))
        log("thread")

    thread = threading.Thread(target=work)
    thread.start()
    return thread

@pytest.mark.asyncio
async def test_asyncio():
    thread = run_thread()
    await asyncio.gather(*[asyncio.sleep(soon(n % 3)) for n in range(9)])
    await asyncio.to_thread(trio.run, trio.sleep, soon(60))
    thread.join()
    log("asyncio")

@pytest.mark.anyio
async def test_anyio(anyio_backend):
    await anyio.sleep(soon(10))
    log(f"anyio on {anyio_backend}")

@pytest.mark.trio
async def test_trio(nursery):
    thread = run_thread()
    for number in range(9):
        nursery.start_soon(trio.sleep, soon(number % 3))
    with trio.move_on_after(soon(30)):
        await trio.sleep_forever()
    await trio.to_thread.run_sync(asyncio.run, asyncio.sleep(soon(60)))
    thread.join()
    log("trio")

class TestIsolated(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        await asyncio.sleep(soon(100))

    async def asyncTearDown(self):
        await asyncio.sleep(soon(10))
        log("isolated: torn down")

    async def test_isolated(self):
        self.addAsyncCleanup(self.clean_up)
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), soon(5))
        log("isolated")

    async def clean_up(self):
        await asyncio.sleep(soon(1))
        log("isolated: cleaned up")

def test_neither():
    asyncio.run(asyncio.sleep(soon(3)))
    trio.run(trio.sleep, soon(4))
    log("neither")
"""

LOGGED = [
    (40, "thread"),
    (62, "asyncio"),
    (10, "anyio on asyncio"),
    (10, "anyio on trio"),
    (40, "thread"),
    (90, "trio"),
    (105, "isolated"),
    (115, "isolated: torn down"),
    (116, "isolated: cleaned up"),
    (7, "neither"),
]


def test_all_plugins_in_one_suite(suite, world):
    ran = suite(MIXED, world=world)

    assert ran.outcomes == {"passed": 6}
    ran.logged(world, LOGGED)


def test_an_asynchronous_unittest_waits_for_ever(suite, simulated):
    ran = suite(
        """
        import unittest

        pytestmark = MARKS

        class Test(unittest.IsolatedAsyncioTestCase):
            async def test_waits(self):
                await asyncio.Event().wait()

            async def test_works(self):
                await asyncio.sleep(2)
                log("worked")
        """,
        world=simulated,
    )

    assert ran.outcomes == {"failed": 1, "passed": 1}
    assert ran.log == [(2, "worked")]
    ran.shows("*Deadlock: *deadlock: 1 thread can never run again, at virtual +*")


ORDER = """
import functools, random
import anyio, trio

pytestmark = MARKS

async def race(sleep, gather):
    met = []

    async def run(name):
        for _ in range(5):
            # Often at the same instant as others: who is first is the schedule's choice.
            await sleep(random.choice([0, 1, 2]))
            met.append(name)

    await gather([functools.partial(run, name) for name in "abcdef"])
    log("".join(met))

@pytest.mark.asyncio
async def test_asyncio():
    await race(asyncio.sleep, lambda runs: asyncio.gather(*[run() for run in runs]))

async def start(runs):
    async with trio.open_nursery() as nursery:
        for run in runs:
            nursery.start_soon(run)

@pytest.mark.trio
async def test_trio():
    await race(trio.sleep, start)

@pytest.mark.trio
async def test_trio_under_autojump_clock(autojump_clock):
    await race(trio.sleep, start)

@pytest.mark.anyio
async def test_anyio(anyio_backend):
    async def start(runs):
        async with anyio.create_task_group() as group:
            for run in runs:
                group.start_soon(run)

    await race(anyio.sleep, start)

@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param
"""


def test_the_order_of_tasks_is_the_same_twice_and_in_workers(suite, simulated):
    first, second, workers = (
        suite(ORDER, *more, world=simulated) for more in ([], [], ["-n2", "--dist=load"])
    )

    assert first.outcomes == second.outcomes == workers.outcomes == {"passed": 5}
    assert len(first.log) == 5
    assert first.log == second.log
    assert sorted(first.log) == sorted(workers.log)


def test_what_a_session_tells_is_the_same_twice(suite, simulated):
    def told():
        ran = suite(MIXED, "-v", world=simulated)
        lines = (re.sub(r"epoch \S+|\d+\.\d+ ?s\b", "N", line) for line in ran.result.outlines)
        # Each session has a folder of its own.
        return [line for line in lines if "/" not in line]

    assert told() == told()
