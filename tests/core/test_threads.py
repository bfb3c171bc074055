from __future__ import annotations

import gc
import threading

from simclock import SimThread, ThreadState
from simclock._core.choices import Canonical, ChoicePoint
from simclock._core.waits import FOREIGN, Wait


def test_a_thread_is_named_after_its_python_thread_while_that_lives():
    thread = SimThread("0.3", None, "function", daemon=False)
    assert thread.name == "function"
    assert thread.python_thread is None

    python_thread = threading.Thread(name="worker")
    thread.name_after(python_thread)
    assert thread.name == "worker"
    python_thread.name = "renamed"
    assert thread.name == "renamed"
    assert thread.python_thread is python_thread

    del python_thread
    gc.collect()
    assert thread.name == "function"
    assert thread.python_thread is None


def test_the_states_of_a_thread():
    thread = SimThread("0.1", None, "worker", daemon=True)
    assert thread.state is ThreadState.RUNNABLE
    assert thread.waiting_for is None
    assert repr(thread) == "<SimThread 0.1 'worker' runnable>"

    thread.wait = Wait(thread, "lock", None, None, 0)
    assert thread.state is ThreadState.BLOCKED
    assert thread.waiting_for == "lock"
    assert repr(thread) == "<SimThread 0.1 'worker' blocked>"

    thread.finished = True
    assert thread.state is ThreadState.FINISHED

    thread.abandoned = True
    assert thread.state is ThreadState.ABANDONED
    assert repr(thread) == "<SimThread 0.1 'worker' abandoned>"


def test_the_canonical_choice_is_always_the_first_and_nobody_has_to_ask():
    canonical = Canonical()

    assert not canonical.interested
    assert [canonical.choose(ChoicePoint("thread", bound)) for bound in (2, 3, 100)] == [0, 0, 0]


def test_the_foreign_owner_has_a_name_for_reports():
    assert FOREIGN.name == "a foreign thread"
