"""The loops of trio in a simulation: which there are, who is told an error, how they end."""

from __future__ import annotations

import contextlib
import functools
import signal
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any, NoReturn

from simclock.lowlevel import simulated

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

# How often a coroutine may await something after it was closed.
PATIENCE = 10


class _Loops:
    """The loops of one simulation."""

    def __init__(self) -> None:
        # By thread, the one that was started there last.
        self.by_thread: dict[int, weakref.ref[Any]] = {}
        # The same by what it waits with, which may be in another thread.
        self.by_manager: weakref.WeakKeyDictionary[Any, weakref.ref[Any]] = (
            weakref.WeakKeyDictionary()
        )


# Of each simulation, innermost last; the first is of nobody's.
_open = [_Loops()]


def begin() -> None:
    """Note loops from now on for a simulation that is being opened."""
    _open.append(_Loops())


@functools.cache
def noting(setup_runner: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that notes which loop runs in which thread, also in guest mode."""

    @functools.wraps(setup_runner)
    def setup(*args: Any, **kwargs: Any) -> Any:
        runner = setup_runner(*args, **kwargs)
        if simulated():
            loops = _open[-1]
            reference = weakref.ref(runner)
            loops.by_thread[threading.get_ident()] = reference
            loops.by_manager[runner.io_manager] = reference
        return runner

    return setup


def forget(run: Any) -> None:
    """Forget the simulation's loops: it has ended. What a guest has left in this thread goes."""
    ended = _open.pop()
    left = getattr(run.GLOBAL_RUN_CONTEXT, "runner", None)
    if left is not None and left.io_manager in ended.by_manager:
        run.GLOBAL_RUN_CONTEXT.__dict__.clear()
        if left.ki_manager.handler is not None:
            # What it was, or trio would not have replaced it.
            signal.signal(signal.SIGINT, signal.default_int_handler)


def clock_of(manager: Any) -> Any:
    """Return the clock of the loop that waits by *manager*."""
    reference = _open[-1].by_manager.get(manager)
    return getattr(reference and reference(), "clock", None)


def tell(error: BaseException, ident: int) -> bool:
    """Let the main task of the loop in a thread raise *error*; return whether it will."""
    runner = running(ident)
    if runner is None or runner.main_task._abort_func is None:
        return False
    if hasattr(sys.modules["trio._core._run"].GLOBAL_RUN_CONTEXT, "task"):
        return False  # it is a task of its own that waits, and not the loop
    task = runner.main_task

    def raise_error() -> NoReturn:
        raise error

    task._attempt_abort(raise_error)
    if task._next_send_fn is None:
        return False  # it cannot be interrupted, such as a call in a thread
    runner.io_manager.force_wakeup()
    return True


def end(error: BaseException, caller: FrameType) -> None:
    """End the loop that *caller* runs, which *error* will leave.

    What it has in this thread would be in the way of the next one, and its
    tasks would complain whenever they are collected.
    """
    guest = caller.f_locals.get("self")
    if guest is None:
        loop, runner = caller.f_locals["gen"], caller.f_locals["runner"]
    else:
        loop, runner = guest.unrolled_run_gen, guest.runner
        guest.run_sync_soon_threadsafe = _do_nothing  # the host has gone before
    tasks = in_order(runner.tasks)[::-1]
    for task in tasks:
        for nursery in task.child_nurseries:
            nursery._children.clear()
    for task in tasks:
        _close(task.coro)
    with contextlib.suppress(BaseException):
        loop.throw(error)


def _do_nothing(_function: object) -> None:
    pass


def _close(coroutine: Any) -> None:
    """Close a task's coroutine, also one that awaits something on its way out."""
    for _ in range(PATIENCE):
        try:
            coroutine.close()
        except RuntimeError:
            continue
        except BaseException:  # noqa: BLE001 - of who will never be heard again
            return
        else:
            return


def running(ident: int) -> Any:
    """Return the loop that runs in a thread, if its main task has not ended."""
    reference = _open[-1].by_thread.get(ident)
    runner = None if reference is None else reference()
    if runner is None or runner.main_task not in runner.tasks:
        return None
    return runner


def in_order(tasks: Any) -> list[Any]:
    """Return *tasks* in order of creation."""
    return sorted(tasks, key=lambda task: task._counter)
