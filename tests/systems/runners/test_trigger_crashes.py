"""Each match fires once, wherever a loop is broken off, and however many loops there are."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import os
import threading
from pathlib import Path

import pytest

import simclock
from simclock.systems._shared.stores.interfaces import StoreError
from simclock.systems._shared.stores.memory import MemoryJobs, MemoryRecords
from simclock.systems.runners.identifiers import InvocationId
from simclock.systems.runners.storage import Storage
from simclock.systems.runners.trigger_builder import TriggerBuilder
from simclock.systems.runners.trigger_loop import TriggerLoop

pytestmark = pytest.mark.simclock

# Whether there is time for all crashes, and many more races.
MORE = bool(os.environ.get("SIMCLOCK_ALL_CRASHES"))
TABLES = ("invocations", "slots", "runners", "leases", "triggers", "occurrences")
OPERATIONS = {"create", "get", "swap", "delete", "with_status", "push"}


class Crash(BaseException):
    """The process ends here."""


class Breaking:
    """A store of which one call goes wrong.

    Args:
        store: What it is of.
        count: Returns the number of this call.
        at: Which call goes wrong.
        error: How.
        is_done: Whether what it was to do is done all the same.
    """

    def __init__(self, store, count, at, error, is_done):
        self._store, self._count = store, count
        self._at, self._error, self._is_done = at, error, is_done

    def __getattr__(self, name):
        operation = getattr(self._store, name)
        if name not in OPERATIONS:
            return operation

        def call(*arguments, **options):
            number = next(self._count)
            if number == self._at and not self._is_done:
                raise self._error("before")
            found = operation(*arguments, **options)
            if number == self._at:
                raise self._error("after")
            return found

        return call


class Place:
    """What is kept, and applications on it."""

    def __init__(self, functions):
        self.functions = functions
        self.stores = {name: MemoryRecords() for name in TABLES} | {"queue": MemoryJobs()}
        self.app = functions.app.copy(storage=Storage(**self.stores))

    def breaking(self, at, error, is_done):
        """Return an application whose call of that number goes wrong, and how many there were."""
        count = itertools.count()
        stores = {
            name: Breaking(store, count, at, error, is_done) for name, store in self.stores.items()
        }
        return self.functions.app.copy(storage=Storage(**stores)), count

    def prepare(self):
        """Register triggers of each kind, and have something happen to each."""
        functions, engine = self.functions, self.app.trigger
        made = {
            "single": TriggerBuilder().on_event("a").with_args_from_event(functions.from_event),
            "or": TriggerBuilder().on_event("b").on_event("c").with_logic("OR"),
            "and": TriggerBuilder().on_event("d").on_event("e"),
        }
        for name in ("or", "and"):
            made[name].with_args_from_trigger_context(functions.from_all)
        for each in made.values():
            engine.register(each.build(functions.say.task_id))
        for number in range(2):
            for code in "abcdde":
                engine.emit_event(code, {"number": number})

    def said(self):
        """Return what has fired, by the payloads."""
        ids = self.app.orchestrator.get_task_invocation_ids(self.functions.say.task_id)
        texts = [self.app.orchestrator.get(each).arguments["what"] for each in ids]
        found = map(self.app.serializer.deserialize, texts)
        return sorted(
            each if isinstance(each, str) else "+".join(str(one["number"]) for one in each)
            for each in found
        )

    def check(self):
        """All has fired once, and nothing is left but two parts that wait."""
        assert self.said() == ["0", "0", "0+0", "0+1", "1", "1", "a 0", "a 1"]
        assert self.stores["occurrences"].count() == 0
        states = [each.state for each in self.app.trigger._loop.load()]
        assert [each.outbox for each in states] == [[], [], []]
        assert sum(len(queue) for each in states for queue in each.queues) == 2


@pytest.fixture
def functions(monkeypatch):
    """Return the module of tasks and functions."""
    monkeypatch.syspath_prepend(str(Path(__file__).with_name("modules")))
    return importlib.import_module("trigger_tasks")


def calls_of_a_loop(functions):
    place = Place(functions)
    place.prepare()
    app, count = place.breaking(-1, Crash, is_done=False)
    app.trigger.loop_iteration(1)
    place.check()
    return next(count)


@pytest.mark.parametrize("is_done", [False, True])
def test_a_loop_that_crashes_at_any_call_is_gone_on_with_by_another(functions, is_done):
    crashes = 0
    for at in range(calls_of_a_loop(functions)):
        place = Place(functions)
        place.prepare()
        app, _ = place.breaking(at, Crash, is_done)
        try:
            app.trigger.loop_iteration(1)
        except Crash:
            crashes += 1
        for _ in range(2):
            place.app.trigger.loop_iteration(2)
        place.check()
    assert crashes == at + 1 > 30


@pytest.mark.parametrize("is_done", [False, True])
def test_a_loop_of_which_any_call_fails_goes_on_itself(functions, is_done):
    for at in range(calls_of_a_loop(functions)):
        place = Place(functions)
        place.prepare()
        app, _ = place.breaking(at, StoreError, is_done)
        with pytest.raises(StoreError):
            app.trigger.loop_iteration(1)
        for _ in range(2):
            app.trigger.loop_iteration(1)
        place.check()


@pytest.mark.parametrize("is_done", [False, True])
def test_two_crashes_one_after_the_other(functions, is_done):
    calls = calls_of_a_loop(functions)
    strides = (1, 1) if MORE else (5, 7)
    for first, second in itertools.product(*(range(0, calls, each) for each in strides)):
        place = Place(functions)
        place.prepare()
        for token, at in enumerate((first, second), 1):
            app, _ = place.breaking(at, Crash, is_done)
            with contextlib.suppress(Crash):
                app.trigger.loop_iteration(token)
        for _ in range(2):
            place.app.trigger.loop_iteration(3)
        place.check()


# ------------------------------------------------------------------------------ races

LINES = ["simclock.systems.runners.trigger_loop", "simclock.systems._shared.stores.memory"]


def race(functions, tokens, runs):
    """Let as many loops go at once; each has an application of its own."""

    def scenario():
        place = Place(functions)
        place.prepare()
        apps = [functions.app.copy(storage=Storage(**place.stores)) for _ in tokens]
        threads = [
            threading.Thread(target=app.trigger.loop_iteration, args=(token,))
            for app, token in zip(apps, tokens, strict=True)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        for _ in range(2):
            place.app.trigger.loop_iteration(max(tokens))
        place.check()

    return simclock.explore(scenario, runs=runs, lines=LINES, shrink=0)


@pytest.mark.parametrize("tokens", [(1, 2), (2, 2), (3, 2, 1)])
def test_loops_that_go_at_once_fire_as_one_would(functions, tokens):
    """One of them has lost its lease, and does not know yet."""
    report = race(functions, tokens, runs=500 if MORE else 25)
    assert report.check().verdict == "passed"
    assert report.distinct > 8


def happened_first(step):
    """Return a step that reads what has happened before it reads the triggers."""

    def wrong(self, token):
        happened = self._happened()
        self._happened = lambda: happened
        return step(self, token)

    return wrong


@pytest.mark.slow
@pytest.mark.parametrize("is_right", [True, False])
def test_the_order_in_which_is_read_matters(functions, monkeypatch, is_right):
    """Else another loop may have removed and forgotten what is shown to a trigger then."""
    # Ids that follow from what has happened would hide it.
    monkeypatch.setattr(InvocationId, "derived", lambda *_: InvocationId.new())
    if not is_right:
        monkeypatch.setattr(TriggerLoop, "step", happened_first(TriggerLoop.step))
    runs = 500 if MORE or not is_right else 40
    report = race(functions, (2, 2, 2), runs=runs)

    assert report.verdict == ("passed" if is_right else "failed"), str(report)
