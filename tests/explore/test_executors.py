"""A search whose runs are made by the workers of an executor."""

from __future__ import annotations

import concurrent.futures
import pickle
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import simclock
from simclock._explore.alone import ANSWERED, ASKED, call_alone, main
from simclock._explore.campaign import PART

UNBOUND = "parts of a search cannot share a strategy"


class Here(concurrent.futures.Executor):
    """Runs each job at once, in the caller's thread, and counts them."""

    def __init__(self):
        self.jobs = 0

    def submit(self, function, /, *args, **kwargs):
        self.jobs += 1
        done = concurrent.futures.Future()
        try:
            done.set_result(function(*args, **kwargs))
        except BaseException as error:
            done.set_exception(error)
        return done


def lost_update():
    box = [0]

    def add():
        before = box[0]
        time.sleep(0)
        box[0] = before + 1

    threads = [threading.Thread(target=add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert box == [2]


def three_in_a_row():
    def work():
        for _ in range(3):
            time.sleep(0)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def found(report):
    return (
        report.verdict,
        report.failure and report.failure.token,
        report.evidence._replace(seconds=0, repeating=0),
    )


@pytest.fixture
def processes():
    def pool(workers):
        return concurrent.futures.ProcessPoolExecutor(workers)

    return pool


@pytest.mark.parametrize("scenario", [lost_update, three_in_a_row])
def test_the_result_does_not_depend_on_the_number_of_workers(processes, scenario):
    reports = []
    for workers in (1, 2):
        with processes(workers) as pool:
            report = simclock.explore(scenario, runs=3 * PART, strategy="random", executor=pool)
        reports.append(found(report))
    reports.append(
        found(simclock.explore(scenario, runs=3 * PART, strategy="random", executor=Here()))
    )

    assert reports[0] == reports[1] == reports[2]
    assert reports[0][0] == ("failed" if scenario is lost_update else "passed")


def test_parts_have_schedules_of_their_own():
    one = simclock.explore(three_in_a_row, runs=PART, strategy="random", executor=Here())
    three = simclock.explore(three_in_a_row, runs=3 * PART, strategy="random", executor=Here())

    assert one.runs == PART
    assert three.runs == 3 * PART
    assert three.distinct > 1.5 * one.distinct


def test_the_first_part_is_what_a_search_without_executor_begins_with():
    alone = simclock.explore(three_in_a_row, runs=PART, strategy="random")
    part = simclock.explore(three_in_a_row, runs=PART, strategy="random", executor=Here())

    assert found(alone) == found(part)


def test_a_failure_in_a_worker_is_raised_here_and_replays(processes):
    with processes(2) as pool:
        report = simclock.explore(lost_update, runs=3 * PART, executor=pool)

    failure = report.failure
    assert isinstance(failure.error, AssertionError)
    assert (failure.reproduced, failure.repetitions) == (10, 10)
    assert failure.run == report.runs <= PART
    with pytest.raises(AssertionError):
        simclock.replay(lost_update, failure.token)


workers_fail = False


def only_in_workers():
    assert not workers_fail


def test_what_fails_in_workers_only_is_told_in_words():
    class There(Here):
        def submit(self, function, /, *args, **kwargs):
            global workers_fail  # noqa: PLW0603 - as if it were another process
            workers_fail = True
            try:
                return super().submit(function, *args, **kwargs)
            finally:
                workers_fail = False

    report = simclock.explore(only_in_workers, runs=5, executor=There())

    assert report.verdict == "failed"
    assert re.match(r"AssertionError .*: assert not True", str(report.failure.error).split("\n")[0])


def test_when_nothing_is_left_no_part_is_waited_for():
    report = simclock.explore(lambda: None, runs=5 * PART, strategy="dfs", executor=Here())

    assert (report.runs, report.exhausted) == (1, True)


def test_a_budget_ends_the_search_between_parts():
    report = simclock.explore(
        three_in_a_row, runs=10**4, budget=1e-9, strategy="random", executor=Here()
    )

    assert report.runs == 0
    assert report.verdict == "inconclusive"


def test_what_a_worker_cannot_do_is_raised():
    def broken():
        raise simclock.PluginError("no")

    class Failing(simclock.Strategy):
        name = "failing"

        def choose(self, point):
            raise ZeroDivisionError

    class Plugin:
        @simclock.hookimpl
        def simclock_strategies(self):
            return [Failing]

    simclock.register(plugin := Plugin(), "failing strategies")
    try:
        with pytest.raises(simclock.PluginError, match="the strategy 'failing' failed"):
            simclock.explore(three_in_a_row, strategy="failing", runs=3, executor=Here())
    finally:
        simclock.unregister(plugin)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"executor": 3},
            "this is no executor: 3\ngive a concurrent.futures.ProcessPoolExecutor or its like",
        ),
        ({"executor": Here(), "strategy": simclock.Strategy}, "this is no strategy: "),
    ],
)
def test_what_is_no_executor_is_refused(options, text):
    with pytest.raises(TypeError, match=re.escape(text)):
        simclock.explore(three_in_a_row, **options)


