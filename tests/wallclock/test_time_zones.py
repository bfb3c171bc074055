"""Local time and summer time on the simulated wall clock."""

from __future__ import annotations

import datetime as dt
import time
from zoneinfo import ZoneInfo

import pytest
import time_machine

import simclock

UTC = dt.timezone.utc
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def berlin(monkeypatch):
    """The process's local time is that of Berlin."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def nightly(sim, nights):
    """Run at 02:30 by the clock on the wall in Berlin; log the UTC instant of each run."""
    log = []
    for _ in range(nights):
        now = sim.wall.astimezone(BERLIN)
        due = dt.datetime.combine(now.date(), dt.time(2, 30), tzinfo=BERLIN)
        if due <= now:
            due = dt.datetime.combine(
                now.date() + dt.timedelta(days=1), dt.time(2, 30), tzinfo=BERLIN
            )
        sim.sleep_until(due)
        log.append((sim.wall.strftime("%d %H:%M"), sim.wall.astimezone(BERLIN).strftime("%H:%M")))
    return log


def test_a_nightly_job_over_the_start_of_summer_time():
    # There is no 02:30 on 26 March 2023: the clock goes from 02:00 to 03:00.
    with simclock.Simulation(epoch=dt.datetime(2023, 3, 25, 0, tzinfo=UTC)) as sim:
        log = nightly(sim, 3)

    assert log == [("25 01:30", "02:30"), ("26 01:30", "03:30"), ("27 00:30", "02:30")]


def test_a_nightly_job_over_the_end_of_summer_time():
    # 02:30 is there twice on 29 October 2023; fold=0 means the first.
    with simclock.Simulation(epoch=dt.datetime(2023, 10, 28, 0, tzinfo=UTC)) as sim:
        log = nightly(sim, 3)

    assert log == [("28 00:30", "02:30"), ("29 00:30", "02:30"), ("30 01:30", "02:30")]


def test_the_second_of_two_equal_local_times():
    with simclock.Simulation(epoch=dt.datetime(2023, 10, 29, 0, tzinfo=UTC)) as sim:
        sim.sleep_until(dt.datetime(2023, 10, 29, 2, 30, tzinfo=BERLIN))
        first = sim.elapsed
        sim.sleep_until(dt.datetime(2023, 10, 29, 2, 30, tzinfo=BERLIN, fold=1))
        second = sim.elapsed

    assert (first, second) == (1800.0, 5400.0)


def test_an_epoch_in_a_time_zone():
    with simclock.Simulation(epoch=dt.datetime(2023, 7, 1, 12, tzinfo=BERLIN)) as sim:
        found = sim.wall.isoformat(), dt.datetime.now(BERLIN).isoformat()

    assert found == ("2023-07-01T10:00:00+00:00", "2023-07-01T12:00:00+02:00")


def test_local_time_goes_over_the_change(berlin):
    log = []
    with simclock.Simulation(epoch=dt.datetime(2023, 3, 26, 0, 59, 59, tzinfo=UTC)):
        for _ in range(2):
            log.append((dt.datetime.now().isoformat(), time.strftime("%H:%M:%S %Z"),
                        time.localtime().tm_isdst, time.ctime()))  # fmt: skip
            time.sleep(1)

    assert log == [
        ("2023-03-26T01:59:59", "01:59:59 CET", 0, "Sun Mar 26 01:59:59 2023"),
        ("2023-03-26T03:00:00", "03:00:00 CEST", 1, "Sun Mar 26 03:00:00 2023"),
    ]


def test_the_date_changes_at_local_midnight(berlin):
    with simclock.Simulation(epoch=dt.datetime(2023, 6, 30, 21, 59, 59, tzinfo=UTC)):
        log = [dt.date.today().isoformat()]
        time.sleep(1)
        log.append(dt.date.today().isoformat())

    assert log == ["2023-06-30", "2023-07-01"]


def test_a_travel_to_a_zone_changes_local_time_for_its_block(berlin):
    tokyo = dt.datetime(2023, 3, 26, 9, tzinfo=ZoneInfo("Asia/Tokyo"))
    with simclock.Simulation():
        with time_machine.travel(tokyo):
            time.time()
            time.sleep(3600)
            inside = dt.datetime.now().isoformat()
        after = dt.datetime.now().isoformat()

    assert (inside, after) == ("2023-03-26T10:00:00", "2000-01-01T02:00:00")
