"""Which triggers fire for what, with which arguments, and how often."""

from __future__ import annotations

import importlib
import logging
import threading
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simclock.systems.runners import trigger_loop, triggers
from simclock.systems.runners.conditions import (
    CompositeCondition,
    CompositeLogic,
    CronCondition,
    EventCondition,
    ExceptionCondition,
    ResultCondition,
    StatusCondition,
    condition_of,
)
from simclock.systems.runners.context import RunnerContext
from simclock.systems.runners.execution import run_invocation
from simclock.systems.runners.failures import (
    InvocationStatusRaceConditionError,
    SerializationError,
    StateBackendError,
)
from simclock.systems.runners.identifiers import TaskId
from simclock.systems.runners.occurrences import EventContext
from simclock.systems.runners.statuses import InvocationStatus
from simclock.systems.runners.storage import open_storage
from simclock.systems.runners.trigger_builder import TriggerBuilder
from simclock.systems.runners.trigger_definitions import TriggerDefinition
from simclock.systems.runners.trigger_state import TriggerState, latest_due

pytestmark = pytest.mark.simclock

UTC = timezone.utc
RUNNER = RunnerContext("Runner", "a", pid=1, hostname="host", thread_id=1)


@pytest.fixture
def functions(monkeypatch):
    """Return the module of tasks and functions."""
    monkeypatch.syspath_prepend(str(Path(__file__).with_name("modules")))
    return importlib.import_module("trigger_tasks")


class World:
    """An application on a storage of its own, and what tests do with its triggers."""

    def __init__(self, functions, storage=None):
        self.functions = functions
        self.storage = storage or open_storage("memory://")
        self.app = functions.app.copy(storage=self.storage)
        self.token = 1

    def on(self, builder, task=None):
        """Register a trigger of `say`, or of another task; return its id."""
        return self.app.trigger.register(builder.build((task or self.functions.say).task_id))

    def emit(self, code, **payload):
        return self.app.trigger.emit_event(code, payload)

    def loop(self):
        return self.app.trigger.loop_iteration(self.token)

    def said(self, task=None):
        """Return what the invocations of `say`, or of another task, are to say, the first first."""
        ids = self.app.orchestrator.get_task_invocation_ids((task or self.functions.say).task_id)
        found = [self.app.orchestrator.get(each) for each in reversed(ids)]
        return [self.app.serializer.deserialize(each.arguments["what"]) for each in found]

    def run(self, number, **kwargs):
        """Run the task `work` to its end."""
        invocation = self.app.get_task(self.functions.work.task_id)(number, **kwargs)
        for stored in self.app.orchestrator.get_invocations_to_run(10, RUNNER):
            if stored.task == self.functions.work.task_id:
                run_invocation(self.app, stored, RUNNER, stop=threading.Event(), waits=None)
        return invocation.invocation_id


@pytest.fixture
def world(functions):
    return World(functions)


def builder():
    return TriggerBuilder()


def by_event(functions, code="a", **options):
    return builder().on_event(code, **options).with_args_from_event(functions.from_event)


# ------------------------------------------------------------------- single conditions


def test_an_event_fires_once(world):
    world.on(by_event(world.functions))
    world.emit("a", number=1)
    assert world.said() == []

    assert world.loop() == 1
    assert world.loop() == 0
    assert world.said() == ["a 1"]


def test_each_event_fires_with_its_own_arguments(world):
    world.on(by_event(world.functions))
    for number in range(5):
        world.emit("a", number=number)

    assert world.loop() == 5
    assert world.said() == [f"a {number}" for number in range(5)]


def test_events_of_other_codes_do_not_fire_and_are_forgotten(world):
    world.on(by_event(world.functions))
    world.emit("b", number=1)

    assert world.loop() == 0
    assert world.storage.occurrences.count() == 0


def test_nothing_is_kept_of_what_nobody_waits_for(world):
    for number in range(3):
        world.emit("a", number=number)
    world.run(1)
    world.loop()

    assert world.storage.occurrences.count() == 0


def test_what_happened_before_a_trigger_was_registered_does_not_fire_it_once_it_was_seen(world):
    world.emit("a", number=1)
    world.loop()
    world.on(by_event(world.functions))

    assert world.loop() == 0


def test_each_trigger_fires_for_itself(world):
    world.on(by_event(world.functions))
    world.on(builder().on_event("a").with_args_static({"what": "static"}))
    world.emit("a", number=1)
    world.loop()

    assert sorted(world.said()) == ["a 1", "static"]


def test_a_trigger_that_is_registered_twice_is_one(world):
    first = world.on(by_event(world.functions))
    time.sleep(5)
    assert world.on(by_event(world.functions)) == first
    world.emit("a", number=1)
    world.loop()

    assert world.said() == ["a 1"]
    assert [each.trigger_id for each in world.app.trigger.definitions()] == [first]


