"""Which kind of function a callback is."""

from __future__ import annotations

import functools
import inspect
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def returns_coroutine(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return *function*, which from Python 3.12 on says that it is a coroutine function."""
    if sys.version_info >= (3, 12):
        return inspect.markcoroutinefunction(function)
    return function


def name_of(callback: Any) -> str:
    """Return what messages call *callback*."""
    return str(getattr(callback, "__qualname__", None) or repr(callback))


def is_async(callback: Any) -> bool:
    """Return whether *callback* is a coroutine function, a partial one or an object that is one."""
    while isinstance(callback, functools.partial):
        callback = callback.func
    return inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(
        getattr(callback, "__call__", None)  # noqa: B004 - its kind is asked, not whether it is there
    )


class NotAwaitableError(TypeError):
    """A callback that is to be awaited has returned something that cannot be."""

    def __init__(self, callback: object, result: object) -> None:
        super().__init__(
            f"{name_of(callback)} has returned what cannot be awaited: {result!r}\n"
            "define it with `async def`, or use SyncRateExecutor, or a timer with mode='sync'"
        )


def awaitable(callback: object, result: object) -> Awaitable[Any]:
    """Return *result*, which *callback* has returned.

    Raises:
        NotAwaitableError: It cannot be awaited.
    """
    if not inspect.isawaitable(result):
        raise NotAwaitableError(callback, result)
    return result


def refuse_coroutine(callback: object, result: object) -> None:
    """Close *result* and raise a `TypeError` if it is a coroutine, which nobody would await."""
    if inspect.iscoroutine(result):
        result.close()
        raise TypeError(
            f"{name_of(callback)} has returned a coroutine, which nobody would await: {result!r}\n"
            "give a plain function, or use RateExecutor, or a timer with mode='async'"
        )


def check_callable(callback: object) -> None:
    """Raise a `TypeError` unless *callback* can be called."""
    if not callable(callback):
        raise TypeError(
            f"this cannot be called: {callback!r}\n"
            "give the function itself, not what it returns: func, and not func()"
        )


def check_target(target: object) -> None:
    """Raise a `TypeError` unless a thread can run *target*."""
    if inspect.iscoroutine(target):
        target.close()
    check_callable(target)
    if is_async(target):
        raise TypeError(
            f"this is a coroutine function, which a thread would not await: {name_of(target)}\n"
            "give a plain function, or make it a task of an event loop: asyncio.create_task"
        )


def check_plain(callback: object) -> None:
    """Raise a `TypeError` unless *callback* can be called without being awaited."""
    check_callable(callback)
    if is_async(callback):
        raise TypeError(
            f"this is a coroutine function, which nobody would await: {name_of(callback)}\n"
            "give a plain function, or use RateExecutor, or a timer with mode='async'"
        )


def check_async(callback: object) -> None:
    """Raise a `TypeError` unless *callback* is a coroutine function."""
    check_callable(callback)
    if not is_async(callback):
        raise TypeError(
            f"this is no coroutine function: {name_of(callback)}\n"
            "define it with `async def`, or use a timer with mode='sync'"
        )
