"""TLS over sockets: a call that wants bytes, or room for them, parks until there are."""

from __future__ import annotations

import functools
import select
import socket
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native
from simclock._boundary.network import detours
from simclock._boundary.outside import outside
from simclock._boundary.rows import Row, originals
from simclock._boundary.sockets import Waiter

if TYPE_CHECKING:
    from collections.abc import Callable

_TLS = "_ssl._SSLSocket."


def _waits(method: str, timed_out: str) -> Callable[..., Any]:
    def call(tls: Any, *args: Any) -> Any:
        # Its callbacks are the user's.
        original = originals[_TLS + method]
        sock = tls.owner
        if not isinstance(sock, socket.socket):
            return _native.call_user(original, tls, *args)  # over memory: it never waits
        waiter = Waiter(sock, f"TLS {method}", timed_out)
        while True:
            try:
                result = _native.call_user(_attempt, waiter, original, tls, args)
            except Exception as error:
                wanted = _wanted(error)
                if wanted is None or not waiter.blocks:
                    raise
            else:
                _note(method, sock)
                return result
            if method not in ("read", "write"):
                outside().asked(sock)
            waiter.park(wanted)

    return call


def _attempt(waiter: Waiter, original: Any, tls: Any, args: tuple[Any, ...]) -> Any:
    network = outside().shaped
    if network is not None:
        original = functools.partial(detours.call, network, waiter.sock, original)
    if not waiter.blocks:
        return original(tls, *args)
    return waiter.attempt(original, tls, *args)


def _wanted(error: Exception) -> int | None:
    """Return the poll mask of what *error* says is missing, if it says that."""
    import ssl  # noqa: PLC0415 - loaded by whoever made the connection

    if isinstance(error, ssl.SSLWantReadError):
        return select.POLLIN
    if isinstance(error, ssl.SSLWantWriteError):
        return select.POLLOUT
    return None


def _note(method: str, sock: Any) -> None:
    if method == "write":
        outside().sent(sock)
    else:
        outside().received(sock)


_NOTE = "tries without waiting, else parks; timeouts are virtual"

ROWS = [
    Row(_TLS + method, "simulated", _NOTE, _waits(method, timed_out))
    for method, timed_out in (
        ("do_handshake", "_ssl.c: The handshake operation timed out"),
        ("read", "The read operation timed out"),
        ("write", "The write operation timed out"),
        ("shutdown", "The read operation timed out"),
    )
]
