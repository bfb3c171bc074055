import itertools
import logging
import time
from datetime import datetime, timedelta, timezone

import pytest

from courier.janitor import Janitor, next_round

NOON = datetime(2024, 2, 29, 12, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("now", "minutes", "expected"),
    [
        (NOON, 10, NOON + timedelta(minutes=10)),
        (NOON + timedelta(seconds=1), 10, NOON + timedelta(minutes=10)),
        (NOON - timedelta(microseconds=1), 60, NOON),
        (NOON + timedelta(hours=11, minutes=59), 60, NOON + timedelta(hours=12)),
    ],
)
def test_rounds_are_at_round_times(now, minutes, expected):
    assert next_round(now, timedelta(minutes=minutes)) == expected


@pytest.fixture
def start():
    started = []

    def start(seconds, *jobs):
        janitor = Janitor(timedelta(seconds=seconds), *jobs)
        started.append(janitor)
        janitor.start()
        return janitor

    yield start
    for janitor in started:
        janitor.stop()


def test_jobs_are_done_at_each_round_time(start):
    janitor = start(5)
    time.sleep(12.0)

    assert 2 <= len(janitor.rounds) <= 3
    assert all(when.second % 5 < 3 for when in janitor.rounds)


def test_jobs_are_done_one_after_the_other(start):
    done = []

    def job(name):
        done.append(f"{name} begins")
        time.sleep(0.3)
        done.append(f"{name} ends")

    start(2, lambda: job("one"), lambda: job("two"))
    time.sleep(3.0)

    assert done[:4] == ["one begins", "one ends", "two begins", "two ends"]


def test_a_round_that_takes_too_long_makes_the_next_fall_out(start):
    janitor = start(1, lambda: time.sleep(1.4))
    time.sleep(6.7)

    gaps = [later - earlier for earlier, later in itertools.pairwise(janitor.rounds)]
    assert gaps
    assert all(1.5 < gap.total_seconds() < 4.9 for gap in gaps)


def test_a_job_that_fails_does_not_keep_the_others_from_running(start, caplog):
    done = []
    with caplog.at_level(logging.ERROR):
        janitor = start(1, lambda: 1 / 0, lambda: done.append(1))
        time.sleep(2.5)
        janitor.stop()

    assert len(done) == janitor.failures == len(janitor.rounds) >= 2


def test_stopping_does_not_wait_for_the_next_round(start, watch):
    janitor = start(3600)
    time.sleep(0.5)
    janitor.stop()

    assert watch.seconds < 3.5


def test_stopping_waits_for_the_job_that_is_running(start):
    done = []

    def job():
        started.append(1)
        time.sleep(1.5)
        done.append(1)

    started = []
    janitor = start(1, job, lambda: done.append("not this one"))
    while not started:
        time.sleep(0.1)
    janitor.stop()

    assert done == [1]
