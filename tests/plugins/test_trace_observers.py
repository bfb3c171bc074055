"""An observer sees each record when it is added, and nothing else changes."""

from __future__ import annotations

import threading
import time

import pytest

import simclock


def work():
    thread = threading.Thread(target=time.sleep, args=(2,))
    thread.start()
    thread.join()


def test_it_sees_each_record_at_once(plug_in):
    seen = []

    def note(record):
        seen.append((record.kind, sim.trace.records[-1] == record))

    plug_in(simclock_trace_observers=lambda: [note])

    with simclock.Simulation() as sim:
        work()

    assert [kind for kind, _ in seen] == [record.kind for record in sim.trace.records]
    assert {last for _, last in seen} == {True}


def test_that_of_the_last_registered_plugin_comes_first(plug_in):
    seen = []
    for name in ("first", "second", "third"):
        plug_in(name, simclock_trace_observers=lambda name=name: [lambda _: seen.append(name)])

    with simclock.Simulation() as sim:
        sim.checkpoint("here")

    assert seen == ["third", "second", "first"]


def test_it_gets_typed_records(plug_in):
    seen = []
    plug_in(simclock_trace_observers=lambda: [seen.append])

    with simclock.Simulation() as sim:
        sim.checkpoint("here")
        time.sleep(2)

    assert [type(record) for record in seen] == [simclock.Record] * 3
    assert [(record.time_ns, record.kind) for record in seen] == [
        (1000_000_000_000, "mark"),
        (1000_000_000_000, "park"),
        (1002_000_000_000, "jump"),
    ]


def test_the_trace_is_the_same_without_it(plug_in):
    with simclock.Simulation() as before:
        work()
    plug_in(simclock_trace_observers=lambda simulation: [lambda record: time.sleep(0)])

    with simclock.Simulation() as observed:
        work()

    assert observed.trace.digest == before.trace.digest


def test_without_observers_the_trace_is_a_plain_one(plug_in):
    plugin = plug_in(simclock_trace_observers=lambda: None)
    simclock.unregister(plugin)

    with simclock.Simulation() as sim:
        assert type(sim.trace) is simclock.Trace


def test_each_simulation_has_its_own(plug_in):
    seen = []

    def observers(simulation):
        seen.append([])
        return [seen[-1].append]

    plug_in(simclock_trace_observers=observers)
    with simclock.Simulation() as outer:
        with simclock.Simulation() as inner:
            inner.checkpoint("inner")
        outer.checkpoint("outer")

    marks = [[record.detail for record in log if record.kind == "mark"] for log in seen]
    assert marks == [["outer"], ["inner"]]


def test_the_simulation_is_given_to_be_kept(plug_in):
    kept = []

    def observers(simulation):
        kept.append(simulation)

    plug_in(simclock_trace_observers=observers)

    with simclock.Simulation() as sim:
        pass

    assert kept == [sim]


def test_one_that_raises_fails_the_run_and_is_called_no_more(plug_in):
    calls, others = [], []

    def careless(record):
        calls.append(record.kind)
        raise KeyError(record.kind)

    plug_in(
        "progress", simclock_trace_observers=lambda: [careless, lambda r: others.append(r.kind)]
    )

    with pytest.raises(simclock.PluginError) as caught, simclock.Simulation() as sim:
        work()

    assert str(caught.value).splitlines()[::2] == [
        (
            "trace observer test_one_that_raises_fails_the_run_and_is_called_no_more.<locals>."
            "careless of plugin 'progress' failed: KeyError('start')"
        ),
        "mend it, or unregister the plugin",
    ]
    assert sim.failure is caught.value
    assert calls == ["start"]
    assert others == [record.kind for record in sim.trace.records]
    assert others[:2] == ["start", "fail"]


def test_one_that_raises_where_nobody_waits_any_more_fails_the_run_too(plug_in):
    def careless(record):
        if record.kind == "end":
            raise LookupError

    plug_in("progress", simclock_trace_observers=lambda: [careless])

    with (
        pytest.raises(simclock.PluginError, match=r"of plugin 'progress' failed: LookupError\(\)"),
        simclock.Simulation(),
    ):
        threading.Thread(target=time.sleep, args=(2,)).start()


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_what_is_to_end_the_program_ends_the_run_as_it_is(plug_in, error):
    def ends(record):
        if record.kind == "end":
            raise error

    plug_in("progress", simclock_trace_observers=lambda: [ends])

    with pytest.raises(type(error)) as caught, simclock.Simulation():
        threading.Thread(target=time.sleep, args=(2,)).start()

    assert caught.value is error


def test_one_that_waits_in_the_simulation_is_told(plug_in):
    plug_in(simclock_trace_observers=lambda simulation: [lambda record: simulation.settle()])

    with (
        pytest.raises(
            simclock.PluginError,
            match="only a thread of the innermost simulation can wait in it",
        ),
        simclock.Simulation(),
    ):
        work()


def test_what_cannot_be_called_is_refused(plug_in):
    plug_in("odd", simclock_trace_observers=lambda: ["printed"])

    with pytest.raises(simclock.PluginError) as caught, simclock.Simulation():
        pass

    assert str(caught.value) == (
        "plugin 'odd' returned 'printed' from simclock_trace_observers\n"
        "return a list of functions that take a Record"
    )
    assert simclock.active() is None
