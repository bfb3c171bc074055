"""A failure is told by runs that are made again, or it is said why it is not."""

from __future__ import annotations

import sys

import pytest

import simclock
from simclock._explain import narrator
from simclock._explore import explaining


def is_told():
    """Return whether a narrator traces the caller: coverage may, too."""
    return isinstance(getattr(sys.gettrace(), "__self__", None), narrator.Narrator)


@pytest.fixture
def few_lines(monkeypatch):
    for module in (narrator, explaining):
        monkeypatch.setattr(module, "LINES", 20)


def test_a_run_of_very_many_lines_is_not_told(programs, few_lines):
    def scenario():
        for _ in range(100):
            pass
        programs.lost_update()

    failure = simclock.explore(scenario).failure

    *chosen, last = failure.story.splitlines()
    assert chosen[0] == "canonical except:"
    assert last == "not told line by line: it runs more than 20 lines"
    assert failure.reproduced == 10


def test_a_run_that_sees_its_tracer_is_not_told(programs):
    """It goes another way when it is traced."""

    def scenario():
        if is_told():
            simclock.active().checkpoint("traced")
        programs.lost_update()

    failure = simclock.explore(scenario).failure

    *chosen, last = failure.story.splitlines()
    assert chosen[0] == "canonical except:"
    assert last == "not told line by line: when it is traced, it goes another way"


def test_where_only_the_run_that_passes_goes_another_way_there_is_no_comparison(programs):
    def scenario():
        programs.lost_update()
        if is_told():
            simclock.active().checkpoint("traced")

    story = simclock.explore(scenario).failure.story

    assert story.startswith("canonical except:")
    assert "it passes without" not in story


class Unready:
    """As settings that nobody has configured."""

    def __init__(self):
        self.value = 0

    def __getattr__(self, name):
        raise RuntimeError(f"not configured: {name}")


def test_objects_that_refuse_what_they_are_asked(programs):
    def scenario():
        shared = Unready()

        def add():
            value = shared.value
            simclock.active().checkpoint("read")
            shared.value = value + 1

        programs.together(add, add)
        assert shared.value == 2

    failure = simclock.explore(scenario).failure

    assert type(failure.error) is AssertionError
    assert "likely cause: Thread-1 (add) read Unready.value" in failure.story


def test_what_goes_wrong_in_the_telling_costs_neither_failure_nor_token(programs, monkeypatch):
    def fails(*_):
        raise LookupError("strange program")

    monkeypatch.setattr("simclock._explore.explaining.story", fails)

    failure = simclock.explore(programs.lost_update).failure

    assert failure.story == "not told line by line: LookupError: strange program"
    assert failure.reproduced == 10
    assert type(failure.error) is AssertionError


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no words")


def test_an_error_without_words(programs):
    def scenario():
        programs.together(int)
        raise Mute

    report = simclock.explore(scenario)

    assert "Mute: (its text cannot be had: RuntimeError)" in str(report)


def test_errors_that_were_never_raised_are_told_apart_by_their_text():
    from simclock._explore.playing import _signature

    assert _signature(ValueError("took 12 s")) == _signature(ValueError("took 3 s"))
    assert _signature(ValueError("a")) != _signature(ValueError("b"))


def test_state_that_earlier_runs_have_left_is_the_likely_source(programs):
    left = []

    def scenario():
        programs.together(int)
        left.append(1)
        assert len(left) < 5

    failure = simclock.explore(scenario, strategy="portfolio").failure

    assert failure.difference == (
        "the same schedule has passed before\n"
        "likely source: state that an earlier run has left: a cache, a module's global, a lazy import"
    )
