"""Statements about a program, in the program or in its test: what must hold, and what must happen.

    always(stock >= 0, "stock is not negative", stock=stock)
    never(leader and other.leader, "there are two leaders")
    sometimes(retried, "a request was retried")
    reachable("the queue was full")
    eventually(lambda: queue.empty(), within=5.0)

In a simulation a broken `always`, `never` or `eventually` fails the run, also if
the program swallows the error; `sometimes` and `reachable` are about all the
runs of a search together. Statements are told apart by their message: let it be
a literal, and put values into the details.

Without a simulation, and in threads that are not simulated, `always` and `never`
are assertions, also under ``python -O``; `eventually` waits in real time;
`sometimes` and `reachable` do nothing. To import this loads no simulator.
"""

from __future__ import annotations

import math
import reprlib
import sys
import time
import types
from typing import TYPE_CHECKING, Any, NamedTuple

from simclock.errors import Violation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator
    from types import FrameType

__all__ = [
    "Ledger",
    "Predicate",
    "aeventually",
    "always",
    "eventually",
    "never",
    "reachable",
    "sometimes",
]

# Messages that one ledger has: more are made of values, and would be as many as there are values.
MOST = 1000
# Details of a failure that are shown, and how long each may be.
DETAILS = 20
LONGEST = 200
# Real seconds between two looks of `eventually` without a simulation.
EVERY = 0.01
# What is always true, whatever was meant.
_NO_CONDITIONS = (
    types.FunctionType,
    types.MethodType,
    types.BuiltinFunctionType,
    types.CoroutineType,
)


class Predicate(NamedTuple):
    """A statement, and what was seen of it.

    Attributes:
        kind: ``"always"``, ``"never"``, ``"sometimes"`` or ``"reachable"``.
        message: What it says.
        file: Where it was come to first, or where it stands.
        line: The line there.
        asked: How often it was come to.
        held: How often it held; in one of ``sometimes``, how often it was true.
    """

    kind: str
    message: str
    file: str
    line: int
    asked: int = 0
    held: int = 0

    @property
    def site(self) -> str:
        """The name of the file, and the line."""
        return _site(self.file, self.line)

    def __str__(self) -> str:
        return f"{self.kind} {self.message!r}"


class Ledger:
    """What was seen of the statements of one or more runs, in the order in which it was seen.

    Can be pickled.

    Attributes:
        is_full: Whether there were more messages than it keeps.
    """

    def __init__(self, known: Iterable[Predicate] = ()) -> None:
        # By kind and message: the file, the line, how often it was come to, and was true.
        self._known: dict[tuple[str, str], tuple[str, int, list[int]]] = {}
        self.is_full: bool = False
        self.update(known)

    def note(self, kind: str, message: str, held: int) -> None:
        """Note that the caller's caller has come to a statement."""
        found = self._known.get((kind, message))
        if found is None:
            found = self._first(kind, message, sys._getframe(2))
        counts = found[2]
        counts[0] += 1
        counts[1] += held

    def _first(self, kind: str, message: Any, frame: FrameType) -> tuple[str, int, list[int]]:
        if not isinstance(message, str) or not message:
            raise TypeError(
                f"this is no message: {message!r}\nsay in words what is stated, as a literal"
            )
        found = frame.f_code.co_filename, frame.f_lineno, [0, 0]
        self._keep((kind, message), found)
        return found

    def _keep(self, key: tuple[str, str], found: tuple[str, int, list[int]]) -> None:
        if len(self._known) < MOST:
            self._known[key] = found
        else:
            self.is_full = True

    def update(self, others: Iterable[Predicate]) -> None:
        """Add what was seen of *others*, which may be another ledger."""
        self.is_full |= isinstance(others, Ledger) and others.is_full
        for kind, message, file, line, asked, held in others:
            found = self._known.get((kind, message))
            if found is None:
                self._keep((kind, message), (file, line, [asked, held]))
            else:
                found[2][0] += asked
                found[2][1] += held

    def __iter__(self) -> Iterator[Predicate]:
        for (kind, message), (file, line, counts) in self._known.items():
            yield Predicate(kind, message, file, line, *counts)

    def __len__(self) -> int:
        return len(self._known)


