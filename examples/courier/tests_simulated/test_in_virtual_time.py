"""What somebody may write who has simclock: exact times, long times, and errors for hangs."""

import itertools
import threading
import time
from datetime import timedelta

import pytest
import simclock

from courier import Courier, Settings
from courier.breaker import State
from courier.lease import Heartbeat, LeaseStore
from courier.model import Endpoint
from courier.registry import Registry, Shard
from courier.retry import Backoff

PARTNER = Endpoint("partner", "https://partner.example/hook")


class Answers:
    """A transport that answers after 0.25 s, with one status after the other."""

    def __init__(self, *statuses):
        self.statuses = itertools.chain(statuses[:-1], itertools.repeat(statuses[-1]))
        self.times = []

    def send(self, endpoint, body, headers):
        self.times.append(time.monotonic())
        time.sleep(0.25)
        return next(self.statuses)

    def since(self, began):
        return [round(when - began, 6) for when in self.times]


@pytest.fixture
def registry():
    registry = Registry()
    registry.subscribe("order.paid", PARTNER)
    return registry


def test_attempts_are_made_exactly_then(sim, registry):
    partner = Answers(500)
    settings = Settings(attempts=7, failures=99, backoff=Backoff(first=1, ceiling=10))

    with Courier(registry, partner, settings) as courier:
        began = time.monotonic()
        courier.publish("order.paid")
        courier.idle()

    assert partner.since(began) == [0.0, 1.25, 3.5, 7.75, 16.0, 26.25, 36.5]


def test_the_breaker_tries_once_in_each_cooldown(sim, registry):
    partner = Answers(500, 500, 500, 500, 200)
    settings = Settings(failures=2, cooldown=30, attempts=9, backoff=Backoff(first=1, factor=1))

    with Courier(registry, partner, settings) as courier:
        began = time.monotonic()
        courier.publish("order.paid")
        time.sleep(2)
        assert courier.lane(PARTNER).breaker.state is State.OPEN
        courier.idle()

    assert partner.since(began) == [0.0, 1.25, 31.5, 61.75, 92.0]


def test_a_receipt_is_kept_for_a_month_with_the_settings_of_production(sim, registry):
    with Courier(registry, Answers(200), Settings()) as courier:
        courier.publish("order.paid")
        time.sleep(timedelta(days=30).total_seconds() - 60)
        assert len(courier.receipts.all()) == 1

        time.sleep(timedelta(minutes=12).total_seconds())
        assert courier.receipts.all() == []


def test_a_leader_of_an_hour_has_beaten_every_ten_seconds(sim):
    store = LeaseStore()
    heartbeat = Heartbeat(store, "leader", "one", ttl=30)
    heartbeat.start()

    time.sleep(3605)

    assert heartbeat.beats == 360
    assert store.owner("leader") == "one"
    heartbeat.stop()


class CarelessShard(Shard):
    """As it was up to version 1.3: whoever gives an endpoint away takes the own lock first."""

    def locking_order(self, other):
        return self, other


def exchange(kind):
    """Let two shards give each other an endpoint at the same time."""
    north, south = kind("north"), kind("south")
    north.endpoints.add("shop")
    south.endpoints.add("bank")
    threads = [
        threading.Thread(target=north.move, args=("shop", south), name="southward"),
        threading.Thread(target=south.move, args=("bank", north), name="northward"),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return north.endpoints, south.endpoints


def test_shards_exchange_endpoints(sim):
    assert exchange(Shard) == ({"bank"}, {"shop"})
    assert sim.elapsed == 0.1


def test_the_hang_of_version_1_3_is_an_error():
    with pytest.raises(simclock.Deadlock, match="cycle: southward -> northward -> southward"):
        simclock.run(lambda: exchange(CarelessShard))
