from __future__ import annotations

import logging
import logging.handlers
import queue
import sched
import subprocess
import sys
import threading
import time

import pytest

from simclock import Simulation


@pytest.fixture
def logger():
    logger = logging.getLogger("test")
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    yield logger
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()


class ListHandler(logging.Handler):
    def __init__(self, lines):
        super().__init__()
        self.lines = lines

    def emit(self, record):
        self.lines.append(self.format(record))


# ------------------------------------------------------------------------------ sched


def test_sched_runs_its_events_at_their_times(log):
    with Simulation():
        scheduler = sched.scheduler(time.monotonic, time.sleep)
        scheduler.enter(3, 1, log, ("third",))
        scheduler.enter(1, 1, lambda: (log("first"), scheduler.enter(1, 1, log, ("second",))))
        scheduler.enter(3, 0, log, ("before third",))
        cancelled = scheduler.enter(2, 1, log, ("cancelled",))
        scheduler.cancel(cancelled)
        scheduler.run()

    assert log == [(1.0, "first"), (2.0, "second"), (3.0, "before third"), (3.0, "third")]


def test_sched_with_its_default_clock_and_the_wall_clock(log):
    with Simulation():
        default = sched.scheduler()
        default.enter(2.5, 1, log, ("default",))
        default.run()
        wall = sched.scheduler(time.time, time.sleep)
        wall.enterabs(946684810, 1, log, ("wall",))
        wall.run()

    assert log == [(2.5, "default"), (10.0, "wall")]


def test_sched_can_be_fed_by_another_thread(log):
    with Simulation():
        scheduler = sched.scheduler()
        scheduler.enter(5, 1, log, ("late",))
        threading.Timer(2, lambda: log(scheduler.run(blocking=False))).start()
        scheduler.run()

    assert log == [(2.0, 3.0), (5.0, "late")]


# ---------------------------------------------------------------------------- logging


def test_logging_from_several_threads_is_in_order_with_virtual_times(logger):
    lines = []
    handler = ListHandler(lines)
    formatter = logging.Formatter("{asctime}.{msecs:03.0f} {threadName} {message}", style="{")
    formatter.converter = time.gmtime
    formatter.default_msec_format = None
    handler.setFormatter(formatter)
    logger.addHandler(handler)

    def work(seconds):
        for _ in range(2):
            time.sleep(seconds)
            logger.info("slept %s", seconds)

    with Simulation():
        for seconds in (1, 0.75):
            threading.Thread(target=work, args=(seconds,), name=f"t{seconds}").start()

    assert lines == [
        "2000-01-01 00:00:00.750 t0.75 slept 0.75",
        "2000-01-01 00:00:01.000 t1 slept 1",
        "2000-01-01 00:00:01.500 t0.75 slept 0.75",
        "2000-01-01 00:00:02.000 t1 slept 1",
    ]


def test_a_slow_handler_makes_the_others_wait(logger, log):
    class Slow(logging.Handler):
        def emit(self, record):
            time.sleep(2)
            log(record.getMessage())

    logger.addHandler(Slow())
    with Simulation():
        for name in "abc":
            threading.Thread(target=logger.error, args=(name,)).start()

    assert log == [(2.0, "a"), (4.0, "b"), (6.0, "c")]


def test_queue_handler_and_listener(logger):
    lines = []
    handler = ListHandler(lines)
    handler.setFormatter(logging.Formatter("%(threadName)s %(message)s"))

    def work(name):
        for number in range(2):
            logger.info("%s %s", name, number)
            time.sleep(1)

    with Simulation() as sim:
        records = queue.Queue()
        listener = logging.handlers.QueueListener(records, handler)
        logger.addHandler(logging.handlers.QueueHandler(records))
        listener.start()
        threads = [threading.Thread(target=work, args=(name,), name=name) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        listener.stop()
        assert sim.elapsed == 2.0

    assert lines == ["a a 0", "b b 0", "a a 1", "b b 1"]


def test_logging_inside_and_outside_goes_on_with_the_same_handler(logger):
    lines = []
    logger.addHandler(ListHandler(lines))

    logger.info("before")
    for _ in range(2):
        with Simulation():
            thread = threading.Thread(target=logger.info, args=("inside",))
            thread.start()
            thread.join()
    logger.info("after")

    assert lines == ["before", "inside", "inside", "after"]


def test_relative_created_and_created_are_virtual(logger):
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    logger.addHandler(handler)

    with Simulation(epoch=1e9):
        logger.info("x")
        time.sleep(1.5)
        logger.info("y")

    assert [record.created for record in records] == [1e9, 1e9 + 1.5]
    assert records[1].relativeCreated - records[0].relativeCreated == pytest.approx(1500.0)


def test_the_root_logger_of_a_fresh_process_works_from_threads():
    program = """
import logging, sys, threading, time
from simclock import Simulation

with Simulation():
    logging.basicConfig(format="%(threadName)s %(message)s", stream=sys.stdout)
    def work(seconds):
        time.sleep(seconds)
        logging.warning("slept %s", seconds)
    for seconds in (2, 1):
        threading.Thread(target=work, args=(seconds,), name=f"t{seconds}").start()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.stdout, done.stderr) == ("t1 slept 1\nt2 slept 2\n", "")
