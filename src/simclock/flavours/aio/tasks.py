"""Tasks and futures whose order does not depend on addresses."""

from __future__ import annotations

import asyncio
import asyncio.locks
import asyncio.queues
import re
from types import BuiltinFunctionType
from typing import Any

_ADDRESS = re.compile(r"(?: at)? ?0x[0-9a-f]+")
# What asyncio, in C, has the loop call: the type of a step, the name of the end of a wait.
_STEP = "TaskStepMethWrapper"
_WAKE_UP = "task_wakeup"


class _Numbered:
    """Hashes by the order in which objects of one loop are hashed first, not by the address.

    So sets of them are iterated over in the same order in each run. Those that
    a program makes by the class are numbered by the boundary, which has to do
    so in a constructor; these cost nothing until somebody asks.
    """

    __slots__ = ()

    def __hash__(self) -> int:
        this: Any = self
        try:
            return this._simclock_number  # type: ignore[no-any-return]
        except AttributeError:
            number = this._simclock_number = next(this.get_loop().numbers)
            return number  # type: ignore[no-any-return]


class Task(_Numbered, asyncio.Task[Any]):
    """A task of a `SimEventLoop`."""

    __slots__ = ("_simclock_number",)


class Future(_Numbered, asyncio.Future[Any]):
    """A future of a `SimEventLoop`."""

    __slots__ = ("_simclock_number",)


for _made in (Task, Future):
    _made.__module__ = "asyncio"

# Functions that keep the future that they have the loop make for themselves, in no set: it needs
# no number, and asyncio's own C code is faster with plain futures.
_KEEPING = tuple(
    function.__code__
    for function in (
        asyncio.sleep,
        asyncio.Lock.acquire,
        asyncio.Semaphore.acquire,
        asyncio.Event.wait,
        asyncio.Condition.wait,
        asyncio.Queue.get,
        asyncio.Queue.put,
    )
)
# By id: to hash code is to hash all of it.
KEEPING = frozenset(map(id, _KEEPING))


def stepped(callback: Any) -> Any:
    """Return the task that *callback* is a step of, or None."""
    kind = type(callback)
    if kind is BuiltinFunctionType:
        is_step = callback.__name__ == _WAKE_UP
    else:
        is_step = kind.__name__ == _STEP
    return callback.__self__ if is_step else None


def name_of(task: Any) -> str:
    """Return a task's name without the addresses that names made from a repr have."""
    name: str = task.get_name()
    return _ADDRESS.sub("", name) if "0x" in name else name
