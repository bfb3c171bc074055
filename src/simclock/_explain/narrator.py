"""A run that writes down what it does, in the program's own lines.

The run is one that was made before, and is made again for this. The lines come from
``sys.settrace``, so it takes several times as long; its schedule has no place at which that shows.
"""

from __future__ import annotations

import dis
import inspect
import sys
import threading
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from simclock._core import watching
from simclock._core.choices import CLOCK, COST, THREAD
from simclock._core.places import is_ours, is_users
from simclock._core.recording import Given
from simclock._core.trace import Trace
from simclock._explain.accesses import AMID, FIRST, Access, accesses
from simclock._explain.narrative import Moment, Narrative, Place

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from simclock._core.choices import ChoicePoint

    Result = TypeVar("Result")

# Moments that are kept: the last ones, with the failure.
KEPT = 50_000
# Lines after which a run is too long to be told: each takes some ten microseconds.
LINES = 200_000
# What a wait is for, as what it waits in is called.
_WORDS = {"lock": "acquire"}
# What is called where a lock itself is meant, and nothing that is made of locks.
_OF_LOCKS = ("acquire", "release", "__enter__", "__exit__")
_AT_ITS_START = "(at its start)"
# What a frame that is suspended has come to, as versions of Python have it; and what is next.
_SUSPENDED = ("YIELD_VALUE", "RESUME")
_SUSPENDED_BEFORE = ["YIELD_FROM"]
_GENERATORS = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


class _Pending(NamedTuple):
    """What a line that is under way will have written.

    Attributes:
        frame: Of the line.
        who: Key of the thread or task.
        place: The line.
        writes: What it will have written.
        seen: The number of the checkpoint of its thread that came before it.
    """

    frame: FrameType
    who: str
    place: Place
    writes: tuple[Access, ...]
    seen: int


