import threading

import pytest

from courier.model import Endpoint
from courier.registry import Registry, Shard

A = Endpoint("a", "https://a.example")
B = Endpoint("b", "https://b.example")


def test_events_go_to_those_who_want_them(registry):
    registry.subscribe("order.paid", A)
    registry.subscribe("order.paid", B)
    registry.subscribe("order.sent", B)

    assert registry.lookup("order.paid") == [A, B]
    assert registry.lookup("order.sent") == [B]
    assert registry.lookup("order.lost") == []


def test_a_lookup_takes_its_time(watch):
    Registry(latency=0.8).lookup("order.paid")

    assert 0.75 <= watch.seconds < 3.5


@pytest.mark.parametrize("moves", [2, 10])
def test_shards_that_exchange_endpoints_do_not_block_each_other(moves):
    one, two = Shard("one"), Shard("two")
    one.endpoints = {f"one-{number}" for number in range(moves)}
    two.endpoints = {f"two-{number}" for number in range(moves)}
    everything = [(one, two, name) for name in one.endpoints]
    everything += [(two, one, name) for name in two.endpoints]

    threads = [
        threading.Thread(target=here.move, args=(name, there)) for here, there, name in everything
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert one.endpoints == {f"two-{number}" for number in range(moves)}
    assert two.endpoints == {f"one-{number}" for number in range(moves)}