def test_one_that_is_unregistered_fires_no_more(world):
    trigger_id = world.on(by_event(world.functions))
    assert world.app.trigger.unregister(trigger_id)
    assert not world.app.trigger.unregister(trigger_id)
    world.emit("a", number=1)

    assert world.loop() == 0


def test_an_event_that_is_said_again_by_its_id_is_one(world):
    world.on(by_event(world.functions))
    for _ in range(3):
        assert world.app.trigger.emit_event("a", {"number": 1}, event_id="x") == "x"
    world.loop()

    assert world.said() == ["a 1"]


def test_an_event_that_is_said_again_after_it_was_taken_is_one(world):
    """Whoever got no answer says it again: it may have been matched meanwhile."""
    world.on(builder().on_event("a").on_event("b"))
    world.app.trigger.emit_event("a", event_id="x")
    world.emit("b")
    assert world.loop() == 1
    world.loop()
    world.app.trigger.emit_event("a", event_id="x")
    world.emit("b")

    assert world.loop() == 0
    time.sleep(trigger_loop.KEPT)
    world.storage.occurrences.purge(time.time())
    assert world.storage.occurrences.count() == 0


def test_a_trigger_that_is_registered_while_others_are_read_fires_for_what_comes_then(world):
    world.on(by_event(world.functions, "b"))
    read, other = trigger_loop.TriggerLoop._happened, World(world.functions, world.storage)

    def happened(loop):
        if not world.said():
            other.on(by_event(world.functions))
            other.emit("a", number=1)
        return read(loop)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trigger_loop.TriggerLoop, "_happened", happened)
        world.loop()
    world.loop()

    assert world.said() == ["a 1"]


def test_what_a_task_becomes_is_told_once_the_store_is_back(world, monkeypatch):
    """As soon as that: who could not see what is waited for has not seen that nothing is."""
    other = World(world.functions, world.storage)
    other.on(
        builder()
        .on_status(world.functions.work, InvocationStatus.RUNNING)
        .with_args_static({"what": "runs"})
    )

    def gone(*_):
        raise StateBackendError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(type(world.app.trigger._loop), "load", gone)
        world.app.get_task(world.functions.work.task_id)(1)
    [stored] = world.app.orchestrator.get_invocations_to_run(1, RUNNER)
    run_invocation(world.app, stored, RUNNER, stop=threading.Event(), waits=None)
    other.loop()

    assert world.said() == ["runs"]


def test_the_payload_is_what_it_was_when_it_was_emitted(world):
    world.on(builder().on_event("a").with_args_from_trigger_context(world.functions.from_all))
    payload = {"number": [1]}
    world.app.trigger.emit_event("a", payload)
    payload["number"].append(2)
    world.loop()

    assert world.said() == [[{"number": [1]}]]


def test_a_payload_that_cannot_be_stored_is_refused(world):
    with pytest.raises(SerializationError, match=r"the payload of event 'a': .*cannot be seria"):
        world.emit("a", number=object())


@pytest.mark.parametrize(
    ("wanted", "fires"),
    [
        ({}, True),
        ({"number": 1}, True),
        ({"number": 1, "unit": "kg"}, True),
        ({"number": 2}, False),
        ({"number": 1, "other": None}, False),
    ],
)
def test_a_payload_has_the_items_of_a_filter(world, wanted, fires):
    world.on(by_event(world.functions, payload_filter=wanted))
    world.emit("a", number=1, unit="kg")

    assert world.loop() == fires


def test_a_function_of_a_module_may_be_a_filter(world):
    world.on(by_event(world.functions, payload_filter=world.functions.is_big))
    for number in (5, 15, 7, 20):
        world.emit("a", number=number)
    world.loop()

    assert world.said() == ["a 15", "a 20"]


def test_a_filter_that_fails_lets_nothing_pass(world, caplog):
    world.on(by_event(world.functions, payload_filter=world.functions.fails))
    world.emit("a", number=1)

    assert world.loop() == 0
    assert "a filter's mistake" in caplog.text
    assert world.storage.occurrences.count() == 0


def _main():
    """A function that says that it is one of the program."""


_main.__module__ = "__main__"


@pytest.mark.parametrize("given_", [lambda _: True, len.__call__, 7, _main, "text"])
def test_what_others_cannot_import_is_no_filter_and_no_provider(given_):
    def local(_):
        return True

    for each in (given_, local):
        with pytest.raises(ValueError, match="is no function of a module"):
            EventCondition("a", each)
        with pytest.raises(ValueError, match="a provider of arguments is no function of a module"):
            builder().with_args_from_event(each)


def test_what_cannot_be_stored_is_no_filter_and_no_argument():
    with pytest.raises(ValueError, match="a payload filter is a mapping that cannot be stored"):
        EventCondition("a", {"x": object()})
    with pytest.raises(ValueError, match="these arguments cannot be stored"):
        builder().with_args_static({"x": object()})


def test_a_status_fires(world):
    world.on(
        builder().on_status(world.functions.work).with_args_from_status(world.functions.from_status)
    )
    world.run(1)
    world.run(-1)
    world.loop()

    assert world.said() == ["success of 1"]


