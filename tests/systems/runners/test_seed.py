"""The page that the runners were specified by: its names, signatures, promises."""

from __future__ import annotations

import abc
import asyncio
import inspect
import logging
import os
import signal
import socket
import sys
import threading
import time
import types

import pytest

from simclock.systems.runners.base import BaseRunner
from simclock.systems.runners.context import RunnerContext
from simclock.systems.runners.dummy import DummyRunner, ExternalRunner
from simclock.systems.runners.failures import (
    ConfigError,
    PynencError,
    RunnerNotExecutableError,
    StateBackendError,
)
from simclock.systems.runners.process_per_task import ProcessRunner
from simclock.systems.runners.threads import ThreadRunner

pytestmark = pytest.mark.simclock(processes="simulated")

# Each class of the page: its base, how it is made, its members; as on the page.
PAGE = {
    BaseRunner: {
        "base": abc.ABC,
        "__init__": "(self, app, runner_cache=None, runner_context=None)",
        "logger": "property",
        "runner_context": "property",
        "mem_compatible": "abstract static ()",
        "max_parallel_slots": "abstract property",
        "get_active_child_runner_ids": "abstract (self)",
        "wait_until_stopped": "(self, timeout=2.0)",
        "runner_loop_iteration": "abstract (self)",
        "_on_stop_runner_loop": "abstract (self)",
        "_kill_and_reroute": "(self, invocation_id, runner_ctx=None)",
        "_log_shutdown": "(self, signum)",
        "stop_runner_loop": "(self, signum=None, frame=None)",
        "_waiting_for_results": "abstract (self, running_invocation_id, result_invocation_ids, runner_args=None)",
        "waiting_for_results": "(self, running_invocation_id, result_invocation_ids, runner_args=None)",
        "async_waiting_for_results": "async (self, running_invocation_id, result_invocation_ids, runner_args=None)",
        "init_trigger_tasks_modules": "(self)",
        "_check_atomic_services": "(self)",
        "run": "(self)",
        "_register_new_child_runner_context": "(self, child_context)",
        "_report_child_runner_heartbeats": "(self)",
    },
    DummyRunner: {
        "base": BaseRunner,
        "__init__": "(self, app, runner_cache=None, runner_context=None)",
    },
    ExternalRunner: {
        "base": DummyRunner,
        "__init__": "(self, app, runner_cache=None)",
        "get_default_external_runner_context": "class ()",
    },
}


def described(kind, name):
    """Return a member as the page shows it, without annotations."""
    raw = inspect.getattr_static(kind, name)
    member = getattr(kind, name)
    words = ["abstract"] if getattr(raw, "__isabstractmethod__", False) else []
    if isinstance(raw, property):
        return " ".join([*words, "property"])
    if isinstance(raw, staticmethod | classmethod):
        words.append("static" if isinstance(raw, staticmethod) else "class")
    if inspect.iscoroutinefunction(member):
        words.append("async")
    signature = inspect.signature(member)
    bare = [each.replace(annotation=each.empty) for each in signature.parameters.values()]
    text = str(signature.replace(parameters=bare, return_annotation=signature.empty))
    return " ".join([*words, text])


@pytest.mark.parametrize("kind", PAGE)
def test_names_signatures_and_defaults_are_those_of_the_page(kind):
    expected = dict(PAGE[kind])

    assert kind.__bases__ == (expected.pop("base"),)
    assert {each: described(kind, each) for each in expected} == expected


class PlainRunner(BaseRunner):
    """A runner by the page: it has nothing but what is abstract there."""

    @staticmethod
    def mem_compatible():
        return True

    max_parallel_slots = 3

    def get_active_child_runner_ids(self):
        return self.runner_cache.get("children", [])

    def runner_loop_iteration(self):
        self.runner_cache["turns"] = self.runner_cache.get("turns", 0) + 1
        if self.runner_cache.get("fail"):
            raise self.runner_cache["fail"].pop()

    def _on_stop_runner_loop(self):
        self.runner_cache.setdefault("stops", []).append(time.monotonic())

    def _waiting_for_results(self, running_invocation_id, result_invocation_ids, runner_args=None):
        self.runner_cache["waiting"] = (running_invocation_id, result_invocation_ids, runner_args)


