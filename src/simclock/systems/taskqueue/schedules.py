"""What is to be submitted by itself, and by which timetable: the records of a scheduler."""

from __future__ import annotations

import enum
import hashlib
import uuid
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, NamedTuple

from simclock.systems._shared.codecs import NotSerialisable, canonical, decode, encode
from simclock.systems.taskqueue.failures import TaskArgumentError


class ScheduleType(enum.Enum):
    """What the text of a schedule is."""

    CRON = "cron"
    INTERVAL = "interval"
    ONE_TIME = "one_time"


class Claim(NamedTuple):
    """That one scheduler, and no other, submits the next run.

    Attributes:
        owner: The scheduler.
        until: From when on it is taken to be gone, and others may submit that run.
    """

    owner: str
    until: datetime


@dataclass(frozen=True)
class ScheduledTask:
    """A task that is submitted by itself. All instants are aware, in UTC.

    Attributes:
        id: What it is known by.
        task_name: The name of its function.
        schedule_type: What `schedule` is.
        schedule: A cron line, seconds, or an instant (ISO 8601).
        args: What the function is called with.
        kwargs: The same, by keyword.
        enabled: Whether it is submitted.
        last_run_at: When it was submitted the last time.
        next_run_at: When it is due; None: never again.
        created_at: When it was scheduled. Intervals are counted from here.
        updated_at: When it was changed the last time, also by a run.
        description: For people.
        max_retries: Of each run; None: as the task says.
        retry_delay: The same.
        priority: Of runs that are due, those with lower numbers are submitted first, and run first.
        timezone: By the clock of which zone a cron line is meant.
        catch_up: What becomes of runs that nobody has submitted in time; see `Scheduler`.
        runs: How many have been submitted.
        series: Drawn when it was scheduled: tells its runs from those of others.
        claim: Who submits its next run in this moment.
    """

    id: str
    task_name: str
    schedule_type: ScheduleType
    schedule: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    enabled: bool = True
    last_run_at: datetime | None = None
    next_run_at: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    description: str | None = None
    max_retries: int | None = None
    retry_delay: float | None = None
    priority: int = 0
    timezone: str = field(default="UTC", kw_only=True)
    catch_up: str = field(default="coalesce", kw_only=True)
    runs: int = field(default=0, kw_only=True)
    series: str = field(default_factory=lambda: uuid.uuid4().hex, kw_only=True)
    claim: Claim | None = field(default=None, kw_only=True)

    @property
    def run_id(self) -> str:
        """The id of the task that the next run is: the same whoever submits it, and how often."""
        return f"{self.series}-{self.runs}"

    @property
    def definition(self) -> str:
        """A text that two have in common if they mean the same: task, timetable and arguments.

        Raises:
            TaskArgumentError: The arguments cannot be kept.
        """
        kind = self.schedule_type.value
        zone = self.timezone if self.schedule_type is ScheduleType.CRON else None
        try:
            return canonical([self.task_name, kind, self.schedule, zone, self.args, self.kwargs])
        except NotSerialisable as error:
            raise TaskArgumentError(
                f"task {self.task_name!r} cannot be scheduled: {error}"
            ) from error

    @property
    def digest(self) -> str:
        """A short text for `definition`."""
        return hashlib.sha256(self.definition.encode()).hexdigest()

    def with_own_id(self) -> ScheduledTask:
        """Return it with the id that only its definition gives it.

        Who schedules the same again, even at the same time in another
        process, finds this one.
        """
        return replace(self, id=str(uuid.UUID(self.digest[:32], version=5)))

    def with_own_arguments(self) -> ScheduledTask:
        """Return it with copies of its arguments, which nobody else has."""
        args, kwargs = decode(encode([self.args, self.kwargs]))
        return replace(self, args=args, kwargs=kwargs)

    @property
    def to_dict(self) -> dict[str, Any]:
        """All of it, with texts for what is no value of JSON; arguments are as they are."""
        data = {each.name: getattr(self, each.name) for each in fields(self)}
        data["schedule_type"] = self.schedule_type.value
        for name in _INSTANTS:
            data[name] = None if data[name] is None else data[name].isoformat()
        if self.claim is not None:
            data["claim"] = [self.claim.owner, self.claim.until.isoformat()]
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ScheduledTask:
        """Return the one that `to_dict` has shown; what it does not know is left out."""
        names = {each.name for each in fields(cls)}
        known = {name: value for name, value in data.items() if name in names}
        known["schedule_type"] = ScheduleType(known["schedule_type"])
        known["args"] = tuple(known["args"])
        for name in _INSTANTS:
            text = known.get(name)
            known[name] = None if text is None else datetime.fromisoformat(text)
        if known.get("claim") is not None:
            owner, until = known["claim"]
            known["claim"] = Claim(owner, datetime.fromisoformat(until))
        return cls(**known)


_INSTANTS = ("last_run_at", "next_run_at", "created_at", "updated_at")
