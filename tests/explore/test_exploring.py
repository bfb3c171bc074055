"""What a search makes of scenarios: verdicts, evidence, and what ends it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import queue
import sys
import threading
import time

import pytest

import simclock
from simclock._explore import search as module

STRATEGIES = ["portfolio", "random", "pct", "pos", "urw", "dfs", "clock"]


def raises(error):
    def scenario():
        raise error

    return scenario


# ------------------------------------------------------------------------------- verdicts


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_strategy_finds_a_lost_update(programs, strategy):
    report = simclock.explore(programs.lost_update, strategy=strategy)

    assert report.verdict == "failed"
    assert type(report.failure.error) is AssertionError
    assert (report.failure.reproduced, report.failure.repetitions) == (10, 10)
    assert report.failure.difference == ""
    assert report.failure.run == report.runs
    assert not report.exhausted


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_strategy_accuses_what_is_right(programs, strategy):
    report = simclock.explore(programs.no_update_lost, runs=60, strategy=strategy)

    assert report.verdict == "passed"
    assert report.failure is None
    assert report.check() is report
    assert report.runs == 60
    assert 1 < report.distinct <= 60
    assert report.evidence.threads == 3
    assert report.evidence.differences == report.evidence.limits == ()


def test_the_canonical_run_does_not_lose_an_update(programs):
    report = simclock.explore(programs.lost_update, strategy="canonical")

    assert (report.verdict, report.runs, report.exhausted) == ("passed", 1, False)


def test_what_simclock_finds_is_a_failure(programs):
    report = simclock.explore(programs.lock_order)

    assert type(report.failure.error) is simclock.Deadlock
    assert report.failure.reproduced == 10
    with pytest.raises(simclock.Deadlock):
        simclock.replay(programs.lock_order, report.failure.token)


def test_a_thread_that_is_left_for_ever_is_a_failure():
    report = simclock.explore(lambda: threading.Thread(target=threading.Event().wait).start())

    assert type(report.failure.error) is simclock.Leak


def test_check_raises_what_was_found_as_its_cause(programs):
    report = simclock.explore(programs.lost_update)
    with pytest.raises(simclock.ScheduleFailure) as caught:
        report.check()

    assert str(caught.value) == str(report)
    assert caught.value.__cause__ is report.failure.error
    assert isinstance(caught.value, AssertionError)


def test_a_scenario_in_which_nothing_can_be_chosen_is_run_once():
    report = simclock.explore(lambda: time.sleep(3600))

    assert (report.verdict, report.runs, report.distinct) == ("passed", 1, 1)
    assert report.exhausted


def test_a_small_scenario_is_exhausted(programs):
    report = simclock.explore(
        lambda: programs.together(lambda: None), strategy="dfs", latency=0, runs=1000
    )

    assert (report.verdict, report.exhausted) == ("passed", True)
    assert report.runs < 1000


# ------------------------------------------------------------------------ kinds of errors


def boom():
    raise ValueError("boom")


async def fails():
    await asyncio.sleep(1)
    boom()


def leave(function):
    threading.Timer(1, function).start()


@pytest.mark.parametrize(
    "scenario",
    [
        boom,
        lambda: join(boom),
        lambda: leave(boom),
        fails,
        lambda: fails(),  # noqa: PLW0108 - a function that returns a coroutine
        functools.partial(fails),
        lambda: asyncio.run(fails()),
    ],
    ids=[
        "itself",
        "a thread",
        "a thread that it leaves",
        "a coroutine",
        "what returns one",
        "a partial",
        "its own run",
    ],
)
def test_whoever_raises_in_a_scenario_the_run_fails(scenario):
    report = simclock.explore(scenario, runs=3)

    assert repr(report.failure.error) == "ValueError('boom')"
    assert (report.runs, report.failure.reproduced) == (1, 10)


def join(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


@pytest.mark.parametrize("error", [SystemExit, SystemExit(3)])
def test_a_thread_may_exit(error):
    assert simclock.explore(lambda: join(raises(error)), runs=3).verdict == "passed"


def test_what_a_daemon_says_while_it_is_unwound_is_no_failure(capsys):
    """In reality it would never get there: the process would end."""

    def wait():
        try:
            threading.Event().wait()
        finally:
            raise KeyError("late")

    def wait_longer():
        try:
            wait()
        finally:
            raise ValueError("later")

    def scenario():
        for function in (wait, wait_longer):
            threading.Thread(target=function, daemon=True).start()

    assert simclock.explore(scenario, runs=3).verdict == "passed"
    assert capsys.readouterr() == ("", "")


def test_an_error_that_comes_of_another_one_is_a_failure():
    def scenario():
        try:
            boom()
        except ValueError:
            raise KeyError("then") from None

    assert repr(simclock.explore(lambda: join(scenario)).failure.error) == "KeyError('then')"


def test_the_first_of_several_threads_is_told():
    def scenario():
        for number in range(3):
            join(raises(ValueError(number)))

    assert simclock.explore(scenario).failure.error.args == (0,)


def test_the_scenarios_own_error_comes_before_those_of_its_threads():
    def scenario():
        join(boom)
        raise KeyError("mine")

    assert repr(simclock.explore(scenario).failure.error) == "KeyError('mine')"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit(2), pytest.skip.Exception("no")])
def test_who_wants_to_end_it_all_does(error):
    runs = []

    def scenario():
        runs.append(1)
        raise error

    with pytest.raises(error if isinstance(error, type) else type(error)):
        simclock.explore(scenario)

    assert len(runs) == 1
    assert simclock.active() is None


def test_a_failure_of_pytest_is_one():
    report = simclock.explore(lambda: pytest.fail("wrong"))

    assert type(report.failure.error) is pytest.fail.Exception
    assert report.failure.reproduced == 10
    with pytest.raises(pytest.fail.Exception, match=r"^wrong$"):
        simclock.replay(lambda: pytest.fail("wrong"), report.failure.token)


def test_pytest_need_not_be_there(monkeypatch):
    monkeypatch.delitem(sys.modules, "pytest")

    assert simclock.explore(boom).verdict == "failed"
    with pytest.raises(KeyboardInterrupt):
        simclock.explore(raises(KeyboardInterrupt()))


# --------------------------------------------------------------------------- inconclusive


@pytest.mark.parametrize(
    ("options", "limit"),
    [
        ({"max_time": 10}, "limit reached: 10 virtual seconds, at virtual +10 s"),
        ({"max_steps": 50}, "limit reached: 50 steps, at virtual +50 s"),
    ],
)
def test_a_run_that_was_too_long_says_nothing(options, limit):
    def scenario():
        for _ in range(100):
            time.sleep(1)

    report = simclock.explore(scenario, runs=4, strategy="random", **options)

    assert report.verdict == "inconclusive"
    assert report.failure is None
    assert [line.partition(",")[0] for line in report.evidence.limits] == [limit.partition(",")[0]]
    assert f"  cut short: {report.evidence.limits[0]}" in str(report).splitlines()
    assert not report.exhausted
    with pytest.warns(UserWarning, match="inconclusive: no failure in 4 runs"):
        assert report.check() is report


def test_a_search_that_was_cut_is_not_exhausted():
    report = simclock.explore(lambda: time.sleep(100), strategy="dfs", max_time=10)

    assert (report.verdict, report.exhausted) == ("inconclusive", False)


def test_a_foreign_thread_that_took_part_is_named():
    simulations = queue.Queue()
    given = threading.Semaphore(0)

    def outside():
        while (simulation := simulations.get()) is not None:
            while simulation.threads[0].waiting_for is None:
                time.sleep(0.001)
            given.release()

    def scenario():
        simulations.put(simclock.active())
        given.acquire()

    foreign = threading.Thread(target=outside, name="outside")
    foreign.start()
    try:
        report = simclock.explore(scenario, runs=1)
    finally:
        simulations.put(None)
        foreign.join()

    assert report.verdict == "inconclusive"
    assert report.evidence.uncontrolled == (
        "a foreign thread ended the wait of a simulated one",
        f"foreign threads may have taken part: {foreign.name}",
    )
    assert (
        "  not controlled: a foreign thread ended the wait of a simulated one"
        in str(report).splitlines()
    )


def test_no_run_at_all_says_nothing():
    report = simclock.explore(boom, budget=1e-9)

    assert (report.verdict, report.runs) == ("inconclusive", 0)


# ---------------------------------------------------------------------- what is configured


def test_no_more_runs_are_made_than_asked_for(programs):
    assert simclock.explore(programs.no_update_lost, runs=7).runs == 7


def test_the_budget_is_real_time(programs, monkeypatch):
    real = iter(range(1000))
    monkeypatch.setattr(module, "real_seconds", lambda: next(real))
    report = simclock.explore(programs.no_update_lost, budget=20)

    assert 2 < report.runs < 20
    assert report.verdict == "passed"


def test_a_seed_makes_a_search_the_same_search(programs):
    def found(seed):
        report = simclock.explore(programs.lost_update, seed=seed, strategy="random")
        return report.runs, report.failure.token, report.distinct, report.evidence.points

    assert found(1) == found(1)
    assert len({found(seed) for seed in range(6)}) > 1


def test_random_numbers_inside_come_from_the_seed_in_each_run():
    import random

    drawn = []
    for seed in (1, 1, 2):
        simclock.explore(lambda: drawn.append(random.random()), seed=seed)

    # Each search is a run and its repetition.
    assert len(drawn) == 6
    assert len(set(drawn[:4])) == 1
    assert drawn[4] == drawn[5] != drawn[0]


def test_an_instance_of_a_strategy_is_used_as_it_is(programs):
    class Counting(simclock.Strategy):
        name = "counting"
        calls = ()

        def begin(self):
            self.calls += ("begin",)

        def choose(self, point):
            return 0

        def end(self, *, complete):
            self.calls += (complete,)

    strategy = Counting(3)
    report = simclock.explore(programs.lost_update, strategy=strategy, runs=2)

    assert strategy.calls == ("begin", True, "begin", True)
    assert report.evidence.strategy == "counting"


def test_a_member_of_the_portfolio_is_named(programs):
    report = simclock.explore(programs.lost_update)

    first, comma, member = report.failure.strategy.partition(", ")
    assert (first, comma) == ("portfolio", ", ")
    assert member in STRATEGIES


def test_options_of_the_simulation_are_passed_on():
    seen = []
    simclock.explore(lambda: seen.append(time.time()), runs=1, epoch=86400.0)

    assert seen == [86400.0, 86400.0]


@pytest.mark.parametrize(
    ("latency", "verdict"), [(0, "passed"), (0.04, "passed"), (0.05, "failed"), (1, "failed")]
)
def test_a_timer_comes_before_work_within_the_latency(latency, verdict):
    def scenario():
        expired = threading.Event()
        timer = threading.Timer(0.05, expired.set)
        timer.start()
        simclock.active().checkpoint("work")
        timer.cancel()
        assert not expired.is_set()

    report = simclock.explore(scenario, runs=200, strategy="clock", latency=latency)
    assert report.verdict == verdict


@pytest.mark.parametrize(
    ("latency", "verdict"), [(0, "passed"), (0.1, "passed"), (0.101, "failed")]
)
def test_a_reading_of_the_clock_takes_up_to_the_latency(latency, verdict):
    def scenario():
        begin = time.monotonic()
        assert time.monotonic() - begin <= 0.1 + 1e-9

    report = simclock.explore(scenario, strategy="dfs", latency=latency)

    assert report.verdict == verdict
    # Both readings, each of which is nothing, a moment, or all that is left.
    assert verdict == "failed" or report.exhausted


def test_chaos_is_said_of_each_report():
    """What it means for an event loop is in ``tests/loop/test_schedules.py``."""

    async def scenario():
        order = []

        async def task(name):
            order.append(name)

        await asyncio.gather(*map(task, "abc"))
        assert order == ["a", "b", "c"]

    legal = simclock.explore(scenario, runs=50)
    chaos = simclock.explore(scenario, runs=50, fidelity="chaos")
    line = "  chaos: orders of tasks that asyncio does not have, and conditions that wake one more"

    assert (legal.verdict, chaos.verdict) == ("passed", "failed")
    assert line not in str(legal).splitlines()
    assert line in str(chaos).splitlines()
    with pytest.raises(AssertionError):
        simclock.replay(scenario, chaos.failure.token)


# -------------------------------------------------------------------------- bad arguments


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"runs": 0}, ValueError, "runs must be above 0: 0\ngive a whole number"),
        ({"runs": 1.5}, TypeError, "runs must be a whole number: 1.5\ngive a number above 0"),
        ({"runs": True}, TypeError, "runs must be a whole number: True\ngive a number above 0"),
        ({"budget": "1"}, TypeError, "budget must be real seconds: '1'\ngive a number above 0"),
        ({"budget": 0}, ValueError, "budget must be above 0: 0\ngive real seconds"),
        (
            {"budget": float("nan")},
            ValueError,
            "budget must be above 0: nan\ngive real seconds",
        ),
        (
            {"fidelity": "chaotic"},
            ValueError,
            "unknown fidelity: 'chaotic'\nchoose one of legal, chaos",
        ),
        ({"latency": "1"}, TypeError, "latency must be a number: '1'\ngive virtual seconds, or 0"),
        (
            {"latency": -1},
            ValueError,
            "latency is out of range: -1\ngive 0 to 3600 virtual seconds",
        ),
        (
            {"latency": 3601},
            ValueError,
            "latency is out of range: 3601\ngive 0 to 3600 virtual seconds",
        ),
        (
            {"strategy": "best"},
            ValueError,
            (
                "unknown strategy: 'best'\n"
                "choose one of portfolio, canonical, random, pct, pos, urw, dfs, clock"
            ),
        ),
        (
            {"strategy": 3},
            TypeError,
            "this is no strategy: 3\ngive the name of one, such as 'pct', or an instance",
        ),
        ({"seed": "x"}, TypeError, "seed must be an integer: 'x'\ngive a number such as 0"),
    ],
)
def test_an_argument_without_a_meaning_is_refused(options, kind, text):
    runs = []
    with pytest.raises(kind) as caught:
        simclock.explore(lambda: runs.append(1), **options)

    assert str(caught.value) == text
    assert runs == []


def test_an_option_that_a_simulation_does_not_have_is_refused():
    with pytest.raises(TypeError, match="unexpected keyword argument 'max_tim'"):
        simclock.explore(boom, max_tim=3)


# ------------------------------------------------------------------------------- fairness


def test_what_only_an_unfair_schedule_holds_up_for_ever_is_no_finding(programs):
    class Unfair(simclock.Strategy):
        """Lets those go on that poll. The kernel holds up one that does so, but not two."""

        name = "unfair"

        def choose(self, point):
            paths = [each.path for each in point.candidates]
            return next((paths.index(path) for path in ("0.1", "0.2") if path in paths), 0)

    def scenario():
        done = []

        def poll():
            while not done:
                time.sleep(0)

        def stop():
            simclock.active().checkpoint("before")
            done.append(True)

        programs.together(poll, poll, stop)

    report = simclock.explore(scenario, strategy=Unfair(), runs=1, latency=0)

    assert report.verdict == "passed"
    assert report.evidence.unfair == 1
    assert "  1 run long, ended by fair choices" in str(report).splitlines()
    assert report.evidence.points[0] > 10_000


# -------------------------------------------------------------------- strategies that fail


class Wrong(simclock.Strategy):
    name = "wrong"

    def choose(self, point):
        return point.bound


class Failing(simclock.Strategy):
    name = "failing"

    def choose(self, point):
        raise KeyError("priorities")


@pytest.mark.parametrize(
    ("strategy", "text"),
    [
        (Wrong(), r"^the strategy 'wrong' has chosen 2\n"),
        (Failing(), r"^the strategy 'failing' failed: KeyError\('priorities'\)\n"),
        (simclock.Strategy.__new__(simclock.Strategy), r"^the strategy 'Strategy' failed: NotImpl"),
    ],
)
def test_a_strategy_that_does_not_choose_is_no_failure_of_the_program(programs, strategy, text):
    with pytest.raises(simclock.PluginError, match=text):
        simclock.explore(programs.lost_update, strategy=strategy)

    assert simclock.active() is None


def test_a_scenario_that_swallows_the_strategys_error_does_not_hide_it(programs):
    def scenario():
        with contextlib.suppress(simclock.PluginError):
            programs.lost_update()

    with pytest.raises(simclock.PluginError, match=r"^the strategy 'wrong' has chosen"):
        simclock.explore(scenario, strategy=Wrong())


# -------------------------------------------------------------------- where it is called


def test_a_search_inside_a_simulation_takes_none_of_its_time(programs):
    with simclock.Simulation() as outer:
        time.sleep(5)
        report = simclock.explore(programs.lost_update)
        with pytest.raises(AssertionError):
            simclock.replay(programs.lost_update, report.failure.token)
        simclock.check(programs.no_update_lost)

        assert simclock.active() is outer
        assert outer.elapsed == 5
        time.sleep(1)

    assert report.failure.reproduced == 10
    assert outer.elapsed == 6


def test_a_search_may_be_made_in_any_thread(programs):
    reports = []
    thread = threading.Thread(
        target=lambda: reports.append(simclock.explore(programs.lost_update, strategy="random"))
    )
    thread.start()
    thread.join()

    assert reports[0].failure.reproduced == 10
    here = simclock.explore(programs.lost_update, strategy="random")
    assert here.failure.token == reports[0].failure.token


def test_nothing_is_left_of_a_search(programs):
    hook, threads = threading.excepthook, threading.enumerate()
    simclock.explore(programs.lost_update)
    with pytest.raises(KeyboardInterrupt):
        simclock.explore(raises(KeyboardInterrupt()))

    assert threading.excepthook is hook
    assert threading.enumerate() == threads
    assert simclock.active() is None


def test_the_first_the_tenth_and_the_hundredth_run_are_repeated():
    calls = []
    report = simclock.explore(
        lambda: calls.append(simclock.active()), runs=100, strategy="random", shrink=0
    )

    assert (report.verdict, report.runs) == ("passed", 100) or report.exhausted
    assert len(calls) == 100 + 3
