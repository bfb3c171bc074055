import threading
import time
import unittest

import pytest

from courier.breaker import CircuitBreaker, CircuitOpen, State


def fail():
    raise ConnectionError("down")


class BreakerTest(unittest.TestCase):
    COOLDOWN = 3.0

    def setUp(self):
        self.breaker = CircuitBreaker(failures=3, cooldown=self.COOLDOWN)

    def trip(self):
        for _ in range(3):
            with self.assertRaises(ConnectionError):
                self.breaker.call(fail)

    def test_opens_after_failures_in_a_row(self):
        self.trip()

        self.assertIs(self.breaker.state, State.OPEN)
        with self.assertRaisesRegex(CircuitOpen, "open for another"):
            self.breaker.call(lambda: self.fail("called"))

    def test_a_success_in_between_counts_from_zero(self):
        for _ in range(4):
            with self.assertRaises(ConnectionError):
                self.breaker.call(fail)
            self.breaker.call(time.monotonic)

        self.assertIs(self.breaker.state, State.CLOSED)

    def test_stays_open_for_the_cooldown(self):
        self.trip()

        time.sleep(1.0)
        self.assertIs(self.breaker.state, State.OPEN)
        self.assertTrue(0.5 < self.breaker.retry_in() <= 2.01)

        time.sleep(2.2)
        self.assertIs(self.breaker.state, State.HALF_OPEN)

    def test_a_good_trial_closes(self):
        self.trip()
        time.sleep(3.2)

        self.assertEqual(self.breaker.call(lambda: "fine"), "fine")
        self.assertIs(self.breaker.state, State.CLOSED)

    def test_a_bad_trial_opens_for_another_cooldown(self):
        self.trip()
        time.sleep(3.2)

        with self.assertRaises(ConnectionError):
            self.breaker.call(fail)

        self.assertIs(self.breaker.state, State.OPEN)
        time.sleep(3.2)
        self.assertIs(self.breaker.state, State.HALF_OPEN)

    def test_only_one_trial_at_a_time(self):
        self.trip()
        time.sleep(3.2)
        outcomes = []

        def client():
            try:
                self.breaker.call(lambda: time.sleep(2.0))
            except CircuitOpen:
                outcomes.append("refused")
            else:
                outcomes.append("tried")

        clients = [threading.Thread(target=client) for _ in range(5)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join()

        self.assertEqual(outcomes, ["refused"] * 4 + ["tried"])
        self.assertIs(self.breaker.state, State.CLOSED)


@pytest.fixture(scope="class")
def shared_breaker():
    return CircuitBreaker(failures=1, cooldown=3.0)


class TestOneBreakerForAll:
    """The tests of this class share a breaker, and each trips it first."""

    @pytest.fixture
    def breaker(self, shared_breaker):
        shared_breaker.failed()
        return shared_breaker

    def test_it_is_open_at_first(self, breaker):
        assert not breaker.allow()
        assert 0.5 < breaker.retry_in() <= 3.0

    def test_it_allows_a_trial_in_the_end(self, breaker, watch):
        while not breaker.allow():
            time.sleep(0.25)
        breaker.succeeded()

        assert 2.9 <= watch.seconds < 6.0
        assert breaker.state is State.CLOSED