def always(condition: object, message: str, /, **details: object) -> None:
    """State that *condition* is true whenever this is come to, and that it is come to.

    Args:
        condition: What must hold.
        message: What that means: a literal.
        details: Values that the failure shows.

    Raises:
        Violation: It is false. In a simulation the run fails with it, too.
    """
    __tracebackhide__ = True
    held = condition if condition is True or condition is False else _truth(condition)
    run = _find()
    if run is not None:
        run.predicates.note("always", message, held)
    if not held:
        _fail(run, f"always {message!r}: it is false", sys._getframe(1), details)


def never(condition: object, message: str, /, **details: object) -> None:
    """State that *condition* is false whenever this is come to; it need not be come to.

    ``never(True, "...")`` states that nobody comes here.

    Args:
        condition: What must not hold.
        message: What that means: a literal.
        details: Values that the failure shows.

    Raises:
        Violation: It is true. In a simulation the run fails with it, too.
    """
    __tracebackhide__ = True
    held = condition if condition is True or condition is False else _truth(condition)
    run = _find()
    if run is not None:
        run.predicates.note("never", message, not held)
    if held:
        _fail(run, f"never {message!r}: it is true", sys._getframe(1), details)


def sometimes(condition: object, message: str) -> None:
    """State that *condition* is true at least once in a search.

    A search in which it never was is inconclusive. Without a simulation it does nothing.

    Args:
        condition: What must happen in some run.
        message: What that means: a literal.
    """
    run = _find()
    if run is not None:
        held = condition if condition is True or condition is False else _truth(condition)
        run.predicates.note("sometimes", message, held)


def reachable(message: str) -> None:
    """State that this is come to at least once in a search.

    A search in which it never was is inconclusive, where its source is known: see the
    documentation. Without a simulation it does nothing.

    Args:
        message: What it means to be here: a literal.
    """
    run = _find()
    if run is not None:
        run.predicates.note("reachable", message, 1)


def eventually(predicate: Callable[[], object], message: str = "", *, within: float) -> None:
    """Wait until *predicate* returns something true; it must, *within* seconds.

    It is called by the calling thread, first when everything that can happen at
    this instant has happened; then at each instant at which something may happen,
    again when it has. What is true only in between is not seen. What it raises goes
    through. It may wait itself; a call that has begun in time counts.

    Args:
        predicate: A function without arguments.
        message: What it means.
        within: Virtual seconds; real ones without a simulation.

    Raises:
        Violation: It has not. In a simulation the run fails with it, too.
    """
    __tracebackhide__ = True
    run = _find()
    wait = _Waiting(predicate, message, within, run)
    wait.begin()
    while not wait.is_true(predicate()):
        if wait.is_over():
            _fail(run, wait.text + _advice(), sys._getframe(1), {})
        wait.go_on()


def _advice() -> str:
    """Return what to do if a task has kept its own loop from going on."""
    from simclock import flavours  # noqa: PLC0415 - who does not fail needs none

    flavour = flavours.running()
    if flavour is None:
        return ""
    return f"\n  the loop of {flavour.name} stood still meanwhile: await aeventually() instead"


async def aeventually(
    predicate: Callable[[], object | Awaitable[object]], message: str = "", *, within: float
) -> None:
    """Do as `eventually`, in a task of asyncio, trio or another registered flavour.

    Its own loop runs meanwhile. *predicate* may be a coroutine function.

    Raises:
        Violation: It was not true in time.
        RuntimeError: The caller is no task of a flavour that is known.
    """
    __tracebackhide__ = True
    from simclock import flavours  # noqa: PLC0415 - who does not wait needs none

    run = _find()
    wait = _Waiting(predicate, message, within, run)
    flavour = flavours.running()
    if flavour is None:
        raise RuntimeError(
            f"aeventually() was awaited in no task of {', '.join(flavours.registered())}\n"
            "call eventually() instead, or register a plugin with the flavour of your loop"
        )
    if run is not None:
        await flavour.in_thread(wait.begin)
    while True:
        found: Any = predicate()
        if hasattr(type(found), "__await__"):
            found = await found
        if found:
            return
        if wait.is_over():
            _fail(run, wait.text, sys._getframe(1), {})
        if run is not None:
            await flavour.in_thread(wait.go_on)
        else:
            nap: Any = flavour.sleep(EVERY)
            await nap


