"""Where the original's application, identities and invocations are kept as they are."""

from __future__ import annotations

import dataclasses
import inspect
import pickle
import sys
import textwrap

import pytest

from simclock.systems.runners.app import Pynenc
from simclock.systems.runners.arguments import Arguments
from simclock.systems.runners.calls import Call, LazyCall, PreSerializedCall
from simclock.systems.runners.config import Config
from simclock.systems.runners.context import RunnerContext, current
from simclock.systems.runners.failures import ConfigError
from simclock.systems.runners.finding import RUNNERS, runner_class
from simclock.systems.runners.identifiers import NO_ARGS, CallId, InvocationId, TaskId
from simclock.systems.runners.invocations import DistributedInvocation
from simclock.systems.runners.options import ConcurrencyControlType, TaskOptions
from simclock.systems.runners.storage import open_storage
from simclock.systems.runners.tasks import Task
from simclock.systems.runners.trigger_builder import TriggerBuilder

pytestmark = pytest.mark.simclock
declared = Pynenc({"app_id": "seed"})


@declared.task
def add(one, two=2):
    return one + two


@declared.task
def nothing():
    """Takes no arguments."""


# Names, and how they are called; `self` and annotations left out. What comes after `*` is new.
SIGNATURES = {
    Pynenc: "(config_values=None, config_filepath=None, *, storage=None)",
    Pynenc.purge: "(self)",
    Pynenc.register_deferred_triggers: "(self)",
    Pynenc.get_task: "(self, task_id)",
    Task.__call__: "(self, *args, **kwargs)",
    Task.parallelize: "(self, parameters, common_args=None)",
    Task.args: "(self, *args, **kwargs)",
    RunnerContext.new_child_context: "(self, runner_cls, runner_id=None)",
    RunnerContext.to_json: "(self)",
    RunnerContext.from_json: "(text)",
}
PROPERTIES = {
    Pynenc: ["app_id", "orchestrator", "trigger", "serializer", "runner", "tasks", "logger"],
    Task: ["app", "logger", "invocation"],
    DistributedInvocation: ["status", "result", "num_retries", "call", "arguments", "task"],
    RunnerContext: ["root_runner_id", "root_runner_cls"],
}
# With their defaults; those of the spec that are there, all but workflows and caches of results.
OPTIONS = {
    "parallel_batch_size": 100,
    "max_retries": 0,
    "running_concurrency": ConcurrencyControlType.DISABLED,
    "registration_concurrency": ConcurrencyControlType.DISABLED,
    "key_arguments": (),
    "on_diff_non_key_args_raise": False,
    "disable_cache_args": (),
    "reroute_on_concurrency_control": False,
    "triggers": None,
}
DEFAULTS = {
    "app_id": "pynenc",
    "runner_cls": "DummyRunner",
    "dev_mode_force_sync_tasks": False,
    "logging_level": "info",
    "cached_status_time": 0.1,
    "argument_print_mode": "TRUNCATED",
    "truncate_arguments_length": 32,
    "orchestrator.max_pending_seconds": 5.0,
    "orchestrator.auto_final_invocation_purge_hours": 24.0,
    "runner.runner_loop_sleep_time_sec": 0.1,
    "runner.invocation_wait_results_sleep_time_sec": 0.1,
    "runner.min_parallel_slots": 1,
    "thread_runner.min_threads": 1,
    "thread_runner.max_threads": 0,
    "multi_thread_runner.min_threads": 1,
    "multi_thread_runner.max_threads": 1,
    "multi_thread_runner.min_processes": 1,
    "multi_thread_runner.max_processes": 0,
    "multi_thread_runner.idle_timeout_process_sec": 4.0,
    "multi_thread_runner.enforce_max_processes": True,
    "persistent_process_runner.num_processes": 0,
}


def shown(function):
    signature = inspect.signature(function)
    bare = [
        each.replace(annotation=each.empty, default=None if each.default is ... else each.default)
        for each in signature.parameters.values()
    ]
    return str(signature.replace(parameters=bare, return_annotation=signature.empty))


@pytest.mark.parametrize("function", SIGNATURES, ids=lambda each: each.__qualname__)
def test_signatures(function):
    assert shown(function) == SIGNATURES[function]


@pytest.mark.parametrize("kind", PROPERTIES, ids=lambda each: each.__name__)
def test_properties(kind):
    for name in PROPERTIES[kind]:
        member = inspect.getattr_static(kind, name)
        assert isinstance(member, property) or type(member).__name__ == "cached_property"