def test_of_several_statuses_each_fires(world):
    statuses = [InvocationStatus.REGISTERED, InvocationStatus.RUNNING, InvocationStatus.FAILED]
    world.on(
        builder()
        .on_status(world.functions.work, statuses)
        .with_args_from_status(world.functions.from_status)
    )
    world.run(-7)
    world.loop()

    assert world.said() == ["registered of -7", "running of -7", "failed of -7"]


def test_a_status_that_is_had_twice_fires_twice(world):
    world.on(
        builder()
        .on_status(world.functions.work, InvocationStatus.PENDING)
        .with_args_from_status(world.functions.from_status)
    )
    world.app.get_task(world.functions.work.task_id)(3)
    for _ in range(3):
        time.sleep(1)
        (stored,) = world.app.orchestrator.get_invocations_to_run(1, RUNNER)
        world.app.orchestrator.kill_and_reroute(stored.id, RUNNER, orderly=True)
    world.loop()

    assert world.said() == ["pending of 3"] * 3


def test_statuses_of_other_tasks_do_not_fire(world):
    world.on(builder().on_status(TaskId("trigger_tasks", "strict")))
    world.run(1)

    assert world.loop() == 0


def test_arguments_may_be_filtered(world):
    world.on(
        builder()
        .on_status(world.functions.work, arguments_filter={"unit": "lb"})
        .with_args_from_status(world.functions.from_status)
    )
    world.on(
        builder()
        .on_any_result(world.functions.work, arguments_filter=world.functions.is_big)
        .with_args_from_result(world.functions.from_result)
    )
    world.run(1)
    world.run(2, unit="lb")
    world.run(30)
    world.loop()

    assert sorted(world.said(), key=str) == [30, "success of 2"]


def test_a_result_fires(world):
    results = builder().on_any_result(world.functions.work)
    world.on(results.with_args_from_result(world.functions.from_result))
    for number in (1, -1, 2):
        world.run(number)
    world.loop()

    assert world.said() == [1, 2]


@pytest.mark.parametrize(("name", "expected"), [("dict", [2, 12]), ("function", [11, 12])])
def test_results_may_be_filtered(world, name, expected):
    wanted = {"is_even": True} if name == "dict" else world.functions.is_result_big
    results = builder().on_result(world.functions.work, wanted)
    world.on(results.with_args_from_result(world.functions.from_result))
    for number in (1, 2, 11, 12):
        world.run(number)
    world.loop()

    assert world.said() == expected


@pytest.mark.parametrize(
    ("names", "count"),
    [
        ((), 3),
        ("ValueError", 3),
        (ValueError, 3),
        (("KeyError", ValueError), 3),
        ("KeyError", 0),
        (Exception, 0),
    ],
)
def test_each_failure_fires(world, names, count):
    """Also those of one type: they are of different invocations."""
    failures = builder().on_exception(world.functions.work, names)
    world.on(failures.with_args_from_exception(world.functions.from_exception))
    for number in (-1, 5, -2, -3):
        world.run(number)
    world.loop()

    assert world.said() == [f"ValueError: {number} kg" for number in (-1, -2, -3)][:count]


def test_nothing_is_written_of_invocations_that_nobody_waits_for(world):
    world.on(builder().on_status(world.functions.work, InvocationStatus.FAILED))
    world.run(1)

    assert world.storage.occurrences.count() == 0


def test_what_another_process_has_registered_is_known_after_a_second(world):
    other = World(world.functions, world.storage)
    world.run(1)
    time.sleep(0.1)
    other.on(builder().on_any_result(world.functions.work).with_args_static({"what": "yes"}))
    time.sleep(triggers.REMEMBERED)
    world.run(2)
    world.loop()

    assert world.said() == ["yes"]


# ------------------------------------------------------------------------------- cron


def instants(world):
    return [datetime.fromisoformat(each).strftime("%H:%M") for each in world.said()]


@pytest.mark.simclock(epoch="2024-03-01T12:00:30Z")
def test_a_cron_line_fires_at_each_of_its_times(world):
    world.on(builder().on_cron("*/15 * * * *").with_args_from_cron(world.functions.from_cron))
    for _ in range(60):
        world.loop()
        time.sleep(60)

    assert instants(world) == ["12:15", "12:30", "12:45"]


@pytest.mark.simclock(epoch="2024-03-01T12:00:30Z")
def test_for_all_times_that_were_missed_it_fires_once_for_the_latest(world):
    world.on(builder().on_cron("*/15 * * * *").with_args_from_cron(world.functions.from_cron))
    time.sleep(3 * 3600)
    for _ in range(3):
        world.loop()

    assert instants(world) == ["15:00"]


