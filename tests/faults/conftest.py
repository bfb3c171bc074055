"""Hosts and a network that only write down what is done to them, and when."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import simclock
import simclock.searching


class Fake:
    """What any method may be called of; `log` has the calls."""

    def __init__(self, name, log):
        self.name = name
        self._log = log

    def __getattr__(self, method):
        if method.startswith("_"):
            raise AttributeError(method)

        def call(*arguments):
            now = round(simclock.active().elapsed, 6)
            self._log.append((now, " ".join(map(str, [self.name, method, *arguments]))))

        return call


class Network(Fake):
    """Links that know how slow they are."""

    def __init__(self, log):
        super().__init__("network", log)
        self._latencies = {}

    def traits(self, one, other):
        return SimpleNamespace(latency=self._latencies.get((one, other), 0.0))

    def set(self, one, other, *, one_way, latency):
        assert one_way
        self._latencies[one, other] = latency
        self._log.append((round(simclock.active().elapsed, 6), f"network {one}>{other} {latency}"))


class World:
    """Three hosts and a network.

    Attributes:
        log: What was done to them: ``(virtual seconds, what)``.
    """

    def __init__(self, hosts=("a", "b", "c")):
        self.log = []
        self.hosts = [Fake(name, self.log) for name in hosts]
        self.network = Network(self.log)

    def __getattr__(self, name):
        return next(host for host in self.hosts if host.name == name)


@pytest.fixture
def world():
    return World()


@pytest.fixture
def new_world():
    """Return the class of worlds, for whoever needs one in each run."""
    return World


class Scripted:
    """Answers: ``(label, turn)`` says which choice is made where a label comes the n-th time."""

    name = "scripted"

    def __init__(self, **choices):
        self._choices = choices["choices"]
        self._turns = {}
        self.points = []

    def choose(self, point):
        turn = self._turns[point.label] = self._turns.get(point.label, -1) + 1
        if point.label.partition(":")[0] in {
            "fault",
            "site",
            "sites",
            "swarm",
            "weight",
            "moments",
        }:
            self.points.append(point)
        return self._choices.get((point.label, turn), 0)


@pytest.fixture
def simulate():
    """Return a function that runs another in a simulation with scripted choices; see `Scripted`."""

    def run(function, choices=(), **options):
        answers = Scripted(choices=dict(choices))
        recorder = simclock.searching.Recorder(answers, "legal", 0)
        with simclock.Simulation(choices=recorder, **options) as sim:
            result = function(sim)
        return result, answers.points

    return run
