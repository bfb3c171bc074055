"""Plugins add lines to the report of a deadlock, and never hide it."""

from __future__ import annotations

import threading
import time

import pytest

import simclock


def report():
    """Run into a deadlock; return what the report says below the stacks."""
    with pytest.raises(simclock.Deadlock) as caught, simclock.Simulation():
        threading.Lock()
        threading.Thread(target=threading.Event().wait, name="worker").start()
        threading.Event().wait()
    lines = str(caught.value).splitlines()
    return [line for line in lines[:-1] if line.startswith("  ") and line[2] == "*"]


def test_each_describer_adds_lines_the_last_registered_first(plug_in):
    def names(simulation, threads):
        return [f"* {len(threads)}: {', '.join(thread.name for thread in threads)}"]

    plug_in("first", simclock_describe_deadlock=names)
    plug_in(
        "second",
        simclock_describe_deadlock=lambda simulation: [
            f"* after {simulation.elapsed} s\n* of {len(simulation.threads)}"
        ],
    )

    assert report() == ["  * after 0.0 s", "  * of 2", "  * 2: root, worker"]


@pytest.mark.parametrize("error", [ValueError("by design"), simclock.PluginError("its own")])
def test_one_that_raises_is_named_and_the_others_are_heard(plug_in, error):
    def fails():
        raise error

    plug_in("first", simclock_describe_deadlock=lambda: ["* heard"])
    plug_in("failing", simclock_describe_deadlock=fails)

    with pytest.raises(simclock.Deadlock) as caught, simclock.Simulation():
        threading.Event().wait()

    assert str(caught.value).splitlines()[-3:-1] == [
        f"  plugin 'failing' failed in simclock_describe_deadlock: {error!r}",
        "  * heard",
    ]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("finder", ["root", "thread", "thread's end"])
def test_what_is_to_end_the_program_goes_through_a_describer(plug_in, error, finder):
    asked = []

    def ends():
        asked.append(True)
        raise error

    plug_in("ending", simclock_describe_deadlock=ends)

    def work():
        time.sleep(1)
        if finder == "thread":
            threading.Event().wait()

    with pytest.raises(type(error)) as caught, simclock.Simulation():
        if finder != "root":
            threading.Thread(target=work, name="finder", daemon=True).start()
        threading.Event().wait()

    assert caught.value is error
    assert len(asked) == 1


def test_one_that_returns_no_list_is_named(plug_in):
    plug_in("chatty", simclock_describe_deadlock=lambda: "text")

    with pytest.raises(simclock.Deadlock) as caught, simclock.Simulation():
        threading.Event().wait()

    assert "\n  plugin 'chatty' returned 'text' from simclock_describe_deadlock\n" in str(
        caught.value
    )


def test_one_may_be_registered_while_a_simulation_is_open(plug_in):
    with pytest.raises(simclock.Deadlock, match=r"\n  \* late\n"), simclock.Simulation():
        plug_in(simclock_describe_deadlock=lambda: ["* late"])
        threading.Event().wait()
