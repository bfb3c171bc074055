"""Threads and tasks as lanes: who ran when, who waited, and for what.

A trace tells who gets the baton and who begins to wait, not who stops waiting: a thread's wait is
taken to last until it runs again. A loop's task is known by its steps: what it does in between is
told where it goes on.
"""

from __future__ import annotations

import math
import re
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

RUNNING, READY, WAITING, BLOCKING = "running", "ready", "waiting", "blocking"
# Kinds of records of which each is of a thread that has the baton.
ITS_OWN = ("step", "park", "choice", "end")
# How an event loop waits for its next turn.
POLL = "poll"
# What a task's step says: its name, where it goes on, and the library's function it has awaited.
_STEP = re.compile(r"(?P<name>.*?) (?P<site>\S+:\d+)(?: (?P<called>\S+))?")
_SITE = re.compile(r"(?P<text>.*?) ?(?P<site>\S+:\d+)?")


class Span(NamedTuple):
    """A stretch of a lane, by the numbers of records.

    Attributes:
        first: The record at which it begins; half of one less is before the clock has moved to it.
        last: The one at which it ends, in the same way.
        state: ``running``; ``ready``: could run, another thread does; ``waiting``; ``blocking``:
            of a task whose thread waits, and so its loop with it.
        reason: What it waits for.
        site: File and line at which it waits.
    """

    first: float
    last: float
    state: str
    reason: str = ""
    site: str = ""


class Lane:
    """A thread, or a task of a loop in it.

    Attributes:
        path: Of the thread.
        task: The name of the task, or nothing.
        spans: What it did, in order; there may be gaps between a task's.
    """

    def __init__(self, path: str, task: str = "") -> None:
        self.path = path
        self.task = task
        self.spans: list[Span] = []
        # What it does, since when, for what reason and where; not known before its first record.
        self._now: tuple[float, str, str, str] | None = None

    @property
    def state(self) -> str:
        """What it does at last, or nothing."""
        return "" if self._now is None else self._now[1]

    def turn(self, number: float, state: str, reason: str = "", site: str = "") -> None:
        """From the record *number* on, be in *state*; nothing: in none that is known."""
        if self._now is not None:
            first, before, why, where = self._now
            if before == state and state in (RUNNING, READY):
                return
            if number > first:
                self.spans.append(Span(first, number, before, why, where))
        self._now = (number, state, reason, site) if state else None

    def forget(self) -> None:
        """Be in no state that is known since the last change."""
        self._now = None

    def explain(self, reason: str, site: str) -> None:
        """Say of the wait that lasts what it is."""
        if self._now is not None and self._now[1] == WAITING:
            self._now = (self._now[0], WAITING, reason, site)


