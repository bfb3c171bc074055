"""Log lines that are noted: which, and what they say."""

from __future__ import annotations

import datetime as dt
import logging
import pathlib
import threading
import time

import pytest

import simclock
from simclock._boundary.logs import message

log = logging.getLogger("shop")


def lines(simulation):
    return [
        (line.path, (line.time_ns - 1000 * 10**9) / 10**9, line.level, line.text)
        for line in simulation._notes.logs
    ]


def test_lines_have_the_instant_and_the_thread():
    with simclock.Simulation(timeline=True) as simulation:
        time.sleep(1)
        thread = threading.Thread(target=log.warning, args=("sold %d of %s", 2, "tea"))
        thread.start()
        thread.join()
        log.error("done")

    assert lines(simulation) == [
        ("0.1", 1.0, "WARNING", "sold 2 of tea"),
        ("0", 1.0, "ERROR", "done"),
    ]
    assert {line.site.split(":")[0] for line in simulation._notes.logs} <= {
        "test_logs.py",
        "threading.py",
    }
    assert simulation._notes.logs[1].logger == "shop"


def test_the_factory_is_put_back():
    before = logging.getLogRecordFactory()
    with simclock.Simulation(timeline=True):
        assert logging.getLogRecordFactory() != before

    assert logging.getLogRecordFactory() is before


def test_without_being_asked_nothing_is_noted_and_no_factory_changed():
    before = logging.getLogRecordFactory()
    with simclock.Simulation() as simulation:
        assert logging.getLogRecordFactory() is before
        log.warning("unheard")

    assert simulation._notes is None


def test_a_factory_that_the_program_puts_over_ours_stays(caplog):
    before = logging.getLogRecordFactory()
    with simclock.Simulation(timeline=True) as simulation:
        ours = logging.getLogRecordFactory()

        def own(*args, **keywords):
            record = ours(*args, **keywords)
            record.order = 7
            return record

        logging.setLogRecordFactory(own)
        log.warning("through both")
    try:
        assert logging.getLogRecordFactory() is own
        assert [text for *_, text in lines(simulation)] == ["through both"]
        assert [record.order for record in caplog.records] == [7]
        # It goes on to call ours, which listens no more.
        log.warning("later")
        assert len(simulation._notes.logs) == 1
    finally:
        logging.setLogRecordFactory(before)


def test_lines_of_foreign_threads_and_of_other_simulations_are_not_noted():
    with simclock.Simulation(timeline=True) as outer:
        with outer.real_time():
            log.warning("real")
        with simclock.Simulation(timeline=True) as inner:
            log.warning("inner")
        log.warning("outer")

    assert [text for *_, text in lines(outer)] == ["outer"]
    assert [text for *_, text in lines(inner)] == ["inner"]


class Order:
    def __str__(self):
        raise AssertionError("it was asked for its text")

    __repr__ = __str__


class Refused(ValueError):
    def __str__(self):
        raise AssertionError("it was asked for its text")


class Plain(ValueError):
    pass


@pytest.mark.parametrize(
    ("template", "args", "text"),
    [
        ("plain", (), "plain"),
        ("no %s", None, "no %s"),
        ("%s %d %r", ("a", 1, None), "a 1 None"),
        ("%(x)s", {"x": 1.5}, "1.5"),
        ("%s", ([1, {"a": (2,)}],), "[1, {'a': (2,)}]"),
        ("%s", (pathlib.PurePosixPath("/tmp"),), "/tmp"),
        ("%s", (ValueError("no", 1),), "('no', 1)"),
        ("%r", (Plain("no"),), "Plain('no')"),
        ("%s", (OSError(2, "No such file"),), "[Errno 2] No such file"),
        ("%s", (Order(),), "<Order>"),
        ("%r", ([Order()],), "<list>"),
        ("%s", (Refused(1),), "<Refused>"),
        ("%s", (ValueError(Order()),), "<ValueError>"),
        ("%s", ([[[[[1]]]]],), "<list>"),
        ("%s", (dt.datetime(2000, 1, 1),), "<datetime>"),
        ("%d", (Order(),), "%d"),
        ("%s %s", ("one",), "%s %s"),
        (Order(), (), "<Order>"),
        (Plain("as it is"), (), "as it is"),
    ],
)
def test_no_code_of_the_program_is_asked_what_a_line_says(template, args, text):
    assert message(template, args) == text
