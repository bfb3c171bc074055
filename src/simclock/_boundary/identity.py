"""What a simulated process is told about itself: its number, its host's name, its environment.

Nothing of it costs anything outside of one.
"""

from __future__ import annotations

import os
from typing import Any

from simclock._boundary import _native
from simclock._boundary.active import kernel
from simclock._boundary.rows import Row, originals


def _getpid() -> Any:
    group = kernel().group
    return originals["posix.getpid"]() if group is None else group.number


def _getppid() -> Any:
    group = kernel().group
    return originals["posix.getppid"]() if group is None else group.parent


def _gethostname() -> Any:
    name = originals["_socket.gethostname"]()
    return _host_name(name)


def _uname() -> Any:
    told = originals["posix.uname"]()
    return os.uname_result((told.sysname, _host_name(told.nodename), *tuple(told)[2:]))


def _host_name(real: str) -> str:
    group = kernel().group
    return real if group is None or group.host is None else str(group.host.name)


def _keep_to_oneself(*_: Any) -> None:
    """Do nothing: ``os.environ`` has it, and the real process' environment is not its own."""


_OWN = "in a simulated process its own"
_KEPT = "in a simulated process it stays in `os.environ`, which is its own"

ROWS = [
    Row("posix.getpid", "simulated", _OWN, _getpid, _native.OWN),
    Row("posix.getppid", "simulated", _OWN, _getppid, _native.OWN),
    Row("posix.uname", "simulated", _OWN, _uname, _native.OWN),
    Row("_socket.gethostname", "simulated", _OWN, _gethostname, _native.OWN),
    Row("posix.putenv", "simulated", _KEPT, _keep_to_oneself, _native.OWN),
    Row("posix.unsetenv", "simulated", _KEPT, _keep_to_oneself, _native.OWN),
]
