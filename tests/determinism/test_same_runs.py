from __future__ import annotations

import gc
import importlib.util
import itertools
import random
import sys
import threading
import time
from pathlib import Path

import pytest

from simclock import run

RUNS = 1000


@pytest.fixture(scope="module")
def program():
    """Tests are not packages, so ``program.py`` is loaded by its path."""
    path = Path(__file__).parent / "program.py"
    spec = importlib.util.spec_from_file_location("determinism_program", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.hang_limit(300)
def test_a_thousand_runs_of_one_program_have_one_digest(program):
    found = {program.outcome(rounds=1)[0] for _ in range(RUNS)}

    assert len(found) == 1


def test_runs_have_equal_records_and_equal_logs(program):
    outcomes = [program.outcome(seed=3) for _ in range(20)]

    assert all(outcome == outcomes[0] for outcome in outcomes)
    digest, records, log = outcomes[0]
    assert len(digest) == 32
    assert len(records) > 100
    assert len(log) > 20


def test_the_program_does_what_it_says(program):
    """Or the comparison of its runs would be worth little."""
    _, records, log = program.outcome()
    kinds = {record.kind for record in records}
    waits = {record.detail.split()[0] for record in records if record.kind == "park"}

    assert kinds == {"start", "park", "run", "end", "jump"}
    assert waits - {"join"} == {"sleep", "lock", "SimpleQueue"}
    assert [time for time, _, _ in log] == sorted(time for time, _, _ in log)
    visits = sorted(what for _, name, what in log if "visit" in name)
    assert visits == [False, False, True]


def test_other_seeds_give_other_runs(program):
    outcomes = [program.outcome(seed=seed) for seed in range(10)]

    assert len({digest for digest, _, _ in outcomes}) == 10
    assert len({str(log) for _, _, log in outcomes}) == 10


def test_runs_do_not_depend_on_what_happened_before_them(program):
    expected = program.outcome()
    garbage = []
    for step in range(10):
        random.seed(step)
        garbage.append([object() for _ in range(step * 1000)])
        threads = [threading.Thread(target=time.sleep, args=(0.001,)) for _ in range(step)]
        for thread in threads:
            thread.start()
        if step % 2:
            gc.collect()
        assert program.outcome() == expected
        for thread in threads:
            thread.join()


def test_runs_do_not_depend_on_threads_beside_them(program):
    expected = program.outcome()
    stop = threading.Event()

    def busy():
        lock = threading.Lock()
        while not stop.is_set():
            with lock:
                time.monotonic()
            threading.Event().wait(0.0001)

    threads = [threading.Thread(target=busy) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        found = [program.outcome() for _ in range(10)]
    finally:
        stop.set()
        for thread in threads:
            thread.join()

    assert all(outcome == expected for outcome in found)


def test_runs_do_not_depend_on_the_switch_interval_or_the_collector(program):
    expected = program.outcome()
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    try:
        for seconds, threshold in itertools.product([1e-6, 1.0], [1, 100_000]):
            sys.setswitchinterval(seconds)
            gc.set_threshold(threshold)
            assert program.outcome() == expected
    finally:
        sys.setswitchinterval(interval)
        gc.set_threshold(*thresholds)


def test_runs_inside_a_simulation_and_in_a_foreign_thread_are_the_same(program):
    expected = program.outcome()
    found = []

    def outcome():
        found.append(program.outcome())

    run(outcome)
    run(lambda: (threading.Thread(target=print, kwargs={"end": ""}).start(), outcome()))
    thread = threading.Thread(target=outcome)
    thread.start()
    thread.join()

    assert [digest for digest, _, _ in found] == [expected[0]] * 3
    assert found[0] == found[1] == expected


def test_processes_with_other_hash_seeds_have_the_same_runs(in_child):
    outputs = {in_child(5, 0, 1, PYTHONHASHSEED=seed) for seed in ("0", "1", "random")}

    [output] = outputs
    assert [line.split()[0] for line in output.splitlines()] == ["0", "1"]


def test_a_process_of_its_own_has_the_same_runs_as_this_one(program, in_child):
    digest, _, log = program.outcome()

    assert in_child(1, 0) == f"0 {digest} {log!r}\n"


def test_development_mode_does_not_change_a_run(in_child):
    assert in_child(2, 0, PYTHONDEVMODE="1") == in_child(2, 0)
