"""What cannot be meant is an error that says what to do; what is set can be asked for."""

from __future__ import annotations

import re

import pytest

import simclock
from simclock import Simulation
from simclock.network import Traits


@pytest.fixture
def sim():
    with Simulation() as sim:
        sim.host("a"), sim.host("b")
        yield sim


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        (
            lambda n: n.set("a", latency=1),
            TypeError,
            "a link has two ends, only one was given: 'a'",
        ),
        (lambda n: n.set("a", "a", latency=1), ValueError, "a link has two ends, both are 'a'"),
        (
            lambda n: n.set("a", "x", latency=1),
            LookupError,
            "there is no host 'x', only a, b\nname",
        ),
        (lambda n: n.set("a", 7, latency=1), TypeError, "this is no host: 7\ngive its name"),
        (lambda n: n.set(delay=1), TypeError, "links have no 'delay'\nchoose from latency, jitter"),
        (lambda n: n.set(latency=-1), ValueError, "latency is out of range: -1\ngive seconds"),
        (lambda n: n.set(latency=float("nan")), ValueError, "latency is out of range: nan"),
        (lambda n: n.set(jitter="1"), TypeError, "jitter must be a number: '1'\ngive seconds"),
        (lambda n: n.set(latency=None), TypeError, "latency must be a number: None"),
        (lambda n: n.set(bandwidth=0), ValueError, "bandwidth is out of range: 0\ngive bytes"),
        (lambda n: n.set(loss=1.5), ValueError, "loss is out of range: 1.5\ngive a share, from 0"),
        (lambda n: n.set(loss=True), TypeError, "loss must be a number: True"),
        (lambda n: n.partition(), TypeError, "partition() needs groups of hosts"),
        (lambda n: n.partition("a", "x"), LookupError, "there is no host 'x'"),
        (lambda n: n.partition("a", ["a", "b"]), ValueError, "both are 'a'"),
        (lambda n: n.heal("a"), TypeError, "a link has two ends, only one was given: 'a'"),
        (lambda n: n.release("a"), TypeError, "a link has two ends, only one was given: 'a'"),
        (lambda n: n.hold("a", "x"), LookupError, "there is no host 'x'"),
        (lambda n: n.reset("x", "a"), LookupError, "there is no host 'x'"),
        (lambda n: n.traits("x", "a"), LookupError, "there is no host 'x'"),
    ],
)
def test_errors_say_what_is_wrong(sim, call, kind, said):
    with pytest.raises(kind, match=re.escape(said)):
        call(sim.network)


def test_without_hosts_the_error_says_how_to_make_them():
    with (
        Simulation() as sim,
        pytest.raises(LookupError, match=r"only none\nname a host, or make it first"),
    ):
        sim.network.hold("a", "b")


def test_traits_that_are_not_given_stay(sim):
    sim.network.set(latency=0.5, loss=0.25)
    sim.network.set(sim.host("a"), "B", jitter=0.125, one_way=True)
    sim.network.set("a", "b", bandwidth=1000)
    sim.network.set("a", "b", bandwidth=None, loss=0)

    assert sim.network.traits("a", "b") == Traits(latency=0.5, jitter=0.125, loss=0)
    assert sim.network.traits("b", "a") == Traits(latency=0.5, loss=0)
    sim.host("c")
    assert sim.network.traits("a", "c") == Traits(latency=0.5, loss=0.25)


def test_partitions_and_holds_of_what_is_not_are_ended_quietly(sim):
    sim.network.heal()
    sim.network.release("a", "b")
    assert sim.network.in_flight() == ()


def test_it_belongs_to_threads_of_its_simulation():
    with Simulation() as sim:
        sim.host("a")
        network = sim.network
        outside = pytest.raises(RuntimeError, match="only a thread of the innermost simulation")
        with sim.real_time(), outside:
            network.set(latency=1)
    with pytest.raises(RuntimeError, match="this simulation is closed"):
        network.set(latency=1)
    assert isinstance(network, simclock.Network)


def test_a_trait_is_no_attribute(sim):
    with pytest.raises(AttributeError, match="'Network' object has no attribute 'latency'"):
        sim.network.latency = 1
