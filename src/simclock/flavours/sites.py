"""Where a task waits, as a text."""

from __future__ import annotations

import functools
import gc
import importlib.util
import inspect
import os.path
import sys
from types import AsyncGeneratorType, CodeType, CoroutineType, FrameType
from typing import Any

# What is awaited for an item of an async generator.
_STEPS = ("async_generator_asend", "async_generator_athrow")


@functools.cache
def _folder(library: str) -> tuple[str, ...]:
    """Return what the file names of a library's code begin with, if it is there."""
    # Not by the module: it may be loaded in the middle of a first run, and only there.
    try:
        spec = importlib.util.find_spec(library)
    except ValueError:  # something made up is in its place
        spec = None
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
        if inner is None and coroutine.cr_running:
            frame = _innermost(frame)
        elif inner.__class__.__name__ in _STEPS:
            return self._of_generator(inner) or self._text(frame, called)
        return self._text(frame, called)

    def _of_generator(self, step: Any) -> str:
        """Return where an async generator waits that a coroutine has asked for an item."""
        generators = [each for each in gc.get_referents(step) if type(each) is AsyncGeneratorType]
        if not generators or generators[0].ag_frame is None:
            return ""
        inner = generators[0].ag_await
        if inner.__class__ is CoroutineType:
            code = inner.cr_code
            if not (self._known.get(id(code)) or self._learn(code)).is_library:
                return self.of_coroutine(inner)
            return self._text(generators[0].ag_frame, f" {code.co_name}")
        deeper = self._of_generator(inner) if inner.__class__.__name__ in _STEPS else ""
        return deeper or self._text(generators[0].ag_frame, "")

    def _text(self, frame: FrameType, called: str) -> str:
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


def _innermost(frame: FrameType) -> FrameType:
    """Return the innermost coroutine that runs in *frame*, which some thread is in."""
    for inner in sys._current_frames().values():
        found: FrameType | None = None
        step: FrameType | None = inner
        while step is not None and step is not frame:
            if found is None and step.f_code.co_flags & inspect.CO_COROUTINE:
                found = step
            step = step.f_back
        if step is frame:
            return found or frame
    return frame


def site_of(coroutine: Any, library: str) -> str:
    """Return where a task of *library*, by its outermost coroutine, waits: file, line, for what.

    The innermost frame outside the library itself, such as ``app.py:12 sleep``.
    """
    return Sites(library).of_coroutine(coroutine)
