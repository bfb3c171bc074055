"""What is noted beside the trace of a run, for who wants to see it: callers, deviations, log lines.

None of it is part of the trace: a run that is watched so has the digest that it has otherwise.
"""

from __future__ import annotations

import sys
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from simclock._core.choices import THREAD
from simclock._core.places import PROGRAM, owners
from simclock._core.trace import ObservedTrace, Trace

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

    from simclock._core.choices import Candidate, ChoicePoint, ChoiceSource

# Kinds of records that are added by the thread which they are about, where it is in its code.
ITS_OWN = frozenset({"park", "choice", "start", "mark"})


class Said(NamedTuple):
    """A choice among threads that was not the canonical one.

    Attributes:
        number: Of the record that was the next one.
        chosen: What goes on: a thread, or the clock.
        canonical: What would have gone on.
    """

    number: int
    chosen: Candidate
    canonical: Candidate


class LogLine(NamedTuple):
    """A log line.

    Attributes:
        number: Of the record that was the next one.
        time_ns: Virtual monotonic instant.
        path: Of the thread that has logged it.
        level: The name of its level.
        logger: The name of the logger.
        text: The message.
        site: File and line of the call.
    """

    number: int
    time_ns: int
    path: str
    level: str
    logger: str
    text: str
    site: str


class Notes:
    """The last notes of a run; as many of each as a trace keeps records.

    Attributes:
        callers: Where in the program records were made: the number of each, the code of the
            innermost function that is the program's, and its last instruction.
        deviations: Choices among threads that were not canonical.
        logs: Log lines.
    """

    def __init__(self) -> None:
        self.callers: deque[tuple[int, CodeType, int]] = deque(maxlen=Trace.KEPT)
        self.deviations: deque[Said] = deque(maxlen=Trace.KEPT)
        self.logs: deque[LogLine] = deque(maxlen=Trace.KEPT)


class NotedTrace(ObservedTrace):
    """A trace that notes where in the program each record was made."""

    def __init__(self, notes: Notes, fail: Callable[[BaseException], None]) -> None:
        super().__init__(fail)
        self._note = notes.callers.append

    def add(self, time_ns: int, path: str, kind: str, detail: str = "") -> None:
        """Append one record, and note its caller."""
        # At the end the root waits at no place of the program, and says none.
        if kind in ITS_OWN and not detail.endswith(" "):
            frame = _callers_frame(sys._getframe(1))
            if frame is not None:
                # Not the line, which takes long to find.
                self._note((self._flushed + len(self._fresh), frame.f_code, frame.f_lasti))
        if self.observers:
            super().add(time_ns, path, kind, detail)
        else:
            Trace.add(self, time_ns, path, kind, detail)


class NotedChoices:
    """A source of choices that notes which thread, or the clock, goes on instead of which.

    Other choices have records of their own.

    Args:
        source: What answers.
        notes: Where it is noted.
        number: Returns how many records there are.
    """

    def __init__(self, source: ChoiceSource, notes: Notes, number: Callable[[], int]) -> None:
        self.interested = source.interested
        self.latency_ns = source.latency_ns
        self.chaos = source.chaos
        self._source = source
        self._notes = notes
        self._number = number

    def choose(self, point: ChoicePoint) -> int:
        """Return what the source chooses."""
        choice = self._source.choose(point)
        # A source may be wrong, which is told by who asks.
        if choice and point.label == THREAD and choice in range(point.bound):
            said = Said(self._number(), point.candidates[choice], point.candidates[0])
            self._notes.deviations.append(said)
        return choice


def line_of(code: CodeType, instruction: int) -> int:
    """Return the line of an instruction, given as a frame's ``f_lasti``."""
    for begin, end, line in code.co_lines():
        if begin <= instruction < end and line is not None:
            return line
    return code.co_firstlineno


def _callers_frame(frame: FrameType | None) -> FrameType | None:
    """Return the innermost frame of the program from *frame* on, or else of a library of others."""
    library = None
    while frame is not None:
        whose = owners[frame.f_code.co_filename]
        if whose:
            if whose == PROGRAM:
                return frame
            library = library or frame
        frame = frame.f_back
    return library
