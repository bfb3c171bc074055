"""Records as lanes: small traces written by hand, and the spans that they make."""

from __future__ import annotations

import pytest

from simclock._report.lanes import Lanes, numbers, split


def lanes_of(*records, first=0, asked=()):
    return Lanes(records, first, asked)


def spans(lanes):
    return {
        lane.task or lane.path: [
            " ".join(
                filter(None, [f"{span.first:g}-{span.last:g}", span.state, span.reason, span.site])
            )
            for span in lane.spans
        ]
        for lane in lanes.in_order()
    }


def test_no_record_makes_no_lane():
    assert spans(lanes_of()) == {}


def test_a_thread_waits_until_it_runs_again():
    lanes = lanes_of(
        (0, "0.1", "start", "a.py:1"),
        (0, "0", "park", "join a.py:2"),
        (0, "0.1", "run", ""),
        (0, "0.1", "park", "sleep a.py:9"),
        (5, "", "jump", ""),
        (5, "0.1", "run", ""),
        (5, "0.1", "end", ""),
        (5, "0", "run", ""),
    )

    assert spans(lanes) == {
        "0": ["0-1 running", "1-7 waiting join a.py:2", "7-8 running"],
        "0.1": ["0-2 ready", "2-3 running", "3-5 waiting sleep a.py:9", "5-6 running"],
    }


def test_who_goes_on_alone_does_so_when_the_clock_has_moved():
    lanes = lanes_of(
        (0, "0", "park", "sleep a.py:1"),
        (5, "", "jump", ""),
        (5, "0", "park", "sleep a.py:2"),
        (9, "", "jump", ""),
    )

    assert spans(lanes) == {
        "0": ["0-1 waiting sleep a.py:1", "1-2 running", "2-3 waiting sleep a.py:2", "3-4 running"]
    }


def test_who_goes_on_in_the_same_instant_waits_up_to_its_next_record():
    lanes = lanes_of((0, "0", "park", "settle a.py:1"), (0, "0", "park", "lock a.py:2"))

    assert spans(lanes) == {"0": ["0-1 waiting settle a.py:1", "1-2 waiting lock a.py:2"]}


def test_a_thread_that_is_kept_from_running_is_ready():
    lanes = lanes_of(
        (0, "0.1", "start", ""),
        (0, "0", "choice", "acquire a.py:1"),
        (0, "0.1", "run", ""),
        (0, "0", "run", ""),
    )

    assert spans(lanes) == {
        "0": ["0-1 running", "1-3 ready", "3-4 running"],
        "0.1": ["0-2 ready", "2-3 running", "3-4 ready"],
    }


def test_a_clock_that_moves_early_lets_nobody_wait():
    lanes = lanes_of((0, "0", "mark", "a"), (5, "", "jump", "early"), (5, "0", "mark", "b"))

    assert spans(lanes) == {"0": ["0-3 running"]}


def test_who_has_the_baton_already_goes_on():
    lanes = lanes_of((0, "0", "mark", "here"), (0, "0", "run", ""), (0, "0", "park", "lock a.py:1"))

    assert spans(lanes) == {"0": ["0-2 running", "2-3 waiting lock a.py:1"]}


def test_a_task_waits_for_what_its_next_step_says():
    lanes = lanes_of(
        (0, "0", "step", "Task-1 a.py:3"),
        (0, "0", "step", "my task a.py:7"),
        (0, "0", "park", "poll selectors.py:4"),
        (5, "", "jump", ""),
        (5, "0", "step", "Task-1 a.py:4 sleep"),
        (5, "0", "step", "my task a.py:8"),
    )

    assert spans(lanes) == {
        "0": ["0-2 running", "2-3 waiting poll selectors.py:4", "3-6 running"],
        "Task-1": ["0-1 running", "1-4 waiting sleep a.py:4", "4-5 running"],
        "my task": ["1-2 running", "2-5 waiting a.py:8", "5-6 running"],
    }


def test_a_loop_that_lets_the_clock_move_by_itself_waits_meanwhile():
    lanes = lanes_of(
        (0, "0", "step", "Task-1 a.py:3"),
        (5, "", "jump", ""),
        (5, "0", "step", "Task-1 a.py:4 sleep"),
        first=10,
    )

    assert spans(lanes) == {
        "0": ["10-10.5 running", "10.5-11 waiting poll", "11-13 running"],
        "Task-1": ["10-10.5 running", "10.5-12 waiting sleep a.py:4", "12-13 running"],
    }


