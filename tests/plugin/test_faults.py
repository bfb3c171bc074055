"""Faults in pytest: what a test is told, and the option that turns them off."""

from __future__ import annotations

TEST = """
import time
import pytest
import simclock

@pytest.mark.simclock(runs=200, strategy="random")
def test_it(sim):
    with sim.faults.phase(kill=[sim.host("db-1")], pause=[sim.host("db-1")], every=(1, 1)):
        time.sleep(2.5)
    assert "kill" not in {each.what for each in sim.faults.plan}
"""


def test_a_failure_has_the_faults_as_a_plan(pytester):
    pytester.makepyfile(TEST)

    result = pytester.runpytest_inprocess("-p", "no:xdist")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "canonical except:",
            "  at * s kill db-1 for * s",
            "faults of the run as it was found: kill *, pause *",
            "faults, as a plan:",
            "  at * s kill db-1 for * s",
            "*--simclock-replay=s1.*",
            "  faults: kill *",
        ]
    )


def test_faults_can_be_off(pytester):
    pytester.makepyfile(TEST)

    result = pytester.runpytest_inprocess("-p", "no:xdist", "--simclock-faults=off")

    result.assert_outcomes(passed=1)


def test_in_a_whole_suite_each_test_has_its_own(pytester):
    pytester.makepyfile(shop="def take():\n    return 1\n")
    pytester.makepyfile(
        """
        import simclock, shop, time

        def test_one():
            sim = simclock.active()
            sim.faults.at("shop:take", drop=True)
            assert shop.take.__module__ == "shop"
            with sim.faults.follow("at 0 s fire shop:take"):
                time.sleep(1)
                assert shop.take() is None
            assert str(sim.faults.plan) == "at 1 s fire shop:take"

        def test_other():
            assert shop.take() == 1
            assert not hasattr(shop.take, "__wrapped__")
            assert not simclock.active().faults.plan
        """
    )

    result = pytester.runpytest_inprocess("-p", "no:xdist", "--simclock")

    result.assert_outcomes(passed=2)