@pytest.mark.simclock(epoch="2024-03-01T12:00:30Z")
def test_a_clock_that_goes_back_does_not_fire_twice(sim, world):
    host = sim.host("a")

    def run():
        world.on(builder().on_cron("0 * * * *").with_args_from_cron(world.functions.from_cron))
        for _ in range(6):
            time.sleep(1800)
            world.loop()

    host.start(run)
    time.sleep(2 * 3600)
    host.move_wall(-3600)
    time.sleep(2 * 3600)
    assert instants(world) == ["13:00", "14:00"]


@pytest.mark.simclock(epoch="2024-03-01T12:00:30Z")
def test_a_clock_that_was_wrong_by_years_keeps_no_line_from_being_due(sim, world):
    wrong, host = sim.host("wrong"), sim.host("a")
    wrong.move_wall(365 * 86400)
    world.on(builder().on_cron("0 * * * *").with_args_from_cron(world.functions.from_cron))
    wrong.start(world.loop)
    time.sleep(1)

    def run():
        for _ in range(3):
            world.loop()
            time.sleep(3600)

    host.start(run)
    time.sleep(3 * 3600)
    assert sorted(instants(world)) == ["12:00", "13:00", "14:00"]


@pytest.mark.simclock(epoch="2024-03-31T00:30:00Z")
def test_a_cron_line_is_of_a_zone(world):
    """Where 02:30 is not there, it is due when the clock is put forward."""
    line = builder().on_cron("30 2 * * *", "Europe/Berlin")
    world.on(line.with_args_from_cron(world.functions.from_cron))
    for _ in range(49):
        time.sleep(1800)
        world.loop()

    assert world.said() == ["2024-03-31T01:00:00+00:00", "2024-04-01T00:30:00+00:00"]


@pytest.mark.simclock(epoch="2024-03-01T12:00:30Z")
def test_two_cron_lines_that_are_due_at_one_instant_are_one_occurrence(world):
    either = builder().on_cron("0 * * * *").on_cron("0 */2 * * *").with_logic("OR")
    world.on(either.with_args_from_cron(world.functions.from_cron))
    for _ in range(4):
        time.sleep(3600)
        world.loop()

    assert instants(world) == ["13:00", "14:00", "15:00", "16:00"]


@pytest.mark.simclock(epoch="2024-03-01T12:00:30Z")
def test_cron_lines_of_a_composite_and_of_two_conditions(world):
    hourly, daily = CronCondition("0 * * * *"), CronCondition("0 0 * * *")
    any_of_two = CompositeCondition((hourly, daily), CompositeLogic.OR)
    all_of_two = CompositeCondition((hourly, daily), CompositeLogic.AND)
    for condition in (any_of_two, all_of_two):
        made = builder().add_condition(condition)
        world.on(made.with_args_static({"what": condition.logic.name}))
    pairs = builder().add_condition(hourly).add_condition(hourly)
    world.on(pairs.with_args_static({"what": "pair"}))
    for _ in range(4):
        time.sleep(3600)
        world.loop()

    assert sorted(world.said()) == ["OR"] * 4 + ["pair"] * 2


@pytest.mark.parametrize("line", ["* * * *", "* * * * * *", "61 * * * *", "0 0 31 2 *"])
def test_lines_that_have_no_meaning_are_refused(line):
    with pytest.raises(ValueError, match="cron line"):
        builder().on_cron(line)


@settings(max_examples=60, deadline=None)
@given(
    line=st.sampled_from(["* * * * *", "*/7 3 * * *", "0 0 29 2 *", "30 2 * * MON", "0 12 1 * *"]),
    zone=st.sampled_from(["UTC", "Europe/Berlin"]),
    after=st.datetimes(datetime(2023, 1, 1), datetime(2023, 3, 1)),
    hours=st.floats(0, 200),
)
def test_the_latest_time_is_found_as_if_one_looked_at_all(line, zone, after, hours):
    cron = CronCondition(line, zone).cron
    after = after.replace(tzinfo=UTC)
    now = datetime.fromtimestamp(after.timestamp() + hours * 3600, UTC)
    expected, due = None, cron.next_run(after)
    while due <= now:
        expected, due = due, cron.next_run(due)

    assert latest_due(cron, after, now) == expected


def test_a_line_that_is_not_due_any_more_is_never_due():
    cron = CronCondition("0 0 1 1 *").cron
    assert (
        latest_due(cron, datetime(9999, 6, 1, tzinfo=UTC), datetime(9999, 7, 1, tzinfo=UTC)) is None
    )


# ------------------------------------------------------------------------ AND and OR


def both(functions):
    two = builder().on_event("a").on_event("b")
    return two.with_args_from_trigger_context(functions.from_all)


def test_all_conditions_are_needed(world):
    world.on(both(world.functions))
    world.emit("a", number=1)
    assert world.loop() == 0
    world.emit("b", number=2)
    assert world.loop() == 1

    assert world.said() == [[{"number": 1}, {"number": 2}]]


