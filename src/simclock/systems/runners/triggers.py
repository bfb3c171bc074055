"""Tasks that run by themselves: what happens is written down once, and triggers fire for it."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from simclock.systems._shared.codecs import NotSerialisable, decode, encode
from simclock.systems.runners.conditions import (
    ExceptionCondition,
    ResultCondition,
    StatusCondition,
)
from simclock.systems.runners.failures import DamagedRecordError, SerializationError
from simclock.systems.runners.occurrences import event_value, invocation_values
from simclock.systems.runners.statuses import InvocationStatus
from simclock.systems.runners.stored import StoredInvocation
from simclock.systems.runners.trigger_builder import TriggerBuilder
from simclock.systems.runners.trigger_loop import KEPT, NEW, TRIGGER, TriggerLoop
from simclock.systems.runners.trigger_state import TriggerState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from simclock.systems.runners.app import Pynenc
    from simclock.systems.runners.trigger_definitions import TriggerDefinition

# For how many seconds it is believed that others have registered no trigger.
REMEMBERED = 1.0
# Seconds between two looks for invocations that ended and of which nothing was written down, as
# whoever ended them crashed before it could; how far back each looks, which is as much as clocks
# may differ, and less than it is remembered what was written down; and at how many of the latest
# ones of each status.
MENDED_EVERY, LOOKS_BACK, MOST = 60.0, KEPT / 2, 1000
_FINALS = [each for each in InvocationStatus if each.is_final]


class TriggerEngine:
    """The triggers of an application. It may be used from any thread.

    Whatever happens is written down as a record of its own, before any trigger
    looks at it: by whoever emits an event, or changes an invocation. The
    `AtomicServices` of one runner then see which triggers wait for it.

    A trigger fires for what happens after it was registered; where another
    process has registered it, after a second more.

    Args:
        app: The application.
    """

    def __init__(self, app: Pynenc) -> None:
        self._app = app
        self._storage = app.storage
        self._loop = TriggerLoop(app)
        self._lock = threading.Lock()
        self._registered: set[str] = set()
        # What of invocations any trigger waits for, and until when that is believed.
        self._wanted: frozenset[tuple[str, ...]] = frozenset()
        self._until = float("-inf")
        self._mend_at = float("-inf")
        # Which of those that ended were there the last time.
        self._looked_at: frozenset[str] = frozenset()

    # ------------------------------------------------------------------ definitions

    def register(self, definition: TriggerDefinition) -> str:
        """Have a trigger wait from now on; return its id. Idempotent."""
        trigger_id = definition.trigger_id
        now = datetime.now(timezone.utc)
        state = TriggerState.new(definition, now).to_value()
        self._storage.triggers.create(trigger_id, TRIGGER, state, at=now.timestamp())
        self._look_again()
        return trigger_id

    def register_declared(self) -> None:
        """Register the triggers that tasks were declared with, as far as they are known here."""
        for task_id, task in self._app.tasks.items():
            for builder in _builders(task.options.triggers):
                definition = builder.build(task_id)
                if definition.trigger_id not in self._registered:
                    self.register(definition)
                    self._registered.add(definition.trigger_id)

    def unregister(self, trigger_id: str) -> bool:
        """Have a trigger wait no more; return whether it was there.

        One that a task was declared with comes back when another process starts.
        """
        was_there = self._storage.triggers.delete(trigger_id)
        self._look_again()
        return was_there

    def _look_again(self) -> None:
        # Under the lock: who looks just now may have looked before the change.
        with self._lock:
            self._until = float("-inf")

    def definitions(self) -> list[TriggerDefinition]:
        """Return all triggers, by whomever they were registered, the first one first."""
        return [each.state.definition for each in self._loop.load()]

    # ----------------------------------------------------------------- what happens

    def emit_event(
        self, code: str, payload: Mapping[str, Any] | None = None, *, event_id: str | None = None
    ) -> str:
        """Say that something has happened; return the id of the event.

        Args:
            code: What.
            payload: More of it, by name: plain values.
            event_id: Who has to say it again, after a `StateBackendError`, says the same id.

        Raises:
            SerializationError: The payload cannot be stored.
        """
        is_said_once = not event_id
        event_id = event_id or uuid.uuid4().hex
        try:
            values = decode(encode(dict(payload or {})))
        except NotSerialisable as error:
            raise SerializationError(f"the payload of event {code!r}: {error}") from error
        self._write(event_value(event_id, code, values, is_said_once=is_said_once))
        return event_id

    def report(self, stored: StoredInvocation) -> None:
        """Say what an invocation has become: the orchestrator does."""
        wanted = self._what_is_wanted()
        for value in invocation_values(stored):
            if _key_of(value) in wanted:
                self._write(value)

    def _mend(self) -> None:
        """Report what ended and may not have been reported. Once more does not matter."""
        now, wanted = time.monotonic(), self._what_is_wanted()
        if now < self._mend_at or not wanted:
            return
        since = time.time() - LOOKS_BACK
        ended = {stored.id: stored for stored in self._ended()}
        for stored in ended.values():
            if stored.id not in self._looked_at and stored.since.timestamp() >= since:
                for value in invocation_values(stored):
                    if _key_of(value) in wanted:
                        self._write({**value, "missed": True})
        self._looked_at = frozenset(ended)
        self._mend_at = now + MENDED_EVERY

    def _ended(self) -> Iterator[StoredInvocation]:
        for status in _FINALS:
            for key, row in self._storage.invocations.with_status(status.value, limit=MOST):
                # Of one that cannot be read the orchestrator complains.
                with contextlib.suppress(DamagedRecordError):
                    yield StoredInvocation.from_value(key, row.value)

    def _write(self, value: dict[str, Any]) -> None:
        now = time.time()
        # One that is there already is what somebody has written before, or is done.
        self._storage.occurrences.create(
            value["id"], NEW, {**value, "at": now}, at=now, expires=now + KEPT
        )

    def _what_is_wanted(self) -> frozenset[tuple[str, ...]]:
        with self._lock:
            now = time.monotonic()
            if now >= self._until:
                triggers = self._loop.load()
                # What somebody has purged is registered again.
                self._registered &= {each.key for each in triggers}
                self._wanted = frozenset(
                    key for each in triggers for key in _keys_for(each.state.definition)
                )
                # Not before it is known: else what is reported meanwhile would be left out.
                self._until = now + REMEMBERED
            return self._wanted

    # -------------------------------------------------------------------- what fires

    def loop_iteration(self, token: int) -> int:
        """Have triggers fire for what has happened; return how many invocations that made.

        To be called by one process at a time; should it be two, each thing
        fires as often as if it were one.

        Args:
            token: Of the lease that says so.
        """
        self._mend()
        made = self._loop.step(token)
        # What was purged is registered again.
        self._registered &= self._loop.known
        return made


def _builders(declared: Any) -> Iterable[TriggerBuilder]:
    if declared is None:
        return ()
    return (declared,) if isinstance(declared, TriggerBuilder) else tuple(declared)


def _key_of(value: Mapping[str, Any]) -> tuple[str, ...]:
    status = (value["status"],) if value["kind"] == "status" else ()
    return (value["kind"], value["task"], *status)


def _keys_for(definition: TriggerDefinition) -> Iterator[tuple[str, ...]]:
    for condition in definition.conditions:
        for part in condition.parts():
            if isinstance(part, StatusCondition):
                for status in part.statuses:
                    yield (part.kind, part.task_id.key, status.value)
            elif isinstance(part, (ResultCondition, ExceptionCondition)):
                yield (part.kind, part.task_id.key)
