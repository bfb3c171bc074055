"""What a process object of `multiprocessing` has for its process: here a simulated one."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
from multiprocessing import util
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native
from simclock._boundary.active import kernel
from simclock._boundary.loops import simulated
from simclock._processes import bootstrap, finalizers, groups
from simclock._processes.parcels import Parcel

if TYPE_CHECKING:
    from simclock._core.groups import Group

# Without types: most of it is not public.
_util: Any = util


class Popen:
    """The parent's side, as ``multiprocessing.popen_spawn_posix`` has it.

    Args:
        process_obj: What is to be run.
        method: The start method that is stood for.

    Attributes:
        group: The process.
        pid: No real process has it.
        parent: The simulated process that has started it, if one has.
        sentinel: A descriptor that is ready to be read when the process has ended.
        returncode: The exit code, once `poll` or `wait` has seen it.
    """

    def __init__(self, process_obj: Any, method: str) -> None:
        _util._flush_std_streams()
        self.method = method
        self.returncode: int | None = None
        parcel = Parcel(process_obj, method)
        self.group: Group = groups.make(process_obj.name)
        self.pid = self.group.number
        self.parent: Group | None = kernel().group
        self.sentinel, ended = os.pipe()
        parent_alive, alive = os.pipe()
        self.finalizer = _util.Finalize(self, _util.close_fds, (self.sentinel, alive))
        groups.own(self.group, [ended, parent_alive, *parcel.descriptors()])
        groups.at_end(self.group, parcel.close)
        groups.at_end(self.group, functools.partial(finalizers.drop, self.pid))
        groups.at_end(self.group, functools.partial(_util.close_fds, parent_alive, ended))
        run = functools.partial(bootstrap.live, parcel, parent_alive)
        try:
            groups.begin(self.group, run, daemon=process_obj.daemon)
        except BaseException:
            groups.cut_off(self.group)
            self.close()
            raise

    def poll(self, flag: int = os.WNOHANG) -> int | None:  # noqa: ARG002 - as the others have it
        """Return the exit code, None while the process runs."""
        if self.returncode is None and self.group.ended:
            self.returncode = self.group.exitcode
        elif self.returncode is None and simulated():
            _native.call_kernel(_asked)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end of the process; return its exit code, None if it still runs."""
        if self.returncode is None and simulated():
            groups.wait(self.group, timeout)
        elif self.returncode is None:
            wait([self.sentinel], timeout)
        return self.poll()

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self._send_signal(signal.SIGKILL)

    def _send_signal(self, signum: int) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signum)

    def close(self) -> None:
        """Let go of the sentinel."""
        self.finalizer()


def _asked() -> None:
    """Count a question that found nothing: who asks again and again gets nowhere."""
    kernel().step("waitpid")
    kernel().count_step()
