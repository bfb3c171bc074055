"""Statements of `simclock.predicates` in tests and in what they test: what the plugin says of them."""

from __future__ import annotations

import re
from textwrap import dedent

import pytest

TEST = """
import threading
import pytest
from simclock.predicates import always, reachable, sometimes
"""

SHOP = """
    # A shop.
    import time
    from simclock import predicates

    class Stock:
        def __init__(self, left):
            self.left = left

        def take(self):
            predicates.sometimes(self.left == 0, "sold out")
            if self.left > 0:
                time.sleep(0)
                self.left -= 1
                predicates.always(self.left >= 0, "stock is not negative", left=self.left)
            elif self.left < -1:
                predicates.reachable("more was sold than twice")
"""


def test_a_search_adds_up_what_its_runs_have_come_to(suite):
    result = suite(
        """
        @pytest.mark.simclock(runs=4, strategy="random")
        def test(sim):
            sometimes(sim.elapsed > 0, "time passes")
            if sim.elapsed:
                reachable("later")
        """,
        "-rP",
        setup=TEST,
    )

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "inconclusive:",
            "  2 statements, come to 4 times",
            "  not seen: never true: sometimes 'time passes', asked 4 times, test_suite.py:8",
            "  not seen: never reached: reachable 'later', test_suite.py:10",
            "simclock: 1 test searched, 4 runs, 1 different",
            "  inconclusive: test_suite.py::test: never true: sometimes 'time passes', asked 4*",
        ]
    )


def test_what_comes_true_in_some_run_is_no_doubt(suite):
    result = suite(
        """
        import queue

        @pytest.mark.simclock(runs=30)
        def test():
            answers = queue.Queue()
            threading.Timer(0.05, answers.put, ["tea"]).start()
            try:
                answers.get(timeout=0.1)
            except queue.Empty:
                reachable("too late")
        """,
        setup=TEST,
    )

    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*inconclusive*")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_broken_statement_fails_a_search_and_the_report_ends_in_its_line(pytester, suite):
    pytester.makepyfile(shop=SHOP)
    result = suite(
        """
        from shop import Stock

        @pytest.mark.simclock(runs=50)
        def test():
            stock = Stock(1)
            buyers = [threading.Thread(target=stock.take) for _ in range(2)]
            for each in buyers:
                each.start()
            for each in buyers:
                each.join()
        """,
        setup=TEST,
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            ">*predicates.always(self.left >= 0, *",
            "E*Violation: always 'stock is not negative': it is false",
            "E* left = -1",
            "shop.py:14: Violation",
            "run * of at most 50 failed, by strategy portfolio, *; reproduced 10/10",
        ]
    )
    assert "predicates.py" not in result.stdout.str()
    assert "never reached" not in result.stdout.str()


@pytest.mark.parametrize("option", ["-q", "--simclock"])
def test_a_broken_statement_fails_a_test_that_is_run_once(suite, option):
    result = suite(
        """
        @pytest.mark.simclock
        def test_1():
            pass

        def test_2():
            pass

        @pytest.mark.simclock
        def test():
            with pytest.raises(AssertionError):
                always(False, "so")
        """,
        option,
        setup=TEST,
    )

    result.assert_outcomes(failed=1, passed=2)
    result.stdout.fnmatch_lines("E*Violation: always 'so': it is false")


def test_a_broken_invariant_fails_its_test_only_also_in_a_whole_suite(suite):
    result = suite(
        """
        import time

        def test_1(sim):
            box = []
            sim.invariant(lambda: not box)
            time.sleep(1)
            box.append(1)
            time.sleep(1)

        def test_2(sim):
            time.sleep(1)
        """,
        "--simclock",
        setup=TEST,
    )

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["E*Violation: invariant 'test_1.<locals>.<lambda>' of test_suite.py:*"]
    )


SEARCHES = """
    from shop import Stock

    @pytest.mark.simclock(runs=3)
    def test_{0}():
        Stock({0}).take()

    @pytest.mark.simclock(runs=3)
    def test_other():
        pass

    def helper():
        reachable("the helper")
"""
MISSED = [
    "simclock: stated, and not seen in any of these searches",
    "  never true: sometimes 'sold out', asked once, shop.py:10",
    "  never reached: reachable 'more was sold than twice', shop.py:16",
]


@pytest.mark.parametrize("workers", [("-p", "no:xdist"), ("-n", "2")])
def test_what_a_tested_module_states_and_no_search_comes_to_is_told(pytester, suite, workers):
    """Of a test's own module only what is in the tests: others may not have been run."""
    pytester.makepyfile(shop=SHOP)
    result = suite(SEARCHES.format(1), *workers, setup=TEST)

    result.assert_outcomes(passed=2)
    lines = [
        line
        for line in result.outlines
        if re.search(r"stated|the helper|  never|inconclusive", line)
    ]
    assert lines == MISSED


def test_all_searches_count_together(pytester, suite):
    pytester.makepyfile(shop=SHOP)
    result = suite(
        """
        from shop import Stock

        @pytest.mark.simclock(runs=3)
        @pytest.mark.parametrize("left", [1, 0, -2])
        def test(left):
            Stock(left).take()
        """,
        setup=TEST,
    )

    result.assert_outcomes(passed=3)
    result.stdout.no_fnmatch_line("*not seen*")


def test_not_all_that_is_missed_is_shown(pytester, suite):
    missed = "\n".join(f"            predicates.reachable('place {number}')" for number in range(8))
    pytester.makepyfile(shop=f"{dedent(SHOP)}{missed}")
    result = suite(SEARCHES.format(1), setup=TEST)

    result.stdout.fnmatch_lines(
        [*MISSED, "  never reached: reachable 'place 0', shop.py:*", "  and 5 more"]
    )


def test_each_set_of_parameters_may_come_to_other_places(suite):
    result = suite(
        """
        @pytest.mark.simclock(runs=3)
        @pytest.mark.parametrize("left", [1, 0])
        def test(left):
            if left:
                reachable("some are left")
            else:
                reachable("none is left")
        """,
        setup=TEST,
    )

    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("*never reached*")


def test_without_a_search_nothing_is_told(pytester, suite):
    pytester.makepyfile(shop=SHOP)
    result = suite(SEARCHES.format(1).replace("(runs=3)", ""), setup=TEST)

    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("*never*")


def test_a_thread_that_raises_in_the_first_run_does_so_in_its_repetitions(pytester):
    """In a process of its own: pytest imports a module when a thread raises for the first time."""
    pytester.makepyfile(
        test_suite="""
        import threading, time, pytest

        @pytest.mark.simclock(runs=3)
        def test():
            def work():
                time.sleep(1)
                assert False
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")

    result.stdout.fnmatch_lines("run 1 of at most 3 failed, *; reproduced 10/10")
