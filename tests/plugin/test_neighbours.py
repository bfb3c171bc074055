"""Other plugins beside simclock: no harm either way.

Some of them change every session of a process in which they are installed, so
that the rest of this suite must run without them: they are in the dependency
group ``neighbours``, and their tests are skipped where that is not installed.
"""

from __future__ import annotations

import importlib.util
import re

import pytest

WORLDS = {"real": ["--no-simclock"], "whole suite": ["--simclock"], "marker": []}
SIMULATED = {name: options for name, options in WORLDS.items() if name != "real"}


@pytest.fixture
def run(pytester):
    """Return a function that runs a suite in a process of its own, as all of these plugins need."""

    def run(text, *arguments, world, order=("no:randomly",)):
        marker = "pytest.mark.simclock" if world == "marker" else "[]"
        setup = f"import random, threading, time, pytest\npytestmark = {marker}\n"
        pytester.makepyfile(test_suite=f"{setup}{text}")
        plugins = [word for name in order for word in ("-p", name)]
        return pytester.runpytest_subprocess("-v", *plugins, *WORLDS[world], *arguments)

    return run


def needs(*modules):
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


def ran(result):
    """Return the names and the verdicts of what was run, in order."""
    line = re.compile(r"test_suite\.py::(?:\w+::)?(\S+) ([A-Z]+) .*%\]")
    return [found.groups() for found in map(line.fullmatch, result.stdout.lines) if found]


# ------------------------------------------------------------------ running again


@needs("pytest_rerunfailures")
@pytest.mark.parametrize("more", [[], ["-n2"]], ids=["here", "in workers"])
@pytest.mark.parametrize("world", SIMULATED)
def test_each_rerun_begins_at_0_with_the_same_seed(run, world, more):
    result = run(
        """
import simclock

drawn = []
seen = []

@pytest.fixture(autouse=True)
def slow():
    assert simclock.active().elapsed == pytest.approx(0, abs=0.001)
    time.sleep(10)
    yield
    time.sleep(5)

@pytest.mark.parametrize("_", [1])
def test(_):
    assert simclock.active().elapsed == pytest.approx(10, abs=0.001)
    assert threading.Thread().name
    seen.append(simclock.active().seed)
    drawn.append(random.random())
    time.sleep(3600)
    assert len(set(seen)) == 1
    assert len(set(drawn)) == 1
    assert len(drawn) == 3, f"try {len(drawn)}"
""",
        "--reruns=3",
        *more,
        world=world,
    )

    assert result.ret == 0
    result.stdout.fnmatch_lines(["*1 passed,* 2 rerun in *"])


@needs("pytest_rerunfailures")
@pytest.mark.parametrize("world", SIMULATED)
def test_what_the_kernel_finds_is_run_again_too_and_reported_if_it_stays(run, world):
    result = run(
        """
import os

def test_deadlock_once():
    if not os.path.exists("seen"):
        open("seen", "w").close()
        threading.Event().wait()

def test_deadlock_always():
    threading.Event().wait()

def test_after():
    time.sleep(3600)
""",
        "--reruns=2",
        "--reruns-delay=0.1",
        "-p",
        "no:random-order",
        world=world,
    )

    assert ran(result) == [
        ("test_deadlock_once", "RERUN"),
        ("test_deadlock_once", "PASSED"),
        ("test_deadlock_always", "RERUN"),
        ("test_deadlock_always", "RERUN"),
        ("test_deadlock_always", "FAILED"),
        ("test_after", "PASSED"),
    ]
    result.stdout.fnmatch_lines(
        [
            "*Deadlock: *deadlock: 1 thread can never run again, at virtual +0 s",
            "simclock: 3 tests in simulated time, 1 h 0 min of it in *",
            "*1 failed, 2 passed,* 3 rerun in *",
        ]
    )


# ------------------------------------------------------------------------- order

ORDERED = """
@pytest.mark.parametrize("number", range(6))
def test(number):
    time.sleep(0.001)
    print(f"DRAWN {number} {random.random()}")
"""


def drawn(result):
    return sorted(line for line in result.stdout.lines if line.startswith("DRAWN"))


@needs("pytest_randomly")
@pytest.mark.parametrize("world", SIMULATED)
def test_randomly_has_its_order_and_what_is_drawn_is_the_same_twice(run, world):
    def with_seed(seed, world):
        return run(ORDERED, f"--randomly-seed={seed}", "-rP", world=world, order=())

    real, found, again = (with_seed(7, which) for which in ("real", world, world))

    assert ran(found) == ran(real) != ran(with_seed(8, "real"))
    assert len(drawn(found)) == 6
    assert drawn(found) == drawn(again)


@pytest.mark.parametrize("world", SIMULATED)
def test_random_order_has_its_order_and_each_test_its_seed_in_any(run, world):
    def with_seed(seed, world):
        return run(ORDERED, "--random-order", f"--random-order-seed={seed}", "-rP", world=world)

    real, found, other = with_seed(7, "real"), with_seed(7, world), with_seed(8, world)

    assert ran(found) == ran(real) != ran(other)
    assert len(drawn(found)) == 6
    assert drawn(found) == drawn(other)


# ------------------------------------------------------------------- event loops