@pytest.mark.parametrize(
    ("end", "state"), [(5, "blocking sleep a.py:3"), (0, "waiting sleep a.py:3")]
)
def test_a_task_that_waits_while_time_passes_blocks_its_loop(end, state):
    lanes = lanes_of(
        (0, "0", "step", "Task-1 a.py:3"),
        (0, "0", "park", "sleep a.py:3"),
        (end, "", "jump", ""),
        (end, "0", "step", "Task-2 a.py:9"),
    )

    assert spans(lanes)["Task-1"] == ["0-1 running", f"1-2 {state}", "2-3 running"]


def test_a_task_is_ready_when_its_thread_is():
    lanes = lanes_of(
        (0, "0", "step", "Task-1 a.py:3"),
        (0, "0.1", "start", "a.py:3"),
        (0, "0", "choice", "acquire a.py:3"),
        (0, "0.1", "run", ""),
        (0, "0.1", "end", ""),
        (0, "0", "run", ""),
    )

    assert spans(lanes)["Task-1"] == ["0-2 running", "2-5 ready", "5-6 running"]


def test_a_task_ends_with_its_thread():
    lanes = lanes_of((0, "0.1", "step", "Task-1 a.py:3"), (0, "0.1", "end", ""))

    assert spans(lanes) == {"0.1": ["0-1 running"], "Task-1": ["0-1 running"]}


def test_a_step_may_have_no_line():
    lanes = lanes_of((0, "0", "step", "Task-1 async_generator_asend"))

    assert spans(lanes)["Task-1"] == ["0-1 running"]


def test_what_is_said_of_a_thread_that_waits_does_not_wake_it():
    lanes = lanes_of(
        (0, "0", "mark", "begin"),
        (0, "0", "park", "lock a.py:1"),
        (0, "0", "mark", "gave up"),
        (0, "0", "fail", "Deadlock"),
        (0, "0", "fault", "disk full"),
    )

    assert spans(lanes) == {"0": ["0-1 running", "1-5 waiting lock a.py:1"]}


def test_a_mark_is_of_who_went_on_alone():
    lanes = lanes_of((0, "0", "park", "sleep a.py:1"), (5, "", "jump", ""), (5, "0", "mark", "up"))

    assert spans(lanes) == {"0": ["0-1 waiting sleep a.py:1", "1-3 running"]}


def test_a_thread_that_is_started_by_who_went_on_alone():
    lanes = lanes_of(
        (0, "0", "park", "sleep a.py:1"), (5, "", "jump", ""), (5, "0.1", "start", "a.py:2")
    )

    assert spans(lanes) == {
        "0": ["0-1 waiting sleep a.py:1", "1-3 running"],
        "0.1": ["2-3 ready"],
    }


def test_each_record_is_of_a_lane_and_those_of_the_clock_of_none():
    lanes = lanes_of(
        (0, "0", "step", "Task-1 a.py:3"),
        (0, "0", "deviation", "timers 1 of 2"),
        (5, "", "jump", ""),
        (5, "0", "mark", "here"),
    )

    assert [lane and (lane.path, lane.task) for lane in lanes.of_records] == [
        ("0", "Task-1"),
        ("0", "Task-1"),
        None,
        ("0", ""),
    ]


def test_what_is_done_between_records_is_of_the_task_that_runs():
    lanes = lanes_of(
        (0, "0", "step", "Task-1 a.py:3"),
        (0, "0", "park", "poll a.py:3"),
        asked=[(0, "0"), (1, "0"), (2, "0")],
    )

    assert [lane.task for lane in lanes.of_asked] == ["", "Task-1", ""]


def test_the_end_begins_where_the_root_waits_at_no_place():
    records = [(0, "0", "park", "sleep a.py:1"), (5, "", "jump", ""), (5, "0", "park", "drain ")]

    assert lanes_of(*records, (5, "0", "park", "settle ")).ending == 2
    assert lanes_of(*records[:2]).ending is None


def test_lanes_are_in_the_order_of_paths_with_tasks_below_their_thread():
    lanes = lanes_of(
        (0, "0.10", "start", ""),
        (0, "0.2", "start", ""),
        (0, "0", "step", "Task-2 a.py:1"),
        (0, "0", "step", "Task-1 a.py:1"),
    )

    assert list(spans(lanes)) == ["0", "Task-2", "Task-1", "0.2", "0.10"]


def test_what_a_record_says_ends_with_its_site():
    assert split("clock read a.py:12") == ("clock read", "a.py:12")
    assert split("drain ") == ("drain", "")
    assert split("two\nlines") == ("two\nlines", "")
    assert numbers("0.2.10") == [0, 2, 10]