@pytest.fixture
def app(make_app):
    return make_app()


@pytest.fixture
def runner(app):
    return PlainRunner(app)


def test_it_is_abstract(app):
    with pytest.raises(TypeError, match="abstract"):
        BaseRunner(app)


def test_what_it_is_made_of(app):
    cache, context = {"a": 1}, RunnerContext("Mine", "me")
    runner = PlainRunner(app, cache, context)

    assert app.runner is runner
    assert runner.runner_cache is cache
    assert runner.runner_context is context
    assert runner.runner_id == "me"
    assert isinstance(runner.logger, logging.Logger)
    assert runner.conf is app.conf.runner
    assert runner.running is False


def test_without_a_context_it_has_one_of_its_own(app):
    one, other = PlainRunner(app), PlainRunner(app)

    assert one.runner_context.runner_cls == "PlainRunner"
    assert one.runner_id != other.runner_id
    assert one.runner_cache == {}
    assert one.runner_cache is not other.runner_cache


def test_it_turns_until_it_is_stopped(runner, started, sim):
    with started(runner):
        time.sleep(10)
        assert runner.running is True
    assert runner.running is False
    # It sleeps between the turns, longer and longer: from 0.01 to 0.1.
    assert runner.runner_cache["turns"] == pytest.approx(10 / 0.1, abs=5)
    assert len(runner.runner_cache["stops"]) == 1
    assert sim.elapsed == 10


def test_wait_until_stopped(runner, started, sim):
    assert runner.wait_until_stopped() is True
    assert sim.elapsed == 0
    with started(runner):
        time.sleep(1)
        assert runner.wait_until_stopped() is False
        assert sim.elapsed == 3
        assert runner.wait_until_stopped(timeout=0.5) is False
    assert runner.wait_until_stopped() is True


@pytest.mark.parametrize("error", [ValueError("a mistake"), StateBackendError("gone")])
def test_no_failure_ends_the_loop(runner, started, caplog, error):
    runner.runner_cache["fail"] = [error] * 3
    with started(runner):
        time.sleep(5)
        assert runner.running
    assert runner.runner_cache["turns"] > 40
    assert caplog.text.count(str(error)) >= 3


def test_code_that_runs_in_it_has_it_as_the_runner(app, started):
    seen = []

    class Looking(PlainRunner):
        def runner_loop_iteration(self):
            seen.append(app.runner)

    runner = Looking(app)
    other = PlainRunner(app)
    with started(runner):
        time.sleep(1)

    assert set(seen) == {runner}
    assert app.runner is other


def test_a_failure_of_the_start_is_tidied_up(app, started):
    class Failing(PlainRunner):
        def _on_start(self):
            raise LookupError("not here")

        def _on_stop(self):
            self.runner_cache["tidied"] = True
            return ()

    runner = Failing(app)
    with pytest.raises(LookupError, match="not here"):
        runner.run()
    assert runner.runner_cache["tidied"]
    assert runner.wait_until_stopped(0)
    assert app.orchestrator.active_runners() == []


def test_stop_runner_loop_may_be_a_handler_of_signals(app, sim):
    runner = PlainRunner(app)

    def live():
        threading.Timer(3, lambda: runner.stop_runner_loop(signal.SIGTERM, sys._getframe())).start()
        runner.run()

    process = sim.host("one").start(live)
    process.join()

    assert sim.elapsed == 3
    assert process.exitcode == 0


@pytest.mark.parametrize(
    ("signum", "reason"),
    [(None, "normal"), (2, "sigint"), (15, "sigterm"), (10, "unknown"), (35, "unknown")],
)
def test_why_it_stops_is_logged(runner, caplog, signum, reason):
    caplog.set_level("INFO")
    runner._log_shutdown(signum)

    (text,) = caplog.messages
    assert text.startswith(f"PlainRunner {runner.runner_id} stops: {reason}\n")
    assert f"on {socket.gethostname()}, process {os.getpid()}" in text