class _Waiting:
    """One call of `eventually`: how long it may take, and how the time passes."""

    def __init__(self, predicate: object, message: str, within: Any, run: Any) -> None:
        if not callable(predicate):
            raise TypeError(
                f"this is no predicate: {predicate!r}\n"
                "give a function without arguments, such as lambda: queue.empty()"
            )
        if not isinstance(within, (int, float)) or not 0 <= within < math.inf:
            raise ValueError(f"cannot wait within {within!r} seconds\ngive a number, 0 or more")
        self._run = run
        self._end = self._now() + (round(within * 1e9) if run is not None else within)
        said = message or getattr(predicate, "__qualname__", type(predicate).__name__)
        self.text = f"eventually {said!r}: it was not true within {within:g} s"

    def _now(self) -> float:
        return time.monotonic() if self._run is None else self._run.now_ns

    def begin(self) -> None:
        if self._run is not None:
            self._run.settle()

    def is_over(self) -> bool:
        return self._now() >= self._end

    def go_on(self) -> None:
        if self._run is None:
            time.sleep(EVERY)
        else:
            self._run._pass_instant(self._end)

    @staticmethod
    def is_true(found: object) -> bool:
        if isinstance(found, types.CoroutineType):
            found.close()
            raise TypeError(
                "the predicate of eventually() is a coroutine function\n"
                "await aeventually() instead, in a task"
            )
        return bool(found)


# ------------------------------------------------------------------------ a failure


def _fail(run: Any, text: str, frame: FrameType, details: dict[str, object]) -> None:
    __tracebackhide__ = True
    site = _site(frame.f_code.co_filename, frame.f_lineno)
    error = Violation("\n".join([text, *_shown(details), f"  at {site}"]), site)
    if run is not None:
        run._violated(error, frame)
    raise error


def _shown(details: dict[str, object]) -> Iterator[str]:
    for name in list(details)[:DETAILS]:
        yield f"  {name} = {_short.repr(details[name])}"
    if len(details) > DETAILS:
        yield f"  and {len(details) - DETAILS} more"


class _Short(reprlib.Repr):
    """Texts of values, none of them long, and none that raises."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = LONGEST

    def repr_instance(self, value: Any, level: int) -> str:  # noqa: ARG002 - as it is called
        """Return the text of an object; its type if that fails. Never its address."""
        try:
            text = repr(value)
        except Exception:  # noqa: BLE001 - it is the failure that matters
            return f"<{type(value).__name__}, whose repr() fails>"
        if f" at 0x{id(value):x}" in text:
            return f"<{type(value).__name__}>"
        return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


_short = _Short()


def _truth(condition: object) -> bool:
    if isinstance(condition, _NO_CONDITIONS):
        name = getattr(condition, "__qualname__", "")
        if isinstance(condition, types.CoroutineType):
            condition.close()
        raise TypeError(
            f"this is no condition, it is always true: {name}\n"
            "call it, or await it, and give the result"
        )
    return bool(condition)


def _site(file: str, line: int) -> str:
    return f"{file[file.rfind('/') + 1 :]}:{line}"


# ----------------------------------------------------------------------- simulations


def _nowhere() -> Any:
    return None


# Returns the simulation that the calling thread belongs to, or None; see `connect`.
_find: Callable[[], Any] = _nowhere


def connect(find: Callable[[], Any]) -> None:
    """Let *find* say which simulation the calling thread belongs to. For the simulator."""
    global _find  # noqa: PLW0603 - there is one simulator, if it is loaded
    _find = find
