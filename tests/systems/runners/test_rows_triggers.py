"""What was odd in the original about triggers and atomic services is right here."""

from __future__ import annotations

import importlib
import itertools
import threading
import time
from pathlib import Path

import pytest

from simclock.systems.runners.app import Pynenc
from simclock.systems.runners.context import RunnerContext
from simclock.systems.runners.services import AtomicServices
from simclock.systems.runners.storage import open_storage
from simclock.systems.runners.trigger_builder import TriggerBuilder

pytestmark = pytest.mark.simclock


@pytest.fixture
def functions(monkeypatch):
    """Return the module of tasks and functions."""
    monkeypatch.syspath_prepend(str(Path(__file__).with_name("modules")))
    return importlib.import_module("trigger_tasks")


@pytest.fixture
def app(functions):
    return functions.app.copy(storage=open_storage("memory://"))


def said(app, functions):
    ids = app.orchestrator.get_task_invocation_ids(functions.say.task_id)
    found = [app.orchestrator.get(each).arguments["what"] for each in reversed(ids)]
    return [app.serializer.deserialize(each) for each in found]


@pytest.mark.simclock(epoch="2024-03-01T12:00:30Z")
def test_p1_a_yearly_cron_line_does_not_fire_at_the_first_look(app, functions):
    yearly = TriggerBuilder().on_cron("0 0 1 1 *").with_args_from_cron(functions.from_cron)
    app.trigger.register(yearly.build(functions.say.task_id))
    for _ in range(10):
        app.trigger.loop_iteration(1)
        time.sleep(3600)
    assert said(app, functions) == []

    time.sleep(366 * 86400)
    app.trigger.loop_iteration(1)
    assert said(app, functions) == ["2025-01-01T00:00:00+00:00"]


@pytest.mark.parametrize("logic", ["AND", "OR"])
def test_p2_each_of_two_events_before_one_look_has_a_run_with_its_own_payload(
    app, functions, logic
):
    two = TriggerBuilder().on_event("a").on_event("b").with_logic(logic)
    two.with_args_from_trigger_context(functions.from_all)
    app.trigger.register(two.build(functions.say.task_id))
    for number in range(2):
        for code in "ab":
            app.trigger.emit_event(code, {"number": number})
    app.trigger.loop_iteration(1)

    payloads = [{"number": number} for number in (0, 0, 1, 1)]
    if logic == "AND":
        assert said(app, functions) == [payloads[:2], payloads[2:]]
    else:
        assert said(app, functions) == [[each] for each in payloads]


@pytest.mark.simclock(epoch="2024-03-01T12:00:00Z")
def test_p11_two_runners_leave_no_time_out_and_each_minute_fires(sim, functions):
    """With the numbers that are the defaults."""
    storage, looks, held = open_storage("memory://"), [], []
    minutely = TriggerBuilder().on_cron("* * * * *").with_args_from_cron(functions.from_cron)

    def run(name):
        app = functions.app.copy(storage=storage)
        context = RunnerContext("Runner", name, pid=1, hostname=name, thread_id=1)
        services = AtomicServices(app, context)
        while sim.elapsed < 900:
            if services.check():
                looks.append(sim.elapsed)
                held.append(name)
            time.sleep(0.1)

    app = functions.app.copy(storage=storage)
    app.trigger.register(minutely.build(functions.say.task_id))
    threads = [threading.Thread(target=run, args=(name,)) for name in "ab"]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert len(set(held)) == 1
    interval = Pynenc().conf.services.check_interval
    assert max(after - before for before, after in itertools.pairwise(looks)) < (interval + 0.2)
    assert said(app, functions) == [
        f"2024-03-01T12:{minute:02}:00+00:00" for minute in range(1, 15)
    ]
