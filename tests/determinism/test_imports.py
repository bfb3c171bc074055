"""The first import of a module, which is in the first run of a process only, changes no run."""

from __future__ import annotations

import functools
import importlib
import importlib._bootstrap as bootstrap
import os
import random
import subprocess
import sys
import textwrap
import threading
import time
import traceback
import uuid

import pytest

import simclock
from simclock import Simulation

LAZY = """
import logging, os, random, threading, time, uuid

ID = uuid.uuid4()
SALT = os.urandom(8)
DRAWN = random.random(), random.Random().random()
random.seed(4)
NOTED = [time.monotonic() for _ in range(2000)]
LOCKS = [threading.Lock() for _ in range(3)]
for lock in 1500 * LOCKS:
    with lock:
        pass
logging.getLogger("lazy").isEnabledFor(10)
"""
USES = """
import threading, uuid, random, time

def scenario():
    lock, log = threading.Lock(), []

    def work(name):
        import lazy
        log.append(name)
        time.sleep(0.001)
        with lock:
            log.append(name)
            time.monotonic()

    threads = [threading.Thread(target=work, args=(each,)) for each in "ab"]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    log += [str(uuid.uuid4()), random.random(), time.monotonic()]
    assert log[:4] != ["a", "b", "b", "a"]
    return log
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Return a function that makes a module that can be imported, and is not."""
    made = []

    def module(name, text):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        importlib.invalidate_caches()
        made.append(name)

    monkeypatch.syspath_prepend(str(tmp_path))
    yield module
    for name in made:
        sys.modules.pop(name, None)


@pytest.fixture
def scenario(module):
    module("lazy", LAZY)
    module("uses", USES)
    return importlib.import_module("uses").scenario


def test_the_first_run_is_like_the_second(scenario):
    found = []
    for _ in range(2):
        with Simulation(seed=3, step_cost=1e-6) as sim:
            log = scenario()
            found.append((log, sim.trace.digest, sim.trace.records))
    assert "lazy" in sys.modules
    assert found[0] == found[1]


@pytest.mark.parametrize("strategy", ["random", "pct", "pos", "urw"])
def test_in_a_search_it_is_so_too(scenario, strategy):
    found = []
    for _ in range(2):
        sys.modules.pop("lazy", None)
        for _ in range(2):
            logs = []

            def run(logs=logs):
                logs.append(scenario())

            report = simclock.explore(run, runs=5, strategy=strategy, seed=3, shrink=0)
            found.append((str(report.failure and report.failure.token), logs))
    assert found[1:] == found[:3]