def test_what_runs_is_logged_at_the_stop(make_app, started, tasks, caplog):
    caplog.set_level("INFO")
    app = make_app()
    with started(ThreadRunner(app)):
        nap = app.call(tasks.nap, 1.0)
        time.sleep(0.5)

    assert f"runs ThreadRunner: runner_tasks.nap {nap.invocation_id}" in caplog.text


def test_kill_and_reroute(app, tasks):
    runner = PlainRunner(app)
    child = runner.runner_context.new_child_context("Child")
    calls = [app.call(tasks.add, number, 1) for number in range(2)]
    for owner in (runner.runner_context, child):
        (stored,) = app.orchestrator.get_invocations_to_run(1, owner)
        app.orchestrator.start(stored.id, owner)

    runner._kill_and_reroute(calls[0].invocation_id)
    runner._kill_and_reroute(calls[1].invocation_id, child)

    for each in calls:
        assert app.history(each)[-2:] == ["killed", "rerouted"]


def test_what_is_final_is_not_rerouted(make_app, started, tasks, caplog):
    app = make_app()
    runner = ThreadRunner(app)
    with started(runner):
        done = app.call(tasks.add, 1, 1)
        done.get_result(timeout=60)
    runner._kill_and_reroute(done.invocation_id)

    assert done.status.value == "success"
    assert caplog.messages == []


def test_what_another_one_owns_is_not_rerouted(app, tasks, caplog):
    runner, other = PlainRunner(app), PlainRunner(app)
    call = app.call(tasks.add, 1, 1)
    list(app.orchestrator.get_invocations_to_run(1, other.runner_context))

    runner._kill_and_reroute(call.invocation_id)

    assert call.status.value == "pending"
    assert "is not rerouted" in caplog.text


def test_who_waits_is_given_to_the_hook(runner, sim):
    runner.waiting_for_results("me", ["it"], {"timeout": 1.0})

    assert runner.runner_cache["waiting"] == ("me", ["it"], {"timeout": 1.0})
    assert sim.elapsed == 0


def test_who_is_no_invocation_waits_by_itself(app, tasks, sim):
    runner = PlainRunner(app)
    call = app.call(tasks.add, 1, 1)
    runner.waiting_for_results(None, [call.invocation_id], {"timeout": 3.0})
    assert sim.elapsed == 3

    threading.Timer(2, lambda: finish(app, call)).start()
    runner.waiting_for_results(None, [call.invocation_id])
    assert sim.elapsed == 5
    assert "waiting" not in runner.runner_cache


def finish(app, call):
    owner = RunnerContext("Somebody")
    for stored in app.orchestrator.get_invocations_to_run(1, owner):
        app.orchestrator.start(stored.id, owner)
        app.orchestrator.succeed(stored.id, owner, "3")


def test_coroutines_wait_without_blocking_their_loop(app, tasks, sim):
    runner = PlainRunner(app)
    call = app.call(tasks.add, 1, 1)
    threading.Timer(3.5, lambda: finish(app, call)).start()

    async def tick():
        while True:
            await asyncio.sleep(1)
            ticks.append(sim.elapsed)

    async def main():
        ticking = asyncio.ensure_future(tick())
        await runner.async_waiting_for_results(None, [call.invocation_id])
        ticking.cancel()

    ticks = []
    asyncio.run(main())
    assert ticks == [1, 2, 3]
    assert sim.elapsed == 3.5


def test_coroutines_that_wait_can_be_cancelled(app, tasks, sim):
    runner = PlainRunner(app)
    call = app.call(tasks.add, 1, 1)

    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(
                runner.async_waiting_for_results(None, [call.invocation_id]), 2.0
            )

    asyncio.run(main())
    assert sim.elapsed == 2


