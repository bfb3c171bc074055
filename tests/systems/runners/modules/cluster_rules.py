"""What must hold in any cluster, by the true time: checked from what its store was told."""

from __future__ import annotations

import contextlib
import functools
import itertools
import socket
from collections import Counter
from typing import NamedTuple
from unittest import mock

from cluster_tasks import alone, journal

from simclock.systems._shared.stores.memory import MemoryRecords
from simclock.systems.runners import InvocationStatus, RunnerContext
from simclock.systems.runners.housekeeping import Housekeeping
from simclock.systems.runners.identifiers import TaskId
from simclock.systems.runners.recovery import Recovery
from simclock.systems.runners.services import LEASE
from simclock.systems.runners.triggers import TriggerEngine

FINAL = {each.value for each in InvocationStatus if each.is_final}
AVAILABLE = {each.value for each in InvocationStatus if each.is_available}
RECOVERED = {"pending_recovery", "running_recovery"}
# Real programs are late by moments; in virtual time this is for sums of floats.
MOMENT = 0.001


class Write(NamedTuple):
    """A record that was written, and when by the true time."""

    at: float
    key: str
    status: str
    value: object


class Span(NamedTuple):
    """What was done by the machine that a cluster does such things on, once at a time."""

    begin: float
    end: float
    what: str
    where: str


