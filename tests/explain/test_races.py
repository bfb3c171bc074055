"""Which lines race: by patterns, by what came the other way round, by what is at the failing line."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from simclock._explain.accesses import Access
from simclock._explain.narrative import Moment, Narrative, Place
from simclock._explain.races import COMPARED, Touch, _orders, races

NAMES = {"a": "Anna", "b": "Bert", "c": "Carl"}
BOX = SimpleNamespace()


def did(who, kind, line, part="value", owner=BOX):
    """Return a moment in which *who* reads or writes."""
    access = Access(owner, part, kind == "w", f"box.{part}", kind == "c")
    return Moment(line, 0, who, Place("box.py", line), "", (access,), "line")


CHOICE = Moment(0, 0, "a", None, "Bert runs before Anna", (), "deviation")


def run(*moments):
    return Narrative(list(moments), NAMES)


def first(failed, passed=None, ends=()):
    found = races(run(*failed), None if passed is None else run(*passed), ends)
    return found[0].said(NAMES) if found else ""


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (
            "rww",
            ("Anna read box.value (box.py:1), then Bert wrote it (box.py:2), and then Anna wrote it "
             "(box.py:3), by what it had read before"),
        ),
        (
            "rwr",
            ("Anna read box.value twice (box.py:1, box.py:3), and Bert wrote it in between"
            " (box.py:2)"),
        ),
        (
            "wwr",
            ("Anna wrote box.value (box.py:1) and read it again (box.py:3), and Bert wrote it in"
            " between (box.py:2)"),
        ),
        (
            "wrw",
            ("Anna wrote box.value twice (box.py:1, box.py:3), and Bert read it in between"
            " (box.py:2), half done"),
        ),
        ("rrr", ""), ("rrw", ""), ("wrr", ""), ("www", ""),
    ],
)  # fmt: skip
def test_the_four_patterns_that_no_order_explains(pattern, text):
    moments = [
        did(who, kind, n) for n, (who, kind) in enumerate(zip("aba", pattern, strict=True), 1)
    ]

    assert first(moments) == text


def test_a_loop_that_looks_again_is_no_race():
    assert first([did("a", "r", 1), did("b", "w", 2), did("a", "r", 1)]) == ""


def test_parts_are_compared_and_all_of_it_is_every_part():
    one, other = did("b", "w", 2, part=1, owner=[]), did("b", "w", 2, part=None)
    box = one.accesses[0].owner

    def around(moment, part):
        owner = moment.accesses[0].owner
        return [did("a", "r", 1, part, owner), moment, did("a", "w", 3, part, owner)]

    assert first(around(one, 1)) != ""
    assert first(around(one, 2)) == ""
    assert first(around(other, None)) != ""
    assert first([did("a", "r", 1, 5, box), did("b", "w", 2, None, box), did("a", "w", 3, 5, box)])


def test_other_objects_are_others():
    assert first([did("a", "r", 1), did("b", "w", 2, owner=object()), did("a", "w", 3)]) == ""


def test_what_came_the_other_way_round():
    write, read = did("a", "w", 1), did("b", "r", 2)

    assert first([read, write], [write, read]) == (
        "Bert read box.value (box.py:2) before Anna wrote box.value (box.py:1); the run that passes"
        " has it the other way round"
    )
    assert first([read, write], [read, write]) == ""
    assert first([read, write], [write]) == ""


def test_what_is_of_several_things_has_no_other_way_round():
    """A thing of this run may be any of those of the other one."""
    write, read, other = did("a", "w", 1), did("b", "r", 2), did("b", "r", 2, owner=object())

    assert first([read, write], [write, read]) != ""
    assert first([read, write, other], [write, read]) == ""
    assert first([read, write], [write, read, other]) == ""


def test_calls_are_told_after_data():
    lock = object()
    calls = [did("b", "c", 5, None, lock), did("a", "c", 4, None, lock)]
    calls = [
        each._replace(accesses=(each.accesses[0]._replace(writes=True, said="acquire Lock #1"),))
        for each in calls
    ]
    data = [did("b", "r", 2), did("a", "w", 1)]

    assert first(calls, calls[::-1]) == (
        "Bert came to acquire Lock #1 (box.py:5) before Anna came to acquire Lock #1 (box.py:4); the"
        " run that passes has it the other way round"
    )
    assert first([*calls, *data], [*calls[::-1], *data[::-1]]).startswith("Bert read box.value")


def test_what_the_failing_line_is_about_comes_first():
    moments = [
        did("a", "r", 1), did("b", "w", 2), did("a", "w", 3),
        did("a", "r", 11, "other"), did("b", "w", 12, "other"), did("a", "w", 13, "other"),
    ]  # fmt: skip

    assert "box.value" in first(moments)
    assert "box.other" in first(moments, ends=[Place("box.py", 13)])


def test_what_is_new_comes_before_what_is_always_so_whoever_does_it():
    usual = [did("a", "r", 1), did("c", "w", 2), did("a", "w", 3)]
    always = [did("a", "r", 1), did("b", "w", 2), did("a", "w", 3)]
    new = [did("a", "r", 11, "other"), did("b", "w", 12, "other"), did("a", "w", 13, "other")]

    assert "box.other" in first([*always, *new], usual)


def test_what_a_choice_came_into_comes_first():
    plain = [did("a", "r", 1), did("b", "w", 2), did("a", "w", 3)]
    chosen = [
        did("a", "r", 11, "other"), CHOICE, did("b", "w", 12, "other"), did("a", "w", 13, "other"),
    ]  # fmt: skip

    assert "box.other" in first([*plain, *chosen])
    assert "box.value" in first(plain)


def test_only_the_last_accesses_are_compared():
    long = [did("a", "r", 1), did("b", "w", 2), *[did("a", "r", 5)] * COMPARED]

    assert first([*long[:2], did("a", "w", 3)]) != ""
    assert first([*long, did("a", "w", 3)]) == ""


def test_orders_are_as_many_as_lines_however_often_they_are_run():
    touches = [
        Touch(n, "ab"[n % 2], Place("box.py", n % 4), did("a", "w", 1).accesses[0])
        for n in range(400)
    ]

    assert len(list(_orders(touches))) == 8


def test_a_real_run(telling):
    box = SimpleNamespace(value=0)

    def add():
        read = box.value
        time.sleep(0)
        box.value = read + 1

    def scenario():
        box.value = 0
        telling.together(add, add)
        assert box.value == 2

    failed, error = telling.told(scenario, [(1, 1)])
    passed, nothing = telling.told(scenario)
    begin = add.__code__.co_firstlineno

    found = races(failed, passed, [])[0]

    assert (type(error), nothing) == (AssertionError, None)
    assert [place.line - begin for place in found.places] == [1, 3, 3]
    assert [failed.names[touch.who] for touch in found.touches] == ["a", "b", "a"]
    assert (found.is_new, found.is_chosen, found.pattern) == (True, True, "rww")


def test_locks_are_told_by_where_they_are_taken(telling):
    locks = [threading.Lock(), threading.Lock()]

    def take(first, second):
        with first, second:
            pass

    def scenario():
        telling.together(lambda: take(*locks), lambda: take(*locks))

    failed, _ = telling.told(scenario, [(0, 1)])
    passed, _ = telling.told(scenario)

    assert [race.said(failed.names).partition(" (")[0] for race in races(failed, passed, [])][
        :1
    ] == ["b came to acquire Lock #1"]
