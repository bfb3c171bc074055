"""What is logged, and who listens to it in which way, makes no other run."""

from __future__ import annotations

import itertools
import logging
import os
import signal
import threading
import time
import traceback
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

import simclock
from simclock import Simulation
from simclock._boundary import interludes
from simclock._boundary.active import kernels

logger = logging.getLogger("tests.determinism")


class Listening(logging.Handler):
    """Notes the lines, with a lock and a clock of its own."""

    def __init__(self):
        super().__init__()
        self.lines = []
        self._own = threading.Lock()

    def emit(self, record):
        with self._own:
            self.lines.append((time.monotonic(), record.getMessage(), record.funcName))


class Slow(Listening):
    def emit(self, record):
        time.sleep(1)
        super().emit(record)


@pytest.fixture
def listens():
    """Return a function that has a number of handlers listen from a level on; returns them."""
    added = []

    def listens(number, level=logging.DEBUG, kind=Listening):
        logger.setLevel(level)
        for _ in range(number):
            added.append(kind())
            logger.addHandler(added[-1])
        return added

    yield listens
    logger.setLevel(logging.NOTSET)
    for each in added:
        logger.removeHandler(each)


def scenario(is_talkative=False):
    lock, log = threading.Lock(), []

    def work(name):
        for number in range(5):
            logger.debug("%s begins %d", name, number)
            if is_talkative:
                logging.getLogger(f"tests.{name}.{number}").info("more")
            with lock:
                log.append((name, number, time.monotonic()))
            time.sleep(0.1)

    threads = [threading.Thread(target=work, args=(each,)) for each in "abc"]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return log


def runs(strategy, **options):
    """Return the logs of some runs, and the digest of each."""
    found = []
    simclock.explore(
        lambda: found.append((scenario(**options), simclock.active().elapsed)),
        runs=8,
        seed=4,
        strategy=strategy,
        step_cost=1e-6,
    )
    return found


@pytest.mark.parametrize("strategy", ["random", "pct", "pos", "urw", "canonical"])
def test_the_schedules_are_the_same_whoever_listens(listens, strategy):
    quiet = runs(strategy)
    handlers = listens(2)
    assert runs(strategy) == quiet
    assert len(handlers[0].lines) >= 15
    assert handlers[0].lines == handlers[1].lines
    listens(1, logging.WARNING)
    assert runs(strategy, is_talkative=True) == quiet


def test_a_schedule_is_followed_where_more_is_logged(listens):
    def fails(**options):
        order = "".join(name for name, _, _ in scenario(**options))
        assert order[3:6] != "cba", order

    report = simclock.explore(fails, runs=300, seed=1, strategy="random", latency=0.0)
    listens(3)
    with pytest.raises(AssertionError) as caught:
        simclock.replay(lambda: fails(is_talkative=True), report.failure.token)
    assert str(caught.value) == str(report.failure.error)


def test_a_line_knows_who_has_logged_it_and_when(listens):
    [handler] = listens(1)
    with Simulation() as sim:
        time.sleep(1)
        logger.info("here")
        logger.info("there", stacklevel=2)
        assert sim.elapsed == 1
    names = [name for _, _, name in handler.lines]
    assert names[0] == "test_a_line_knows_who_has_logged_it_and_when"
    assert names[1] == "pytest_pyfunc_call"


def test_a_handler_that_waits_lets_others_run(listens):
    [handler] = listens(1, kind=Slow)
    log = []

    def other():
        time.sleep(0.5)
        log.append(sim.elapsed)

    with Simulation() as sim:
        thread = threading.Thread(target=other)
        thread.start()
        logger.info("here")
        log.append(sim.elapsed)
        thread.join()
    assert log == [0.5, 1.0]
    assert [text for _, text, _ in handler.lines] == ["here"]


def test_what_a_handler_raises_is_told_as_it_always_was(listens, capsys):
    [handler] = listens(1)
    handler.emit = handler.handleError

    def told():
        try:
            raise ValueError("broken")
        except ValueError:
            logger.info("here")
        return [
            each
            for each in capsys.readouterr().err.splitlines()
            if "line" not in each and "told()" not in each
        ]

    real = told()
    with Simulation():
        assert told() == real
    assert "ValueError: broken" in real


