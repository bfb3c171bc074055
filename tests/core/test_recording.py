"""What a recorder asks, checks and writes down, and what following a schedule means."""

from __future__ import annotations

import pytest

from simclock import Divergence, LimitReached, PluginError
from simclock._core.choices import CLOCK, COST, THREAD, Candidate, ChoicePoint
from simclock._core.recording import Follow, Given, Recorder
from simclock._core.schedule import Deviation, Schedule

FAIR_AFTER = 10_000  # points
COSTS = ChoicePoint(COST, 3)


def threads(*paths, preempts=False):
    about = tuple(Candidate(path, "acquire", 1) for path in paths)
    return ChoicePoint(THREAD, len(about), about, preempts)


class Saying:
    """Answers with what it was given, in order."""

    name = "saying"

    def __init__(self, *choices):
        self.choices = list(choices)
        self.asked = []

    def choose(self, point):
        self.asked.append(point)
        choice = self.choices.pop(0)
        if isinstance(choice, BaseException):
            raise choice
        return choice


def recorder(*choices, fidelity="legal", latency_ns=0):
    return Recorder(Saying(*choices), fidelity, latency_ns)


# ------------------------------------------------------------------- what is written down


def test_only_what_is_not_canonical_is_written_down():
    made = recorder(0, 1, 0, 2, latency_ns=5)
    points = [threads("0", "0.1"), threads("0", "0.1"), COSTS, COSTS]

    assert [made.choose(point) for point in points] == [0, 1, 0, 2]
    assert made.schedule(seed=3) == Schedule(
        seed=3,
        fidelity="legal",
        latency_ns=5,
        deviations=(Deviation(1, 1, 2, "thread"), Deviation(3, 2, 3, "cost")),
        points=4,
    )
    assert made.ways == 10
    assert not made.is_fair


@pytest.mark.parametrize(("fidelity", "chaos"), [("legal", False), ("chaos", True)])
def test_a_recorder_is_a_source_that_wants_to_be_asked(fidelity, chaos):
    made = recorder(fidelity=fidelity, latency_ns=7)

    assert (made.interested, made.chaos, made.latency_ns) == (True, chaos, 7)


# ---------------------------------------------------------------- strategies that are wrong


@pytest.mark.parametrize("choice", [-1, 2, None, 0.0, "0"])
def test_a_choice_that_there_is_not_is_the_strategys_fault(choice):
    made = recorder(0, choice, 1)
    point = threads("0", "0.1")
    made.choose(point)

    with pytest.raises(PluginError) as caught:
        made.choose(point)

    assert str(caught.value) == (
        f"the strategy 'saying' has chosen {choice!r}\n"
        "  at ChoicePoint(label='thread', bound=2, candidates=(Candidate(path='0', "
        "operation='acquire', subject=1, step=0), Candidate(path='0.1', operation='acquire', "
        "subject=1, step=0)), preempts=False, odds=None, words=(), tunes=False)\n"
        "it has to return a number from 0 to 1: mend it, or choose another one"
    )
    assert made.error is caught.value
    # From then on it is not asked any more: the run is on its way out.
    assert made.choose(point) == 0
    assert made.schedule(0) == Schedule(0, "legal", 0, (), 3)


def test_an_error_in_a_strategy_is_named_and_kept():
    cause = KeyError("priorities")
    made = recorder(cause)

    with pytest.raises(PluginError, match=r"^the strategy 'saying' failed: KeyError") as caught:
        made.choose(COSTS)

    assert caught.value.__cause__ is cause
    assert made.error is caught.value
    assert made.choose(COSTS) == 0


def test_a_strategy_without_a_name_is_called_by_its_class():
    class Nameless:
        def choose(self, point):
            return 9

    with pytest.raises(PluginError, match=r"^the strategy 'Nameless' has chosen 9\n"):
        Recorder(Nameless(), "legal", 0).choose(COSTS)


def test_what_simclock_itself_raises_goes_through_as_it_is():
    error = LimitReached("enough")
    made = recorder(error)

    with pytest.raises(LimitReached, match=r"^enough$"):
        made.choose(COSTS)

    assert made.error is error
    assert made.choose(COSTS) == 0


def test_an_interrupt_in_a_strategy_is_not_its_fault():
    with pytest.raises(KeyboardInterrupt):
        recorder(KeyboardInterrupt()).choose(COSTS)


# -------------------------------------------------------------------------------- fairness


class Unfair:
    """Lets the last one that is no clock go on, always."""

    def choose(self, point):
        return point.bound - 1


def test_after_ten_thousand_points_whoever_waited_longest_goes_on():
    made = Recorder(Unfair(), "legal", 0)
    point = threads("0", "0.1", "0.2", preempts=True)
    first = [made.choose(point) for _ in range(FAIR_AFTER)]

    assert (set(first), made.is_fair) == ({2}, False)

    # Two that were never chosen, in their order; then the one that was.
    assert [made.choose(point) for _ in range(7)] == [0, 1, 2, 0, 1, 2, 0]
    assert made.is_fair


