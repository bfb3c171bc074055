"""Tests with ``@given``: the engine in real time, each example in simulated time."""

from __future__ import annotations

import re
import sys
from textwrap import dedent

import pytest

pytest.importorskip("hypothesis")

SETUP = """
    import asyncio, random, threading, time, unittest
    import pytest, simclock
    from hypothesis import HealthCheck, Phase, assume, example, find, given, note, settings
    from hypothesis import reproduce_failure
    from hypothesis import strategies as st

    world = lambda test: test
    # A database would remember the failures of the run before.
    quick = settings(max_examples=10, database=None, deadline=5000)
    shared = settings(quick, suppress_health_check=[HealthCheck.function_scoped_fixture])
"""

# The decorator `world` of the suite, and what is said on the command line.
WORLDS = {"whole suite": ["--simclock"], "marker": []}


@pytest.fixture
def suite(suite):
    def run(text, *arguments):
        marked = "" if "--simclock" in arguments else "world = pytest.mark.simclock"
        return suite(f"{dedent(text)}", *arguments, setup=f"{dedent(SETUP)}\n{marked}")

    return run


def test_each_example_of_a_marked_test_has_a_simulation_that_starts_at_0(suite):
    result = suite(
        """
        seen = []

        @quick
        @pytest.mark.simclock
        @given(st.integers(0, 5))
        def test(number):
            assert time.monotonic() == 1000.0
            assert threading.Thread().name == "Thread-1"
            assert simclock.active() not in seen
            seen.append(simclock.active())
            time.sleep(number * 1000)
            assert simclock.active().elapsed == number * 1000

        def test_seen():
            assert len(seen) == len({id(one) for one in seen}) > 1
            assert len({one.seed for one in seen}) == 1
        """
    )

    result.assert_outcomes(passed=2)


def test_sim_is_that_of_the_example(suite):
    result = suite(
        """
        @shared
        @given(number=st.integers(0, 5))
        def test(sim, number):
            assert sim is simclock.active()
            assert sim.elapsed == 0
            time.sleep(number)
            assert sim.elapsed == number
        """
    )

    result.assert_outcomes(passed=1)