def test_loggers_are_put_back():
    before = logging.Logger.handle, logging.Logger.makeRecord
    with Simulation():
        with Simulation():
            assert logging.Logger.handle is not before[0]
        assert logging.Logger.handle.__name__ == "handle"
    assert (logging.Logger.handle, logging.Logger.makeRecord) == before


def test_outside_of_the_simulation_lines_are_logged_as_ever(listens):
    [handler] = listens(1)
    with Simulation() as sim, sim.real_time():
        logger.info("here")
    assert [text for _, text, _ in handler.lines] == ["here"]


def test_what_somebody_has_put_there_is_left_alone(monkeypatch):
    handle = Mock()
    monkeypatch.setattr(logging.Logger, "handle", handle)
    with Simulation():
        logger.warning("here")
        assert logging.Logger.handle is handle
    [record] = handle.call_args.args
    assert record.getMessage() == "here"


def test_a_traceback_out_of_a_handler_has_no_frame_of_ours(listens):
    [handler] = listens(1)

    def emit(record):
        raise ZeroDivisionError

    handler.emit = emit
    with Simulation(), pytest.raises(ZeroDivisionError) as caught:
        logger.info("here")
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert not any("simclock/_boundary" in each.filename for each in frames)
    assert ("handle", "def handle(self, record):") in [(each.name, each.line) for each in frames]


def test_a_loop_that_only_logs_ends(listens):
    listens(1)
    done = []

    def other():
        time.sleep(0.01)
        done.append(sim.elapsed)

    with Simulation() as sim:
        thread = threading.Thread(target=other)
        thread.start()
        while not done:
            logger.info("waiting")
        thread.join()
    assert done == [0.01]


def test_a_handler_that_tries_until_another_thread_has_done_something_ends(listens):
    lock, has_begun, goes_on = threading.Lock(), threading.Event(), threading.Event()
    [handler] = listens(1)

    def tries(record):
        while not lock.acquire(blocking=False):
            pass
        lock.release()

    def holds():
        with lock:
            has_begun.set()
            goes_on.wait()

    handler.emit = tries
    with Simulation():
        thread = threading.Thread(target=holds)
        thread.start()
        has_begun.wait()
        time.sleep(1)
        goes_on.set()
        logger.info("here")
        thread.join()


def test_a_process_that_ends_in_a_handler_leaves_nothing_to_others(listens):
    [handler] = listens(1)
    handler.emit = lambda record: os._exit(3)
    with Simulation(step_cost=0.001) as sim:
        process = sim.host("a").start(logger.info, "here")
        process.join()
        before = sim.elapsed
        for _ in range(10):
            time.monotonic()
        assert process.exitcode == 3
        assert sim.elapsed - before == pytest.approx(0.01)


def test_a_process_that_is_killed_in_a_handler_ends_there(listens):
    [handler] = listens(1)
    log = []

    def emit(record):
        os.kill(os.getpid(), signal.SIGKILL)

    def program():
        logger.info("here")
        log.append("went on")

    handler.emit = emit
    with Simulation() as sim:
        process = sim.host("a").start(program)
        process.join()
        assert process.exitcode == -signal.SIGKILL
    assert log == []


@pytest.mark.parametrize("which", [0, 1])
def test_an_interrupt_where_it_begins_or_ends_ends_it(listens, monkeypatch, which):
    listens(1)
    calls = itertools.count()

    def interrupted(function, *args):
        result = call_kernel(function, *args)
        if next(calls) == which:
            raise KeyboardInterrupt  # what was put off in the kernel is told as it is left
        return result

    with Simulation(step_cost=0.001) as sim:
        call_kernel = interludes._native.call_kernel
        with monkeypatch.context() as patch:
            patch.setattr(
                interludes,
                "_native",
                SimpleNamespace(simulated=lambda: True, call_kernel=interrupted),
            )
            with pytest.raises(KeyboardInterrupt):
                logger.info("here")
        assert kernels[-1].root.interlude is None
        time.monotonic()
        assert sim.elapsed == pytest.approx(0.001)
