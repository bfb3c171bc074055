"""Which interleavings were seen, and what is likely to come."""

from __future__ import annotations

from simclock._core.trace import Trace
from simclock._explore.coverage import Interleavings


def trace(*records):
    made = Trace()
    for path, kind, detail in records:
        made.add(0, path, kind, detail)
    return made


# The turn goes from the root to a thread that has just begun, and back.
THERE = (("0", "park", "join shop.py:9"), ("0.1", "run", ""))
BACK = (("0.1", "choice", "acquire shop.py:3"), ("0", "run", ""))


def test_before_any_run_everything_is_new():
    seen = Interleavings()

    assert (seen.pairs, seen.distinct, seen.unseen) == (0, 0, 1.0)


def test_an_interleaving_is_where_one_was_and_where_the_other_goes_on():
    seen = Interleavings()
    seen.add(trace(*THERE, *BACK, *BACK[:1], ("0", "run", "")))

    assert set(seen._only) == {
        ("join shop.py:9", ""),
        ("acquire shop.py:3", "join shop.py:9"),
    }
    assert seen.pairs == 2


def test_the_place_of_what_has_no_detail_is_its_kind_and_the_clock_has_none():
    seen = Interleavings()
    seen.add(trace(*THERE, ("0.1", "end", ""), ("", "jump", ""), ("0", "run", "")))

    assert set(seen._only) == {("join shop.py:9", ""), ("end", "join shop.py:9")}


def test_runs_with_equal_traces_are_counted_once():
    seen = Interleavings()
    for records in (THERE, THERE, [*THERE, *BACK]):
        seen.add(trace(*records))

    assert seen.distinct == 2


def test_the_probability_of_a_new_one_is_the_share_of_runs_that_had_one():
    seen = Interleavings()
    shares = []
    for records in (THERE, THERE, [*THERE, *BACK], THERE):
        seen.add(trace(*records))
        shares.append(seen.unseen)

    assert shares == [1.0, 0.0, 1 / 3, 1 / 4]


def test_a_run_that_had_several_new_ones_counts_once():
    seen = Interleavings()
    seen.add(trace(*THERE, *BACK))
    seen.add(trace())

    assert (seen.pairs, seen.unseen) == (2, 0.5)


def test_parts_add_up_to_the_whole():
    runs = [THERE, [*THERE, *BACK], THERE, BACK, (), [*BACK, *THERE]]
    for middle in range(len(runs) + 1):
        whole, first, second = Interleavings(), Interleavings(), Interleavings()
        for number, records in enumerate(runs):
            whole.add(trace(*records))
            (first if number < middle else second).add(trace(*records))
        first.merge(second)

        assert (first.pairs, first.distinct, first.unseen, first._only) == (
            whole.pairs,
            whole.distinct,
            whole.unseen,
            whole._only,
        )
