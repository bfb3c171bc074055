"""Tests with ``@given``: the engine in real time, each example in simulated time."""

from __future__ import annotations

import re
import sys
from textwrap import dedent

import pytest

pytest.importorskip("hypothesis")

SETUP = """
    import threading, time, unittest
    import pytest, simclock
    from hypothesis import HealthCheck, Phase, assume, example, find, given, note, settings
    from hypothesis import strategies as st

    world = lambda test: test
    # A database would remember the failures of the run before.
    quick = settings(max_examples=10, database=None)
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
        @settings(quick, deadline=200)
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
