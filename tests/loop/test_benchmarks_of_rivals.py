"""The programs that `benchmarks.rivals` compares with: simclock's own lines are exact in each case.

Rivals are in the dependency group ``rivals``; what needs one is skipped where it is not installed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parents[2]
SIZES = {
    "sleeps": (20, 5),
    "yields": (20, 5),
    "queue": (3, 1),
    "timers": (10, 4),
    "executor": (5, 1),
    "threads": (5, 1),
    "memory": (20, 5),
}
OURS = ("simclock", "alone", "boundary")
RIVALS = (
    "looptime",
    "async_solipsism",
    "aiotools",
    "trio",
    "seedloop",
    "simloop",
    "simloom",
    "simpy",
)


@pytest.fixture
def benchmark(modules_of):
    """The benchmark's modules; of its cases and subjects, the tables."""
    names = ("cases", "chart", "page", "results", "sampling", "subjects")
    found = modules_of("benchmarks.rivals", *names)
    found.cases, found.subjects = found.cases.CASES, found.subjects.SUBJECTS
    return found


@pytest.fixture
def row(benchmark):
    """Return a function that samples a case once and judges it."""

    def take(subject, case):
        one, what, size = benchmark.subjects[subject], benchmark.cases[case], SIZES[case]
        if reason := one.missing():
            pytest.skip(reason)
        (outcome,) = benchmark.sampling.sample_in_turns(what, size, [one], 1, lambda _: None)
        (found,) = benchmark.results.rows(what, size, [outcome])
        return found

    return take


# What is not "ends exactly" for our own: memory and jobs have no end to judge; the stock loop's
# poller rounds up to whole milliseconds; a loop alone holds its clock while threads sleep for real.
NOTES = {
    ("simclock", "executor"): "",
    ("alone", "executor"): "",
    ("boundary", "executor"): "",
    ("simclock", "memory"): "",
    ("alone", "memory"): "",
    ("boundary", "memory"): "",
    ("boundary", "sleeps"): "ends 2.67 ms late",
    ("boundary", "timers"): "ends 1 ms late",
    ("alone", "threads"): "0 s pass in it instead of 0.05 s",
}


@pytest.mark.parametrize("case", SIZES)
@pytest.mark.parametrize("subject", OURS)
def test_our_own_programs_end_exactly(row, subject, case):
    found = row(subject, case)

    assert found.note == NOTES.get((subject, case), "ends exactly")


@pytest.mark.parametrize("case", ["sleeps", "yields", "queue", "timers"])
@pytest.mark.parametrize("subject", RIVALS)
def test_rivals_run_the_same_programs(row, subject, case):
    found = row(subject, case)

    assert found.value, found.note


@pytest.mark.parametrize("subject", ["simclock", "boundary", "stock"])
@pytest.mark.parametrize("case", ["import", "start"])
def test_importing_is_measured_in_a_process_that_has_imported_nothing(benchmark, subject, case):
    one, what = benchmark.subjects[subject], benchmark.cases[case]
    if reason := one.missing():
        pytest.skip(reason)

    found = benchmark.sampling.sample(one, what, (0, 0))

    assert set(found) == {"figure"}
    assert 0 < found["figure"] < 60


def test_the_sample_process_starts_without_asyncio():
    program = "import sys, benchmarks.rivals.sample, benchmarks.rivals.runners; print(*sys.modules)"
    environment = {name: text for name, text in os.environ.items() if "COV" not in name}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env=environment,  # a child that is measured imports more
    )

    assert not {"asyncio", "simclock", "json", "typing"} & set(done.stdout.split())


def test_a_subject_that_raises_or_hangs_is_shown_with_the_reason(benchmark):
    simpy = benchmark.subjects["simpy"]
    broken = SimpleNamespace(name="stock", module="nothing_of_this_name", programs="on_asyncio")
    case = benchmark.cases["yields"]

    raised = benchmark.sampling.sample(broken, case, (1, 1))
    hung = benchmark.sampling.sample(simpy, case, (1, 1), limit=0.001)

    assert raised == {"error": "ModuleNotFoundError: No module named 'nothing_of_this_name'"}
    assert hung == {"error": "no end within 0 s"}


# ---------------------------------------------------------------------- judging