class Watch:
    """In a ``with`` block, sees all that is written into stores in memory, and who tidies up.

    Args:
        simulation: Whose time is the true one.
    """

    def __init__(self, simulation):
        self.simulation = simulation
        self.invocations = {}
        self.beats = {}
        self.hosts = {}
        self.leases = []
        self.spans = []
        self.over = None

    def __enter__(self):
        journal.clear()
        with contextlib.ExitStack() as stack:
            for name in ("create", "swap"):
                self._replace(stack, MemoryRecords, name, self._writing)
            for kind, name in (
                (Recovery, "step"),
                (TriggerEngine, "loop_iteration"),
                (Housekeeping, "step"),
            ):
                self._replace(stack, kind, name, self._spanning)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def _replace(self, stack, kind, name, wrapper):
        stack.enter_context(mock.patch.object(kind, name, wrapper(getattr(kind, name))))

    def _writing(self, method):
        @functools.wraps(method)
        def write(records, key, *args, **options):
            done = method(records, key, *args, **options)
            if done:
                status, value = args[-2:]
                self._note(Write(self.now, key, status, value))
            return done

        return write

    def _note(self, write):
        value = write.value if isinstance(write.value, dict) else {}
        if "executions" in value:
            self.invocations.setdefault(write.key, []).append(write)
        elif "birth" in value:
            self.beats.setdefault(write.key, []).append(write.at)
            self.hosts[write.key] = value["context"]
        elif write.key == LEASE:
            self.leases.append(write)

    def _spanning(self, method):
        @functools.wraps(method)
        def step(one, *args):
            begin, where = self.now, socket.gethostname()
            place = len(self.spans)
            # If its machine is killed in the middle, it has no end.
            self.spans.append(Span(begin, float("inf"), method.__qualname__, where))
            try:
                return method(one, *args)
            finally:
                self.spans[place] = Span(begin, self.now, method.__qualname__, where)

        return step

    @property
    def now(self):
        """The true time."""
        return self.simulation.elapsed

    # ------------------------------------------------------------------- the rules

    def check(self, cluster):
        """Raise an `AssertionError` that says which rule does not hold."""
        settings = cluster.app.orchestrator.settings
        for key in self.invocations:
            self._check_ends_once(key)
            self._check_one_owner(key)
            self._check_executions(key, cluster)
            self._check_recoveries(key, settings.runner_considered_dead_after)
        self._check_alone()
        self._check_services()
        self._check_leases()

    def history(self, key):
        return self.invocations[key][-1].value["history"]

    def told(self, key):
        lines = (
            f"    {status} {runner} {note or ''}" for status, runner, _, note in self.history(key)
        )
        return "\n".join([key, *lines])

    def _check_ends_once(self, key):
        finals = [status for status, *_ in self.history(key) if status in FINAL]
        assert len(finals) == 1, f"it has not ended once: {self.told(key)}"
        assert self.history(key)[-1][0] in FINAL, f"it went on after its end: {self.told(key)}"

    def _check_one_owner(self, key):
        owner = None
        for status, runner, *_ in self.history(key):
            if status == "pending":
                assert owner is None, f"it was taken from its owner: {self.told(key)}"
                owner = runner
            elif status in AVAILABLE:
                owner = None
            elif status not in RECOVERED and owner is not None:
                assert runner == owner or status == "failed", f"not its owner: {self.told(key)}"

    def _check_executions(self, key, cluster):
        value = self.invocations[key][-1].value
        options = cluster.app.get_task(TaskId.from_key(value["task"])).options
        most = 1 + options.max_retries + options.max_recoveries
        assert value["executions"] <= most, f"it was run too often: {self.told(key)}"
        assert value["retries"] <= options.max_retries, f"too many retries: {self.told(key)}"
        begun = sum(1 for _, what, _, which, _ in journal if (what, which) == ("begins", key))
        assert begun <= value["executions"], f"a body was begun unseen: {self.told(key)}"
        if value["status"] == "failed":
            # No task of these fails by itself.
            assert value["error"][0] == "PoisonedInvocationError", value["error"]
            assert value["recoveries"] == options.max_recoveries

    def _check_recoveries(self, key, dead_after):
        """Only those are recovered whose runner was silent for long, as something kept it down."""
        before = 0
        for write in self.invocations[key]:
            history = write.value["history"]
            for status, _, _, note in history[before:]:
                if status in RECOVERED and note and note.endswith("is dead"):
                    self._check_was_dead(note.removesuffix(" is dead"), write.at, dead_after, key)
            before = len(history)

    def _check_was_dead(self, runner, at, dead_after, key):
        beats = [each for each in self.beats.get(runner, [0.0]) if each <= at]
        silent = at - beats[-1]
        assert silent >= dead_after - MOMENT, (
            f"{self.host_of(runner)} was alive {silent:g} s before it was called dead at {at:g}: "
            f"{self.told(key)}"
        )
        assert self.was_down(self.host_of(runner), beats[-1], at), (
            f"{self.host_of(runner)} was up, and silent since {beats[-1]:g}, at {at:g}: "
            f"{self.told(key)}"
        )

    def host_of(self, runner):
        found = self.hosts.get(runner)
        return runner if found is None else RunnerContext.from_json(found).hostname

    def was_down(self, host, begin, end):
        """Return whether a fault has kept a machine from the store, at any time in between."""
        return any(
            fault.at <= end
            and begin <= fault.at + (self.now if fault.lasts is None else fault.lasts)
            for fault in self.simulation.faults.plan
            if self._hits(fault, host)
        )

    @staticmethod
    def _hits(fault, host):
        if fault.what in ("kill", "pause"):
            return fault.target == host
        # Whoever is on the other side than the store.
        sides = fault.sides if fault.what == "partition" else ()
        return any(host in side and "store" not in side for side in sides)

    def _check_alone(self):
        """Of the invocations of `alone` never two are owned at one instant."""
        spans = sorted(
            span
            for key, writes in self.invocations.items()
            if writes[0].value["task"] == alone.task_id.key
            for span in _owned(writes)
        )
        for (_, end, one), (begin, _, other) in itertools.pairwise(spans):
            assert end <= begin, f"two at once at {begin:g}: {self.told(one)}\n{self.told(other)}"

    def _check_services(self):
        """What a cluster does once is done by one machine at a time.

        A machine that was down meanwhile may go on with what it had begun.
        """
        for one, other in itertools.combinations(sorted(self.spans), 2):
            if one.where == other.where or one.end <= other.begin:
                continue
            assert self.was_down(one.where, one.begin, other.begin), f"two at once: {one}, {other}"

    def _check_leases(self):
        """Each holder has a token of its own, higher than all before."""
        tokens = [(each.value["mark"], each.value["token"]) for each in self.leases]
        changes = [token for (mark, token), _ in _changes(tokens)]
        assert changes == sorted(set(changes)), tokens

    def counts(self, task):
        """Return how many invocations of a task there are with which arguments."""
        return Counter(
            tuple(writes[0].value["arguments"].values())
            for writes in self.invocations.values()
            if writes[0].value["task"] == task.task_id.key
        )


def _owned(writes):
    """Yield from when until when an invocation was owned."""
    since = None
    for write in writes:
        if write.value["owner"] is not None:
            since = write.at if since is None else since
        elif since is not None:
            yield (since, write.at, write.key)
            since = None
    if since is not None:
        yield (since, float("inf"), writes[0].key)


def _changes(tokens):
    """Yield each first one of those with one mark in a row."""
    for _, group in itertools.groupby(tokens, key=lambda each: each[0]):
        yield next(group), None