def test_options_and_their_defaults():
    options = TaskOptions()

    assert {name: getattr(options, name) for name in OPTIONS} == OPTIONS


def test_settings_and_their_defaults():
    found = {}
    for path in DEFAULTS:
        value = Config()
        for name in path.split("."):
            value = getattr(value, name)
        found[path] = value

    assert found == DEFAULTS


# ----------------------------------------------------------------------------- 5.1 identities


def test_a_task_is_known_by_its_module_and_function():
    assert add.task_id == TaskId(__name__, "add")
    assert add.task_id.key == f"{__name__}.add"
    assert TaskId.from_key(add.task_id.key) == add.task_id


def test_a_call_without_arguments_has_a_name_for_that():
    app = declared.copy()

    assert app.get_task(nothing.task_id)().call.call_id == CallId(nothing.task_id, NO_ARGS)


def test_calls_are_made_of_values_of_texts_or_of_both():
    app = declared.copy()
    task = app.get_task(add.task_id)
    call = Call(task, task.args(1))
    both = PreSerializedCall(task, task.args(1, two=2), {"two": app.serializer.serialize(2)})
    stored = app.orchestrator.get(task(1).invocation_id)
    lazy = LazyCall(task, stored)

    assert call.call_id == both.call_id == lazy.call_id
    assert call.serialized_arguments == both.serialized_arguments == stored.arguments
    assert lazy.arguments.kwargs == {"one": 1, "two": 2}


def test_an_argument_is_made_of_its_text_when_somebody_asks_for_it(monkeypatch):
    app = declared.copy()
    task = app.get_task(add.task_id)
    stored = app.orchestrator.get(task(1).invocation_id)
    monkeypatch.setattr(app.serializer, "deserialize", lambda text: pytest.fail("too early"))
    lazy = LazyCall(task, stored)

    assert lazy.call_id == stored.call_id


def test_defaults_are_arguments():
    assert Arguments.from_call(add.func, 1).kwargs == {"one": 1, "two": 2}


# ---------------------------------------------------------------------------- 5.2 application


def test_parts_are_made_when_they_are_needed():
    app = Pynenc({"storage_url": "sqlite:////nowhere/at/all.db", "runner_cls": "DummyRunner"})

    assert app.storage is app.storage
    assert app.serializer is app.serializer
    assert app.orchestrator is app.orchestrator


@pytest.mark.parametrize(
    ("values", "part", "said"),
    [
        ({"storage_url": "ftp://x"}, "storage", "ftp"),
        ({"serializer_cls": "Yaml"}, "serializer", "there is no such serializer: 'Yaml'"),
        (
            {"runner_cls": "Jumper"},
            "runner",
            "there is no such class of runners: 'Jumper'\ngive one",
        ),
    ],
)
def test_a_part_that_there_is_not_is_told(values, part, said):
    with pytest.raises(ConfigError) as caught:
        getattr(Pynenc(values), part)

    assert said in str(caught.value)


@pytest.mark.parametrize("name", RUNNERS)
def test_each_class_of_runners_is_there(name):
    assert runner_class(name).__name__ == name


def test_the_current_runner_comes_before_the_one_that_was_made_last():
    app = Pynenc()
    default = app.runner
    made = runner_class("ThreadRunner")(app)
    with current(app, default):
        inside = app.runner

    assert type(default).__name__ == "DummyRunner"
    assert (inside, app.runner) == (default, made)


def test_tasks_are_found_by_their_ids(tmp_path, monkeypatch):
    """Their modules are imported; and the application may have been made twice, as in a child."""
    text = """
        from simclock.systems.runners.app import Pynenc
        app = Pynenc({"app_id": "seed"})
        other = Pynenc({"app_id": "other"})

        @app.task(max_retries=3)
        def one(): ...

        @app.direct_task
        def two(): ...

        @other.task
        def three(): ...
    """
    (tmp_path / "of_the_seed.py").write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(str(tmp_path))
    app = Pynenc({"app_id": "seed"})
    try:
        assert app.get_task(TaskId("of_the_seed", "one")).options.max_retries == 3
        assert app.get_task(TaskId("of_the_seed", "two")).app is app
        with pytest.raises(LookupError, match=r"there is no task of_the_seed\.three"):
            app.get_task(TaskId("of_the_seed", "three"))
        assert sorted(each.func_name for each in app.tasks) == ["one", "two"]
    finally:
        sys.modules.pop("of_the_seed", None)


