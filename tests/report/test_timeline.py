"""Timelines of real runs: what is in them, and where they are written."""

from __future__ import annotations

import asyncio
import json
import logging
import queue
import re
import threading
import time

import pytest

import simclock
from simclock._core.recording import Follow, Recorder


def spans(timeline):
    """Return what each lane does; up to 3.12, a join is the wait for a lock, so here it always is."""
    return {
        timeline.name_of(lane): [
            f"{span.state} {span.reason}".strip().replace("join", "lock") for span in lane.spans
        ]
        for lane in timeline.lanes
    }


def test_a_deadlock(deadlocked):
    assert spans(deadlocked) == {
        "root (0)": [
            "running", "waiting lock", "running", "waiting lock", "running", "waiting lock",
            "running", "waiting settle", "running", "ready", "running",
        ],
        "there (0.1)": [
            "ready", "running", "waiting sleep", "running", "waiting lock", "running",
        ],
        "back (0.2)": ["ready", "running", "waiting sleep", "running", "waiting lock", "running"],
    }  # fmt: skip
    assert deadlocked.verdict == "failed"
    assert deadlocked.error.startswith("Deadlock: 3 threads can never run again")
    assert deadlocked.elapsed_ns == 1_000_000_000
    assert deadlocked.first == 0
    assert repr(deadlocked) == "<Timeline of test_bank.py::test: failed, 25 records, 3 lanes, 1 s>"


def test_where_in_the_program_the_error_was_raised(run, deadlocked):
    def late():
        json.loads("{")

    simulation, error = run(late)
    raised = simclock.Timeline(simulation, error=error).raised

    # Not in the library.
    assert (raised.file, raised.source) == ("test_timeline.py", 'json.loads("{")')
    assert (deadlocked.raised.file, deadlocked.raised.function) == ("conftest.py", "together")


def test_an_error_that_was_not_raised_has_no_line(run):
    simulation, _ = run(lambda: None)

    assert simclock.Timeline(simulation, error=ValueError("made")).raised is None
    assert simclock.Timeline(simulation).raised is None


def test_the_programs_own_lines(deadlocked):
    waits = [
        deadlocked.places[number].source
        for number, record in enumerate(deadlocked.records)
        if record.kind == "park" and number in deadlocked.places
    ]

    assert waits == [
        "thread.start()", "time.sleep(1)", "thread.start()", "time.sleep(1)", "thread.join()",
        "with other:", "with other:",
    ]  # fmt: skip
    place = next(iter(deadlocked.places.values()))
    assert (place.file, place.function) == ("conftest.py", "together")


def test_a_task_that_blocks_its_loop(run):
    async def main():
        await asyncio.sleep(1)
        time.sleep(2)
        logging.getLogger("feed").warning("late by %s s", 2)

    simulation, _ = run(lambda: asyncio.run(main()))
    timeline = simclock.Timeline(simulation)

    assert spans(timeline)["Task-1"] == [
        "running", "waiting sleep", "running", "blocking sleep", "running",
    ]  # fmt: skip
    (noted,) = [each for each in timeline.logs if each.line.logger == "feed"]
    assert timeline.name_of(timeline.lanes[noted.lane]) == "Task-1"
    assert (noted.line.level, noted.line.text, noted.time_ns) == (
        "WARNING",
        "late by 2 s",
        3 * 10**9,
    )
    assert timeline.title == "a simulation"
    assert (timeline.verdict, timeline.error) == ("passed", "")


def lost_item():
    items = queue.Queue()
    threading.Timer(1.0, items.put, ("item",)).start()
    items.get(timeout=1.0)


def replayed(run, token):
    schedule = simclock.Schedule.from_token(token)
    recorder = Recorder(Follow(schedule, strict=True), schedule.fidelity, schedule.latency_ns)
    return run(lost_item, choices=recorder, seed=schedule.seed)


def test_deviations_are_told_in_words(run):
    failure = simclock.explore(lost_item, runs=100).failure
    simulation, error = replayed(run, failure.token)

    timeline = simclock.Timeline(simulation, error=error)

    assert len(timeline.deviations) == len(simclock.Schedule.from_token(failure.token).deviations)
    marks = [
        event for event in timeline.chrome_trace()["traceEvents"] if event.get("cat") == "deviation"
    ]
    assert [event["name"] for event in marks] == 2 * [words for _, _, words in timeline.deviations]
    for number, path, words in timeline.deviations:
        assert 0 < number < len(timeline.records)
        assert path in ("0", "0.1", "clock")
        assert re.fullmatch(
            r"(root|Thread-1) \(\S+\) runs before (root|Thread-1) \(\S+\)"
            r"|the clock moves on before (root|Thread-1) \(\S+\) runs",
            words,
        )