def test_matches_are_made_first_in_first_out(world):
    world.on(both(world.functions))
    for code, number in [("b", 1), ("a", 2), ("a", 3), ("b", 4), ("a", 5)]:
        world.emit(code, number=number)
        world.loop()

    assert world.said() == [[{"number": 2}, {"number": 1}], [{"number": 3}, {"number": 4}]]
    world.emit("b", number=6)
    world.loop()
    assert world.said()[2:] == [[{"number": 5}, {"number": 6}]]


def test_it_does_not_matter_in_how_many_loops(world):
    world.on(both(world.functions))
    for code, number in [("b", 1), ("a", 2), ("a", 3), ("b", 4), ("a", 5)]:
        world.emit(code, number=number)
    world.loop()

    assert world.said() == [[{"number": 2}, {"number": 1}], [{"number": 3}, {"number": 4}]]


def test_two_equal_conditions_need_two_events(world):
    two = builder().on_event("a").on_event("a")
    world.on(two.with_args_from_trigger_context(world.functions.from_all))
    for number in range(5):
        world.emit("a", number=number)
    world.loop()

    assert world.said() == [[{"number": 0}, {"number": 1}], [{"number": 2}, {"number": 3}]]


def test_what_fits_several_conditions_is_used_for_one(world):
    two = builder().on_event("a").on_event("a", {"number": 1})
    world.on(two.with_args_from_trigger_context(world.functions.from_all))
    world.emit("a", number=1)
    assert world.loop() == 0
    world.emit("a", number=1)
    assert world.loop() == 1


def test_a_part_that_waits_for_too_long_is_forgotten(world):
    world.on(both(world.functions))
    world.emit("a", number=1)
    world.loop()
    time.sleep(trigger_loop.KEPT - 1)
    world.emit("a", number=2)
    world.loop()
    time.sleep(2)
    world.emit("b", number=3)
    world.loop()

    assert world.said() == [[{"number": 2}, {"number": 3}]]


def test_any_condition_is_enough_where_it_is_said(world):
    either = builder().on_event("a").on_event("b").with_logic(CompositeLogic.OR)
    world.on(either.with_args_from_event(world.functions.from_event))
    for code, number in [("b", 1), ("a", 2), ("a", 3)]:
        world.emit(code, number=number)
        time.sleep(1)
    world.loop()

    assert world.said() == ["b 1", "a 2", "a 3"]


def test_what_fits_several_of_any_fires_once(world):
    either = builder().on_event("a").on_event("a", {"number": 1}).with_logic("or")
    world.on(either.with_args_from_event(world.functions.from_event))
    world.emit("a", number=1)

    assert world.loop() == 1


def test_the_conditions_of_a_composite_are_true_of_the_same_event(world):
    parts = (EventCondition("a", {"x": 1}), EventCondition("a", {"y": 2}))
    for logic in CompositeLogic:
        made = builder().add_condition(CompositeCondition(parts, logic))
        world.on(made.with_args_static({"what": logic.name}))
    world.emit("a", x=1)
    world.emit("a", y=2)
    world.loop()
    assert world.said() == ["OR", "OR"]

    world.emit("a", x=1, y=2)
    world.loop()
    assert sorted(world.said()) == ["AND", "OR", "OR", "OR"]


@pytest.mark.simclock(epoch="2024-03-01T12:00:30Z")
def test_a_cron_line_may_be_one_of_all(world):
    """It waits for the event, or the event for it."""
    world.on(builder().on_cron("0 * * * *").on_event("a"))
    world.emit("a")
    world.loop()
    time.sleep(3600)
    assert world.loop() == 1
    time.sleep(3600)
    assert world.loop() == 0
    world.emit("a")
    assert world.loop() == 1


def test_a_composite_of_nothing_and_a_trigger_of_nothing_are_refused():
    with pytest.raises(ValueError, match="composed of nothing"):
        CompositeCondition(())
    with pytest.raises(ValueError, match=r"a trigger of m\.f waits for nothing"):
        builder().build(TaskId("m", "f"))
    with pytest.raises(ValueError, match="there is no such logic: 'XOR'"):
        builder().with_logic("XOR")
    with pytest.raises(ValueError, match=r"no status of m\.f is waited for"):
        builder().on_status(TaskId("m", "f"), [])
    with pytest.raises(ValueError, match="this is no task: 7"):
        builder().on_status(7)
    for wrong in ("success", ["success"]):
        with pytest.raises(ValueError, match=r"this is no status: '\w+'\ngive InvocationStatus"):
            builder().on_status(TaskId("m", "f"), wrong)


# ------------------------------------------------------------------------- arguments


def test_without_a_provider_there_are_no_arguments(world):
    world.on(builder().on_event("a"))
    world.emit("a")
    world.loop()

    assert world.said() == ["nothing"]


def test_the_first_provider_that_has_some_is_asked(world, caplog):
    made = builder().on_event("a").with_args_from_result(world.functions.from_result)
    made.with_args_from_event(world.functions.from_nothing)
    made.with_args_from_event(world.functions.no_mapping)
    made.with_args_from_event(world.functions.from_event).with_args_static({"what": "last"})
    world.on(made)
    world.emit("a", number=1)
    world.loop()

    assert world.said() == ["a 1"]
    assert "a provider's mistake" in caplog.text
    assert "no_mapping returned no mapping: ['what']" in caplog.text