@needs("pytest_asyncio")
@pytest.mark.parametrize("world", SIMULATED)
def test_coroutines_of_pytest_asyncio_run_in_simulated_time(run, world):
    result = run(
        """
import asyncio, pytest_asyncio, simclock

@pytest_asyncio.fixture
async def late():
    await asyncio.sleep(100)
    yield
    await asyncio.sleep(100)

@pytest.mark.asyncio
async def test(late):
    await asyncio.gather(asyncio.sleep(3600), asyncio.to_thread(time.sleep, 1800))
    assert simclock.active().elapsed == pytest.approx(3700, abs=0.01)

@pytest.mark.asyncio
async def test_fails():
    await asyncio.sleep(3600)
    assert False

@pytest.mark.asyncio
async def test_waits_for_ever():
    await asyncio.Event().wait()
""",
        world=world,
    )

    assert sorted(ran(result)) == [
        ("test", "PASSED"),
        ("test_fails", "FAILED"),
        ("test_waits_for_ever", "FAILED"),
    ]
    result.stdout.fnmatch_lines("*Deadlock: *deadlock: 1 thread can never run again*")


@needs("pytest_asyncio", "looptime")
@pytest.mark.parametrize("world", WORLDS)
def test_looptime_has_its_own_time_in_its_loops(run, world):
    result = run(
        """
import asyncio

@pytest.mark.asyncio
@pytest.mark.looptime
async def test_in_its_loop():
    begin = time.monotonic()
    await asyncio.sleep(3600)
    assert asyncio.get_running_loop().time() == 3600
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), 60)
    assert time.monotonic() - begin < 60

@pytest.mark.asyncio
async def test_without():
    await asyncio.sleep(0.01)
""",
        world=world,
    )

    assert sorted(ran(result)) == [("test_in_its_loop", "PASSED"), ("test_without", "PASSED")]


# ---------------------------------------------------------------- the wall clock

DAY = 'time.strftime("%Y-%m-%d", time.gmtime())'


@needs("pytest_freezer")
@pytest.mark.parametrize("world", WORLDS)
def test_pytest_freezer_freezes(run, world):
    result = run(
        f"""
import datetime

def test_fixture(freezer):
    freezer.move_to("2031-05-06")
    time.sleep(0.01)
    assert {DAY} == "2031-05-06"
    assert datetime.date.today() == datetime.date(2031, 5, 6)
    freezer.tick(86400)
    assert datetime.datetime.now() == datetime.datetime(2031, 5, 7)

@pytest.mark.freeze_time("2032-01-02")
def test_marker():
    assert datetime.date.today() == datetime.date(2032, 1, 2)

def test_neither():
    assert {DAY} not in ("2031-05-06", "2032-01-02")
""",
        "-p",
        "no:random-order",
        world=world,
    )

    assert [verdict for _, verdict in ran(result)] == ["PASSED"] * 3


@pytest.mark.parametrize("world", WORLDS)
def test_time_machines_own_fixture_and_marker_move_the_wall_clock(run, world):
    result = run(
        f"""
import datetime

def test_fixture(time_machine):
    time_machine.move_to(datetime.datetime(2031, 5, 6, tzinfo=datetime.timezone.utc))
    time.sleep(0.01)
    assert {DAY} == "2031-05-06"
    time_machine.shift(86400)
    assert datetime.datetime.now(datetime.timezone.utc).day == 7

@pytest.mark.time_machine(datetime.datetime(2032, 1, 2, tzinfo=datetime.timezone.utc))
def test_marker():
    assert {DAY} == "2032-01-02"

def test_neither():
    assert {DAY} not in ("2031-05-06", "2032-01-02")
""",
        "-p",
        "no:random-order",
        world=world,
    )

    assert [verdict for _, verdict in ran(result)] == ["PASSED"] * 3


@pytest.mark.parametrize("world", WORLDS)
def test_freezegun_freezes_by_a_decorator(run, world):
    result = run(
        f"""
import datetime, freezegun, unittest

@freezegun.freeze_time("2031-05-06")
def test_decorated():
    time.sleep(0.01)
    assert datetime.date.today() == datetime.date(2031, 5, 6)

@freezegun.freeze_time("2032-01-02")
class TestCase(unittest.TestCase):
    def test_method(self):
        self.assertEqual({DAY}, "2032-01-02")

def test_neither():
    assert {DAY} not in ("2031-05-06", "2032-01-02")
""",
        "-p",
        "no:random-order",
        world=world,
    )

    assert [verdict for _, verdict in ran(result)] == ["PASSED"] * 3


# ------------------------------------------------------------------- all together


def test_all_that_is_installed_prints_the_same_beside_simclock(pytester, plain_lines):
    pytester.makepyfile(
        """
        import time, warnings, pytest

        @pytest.fixture(scope="module")
        def wide():
            time.sleep(0.01)
            yield "wide"

        @pytest.mark.parametrize("number", range(5))
        def test(number, wide):
            warnings.warn("old")
            print("number", number)
            assert number % 2, time.localtime().tm_year
        """
    )

    def shown(*arguments):
        order = ["--randomly-seed=3"] if importlib.util.find_spec("pytest_randomly") else []
        result = pytester.runpytest_subprocess("-rA", *order, *arguments)
        return [line for line in plain_lines(result) if not line.startswith("plugins: ")]

    assert shown() == shown("-p", "no:simclock")


@needs("pytest_rerunfailures")
def test_what_a_search_has_found_is_not_run_again(run):
    result = run(
        """
def race():
    found = [0]
    def add():
        before = found[0]
        time.sleep(0)
        found[0] = before + 1
    threads = [threading.Thread(target=add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found[0]

@pytest.mark.flaky(reruns=2)
@pytest.mark.simclock(runs=100)
def test_searched():
    assert race() == 2

@pytest.mark.simclock(runs=100)
def test_passes():
    race()
""",
        "--reruns=3",
        world="marker",
    )

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines("run * of at most 100 failed, *; reproduced 10/10")
