"""The loop of triggers: each thing that has happened fires each trigger that waits for it, once."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, NamedTuple

from simclock.systems._shared.stores.interfaces import StoreError
from simclock.systems.runners.calls import Call
from simclock.systems.runners.failures import (
    InvocationStatusRaceConditionError,
    SerializationError,
)
from simclock.systems.runners.occurrences import context_of
from simclock.systems.runners.trigger_definitions import TriggerContext
from simclock.systems.runners.trigger_state import TriggerState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simclock.systems._shared.stores.interfaces import StoredRecord
    from simclock.systems.runners.app import Pynenc
    from simclock.systems.runners.occurrences import Context
    from simclock.systems.runners.trigger_state import Firing

_logger = logging.getLogger("simclock.systems.runners")
# Statuses of records: a trigger; what has happened and was not looked at by all, and what was.
TRIGGER, NEW, DONE = "trigger", "new", "done"
# Seconds: for how long a part of what a trigger waits for waits for the others, and for how long
# anything is kept that cannot be dealt with here.
KEPT = 24 * 3600.0
_TRIES = 5


class Loaded(NamedTuple):
    """A trigger as it was read.

    Attributes:
        key: Of its record.
        row: The record.
        state: What that says.
    """

    key: str
    row: StoredRecord
    state: TriggerState


class TriggerLoop:
    """Brings together triggers and what has happened.

    Three writes make it once, wherever it is broken off and whoever goes on.
    A trigger takes what has happened, and has the firings that follow, in one
    compare-and-set. What all have taken is removed after that: it is shown
    again if that fails, and the trigger knows what it has taken. Firings become
    invocations with ids that follow from what has happened, and are removed
    after that.

    Args:
        app: The application.
    """

    def __init__(self, app: Pynenc) -> None:
        self._app = app
        self._storage = app.storage
        # The keys of the triggers that were there the last time.
        self.known: frozenset[str] = frozenset()
        self._unreadable: set[str] = set()

    def load(self) -> list[Loaded]:
        """Return all triggers, the first one first; what cannot be read is logged, once."""
        found = []
        for key, row in reversed(self._storage.triggers.with_status(TRIGGER)):
            try:
                found.append(Loaded(key, row, TriggerState.from_value(row.value)))
            except (LookupError, TypeError, ValueError):
                if self._is_news(key):
                    _logger.exception("the trigger %s is left out", key)
        return found

    def _is_news(self, key: str) -> bool:
        """Return whether it is the first time that this cannot be read."""
        count = len(self._unreadable)
        self._unreadable.add(key)
        return len(self._unreadable) > count

    def step(self, token: int) -> int:
        """Go once through all; return how many firings became invocations.

        Raises:
            StateBackendError: The storage cannot be used. The next step goes on.
        """
        # First these, then what has happened. What a trigger has taken and forgotten, as it had
        # been removed, would else be shown to it again; now a swap of what was read would fail.
        triggers = self.load()
        self.known = frozenset(each.key for each in triggers)
        happened = self._happened()
        # One that has seen a later lease: this one has ended.
        if any(each.state.token > token for each in triggers):
            return 0
        left: set[str] = set()
        for each in triggers:
            left |= self._advance(each, happened, token)
        made = sum(self._deliver(each.key) for each in triggers if each.state.outbox)
        taken = [each for each in happened if each.key not in left]
        if taken and self._is_all():
            self._remove(taken)
        return made

    def _is_all(self) -> bool:
        """Return whether no trigger was registered since all were read: it was shown nothing."""
        keys = {key for key, _ in self._storage.triggers.with_status(TRIGGER)}
        return keys <= self.known

    def _happened(self) -> list[_Happened]:
        found = []
        for key, row in reversed(self._storage.occurrences.with_status(NEW)):
            try:
                context = context_of(row.value, self._app.serializer)
            except SerializationError as error:
                _logger.info("%s cannot be read here: %s", key, error)
                context = None
            except (LookupError, TypeError, ValueError):
                if self._is_news(key):
                    _logger.exception("what has happened is left out: %s", key)
                continue
            found.append(_Happened(key, row, context))
        return found

    # ------------------------------------------------------------------ triggers take

    def _advance(self, trigger: Loaded, happened: Sequence[_Happened], token: int) -> set[str]:
        """Have a trigger take what it waits for; return what it has yet to be shown again."""
        state, now = trigger.state, datetime.now(timezone.utc)
        before = state.to_value()
        state.expire(now.timestamp() - KEPT)
        state.forget({each.key for each in happened})
        state.take_crons(now)
        left = {each.key for each in happened if not self._show(state, each)}
        state.match(now)
        if state.to_value() == before:
            return left
        state.token = token
        swapped = self._storage.triggers.swap(
            trigger.key, trigger.row.version, TRIGGER, state.to_value()
        )
        return left if swapped else {each.key for each in happened}

    def _show(self, state: TriggerState, happened: _Happened) -> bool:
        """Return whether the trigger could decide whether it waits for that."""
        value = happened.row.value
        if happened.context is None:
            return False
        if value.get("missed") and value["since"] < state.registered:
            return True
        try:
            fits = [each.matches(happened.context) for each in state.definition.conditions]
        except LookupError as error:
            _logger.info("a trigger of %s cannot decide: %s", state.definition.task_id, error)
            return False
        state.take(value, fits)
        return True

    def _remove(self, happened: Sequence[_Happened]) -> None:
        occurrences, expires = self._storage.occurrences, time.time() + KEPT
        for each in happened:
            if each.row.value.get("once"):
                occurrences.delete(each.key)
            else:
                # Kept, so that what is reported once more is not written once more.
                occurrences.swap(each.key, each.row.version, DONE, None, expires=expires)

    # ----------------------------------------------------------------- firings become

    def _deliver(self, key: str) -> int:
        """Make invocations of what a trigger has to fire; return how many."""
        row = self._storage.triggers.get(key)
        if row is None or not row.value["outbox"]:
            return 0
        state = TriggerState.from_value(row.value)
        ended = [each.id for each in state.outbox if self._fire(state, each)]
        for _ in range(_TRIES):
            state.fired(ended)
            if self._storage.triggers.swap(key, row.version, TRIGGER, state.to_value()):
                break
            row = self._storage.triggers.get(key)
            if row is None:
                break
            state = TriggerState.from_value(row.value)
        return len(ended)

    def _fire(self, state: TriggerState, firing: Firing) -> bool:
        """Make an invocation; return False if others may be able to, later or elsewhere."""
        definition = state.definition
        try:
            task = self._app.get_task(definition.task_id)
            contexts = [context_of(each, self._app.serializer) for each in firing.occurrences]
            given = definition.arguments(TriggerContext(definition.trigger_id, tuple(contexts)))
        except (LookupError, SerializationError) as error:
            _logger.info("a trigger of %s cannot fire here: %s", definition.task_id, error)
            return False
        if given is None:
            _logger.error("a trigger of %s has no arguments for it", definition.task_id)
            return True
        try:
            call = Call(task, task.args(**given))
            texts = call.serialized_arguments
            self._app.orchestrator.route_call(
                task.task_id, call.call_id, texts, invocation_id=firing.id
            )
        except StoreError:
            raise
        except InvocationStatusRaceConditionError:
            return False  # it can be repeated
        except Exception:
            # It would fail again, and keep the others from being fired.
            _logger.exception("a trigger of %s cannot call it", definition.task_id)
        return True


class _Happened(NamedTuple):
    """Something that has happened.

    Attributes:
        key: Of its record.
        row: The record.
        context: What conditions are given; None: it cannot be read here.
    """

    key: str
    row: StoredRecord
    context: Context | None
