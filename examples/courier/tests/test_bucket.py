import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from courier.bucket import TokenBucket


def test_a_burst_passes_at_once(watch):
    bucket = TokenBucket(rate=1, burst=5)

    assert [bucket.take(timeout=0) for _ in range(5)] == [True] * 5
    assert watch.seconds < 2.5


@pytest.mark.smoke
def test_after_the_burst_tokens_come_at_the_rate(watch):
    bucket = TokenBucket(rate=10, burst=2)

    for _ in range(12):
        assert bucket.take()

    assert 0.95 <= watch.seconds < 3.7


@pytest.mark.parametrize(("rate", "burst", "takes", "least"), [(2, 1, 6, 2.5), (4, 4, 14, 2.5)])
def test_threads_share_the_rate(watch, rate, burst, takes, least):
    bucket = TokenBucket(rate, burst)

    with ThreadPoolExecutor(takes) as pool:
        assert all(pool.map(lambda _: bucket.take(), range(takes)))

    assert least - 0.05 <= watch.seconds < least + 2.9


def test_a_token_that_comes_too_late_is_not_waited_for(watch):
    bucket = TokenBucket(rate=0.5, burst=1)
    bucket.take()

    assert not bucket.take(timeout=1.0)
    assert watch.seconds < 1.8


def test_a_token_that_comes_in_time_is_waited_for(watch):
    bucket = TokenBucket(rate=0.5, burst=1)
    bucket.take()

    assert bucket.take(timeout=2.5)
    assert 1.9 <= watch.seconds < 4.6


def test_who_asks_first_is_served_first():
    bucket = TokenBucket(rate=2, burst=1)
    bucket.take()
    served = []

    def client(name):
        bucket.take()
        served.append(name)

    clients = []
    for name in "abcd":
        clients.append(threading.Thread(target=client, args=(name,)))
        clients[-1].start()
        time.sleep(0.1)
    for thread in clients:
        thread.join()

    assert served == ["a", "b", "c", "d"]


def test_unused_tokens_are_kept_up_to_the_burst():
    bucket = TokenBucket(rate=2, burst=3)
    while bucket.take(timeout=0):
        pass

    time.sleep(1.2)
    assert bucket.available() == 2

    time.sleep(2.0)
    assert bucket.available() == 3


def test_a_bucket_that_never_fills_is_refused():
    with pytest.raises(ValueError, match="rate 0"):
        TokenBucket(rate=0, burst=1)
