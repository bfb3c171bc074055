"""Arguments that a poller refuses; what it waits for is shown by the event loops."""

from __future__ import annotations

import select

import pytest

import simclock


@pytest.fixture
def epoll():
    with select.epoll() as epoll:
        yield epoll


def refusals(call):
    """Return what the built-in says outside and inside a simulation."""
    said = []
    for where in (call, lambda: simclock.run(call)):
        with pytest.raises((TypeError, ValueError)) as found:
            where()
        said.append((found.type, str(found.value)))
    return said


def test_what_is_wrong_with_a_timeout_is_said_as_ever(epoll):
    for call in (
        lambda: epoll.poll("soon"),
        lambda: select.poll().poll("soon"),
        lambda: select.select([], [], [], "soon"),
        lambda: select.select([], [], [], -1),
    ):
        outside, inside = refusals(call)
        assert inside == outside


def test_a_timeout_is_in_seconds_or_in_milliseconds_as_ever(epoll):
    with simclock.Simulation() as sim:
        assert epoll.poll(1.5) == []
        assert sim.elapsed == 1.5
        assert select.poll().poll(1500) == []
        assert sim.elapsed == 3.0
        assert select.select([], [], [], 1.5) == ([], [], [])
        assert sim.elapsed == 4.5
        assert epoll.poll(0) == []
        assert sim.elapsed == 4.5
