import queue
import threading
import time

import pytest

from courier.outbox import Closed, DelayQueue


@pytest.fixture
def outbox():
    return DelayQueue()


def test_items_without_delay_come_in_order(outbox):
    for item in "abc":
        outbox.put(item)

    assert [outbox.get(timeout=1) for _ in range(3)] == ["a", "b", "c"]


@pytest.mark.smoke
def test_an_item_does_not_come_before_it_is_due(outbox, watch):
    outbox.put("later", delay=1.0)

    assert outbox.get() == "later"
    assert 0.95 <= watch.seconds < 3.6


def test_the_earliest_comes_first(outbox, watch):
    outbox.put("third", delay=3.0)
    outbox.put("first", delay=1.0)
    outbox.put("second", delay=2.0)

    assert [outbox.get() for _ in range(3)] == ["first", "second", "third"]
    assert 2.9 <= watch.seconds < 5.7


def test_a_waiting_thread_notices_an_earlier_item(outbox, watch):
    outbox.put("late", delay=30.0)
    threading.Timer(0.5, outbox.put, ["early", 0.5]).start()

    assert outbox.get() == "early"
    assert 0.95 <= watch.seconds < 3.8


def test_get_gives_up_after_its_timeout(outbox, watch):
    outbox.put("late", delay=30.0)

    with pytest.raises(queue.Empty):
        outbox.get(timeout=1.2)

    assert 1.15 <= watch.seconds < 3.9


def test_join_waits_for_the_work_not_only_for_the_queue_to_be_empty(outbox, watch):
    def worker():
        for _ in range(3):
            outbox.get()
            time.sleep(0.8)
            outbox.done()

    for item in range(3):
        outbox.put(item)
    thread = threading.Thread(target=worker)
    thread.start()

    assert not outbox.join(timeout=1.0)
    assert outbox.join(timeout=30.0)
    assert 2.3 <= watch.seconds < 5.3
    thread.join()


def test_closing_frees_those_who_wait_and_returns_what_is_left(outbox, watch):
    freed = []

    def waiter():
        with pytest.raises(Closed):
            outbox.get()
        freed.append(True)

    outbox.put("b", delay=60)
    outbox.put("a", delay=30)
    threads = [threading.Thread(target=waiter) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)

    assert outbox.close() == ["a", "b"]
    for thread in threads:
        thread.join(timeout=5)
    assert freed == [True] * 3
    assert watch.seconds < 3.5


@pytest.mark.parametrize("consumers", [1, 2, 5])
def test_consumers_share_the_work(outbox, watch, consumers):
    done = []

    def consumer():
        while True:
            try:
                done.append(outbox.get(timeout=1.0))
            except queue.Empty:
                return
            time.sleep(0.2)

    for item in range(10):
        outbox.put(item)
    threads = [threading.Thread(target=consumer) for _ in range(consumers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(done) == list(range(10))
    expected = 10 / consumers * 0.2 + 1.0
    assert expected - 0.1 <= watch.seconds < expected + 2.9