@pytest.mark.parametrize("name", ["from_nothing", "wrong_names", "what_cannot_be_stored"])
def test_what_cannot_be_called_is_told_and_given_up(world, caplog, name):
    made = builder().on_event("a").with_args_from_event(getattr(world.functions, name))
    world.on(made)
    world.on(by_event(world.functions))
    world.emit("a", number=1)
    for _ in range(2):
        world.loop()

    assert world.said() == ["a 1"]
    assert caplog.text.count("a trigger of trigger_tasks.say") == 1


@pytest.mark.parametrize("what", ["the task", "the filter", "the provider"])
def test_what_cannot_be_imported_here_waits_for_who_can(world, monkeypatch, what):
    functions, task = world.functions, world.functions.say
    made = by_event(functions, payload_filter=functions.is_big)
    if what == "the task":
        world.app.trigger.register(made.build(TaskId("trigger_tasks", "later")))
        world.emit("a", number=11)
        assert world.loop() == 0
        task = functions.app.task(_later_of(functions))
        monkeypatch.setattr(functions, "later", task, raising=False)
    else:
        name = "is_big" if what == "the filter" else "from_event"
        world.on(made)
        world.emit("a", number=11)
        with monkeypatch.context() as patch:
            patch.delattr(functions, name)
            assert world.loop() == 0
    world.loop()
    world.loop()

    assert world.said(task) == ["a 11"]


def _later_of(functions):
    def later(what):
        return what

    later.__module__, later.__qualname__ = functions.__name__, "later"
    return later


def test_what_cannot_be_read_here_waits_for_who_can(world, monkeypatch):
    """Arguments of classes that only other processes have."""
    statuses = builder().on_status(world.functions.work)
    world.on(statuses.with_args_from_status(world.functions.from_status))
    world.run(1)
    with monkeypatch.context() as patch:
        patch.setattr(type(world.app.serializer), "deserialize", _cannot_read)
        assert world.loop() == 0
    assert world.loop() == 1


def _cannot_read(_, text):
    raise SerializationError(f"no class for {text}")


def test_a_firing_that_others_were_faster_than_is_tried_again(world, monkeypatch):
    world.on(by_event(world.functions))
    world.emit("a", number=1)

    def lost(*_, **__):
        raise InvocationStatusRaceConditionError("x", 20)

    with monkeypatch.context() as patch:
        patch.setattr(world.app.orchestrator, "route_call", lost)
        assert world.loop() == 0
    assert world.loop() == 1
    assert world.said() == ["a 1"]


@pytest.mark.parametrize("times", [1, 100])
def test_a_trigger_that_others_change_all_the_time_fires_once(world, monkeypatch, times):
    """What was fired is noted later; until then its id tells."""
    world.on(by_event(world.functions))
    world.emit("a", number=1)
    route, swap = world.app.orchestrator.route_call, world.storage.triggers.swap
    routed = []

    def route_and_tell(*arguments, **options):
        routed.append(options["invocation_id"])
        return route(*arguments, **options)

    def changed_before(key, version, status, value, **options):
        if len(routed) == 1 and lost:
            lost.pop()
            row = world.storage.triggers.get(key)
            assert swap(key, row.version, row.status, row.value)
        return swap(key, version, status, value, **options)

    lost = list(range(times))
    with monkeypatch.context() as patch:
        patch.setattr(world.app.orchestrator, "route_call", route_and_tell)
        patch.setattr(world.storage.triggers, "swap", changed_before)
        world.loop()
        lost.clear()
        world.loop()

    assert len(set(routed)) == 1
    assert len(routed) == (1 if times == 1 else 2)
    assert world.said() == ["a 1"]
    assert world.loop() == 0


def test_a_trigger_that_is_unregistered_while_it_fires_has_fired(world, monkeypatch):
    trigger_id = world.on(by_event(world.functions))
    world.emit("a", number=1)
    route = world.app.orchestrator.route_call

    def route_and_unregister(*arguments, **options):
        world.app.trigger.unregister(trigger_id)
        return route(*arguments, **options)

    monkeypatch.setattr(world.app.orchestrator, "route_call", route_and_unregister)
    assert world.loop() == 1
    assert world.loop() == 0
    assert world.app.trigger.definitions() == []


def test_a_trigger_that_is_unregistered_while_it_takes_does_not_fire(world, monkeypatch):
    trigger_id = world.on(by_event(world.functions))
    world.emit("a", number=1)
    happened = world.storage.occurrences.with_status

    def unregister_and_look(*arguments):
        world.app.trigger.unregister(trigger_id)
        return happened(*arguments)

    monkeypatch.setattr(world.storage.occurrences, "with_status", unregister_and_look)
    assert world.loop() == 0
    assert world.loop() == 0
    assert world.storage.occurrences.count() == 0


