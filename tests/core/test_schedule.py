"""Schedules as data, and as tokens that people copy."""

from __future__ import annotations

import base64
import json
import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simclock._core.schedule import Deviation, Schedule

SCHEDULE = Schedule(
    seed=7,
    fidelity="chaos",
    latency_ns=100_000_000,
    deviations=(
        Deviation(position=3, choice=1, bound=2, label="thread"),
        Deviation(position=4, choice=2, bound=3, label="cost"),
        Deviation(position=40, choice=5, bound=6, label="thread"),
    ),
    points=52,
)
# Made once: tokens in bug reports have to be readable by later versions.
TOKEN = (
    "s1.eNqLNtdRSs5IzC9W0jE0gAIdUyOdaKXk_OISJR2lkoyi1MQUpVidaGMdQx0jIAaRxjoGOsZmOqY6ZjqGsbEAbR4RAQ"
)


def packed(data):
    """Return a token of *data*, whatever that is."""
    text = data if isinstance(data, bytes) else json.dumps(data).encode()
    return "s1." + base64.urlsafe_b64encode(zlib.compress(text)).decode().rstrip("=")


def test_a_token_of_today_is_read_for_ever():
    assert Schedule.from_token(TOKEN) == SCHEDULE


def test_a_token_brings_the_schedule_back():
    assert Schedule.from_token(SCHEDULE.token) == SCHEDULE


def test_what_a_token_has_inside():
    """Positions as gaps, and labels by number: a schedule with a thousand of them stays short."""
    body = SCHEDULE.token.removeprefix("s1.")
    data = zlib.decompress(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))

    assert json.loads(data) == [
        7,
        "chaos",
        100_000_000,
        52,
        ["cost", "thread"],
        [3, 1, 2, 1, 1, 2, 3, 0, 36, 5, 6, 1],
    ]


def test_the_canonical_schedule_has_a_token_too():
    canonical = Schedule(0, "legal", 0, (), 0)

    assert Schedule.from_token(canonical.token) == canonical
    assert len(canonical.token) < 50


def test_a_token_may_be_copied_with_the_space_around_it():
    assert Schedule.from_token(f"  {TOKEN}\n") == SCHEDULE


@given(
    st.builds(
        Schedule,
        seed=st.integers(),
        fidelity=st.sampled_from(["legal", "chaos"]),
        latency_ns=st.integers(0, 10**13),
        deviations=st.lists(
            st.builds(
                Deviation,
                position=st.integers(0, 10**6),
                choice=st.integers(1, 50),
                bound=st.integers(51, 60),
                label=st.sampled_from(["thread", "cost", "trio batch", "étage"]),
            ),
            unique_by=lambda each: each.position,
        ).map(lambda found: tuple(sorted(found))),
        points=st.integers(0, 10**6),
    )
)
def test_any_schedule_survives_a_shell_and_a_file(schedule):
    assert re.fullmatch(r"s1\.[A-Za-z0-9_-]+", schedule.token)
    assert Schedule.from_token(schedule.token) == schedule


@pytest.mark.parametrize("text", ["", "eNqLNtBR", "s2.eNqLNtBR", "tests/test_shop.py"])
def test_another_text_is_no_token(text):
    expected = (
        f"^this is no token of a schedule: {text!r}\n"
        "copy the whole token, as the failure has printed it, or give the file that has it$"
    )
    with pytest.raises(ValueError, match=expected):
        Schedule.from_token(text)


@pytest.mark.parametrize(
    "text",
    [
        "s1.",
        TOKEN[:-1],
        TOKEN[:50],
        TOKEN.replace("k", "l"),
        TOKEN + "é",
        TOKEN.replace("_", "!"),
        TOKEN[:50] + "!" + TOKEN[50:],
        packed(b"no JSON"),
        packed(b"\xff"),
        packed(7),
        packed([7, "legal"]),
        packed([7, "legal", 0, 9, ["thread"], [1, 1, 2]]),
        packed([7, "legal", 0, 9, ["thread"], [1, 1, 2, 5]]),
        packed([7, "legal", 0, 9, ["thread"], None]),
        packed([7, "legal", 0, 9, ["thread"], [1, 2, 2, 0]]),
        packed([7, "legal", 0, 9, ["thread"], [1, 0, 2, 0]]),
        packed([7, "legal", -1, 9, ["thread"], [1, 1, 2, 0]]),
        packed(["7", "legal", 0, 9, ["thread"], [1, 1, 2, 0]]),
        packed([7, "lawful", 0, 9, ["thread"], [1, 1, 2, 0]]),
    ],
)
def test_half_a_token_is_told_from_a_whole_one(text):
    with pytest.raises(ValueError, match=r"^this token of a schedule is damaged: 's1\.") as caught:
        Schedule.from_token(text)

    assert str(caught.value).splitlines() == [
        f"this token of a schedule is damaged: {text[:40]!r}..., {len(text)} letters",
        "copy the whole token, as the failure has printed it, or give the file that has it",
    ]


def test_of_a_long_text_that_is_no_token_the_beginning_is_shown():
    shown = "eNqLNtBR" * 5
    with pytest.raises(ValueError, match=f"^this is no token of a schedule: {shown!r}\n"):
        Schedule.from_token(shown + "eNqLNtBR")


def test_what_is_no_text_is_no_token():
    with pytest.raises(TypeError, match="this is no token of a schedule: None\n"):
        Schedule.from_token(None)