def test_modules_of_triggers_are_imported(make_app, monkeypatch, tmp_path):
    (tmp_path / "runner_triggers_here.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    runner = PlainRunner(make_app(trigger_task_modules=("runner_triggers_here",)))

    runner.init_trigger_tasks_modules()

    assert isinstance(sys.modules.pop("runner_triggers_here"), types.ModuleType)


def test_a_module_that_is_not_there_keeps_it_from_running(make_app):
    runner = PlainRunner(make_app(trigger_task_modules=("nowhere_at_all",)))

    with pytest.raises(ConfigError, match="cannot be imported: 'nowhere_at_all'"):
        runner.run()
    assert runner.wait_until_stopped(0)


@pytest.mark.parametrize("error", [PynencError("of the library"), LookupError("a mistake")])
def test_errors_of_atomic_services_are_logged(runner, started, caplog, error):
    def fail():
        raise error

    runner._check_atomic_services()
    runner._services.check = fail
    with started(runner):
        time.sleep(1)
    assert str(error) in caplog.text
    assert runner.runner_cache["turns"] > 5


def test_children_do_not_do_what_a_cluster_does_once(app):
    parent = PlainRunner(app)
    child = PlainRunner(app, None, parent.runner_context.new_child_context("Child"))

    child._check_atomic_services()

    assert child._services is None


def test_a_child_has_a_heartbeat_from_the_beginning(runner):
    child = runner.runner_context.new_child_context("Child")
    runner._register_new_child_runner_context(child)

    assert runner.app.orchestrator.active_runners() == [child]


def test_heartbeats_are_of_those_children_that_live(runner, monkeypatch):
    children = [runner.runner_context.new_child_context("Child") for _ in range(2)]
    for each in children:
        runner._register_new_child_runner_context(each)
    runner.runner_cache["children"] = [children[1].runner_id, "unknown"]
    told = []
    monkeypatch.setattr(runner.app.orchestrator, "register_runner_heartbeats", told.extend)

    runner._report_child_runner_heartbeats()

    assert told == [children[1]]


def test_it_has_a_heartbeat_before_its_first_turn(app, started):
    seen = []

    class Looking(PlainRunner):
        def runner_loop_iteration(self):
            seen.append(self.app.orchestrator.active_runners())

    with started(Looking(app)) as runner:
        time.sleep(1)
    assert seen[0] == [runner.runner_context]


def test_children_that_live_have_heartbeats_by_their_parent(runner, started):
    children = [runner.runner_context.new_child_context("Child") for _ in range(2)]
    for each in children:
        runner._register_new_child_runner_context(each)
    runner.runner_cache["children"] = [children[1].runner_id]
    with started(runner):
        for _ in range(10):
            time.sleep(20)
            alive = runner.app.orchestrator.active_runners()
        # The other one is dead for who has watched it for so long.
        assert alive == [children[1], runner.runner_context]


def test_a_runner_that_is_stuck_has_heartbeats(app, started, sim):
    class Stuck(PlainRunner):
        def runner_loop_iteration(self):
            time.sleep(1000)

    runner = Stuck(app)
    with started(runner, timeout=2000):
        for _ in range(30):
            time.sleep(20)
            assert app.orchestrator.active_runners() == [runner.runner_context]
    assert app.orchestrator.active_runners() == []


@pytest.mark.parametrize("kind", [DummyRunner, ExternalRunner])
def test_places_outside_run_nothing(app, tasks, kind, sim):
    runner = kind(app)

    for call in (runner.run, runner.stop_runner_loop, runner.runner_loop_iteration):
        with pytest.raises(RunnerNotExecutableError, match=f"{kind.__name__} runs nothing"):
            call()
    assert runner.wait_until_stopped() is True
    assert runner.mem_compatible() is True
    assert runner.max_parallel_slots == 0
    assert runner.get_active_child_runner_ids() == []
    runner.waiting_for_results(None, [app.call(tasks.add, 1, 1).invocation_id], {"timeout": 2})
    assert sim.elapsed == 2


def test_a_process_outside_is_known_by_its_machine_and_number(app):
    context = ExternalRunner.get_default_external_runner_context()

    assert context.runner_id == f"{socket.gethostname()}-{os.getpid()}"
    assert context.runner_cls == "ExternalRunner"
    assert ExternalRunner(app).runner_id == context.runner_id


def test_which_runners_may_have_invocations_in_memory():
    assert ThreadRunner.mem_compatible()
    assert not ProcessRunner.mem_compatible()
