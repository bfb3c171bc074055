"""What is deprecated says since when, what to use instead, and where that was discussed."""

from __future__ import annotations

import warnings

import pytest

import simclock
from simclock import predicates
from simclock._deprecation import warn_deprecated


def told(*args, **options):
    with pytest.warns(DeprecationWarning) as caught:  # noqa: PT030 - the text is compared whole
        warn_deprecated(*args, **options)
    (one,) = caught
    return str(one.message)


def test_the_warning_names_what_to_use_instead_and_the_issue():
    assert told("simclock.travel()", "0.3", instead="Simulation.move_wall()", issue=17) == (
        "simclock.travel() is deprecated since simclock 0.3 (issue 17)\n"
        "use Simulation.move_wall() instead"
    )


def test_functions_classes_and_methods_are_named_as_they_are_imported():
    text = told(simclock.explore, "0.3", instead=predicates.Ledger.update, issue=17)

    assert text == (
        "simclock.explore is deprecated since simclock 0.3 (issue 17)\n"
        "use simclock.predicates.Ledger.update instead"
    )


def test_it_may_be_said_that_there_is_nothing_instead_and_no_issue():
    assert told(3, "0.3", instead=None, issue=None) == (
        "3 is deprecated since simclock 0.3\nthere is nothing instead"
    )


@pytest.mark.parametrize("given", [{}, {"instead": "y"}, {"issue": 17}])
def test_both_must_be_given(given):
    with pytest.raises(TypeError, match="keyword-only argument"):
        warn_deprecated("x", "0.3", **given)


def old():
    warn_deprecated(old, "0.3", instead=None, issue=None)


def test_who_is_warned_is_who_uses_it():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        old()  # here

    (one,) = caught
    with open(one.filename) as file:
        line = file.readlines()[one.lineno - 1]
    assert "# here" in line
