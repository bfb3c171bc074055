"""The Chrome trace: what Perfetto reads."""

from __future__ import annotations

import json
import logging
import time

import simclock


def scenario():
    simclock.active().checkpoint("here")
    time.sleep(1.5)
    logging.getLogger("shop").error("sold out")


def chosen(trace, **wanted):
    return [
        event
        for event in trace["traceEvents"]
        if all(event.get(key) == value for key, value in wanted.items())
    ]


def test_the_whole_trace_of_a_small_run(run):
    trace = simclock.Timeline(run(scenario)[0], title="t", details={"again": "x"}).chrome_trace()

    assert trace["displayTimeUnit"] == "ns"
    assert trace["otherData"] == {
        "title": "t", "verdict": "passed", "error": "", "seed": 0, "again": "x",
    }  # fmt: skip
    assert [(e["name"], e["args"]) for e in chosen(trace, ph="M", pid=1)] == [
        ("process_name", {"name": "virtual time"}),
        ("process_sort_index", {"sort_index": 1}),
        ("thread_name", {"name": "the clock"}),
        ("thread_sort_index", {"sort_index": 0}),
        ("thread_name", {"name": "root (0)"}),
        ("thread_sort_index", {"sort_index": 1}),
    ]
    assert [(e["name"], e["ts"], e["dur"]) for e in chosen(trace, ph="X", pid=1)] == [
        ("running", 0.0, 0.0),
        ("waits: sleep", 0.0, 1_500_000.0),
        ("running", 1_500_000.0, 0.0),
    ]
    assert [(e["name"], e["ts"], e["dur"]) for e in chosen(trace, ph="X", pid=2)] == [
        ("running", 0, 1),
        ("waits: sleep", 1, 1),
        ("running", 2, 1),
    ]
    assert [(e["name"], e["tid"], e["ts"]) for e in chosen(trace, ph="i", pid=1)] == [
        ("mark: here", 1, 0.0),
        ("jump", 0, 1_500_000.0),
        ("ERROR: sold out", 1, 1_500_000.0),
    ]


def test_a_span_tells_the_line_of_the_program(run):
    trace = simclock.Timeline(run(scenario)[0]).chrome_trace()

    (wait,) = chosen(trace, ph="X", pid=1, cat="waiting")
    assert wait["args"]["source"] == "time.sleep(1.5)"
    assert wait["args"]["line"].startswith("test_chrome.py:")
    assert wait["args"]["line"].endswith(" in scenario")


def test_each_state_has_words(deadlocked):
    named = {event["name"] for event in chosen(deadlocked.chrome_trace(), ph="X")}

    # Up to 3.12, a join is the wait for a lock.
    assert named - {"waits: join"} == {
        "running", "ready", "waits: sleep", "waits: lock", "waits: settle",
    }  # fmt: skip


def test_it_is_json_with_whole_events(deadlocked):
    trace = json.loads(json.dumps(deadlocked.chrome_trace()))

    for event in trace["traceEvents"]:
        assert {"ph", "pid", "name"} <= event.keys()
        assert event["ph"] in ("M", "X", "i")
        assert event["ph"] == "M" or isinstance(event["ts"], (int, float))
        assert event.get("dur", 0) >= 0
