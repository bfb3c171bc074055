"""What one trigger remembers: what it waits with, what it has to fire, what it has taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from simclock.systems.runners.conditions import CronCondition
from simclock.systems.runners.identifiers import InvocationId
from simclock.systems.runners.occurrences import CronContext, cron_value
from simclock.systems.runners.trigger_definitions import TriggerDefinition

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from simclock.systems._shared.cron import CronExpression

UTC = timezone.utc
_MINUTE = timedelta(minutes=1)
_WRONG = timedelta(days=1)
LAYOUT = 1


@dataclass
class TriggerState:
    """A trigger and what it remembers; in a store one record, changed by compare-and-set.

    Attributes:
        definition: The trigger.
        registered: When it was registered first.
        token: Of the last lease under which it was changed.
        crons: Up to which instant each of its cron lines was looked at.
        queues: For each condition what has happened and waits for the other conditions; one for
            all, if one is enough.
        outbox: What is to be fired.
        seen: Which things it has taken that may be shown to it again.
    """

    definition: TriggerDefinition
    registered: datetime
    token: int = 0
    crons: dict[str, datetime] = field(default_factory=dict)
    queues: list[list[dict[str, Any]]] = field(default_factory=list)
    outbox: list[Firing] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    @classmethod
    def new(cls, definition: TriggerDefinition, now: datetime) -> TriggerState:
        """Return that of a trigger that is registered now: what was due before is not."""
        lines = dict.fromkeys(_crons(definition), now)
        count = len(definition.conditions) if definition.is_and else 1
        return cls(definition, now, crons=lines, queues=[[] for _ in range(count)])

    def take(self, occurrence: dict[str, Any], fits: Sequence[bool]) -> None:
        """Take something that has happened, unless it was taken before.

        Where several conditions wait for it, it is that one's with which the
        fewest wait already.

        Args:
            occurrence: What is stored of it.
            fits: For each condition whether it waits for that.
        """
        if occurrence["id"] in self.seen or not any(fits):
            return
        self.seen.add(occurrence["id"])
        self._put(occurrence, fits)

    def _put(self, occurrence: dict[str, Any], fits: Sequence[bool]) -> None:
        if not self.definition.is_and:
            self.queues[0].append(occurrence)
            return
        waiting = [queue for queue, is_right in zip(self.queues, fits, strict=True) if is_right]
        min(waiting, key=len).append(occurrence)

    def take_crons(self, now: datetime) -> None:
        """Take for each cron line the latest instant that has come since it was looked at."""
        for line, cron in _crons(self.definition).items():
            # Of who has looked with a clock that is wrong by so much: else none is due until then.
            if self.crons[line] > now + _WRONG:
                self.crons[line] = now
            due = latest_due(cron, self.crons[line], now)
            if due is None:
                continue
            self.crons[line] = due
            # Not of when it was due: for how long it waits counts from now.
            occurrence = {**cron_value(line, due), "at": now.timestamp()}
            context = CronContext(occurrence["id"], line, due)
            fits = [each.matches(context) for each in self.definition.conditions]
            if any(fits):
                self._put(occurrence, fits)

    def match(self, now: datetime) -> None:
        """Make firings of what is complete, first in first out."""
        while all(self.queues):
            self._fire([each.pop(0) for each in self.queues], now)

    def _fire(self, occurrences: list[dict[str, Any]], now: datetime) -> None:
        ids = [each["id"] for each in occurrences]
        fired = InvocationId.derived(self.definition.trigger_id, *ids)
        self.outbox.append(Firing(fired, occurrences, now.timestamp()))

    def expire(self, before: float) -> None:
        """Forget what has waited for others, and what could not be fired, since before then."""
        self.queues = [[each for each in queue if each["at"] >= before] for queue in self.queues]
        self.outbox = [each for each in self.outbox if each.since >= before]

    def forget(self, shown: Collection[str]) -> None:
        """Forget which were taken of those that are not shown any more."""
        self.seen.intersection_update(shown)

    def fired(self, ids: Iterable[str]) -> None:
        """Note that these firings are invocations now."""
        done = set(ids)
        self.outbox = [each for each in self.outbox if each.id not in done]

    def to_value(self) -> dict[str, Any]:
        """Return what can be stored, and `from_value` reads."""
        return {
            "layout": LAYOUT,
            "definition": self.definition.to_value(),
            "registered": self.registered,
            "token": self.token,
            "crons": dict(self.crons),
            "queues": [list(queue) for queue in self.queues],
            "outbox": [[str(each.id), each.occurrences, each.since] for each in self.outbox],
            "seen": sorted(self.seen),
        }

    @classmethod
    def from_value(cls, value: Mapping[str, Any]) -> TriggerState:
        """Return what was stored.

        Raises:
            KeyError: It was written by another version.
            ValueError: It has no meaning here, or was written by another version.
        """
        if value["layout"] != LAYOUT:
            raise ValueError(f"a trigger of layout {value['layout']!r}, not {LAYOUT}")
        return cls(
            TriggerDefinition.from_value(value["definition"]),
            value["registered"],
            value["token"],
            dict(value["crons"]),
            [list(queue) for queue in value["queues"]],
            [Firing(InvocationId(fired), *rest) for fired, *rest in value["outbox"]],
            set(value["seen"]),
        )


@dataclass(frozen=True)
class Firing:
    """An invocation that is to be.

    Attributes:
        id: Its id, which always comes of the trigger and of what has happened.
        occurrences: What has happened.
        since: Since when it is to be.
    """

    id: InvocationId
    occurrences: list[dict[str, Any]]
    since: float


def _crons(definition: TriggerDefinition) -> dict[str, CronExpression]:
    """Return the cron lines that a trigger waits for, by their keys."""
    parts = (part for condition in definition.conditions for part in condition.parts())
    return {each.key: each.cron for each in parts if isinstance(each, CronCondition)}


def latest_due(cron: CronExpression, after: datetime, now: datetime) -> datetime | None:
    """Return the latest instant after *after*, and not after *now*, at which a line is due.

    Halving what is left: a line may have been due a million times meanwhile.
    """
    found = _next(cron, after)
    if found is None or found > now:
        return None
    latest, end = found, now
    # Invariant: it is due at `latest`, and not after `end` until now.
    while end - latest >= _MINUTE:
        middle = latest + (end - latest) / 2
        found = _next(cron, middle)
        if found is not None and found <= now:
            latest = found
        else:
            end = middle
    return latest


def _next(cron: CronExpression, after: datetime) -> datetime | None:
    try:
        return cron.next_run(after)
    except ValueError:  # datetimes end before it is due again
        return None