def test_a_copy_has_the_same_tasks_also_those_that_come_later():
    app = Pynenc({"app_id": "seed"})
    copy = app.copy()
    task = app.task(nothing.func)

    assert copy.get_task(task.task_id).definition is task.definition
    assert copy.get_task(task.task_id).app is copy
    assert (copy.app_id, copy.conf) == (app.app_id, app.conf)
    assert copy.storage is not app.storage


@pytest.fixture
def stored_app(tmp_path):
    app = Pynenc({"app_id": f"seed of {tmp_path}", "storage_url": f"sqlite:///{tmp_path}/x.db"})
    yield app
    app.close()


def test_unpickled_there_is_one_of_each_id_and_storage(stored_app, tmp_path):
    one, two = (pickle.loads(pickle.dumps(stored_app)) for _ in range(2))
    other = pickle.loads(
        pickle.dumps(
            Pynenc({"app_id": stored_app.app_id, "storage_url": f"sqlite:///{tmp_path}/y.db"})
        )
    )

    assert one is two
    assert one is not other
    assert one.storage.prefix == stored_app.storage.prefix
    assert (one.conf, one.app_id) == (stored_app.conf, stored_app.app_id)
    one.close()


def test_unpickled_it_has_the_storage_that_was_given(tmp_path):
    storage = open_storage(f"sqlite:///{tmp_path}/x.db", "a prefix of its own")
    again = pickle.loads(pickle.dumps(Pynenc(storage=storage)))

    assert (again.storage.url, again.storage.prefix) == (storage.url, storage.prefix)


def open_elsewhere(url, prefix):
    """Open a storage of a kind of its own: what others would find at that URL."""
    stored = open_storage(url.replace("mine://", "sqlite:///"), prefix)
    return dataclasses.replace(stored, url=url, opener=open_elsewhere)


def test_unpickled_its_storage_is_opened_by_what_it_names(tmp_path):
    app = Pynenc({"app_id": "mine"}, storage=open_elsewhere(f"mine://{tmp_path}/x.db", "shop"))
    app.storage.runners.create("key", "new", 1, at=1)
    again, storage = pickle.loads(pickle.dumps((app, app.storage)))

    for each in (again.storage, storage):
        assert (each.url, each.prefix) == (app.storage.url, "shop")
        assert each.runners.get("key").value == 1
        each.close()
    app.close()


def test_tasks_and_invocations_may_be_pickled(stored_app):
    task = stored_app.task(add.func)
    invocation = task(1)
    unpickled = pickle.loads(pickle.dumps(stored_app))
    unpickled.task(add.func)
    again = pickle.loads(pickle.dumps((task, invocation)))

    assert again[0] is unpickled.get_task(task.task_id)
    assert again[1] == invocation
    assert again[1].arguments.kwargs == {"one": 1, "two": 2}
    unpickled.close()


def test_what_is_in_the_memory_of_this_process_is_not_pickled():
    for url in ("memory://", "memory://seed"):
        with pytest.raises(
            TypeError, match="application 'pynenc' cannot be pickled: its storage is of this"
        ):
            pickle.dumps(Pynenc({"storage_url": url}))


def test_triggers_of_tasks_are_registered_when_somebody_says_so():
    app = Pynenc()
    task = app.task(triggers=TriggerBuilder().on_event("opened"))(add.func)
    before = app.trigger.definitions()
    app.register_deferred_triggers()
    app.register_deferred_triggers()

    assert before == []
    assert [each.task_id for each in app.trigger.definitions()] == [task.task_id]


def test_purge_removes_all():
    app = declared.copy()
    task = app.get_task(add.task_id)
    task.parallelize([(each,) for each in range(3)])
    app.purge()

    assert app.orchestrator.count_invocations() == 0
    assert app.storage.queue.counts(0).ready == 0


# ---------------------------------------------------------------------------- 5.7 invocations


def test_ids_of_invocations_are_texts_that_nobody_else_has():
    one, two = InvocationId.new(), InvocationId.new()

    assert isinstance(one, str)
    assert one != two


def test_an_invocation_is_known_wherever_its_storage_is():
    app = declared.copy()
    invocation = app.get_task(add.task_id)(1)
    elsewhere = declared.copy(storage=app.storage)

    assert DistributedInvocation(elsewhere, invocation.invocation_id).task.app is elsewhere
