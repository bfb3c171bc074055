"""Identities of runners, and what is current where."""

from __future__ import annotations

import asyncio
import contextvars
import os
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simclock.systems.runners.app import Pynenc
from simclock.systems.runners.context import (
    CurrentInvocation,
    RunnerContext,
    current,
    current_app,
    current_invocation,
    current_runner,
    running,
)
from simclock.systems.runners.failures import InvocationInterrupted
from simclock.systems.runners.identifiers import InvocationId

pytestmark = pytest.mark.simclock
contexts = st.recursive(
    st.builds(RunnerContext, st.text(), st.text(), pid=st.integers(), hostname=st.text()),
    lambda parents: st.builds(RunnerContext, st.text(), st.text(), parents),
    max_leaves=4,
)


def test_a_context_says_where_it_was_made():
    context = RunnerContext("ThreadRunner")

    assert (context.pid, context.hostname) == (os.getpid(), socket.gethostname())
    assert context.thread_id == threading.get_ident()
    assert context.runner_id != RunnerContext("ThreadRunner").runner_id


def test_children_know_the_first_of_their_line():
    root = RunnerContext("MultiThreadRunner", "root")
    grandchild = root.new_child_context("ProcessWorker").new_child_context("ThreadRunner", "last")

    assert (root.root_runner_id, root.root_runner_cls) == ("root", "MultiThreadRunner")
    assert (grandchild.root_runner_id, grandchild.root_runner_cls) == ("root", "MultiThreadRunner")
    assert (grandchild.runner_cls, grandchild.runner_id) == ("ThreadRunner", "last")
    assert grandchild.parent_ctx.parent_ctx == root


@given(context=contexts)
def test_a_context_comes_back_from_its_text(context):
    assert RunnerContext.from_json(context.to_json()) == context


GOOD = RunnerContext("x", "y", RunnerContext("x", "z"), 1, "host", 2).to_json()
BAD = {
    "nothing": "",
    "a number": "3",
    "a list": "[]",
    "an empty object": "{}",
    "without an id": GOOD.replace('"runner_id": "y"', '"runner_id": null'),
    "a wrong type": GOOD.replace('"host"', "3"),
    "an unknown name": GOOD.replace('"pid"', '"bid"'),
    "a wrong parent": GOOD.replace('"parent_ctx": null', '"parent_ctx": 3'),
    "too deep": "[" * 100_000,
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_another_text_is_refused(text):
    RunnerContext.from_json(GOOD)
    with pytest.raises(ValueError, match="text is no runner's context: "):
        RunnerContext.from_json(text)


# -------------------------------------------------------------------------- what is current


class Runner:
    """Stands for one."""


def invocation_of(app, number="1", waits=None):
    return CurrentInvocation(
        InvocationId(number), app, RunnerContext("x"), waits or Runner(), threading.Event()
    )


def test_outside_nothing_is_current():
    assert (current_runner("x"), current_app("x"), current_invocation()) == (None, None, None)
    assert current_invocation("x") is None


def test_a_runner_is_current_in_its_block_for_its_application():
    app, runner = Pynenc({"app_id": "one"}), Runner()
    with current(app, runner):
        inside = current_runner("one"), current_app("one"), current_runner("two"), app.runner

    assert inside == (runner, app, None, runner)
    assert current_runner("one") is None


def test_an_invocation_is_current_in_its_block():
    one, two, runner = Pynenc({"app_id": "one"}), Pynenc({"app_id": "two"}), Runner()
    outer, inner = invocation_of(one, waits=runner), invocation_of(two, "2")
    with running(outer), running(inner):
        inside = [current_invocation(each) for each in (None, "one", "two")]
        runners = [current_runner(each) for each in ("one", "two")]

    assert inside == [inner, outer, inner]
    assert runners == [runner, inner.waits]
    assert current_invocation() is None


async def test_coroutines_of_one_thread_have_each_their_own():
    app = Pynenc({"app_id": "one"})

    async def body(number):
        with running(invocation_of(app, number)):
            await asyncio.sleep(1)
            return current_invocation().id

    assert await asyncio.gather(body("1"), body("2")) == ["1", "2"]


def test_another_thread_has_none_unless_it_is_given_it():
    app, found = Pynenc({"app_id": "one"}), []

    def look():
        found.append(current_invocation())

    def in_thread(call):
        # Some versions give a thread the context of its starter.
        thread = threading.Thread(target=contextvars.Context().run, args=(call,))
        thread.start()
        thread.join()

    with running(invocation_of(app)) as _:
        given_it = contextvars.copy_context()
        in_thread(look)
        in_thread(lambda: given_it.run(look))

    assert [each and each.id for each in found] == [None, "1"]


def test_a_checkpoint_ends_a_body_that_should_stop():
    invocation = invocation_of(Pynenc())
    invocation.checkpoint()
    invocation.stop.set()

    assert invocation.should_stop
    with pytest.raises(InvocationInterrupted):
        invocation.checkpoint()
    assert not issubclass(InvocationInterrupted, Exception)
