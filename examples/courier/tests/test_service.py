import logging
import time
from datetime import timedelta

import pytest

from courier import Courier, Settings
from courier.breaker import State
from courier.deadline import Deadline
from courier.registry import Registry
from courier.retry import Backoff
from courier.service import Stopped
from courier.signing import HEADER, verify
from courier.transport import TimeLimited

SETTINGS = Settings(
    workers=4,
    attempts=4,
    backoff=Backoff(first=0.5),
    failures=99,
    batch_size=10,
    batch_age=0.3,
)


@pytest.fixture
def courier(registry, internet):
    with Courier(registry, internet, SETTINGS) as courier:
        yield courier


@pytest.fixture
def start(registry, internet):
    """Start couriers with settings of one's own; whatever happens, they are stopped."""
    started = []

    def start(transport=internet, **settings):
        courier = Courier(registry, transport, Settings(**settings))
        courier.start()
        started.append(courier)
        return courier

    yield start
    for courier in started:
        courier.stop(grace=0)


def outcomes(courier, count=1):
    """Return the receipts, once there are as many as they should be."""
    deadline = Deadline.after(60)
    assert courier.idle(deadline.remaining())
    while len(courier.receipts.all()) < count:
        deadline.sleep(0.1)
    return [(r.delivered, r.attempts, r.reason) for r in courier.receipts.all()]


@pytest.mark.smoke
def test_an_event_is_delivered_signed(courier, registry, internet):
    partner = internet.partner()
    registry.subscribe("order.paid", partner.endpoint)

    assert courier.publish("order.paid", order=7) == 1

    assert outcomes(courier) == [(True, 1, "200")]
    [(body, headers)] = partner.requests
    assert b'"order": 7' in body
    verify(partner.endpoint.secret, body, headers[HEADER], timedelta(seconds=60))


def test_an_event_that_nobody_wants_goes_nowhere(courier):
    assert courier.publish("order.lost") == 0
    assert outcomes(courier, count=0) == []


@pytest.mark.smoke
def test_a_delivery_is_tried_again_with_growing_delays(courier, registry, internet):
    partner = internet.partner(answers=[503, 500, 200])
    registry.subscribe("order.paid", partner.endpoint)
    courier.publish("order.paid")

    assert outcomes(courier) == [(True, 3, "200")]
    first, second = partner.gaps()
    assert 0.5 <= first < 3.1
    assert 1.0 <= second < 3.8


def test_an_event_is_given_up_in_the_end(courier, registry, internet, watch):
    partner = internet.partner(answers=[ConnectionRefusedError("refused")])
    registry.subscribe("order.paid", partner.endpoint)
    courier.publish("order.paid")

    assert outcomes(courier) == [(False, 4, "refused")]
    assert 3.6 <= watch.seconds < 8.0


def test_what_the_receiver_does_not_want_is_not_tried_again(courier, registry, internet):
    partner = internet.partner(answers=[410])
    registry.subscribe("order.paid", partner.endpoint)
    courier.publish("order.paid")

    assert outcomes(courier) == [(False, 1, "410")]


def test_an_old_event_is_not_tried_again(start, registry, internet):
    partner = internet.partner(answers=[500])
    registry.subscribe("order.paid", partner.endpoint)
    courier = start(
        backoff=Backoff(first=1.0), max_age=timedelta(seconds=2), attempts=9, batch_age=0.3
    )
    courier.publish("order.paid")

    assert outcomes(courier) == [(False, 3, "too old; 500")]


def test_workers_share_the_load(courier, registry, internet, watch):
    partner = internet.partner(latency=0.5, burst=100)
    registry.subscribe("order.paid", partner.endpoint)
    for order in range(16):
        courier.publish("order.paid", order=order)

    assert courier.idle(timeout=60)
    assert partner.most == 4
    assert 1.9 <= watch.seconds < 5.0


def test_a_slow_partner_does_not_hold_up_the_others(start, registry, internet):
    slow = internet.partner("slow", latency=2.0)
    fast = internet.partner("fast")
    registry.subscribe("slow", slow.endpoint)
    registry.subscribe("fast", fast.endpoint)
    courier = start(workers=2)

    courier.publish("slow")
    for _ in range(8):
        courier.publish("fast")
    time.sleep(1.3)

    assert courier.delivered.count() == 8
    assert courier.idle(timeout=30)
    assert courier.delivered.count() == 9


@pytest.mark.parametrize(("burst", "least"), [(1, 1.8), (5, 1.0)])
def test_an_endpoint_gets_no_more_than_it_can_bear(courier, registry, internet, burst, least):
    partner = internet.partner(rate=5, burst=burst)
    registry.subscribe("order.paid", partner.endpoint)
    for _ in range(10):
        courier.publish("order.paid")

    assert courier.idle(timeout=60)
    took = partner.times[-1] - partner.times[0]
    assert least - 0.1 <= took < least + 2.9


