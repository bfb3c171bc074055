"""Waits inside of a package that runs in real time, on a port that plays it."""

from __future__ import annotations

from simclock._core.instants import SECOND
from simclock._core.waits import RealSleep


def test_a_sleep_in_a_package_takes_as_long_in_reality_and_then_the_clock_moves(bench):
    b = bench()
    b.port.package = "grpc"
    b.sleep(2)

    assert b.now() == 2
    assert 2 <= b.port.real_now < 2.1
    assert list(b.kernel.escapes) == ["root (0) waited for a call into grpc, in sleep"]


def test_a_sleep_of_nothing_in_a_package_takes_nothing(bench):
    b = bench()
    b.port.package = "grpc"
    b.sleep(0)

    assert (b.now(), b.port.real_now) == (0, 0)


def test_a_wait_in_a_package_is_owed_by_it_until_the_wait_is_over(bench):
    b = bench()
    b.port.package = "grpc"
    gate = b.gate(owner=b.kernel.root)
    b.port.meanwhile = lambda: b.port.real_now > 1 and setattr(gate, "owned_by", None)

    assert b.kernel.wait("lock", gate, b.kernel.world.now_ns + 5 * SECOND)
    assert b.now() == 0
    assert 1 < b.port.real_now < 1.1


def test_a_wait_in_a_package_has_its_timeout_in_reality_too(bench):
    b = bench()
    b.port.package = "grpc"
    gate = b.gate(owner=b.kernel.root)

    assert not b.kernel.wait("lock", gate, b.kernel.world.now_ns + 5 * SECOND)
    assert b.now() == 5
    assert 5 <= b.port.real_now < 5.1
    assert list(b.kernel.escapes) == [
        "root (0) waited for a call into grpc, in lock",
        "a call into grpc: the clock went on after 5 real seconds",
    ]


def test_a_sleep_in_reality_is_over_in_the_instant_that_it_was_to_end():
    now = [5.0]
    sleep = RealSleep(lambda: now[0], 2.0)
    found = []
    for now[0] in (6.75, 7.0, 7.25):
        found.append((now[0], sleep.free(), sleep.take()))

    assert found == [(6.75, False, False), (7.0, True, True), (7.25, True, True)]