def test_an_instance_of_a_strategy_cannot_be_shared():
    class Mine(simclock.Strategy):
        name = "mine"

        def choose(self, point):
            return 0

    with pytest.raises(TypeError, match=UNBOUND):
        simclock.explore(three_in_a_row, strategy=Mine(), executor=Here())


def test_threads_of_a_pool_have_a_process_for_each_part(monkeypatch):
    # Where a child process finds the scenario: this module is in no folder that Python looks in.
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        there = simclock.explore(three_in_a_row, runs=2 * PART, strategy="random", executor=pool)
    here = simclock.explore(three_in_a_row, runs=2 * PART, strategy="random", executor=Here())

    assert found(there) == found(here)


def test_a_process_for_a_part_has_the_options_of_this_one():
    program = (
        "import concurrent.futures as c, simclock._explore.alone as a\n"
        "with c.ThreadPoolExecutor(1) as pool:\n"
        "    print(pool.submit(a.call_alone, eval, '__import__(\"sys\").flags.optimize').result())\n"
    )
    done = subprocess.run(
        [sys.executable, "-OO", "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout == "2\n"


class Slow(Here):
    """Calls back late, as some do: who waits for the result is told first."""

    def submit(self, function, /, *args, **kwargs):
        done = super().submit(function, *args, **kwargs)
        done.add_done_callback = lambda callback: None
        return done


def test_a_part_is_kept_before_its_search_returns(tmp_path):
    options = {"runs": 2 * PART, "strategy": "random", "resume": tmp_path}
    first = simclock.explore(three_in_a_row, executor=Slow(), **options)
    kept = list(tmp_path.glob("*/*.json"))
    none = Here()
    second = simclock.explore(three_in_a_row, executor=none, **options)

    assert (len(kept), none.jobs) == (2, 0)
    assert found(first) == found(second)


class Gone:
    """An executor whose workers have gone."""

    def submit(self, function, *args, **kwargs):
        done = concurrent.futures.Future()
        done.set_exception(OSError("gone"))
        return done


def test_what_a_worker_has_not_made_is_not_kept(tmp_path):
    options = {"runs": 2 * PART, "strategy": "random", "resume": tmp_path}

    with pytest.raises(OSError, match="gone"):
        simclock.explore(three_in_a_row, executor=Gone(), **options)

    assert list(tmp_path.glob("*/*.json")) == []


def test_a_part_is_kept_once(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(
        "simclock._explore.files.write", lambda path, data: written.append(path.name)
    )
    simclock.explore(
        three_in_a_row, runs=2 * PART, strategy="random", resume=tmp_path, executor=Here()
    )

    assert len(written) == len(set(written)) == 3  # with the mark of the folder


def test_a_process_that_dies_is_told(monkeypatch):
    monkeypatch.setattr(f"{call_alone.__module__}.CHILD", "import os; os._exit(3)")
    with (
        concurrent.futures.ThreadPoolExecutor(1) as pool,
        pytest.raises(concurrent.futures.BrokenExecutor, match="has ended with 3"),
    ):
        simclock.explore(three_in_a_row, strategy="random", executor=pool)


def test_what_a_process_alone_does(tmp_path, monkeypatch):
    (tmp_path / ASKED).write_bytes(pickle.dumps((abs, -3)))
    monkeypatch.setattr("sys.argv", ["", str(tmp_path)])
    main()
    assert pickle.loads((tmp_path / ANSWERED).read_bytes()) == (True, 3)
    (tmp_path / ASKED).write_bytes(pickle.dumps((abs, "3")))
    main()
    is_good, error = pickle.loads((tmp_path / ANSWERED).read_bytes())
    assert not is_good
    assert isinstance(error, TypeError)


def test_what_a_thread_asks_for_is_done_in_another_process():
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert pool.submit(call_alone, abs, -3).result() == 3


def test_what_is_raised_in_another_process_is_raised_here():
    with concurrent.futures.ThreadPoolExecutor(1) as pool, pytest.raises(TypeError):
        pool.submit(call_alone, abs, "3").result()
