"""Groups of simulated threads, as processes of `multiprocessing` need them."""

from __future__ import annotations

import os
import sys
import traceback
from multiprocessing import context
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native
from simclock._boundary.active import kernel
from simclock._boundary.contexts import Context
from simclock._boundary.threads import FirstThread
from simclock._core import stopping
from simclock.errors import Stalled, Unwind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from simclock._core.groups import Group

# What says which start method is the default.
_DEFAULT: Any = context._default_context


class MainThread(FirstThread):
    """The first thread: its process calls it what any does, reports call it like the process."""

    _called = "MainThread"

    @property
    def name(self) -> str:
        """What its own process calls it."""
        return self._called

    @name.setter
    def name(self, name: str) -> None:
        self._called = str(name)


# ---------------------------------------------------------------------- begin and end


def make(name: str) -> Group:
    """Return a new process, a child of the current one, with a copy of its environment."""
    made: Group = _native.call_kernel(_make, name, os.getpid())
    made.context = Context(os.environ)
    at_end(made, made.context.at_exit.clear)
    made.context.add(_DEFAULT, "_actual_context", _DEFAULT._actual_context)
    _give_stdin(made)
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


def _give_stdin(group: Group) -> None:
    """Let there be nothing on the standard input, as `multiprocessing` has it."""
    stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 - it is closed at the end
    own(group, [stdin.fileno()])
    at_end(group, stdin.close)
    group.context.add(sys, "stdin", stdin)


def own(group: Group, fds: Iterable[int]) -> None:
    """Note that the descriptors *fds*, which others have opened, belong to *group*."""
    port: Any = kernel().port
    for fd in fds:
        _native.call_kernel(port.contexts.give, fd, group)


def at_end(group: Group, function: Callable[[], object]) -> None:
    """Call *function* when *group* has ended, in the kernel; the last given first.

    With the simulation at the latest.
    """
    group.at_end.insert(0, function)  # type: ignore[arg-type]


def begin(group: Group, run: Callable[[], int], *, daemon: bool) -> None:
    """Start *group*: *run* returns its exit code."""
    simulation: Any = kernel()

    def main() -> None:
        exitcode = 1
        try:
            exitcode = run()
        except (Unwind, Stalled):
            raise  # the simulation is over
        except BaseException:  # noqa: BLE001 - such as one of a signal's handler; it is told
            traceback.print_exc()
        _native.call_kernel(stopping.finish, simulation, group, exitcode)

    # A pool whose workers were killed before it was shut down would start others.
    group.awaited = True
    thread = MainThread(group, main)
    thread.daemon = daemon
    thread.start()


def cut_off(group: Group) -> None:
    """Note that *group*, which could not begin, has ended."""
    group.ended, group.exitcode = True, stopping.KILLED
    for tell in group.at_end:
        tell()


# --------------------------------------------------------------------------- in between


def threads(group: Group) -> Iterator[Any]:
    """Return the ``threading.Thread`` objects of *group* but for the calling one, oldest first."""
    current = kernel().current
    for each in list(group.threads.values()):
        if each is not current and each.python_thread is not None:
            yield each.python_thread


def wait(group: Group, timeout: float | None) -> None:
    """Wait for the end of *group*, for *timeout* seconds at most."""
    _native.call_kernel(stopping.join, kernel(), group, timeout)
