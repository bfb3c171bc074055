"""Starting and joining threads."""

from __future__ import annotations

import _thread
import functools
import threading
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native
from simclock._boundary.active import kernel
from simclock._boundary.locks import thread_by_ident
from simclock._boundary.rows import Row, originals
from simclock._core.instants import to_ns

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock._core.groups import Group
    from simclock._core.threads import SimThread
    from simclock._core.waits import Foreign


class JoinGate:
    """The wait for a thread handle (from Python 3.13 on) to be done."""

    __slots__ = ("handle", "key")

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.key = id(handle)

    def free(self) -> bool:
        """Return whether the thread has ended."""
        return bool(self.handle.is_done())

    def take(self) -> bool:
        """Return whether the thread has ended."""
        return self.free()

    def owner(self) -> SimThread | Foreign | None:
        """Return the thread."""
        return thread_by_ident(kernel(), self.handle.ident)


class FirstThread(threading.Thread):
    """The first thread of a simulated process: those that it starts belong to that, too."""

    def __init__(self, group: Group, target: Callable[[], object]) -> None:
        super().__init__(target=target, name=group.name, daemon=False)
        self.simulated_process = group


def _adopt(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> SimThread:
    """Start a simulated thread that runs *function*."""
    simulation = kernel()
    subject = getattr(function, "__self__", None)
    if isinstance(subject, threading.Thread):
        group = subject.simulated_process if isinstance(subject, FirstThread) else None
        thread = simulation.new_thread(subject.name, daemon=subject.daemon, group=group)
        thread.name_after(subject)
    else:
        # A real process does not wait for threads started below `threading`.
        name = getattr(function, "__qualname__", type(function).__name__)
        thread = simulation.new_thread(name, daemon=True)
    simulation.start_thread(thread, function, args, kwargs)
    return thread


def _start_new_thread(*call: Any, **keywords: Any) -> int:
    original = originals["_thread.start_new_thread"]
    if keywords or not 2 <= len(call) <= 3:
        return int(original(*call, **keywords))
    function, args, *rest = call
    kwargs = rest[0] if rest else None
    wrong = not callable(function) or not isinstance(args, tuple)
    if wrong or not isinstance(kwargs, (dict, type(None))) or (rest and kwargs is None):
        return int(original(*call))  # raises what is wrong with the arguments
    if kernel().port.real_package():
        return int(original(*call))  # foreign: it runs in real time
    thread = _adopt(function, args, kwargs)
    _introduce(thread, function)
    return thread.ident


def _start_joinable_thread(function: Any, handle: Any = None, daemon: Any = True) -> Any:
    if not callable(function) or not isinstance(handle, (_handle_type(), type(None))):
        return originals["_thread.start_joinable_thread"](function, handle, daemon)
    if kernel().port.real_package():  # foreign: it runs in real time
        return originals["_thread.start_joinable_thread"](function, handle, daemon)
    if handle is None:
        handle = _handle_type()()
    elif handle.ident:
        return originals["_thread.start_joinable_thread"](function, handle, daemon)
    thread = _adopt(function, (), None)
    _native.swap_handles(handle, _make_handle(thread.ident))
    thread.handle = handle
    _introduce(thread, function)
    return handle


def _introduce(thread: SimThread, function: Any) -> None:
    """Let a new thread begin, or whoever is chosen to go on."""
    subject = getattr(function, "__self__", None)
    # What `threading.Thread` itself has started: not another method of one.
    if not isinstance(subject, threading.Thread) or function.__name__ != "_bootstrap":
        kernel().checkpoint("start")
        return
    # Its start, and its end, is a dozen operations on locks that only `threading` itself sees.
    library: Any = threading
    quiet = [subject._started._cond._lock]  # type: ignore[attr-defined]
    if hasattr(library, "_shutdown_locks_lock"):
        quiet.append(library._shutdown_locks_lock)
    kernel().introduce(thread, library._active_limbo_lock, quiet)


def _handle_type() -> Any:
    return _thread._ThreadHandle  # type: ignore[attr-defined, unused-ignore]


def _make_handle(ident: int) -> Any:
    return _thread._make_thread_handle(ident)  # type: ignore[attr-defined]


@functools.cache
def _ended_handle() -> Any:
    """Return a handle on which the original join can be asked whether a timeout is right."""
    handle = _make_handle(_thread.get_ident())
    handle._set_done()
    return handle


def _join(handle: Any, timeout: Any = None) -> None:
    if timeout is not None:
        originals["_thread._ThreadHandle.join"](_ended_handle(), timeout)
    simulation = kernel()
    gate = JoinGate(handle)
    simulation.checkpoint("join", handle)
    if gate.take() or not handle.ident or gate.owner() is simulation.current:
        originals["_thread._ThreadHandle.join"](handle, timeout)  # returns or raises at once
        return
    # As the original: a negative timeout is none at all.
    forever = timeout is None or timeout < 0
    deadline_ns = None if forever else simulation.world.now_ns + to_ns(timeout)
    if simulation.wait("join", gate, deadline_ns):
        originals["_thread._ThreadHandle.join"](handle)


def _set_sentinel() -> Any:  # pragma: no cover - no tracer has reached the new thread yet
    """Return the lock that ``threading`` joins on, released when the thread's state goes."""
    sentinel = originals["_thread._set_sentinel"]()
    # Acquired in C, so nothing noted it; a join that asked would look through all foreign threads.
    _native.own(sentinel)
    kernel().current.sentinel = sentinel
    return sentinel


_ADOPTED = "the new thread is simulated, and runs when it gets its turn"
_3_13 = (3, 13)

ROWS = [
    Row("_thread.start_new_thread", "simulated", _ADOPTED, _start_new_thread),
    Row("_thread.start_new", "simulated", _ADOPTED, _start_new_thread),
    Row(
        "_thread.start_joinable_thread", "simulated", _ADOPTED, _start_joinable_thread, since=_3_13
    ),
    Row("_thread._ThreadHandle.join", "simulated", "waits through the kernel", _join, since=_3_13),
    Row(
        "_thread._set_sentinel", "simulated", "noted: joins wait for it", _set_sentinel, until=_3_13
    ),
]
