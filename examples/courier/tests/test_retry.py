import itertools
import random
import time

import pytest

from courier.deadline import Deadline, DeadlineExceeded
from courier.retry import Backoff, retry


class Flaky:
    """Fails a number of times, and notes when it was called."""

    def __init__(self, failures, error=ConnectionError):
        self.failures = failures
        self.error = error
        self.times = []

    def __call__(self):
        self.times.append(time.monotonic())
        if len(self.times) <= self.failures:
            raise self.error(f"failure {len(self.times)}")
        return "done"

    @property
    def gaps(self):
        return [later - earlier for earlier, later in itertools.pairwise(self.times)]


@pytest.mark.parametrize(
    ("failures", "delay"),
    [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (6, 16.0), (7, 20.0), (99, 20.0)],
)
def test_delays_double_up_to_the_ceiling(failures, delay):
    assert Backoff(first=0.5, ceiling=20.0).delay(failures) == delay


def test_jitter_stays_within_its_share():
    backoff = Backoff(first=10.0, jitter=0.2)
    rng = random.Random(1)

    delays = [backoff.delay(1, rng) for _ in range(200)]

    assert 8.0 <= min(delays) < 8.2
    assert 11.8 < max(delays) <= 12.0


def test_no_delay_before_the_first_failure():
    with pytest.raises(ValueError, match="nothing has failed: 0"):
        Backoff().delay(0)


def test_a_call_that_succeeds_is_made_once():
    call = Flaky(0)

    assert retry(call, backoff=Backoff(), attempts=3) == "done"
    assert len(call.times) == 1


def test_retries_wait_longer_each_time():
    call = Flaky(3)

    assert retry(call, backoff=Backoff(first=0.5), attempts=4) == "done"

    first, second, third = call.gaps
    assert 0.45 <= first < 3.0
    assert 0.95 <= second < 3.6
    assert 1.95 <= third < 4.8


def test_the_last_error_is_raised(watch):
    with pytest.raises(ConnectionError, match="failure 3"):
        retry(Flaky(9), backoff=Backoff(first=1.0), attempts=3)

    assert 2.9 <= watch.seconds < 5.8


def test_other_errors_are_not_retried(watch):
    with pytest.raises(KeyError):
        retry(Flaky(9, KeyError), backoff=Backoff(first=5.0), attempts=3, on=OSError)

    assert watch.seconds < 2.5


def test_retrying_ends_at_the_deadline(watch):
    with pytest.raises(DeadlineExceeded, match="slept for 2 s"):
        retry(
            Flaky(9),
            backoff=Backoff(first=1.0),
            attempts=9,
            deadline=Deadline.after(2.5),
        )

    assert 2.4 <= watch.seconds < 5.2


def test_jitter_spreads_clients_that_failed_together():
    gaps = []
    for seed in range(4):
        call = Flaky(1)
        retry(call, backoff=Backoff(first=1.0, jitter=0.5), attempts=2, rng=random.Random(seed))
        gaps += call.gaps

    assert all(0.45 <= gap < 4.2 for gap in gaps)
    assert max(gaps) - min(gaps) > 0.2
