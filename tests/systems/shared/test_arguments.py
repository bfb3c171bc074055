"""Which numbers every store takes."""

from __future__ import annotations

import pytest

from simclock.systems._shared.stores.arguments import check_priority


@pytest.mark.parametrize("priority", [0, -(2**53), 2**53])
def test_a_priority_is_a_whole_number_that_a_float_has(priority):
    assert check_priority(priority) == priority


@pytest.mark.parametrize("priority", [-(2**53) - 1, 2**53 + 1, 1.0, None, "1"])
def test_another_one_is_refused(priority):
    with pytest.raises(ValueError, match=r"^a priority that a queue cannot keep: "):
        check_priority(priority)
