"""What a search that takes long says meanwhile."""

from __future__ import annotations

import io
import re
from types import SimpleNamespace

import simclock
from simclock._explore import search as module
from simclock._explore.progress import Progress


def test_a_line_comes_every_ten_seconds():
    search = SimpleNamespace(runs=1000, count=0, distinct=0, repeats=0, seconds=0.0)
    stream = io.StringIO()
    progress = Progress(search, stream)
    for seconds in (0.0, 9.9, 10.0, 12.0, 19.9, 31.0, 40.9, 41.0):
        search.seconds = seconds
        search.count += 10
        search.distinct += 9
        progress.show()

    assert stream.getvalue().splitlines() == [
        "simclock: 30 of 1000 runs, 27 different, none failed, 10 s",
        "simclock: 60 of 1000 runs, 54 different, none failed, 31 s",
        "simclock: 80 of 1000 runs, 72 different, none failed, 41 s",
    ]


def test_a_line_is_shown_at_once():
    shown = []
    stream = SimpleNamespace(write=shown.append, flush=lambda: shown.append("flushed"))
    Progress(SimpleNamespace(runs=2, count=1, distinct=1, repeats=0, seconds=11), stream).show()

    assert shown == ["simclock: 1 of 2 runs, 1 different, none failed, 11 s\n", "flushed"]


def test_a_long_search_speaks_on_standard_error(programs, monkeypatch, capsys):
    looks = iter(range(0, 10_000, 11))
    monkeypatch.setattr(module, "real_seconds", lambda: next(looks))
    simclock.explore(programs.no_update_lost, runs=3, strategy="random")
    out, err = capsys.readouterr()

    assert out == ""
    assert re.sub(r"\d+ s$", "N s", err, flags=re.MULTILINE).splitlines() == [
        "simclock: 1 of 3 runs, 1 different, none failed, N s",
        "simclock: 2 of 3 runs, 2 different, none failed, N s",
        "simclock: 3 of 3 runs, 3 different, none failed, N s",
    ]


def test_shrinking_speaks_too(programs, monkeypatch, capsys):
    looks = iter(range(0, 100_000, 11))
    monkeypatch.setattr(module, "real_seconds", lambda: next(looks))
    simclock.explore(programs.lost_update, strategy="random")
    lines = [line for line in capsys.readouterr().err.splitlines() if "shrinking" in line]

    assert lines[0] == "simclock: shrinking a failure, 1 run, 22 s"
    assert lines[-1].startswith(f"simclock: shrinking a failure, {len(lines)} runs, ")
    assert len(lines) > 10


def test_the_time_of_a_search_is_that_of_its_own_runs(programs, monkeypatch):
    made = []
    monkeypatch.setattr(module, "real_seconds", lambda: float(len(made)))

    def scenario():
        made.append(None)
        programs.lost_update()

    report = simclock.explore(scenario, strategy="random")

    evidence = report.evidence
    # The first run is made twice, to see whether it repeats.
    assert evidence.seconds == report.runs + 1 < 10 < evidence.repeating
    assert evidence.seconds + evidence.repeating == len(made)


def test_a_short_search_says_nothing(programs, capsys):
    simclock.explore(programs.no_update_lost, runs=5)

    assert capsys.readouterr() == ("", "")
