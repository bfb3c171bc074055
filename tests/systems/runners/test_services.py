"""What a cluster does once: never by two, at each interval, and soon by another one."""

from __future__ import annotations

import itertools
import logging
import threading
import time

import pytest

from simclock.systems.runners.app import Pynenc
from simclock.systems.runners.context import RunnerContext
from simclock.systems.runners.failures import ConfigError, StateBackendError
from simclock.systems.runners.services import LEASE, TIDIED_EVERY, AtomicServices
from simclock.systems.runners.storage import open_storage

pytestmark = pytest.mark.simclock

SETTINGS = {"services": {"check_interval": 1.0, "lease_duration": 10.0}}


class Cluster:
    """Runners whose loops do nothing but the services, and a log of who does these when."""

    def __init__(self, sim, **settings):
        self.sim = sim
        self.storage = open_storage("memory://")
        self.settings = settings or SETTINGS["services"]
        self.log = []
        self.takes = 0.0  # how long the triggers take

    def services(self, name):
        app = Pynenc({"app_id": "cluster", "services": self.settings}, storage=self.storage)
        context = RunnerContext("Runner", name, pid=1, hostname=name, thread_id=1)
        made = AtomicServices(app, context)
        app.trigger.loop_iteration = lambda token: self._fire(made, name, token)
        made.app = app
        return made

    def _fire(self, services, name, token):
        assert services.held
        self.log.append((round(self.sim.elapsed, 3), name, token))
        time.sleep(self.takes)

    def start(self, name, until):
        """Have a runner loop until then; then it is gone, without a word."""
        services = self.services(name)

        def loop():
            while self.sim.elapsed < until:
                services.check()
                time.sleep(0.1)

        threading.Thread(target=loop, name=name, daemon=True).start()
        return services

    def names(self):
        return [name for _, name, _ in self.log]

    def longest_gap(self):
        instants = [instant for instant, *_ in self.log]
        return max(after - before for before, after in itertools.pairwise(instants))


@pytest.fixture
def cluster(sim):
    return Cluster(sim)


def test_a_runner_does_it_at_each_interval(cluster):
    cluster.start("a", until=5)
    time.sleep(10)

    assert cluster.log == [(float(second), "a", 1) for second in range(5)]


def test_between_the_intervals_it_costs_nothing(cluster, monkeypatch):
    services = cluster.services("a")
    assert services.check()
    monkeypatch.setattr(services, "_lease", None)
    for _ in range(9):
        time.sleep(0.1)
        assert not services.check()


def test_of_several_runners_one_does_it(cluster):
    for name in "abc":
        cluster.start(name, until=300)
    time.sleep(300)

    assert set(cluster.names()) == {"a"}
    assert cluster.longest_gap() == pytest.approx(1, abs=0.11)
    assert len(cluster.log) > 270


def test_when_it_dies_another_does_it_soon(cluster):
    """After the lease, a margin, and the intervals at which one looks."""
    cluster.start("a", until=50)
    cluster.start("b", until=200)
    time.sleep(200)

    died = [instant for instant, name, _ in cluster.log if name == "a"][-1]
    followed = next(instant for instant, name, _ in cluster.log if name == "b")
    assert 10 <= followed - died <= 10 * 1.05 + 2 * 1.1
    tokens = [token for *_, token in cluster.log]
    assert tokens == sorted(tokens)
    assert set(tokens) == {1, 2}


def test_one_that_is_closed_lets_another_do_it_at_once(cluster):
    first = cluster.start("a", until=50)
    cluster.start("b", until=200)
    time.sleep(51)
    first.close()
    first.close()
    time.sleep(20)

    died = [instant for instant, name, _ in cluster.log if name == "a"][-1]
    followed = next(instant for instant, name, _ in cluster.log if name == "b")
    assert followed - died <= 3.2


def test_steps_that_take_long_end_the_belief_in_time(cluster):
    """Who comes back from a step after its lease does nothing more under it."""
    cluster.takes = 30
    tidied = []
    for name in "ab":
        services = cluster.start(name, until=200)
        services._tidy_up = lambda name=name: tidied.append((cluster.sim.elapsed, name))
    time.sleep(250)

    assert set(cluster.names()) == {"a", "b"}
    tokens = [token for *_, token in cluster.log]
    assert tokens == sorted(tokens)


