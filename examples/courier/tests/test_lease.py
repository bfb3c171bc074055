import threading
import time
from datetime import datetime, timedelta, timezone

import pytest

from courier.lease import Heartbeat, LeaseStore

TTL = 1.5


@pytest.fixture
def store():
    return LeaseStore()


def test_a_lease_runs_out(store):
    assert store.acquire("leader", "one", ttl=1.0)
    assert store.owner("leader") == "one"

    time.sleep(1.2)

    assert store.owner("leader") is None
    assert not store.renew("leader", "one", ttl=1.0)


def test_a_lease_says_when_it_ends(store):
    before = datetime.now(timezone.utc)
    store.acquire("leader", "one", ttl=90)

    ends = store.expires("leader") - before
    assert timedelta(seconds=90) <= ends < timedelta(seconds=91)


def test_nobody_else_gets_it_meanwhile(store):
    store.acquire("leader", "one", ttl=1.0)
    assert not store.acquire("leader", "two", ttl=1.0)

    time.sleep(1.2)

    assert store.acquire("leader", "two", ttl=1.0)


def test_it_can_be_given_back(store):
    store.acquire("leader", "one", ttl=60)
    store.release("leader", "two")
    assert store.owner("leader") == "one"

    store.release("leader", "one")
    assert store.owner("leader") is None


@pytest.fixture(scope="class")
def shared_store():
    return LeaseStore()


@pytest.fixture(scope="class")
def leader(shared_store):
    heartbeat = Heartbeat(shared_store, "leader", "one", TTL)
    assert heartbeat.start()
    yield heartbeat
    heartbeat.stop()
    assert shared_store.owner("leader") is None


@pytest.mark.usefixtures("leader")
class TestHeartbeat:
    """The tests of this class share a store and a leader whose heart beats all the time."""

    def test_the_lease_outlives_its_ttl(self, shared_store):
        time.sleep(2 * TTL)

        assert shared_store.owner("leader") == "one"

    def test_it_beats_three_times_in_a_ttl(self, leader):
        before = leader.beats
        time.sleep(2 * TTL + 0.25)

        assert 4 <= leader.beats - before <= 7

    def test_a_rival_does_not_get_it(self, shared_store):
        assert not Heartbeat(shared_store, "leader", "two", TTL).start()


def test_a_rival_takes_over_when_the_heart_stops(store, watch):
    leader = Heartbeat(store, "leader", "one", TTL)
    leader.start()
    time.sleep(TTL)
    leader.stop(release=False)
    watch.restart()

    rival = Heartbeat(store, "leader", "two", TTL)
    while not rival.start():
        time.sleep(0.1)

    assert 0.7 <= watch.seconds < 4.5
    rival.stop()


def test_a_lost_lease_is_noticed_once(store):
    lost = threading.Event()
    leader = Heartbeat(store, "leader", "one", TTL, lost.set)
    leader.start()
    store.release("leader", "one")
    store.acquire("leader", "two", ttl=60)

    assert lost.wait(timeout=5)
    assert store.owner("leader") == "two"
    beats = leader.beats
    time.sleep(TTL)
    assert leader.beats == beats


def test_a_leader_may_give_up_in_its_own_callback(store):
    ended = threading.Event()

    def lost():
        leader.stop()
        ended.set()

    leader = Heartbeat(store, "leader", "one", TTL, lost)
    leader.start()
    store.release("leader", "one")

    assert ended.wait(timeout=5)
