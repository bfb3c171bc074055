"""Mistakes that clusters like this one have been built with, to be planted into this one."""

from __future__ import annotations

import contextlib
import time
from unittest import mock

from simclock.systems._shared import leases
from simclock.systems.runners import (
    changes,
    heartbeats,
    orchestrator,
    recovery,
    slots,
    steps,
    taking,
)
from simclock.systems.runners.statuses import InvocationStatus


@contextlib.contextmanager
def anybody_succeeds():
    """Whoever comes to the end of a body says so: nobody looks whose the invocation is by now."""
    next_owner = steps.next_owner

    def careless(before, after, owner, actor):
        mine = owner if after is InvocationStatus.SUCCESS else actor
        return next_owner(before, after, owner, mine)

    with (
        mock.patch.object(steps, "next_owner", careless),
        mock.patch.object(changes, "check_fence"),
    ):
        yield


class WallHeartbeats(heartbeats.Heartbeats):
    """Say when they were written, and are compared with what the clock says."""

    def __init__(self, records, *, interval, dead_after):
        super().__init__(records, interval=interval, dead_after=dead_after)
        self._dead_after = dead_after

    def _write(self, context):
        super()._write(context)
        row = self._records.get(context.runner_id)
        value = {**row.value, "at": time.time()}
        self._records.swap(context.runner_id, row.version, row.status, value)

    def is_dead(self, runner_id):
        row = self._records.get(runner_id)
        return row is None or time.time() - row.value.get("at", 0.0) > self._dead_after


@contextlib.contextmanager
def wall_clocks_tell_who_is_dead():
    """A runner is dead when its last heartbeat is too old, by the wall clock of who looks."""
    with mock.patch.object(orchestrator, "Heartbeats", WallHeartbeats):
        yield


@contextlib.contextmanager
def acknowledged_first():
    """An entry of the queue is removed before its invocation is taken, and nobody minds the loss."""
    follow = taking.Taking._followed

    def followed(self, hint, runner):
        self._changes.hints.drop(hint)
        return follow(self, hint, runner)

    with (
        mock.patch.object(taking.Taking, "_followed", followed),
        mock.patch.object(recovery.Recovery, "_hint_again", return_value=False),
    ):
        yield


class WallLease(leases.Lease):
    """Says until when it is held, and is anybody's after that by their clock."""

    def _value(self, token):
        return {**super()._value(token), "until": time.time() + self.duration}

    def _may_be_taken(self, found):
        return found.status == leases.FREE or time.time() > found.value["until"]


@contextlib.contextmanager
def wall_clocks_end_leases():
    """A lease ends at an instant that its holder has written down, by the wall clock of others."""
    with mock.patch("simclock.systems.runners.services.Lease", WallLease):
        yield


BUGS = {
    each.__name__: each
    for each in (
        anybody_succeeds,
        wall_clocks_tell_who_is_dead,
        acknowledged_first,
        wall_clocks_end_leases,
    )
}


@contextlib.contextmanager
def nobody_waits_for_a_slot():
    """What may run once at a time is run by all."""
    with mock.patch.object(slots.RunningSlots, "take", return_value=True):
        yield


class OneTokenLease(leases.Lease):
    """Has the same token for all."""

    def _value(self, token):
        return super()._value(min(token, 1))


@contextlib.contextmanager
def leases_have_one_token():
    """Who takes a lease over cannot be told from who had it."""
    with mock.patch("simclock.systems.runners.services.Lease", OneTokenLease):
        yield
