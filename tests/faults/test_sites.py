"""Sites: `simclock.buggify`."""

from __future__ import annotations

import threading

import pytest

import simclock
from simclock import buggify


def fired(times, **odds):
    """Return a scenario that returns how often a site has failed of so many times."""
    return lambda: sum(buggify("disk.full", **odds) for _ in range(times))


def test_outside_of_a_simulation_nothing_fails():
    assert not any(buggify("disk.full", p=1.0, enabled=1.0) for _ in range(100))


def test_a_program_with_sites_loads_no_simulator(child):
    lines = child("""
        import sys, simclock
        print(any(simclock.buggify("disk.full") for _ in range(100)))
        print("simclock.simulation" in sys.modules, "simclock._faults" in sys.modules)
    """)

    assert lines == ["False", "False False"]


def test_in_a_canonical_run_nothing_fails():
    with simclock.Simulation() as sim:
        assert not any(buggify("disk.full", p=1.0, enabled=1.0) for _ in range(100))
        with sim.real_time():
            assert not buggify("disk.full", p=1.0, enabled=1.0)

    assert sim.faults_seen.sites == {"disk.full": (100, 0, True)}


def test_a_run_that_comes_to_no_site_knows_of_none():
    with simclock.Simulation() as sim:
        pass

    assert sim.faults_seen == (simclock.FaultPlan(), "", {})


def test_a_site_is_enabled_once_and_fires_by_choice(simulate):
    choices = {("site: disk.full", 1): 1, ("sites: net.slow", 0): 1}

    def scenario(sim):
        found = [buggify(each) for each in ["disk.full", "net.slow"] * 3]
        sim.sleep(1)
        return found, str(sim.faults.plan), sim.faults.seen.sites

    (found, plan, sites), points = simulate(scenario, choices)

    assert found == [False, False, True, False, False, False]
    assert plan == "at 0 s fire disk.full"
    assert sites == {"disk.full": (3, 1, True), "net.slow": (3, 0, False)}
    assert [(each.label, each.bound, each.odds, each.tunes) for each in points] == [
        ("sites: disk.full", 2, 0.75, True),
        ("site: disk.full", 2, 0.25, False),
        ("sites: net.slow", 2, 0.75, True),
        ("site: disk.full", 2, 0.25, False),
        ("site: disk.full", 2, 0.25, False),
    ]
    assert points[1].words == ("disk.full fires",)


def test_where_it_is_certain_nothing_is_chosen(simulate):
    def scenario(sim):
        return [buggify("never", p=0), buggify("disabled", enabled=0)]

    found, points = simulate(scenario)

    assert found == [False, False]
    assert [each.label for each in points] == ["sites: never"]


def test_in_a_thread_that_is_not_simulated_nothing_fails(simulate):
    def scenario(sim):
        found = []
        with sim.real_time():
            thread = threading.Thread(target=lambda: found.append(buggify("disk.full")))
            thread.start()
            thread.join()
            found.append(buggify("disk.full"))
        return [*found, buggify("disk.full")]

    found, points = simulate(scenario, {("site: disk.full", 0): 1})

    assert found == [False, False, True]
    assert [each.label for each in points] == ["sites: disk.full", "site: disk.full"]


def test_faults_can_be_off(simulate):
    found, points = simulate(lambda sim: buggify("disk.full"), {("site: disk.full", 0): 1})
    assert (found, len(points)) == (True, 2)

    found, points = simulate(
        lambda sim: (buggify("disk.full"), sim.faults.start(), buggify("disk.full")),
        {("site: disk.full", 0): 1},
        faults="off",
    )
    assert (found, points) == ((False, None, False), [])


def test_faults_can_be_stopped_and_started(simulate):
    def scenario(sim):
        found = [buggify("disk.full")]
        sim.faults.stop()
        found.append(buggify("disk.full"))
        sim.faults.start()
        return [*found, buggify("disk.full")]

    fires = {("site: disk.full", turn): 1 for turn in range(3)}

    assert simulate(scenario, fires)[0] == [True, False, True]


def test_a_simulation_inside_has_its_own_sites(simulate):
    def scenario(sim):
        with simclock.Simulation():
            inner = buggify("disk.full")
        return inner, buggify("disk.full")

    assert simulate(scenario, {("site: disk.full", 0): 1})[0] == (False, True)


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        ((3,), {}, "this is no name of a site: 3\ngive a text such as 'disk.full'"),
        (("a",), {"p": 2}, "p is no probability: 2\ngive a number from 0 to 1"),
        (("a",), {"enabled": "x"}, "enabled is no probability: 'x'\ngive a number from 0 to 1"),
    ],
)
def test_errors(arguments, options, error):
    with simclock.Simulation(), pytest.raises((TypeError, ValueError)) as caught:
        buggify(*arguments, **options)

    assert str(caught.value) == error


def test_a_name_that_is_made_of_values_is_an_error():
    with simclock.Simulation():
        for number in range(1000):
            buggify(f"site {number}")
        with pytest.raises(ValueError, match="more than 1000 sites, such as 'one more'"):
            buggify("one more")


def test_faults_are_on_or_off():
    with pytest.raises(ValueError, match="unknown faults: True\nchoose one of on, off"):
        simclock.Simulation(faults=True)


# ------------------------------------------------------------------------------ odds


def counted(scenario, runs=2000, **options):
    """Return how many runs have had each result."""
    found = simclock.outcomes(scenario, runs=runs, strategy="random", **options)
    return {result: each.runs for result, each in found.items()}


@pytest.mark.slow
def test_a_site_is_enabled_in_a_quarter_of_the_runs_and_fires_in_a_quarter_of_these():
    runs = 2000
    # One call: 1/16 of the runs, 125 of 2000, with a standard deviation of 10.8.
    assert 125 - 5 * 11 < counted(fired(1))[1] < 125 + 5 * 11
    # Forty calls: all but 1e-5 of the enabled runs, 500 of 2000, with a deviation of 19.4.
    silent = counted(fired(40))[0]
    assert 500 - 5 * 20 < runs - silent < 500 + 5 * 20


@pytest.mark.slow
def test_the_odds_can_be_changed():
    # 0.9 * 0.5 of 2000 are 900, with a deviation of 22.2.
    assert 900 - 5 * 23 < counted(fired(1, p=0.9, enabled=0.5))[1] < 900 + 5 * 23
    assert counted(fired(3, p=1, enabled=1), runs=50) == {3: 50}