@pytest.mark.parametrize("broken", ["_recovery", "trigger", "_housekeeping"])
@pytest.mark.parametrize(
    "error", [RuntimeError("a mistake"), StateBackendError("a server is away")]
)
def test_an_error_in_one_step_does_not_skip_the_others(cluster, caplog, broken, error):
    caplog.set_level(logging.WARNING)
    done = []
    services = cluster.services("a")

    class Step:
        def __init__(self, name):
            self.name = name

        def step(self, *_):
            if self.name == broken:
                raise error
            done.append(self.name)

    services._recovery, services._housekeeping = Step("_recovery"), Step("_housekeeping")
    services.app.trigger.loop_iteration = Step("trigger").step
    for _ in range(2):
        assert services.check()
        time.sleep(TIDIED_EVERY)

    expected = [each for each in ("_recovery", "trigger", "_housekeeping") if each != broken]
    assert done == expected * 2
    assert str(error) in caplog.text
    is_bug = isinstance(error, RuntimeError)
    assert {each.levelname for each in caplog.records} == {"ERROR" if is_bug else "WARNING"}


def test_where_the_lease_cannot_be_had_nothing_is_done(cluster, monkeypatch, caplog):
    services = cluster.services("a")

    def away(*_):
        raise StateBackendError("a server is away")

    with monkeypatch.context() as patch:
        patch.setattr(cluster.storage.leases, "get", away)
        assert not services.check()
    assert cluster.log == []
    assert "the lease could not be had: a server is away" in caplog.text
    time.sleep(1)
    assert services.check()


def test_what_was_renewed_is_held_while_the_store_is_away(cluster, monkeypatch):
    services = cluster.services("a")
    services.check()

    def away(*_):
        raise StateBackendError("a server is away")

    monkeypatch.setattr(cluster.storage.leases, "get", away)
    results = []
    for _ in range(12):
        time.sleep(1)
        results.append(services.check())
    assert results == [True] * 9 + [False] * 3


def test_who_has_no_lease_watches_heartbeats_and_does_nothing(cluster, monkeypatch, caplog):
    holder, other = cluster.services("a"), cluster.services("b")
    assert holder.check()
    heartbeats = other.app.orchestrator.heartbeats
    heartbeats.beat([RunnerContext("Runner", "c", pid=1, hostname="c", thread_id=1)])
    for _ in range(64):
        holder._lease.renew()
        assert not other.check()
        time.sleep(1)
    assert heartbeats.is_dead("c")
    assert cluster.storage.runners.get("c") is not None

    def away(*_):
        raise StateBackendError("a server is away")

    monkeypatch.setattr(cluster.storage.runners, "with_status", away)
    assert not other.check()
    assert "heartbeats could not be watched: a server is away" in caplog.text


def test_what_happened_and_nobody_took_is_purged(cluster):
    services = cluster.services("a")
    services.app.trigger.emit_event("a", {})
    services.check()
    assert cluster.storage.occurrences.count() == 1
    time.sleep(86400)
    services.check()
    assert cluster.storage.occurrences.count() == 0


def test_it_tidies_up_now_and_then(cluster):
    """To look at all slots at each interval would cost more than all else."""
    services = cluster.services("a")
    services._housekeeping.step = lambda: cluster.log.append(cluster.sim.elapsed)
    services.app.trigger.loop_iteration = lambda token: None
    for _ in range(150):
        services.check()
        time.sleep(1)

    assert cluster.log == [0, 60, 120]


def test_a_lease_that_is_too_short_is_refused(sim):
    with pytest.raises(
        ConfigError, match=r"lease_duration is too short: 1\.5\ngive at least twice"
    ):
        Cluster(sim, check_interval=1.0, lease_duration=1.5).services("a")


def test_the_lease_says_who_has_it(cluster):
    cluster.services("a").check()

    assert cluster.storage.leases.get(LEASE).value["owner"] == "a"


@pytest.mark.real
def test_in_real_time(tmp_path):
    """Two runners on a file; the first one ends without a word."""
    made = []
    for name in "ab":
        storage = open_storage(f"sqlite:///{tmp_path}/runners.db", durable=False)
        settings = {"check_interval": 0.02, "lease_duration": 0.3}
        app = Pynenc({"app_id": "cluster", "services": settings}, storage=storage)
        made.append((app, RunnerContext("Runner", name, pid=1, hostname=name, thread_id=1)))
    first, second = (AtomicServices(*each) for each in made)
    assert first.check()
    assert not second.check()
    while not second.check():
        time.sleep(0.01)

    assert not first.held
    time.sleep(0.05)
    assert not first.check()
    for app, _ in made:
        app.close()