@pytest.fixture
def judge(benchmark):
    """Return a function that judges made-up samples: seconds and ends by subject."""

    def judged(case, **made):
        outcomes = [
            benchmark.sampling.Outcome(benchmark.subjects[name], figures, set(ends))
            for name, (figures, *ends) in made.items()
        ]
        what = benchmark.cases[case]
        return benchmark.results.rows(what, SIZES[case], outcomes)

    return judged


def test_a_ratio_is_the_median_of_the_turns_ratios_to_the_fastest_rival(judge):
    rows = judge("yields", boundary=([1, 2, 6], 0.0), trio=([2, 2, 6], 0.0), simloop=([9], 0.0))

    assert [row.ratio for row in rows] == [1, 1, 2 / 9]
    assert rows[0].value == "50 yields/s"


def test_a_yardstick_is_no_rival(judge):
    rows = judge("yields", simpy=([1.0], 0.0), stock=([1.0], 7.0), trio=([2.0], 0.0))

    assert [row.ratio for row in rows] == [2, 2, 1]


def test_less_memory_is_better(judge):
    rows = judge("memory", boundary=([8.0], 0.0), trio=([2.0], 0.0), simloop=([4.0], 0.0))

    assert [row.ratio for row in rows] == [4, 1, 2]


def test_what_ends_at_a_wrong_time_has_no_figure_and_is_no_rival(judge):
    fast, slow = judge("timers", simloom=([1.0], 3.9, 1.9), seedloop=([5.0], 3.9))

    assert (fast.value, fast.ratio) == ("", None)
    assert fast.note == "1.9 s pass in it instead of 3.9 s"
    assert slow.ratio == 1


@pytest.mark.parametrize(
    ("end", "note"),
    [
        (3.9, "ends exactly"),
        (3.9 + 4e-10, "ends exactly"),
        (3.9 - 2e-6, "ends 2 us early"),
        (3.9 + 0.0125, "ends 12.5 ms late"),
    ],
)
def test_how_exact_an_end_is(judge, end, note):
    (found,) = judge("timers", trio=([1.0], end))

    assert found.note == note


def test_targets_are_those_of_the_design(judge, benchmark):
    due = benchmark.cases["sleeps"].ends(SIZES["sleeps"])
    enough, missed, unjudged, _ = judge(
        "sleeps", simclock=([1.0], due), alone=([1.1], due), boundary=([9], due), trio=([2.0], due)
    )
    runs = judge("queue", simclock=([1.0], 3.375), seedloop=([2.5], 3.375), trio=([1.0], 3.375))

    assert (enough.met, missed.met, unjudged.met) == (True, False, None)
    assert enough.target == "at least 2x the fastest rival"
    assert (runs[0].target, runs[0].met) == ("at least 2x seedloop, is 2.50x", True)
    assert runs[0].ratio == 1


def test_jobs_that_never_leave_the_loops_thread_are_told_from_others(judge):
    other, own = judge("executor", looptime=([1.0], 0), simloop=([1.0], 5))

    assert (other.note, own.note) == ("", "jobs run in the loop's own thread")


# --------------------------------------------------------------- page and chart


@pytest.fixture
def found(judge):
    """Some rows of two cases: a target, a wrong end, no ratio."""
    return {
        "timers": judge("timers", boundary=([1.0], 3.9), trio=([4.0], 3.9), simloom=([1.0], 0.0)),
        "threads": judge("threads", boundary=([1.0], 0.05), trio=([1.0], 0.0)),
    }


def test_the_chart_is_an_image_with_a_bar_for_each_ratio(benchmark, found):
    drawn = ET.fromstring(benchmark.chart.draw(found))

    tag = "{http://www.w3.org/2000/svg}"
    texts = [text.text for text in drawn.iter(f"{tag}text")]
    bars = [one for one in drawn.iter(f"{tag}rect") if one.get("height") == "12"]
    assert drawn.tag == f"{tag}svg"
    assert len(bars) == 2
    assert "4.00x" in texts
    assert "0 s pass in it instead of 3.9 s" in texts


def test_the_page_has_a_table_for_each_case(benchmark, found):
    text = benchmark.page.write(found, SIZES, "a machine")

    assert "\n## Threads that sleep\n" in text
    assert "\n| simclock: the stock loop | 40 | 4.00x | ends exactly |\n" in text
    assert "\n| trio MockClock |  |  | 0 s pass in it instead of 0.05 s |\n" in text