def test_what_nobody_can_import_is_forgotten_after_a_day(world):
    world.app.trigger.register(by_event(world.functions).build(TaskId("nowhere", "f")))
    trigger = world.on(by_event(world.functions, payload_filter={"number": 1}))
    row = world.storage.triggers.get(trigger)
    definition = {**row.value["definition"]}
    definition["conditions"] = [{"kind": "event", "code": "a", "filter": "nowhere:f"}]
    world.storage.triggers.swap(trigger, 1, "trigger", {**row.value, "definition": definition})
    world.emit("a", number=1)
    world.loop()
    assert world.storage.occurrences.count() == 1
    time.sleep(trigger_loop.KEPT + 1)
    world.storage.occurrences.purge(time.time())
    world.loop()

    assert world.storage.occurrences.count() == 0
    assert [each.state.outbox for each in world.app.trigger._loop.load()] == [[], []]
    assert [each.state.seen for each in world.app.trigger._loop.load()] == [set(), set()]


def test_a_trigger_of_another_version_is_left_out(world, caplog):
    world.storage.triggers.create("x", "trigger", {"layout": 99}, at=0)
    world.storage.triggers.create("y", "trigger", None, at=0)
    world.on(by_event(world.functions))
    world.emit("a", number=1)
    world.loop()

    world.loop()
    assert world.said() == ["a 1"]
    assert caplog.text.count("the trigger x is left out") == 1


# --------------------------------------------------------------- definitions are values


def all_conditions(functions):
    task = functions.work.task_id
    yield CronCondition("0 3 * * MON", "Europe/Berlin")
    yield EventCondition("a", {"x": (1, b"2")})
    yield EventCondition("a", functions.is_big)
    yield StatusCondition(task, [InvocationStatus.RETRY, InvocationStatus.FAILED], {"x": 1})
    yield ResultCondition(task, functions.is_big, {"y": None})
    yield ExceptionCondition(task, None, ["KeyError", "ValueError"])
    yield CompositeCondition((EventCondition("a"), CronCondition("* * * * *")), CompositeLogic.OR)


@pytest.mark.parametrize("value", [None, {"id": "odd"}, {"id": "odd", "kind": "new kind"}])
def test_what_another_version_has_written_keeps_no_other_from_being_fired(world, caplog, value):
    world.on(by_event(world.functions))
    world.storage.occurrences.create("odd", trigger_loop.NEW, value, at=time.time())
    world.emit("a", number=1)
    for _ in range(3):
        world.loop()

    assert world.said() == ["a 1"]
    assert len(caplog.records) == 1


def test_conditions_are_the_same_after_they_were_stored(functions):
    for each in all_conditions(functions):
        again = condition_of(each.to_value())
        assert again == each
        assert hash(again) == hash(each)
        assert type(again) is type(each)
    assert len(set(all_conditions(functions))) == 7
    assert EventCondition("a") != "a"


def test_definitions_are_the_same_after_they_were_stored(functions):
    made = TriggerBuilder()
    for each in all_conditions(functions):
        made.add_condition(each)
    made.with_args_static({"x": 1}).with_args_from_event(functions.from_event).with_logic("OR")
    definition = made.build(functions.say.task_id)
    again = TriggerDefinition.from_value(definition.to_value())

    assert again == definition
    assert again.trigger_id == definition.trigger_id


@pytest.mark.parametrize("kind", ["memory", "sqlite", "redis"])
def test_triggers_live_in_each_storage(functions, open_kind, kind):
    world = World(functions, open_kind(kind))
    world.on(both(functions))
    world.on(builder().on_any_result(functions.work).with_args_from_result(functions.from_result))
    world.on(builder().on_cron("* * * * *"))
    world.emit("a", number=(1, 2))
    world.run(5)
    time.sleep(60)
    world.loop()
    world.emit("b", number=3)
    world.loop()

    assert sorted(world.said(), key=str) == [5, [{"number": (1, 2)}, {"number": 3}], "nothing"]


def test_tasks_declare_triggers(world, functions):
    app = functions.app.copy(storage=open_storage("memory://"))
    app._definitions = dict(app._definitions)  # its own
    app.task(triggers=[builder().on_event("a"), builder().on_event("b")])(_later_of(functions))
    app.trigger.register_declared()
    app.trigger.register_declared()
    assert len(app.trigger.definitions()) == 2

    app.purge()
    app.trigger.loop_iteration(1)
    app.trigger.register_declared()
    assert len(app.trigger.definitions()) == 2


def test_what_somebody_has_purged_is_registered_again_by_who_holds_no_lease(world, functions):
    app = functions.app.copy(storage=open_storage("memory://"))
    app._definitions = dict(app._definitions)  # its own
    app.task(triggers=builder().on_event("a"))(_later_of(functions))
    app.trigger.register_declared()
    app.purge()
    app.get_task(functions.work.task_id)(1)
    app.trigger.register_declared()

    assert len(app.trigger.definitions()) == 1