class Narrator(Given):
    """Makes the choices of a run, and writes down what the run does.

    Args:
        answers: What makes the choices.

    Attributes:
        lines: How many lines the program has run.
    """

    def __init__(self, answers: Given) -> None:
        self.witness = self
        self._answers = answers
        self.lines = 0
        # Who has the run made, while it is traced: what is further out is no part of it.
        self._base: FrameType | None = None
        self._trace = Trace()
        self._moments: list[Moment] = []
        self._names: dict[str, str] = {}
        # Of each name, who had it first.
        self._first: dict[str, str] = {}
        # By path of its thread: what each does now; the number of each object, by address.
        self._doing: dict[str, str] = {}
        self._thread_of: dict[int, Any] = {}
        self._numbers: dict[int, tuple[str, Any]] = {}
        self._counts: dict[str, int] = {}
        self._tasks: dict[int, tuple[str, Any]] = {}
        # What lines that are under way will have written, by thread and frame.
        self._pending: dict[int, list[_Pending]] = {}
        # What lines of frames that are suspended will have written; the checkpoints of each thread.
        self._suspended: dict[FrameType, _Pending] = {}
        self._seen: dict[int, int] = {}

    @property
    def narrative(self) -> Narrative:
        """What was written down."""
        for ident in list(self._pending):
            self._flush(ident, None)
        # What threads do after an error of the kernel is on their way out.
        records = self._trace.records
        kinds = [record.kind for record in records]
        end = kinds.index("fail") if "fail" in kinds else len(kinds)
        ended = frozenset(record.path for record in records[:end] if record.kind == "end")
        end += len(self._trace) - len(kinds)
        moments = [each for each in self._moments if each.step <= end]
        return Narrative(moments[-KEPT:], self._names, ended)

    # ------------------------------------------------------------------- the choices

    def choose(self, point: ChoicePoint) -> int:
        """Return what the answers have; note it if it is not canonical."""
        choice = self._answers.choose(point)
        if choice and not point.tunes:
            self._add(*self._deviation(point, choice))
        return choice

    def end(self, points: int) -> None:
        """Note that the run is over."""
        self._answers.end(points)

    def _deviation(
        self, point: ChoicePoint, choice: int
    ) -> tuple[str, None, str, tuple[Access, ...], str]:
        """Return what is to be noted of a choice that is not canonical."""
        if point.label == THREAD:
            first, chosen = point.candidates[0].path, point.candidates[choice].path
            kept = f"{self._name(first)} {self._doing.get(first, _AT_ITS_START)}"
            if chosen == CLOCK:
                return first, None, f"time passes before {kept} goes on", (), "delay"
            return first, None, f"{self._name(chosen)} runs before {kept}", (), "deviation"
        if point.label == COST:
            cost = "1 µs" if choice == 1 else "all the latency that is left"
            reader = next((each for each in reversed(self._moments) if each.kind == "line"), None)
            where = f" ({self._name(reader.who)}, {reader.place})" if reader else ""
            who = reader.who if reader else ""
            return who, None, f"reading the clock takes {cost}{where}", (), "delay"
        kind = "fault" if point.is_fault else "deviation"
        return "", None, point.said(choice), (), kind

    # --------------------------------------------------------------- the operations

    def sees(self, trace: Any, thread: Any, subject: object, *, waits: bool) -> None:
        """Note what *thread* is about to do."""
        self._trace = trace
        ident = threading.get_ident()
        self._thread_of[ident] = thread
        self._seen[ident] = self._seen.get(ident, 0) + 1
        self._names[thread.path] = self._told_apart(thread.name, thread.path, thread.path)
        frame, called = self._innermost(sys._getframe(1))
        operation = _WORDS.get(thread.operation, thread.operation)
        said = operation if subject is None else f"{operation} {self._called(subject)}"
        if called and called not in _OF_LOCKS:
            said = called  # what it does in there, nobody has to know
        place = Place(frame.f_code.co_filename, frame.f_lineno) if frame else None
        self._doing[thread.path] = f"({said}, {place})" if place else _AT_ITS_START
        if place is not None:
            calls = () if subject is None or operation == "release" else _call(subject, said)
            kind = "wait" if waits else "operation"
            self._add(self._who(thread), place, said, calls, kind, operation, subject)

    def _innermost(self, frame: FrameType | None) -> tuple[FrameType | None, str]:
        """Return the innermost frame of the user's, and the name of what it has called."""
        called = ""
        while frame is not None and not _is_told(frame):
            if not is_ours(frame.f_code.co_filename):
                called = frame.f_code.co_name
            frame = None if frame is self._base else frame.f_back
        return frame, called

    def _called(self, subject: object) -> str:
        """Return what an object is called: its type, and its number among those of that type."""
        if id(subject) not in self._numbers:
            kind = type(subject).__name__
            kind = {"lock": "Lock"}.get(kind, kind)
            number = self._counts[kind] = self._counts.get(kind, 0) + 1
            # Kept alive: its address is its key.
            self._numbers[id(subject)] = f"{kind} #{number}", subject
        return self._numbers[id(subject)][0]

    def _told_apart(self, name: str, key: str, mark: str) -> str:
        """Return *name*, with *mark* if another thread or task had that name before."""
        return name if self._first.setdefault(name, key) == key else f"{name} ({mark})"

    def _name(self, path: str) -> str:
        return self._names.get(path, f"thread {path}")

    def _who(self, thread: Any) -> str:
        task = _current_task()
        if task is None:
            return str(thread.path)
        if id(task) not in self._tasks:
            number = len(self._tasks)
            key = f"{thread.path} {number}"
            self._tasks[id(task)] = key, task
            self._names[key] = self._told_apart(_name_of(task), key, f"task {number}")
        return self._tasks[id(task)][0]

    # -------------------------------------------------------------------- the lines

    def traced(self, make: Callable[[], Result]) -> Result:
        """Return what *make* returns, which makes the run; trace its lines.

        Those of this thread, and of the threads that are started meanwhile.
        """
        before, threads_before = sys.gettrace(), threading.gettrace()
        self._base = sys._getframe()
        threading.settrace(self._call)
        sys.settrace(self._call)
        try:
            return make()
        finally:
            # In the same frame, and a function of Python called at once: so coverage, which was
            # put aside, finds the stack as it has left it.
            sys.settrace(before)
            threading.settrace(threads_before)
            self._base = None

    def _call(self, frame: FrameType, _event: str, _arg: Any) -> Any:  # pragma: no cover - traces
        if self._base is None or self.lines >= LINES:
            sys.settrace(None)  # a thread that has outlived the run, or a run that is too long
            return None
        suspended = self._suspended.pop(frame, None)
        if suspended is not None:
            # Others have run meanwhile, at a checkpoint or not.
            self._pending.setdefault(threading.get_ident(), []).append(suspended._replace(seen=-1))
        return self._step if _is_told(frame) and not _is_of_invariant(frame) else None

    def _step(self, frame: FrameType, event: str, _arg: Any) -> Any:  # pragma: no cover - traces
        if self._base is None or self.lines >= LINES:
            return None
        self.lines += 1
        ident = threading.get_ident()
        if event == "exception":
            return self._step  # the end of an `await` is one, too: its line is not done
        if event == "return" and _is_suspended(frame):
            self._suspend(ident, frame)
            return self._step
        self._flush(ident, frame)
        thread = self._thread_of.get(ident)
        if event == "line" and thread is not None:
            place = Place(frame.f_code.co_filename, frame.f_lineno)
            found = tuple(accesses(frame))
            reads = tuple(each for each in found if each.calls or not each.writes)
            who = self._who(thread)
            self._add(who, place, "", reads, "line")
            writes = [each for each in found if each.writes and not each.calls]
            first = tuple(each for each in writes if each.done == FIRST)
            if first:
                self._add(who, place, "", first, "write")
            later = tuple(each for each in writes if each.done != FIRST)
            pending = _Pending(frame, who, place, later, self._seen.get(ident, 0))
            self._pending.setdefault(ident, []).append(pending)
        return self._step

    def _flush(  # pragma: no cover - there is something only where lines are traced
        self, ident: int, frame: FrameType | None
    ) -> None:
        """Note what lines have written that are done: those of *frame*, and of what it called."""
        pending = self._pending.get(ident, [])
        if frame is not None and not any(each.frame is frame for each in pending):
            return
        while pending:
            done = pending.pop()
            writes = done.writes
            if done.seen != self._seen.get(ident, 0):
                # Before or after that checkpoint: rather nothing than what may be wrong.
                writes = tuple(each for each in writes if each.done != AMID)
            if writes:
                self._add(done.who, done.place, "", writes, "write")
            if done.frame is frame:
                return

    def _suspend(self, ident: int, frame: FrameType) -> None:  # pragma: no cover - traces
        """Put aside what the line of *frame* will have written, until that goes on."""
        pending = self._pending.get(ident, [])
        for each in pending:
            if each.frame is frame and each.writes:
                self._suspended[frame] = each
        pending[:] = [each for each in pending if each.frame is not frame]

    def _add(self, *parts: Any) -> None:
        """Note a `Moment` of now, whose other *parts* these are."""
        self._moments.append(Moment(len(self._trace), self._trace.latest_ns, *parts))
        if len(self._moments) > 2 * KEPT:
            del self._moments[:KEPT]