def test_sim_without_leave_fails_the_health_check_of_hypothesis_as_any_fixture(suite):
    result = suite(
        """
        @quick
        @given(number=st.integers(0, 5))
        def test(sim, number): pass
        """
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*FailedHealthCheck: *uses a function-scoped fixture 'sim'*"])


def test_examples_of_the_whole_suite_are_stretches_of_its_simulation(suite):
    result = suite(
        """
        seen = []

        @quick
        @given(st.integers(0, 5))
        def test(number):
            simulation = simclock.active()
            assert simulation.elapsed == 0
            time.sleep(number)
            seen.append((simulation, number, time.monotonic()))

        def test_seen():
            ends = [end for _, _, end in seen]
            assert len(ends) > 1
            assert ends == sorted(ends)
            assert {simulation for simulation, _, _ in seen} == {simclock.active()}
            assert time.monotonic() - 1000 == pytest.approx(sum(n for _, n, _ in seen), abs=0.01)
        """,
        "--simclock",
    )

    result.assert_outcomes(passed=2)


@pytest.mark.parametrize("world", WORLDS)
def test_a_deadline_is_one_of_real_time(suite, world):
    result = suite(
        """
        @settings(quick, deadline=5000)
        @world
        @given(st.integers())
        def test_long_virtual_time(number):
            time.sleep(10)

        # Shrinking would take long too.
        @settings(quick, deadline=50, phases=[Phase.explicit])
        @example(1)
        @world
        @given(st.integers())
        def test_long_real_time(number):
            with simclock.active().real_time():
                time.sleep(0.1)
        """,
        *WORLDS[world],
    )

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.re_match_lines(r".*DeadlineExceeded: .* took 1\d\d\.\d+ms, which exceeds")


@pytest.mark.parametrize("world", WORLDS)
def test_a_failing_example_is_shrunk_and_reported_once(suite, world):
    result = suite(
        """
        @quick
        @world
        @given(st.integers())
        def test(number):
            time.sleep(1)
            if number >= 17:
                print("it is too large")
            assert number < 17, "too large"
        """,
        *WORLDS[world],
    )

    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert text.count("E       AssertionError: too large") == 1
    assert re.findall(r"number=(\d+)", text) == ["17"]
    assert (
        len(re.findall(r"^failed at virtual \+\d+ s, with its own seed \d+$", text, re.MULTILINE))
        == 1
    )
    # Hypothesis says which lines only failing examples run, none of ours. Not under coverage: it
    # needs the tracer for that.
    assert "test_suite.py:" in text.partition("Explanation:")[2] or sys.gettrace() is not None
    assert "simclock/" not in text


@pytest.mark.parametrize("world", WORLDS)
def test_a_deadlock_in_an_example_is_found_and_shrunk(suite, world):
    result = suite(
        """
        @quick
        @world
        @given(st.integers())
        def test(number):
            if number >= 17:
                threading.Event().wait()
        """,
        *WORLDS[world],
    )

    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert text.count("Deadlock: deadlock: 1 thread can never run again, at virtual +0 s") == 1
    assert re.findall(r"number=(\d+)", text) == ["17"]
    assert "simclock/" not in text


@pytest.mark.parametrize("world", WORLDS)
def test_methods_assumptions_and_explicit_examples_are_as_ever(suite, world):
    result = suite(
        """
        @world
        class TestCase(unittest.TestCase):
            def setUp(self):
                self.begin = time.monotonic()

            @quick
            @given(st.integers(0, 9))
            def test_method(self, number):
                assume(number != 3)
                begin = time.monotonic()
                time.sleep(100)
                assert time.monotonic() - begin == pytest.approx(100, abs=0.01)

        @world
        class TestClass:
            @quick
            @example(4)
            @given(st.integers(5, 9))
            def test_method(self, number):
                assert simclock.active() is not None

            @quick
            @pytest.mark.parametrize("name", ["a", "b"])
            @given(number=st.integers(5, 9))
            def test_parametrised(self, name, number):
                assert simclock.active() is not None

        @world
        @quick
        @given(st.data())
        def test_data(data):
            first = data.draw(st.integers(0, 3))
            time.sleep(first)
            data.draw(st.integers(0, first))

        @world
        def test_search_inside():
            assert find(st.integers(), lambda n: n > 5 or time.sleep(1)) == 6
        """,
        *WORLDS[world],
    )

    result.assert_outcomes(passed=6)


def test_the_virtual_time_of_all_examples_is_summed_up(suite):
    result = suite(
        """
        @settings(quick, phases=[Phase.explicit])
        @example(1)
        @example(2)
        @pytest.mark.simclock
        @given(st.just(3))
        def test(number):
            time.sleep(number)
        """
    )

    result.stdout.fnmatch_lines("simclock: 1 test in simulated time, 3.00 s of it in *")


def test_a_leak_in_an_example_is_a_failure_of_that_example(suite):
    result = suite(
        """
        @quick
        @pytest.mark.simclock
        @given(st.integers(0, 30))
        def test(number):
            if number > 16:
                threading.Thread(target=threading.Event().wait, name="forgotten").start()
        """
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Leak*", "*forgotten*", "*number=17,*"])


def test_a_test_in_real_time_in_a_whole_suite_is_as_ever(suite):
    result = suite(
        """
        @quick
        @pytest.mark.simclock(False)
        @given(st.integers())
        def test(number):
            assert simclock.active() is None

        def test_of_the_suite():
            assert simclock.active() is not None
        """,
        "--simclock",
    )

    result.assert_outcomes(passed=2)


@pytest.mark.parametrize("world", WORLDS)
def test_random_is_as_hypothesis_seeds_it_and_after_it_as_ever(suite, world):
    program = """
        @quick
        @world
        @given(st.integers(0, 5))
        def test(number):
            # It seeds with 0 before each example.
            assert random.random() == random.Random(0).random()

        @quick
        @world
        @given(st.random_module())
        def test_module(chosen):
            assert random.random() == random.Random(chosen.seed).random()

        @world
        def test_after():
            print("AFTER", random.random())
        """
    result = suite(program, *WORLDS[world], "-rP")
    alone = suite(program, *WORLDS[world], "-rP", "-k", "test_after")

    result.assert_outcomes(passed=3)
    after, after_alone = (
        [line for line in found.stdout.lines if line.startswith("AFTER")]
        for found in (result, alone)
    )
    assert after == after_alone != []


# ---------------------------------------------------------------------------- coroutines

# Who runs the test, and the loop's way to sleep.
ASYNC = {
    "none": ("", "asyncio"),
    "anyio on asyncio": ("@pytest.mark.parametrize('anyio_backend', ['asyncio'])", "asyncio"),
    "anyio on trio": ("@pytest.mark.parametrize('anyio_backend', ['trio'])", "trio"),
}


@pytest.fixture(params=ASYNC)
def kind(request):
    if "trio" in request.param:
        pytest.importorskip("trio")
    return request.param


@pytest.mark.unclean("trio keeps idle threads for ten seconds")
@pytest.mark.parametrize("world", WORLDS)
def test_each_example_of_a_coroutine_test_has_a_loop_and_a_zero_of_its_own(suite, world, kind):
    mark, library = ASYNC[kind]
    result = suite(
        f"""
        import {library}
        seen = []

        @world
        @settings(quick, deadline=5000)
        {mark or "# by nobody else"}
        {"@pytest.mark.anyio" if mark else "# and so by us"}
        @given(number=st.integers(0, 5))
        async def test(number{", anyio_backend" if mark else ""}):
            simulation = simclock.active()
            assert simulation.elapsed == pytest.approx(0, abs=0.001)
            begin = time.monotonic()
            await {library}.sleep(number * 1000)
            assert simulation.elapsed == pytest.approx(number * 1000, abs=0.001)
            seen.append((simulation, simulation.seed, begin))

        def test_seen():
            simulations, seeds, begins = zip(*seen)
            assert len(seen) > 1
            assert len(set(seeds)) == 1
            if {world == "marker"}:
                assert len(set(map(id, simulations))) == len(seen)
                assert set(begins) == {{1000.0}}
            else:
                assert len(set(map(id, simulations))) == 1
        """,
        *WORLDS[world],
    )

    result.assert_outcomes(passed=2)


@pytest.mark.parametrize("world", WORLDS)
def test_deadlines_of_coroutine_tests_are_of_real_time(suite, world):
    result = suite(
        """
        @settings(quick, deadline=50, phases=[Phase.explicit])
        @example(1)
        @world
        @given(st.integers())
        async def test(number):
            with simclock.active().real_time():
                time.sleep(0.1)
        """,
        *WORLDS[world],
    )

    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines(r".*DeadlineExceeded: .* took 1\d\d\.\d+ms, which exceeds")


@pytest.mark.parametrize("world", WORLDS)
def test_examples_share_the_loop_on_which_their_fixtures_live(suite, world):
    result = suite(
        """
        @pytest.fixture
        async def loop():
            await asyncio.sleep(10)
            yield asyncio.get_running_loop()

        seen = []

        @shared
        @world
        @given(number=st.integers(0, 5))
        async def test(loop, number):
            assert asyncio.get_running_loop() is loop
            assert simclock.active().elapsed == pytest.approx(0, abs=0.001)
            await asyncio.sleep(number * 1000)
            assert simclock.active().elapsed == pytest.approx(number * 1000, abs=0.001)
            assert random.random() == random.Random(0).random()
            seen.append(id(simclock.active()))

        def test_seen():
            assert len(seen) > 1 == len(set(seen))
        """,
        *WORLDS[world],
    )

    result.assert_outcomes(passed=2)


@pytest.mark.parametrize("world", WORLDS)
def test_a_failing_example_of_a_coroutine_test_is_shrunk_and_can_be_reproduced(suite, world):
    failing = """
        @settings(quick, print_blob=True)
        {again}
        @world
        @given(st.integers())
        async def test(number):
            await asyncio.sleep(1)
            if number >= 17:
                await asyncio.Event().wait()
        """
    result = suite(failing.format(again="# the first time"), *WORLDS[world])

    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert text.count("Deadlock: deadlock: 1 thread can never run again, at virtual +1") == 1
    assert re.findall(r"number=(\d+)", text) == ["17"]
    (again,) = re.findall(r"@reproduce_failure\('.*'\)", text)

    reproduced = suite(failing.format(again=again), *WORLDS[world])
    # Found at once, not searched for.
    assert re.findall(r"number=(\d+)", reproduced.stdout.str())[:1] == ["17"]
    fixed = suite(failing.format(again=again).replace("number >= 17", "False"), *WORLDS[world])
    fixed.assert_outcomes(failed=1)
    fixed.stdout.fnmatch_lines("*DidNotReproduce*")


@pytest.mark.parametrize("world", WORLDS)
def test_a_coroutine_of_a_test_case_is_what_hypothesis_says_it_is(suite, world):
    result = suite(
        """
        @world
        class TestCase(unittest.IsolatedAsyncioTestCase):
            @quick
            @given(st.integers())
            async def test(self, number): pass

            @quick
            @given(st.integers(0, 9))
            def test_plain(self, number):
                assert simclock.active().elapsed == 0
                time.sleep(number)

        @world
        class TestWithExecutor(unittest.IsolatedAsyncioTestCase):
            def execute_example(self, function):
                return asyncio.run(function())

            @quick
            @given(st.integers(0, 9))
            async def test(self, number):
                before = simclock.active().elapsed
                await asyncio.sleep(number)
                assert simclock.active().elapsed == pytest.approx(before + number, abs=0.001)
        """,
        *WORLDS[world],
        "-Wignore",
    )

    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines("*Hypothesis doesn't know how to run async test functions*")