def test_a_schedule_that_was_found_late_fits_a_new_process(scenario, tmp_path):
    simclock.run(scenario)
    report = simclock.explore(scenario, runs=500, seed=3)
    assert report.failure is not None
    code = f"""
        import simclock, uses
        try:
            simclock.replay(uses.scenario, {report.failure.token!r})
        except AssertionError as error:
            print("again")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert done.stdout == "again\n"


def test_what_a_module_draws_is_not_drawn_again(module):
    module("lazy", LAZY)
    module("other", LAZY)
    with Simulation(seed=3):
        import lazy
        import other

        drawn = [uuid.uuid4(), random.random()]
    with Simulation(seed=3):
        assert drawn == [uuid.uuid4(), random.random()]
    assert len({lazy.ID, other.ID, drawn[0]}) == 3
    assert len({lazy.DRAWN[0], lazy.DRAWN[1], other.DRAWN[0], other.DRAWN[1], drawn[1]}) == 5


def test_what_the_program_has_seeded_is_drawn_there_and_once_more_after_it(module):
    module("lazy", "import random; DRAWN = random.random()")
    first = random.Random(7).random()
    with Simulation():
        random.seed(7)
        import lazy

        assert (lazy.DRAWN, random.random()) == (first, first)


def test_a_process_that_is_stopped_in_it_leaves_nothing_to_others(module):
    module("lazy", "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\n")

    def draws(*, stops):
        sys.modules.pop("lazy", None)
        with Simulation(seed=3, step_cost=0.001) as sim:
            if stops:
                process = sim.host("a").start(lambda: importlib.import_module("lazy"))
                time.sleep(1)
                process.resume()
                process.join()
            before = sim.elapsed
            time.monotonic()
            assert sim.elapsed - before == pytest.approx(0.001)
            return uuid.uuid4(), random.random()

    assert draws(stops=True) == draws(stops=False)


def test_a_child_that_is_forked_in_it_imports_it_too(module):
    module("lazy", "import os\nCHILD = os.fork()\n")
    with Simulation():
        import lazy

        if lazy.CHILD == 0:
            os._exit(17 if random.random() < 1 else 18)
        _, status = os.waitpid(lazy.CHILD, 0)
    assert os.waitstatus_to_exitcode(status) == 17


def test_time_stands_still_in_it(module):
    module("lazy", LAZY)
    with Simulation(step_cost=1e-6) as sim:
        import lazy

        assert sim.elapsed == 0
        assert len(set(lazy.NOTED)) == 1
        time.monotonic()
        assert sim.elapsed > 0


def test_one_that_waits_takes_its_time_and_lets_others_run(module):
    module("lazy", "import time\ntime.sleep(1)\nNOTED = time.monotonic()\n")
    log = []

    def other():
        log.append(("began", sim.elapsed))
        time.sleep(0.5)
        log.append(("went on", sim.elapsed))

    with Simulation() as sim:
        thread = threading.Thread(target=other)
        thread.start()
        import lazy  # noqa: F401

        log.append(("imported", sim.elapsed))
        thread.join()
    assert log == [("began", 0.0), ("went on", 0.5), ("imported", 1.0)]


@pytest.mark.parametrize("turn", ["lock.acquire(); lock.release()", "now()"])
def test_one_that_turns_round_until_another_thread_has_done_something_ends(module, turn):
    module("uses", "DONE = []\n")
    module(
        "lazy",
        f"""
        import threading, time, uses
        lock, now = threading.Lock(), time.monotonic
        while not uses.DONE:
            {turn}
        """,
    )
    with Simulation():
        uses = importlib.import_module("uses")
        other = threading.Thread(target=uses.DONE.append, args=[1])
        other.start()
        importlib.import_module("lazy")
        other.join()
    assert uses.DONE == [1]


def test_one_that_starts_a_thread_is_a_step_like_others_from_there_on(module):
    module(
        "lazy",
        """
        import threading, time
        NOTED = []
        def work():
            NOTED.append("worked")
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        NOTED.append("joined")
        """,
    )
    logs = []

    def scenario():
        sys.modules.pop("lazy", None)
        logs.append(importlib.import_module("lazy").NOTED)

    assert simclock.explore(scenario, runs=20, strategy="random", seed=1).verdict == "passed"
    assert logs == [["worked", "joined"]] * len(logs)


def test_a_traceback_of_a_failed_import_is_what_it_always_was(module):
    module("lazy", "import there_is_none\n")

    def frames():
        try:
            import lazy  # noqa: F401
        except ImportError as error:
            return [(each.name, each.line) for each in traceback.extract_tb(error.__traceback__)]

    real = frames()
    with Simulation():
        assert frames() == real
    assert real[1:] == [("<module>", "import there_is_none")]


def test_the_hook_is_taken_away_and_somebody_elses_left_alone(module, monkeypatch):
    before = bootstrap._find_and_load
    with Simulation():
        assert bootstrap._find_and_load is not before
        with Simulation():
            pass
    assert bootstrap._find_and_load is before

    others = functools.partial(before)
    monkeypatch.setattr(bootstrap, "_find_and_load", before)
    with Simulation():
        bootstrap._find_and_load = others
    assert bootstrap._find_and_load is others
    module("lazy", LAZY)
    with Simulation() as sim:
        time.sleep(1)
        import lazy  # noqa: F401

        assert sim.elapsed == 1
        module("later", "HERE = True")
        with sim.real_time():
            import later

            assert later.HERE
    assert bootstrap._find_and_load is others


def test_a_hook_of_ours_that_somebody_has_put_back_too_late_is_no_other_one(monkeypatch):
    before = bootstrap._find_and_load
    with Simulation():
        monkeypatch.setattr(bootstrap, "_find_and_load", functools.partial(before))
    monkeypatch.undo()
    try:
        ours = bootstrap._find_and_load
        assert ours is not before
        with Simulation():
            assert bootstrap._find_and_load is ours
    finally:
        bootstrap._find_and_load = before
