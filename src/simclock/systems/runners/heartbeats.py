"""Heartbeats: runners rewrite a record now and then, and others see that it changes.

No instant is compared with one of another machine: a runner is dead for who has
watched its record long enough, by the watcher's own monotonic clock.
"""

from __future__ import annotations

import threading
import time
import uuid
from typing import TYPE_CHECKING

from simclock.systems._shared.liveness import Liveness
from simclock.systems.runners.context import RunnerContext

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from simclock.systems._shared.stores.interfaces import Records, StoredRecord

_ALIVE = "alive"  # what all records of runners have as their status
_NO_RECORD = "none"  # the version of a runner that has no record


class Heartbeats:
    """What this process tells of its runners, and knows of others. May be used from any thread.

    Args:
        records: Where.
        interval: Seconds between two beats of a runner; half of that at least.
        dead_after: After how many seconds without any it is dead, for who watches it.
    """

    def __init__(self, records: Records, *, interval: float, dead_after: float) -> None:
        self._records = records
        self._interval = interval
        self._liveness = Liveness(dead_after)
        self._lock = threading.Lock()
        # Of each runner that this process tells of: when, by the monotonic clock.
        self._beaten: dict[str, float] = {}
        # Invariant: those that were seen when this process watched the last time.
        self._watched: dict[str, RunnerContext] = {}
        # Those that own something, and had no record when that was looked for the last time.
        self._missing: set[str] = set()

    def beat(self, contexts: Iterable[RunnerContext]) -> None:
        """Say that these runners are alive, unless that was said just now.

        Raises:
            StateBackendError: It could not be said.
        """
        for context in contexts:
            now = time.monotonic()
            with self._lock:
                beaten = self._beaten.get(context.runner_id)
            # Whoever asks once in an interval asks a bit before its end now and then.
            if beaten is None or now - beaten >= self._interval / 2:
                self._write(context)
                with self._lock:
                    self._beaten[context.runner_id] = now

    def _write(self, context: RunnerContext) -> None:
        row = self._records.get(context.runner_id)
        if row is not None:
            # If somebody is faster, that one has said it; or it was forgotten, and is written anew.
            if self._records.swap(context.runner_id, row.version, _ALIVE, row.value):
                return
            if self._records.get(context.runner_id) is not None:
                return
        # Who is forgotten and comes again has the same versions again, but another birth.
        value = {"context": context.to_json(), "birth": uuid.uuid4().hex}
        self._records.create(context.runner_id, _ALIVE, value, at=time.time())

    def forget(self, runner_id: str) -> None:
        """Say that a runner has ended; what it owns can be recovered after a while."""
        with self._lock:
            self._beaten.pop(runner_id, None)
        self._records.delete(runner_id)

    def watch(self, owners: Iterable[str] | None = None) -> None:
        """Look at all records, and for those of *owners* that are not there.

        What is known of the dead comes from watching them several times.
        """
        rows = dict(self._records.with_status(_ALIVE))
        for runner_id, row in rows.items():
            self._liveness.observe(runner_id, _version(row))
        watched = {runner_id: _context(runner_id, row) for runner_id, row in rows.items()}
        with self._lock:
            missing = self._missing if owners is None else set(owners) - rows.keys()
            gone = (self._watched.keys() | self._missing) - rows.keys() - missing
            self._watched, self._missing = watched, missing
        for runner_id in missing if owners is not None else ():
            self._liveness.observe(runner_id, _NO_RECORD)
        for runner_id in gone:
            self._liveness.forget(runner_id)

    def is_dead(self, runner_id: str) -> bool:
        """Return whether a runner was silent for too long while it was watched."""
        return self._liveness.is_dead(runner_id)

    def active(self) -> list[RunnerContext]:
        """Return those that have a record and are not known to be dead, the oldest first."""
        self.watch()
        with self._lock:
            known = list(self._watched.values())
        return [each for each in reversed(known) if not self.is_dead(each.runner_id)]

    def remove_dead(self, owners: Collection[str]) -> int:
        """Remove the records of the dead who own nothing; return how many."""
        with self._lock:
            known = list(self._watched)
        dead = [each for each in known if each not in owners and self.is_dead(each)]
        return sum(self._records.delete(each) for each in dead)


def _version(row: StoredRecord) -> tuple[object, int]:
    return row.value.get("birth") if isinstance(row.value, dict) else None, row.version


def _context(runner_id: str, row: StoredRecord) -> RunnerContext:
    try:
        return RunnerContext.from_json(row.value["context"])
    except (LookupError, TypeError, ValueError):
        # Of another version. It beats all the same; one that is none is dead after a while.
        return RunnerContext("unknown", runner_id, pid=0, hostname="unknown", thread_id=0)