def _is_told(frame: FrameType) -> bool:
    """Return whether *frame* runs what the reader wrote, and no import of it."""
    code = frame.f_code
    if code.co_filename == "<string>" and frame.f_globals.get("__name__") != "__main__":
        return False  # what named tuples and the like have made
    return is_users(code.co_filename) and code.co_name != "<module>"


def _is_suspended(frame: FrameType) -> bool:  # pragma: no cover - called by what traces
    """Return whether *frame*, which returns, is to go on."""
    code = frame.f_code
    if not code.co_flags & _GENERATORS:
        return False
    at = frame.f_lasti
    if at < 0:
        return False  # of 3.10: it is cancelled, or closed, before it has begun
    done, *following = (dis.opname[each] for each in code.co_code[at : at + 4 : 2])
    return done in _SUSPENDED or following == _SUSPENDED_BEFORE


def _is_of_invariant(frame: FrameType) -> bool:  # pragma: no cover - called by what traces
    """Return whether *frame* is called by the kernel: it is of no thread."""
    return frame.f_back is not None and frame.f_back.f_code.co_filename == watching.__file__


def _call(subject: object, said: str) -> tuple[Access, ...]:
    return (Access(subject, None, True, said, calls=True),)


def _current_task() -> Any:
    """Return the task of asyncio or trio that the calling thread is in, or None."""
    asyncio: Any = sys.modules.get("asyncio")
    loop = asyncio and asyncio._get_running_loop()
    if loop is not None:
        return asyncio.current_task(loop)
    trio: Any = sys.modules.get("trio")
    if trio is None or not trio.lowlevel.in_trio_run():
        return None
    return trio.lowlevel.current_task() if trio.lowlevel.in_trio_task() else None


def _name_of(task: Any) -> str:
    name = getattr(task, "get_name", None)
    return str(task.name if name is None else name())
