"""What trio's tasks wait for."""

from __future__ import annotations

import contextlib
import functools
import threading
import weakref
from typing import TYPE_CHECKING, Any, NoReturn

from simclock.flavours.contract import WaitingTask
from simclock.flavours.sites import Sites

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

# How often a coroutine may await something after it was closed.
PATIENCE = 10
# By thread, the loop that was started there last.
_runners: dict[int, weakref.ref[Any]] = {}
# The same by what it waits with, which may be in another thread.
_by_manager: dict[Any, weakref.ref[Any]] = {}


@functools.cache
def noting(setup_runner: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that notes which loop runs in which thread, also in guest mode."""

    @functools.wraps(setup_runner)
    def setup(*args: Any, **kwargs: Any) -> Any:
        runner = setup_runner(*args, **kwargs)
        _runners[threading.get_ident()] = _by_manager[runner.io_manager] = weakref.ref(runner)
        return runner

    return setup


def forget() -> None:
    """Forget all loops: the simulation has ended."""
    _runners.clear()
    _by_manager.clear()


def clock_of(manager: Any) -> Any:
    """Return the clock of the loop that waits by *manager*."""
    reference = _by_manager.get(manager)
    return getattr(reference and reference(), "clock", None)


def tell(error: BaseException, ident: int) -> bool:
    """Let the main task of the loop in a thread raise *error*; return whether it will."""
    runner = _running(ident)
    if runner is None or runner.main_task._abort_func is None:
        return False
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
    loop, runner = caller.f_locals.get("gen"), _running(threading.get_ident())
    if loop is None or runner is None:
        return
    tasks = sorted(runner.tasks, key=_age, reverse=True)
    for task in tasks:
        for nursery in task.child_nurseries:
            nursery._children.clear()
    for task in tasks:
        _close(task.coro)
    with contextlib.suppress(BaseException):
        loop.throw(error)


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


def _running(ident: int) -> Any:
    """Return the loop that runs in a thread, if its main task has not ended."""
    reference = _runners.get(ident)
    runner = None if reference is None else reference()
    if runner is None or runner.main_task not in runner.tasks:
        return None
    return runner


def waiting(ident: int) -> list[WaitingTask]:
    """Return the tasks of the loop in a thread, below their parents, in order of creation."""
    runner = _running(ident)
    if runner is None:
        return []
    sites = Sites("trio")
    return [_of(task, sites) for task in (runner.main_task, *_system_tasks(runner))]


def _system_tasks(runner: Any) -> Iterator[Any]:
    """Yield those that somebody else than trio has started."""
    nursery = runner.system_nursery
    for task in _in_order(nursery.child_tasks if nursery is not None else ()):
        if not str(getattr(task.coro, "__module__", task.name)).startswith("trio."):
            yield task


def _of(task: Any, sites: Sites) -> WaitingTask:
    children = [
        _of(child, sites)
        for nursery in task.child_nurseries
        for child in _in_order(nursery.child_tasks)
    ]
    name = task.name.rpartition(".<locals>.")[2]
    return WaitingTask(name, sites.of_coroutine(task.coro), children)


def _in_order(tasks: Any) -> list[Any]:
    return sorted(tasks, key=_age)


def _age(task: Any) -> int:
    return task._counter  # type: ignore[no-any-return]
