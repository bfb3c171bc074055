"""What is logged when a runner is stopped, or loses a process: why, where, and what ran."""

from __future__ import annotations

import contextlib
import enum
import os
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simclock.systems.runners.context import RunnerContext


class ShutdownReason(enum.Enum):
    """Why something ended."""

    NORMAL = "normal"
    SIGTERM = "sigterm"
    SIGINT = "sigint"
    OOM_KILLED = "oom_killed"
    UNKNOWN = "unknown"


class Running(NamedTuple):
    """Something that runs.

    Attributes:
        name: Of its thread or process.
        doing: Which invocations it runs.
    """

    name: str
    doing: tuple[str, ...]


def reason_of(signum: int | None) -> ShutdownReason:
    """Return why a runner stops that was sent this signal, None: that was asked to."""
    if signum is None:
        return ShutdownReason.NORMAL
    # By number: not each one has a name, such as those between SIGRTMIN and SIGRTMAX.
    known: dict[int, ShutdownReason] = {
        signal.SIGTERM: ShutdownReason.SIGTERM,
        signal.SIGINT: ShutdownReason.SIGINT,
    }
    return known.get(signum, ShutdownReason.UNKNOWN)


def reason_of_exit(exitcode: int | None) -> ShutdownReason:
    """Return why a process ended that nobody here has ended."""
    if exitcode == 0:
        return ShutdownReason.NORMAL
    if exitcode == -signal.SIGKILL:
        # Nobody says who has sent it. The kernel does when it runs out of memory.
        return ShutdownReason.OOM_KILLED
    if exitcode is not None and exitcode < 0:
        return reason_of(-exitcode)
    return ShutdownReason.UNKNOWN


def shutdown_report(
    context: RunnerContext, signum: int | None, running: Sequence[Running] = ()
) -> str:
    """Return what to log when that runner stops."""
    lines = [
        f"{context.runner_cls} {context.runner_id} stops: {reason_of(signum).value}",
        f"  on {socket.gethostname()}, process {os.getpid()}, {threading.active_count()} threads",
        *(f"  {line}" for line in _figures()),
    ]
    lines += [f"  runs {each.name}: {', '.join(each.doing) or 'nothing'}" for each in running]
    return "\n".join(lines)


def lost_report(name: str, pid: int | None, exitcode: int | None) -> str:
    """Return what to log when a process of a runner has ended that was not to."""
    reason = reason_of_exit(exitcode)
    hint = (
        "\n  somebody has killed it; the system does so when it runs out of memory"
        if reason is ShutdownReason.OOM_KILLED
        else ""
    )
    return f"{name} (process {pid}) was lost: exit code {exitcode}, {reason.value}{hint}"


def _figures() -> list[str]:
    """Return what there is to say about this process and machine."""
    figures = [f"{os.cpu_count()} CPUs, Python {sys.version.split()[0]}"]
    with contextlib.suppress(OSError, AttributeError):
        figures.append(f"load {os.getloadavg()[0]:.2f}")
    with contextlib.suppress(ImportError):
        import resource

        usage = resource.getrusage(resource.RUSAGE_SELF)
        figures.append(f"memory of the process, at most: {usage.ru_maxrss} KiB")
    return figures
