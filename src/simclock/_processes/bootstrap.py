"""What a simulated process of `multiprocessing` does from its begin to its end.

As ``BaseProcess._bootstrap``, which would do it to the real process.
"""

from __future__ import annotations

import functools
import itertools
import os
import sys
import traceback
from multiprocessing import context, process, util
from typing import TYPE_CHECKING, Any

from simclock._boundary import posting
from simclock._boundary.active import kernel
from simclock._boundary.overlays import OrderedSet
from simclock._processes import finalizers, groups
from simclock.errors import Unwind

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock._core.groups import Group
    from simclock._processes.parcels import Parcel

# Without types: most of it is not public.
_util: Any = util
_context: Any = context
# Before, what is left to do at the end was done before an exception was told; and only what
# ``spawn`` had started looked at ``atexit``.
_LATE_EXIT = sys.version_info >= (3, 13)
# Where executors' threads are known, and what refers to whose they are.
_POOLS: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    (
        "concurrent.futures.process",
        "_threads_wakeups",
        lambda thread: thread.executor_reference,
    ),
    ("concurrent.futures.thread", "_threads_queues", lambda thread: thread._args[0]),
)
# What any process object has of `multiprocessing` itself.
_BASE = {
    "_closed", "_config", "_identity", "_name", "_parent_name", "_parent_pid", "_popen",
}  # fmt: skip


def live(parcel: Parcel, parent_alive: int) -> int:
    """Run the process object of *parcel* in the current process; return the exit code.

    *parent_alive* is a descriptor that is ready when the parent has ended.
    """
    try:
        subject = parcel.unpack()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        _tell(error)
        return 1
    _become(subject, parent_alive)
    groups.at_end(_group(), functools.partial(_strip, subject))
    code = _run(subject)
    if _LATE_EXIT or parcel.method == "spawn":
        _run_at_exit()
    if _LATE_EXIT:  # pragma: no branch - until 3.12 that has been done
        _leave()
    _util._flush_std_streams()
    return code


def _become(subject: Any, parent_alive: int) -> None:
    """Let *subject* be what `multiprocessing` takes the current process for."""
    here: Any = process
    here._current_process = subject
    here._parent_process = here._ParentProcess(
        subject._parent_name, subject._parent_pid, parent_alive
    )
    here._process_counter = itertools.count(1)
    here._children = OrderedSet()
    if subject._start_method is not None:
        _context._force_start_method(subject._start_method)


def _strip(subject: Any) -> None:
    """Take from a process object what the program gave it, which else lived as long as that."""
    for name in [name for name in vars(subject) if name not in _BASE]:
        del vars(subject)[name]


def _run(subject: Any) -> int:
    code = 1
    try:
        try:
            subject.run()
            code = 0
        finally:
            if not _LATE_EXIT and not isinstance(sys.exc_info()[1], Unwind):
                _leave()  # pragma: no cover - from 3.13 on that is done later
    except Unwind:
        raise  # the simulation is over: that is no end of a process
    except SystemExit as exit_:
        code = posting.code_of(exit_)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is told
        sys.stderr.write(f"Process {subject.name}:\n")
        _tell(error)
    _join_threads()
    _util._flush_std_streams()
    return code


def _tell(error: BaseException) -> None:
    """Print a traceback that begins where `multiprocessing` calls the program."""
    assert error.__traceback__ is not None
    traceback.print_exception(type(error), error, error.__traceback__.tb_next)


# --------------------------------------------------------------------------- the end


def _join_threads() -> None:
    """Wait for the threads of the process that are no daemons, as ``threading._shutdown`` does."""
    group = _group()
    _shut_pools_down(group)
    while waited := [each for each in groups.threads(group) if not each.daemon]:
        for thread in waited:
            thread.join()


def _shut_pools_down(group: Group) -> None:
    """Shut the executors down that were left, as their modules do at the end of a process."""
    mine = set(groups.threads(group))
    for module, registry, reference in _POOLS:
        loaded: Any = sys.modules.get(module)
        for thread in list(getattr(loaded, registry, ())):
            if thread in mine and thread.is_alive():
                executor = reference(thread)()
                if executor is not None:
                    executor.shutdown()
                thread.join()


def _run_at_exit() -> None:
    """Call what the process has given to ``atexit``, the last first."""
    functions = _group().context.at_exit
    while functions:
        try:
            functions.pop()()
        except Exception as error:  # noqa: BLE001 - as the interpreter does
            _tell(error)


def _leave() -> None:
    """Do what ``multiprocessing.util._exit_function`` does."""
    pid = os.getpid()
    finalizers.call(pid, 0)
    for child in process.active_children():
        if child.daemon:
            child.terminate()
    for child in process.active_children():
        child.join()
    finalizers.call(pid)


def _group() -> Group:
    group = kernel().group
    assert group is not None
    return group