class Lanes:
    """The lanes of a run.

    Args:
        records: What its records consist of, in order.
        first: The number of the first one.
        asked: Numbers of records, in order, before which something was done by the thread of a
            path: of which lane that was is what is asked.

    Attributes:
        of_records: The lane of each record; None for those of the clock.
        of_asked: Of each that was asked for.
        ending: The number of the record from which on the simulation ends what is left, or None.
    """

    def __init__(
        self,
        records: Iterable[tuple[int, str, str, str]],
        first: int,
        asked: Iterable[tuple[int, str]] = (),
    ) -> None:
        self._lanes: dict[tuple[str, str], Lane] = {}
        # The task that each thread's loop has let go on last.
        self._tasks: dict[str, str] = {}
        # Who has the baton; nobody while all wait.
        self._runs: str | None = None
        # Who has parked last, and the number of the last jump since.
        self._parked = ""
        self._jump: int | None = None
        self._instants: list[int] = []
        self._first = first
        self.of_records: list[Lane | None] = []
        self.of_asked: list[Lane] = []
        self.ending: int | None = None
        left = deque(asked)
        number = first
        for at, path, kind, detail in records:
            while left and left[0][0] <= number:
                self.of_asked.append(self._current(self._lane(left.popleft()[1])))
            self._instants.append(at)
            self.of_records.append(self._add(number, path, kind, detail))
            number += 1
        self.of_asked += [self._current(self._lane(path)) for _, path in left]
        self._end(number)

    def in_order(self) -> list[Lane]:
        """Return them as they are shown: by path, tasks below their thread as they came."""
        order = {key: index for index, key in enumerate(self._lanes)}
        return [
            self._lanes[key]
            for key in sorted(order, key=lambda key: (numbers(key[0]), bool(key[1]), order[key]))
        ]

    def _lane(self, path: str, task: str = "") -> Lane:
        return self._lanes.get((path, task)) or self._lanes.setdefault(
            (path, task), Lane(path, task)
        )

    def _add(self, number: int, path: str, kind: str, detail: str) -> Lane | None:
        """Let one record change what threads and tasks do; return the lane that it is of."""
        if not path:
            if kind == "jump" and not detail:
                self._jump_to(number)
            return None
        lane = self._lane(path)
        if kind == "start":
            self._start(number, lane)
            return lane
        if kind == "run":
            self._give(number, path)
        elif kind in ITS_OWN:
            return self._do(number, path, kind, detail)
        elif kind == "mark" and self._runs is None and not (lane.state and self._jump is None):
            # Else it is of a thread that waits on.
            self._go_on(number, path)
        return self._current(lane)

    def _start(self, number: int, lane: Lane) -> None:
        if self._runs is None:
            self._go_on(number, lane.path.rpartition(".")[0])
        lane.turn(number, READY)

    def _do(self, number: int, path: str, kind: str, detail: str) -> Lane:
        """Note what only the thread does that has the baton."""
        if self._runs != path:
            self._go_on(number, path)
        if kind == "step":
            return self._step(number, path, detail)
        task = self._current(self._lane(path))
        if kind == "park":
            self._park(number, path, detail)
        elif kind == "choice":
            self._rest(number, path)
        else:
            self._finish(number, path)
        return task

    def _finish(self, number: int, path: str) -> None:
        self._leave_task(number, path)
        self._lane(path).turn(number, "")
        self._runs = None

    def _current(self, lane: Lane) -> Lane:
        """Return the lane of the task that the thread of *lane* runs, if it runs one."""
        task = self._tasks.get(lane.path)
        return lane if task is None else self._lane(lane.path, task)

    def _jump_to(self, number: int) -> None:
        """Let the clock move: who has the baton, a loop, has waited for that without parking."""
        path = self._runs
        if path is not None:
            self._leave_task(number - 0.5, path)
            self._lane(path).turn(number - 0.5, WAITING, POLL)
            self._runs, self._parked = None, path
        self._jump = number

    def _give(self, number: int, path: str) -> None:
        """Let *path* have the baton, whoever has it."""
        if self._runs is not None and self._runs != path:
            self._rest(number, self._runs)
        self._run(number, path)

    def _go_on(self, number: int, path: str) -> None:
        """Let *path* go on that was given nothing: it has parked last, or the trace begins here."""
        if self._parked == path and self._jump is not None:
            number = self._jump
        self._give(number, path)

    def _run(self, number: int, path: str) -> None:
        self._runs, self._jump = path, None
        self._lane(path).turn(number, RUNNING)
        task = self._tasks.get(path)
        if task is not None:
            self._lane(path, task).turn(number, RUNNING)

    def _rest(self, number: int, path: str) -> None:
        """Let *path* go last: it could run."""
        self._runs = None
        for lane in {self._lane(path), self._current(self._lane(path))}:
            lane.turn(number, READY)

    def _park(self, number: int, path: str, detail: str) -> None:
        reason, site = split(detail)
        if not site and self.ending is None:
            self.ending = number
        self._runs, self._parked, self._jump = None, path, None
        self._lane(path).turn(number, WAITING, reason, site)
        if reason == POLL:
            self._leave_task(number, path)
        elif path in self._tasks:
            self._lane(path, self._tasks[path]).turn(number, BLOCKING, reason, site)

    def _step(self, number: int, path: str, detail: str) -> Lane:
        self._leave_task(number, path)
        name, reason, site = _step(detail)
        task = self._lane(path, name)
        task.explain(reason, site)
        task.turn(number, RUNNING)
        self._tasks[path] = name
        return task

    def _leave_task(self, number: float, path: str) -> None:
        """End the step of the task that the loop of *path* runs, if it runs one."""
        name = self._tasks.pop(path, None)
        if name is not None:
            # For what, and whether at all, is known at its next step.
            self._lane(path, name).turn(number, WAITING)

    def _end(self, number: int) -> None:
        """End what goes on."""
        if self._runs is None and self._jump is not None:
            self._go_on(number, self._parked)
        for lane in self._lanes.values():
            # A task without another step has ended, or is never woken: nobody knows here.
            if lane.task and lane.state == WAITING:
                lane.forget()
            else:
                lane.turn(number, "")
            lane.spans[:] = [self._judged(span) for span in lane.spans]

    def _judged(self, span: Span) -> Span:
        """Return *span*; a task that waits while no time passes keeps its loop from nothing."""
        if span.state != BLOCKING or self.instant(span.last) > self.instant(span.first):
            return span
        return span._replace(state=WAITING)

    def instant(self, number: float) -> int:
        """Return the virtual time at what is said as in `Span`."""
        index = min(math.floor(number) - self._first, len(self._instants) - 1)
        return self._instants[max(index, 0)]


def numbers(path: str) -> list[int]:
    """Return what paths are ordered by."""
    return [int(part) for part in path.split(".") if part.isdecimal()]


def split(detail: str) -> tuple[str, str]:
    """Return what a record says, and the site that it ends with, if it does."""
    found = _SITE.fullmatch(detail)
    return (detail, "") if found is None else (found["text"].rstrip(), found["site"] or "")


def _step(detail: str) -> tuple[str, str, str]:
    """Return the name of a step's task, what it has awaited of the library, and where."""
    found = _STEP.fullmatch(detail)
    if found is None:
        name, _, site = detail.rpartition(" ")
        return name, "", site
    return found["name"], found["called"] or "", found["site"]
