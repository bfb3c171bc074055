"""Choices told by what they are about, instead of by their position."""

from __future__ import annotations

import pytest

from simclock._core.aiming import Aim, Aimed, Landmark
from simclock._core.choices import CLOCK, THREAD, Candidate, ChoicePoint
from simclock._core.recording import Follow, Recorder
from simclock._core.schedule import Deviation, Schedule
from simclock.errors import Divergence


def threads(*names, preempts=False):
    """Return a point at which these go on, each a path and a step."""
    candidates = tuple(Candidate(path, "acquire", 0, step) for path, step in names)
    return ChoicePoint(THREAD, len(names), candidates, preempts)


A_AND_B = threads(("0.1", 3), ("0.2", 1), preempts=True)
B_AND_A = threads(("0.2", 1), ("0.1", 3))


def test_an_aim_is_hit_wherever_its_point_comes():
    aim = Aim(Landmark(THREAD, "0.1", 3, 0), "0.2", preempts=True)

    assert [Aimed([aim]).choose(A_AND_B)] == [1]
    late = Aimed([aim])
    assert [late.choose(point) for point in (B_AND_A, A_AND_B, A_AND_B)] == [0, 1, 0]
    assert late.aims == (aim,)


def test_points_alike_are_counted():
    aimed = Aimed([Aim(Landmark("timers", "", 0, 1), 2, preempts=False)])

    assert [aimed.choose(ChoicePoint("timers", 3)) for _ in range(3)] == [0, 2, 0]


@pytest.mark.parametrize(
    ("way", "point"),
    [("0.9", A_AND_B), (CLOCK, A_AND_B), (2, ChoicePoint("timers", 2))],
)
def test_a_way_that_is_not_there_is_left_out(way, point):
    path, step = ("0.1", 3) if point.candidates else ("", 0)
    aimed = Aimed([Aim(Landmark(point.label, path, step, 0), way, preempts=False)])

    assert aimed.choose(point) == 0
    assert aimed.aims == ()


def test_what_a_schedule_has_chosen_is_noted():
    schedule = Schedule(0, "legal", 0, (Deviation(1, 1, 2, THREAD),), 2)
    aimed = Aimed((), Follow(schedule, strict=True))

    assert [aimed.choose(A_AND_B), aimed.choose(B_AND_A)] == [0, 1]
    assert aimed.aims == (Aim(Landmark(THREAD, "0.2", 1, 0), "0.1", preempts=False),)
    with pytest.raises(Divergence, match="the end of the run"):
        aimed.end(3)


def test_all_that_a_point_offers_can_be_aimed_at():
    aimed = Aimed(())
    aimed.choose(A_AND_B)
    aimed.choose(ChoicePoint("cost", 3))
    aimed.end(2)

    places = [Landmark(THREAD, "0.1", 3, 0), Landmark("cost", "", 0, 0)]
    assert [aim.way for aim in aimed.passed[0].aims] == ["0.1", "0.2"]
    assert [aim.way for aim in aimed.passed[1].aims] == [0, 1, 2]
    assert [each.place for each in aimed.passed] == places


def test_long_runs_of_what_is_given_get_no_fair_choices():
    aimed = Aimed(())
    recorder = Recorder(aimed, "legal", 0)

    choices = {recorder.choose(A_AND_B) for _ in range(10_100)}

    assert choices == {0}
    assert not recorder.is_fair
