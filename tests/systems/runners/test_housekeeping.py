"""What ended long ago is forgotten; what has not ended never is."""

from __future__ import annotations

import time

import pytest

from simclock.systems.runners.failures import ConfigError, InvocationNotFoundError
from simclock.systems.runners.housekeeping import Housekeeping
from simclock.systems.runners.options import ConcurrencyControlType as C
from simclock.systems.runners.options import TaskOptions
from simclock.systems.runners.settings import OrchestratorSettings
from simclock.systems.runners.stored import StoredError

pytestmark = pytest.mark.simclock
HOUR, DAY = 3600, 86400


def keep_house(bench, seconds):
    """Wait for so long; return how many invocations were forgotten then."""
    time.sleep(seconds)
    return Housekeeping(bench.orchestrator, bench.storage).step()


def test_final_invocations_are_kept_for_a_day(each_storage, make_bench, runner):
    bench = make_bench(each_storage)
    ended, failed = bench.started(runner()), bench.started(runner())
    open_one, waiting = bench.started(runner()), bench.routed()
    bench.orchestrator.succeed(ended, runner(), "paid")
    bench.orchestrator.fail(failed, runner(), StoredError("ValueError", "wrong"))

    assert keep_house(bench, 24 * HOUR - 1) == 0
    assert bench.orchestrator.get(ended).result == "paid"
    assert keep_house(bench, 1) == 2
    with pytest.raises(InvocationNotFoundError):
        bench.orchestrator.get(ended)
    assert keep_house(bench, 365 * DAY) == 0
    assert {each.id for each in bench.orchestrator.get_invocations_to_run(9, runner())} == {waiting}
    bench.orchestrator.succeed(open_one, runner(), "late")


def test_they_can_be_kept_for_ever(make_bench, runner):
    bench = make_bench(auto_final_invocation_purge_hours=0)
    ended = bench.started(runner())
    bench.orchestrator.succeed(ended, runner(), "paid")

    assert keep_house(bench, 3650 * DAY) == 0


def test_slots_that_nobody_has_are_removed_a_day_later(each_storage, make_bench, runner):
    options = TaskOptions(running_concurrency=C.ARGUMENTS, registration_concurrency=C.ARGUMENTS)
    bench = make_bench(each_storage, options)
    ended, running = bench.started(runner(), x="1"), bench.started(runner(), x="2")
    bench.orchestrator.succeed(ended, runner(), "paid")
    waiting = bench.routed(x="3")

    keep_house(bench, 0)
    keep_house(bench, DAY - 1)
    assert bench.storage.slots.count() == 5
    keep_house(bench, 1)
    # Of the one that runs, and of the one that is registered.
    assert bench.storage.slots.count() == 2
    assert bench.route(x="3").id == waiting
    bench.routed(x="2")
    assert bench.take(runner("b"), 9) == [waiting]
    assert bench.orchestrator.status(running).runner_id == "a"


def test_a_slot_that_is_taken_again_is_kept(make_bench, runner):
    bench = make_bench(options=TaskOptions(running_concurrency=C.TASK))
    ended = bench.started(runner())
    bench.orchestrator.succeed(ended, runner(), "paid")
    keep_house(bench, 0)
    bench.started(runner())

    keep_house(bench, 2 * DAY)
    bench.routed()
    assert bench.take(runner("b")) == []


@pytest.mark.parametrize(
    "settings",
    [
        {"heartbeat_interval": 0},
        {"max_pending_seconds": -1},
        {"claim": float("inf")},
        {"auto_final_invocation_purge_hours": "24"},
        {"heartbeat_interval": 60, "runner_considered_dead_after": 60},
    ],
)
def test_numbers_of_no_meaning_are_refused(settings):
    with pytest.raises(ConfigError):
        OrchestratorSettings(**settings)


@pytest.mark.parametrize("status", ["taken", "made"])
@pytest.mark.parametrize("value", [{"invocation": "damaged"}, {}, 5])
def test_a_slot_that_cannot_be_read_keeps_no_other_from_being_removed(bench, runner, status, value):
    bench.storage.invocations.create("damaged", "running", {"layout": 9}, at=1)
    bench.storage.slots.create("odd", status, value, at=1)
    bench.orchestrator.succeed(bench.started(runner()), runner(), "paid")

    assert keep_house(bench, DAY) == 1
    assert bench.storage.slots.count() == 1