def test_fair_choices_have_no_clock_and_no_costs():
    made = Recorder(Unfair(), "legal", 0)
    for _ in range(FAIR_AFTER):
        made.choose(COSTS)
    point = threads("0", CLOCK)

    assert [made.choose(point) for _ in range(3)] == [0, 0, 0]
    assert made.choose(COSTS) == 0
    assert made.choose(ChoicePoint("plugin's", 5)) == 0


def test_a_thread_that_comes_late_is_first_where_choices_are_fair():
    made = Recorder(Unfair(), "legal", 0)
    for _ in range(FAIR_AFTER + 2):
        made.choose(threads("0", "0.1"))

    assert made.choose(threads("0", "0.1", "0.2")) == 2


def test_fair_choices_are_replayed_like_any_others():
    made = Recorder(Unfair(), "legal", 0)
    point = threads("0", "0.1", "0.2")
    chosen = [made.choose(point) for _ in range(FAIR_AFTER + 50)]
    again = Recorder(Follow(made.schedule(0), strict=True), "legal", 0)

    assert [again.choose(point) for _ in range(FAIR_AFTER + 50)] == chosen
    assert not again.is_fair


# -------------------------------------------------------------------- following a schedule

DUE = Schedule(
    seed=0,
    fidelity="legal",
    latency_ns=0,
    deviations=(Deviation(1, 1, 2, "thread"), Deviation(3, 2, 3, "cost")),
    points=4,
)


def test_a_schedule_is_followed():
    follow = Follow(DUE, strict=True)
    points = [COSTS, threads("0", "0.1"), threads("0", "0.1"), COSTS]

    assert [follow.choose(point) for point in points] == [0, 1, 0, 2]
    follow.end(4)
    assert follow.diverged == ""


def test_where_a_point_is_another_one_a_strict_run_ends():
    follow = Follow(DUE, strict=True)
    follow.choose(COSTS)

    with pytest.raises(Divergence) as caught:
        follow.choose(threads("0", "0.1", "0.2"))

    assert str(caught.value) == (
        "the run does not follow its schedule, at choice point 1\n"
        "  expected: 'thread' with 2 choices, of which 1 was taken\n"
        "  found: 'thread' with 3 choices\n"
        "  could go on: 0, acquire\n"
        "  could go on: 0.1, acquire\n"
        "  could go on: 0.2, acquire\n"
        "replay it with the code and the Python that it was made with, or tolerantly"
    )


def test_a_recorder_keeps_the_divergence_of_what_it_asks():
    made = Recorder(Follow(DUE, strict=True), "legal", 0)
    made.choose(COSTS)

    with pytest.raises(Divergence) as caught:
        made.choose(COSTS)

    assert made.error is caught.value


@pytest.mark.parametrize(
    ("point", "choice"),
    [
        # The choice that was taken is still there.
        (threads("0", "0.1", "0.2"), 1),
        # It means something else.
        (COSTS, 0),
    ],
)
def test_a_tolerant_run_takes_what_fits(point, choice):
    follow = Follow(DUE, strict=False)
    follow.choose(COSTS)

    assert follow.choose(point) == choice
    assert follow.choose(COSTS) == 0
    assert follow.choose(COSTS) == 2
    follow.end(4)
    # The first of them.
    assert follow.diverged == (
        "choice point 1: expected 'thread' with 2 choices, of which 1 was taken, "
        f"found {point.label!r} with {point.bound} choices"
    )


def test_a_tolerant_run_leaves_out_a_choice_that_is_not_there():
    follow = Follow(DUE, strict=False)
    for _ in range(3):
        follow.choose(COSTS)

    assert follow.choose(ChoicePoint(COST, 2)) == 0


def test_only_the_first_difference_is_kept():
    follow = Follow(DUE, strict=False)
    for point in [COSTS, COSTS, COSTS, threads("0", "0.1")]:
        follow.choose(point)
    follow.end(9)

    assert follow.diverged.startswith("choice point 1: ")


@pytest.mark.parametrize(
    ("points", "where", "expected", "found"),
    [
        (1, "choice point 1", "a choice of kind 'thread'", "the end of the run"),
        (3, "choice point 3", "a choice of kind 'cost'", "the end of the run"),
        (6, "the end of the run", "4 choice points", "6 choice points"),
    ],
)
def test_a_run_has_to_be_as_long_as_its_schedule(points, where, expected, found):
    run = [COSTS, threads("0", "0.1"), COSTS, COSTS, COSTS, COSTS][:points]
    strict, tolerant = Follow(DUE, strict=True), Follow(DUE, strict=False)
    for point in run:
        strict.choose(point)
        tolerant.choose(point)

    with pytest.raises(Divergence) as caught:
        strict.end(points)

    assert str(caught.value) == (
        f"the run does not follow its schedule, at {where}\n"
        f"  expected: {expected}\n"
        f"  found: {found}\n"
        "replay it with the code and the Python that it was made with, or tolerantly"
    )
    tolerant.end(points)
    assert tolerant.diverged == f"{where}: expected {expected}, found {found}"


def test_answers_that_are_given_have_to_choose():
    with pytest.raises(NotImplementedError):
        Given().choose(ChoicePoint("timers", 2))
    Given().end(3)
