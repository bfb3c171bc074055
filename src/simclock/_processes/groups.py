"""Groups of simulated threads, as processes of `multiprocessing` need them."""

from __future__ import annotations

import os
from multiprocessing import context
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native
from simclock._boundary.active import kernel
from simclock._boundary.contexts import Context
from simclock._boundary.threads import FirstThread
from simclock._core import stopping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from simclock._core.groups import Group

# What says which start method is the default.
_DEFAULT: Any = context._default_context  # type: ignore[attr-defined]
# Those that may not have ended, of each open simulation; and the exit code of those that its end
# has ended.
_KILLED = -9
_begun: list[Group] = []


class MainThread(FirstThread):
    """The first thread; it is called as in any process, but for reports."""

    @property
    def name(self) -> str:
        """What its own process calls it."""
        return "MainThread"


def make(name: str) -> Group:
    """Return a new process, a child of the current one, with a copy of its environment."""
    made: Group = _native.call_kernel(_make, name, os.getpid())
    made.context = Context(os.environ)
    at_end(made, made.context.at_exit.clear)
    made.context.add(_DEFAULT, "_actual_context", _DEFAULT._actual_context)
    return made


def _make(name: str, parent: int) -> Group:
    simulation = kernel()
    group = simulation.group
    host, skew_ns = (None, 0) if group is None else (group.host, group.skew_ns)
    return simulation.new_group(name, parent, host, skew_ns)


def own(group: Group, fds: Iterable[int]) -> None:
    """Note that the descriptors *fds*, which others have opened, belong to *group*."""
    port: Any = kernel().port
    for fd in fds:
        _native.call_kernel(port.contexts.give, fd, group)


def at_end(group: Group, function: Callable[[], object]) -> None:
    """Call *function* when *group* has ended, in the kernel; at the simulation's end at the latest."""
    group.at_end.append(function)  # type: ignore[arg-type]


def begin(group: Group, run: Callable[[], int], *, daemon: bool) -> None:
    """Start *group*: *run* returns its exit code."""

    def main() -> None:
        _native.call_kernel(stopping.finish, kernel(), group, run())

    _begun[:] = [other for other in _begun if not other.ended]
    _begun.append(group)
    thread = MainThread(group, main)
    thread.daemon = daemon
    thread.start()


def has_ended(group: Group) -> bool:
    """Return whether *group* has come to its end."""
    return group.ended


def threads(group: Group) -> Iterator[Any]:
    """Return the ``threading.Thread`` objects of *group* but for the calling one, oldest first."""
    current = kernel().current
    for each in list(group.threads.values()):
        if each is not current and each.python_thread is not None:
            yield each.python_thread


def end_all() -> None:
    """Note that the end of the simulation has ended those that were left."""
    while _begun:
        group = _begun.pop()
        if not group.ended:
            group.ended, group.exitcode = True, _KILLED
            for tell in group.at_end:
                tell()
