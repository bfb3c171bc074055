"""What a report says, to the letter: people and other tools read it."""

from __future__ import annotations

import pytest

import simclock
from simclock._explore.report import evidence_lines

EVIDENCE = simclock.Evidence(
    runs=1000,
    distinct=412,
    points=(18, 24.26, 31),
    branching=2.14,
    steps=35_120,
    threads=3,
    pairs=57,
    unseen=0.00321,
    exhausted=False,
    covered="",
    seconds=1.239,
    uncontrolled=(),
    limits=(),
    differences=(),
    unfair=0,
    strategy="portfolio",
    fidelity="legal",
)
FAILURE = simclock.Failure(
    error=AssertionError("lost: 1\nof 2"),
    token="s1.abc",
    run=7,
    strategy="portfolio, pct",
    reproduced=10,
    repetitions=10,
    difference="",
)


def test_a_report_of_no_failure():
    report = simclock.Report(None, EVIDENCE)

    assert str(report).splitlines() == [
        "passed: no failure in 1000 runs",
        "  1000 runs by strategy portfolio, 412 of them different, 35120 steps, in 1.24 s",
        "  18 to 31 choice points a run (mean 24.3) with 2.1 ways each, up to 3 threads",
        (
            "  57 interleavings (places between which the turn went) seen; another run by this"
            " strategy shows a new one with an estimated probability of 0.0032"
        ),
    ]
    assert (report.verdict, report.runs, report.distinct) == ("passed", 1000, 412)
    assert not report.exhausted


def test_what_shrinking_took_is_said_for_itself():
    assert evidence_lines(EVIDENCE._replace(repeating=28.713))[0] == (
        "  1000 runs by strategy portfolio, 412 of them different, 35120 steps, in 1.24 s;"
        " 28.71 s to shrink and repeat"
    )


def test_a_report_of_a_failure():
    report = simclock.Report(FAILURE, EVIDENCE)

    assert str(report).splitlines()[:4] == [
        "failed: run 7, AssertionError: lost: 1",
        "  reproduced 10/10",
        "  again: simclock.replay(scenario, 's1.abc')",
        "  1000 runs by strategy portfolio, 412 of them different, 35120 steps, in 1.24 s",
    ]
    assert report.verdict == "failed"


@pytest.mark.parametrize(
    ("error", "first"),
    [
        (KeyError(), "failed: run 7, KeyError"),
        (ValueError(""), "failed: run 7, ValueError"),
        (simclock.Deadlock("deadlock: 2\n  more"), "failed: run 7, Deadlock: deadlock: 2"),
    ],
)
def test_the_first_line_names_the_error(error, first):
    report = simclock.Report(FAILURE._replace(error=error), EVIDENCE)

    assert str(report).splitlines()[0] == first


def test_a_failure_that_does_not_happen_again_says_where_it_differs():
    failure = FAILURE._replace(reproduced=3, difference="differ at step 1\nlikely source: id()")

    assert str(simclock.Report(failure, EVIDENCE)).splitlines()[1:4] == [
        "  reproduced 3/10",
        "  differ at step 1",
        "  likely source: id()",
    ]


def test_a_search_of_everything_says_so():
    evidence = EVIDENCE._replace(runs=1, exhausted=True, strategy="dfs")
    report = simclock.Report(None, evidence)

    assert str(report).splitlines()[0] == "passed: no failure in 1 run"
    assert evidence_lines(evidence)[0].startswith("  1 run by strategy dfs, ")
    assert evidence_lines(evidence)[2] == (
        "  57 interleavings (places between which the turn went) seen; every schedule that there is was run"
    )
    assert report.exhausted


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            {"covered": "every schedule with at most 1 preemption"},
            (
                "  57 interleavings (places between which the turn went) seen; "
                "every schedule with at most 1 preemption; another run by this strategy shows a new one with an estimated probability of 0.0032"
            ),
        ),
        (
            {"pairs": 0, "unseen": 0.0},
            (
                "  0 interleavings (places between which the turn went) seen; "
                "the turn never went from one thread to another"
            ),
        ),
        (
            {"unseen": 0.0},
            (
                "  57 interleavings (places between which the turn went) seen; another run by "
                "this strategy shows a new one with an estimated probability of less than 0.001"
            ),
        ),
    ],
)
def test_a_search_of_a_part_says_which(change, line):
    assert evidence_lines(EVIDENCE._replace(**change))[2] == line


def test_one_thread_is_one_thread():
    assert evidence_lines(EVIDENCE._replace(threads=1))[1] == (
        "  18 to 31 choice points a run (mean 24.3) with 2.1 ways each, one thread"
    )


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            {"fidelity": "chaos"},
            "  chaos: orders of tasks that asyncio does not have, and conditions that wake one more",
        ),
        ({"unfair": 1}, "  1 run long, ended by fair choices"),
        ({"unfair": 2}, "  2 runs long, ended by fair choices"),
        ({"uncontrolled": ("a child process",)}, "  not controlled: a child process"),
        ({"limits": ("limit reached: 10 steps",)}, "  cut short: limit reached: 10 steps"),
        ({"differences": ("two runs\nlikely",)}, "  not deterministic: two runs\n    likely"),
    ],
)
def test_what_there_is_besides_comes_last(change, line):
    evidence = EVIDENCE._replace(**change)

    assert evidence_lines(evidence)[3:] == [line]
    assert len(evidence_lines(EVIDENCE)) == 3


def test_of_many_lines_of_one_kind_five_are_shown():
    evidence = EVIDENCE._replace(limits=tuple("abcdefg"))

    assert evidence_lines(evidence)[3:] == [
        *(f"  cut short: {each}" for each in "abcde"),
        "  cut short: and 2 more",
    ]
    assert len(evidence_lines(EVIDENCE._replace(limits=tuple("abcde")))) == 8


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"limits": ("a limit",)}, "inconclusive"),
        ({"differences": ("a difference",)}, "inconclusive"),
        ({"uncontrolled": ("a foreign thread",)}, "inconclusive"),
        ({"runs": 0}, "inconclusive"),
        ({"unfair": 1}, "passed"),
        ({"fidelity": "chaos"}, "passed"),
    ],
)
def test_what_leaves_doubt(change, verdict):
    evidence = EVIDENCE._replace(**change)

    assert simclock.Report(None, evidence).verdict == verdict
    assert simclock.Report(FAILURE, evidence).verdict == "failed"


def test_only_a_failure_is_raised():
    passed = simclock.Report(None, EVIDENCE)

    assert passed.check() is passed
    with pytest.raises(simclock.ScheduleFailure) as caught:
        simclock.Report(FAILURE, EVIDENCE).check()
    assert str(caught.value).startswith("failed: run 7, AssertionError: lost: 1\n")
    assert caught.value.__cause__ is FAILURE.error


def test_a_budget_that_has_ended_it_is_said():
    report = simclock.Report(
        None, EVIDENCE._replace(ended="by its budget of 1 s, after 9 of 99 runs")
    )

    assert "  ended by its budget of 1 s, after 9 of 99 runs" in str(report).splitlines()


def test_a_search_says_that_its_budget_has_ended_it():
    report = simclock.explore(lambda: None, runs=10**9, budget=1e-9, strategy="random")

    assert (
        report.evidence.ended == f"by its budget of 1e-09 s, after {report.runs} of 1000000000 runs"
    )
