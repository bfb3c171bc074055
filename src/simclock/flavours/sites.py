"""Where a task waits, as a text."""

from __future__ import annotations

import functools
import importlib.util
import os.path
from types import CodeType, CoroutineType
from typing import Any


@functools.cache
def _folder(library: str) -> tuple[str, ...]:
    """Return what the file names of a library's code begin with, if it is there."""
    # Not by the module: it may be loaded in the middle of a first run, and only there.
    spec = importlib.util.find_spec(library)
    if spec is None or spec.origin is None:
        return ()
    if spec.submodule_search_locations is None:
        return (spec.origin,)
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
        """Return the file and line at which *task* waits, or is; see `site_of`."""
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


def site_of(coroutine: Any, library: str) -> str:
    """Return where a task of *library*, by its outermost coroutine, waits: file, line, for what.

    The innermost frame outside the library itself, such as ``app.py:12 sleep``.
    """
    return Sites(library).of_coroutine(coroutine)