# ------------------------------------------------------------ what a crash has left out


def test_what_ended_without_a_word_is_found(world, monkeypatch):
    """Whoever ended it crashed before it could say so."""
    world.on(
        builder()
        .on_any_result(world.functions.work)
        .with_args_from_result(world.functions.from_result)
    )
    with monkeypatch.context() as patch:
        patch.setattr(type(world.app.trigger), "report", lambda *_: None)
        world.run(1)
    world.run(2)
    for _ in range(3):
        world.loop()
        time.sleep(triggers.MENDED_EVERY)
    assert sorted(world.said()) == [1, 2]

    with monkeypatch.context() as patch:
        patch.setattr(type(world.app.trigger), "report", lambda *_: None)
        world.run(3)
    world.loop()
    time.sleep(triggers.MENDED_EVERY)
    world.loop()
    assert sorted(world.said()) == [1, 2, 3]


@pytest.mark.parametrize("skew", [-7200, 7200])
def test_what_a_machine_ended_whose_clock_is_wrong_is_found_once(sim, world, monkeypatch, skew):
    results = builder().on_any_result(world.functions.work)
    world.on(results.with_args_from_result(world.functions.from_result))
    time.sleep(10000)
    host = sim.host("a")
    host.move_wall(skew)
    with monkeypatch.context() as patch:
        patch.setattr(type(world.app.trigger), "report", lambda *_: None)
        host.start(world.run, 1)
        time.sleep(1)
    for _ in range(300):
        world.loop()
        time.sleep(60)
    World(world.functions, world.storage).loop()  # one that has looked at nothing

    assert world.said() == [1]


def test_what_was_looked_at_is_not_written_again(world, monkeypatch):
    world.on(builder().on_any_result(world.functions.work).with_args_static({"what": "yes"}))
    for number in range(3):
        world.run(number)
    world.loop()
    time.sleep(triggers.MENDED_EVERY)
    written = []
    monkeypatch.setattr(world.app.trigger, "_write", written.append)
    world.loop()

    assert written == []


def test_what_ended_before_a_trigger_was_there_is_not(world):
    results = builder().on_any_result(world.functions.work)
    world.run(1)
    time.sleep(1)
    world.on(results.with_args_from_result(world.functions.from_result))
    world.loop()

    assert world.said() == []


def test_what_another_process_does_is_found_too_if_it_ends_within_the_second(world):
    other = World(world.functions, world.storage)
    world.run(1)
    time.sleep(0.5)
    other.on(builder().on_any_result(world.functions.work).with_args_static({"what": "yes"}))
    time.sleep(0.1)
    world.run(2)
    other.loop()

    assert world.said() == ["yes"]


def test_an_ended_lease_fires_nothing(world):
    world.on(by_event(world.functions))
    world.token = 5
    world.emit("a", number=1)
    world.loop()
    world.token = 4
    world.emit("a", number=2)
    assert world.loop() == 0
    world.token = 5
    assert world.loop() == 1


# ------------------------------------------------------------------ the state by itself


@settings(max_examples=200, deadline=None)
@given(steps=st.lists(st.sampled_from("abx") | st.just("loop"), max_size=40))
def test_each_part_is_used_once_and_in_order(steps):
    definition = builder().on_event("a").on_event("b").build(TaskId("m", "f"))
    now = datetime(2024, 1, 1, tzinfo=UTC)
    state, pending, number = TriggerState.new(definition, now), [], 0
    taken = {"a": [], "b": []}
    for each in steps:
        if each == "loop":
            for code, key in pending:
                context = EventContext(key, key, code, {})
                fits = [condition.matches(context) for condition in definition.conditions]
                for _ in range(2):  # shown twice
                    state.take({"id": key, "at": now.timestamp()}, fits)
            state.match(now)
            state = TriggerState.from_value(state.to_value())
        else:
            number += 1
            pending.append((each, f"{each} {number}"))
            if each in taken:
                taken[each].append(f"{each} {number}")
    loops = "loop" in steps
    shown = len(pending) if loops else 0
    if loops:
        last = len(steps) - 1 - steps[::-1].index("loop")
        shown = sum(each != "loop" for each in steps[:last])
    seen = {key for _, key in pending[:shown]}
    wanted = {code: [key for key in keys if key in seen] for code, keys in taken.items()}
    pairs = list(zip(wanted["a"], wanted["b"], strict=False))

    assert [[one["id"] for one in each.occurrences] for each in state.outbox] == [
        list(pair) for pair in pairs
    ]
    assert len({each.id for each in state.outbox}) == len(pairs)


def test_nothing_is_logged_where_nothing_is_wrong(world, caplog):
    caplog.set_level(logging.INFO)
    world.on(both(world.functions))
    world.emit("a", number=1)
    world.emit("b", number=1)
    world.run(1)
    world.loop()

    assert caplog.text == ""
