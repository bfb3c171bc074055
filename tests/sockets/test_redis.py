"""A real Redis server on loopback, asked by unmodified clients."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
import redis
import redis.asyncio

from simclock import Simulation


@pytest.fixture
def client(redis_port):
    """A client; its connections are made when it is used."""
    with redis.Redis(port=redis_port, socket_timeout=None) as client:
        client.flushall()
        client.connection_pool.disconnect()
        yield client


def test_request_and_answer(log, client):
    with Simulation():
        client.set("key", "value")
        log(client.get("key"))
        time.sleep(3600)
        log(client.incr("number", 2))

    assert log == [(0.0, b"value"), (3600.0, 2)]


def test_a_thousand_requests_are_answered_at_their_instants(log, client):
    with Simulation():
        for _ in range(10):
            for _ in range(100):
                number = client.incr("number")
            log(number)
            time.sleep(1)

    assert log == [(float(n), 100 * (n + 1)) for n in range(10)]


def test_a_pipeline(log, client):
    with Simulation(), client.pipeline() as pipeline:
        for number in range(1000):
            pipeline.rpush("list", number)
        log(pipeline.execute()[-1])

    assert log == [(0.0, 1000)]


def test_publisher_and_subscriber(log, client):
    def subscribe():
        with client.pubsub() as channel:
            channel.subscribe("channel")
            for message in channel.listen():
                log((message["type"], message["data"]))
                if message["data"] == b"end":
                    return

    with Simulation():
        thread = threading.Thread(target=subscribe)
        thread.start()
        for word in ("one", "two", "end"):
            time.sleep(10)
            assert client.publish("channel", word) == 1
        thread.join()

    assert log == [
        (0.0, ("subscribe", 1)),
        (10.0, ("message", b"one")),
        (20.0, ("message", b"two")),
        (30.0, ("message", b"end")),
    ]


def test_a_wait_in_the_server_holds_the_clock(log, client, spent):
    """Its timeout is real: what the server does cannot be simulated."""
    with Simulation():
        log(client.blpop("empty", timeout=1))

    assert log == [(0.0, None)]
    assert spent() >= 1


def test_one_thread_pushes_what_another_pops(log, client):
    def pop():
        log(client.blpop("list", timeout=30))

    with Simulation():
        thread = threading.Thread(target=pop)
        thread.start()
        client.rpush("list", "item")
        thread.join()
        log("over")

    assert log == [(0.0, (b"list", b"item")), (0.0, "over")]


def test_a_socket_timeout(log, redis_port):
    client = redis.Redis(port=redis_port, socket_timeout=0.5, retry=None)
    with client, Simulation():
        client.ping()
        with pytest.raises(redis.TimeoutError):
            client.blpop("empty", timeout=2)
        log("timed out")
        log(client.ping())

    assert log == [(0.5, "timed out"), (0.5, True)]


def test_keys_expire_in_the_servers_time(log, client):
    with Simulation():
        client.set("key", "value", px=100)
        time.sleep(3600)
        log(client.get("key"))
        with client.pipeline() as pipeline:
            log(pipeline.pttl("key").execute()[0] > 0)

    assert log == [(3600.0, b"value"), (3600.0, True)]


def test_an_idle_connection_does_not_hold_the_clock(log, client, spent):
    def tick():
        for _ in range(1000):
            time.sleep(1)

    with Simulation():
        client.ping()
        thread = threading.Thread(target=tick)
        thread.start()
        thread.join()
        log(client.ping())

    assert log == [(1000.0, True)]
    assert spent() < 10


def test_no_server(log, free_port):
    client = redis.Redis(port=free_port, retry=None)
    with client, Simulation():
        with pytest.raises(redis.ConnectionError, match="Connection refused"):
            client.ping()
        log("refused")

    assert log == [(0.0, "refused")]


def test_the_asyncio_client(log, redis_port, client):
    async def main():
        async with redis.asyncio.Redis(port=redis_port) as own:
            await own.set("key", "value")
            log(await own.get("key"))
            await asyncio.sleep(60)
            # In the order of several connections, which is the server's.
            log(sorted(await asyncio.gather(*[own.incr("number") for _ in range(5)])))

    with Simulation():
        asyncio.run(main())

    assert log == [(0.0, b"value"), (60.0, [1, 2, 3, 4, 5])]


def test_asyncio_subscribers_and_a_publishing_thread(log, redis_port, client):
    async def main():
        async with redis.asyncio.Redis(port=redis_port) as own, own.pubsub() as channel:
            await channel.subscribe("channel")
            thread = threading.Thread(target=publish)
            thread.start()
            async for message in channel.listen():
                log((message["type"], message["data"]))
                if message["data"] == b"end":
                    break
            await asyncio.to_thread(thread.join)

    def publish():
        for word in ("one", "end"):
            time.sleep(5)
            client.publish("channel", word)

    with Simulation():
        asyncio.run(main())

    assert log == [
        (0.0, ("subscribe", 1)),
        (5.0, ("message", b"one")),
        (10.0, ("message", b"end")),
    ]


def test_a_server_that_goes_away(log, redis_port):
    """A connection that the server closes is the client's own error."""
    with (
        redis.Redis(port=redis_port, retry=None) as client,
        redis.Redis(port=redis_port) as other,
        Simulation(),
        client.pubsub() as channel,
    ):
        channel.subscribe("channel")
        channel.get_message(timeout=1)
        other.client_kill_filter(_type="pubsub")
        with pytest.raises(redis.ConnectionError):
            channel.connection.read_response()
        log("gone")

    assert log == [(0.0, "gone")]
