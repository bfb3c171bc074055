"""Groups of simulated threads, as processes of `multiprocessing` need them."""

from __future__ import annotations

import os
import sys
from multiprocessing import context, process
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native
from simclock._boundary.active import kernel
from simclock._boundary.contexts import Context
from simclock._boundary.threads import FirstThread
from simclock._boundary.loops import simulated
from simclock._core import stopping
from simclock._core.instants import to_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from simclock._core.groups import Group
    from simclock._core.threads import SimThread
    from simclock._core.waits import Foreign

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
    stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 - it is closed at the end
    own(made, [stdin.fileno()])
    at_end(made, stdin.close)
    made.context.add(sys, "stdin", stdin)
    managers = sys.modules.get("multiprocessing.managers")
    if managers is not None:
        # Who has which connection to a manager's server.
        made.context.add(managers.BaseProxy, "_address_to_local", {})
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
    simulation: Any = kernel()

    def main() -> None:
        _native.call_kernel(stopping.finish, simulation, group, run())

    # Closed by whom, each of these numbers is soon somebody else's.
    at_end(group, simulation.port.contexts.look)
    at_end(group, lambda: simulation.hint(id(group)))

    _begun[:] = [other for other in _begun if not other.ended]
    _begun.append(group)
    thread = MainThread(group, main)
    thread.daemon = daemon
    thread.start()


class EndGate:
    """The wait for the end of a process."""

    __slots__ = ("_group", "key")

    def __init__(self, group: Group) -> None:
        self._group = group
        self.key = id(group)

    def free(self) -> bool:
        """Return whether it has ended."""
        return self._group.ended

    def take(self) -> bool:
        """Return whether it has ended."""
        return self._group.ended

    def owner(self) -> SimThread | Foreign | None:
        """Return its first thread."""
        return self._group.main


def wait(group: Group, timeout: float | None) -> bool:
    """Wait for the end of *group*, for *timeout* seconds at most; return whether it has come."""
    if simulated():
        _native.call_kernel(_wait, group, timeout)
    return group.ended


def _wait(group: Group, timeout: float | None) -> None:
    simulation = kernel()
    simulation.checkpoint("join")
    if not group.ended:
        deadline_ns = None
        if timeout is not None:
            deadline_ns = simulation.world.now_ns + to_ns(max(timeout, 0.0))
        simulation.wait(f"process {group.name}", EndGate(group), deadline_ns)


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
    # As `multiprocessing` does before it starts another one.
    process.active_children()