def test_the_clock_may_be_what_goes_on(run):
    def early():
        done = threading.Event()
        threading.Thread(target=time.sleep, args=(0.01,), name="late").start()
        simclock.active().checkpoint()
        assert not done.wait(0.001)

    report = simclock.explore(early, strategy="clock", runs=1)
    simulation, _ = run(early, choices=Recorder(_Clock(), "legal", 10**8))

    assert report.verdict
    said = [words for _, path, words in simclock.Timeline(simulation).deviations if path == "clock"]
    assert said
    assert all(re.fullmatch(r"the clock moves on before \S+ \(.*\) runs", each) for each in said)


class _Clock:
    """Lets the clock move wherever it may."""

    def choose(self, point):
        is_clock = point.candidates and point.candidates[-1].path == "clock"
        return point.bound - 1 if is_clock else 0


def test_a_watched_run_has_the_digest_that_it_has_unwatched(run):
    token = simclock.explore(lost_item, runs=100).failure.token
    schedule = simclock.Schedule.from_token(token)
    digests = set()
    for timeline in (True, False):
        recorder = Recorder(Follow(schedule, strict=True), schedule.fidelity, schedule.latency_ns)
        simulation, error = run(lost_item, choices=recorder, seed=schedule.seed, timeline=timeline)
        assert isinstance(error, queue.Empty)
        digests.add(simulation.trace.digest)

    assert len(digests) == 1


def test_a_run_that_was_not_watched_has_its_trace(run):
    simulation, _ = run(lambda: time.sleep(1), timeline=False)
    timeline = simclock.Timeline(simulation)

    assert [record.kind for record in timeline.records] == ["park", "jump"]
    assert (timeline.places, timeline.deviations, timeline.logs) == ({}, [], [])


def test_a_simulation_that_goes_on_is_shown_so_far():
    with simclock.Simulation(timeline=True) as simulation:
        simulation.checkpoint("first")
        before = simclock.Timeline(simulation)
        simulation.checkpoint("second")

    assert [record.detail for record in before.records] == ["first"]


def test_a_simulation_that_is_not_open_has_none():
    with pytest.raises(RuntimeError, match="not open"):
        simclock.Timeline(simclock.Simulation())


def test_of_a_long_run_the_end_is_shown(run, monkeypatch):
    monkeypatch.setattr("simclock._core.trace.Trace.KEPT", 50)
    monkeypatch.setattr("simclock._core.trace.BLOCK", 10)

    def marks():
        for number in range(200):
            simclock.active().checkpoint(f"mark {number}")
            logging.getLogger().warning("line %d", number)

    timeline = simclock.Timeline(run(marks)[0])

    assert timeline.first == 150
    assert [timeline.records[0].detail, timeline.records[-1].detail] == ["mark 150", "mark 199"]
    assert [timeline.logs[0].line.text, timeline.logs[-1].line.text] == ["line 150", "line 199"]
    assert list(timeline.places) == list(range(150, 200))


def test_names_of_threads_are_kept_and_may_change():
    def renamed():
        threading.current_thread().name = "second name"

    with simclock.Simulation() as simulation:
        thread = threading.Thread(target=renamed, name="first name")
        thread.start()
        thread.join()
        waiting = threading.Timer(1, print)
        waiting.name = "tick"
        waiting.start()
        del thread
        assert simulation.thread_names == {"0": "root", "0.1": "second name", "0.2": "tick"}
        waiting.cancel()
    assert simulation.thread_names["0.1"] == "second name"


def test_a_thread_whose_name_is_forgotten_has_its_path(run, monkeypatch):
    monkeypatch.setattr("simclock._core.kernel.FINISHED_KEPT", 1)

    def two():
        for name in ("one", "two"):
            thread = threading.Thread(target=print, name=name, args=("",))
            thread.start()
            thread.join()

    timeline = simclock.Timeline(run(two)[0])

    assert timeline.names == {"0": "root", "0.1": "thread 0.1", "0.2": "two"}


def test_an_error_without_a_text(run):
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError

    simulation, _ = run(lambda: None)

    assert (
        simclock.Timeline(simulation, error=Mute()).error == "Mute: (no text: its __str__ failed)"
    )
    assert simclock.Timeline(simulation, error=KeyError()).error == "KeyError"


def test_it_is_written_by_the_end_of_the_name(deadlocked, tmp_path):
    page = deadlocked.write(tmp_path / "run.html")
    trace = deadlocked.write(str(tmp_path / "run.json"))

    assert page.read_text(encoding="utf-8") == deadlocked.html()
    assert json.loads(trace.read_text(encoding="utf-8")) == deadlocked.chrome_trace()


def test_another_end_of_the_name_is_refused(deadlocked, tmp_path):
    with pytest.raises(ValueError, match=r"run\.txt'\ngive a name that ends in \.html.*\.json"):
        deadlocked.write(tmp_path / "run.txt")
    assert not list(tmp_path.iterdir())
