"""Plans of faults: data with a text that can be pasted."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simclock import Fault, FaultPlan
from simclock.hypothesis import fault_plans

TEXT = """\
at 0 s skew a by -3.5
at 0.1 s fire disk full way 3
at 1.25 s kill db-1 for 0.5 s
at 2 s partition db-1 | db-2, db-3
at 2 s slow db-1 | db-2 for 0.1 s by 0.3
at 3 s drift db-1 by 0.001
at 4 s reset db-1 | db-2
at 5 s pause db-1/serve"""


def test_a_plan_is_read_and_written():
    plan = FaultPlan.parse(TEXT)

    assert str(plan) == TEXT
    assert plan == FaultPlan(
        [
            Fault(2.0, "partition", "db-1 | db-2, db-3"),
            Fault(0, "skew", "a", by=-3.5),
            Fault(0.1, "fire", "disk full", way=3),
            Fault(1.25, "kill", "db-1", lasts=0.5),
            Fault(2.0, "slow", "db-1 | db-2", lasts=0.1, by=0.3),
            Fault(3.0, "drift", "db-1", by=1e-3),
            Fault(4, "reset", "db-1 | db-2"),
            Fault(5, "pause", "db-1/serve"),
        ]
    )


def test_a_plan_is_a_sequence_of_faults():
    plan = FaultPlan.parse(TEXT)

    assert (len(plan), plan[0].target, plan[3].sides) == (8, "a", (("db-1",), ("db-2", "db-3")))
    assert str(plan[1:3]) == "\n".join(TEXT.splitlines()[1:3])
    assert repr(plan[:1]) == "FaultPlan.parse('at 0 s skew a by -3.5')"
    assert [*FaultPlan()] == []
    assert pickle.loads(pickle.dumps(plan)) == plan
    assert hash(plan) == hash(FaultPlan.parse(TEXT))
    assert plan != TEXT


def test_what_follows_the_target_may_be_in_any_order():
    assert Fault.parse("at 1 s skew a by -3 for 2 s") == Fault(1, "skew", "a", lasts=2, by=-3)
    assert str(Fault.parse("at 1 s slow a | b by 3  for 2 s")) == "at 1 s slow a | b for 2 s by 3"


def test_remarks_and_empty_lines_are_left_out():
    text = "\n  # of 3 March\n\n   at  1  s  kill   db-1  \n"

    assert str(FaultPlan.parse(text)) == "at 1 s kill db-1"


EVERYTHING = ("kill", "pause", "skew", "drift", "partition", "reset", "slow", "fire")


@given(fault_plans(["a", "b-1", "c/serve"], EVERYTHING))
def test_what_is_drawn_can_be_written_and_read(plan):
    assert FaultPlan.parse(str(plan)) == plan
    assert eval(repr(plan), {"FaultPlan": FaultPlan}) == plan


@given(
    st.floats(0, 3e9),
    st.floats(1e-9, 1e9),
    st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12),
    st.text(),
)
def test_any_fault_that_there_is_can_be_written_and_read(at, lasts, by, target):
    try:
        faults = [Fault(at, "skew", target, lasts, by), Fault(at, "fire", target, way=7)]
    except ValueError:
        return

    assert list(FaultPlan.parse("\n".join(map(str, faults)))) == faults


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "at 1 s kill a\nat 2 s explode b",
            (
                "line 2 of the plan: unknown fault 'explode', not one of kill, pause, skew, drift,"
                " partition, reset, slow, fire: at=2.0, what='explode', target='b'"
            ),
        ),
        ("kill a", "line 1 of the plan: this is no fault: 'kill a'"),
        ("at 1.2.3 s kill a", "line 1 of the plan: a number is wrong: 'at 1.2.3 s kill a'"),
        ("at -1 s kill a", "line 1 of the plan: the instant is no number from 0 to 3e+09:"),
        ("at 1 s kill a for 0 s", "line 1 of the plan: it has to last a nanosecond at least and"),
        ("at 1 s kill a by 3", "line 1 of the plan: a kill has no number:"),
        ("at 1 s skew a", "line 1 of the plan: it needs a number, the seconds by which the wall"),
        ("at 1 s reset a | b for 1 s", "line 1 of the plan: a reset does not last:"),
        ("at 1 s partition a", "line 1 of the plan: a partition is between two groups of hosts"),
        ("at 1 s slow a | b by -1", "line 1 of the plan: it has to be slow by more than 0:"),
        ("at 1 s kill a way 2", "line 1 of the plan: a kill has one way:"),
        ("at 1 s kill a for 1 s for 2 s", "line 1 of the plan: the target has words that mean"),
        ("at 1 s kill a, b", "line 1 of the plan: a kill hits one host or process; write a line"),
        ("at 1 s partition a | b, a", "line 1 of the plan: a host is named twice:"),
        ("at 1 s drift a by -5", "line 1 of the plan: it may be 0.5 at most:"),
        (
            "at 1 s kill a for 1e300 s",
            "line 1 of the plan: it has to last a nanosecond at least and",
        ),
        ("at 1 s slow a | b by 1e10", "line 1 of the plan: it may be 3e+09 at most:"),
        ("at 1 s partition a, , b, | c", "line 1 of the plan: a partition is between two groups"),
        ("at 1 s skew a by 2e9", "line 1 of the plan: it may be 1e+09 at most:"),
        ("at 1 s fire a way 0", "line 1 of the plan: the ways are counted from 1 on:"),
    ],
)
def test_a_line_that_says_no_fault_is_named(text, message):
    with pytest.raises(ValueError, match="write a fault as") as caught:
        FaultPlan.parse(text)

    first, *_, last = str(caught.value).splitlines()
    assert first.startswith(message)
    assert last == "write a fault as 'at 1.25 s kill db-1 for 0.5 s'"


@pytest.mark.parametrize("target", ["", " ", "a\nb", "a for 3 s", " a", None])
def test_a_target_that_no_plan_can_have_is_refused(target):
    with pytest.raises(ValueError, match="the target"):
        Fault(1, "kill", target)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (["at 1 s kill a"], "step 1 of the plan is no fault: 'at 1 s kill a'"),
        ([Fault(1, "kill", "a"), None], "step 2 of the plan is no fault: None"),
    ],
)
def test_a_plan_consists_of_faults(steps, message):
    with pytest.raises(TypeError) as caught:
        FaultPlan(steps)

    assert str(caught.value).splitlines() == [
        message,
        "give simclock.Fault objects, or use FaultPlan.parse() for a text",
    ]


def test_the_plan_in_a_report_is_read_without_what_is_around_it():
    report = """
    faults of the run as it was found: kill 12, pause off
    faults, as a plan:
      at 1 s kill a for 0.5 s
      at 2 s pause b
    again: simclock.replay(scenario, 's1')
    """
    plan = "at 1 s kill a for 0.5 s\nat 2 s pause b"

    assert str(FaultPlan.parse(report)) == plan
    assert str(FaultPlan.parse(report.replace("      at 2", "\n    # here\nE      at 2"))) == plan
    marked = "\n".join(f"E   {line}" for line in report.splitlines())
    assert str(FaultPlan.parse(marked)) == plan
    with pytest.raises(ValueError, match="line 4 of the plan: unknown fault 'explode'"):
        FaultPlan.parse(report.replace("kill a", "explode a"))


def test_a_site_may_have_any_name():
    fault = Fault(1, "fire", "load, save, load")

    assert FaultPlan.parse(str(fault)) == FaultPlan([fault])


@pytest.mark.parametrize("what", ["skew", "kill"])
def test_a_number_that_is_none(what):
    with pytest.raises(ValueError, match=r"it needs a number|a kill has no number"):
        Fault(1, what, "a", by="x")


def test_a_plan_is_read_from_a_text():
    with pytest.raises(TypeError, match="this is no text: 3"):
        FaultPlan.parse(3)
