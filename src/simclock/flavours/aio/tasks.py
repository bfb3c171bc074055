"""Tasks and futures whose order does not depend on addresses, and where they wait."""

from __future__ import annotations

import asyncio
import asyncio.locks
import asyncio.queues
import functools
import importlib.util
import os.path
import re
from types import BuiltinFunctionType, CodeType, CoroutineType
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


class Task(_Numbered, asyncio.Task):  # type: ignore[type-arg]
    """A task of a `SimEventLoop`."""

    __slots__ = ("_simclock_number",)


class Future(_Numbered, asyncio.Future):  # type: ignore[type-arg]
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


@functools.cache
def _folder(library: str) -> tuple[str, ...]:
    """Return what the file names of a library's code begin with, if it is there."""
    # Not by the module: it may be loaded in the middle of a first run, and only there.
    spec = importlib.util.find_spec(library)
    if spec is None or spec.origin is None:
        return ()
    return (os.path.dirname(spec.origin) + os.sep,)  # noqa: PTH120 - as code has it


class _Code:
    """What is known of some code: whether it is a library's, and the texts of its lines.

    It keeps the code, so that its id stays its own.
    """

    __slots__ = ("code", "is_library", "texts")

    def __init__(self, code: CodeType, folders: tuple[str, ...]) -> None:
        self.code = code
        self.is_library = code.co_filename.startswith(folders)
        # By the last instruction, and the part of the library that was called.
        self.texts: dict[tuple[int, str], str] = {}


class Sites:
    """Where tasks wait, as texts; each is made once.

    Args:
        library: Whose tasks these are. What anyio does for them is its part, too.
    """

    def __init__(self, library: str = "asyncio") -> None:
        self._folders = (*_folder(library), *_folder("anyio"))
        # By the code's id: to hash code is to hash all of it.
        self._known: dict[int, _Code] = {}

    def of(self, task: Any) -> str:
        """Return the file and line at which *task* waits, or is, and for which part of the library.

        The innermost frame outside the library itself, such as ``app.py:12 sleep``.
        """
        return self.of_coroutine(task.get_coro())

    def of_coroutine(self, coroutine: Any) -> str:
        """Return the same for a task's outermost coroutine."""
        if coroutine.__class__ is not CoroutineType:
            return type(coroutine).__name__
        called = ""
        inner = coroutine.cr_await
        while inner.__class__ is CoroutineType:
            code = inner.cr_code
            if (self._known.get(id(code)) or self._learn(code)).is_library:
                called = f" {code.co_name}"
                break
            coroutine = inner
            inner = inner.cr_await
        frame = coroutine.cr_frame
        if frame is None:
            return "ended"
        code = frame.f_code
        known = self._known.get(id(code)) or self._learn(code)
        key = (frame.f_lasti, called)
        text = known.texts.get(key)
        if text is None:
            file = code.co_filename.rpartition(os.sep)[2]
            text = known.texts[key] = f"{file}:{frame.f_lineno}{called}"
        return text

    def _learn(self, code: CodeType) -> _Code:
        known = self._known[id(code)] = _Code(code, self._folders)
        return known


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
