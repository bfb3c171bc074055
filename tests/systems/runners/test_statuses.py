"""The status machine, all of it: each pair of statuses, by the owner, somebody else and nobody."""

from __future__ import annotations

import itertools

import pytest

from simclock.systems.runners.failures import (
    InvocationStatusOwnershipError,
    InvocationStatusTransitionError,
)
from simclock.systems.runners.statuses import InvocationStatus, next_owner

# By hand, not from the code: a letter says that the one on top may follow the one at the left, and
# who may say so. `a`: anybody, nobody too; `s`: somebody, who owns it then; `o`: its owner, who
# keeps it; `r`: its owner, who lets it go; `t`: anybody, who takes it from its owner.
TABLE = """
                              reg cc ccf rer pen prec run rrec pau res kil ret suc fai
registered                     .  a  a   .   s   .    .   .    .   .   .   .   .   .
concurrency_controlled         .  .  .   a   .   .    .   .    .   .   .   .   .   .
concurrency_controlled_final   .  .  .   .   .   .    .   .    .   .   .   .   .   .
rerouted                       .  a  a   .   s   .    .   .    .   .   .   .   .   .
pending                        .  .  .   r   .   t    o   .    .   .   r   .   .   r
pending_recovery               .  .  .   a   .   .    .   .    .   .   .   .   .   a
running                        .  .  .   .   .   .    .   t    o   .   r   r   r   r
running_recovery               .  .  .   a   .   .    .   .    .   .   .   .   .   a
paused                         .  .  .   .   .   .    .   t    .   o   r   .   .   .
resumed                        .  .  .   .   .   .    .   t    o   .   r   r   r   r
killed                         .  .  .   a   .   .    .   .    .   .   .   .   .   a
retry                          .  a  a   .   s   .    .   .    .   .   .   .   .   .
success                        .  .  .   .   .   .    .   .    .   .   .   .   .   .
failed                         .  .  .   .   .   .    .   .    .   .   .   .   .   .
"""
STATUSES = list(InvocationStatus)
ROWS = [line.split() for line in TABLE.strip().splitlines()[1:]]
LETTERS = {
    (InvocationStatus(row[0]), after): letter
    for row in ROWS
    for after, letter in zip(STATUSES, row[1:], strict=True)
}
OWNED = {"pending", "running", "paused", "resumed"}


def test_the_table_has_each_pair():
    assert len(STATUSES) == 14
    assert LETTERS.keys() == set(itertools.product(STATUSES, STATUSES))


def outcome(letter, actor):
    """Return who owns it then, or the error."""
    if letter == ".":
        return InvocationStatusTransitionError
    if letter in "at":
        return None
    if letter == "s":
        return actor or InvocationStatusOwnershipError
    if actor != "owner":
        return InvocationStatusOwnershipError
    return "owner" if letter == "o" else None


@pytest.mark.parametrize("actor", ["owner", "other", None])
@pytest.mark.parametrize("before", STATUSES)
@pytest.mark.parametrize("after", STATUSES)
def test_who_may_give_which_status(before, after, actor):
    owner = "owner" if before.value in OWNED else None
    expected = outcome(LETTERS[before, after], actor)

    if isinstance(expected, type):
        with pytest.raises(expected):
            next_owner(before, after, owner, actor)
    else:
        assert next_owner(before, after, owner, actor) == expected


def test_what_each_status_is():
    assert {each.value for each in STATUSES if each.is_available} == {
        "registered",
        "rerouted",
        "retry",
    }
    assert {each.value for each in STATUSES if each.is_final} == {
        "success",
        "failed",
        "concurrency_controlled_final",
    }
    assert {each.value for each in STATUSES if each.is_owned} == OWNED


def test_a_forbidden_status_is_told_with_those_that_can_follow():
    with pytest.raises(
        InvocationStatusTransitionError,
        match="success cannot follow killed\nwhat can: failed, rerouted",
    ) as caught:
        next_owner(InvocationStatus.KILLED, InvocationStatus.SUCCESS, None, "a")

    error = caught.value
    assert (error.from_status, error.to_status) == (
        InvocationStatus.KILLED,
        InvocationStatus.SUCCESS,
    )
    assert error.allowed == {InvocationStatus.FAILED, InvocationStatus.REROUTED}


def test_nothing_follows_a_final_status():
    with pytest.raises(InvocationStatusTransitionError, match="nothing: it is final"):
        next_owner(InvocationStatus.FAILED, InvocationStatus.REROUTED, None, "a")


def test_a_foreign_owner_is_told():
    with pytest.raises(
        InvocationStatusOwnershipError, match="b cannot make it success: somebody else owns it"
    ) as caught:
        next_owner(InvocationStatus.RUNNING, InvocationStatus.SUCCESS, "a", "b")

    error = caught.value
    assert (error.current_owner, error.attempted_owner) == ("a", "b")
    assert error.reason == "somebody else owns it"
