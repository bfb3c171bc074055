"""Which status may follow which."""

from __future__ import annotations

import enum
import pickle

import pytest

from simclock.systems._shared.statuses import Entry, StatusError, Transitions


class Light(enum.Enum):
    RED = "red"
    GREEN = "green"
    BROKEN = "broken"


LIGHTS = Transitions(
    {Light.RED: {Light.GREEN, Light.BROKEN}, Light.GREEN: {Light.RED}, Light.BROKEN: ()}
)


def test_what_is_in_the_table_is_allowed_and_nothing_else():
    allowed = [(a, b) for a in Light for b in Light if LIGHTS.allows(a, b)]

    assert allowed == [
        (Light.RED, Light.GREEN),
        (Light.RED, Light.BROKEN),
        (Light.GREEN, Light.RED),
    ]


def test_finals_are_what_nothing_follows():
    assert LIGHTS.finals == {Light.BROKEN}


def test_check():
    LIGHTS.check(Light.RED, Light.GREEN)
    with pytest.raises(StatusError, match=r"^broken cannot follow green\nwhat can: red$") as error:
        LIGHTS.check(Light.GREEN, Light.BROKEN)
    assert (error.value.before, error.value.after) == (Light.GREEN, Light.BROKEN)
    with pytest.raises(StatusError, match="what can: nothing: it is final"):
        LIGHTS.check(Light.BROKEN, Light.RED)


def test_its_error_crosses_processes():
    error = StatusError(Light.GREEN, Light.BROKEN, [Light.RED])

    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_table_with_a_hole_is_refused():
    with pytest.raises(ValueError, match="no line for: BROKEN, GREEN"):
        Transitions({Light.RED: {Light.GREEN, Light.BROKEN}})


def test_an_entry_of_a_history_does_not_change():
    entry = Entry(Light.RED, None)

    with pytest.raises(AttributeError):
        entry.status = Light.GREEN
