"""Who is called dead, and who is not."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simclock.systems._shared.liveness import Liveness

pytestmark = pytest.mark.simclock


def watch(liveness, versions, every=1.0):
    """Observe a version each *every* seconds; return after which seconds "a" was dead."""
    began, found = time.monotonic(), []
    for version in versions:
        liveness.observe("a", version)
        if liveness.is_dead("a"):
            found.append(time.monotonic() - began)
        time.sleep(every)
    return found


def test_whose_version_does_not_change_is_dead_after_a_while():
    assert watch(Liveness(3, margin=0), [7] * 6) == [3, 4, 5]


def test_the_margin_is_waited_for_too():
    assert watch(Liveness(3, margin=0.5), [7] * 7) == [5, 6]


def test_whose_version_changes_lives():
    assert watch(Liveness(3, margin=0), range(20)) == []


def test_any_change_is_a_sign_of_life():
    """Also back to an old version: its record may have been removed, and written anew."""
    assert watch(Liveness(3, margin=0), [9, 9, 9, 1, 1, 1, 9, 9, 9]) == []


def test_a_dead_one_that_changes_lives_again():
    assert watch(Liveness(2, margin=0), [1, 1, 1, 2, 2, 2]) == [2, 5]


def test_who_was_never_seen_is_not_dead():
    liveness = Liveness(1)
    time.sleep(100)

    assert not liveness.is_dead("a")


def test_who_has_not_looked_for_long_knows_nothing():
    liveness = Liveness(3, margin=0)
    liveness.observe("a", 1)
    time.sleep(100)
    assert not liveness.is_dead("a")

    liveness.observe("a", 2)
    assert not liveness.is_dead("a")


def test_a_long_gap_between_two_observations_is_half_of_the_silence():
    """The watcher may have been paused, with those that it watches."""
    liveness, found = Liveness(3, margin=0), []
    for seconds in (0, 100, 0.5, 100, 100):
        time.sleep(seconds)
        liveness.observe("a", 1)
        found.append(liveness.is_dead("a"))

    assert found == [False, False, False, True, True]


def test_a_forgotten_one_was_never_seen():
    liveness = Liveness(3, margin=0)
    watch(liveness, [1] * 9)
    liveness.forget("a")
    liveness.forget("a")
    assert not liveness.is_dead("a")

    assert watch(liveness, [1] * 5) == [3, 4]


def test_each_key_has_its_own_versions():
    liveness = Liveness(3, margin=0)
    for number in range(5):
        liveness.observe("a", 1)
        liveness.observe("b", number)
        time.sleep(1)

    assert [liveness.is_dead(key) for key in "ab"] == [True, False]


def test_the_wall_clock_is_not_asked(sim):
    host, found = sim.host("a"), []

    def run():
        found.extend(watch(Liveness(3, margin=0), [1] * 6))

    host.start(run)
    time.sleep(0.5)
    host.move_wall(-86400)
    time.sleep(4)
    host.move_wall(3 * 86400)
    time.sleep(3)
    assert found == pytest.approx([3, 4, 5])


@given(
    observations=st.lists(st.tuples(st.floats(0.1, 3), st.integers(1, 3)), min_size=1, max_size=30)
)
def test_dead_is_whose_last_observations_are_equal_for_long(observations):
    now = [0.0]
    liveness = Liveness(4, margin=0.25, clock=lambda: now[0])
    last, silence = None, 0.0
    for seconds, version in observations:
        now[0] += seconds
        liveness.observe("a", version)
        silence = silence + min(seconds, 2.5) if version == last else 0.0
        last = version
        assert liveness.is_dead("a") == (silence >= 5)


@pytest.mark.parametrize(
    "numbers", [{"dead_after": 0}, {"dead_after": -1}, {"dead_after": 1, "margin": -0.1}]
)
def test_numbers_that_have_no_meaning_are_refused(numbers):
    with pytest.raises(ValueError, match="nobody can be watched"):
        Liveness(**numbers)
