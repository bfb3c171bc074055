"""Random programs over everything that waits, with faults: no hang, no leak, the same again.

`./dev programs` runs ten thousand.
"""

from __future__ import annotations

import pytest

EACH = 10
pytestmark = pytest.mark.usefixtures("frozen_heap")


@pytest.mark.parametrize(
    "first",
    [0, EACH, *(pytest.param(each, marks=pytest.mark.slow) for each in range(2 * EACH, 60, EACH))],
)
def test_programs_leave_nothing_and_do_the_same_again(first, modules_of):
    check = modules_of("tools.programs", "checking").checking.check

    assert [check(number)[1] for number in range(first, first + EACH)] == [""] * EACH