def test_an_endpoint_that_is_down_is_left_alone(start, registry, internet):
    partner = internet.partner(answers=[500, 500, 500, 200])
    registry.subscribe("order.paid", partner.endpoint)
    courier = start(failures=3, cooldown=3.0, backoff=Backoff(first=0.3, factor=1.0), batch_age=0.3)
    courier.publish("order.paid", order=1)
    time.sleep(1.5)

    assert len(partner.requests) == 3
    assert courier.lane(partner.endpoint).breaker.state is State.OPEN

    courier.publish("order.paid", order=2)
    # Either may be the trial.
    assert sorted(outcomes(courier, count=2)) == [(True, 1, "200"), (True, 4, "200")]
    assert partner.gaps()[2] >= 2.9


def test_a_request_that_hangs_is_given_up_and_tried_again(start, registry, internet, watch):
    partner = internet.partner(latency=3.0)
    registry.subscribe("order.paid", partner.endpoint)
    transport = TimeLimited(internet, limit=1.0)
    courier = start(transport, attempts=2, backoff=Backoff(first=1.0), batch_age=0.3)
    courier.publish("order.paid")

    [(delivered, attempts, reason)] = outcomes(courier)
    transport.close()

    assert (delivered, attempts) == (False, 2)
    assert reason.startswith("no answer from partner-")
    assert 2.9 <= watch.seconds < 9.0


def test_who_wants_an_event_is_looked_up_once_in_a_while(start, registry, internet):
    registry.subscribe("order.paid", internet.partner().endpoint)
    courier = start(remember=2.0)

    for _ in range(6):
        courier.publish("order.paid")
        time.sleep(0.6)

    assert registry.lookups == 2


def test_receipts_are_written_in_batches(start, registry, internet):
    registry.subscribe("order.paid", internet.partner(latency=0.0, burst=100).endpoint)
    courier = start(batch_size=10, batch_age=1.0)
    for _ in range(25):
        courier.publish("order.paid")
    assert courier.idle(timeout=30)
    time.sleep(1.7)

    assert courier.receipts.batches == [10, 10, 5]


def test_the_janitor_forgets_old_receipts(start, registry, internet):
    registry.subscribe("order.paid", internet.partner().endpoint)
    courier = start(
        batch_age=0.1, keep_receipts=timedelta(seconds=2), clean_every=timedelta(seconds=1)
    )
    courier.publish("order.paid")
    time.sleep(1.0)
    assert len(courier.receipts.all()) == 1

    time.sleep(3.0)
    assert courier.receipts.all() == []


def test_stopping_lets_the_work_end(start, registry, internet, watch):
    partner = internet.partner(latency=1.0)
    registry.subscribe("order.paid", partner.endpoint)
    courier = start(workers=2)
    for _ in range(4):
        courier.publish("order.paid")

    assert courier.stop(grace=30) == []
    assert len(partner.requests) == 4
    assert 1.9 <= watch.seconds < 4.8
    with pytest.raises(Stopped, match=r"order\.paid is not taken"):
        courier.publish("order.paid")


def test_stopping_returns_what_could_not_be_done_in_time(start, registry, internet, caplog):
    registry.subscribe("order.paid", internet.partner(latency=1.5, answers=[500]).endpoint)
    courier = start(workers=1)
    for order in range(3):
        courier.publish("order.paid", order=order)

    with caplog.at_level(logging.WARNING):
        left = courier.stop(grace=1.0)

    assert [delivery.event.payload["order"] for delivery in left] == [0, 1, 2]
    assert [delivery.attempts for delivery in left] == [1, 0, 0]
    assert caplog.messages == ["stopped with 2 deliveries left"]


@pytest.fixture(scope="class")
def warehouse(internet):
    return internet.partner("warehouse", latency=0.2)


@pytest.fixture(scope="class")
def shared_courier(internet, warehouse):
    registry = Registry(latency=2.0)
    for kind in ("stock.low", "stock.high", "stock.out"):
        registry.subscribe(kind, warehouse.endpoint)
    with Courier(registry, internet, SETTINGS) as courier:
        yield courier


class TestOneCourierForAll:
    """The tests of this class share a courier that runs all the while; each has its own events."""

    def test_the_first_event_of_a_kind_waits_for_the_lookup(self, shared_courier, watch):
        shared_courier.publish("stock.low")

        assert 1.95 <= watch.seconds < 4.0

    def test_the_next_does_not(self, shared_courier, watch):
        shared_courier.publish("stock.high", item=1)
        watch.restart()
        shared_courier.publish("stock.high", item=2)

        assert watch.seconds < 1.8

    def test_all_of_them_arrive(self, shared_courier, warehouse):
        assert shared_courier.idle(timeout=30)
        before = len(warehouse.requests)
        for item in range(3):
            shared_courier.publish("stock.out", item=item)

        assert shared_courier.idle(timeout=30)
        assert len(warehouse.requests) - before == 3
