import asyncio
import time

import pytest

from courier.prober import Prober, probe


class Fleet:
    """Endpoints that answer a ping after their latency, or fail."""

    def __init__(self, **latency):
        self.latency = latency
        self.pinged = 0
        self.most = self.now = 0

    async def ping(self, name):
        self.pinged += 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            if self.latency[name] is None:
                raise ConnectionRefusedError(name)
            await asyncio.sleep(self.latency[name])
        finally:
            self.now -= 1


def test_slow_and_broken_ones_are_down(watch):
    fleet = Fleet(fast=0.1, slow=5.0, broken=None)

    found = asyncio.run(probe(fleet.latency, fleet.ping, timeout=1.0))

    assert found == {"fast": True, "slow": False, "broken": False}
    assert 0.95 <= watch.seconds < 3.8


@pytest.mark.parametrize(("at_once", "expected"), [(2, 3.0), (3, 2.0), (6, 1.0)])
def test_only_so_many_are_asked_at_once(watch, at_once, expected):
    fleet = Fleet(**dict.fromkeys("abcdef", 1.0))

    found = asyncio.run(probe(fleet.latency, fleet.ping, timeout=3.0, at_once=at_once))

    assert all(found.values())
    assert fleet.most == at_once
    assert expected - 0.1 <= watch.seconds < expected + 2.9


@pytest.fixture
def fleet():
    return Fleet(one=0.1, two=0.1)


@pytest.fixture
def changes(fleet):
    changes = []
    prober = Prober(
        fleet.latency,
        fleet.ping,
        lambda name, up: changes.append((name, up)),
        period=1.0,
        timeout=0.5,
    )
    prober.start()
    yield changes
    prober.stop()


def test_a_prober_tells_what_changes_and_nothing_else(fleet, changes):
    time.sleep(1.5)
    assert changes == []

    fleet.latency["two"] = None
    time.sleep(2.5)
    assert changes == [("two", False)]

    fleet.latency["two"] = 0.1
    time.sleep(2.5)
    assert changes == [("two", False), ("two", True)]


def test_an_endpoint_that_is_only_slow_is_down_too(fleet, changes):
    fleet.latency["one"] = 20.0
    time.sleep(3.5)

    assert changes == [("one", False)]


def test_work_in_threads_goes_on_beside_the_loop(watch):
    async def main():
        return await asyncio.gather(
            asyncio.to_thread(time.sleep, 1.5), asyncio.to_thread(time.sleep, 1.5), asyncio.sleep(2)
        )

    asyncio.run(main())

    assert 1.95 <= watch.seconds < 4.9
