"""Lock and RLock: the real lock is kept, and waiting for it goes through the kernel."""

from __future__ import annotations

import _thread
import re
import sys
import threading
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native
from simclock._boundary.active import kernel, kernels
from simclock._boundary.rows import Row, originals
from simclock._core.instants import to_ns
from simclock._core.waits import FOREIGN
from simclock.errors import Deadlock, SimclockError, Unwind

if TYPE_CHECKING:
    from types import FrameType

    from simclock._core.kernel import Kernel
    from simclock._core.threads import SimThread
    from simclock._core.waits import Foreign

_LOCK = "_thread.LockType."
_RLOCK = "_thread.RLock."
_OWNER = re.compile(r" owner=(\d+) ")
# Free, and nobody's: the original can be asked on it whether arguments are right.
_spare_lock = _thread.allocate_lock()
_spare_rlock = _thread.RLock()
# What a condition does to a plain lock around its wait. The user's block relies on owning it after.
_OF_CONDITIONS = (
    threading.Condition._release_save.__code__,  # type: ignore[attr-defined]
    threading.Condition._acquire_restore.__code__,  # type: ignore[attr-defined]
)
# Errors of ours that a thread gets before it gives up owning a lock again.
TRIES = 3


class LockGate:
    """The wait for a lock: enabled exactly while the lock is free."""

    __slots__ = ("key", "lock")

    def __init__(self, lock: Any) -> None:
        self.lock = lock
        self.key = id(lock)

    def free(self) -> bool:
        """Return whether it can be acquired."""
        return not originals["_thread.LockType.locked"](self.lock)

    def take(self) -> bool:
        """Acquire it if it is free."""
        if originals["_thread.LockType.acquire"](self.lock, False):
            _native.own(self.lock)
            return True
        return False

    def owner(self) -> SimThread | Foreign | None:
        """Return who acquired it last, as far as that was seen."""
        serial = _native.owner(self.lock)
        if serial == 0 and self.lock in _sentinels():
            return FOREIGN
        return FOREIGN if serial < 0 else kernel().thread_of(serial)


class RLockGate:
    """The wait for a reentrant lock that another thread owns."""

    __slots__ = ("key", "lock")

    def __init__(self, lock: Any) -> None:
        self.lock = lock
        self.key = id(lock)

    def free(self) -> bool:
        """Return whether it can be acquired."""
        # Its methods tell about the calling thread only; its text about all.
        return rlock_owner(self.lock) == 0

    def take(self) -> bool:
        """Acquire it if it is free."""
        return bool(originals["_thread.RLock.acquire"](self.lock, False))

    def owner(self) -> SimThread | Foreign | None:
        """Return who owns it."""
        return thread_by_ident(kernel(), rlock_owner(self.lock))


class RestoreGate(RLockGate):
    """The wait to own a reentrant lock again as often as before."""

    __slots__ = ("state",)

    def __init__(self, lock: Any, state: Any) -> None:
        super().__init__(lock)
        self.state = state

    def take(self) -> bool:
        """Acquire it as often as it was owned, if it is free."""
        if not self.free():
            return False
        originals["_thread.RLock._acquire_restore"](self.lock, self.state)
        return True


def thread_by_ident(simulation: Kernel, ident: int) -> SimThread | Foreign | None:
    """Return the owner called *ident*, 0 meaning nobody."""
    if ident == 0:
        return None
    thread = simulation.by_ident.get(ident)
    if thread is None and not any(ident in outer.by_ident for outer in kernels):
        # Who ended without releasing owns it for ever; foreign is who never was one of ours.
        return simulation.finished_by_ident(ident) or FOREIGN
    return thread


def rlock_owner(lock: Any) -> int:
    """Return the ident of the thread that owns an RLock, 0 if nobody does."""
    found = _OWNER.search(_thread.RLock.__repr__(lock))
    return int(found[1]) if found else 0


def _sentinels() -> list[Any]:
    """Return the locks that foreign threads own until they end (up to Python 3.12)."""
    simulated = {thread.ident for other in kernels for thread in other.all_threads()}
    return [
        getattr(thread, "_tstate_lock", None)
        for ident, thread in threading._active.copy().items()  # type: ignore[attr-defined]
        if ident not in simulated
    ]


def _timeout_ns(spare: Any, original: str, blocking: Any, timeout: Any) -> int | None:
    """Return the timeout in nanoseconds; None for ever; 0 for a try."""
    if blocking is True and (timeout == -1):
        return None
    if blocking is False and timeout == -1:
        return 0
    # Let the original judge, on a lock where it cannot block.
    originals[original](spare, blocking, timeout)
    spare.release()
    if not blocking:
        return 0
    return None if timeout == -1 else to_ns(timeout)


def _acquire(gate: type[LockGate | RLockGate], lock: Any, timeout_ns: int | None) -> bool:
    simulation = kernel()
    wanted = gate(lock)
    if timeout_ns == 0:
        simulation.checkpoint("acquire", lock)
    else:
        simulation.checkpoint_before(wanted, "acquire", lock)
    if wanted.take():
        return True
    if timeout_ns == 0:
        simulation.count_step()
        return False
    deadline_ns = None if timeout_ns is None else simulation.world.now_ns + timeout_ns
    return simulation.wait("lock" if gate is LockGate else "RLock", wanted, deadline_ns)


def _own_again(simulation: Kernel, gate: LockGate | RLockGate, error: BaseException | None) -> None:
    """Return owning a lock that the caller counts on, or raise *error*, or what came meanwhile.

    Then it is owned too: who raised without would be told to have released a
    lock that is not theirs, and nobody would see the error.
    """
    real = _in_flight(error)
    told = error
    tries = TRIES
    while not gate.take():
        if isinstance(told, (Deadlock, Unwind)) or tries == 0:
            _owe(simulation, gate)
            ours = isinstance(simulation.failure, SimclockError)
            if ours and simulation.failure in (error, told) and _ends(real or error):
                simulation.failure = None  # an interrupt is not to end as a deadlock
            break
        try:
            simulation.wait("lock" if type(gate) is LockGate else "RLock", gate)
            break
        except BaseException as raised:  # noqa: BLE001 - raised when it is owned
            told = raised
            error = error or told
            tries -= isinstance(told, SimclockError)
    # What is ours only follows from what the wait ends with.
    if error is not None and not (real and isinstance(error, (SimclockError, Unwind))):
        raise error


def _ends(error: BaseException | None) -> bool:
    return not isinstance(error, Exception)


def _in_flight(error: BaseException | None) -> BaseException | None:
    """Return the exception that a condition's wait ends with, if any, besides *error*."""
    found = sys.exc_info()[1]
    if found is error and error is not None:
        found = error.__context__
    traceback = found.__traceback__ if found is not None else None
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and traceback is not None:
        if frame.f_code is threading.Condition.wait.__code__:
            return found if frame is traceback.tb_frame else None
        frame = frame.f_back
    return None


def _owe(simulation: Kernel, gate: LockGate | RLockGate) -> None:
    """Let the releases of a lock that cannot be had any more release nothing."""
    owed = _myself(simulation).owed
    times = gate.state[0] if isinstance(gate, RestoreGate) else 1
    owed[id(gate.lock)] = owed.get(id(gate.lock), 0) + times
    simulation.world.interested = 1  # nothing may be released on the fast paths


def _is_owed(simulation: Kernel, lock: Any) -> bool:
    """Return whether this release of *lock* is one that was to release nothing."""
    owed = _myself(simulation).owed
    left = owed.pop(id(lock), 0)
    if left > 1:
        owed[id(lock)] = left - 1
    if left and not simulation.unwinding:
        simulation.relax()
    return left > 0


def _myself(simulation: Kernel) -> SimThread:
    baton = _native.current()
    assert baton is not None
    # Also while it ends, and is no longer among the living.
    return simulation.thread_of(baton.serial) or simulation.current


def _for_a_condition() -> bool:
    """Return whether a condition called the function that calls this."""
    return sys._getframe(2).f_code in _OF_CONDITIONS


def _lock_acquire(lock: Any, blocking: Any = True, timeout: Any = -1) -> bool:
    if blocking is True and timeout == -1:
        try:
            return _acquire(LockGate, lock, None)
        except BaseException as error:
            if not _for_a_condition():
                raise
            _own_again(kernel(), LockGate(lock), error)
            return True
    timeout_ns = _timeout_ns(_spare_lock, "_thread.LockType.acquire", blocking, timeout)
    return _acquire(LockGate, lock, timeout_ns)


def _lock_release(lock: Any) -> None:
    simulation = kernel()
    if simulation.world.interested and _is_owed(simulation, lock):
        return
    try:
        originals["_thread.LockType.release"](lock)
    except RuntimeError:
        if simulation.unwinding:
            return  # it could not be acquired again on the way out
        raise
    _native.disown(lock)
    simulation.hint(id(lock))
    try:
        simulation.checkpoint("release", lock)
    except BaseException as error:
        if not _for_a_condition():
            raise
        _own_again(simulation, LockGate(lock), error)


def _lock_locked(lock: Any) -> bool:
    simulation = kernel()
    # Up to 3.12, whenever a thread ends `threading` asks those of all threads of the process.
    if lock not in getattr(threading, "_shutdown_locks", ()):
        simulation.count_step()
        simulation.checkpoint("locked", lock)
    return bool(originals["_thread.LockType.locked"](lock))


def _rlock_acquire(lock: Any, blocking: Any = True, timeout: Any = -1) -> bool:
    timeout_ns = _timeout_ns(_spare_rlock, "_thread.RLock.acquire", blocking, timeout)
    return _acquire(RLockGate, lock, timeout_ns)


def _rlock_release(lock: Any) -> None:
    simulation = kernel()
    if simulation.world.interested and _is_owed(simulation, lock):
        return
    try:
        originals["_thread.RLock.release"](lock)
    except RuntimeError:
        if simulation.unwinding:
            return
        raise
    simulation.hint(id(lock))
    simulation.checkpoint("release", lock)


def _release_save(lock: Any) -> Any:
    state = originals["_thread.RLock._release_save"](lock)
    simulation = kernel()
    simulation.hint(id(lock))
    try:
        simulation.checkpoint("release", lock)
    except BaseException as error:  # noqa: BLE001 - raised when it is owned again
        _own_again(simulation, RestoreGate(lock, state), error)
    return state


def _acquire_restore(lock: Any, state: Any) -> None:
    simulation = kernel()
    error: BaseException | None = None
    try:
        simulation.checkpoint("acquire", lock)
    except BaseException as told:  # noqa: BLE001 - raised when it is owned
        error = told
    _own_again(simulation, RestoreGate(lock, state), error)


_GATED = "waits through the kernel; timeouts are virtual"
_FREES = "the original, then a checkpoint"

ROWS = [
    *(
        Row(f"{_LOCK}{name}", "simulated", _GATED, _lock_acquire, _native.ACQUIRE)
        for name in ("acquire", "acquire_lock", "__enter__")
    ),
    *(
        Row(f"{_LOCK}{name}", "simulated", _FREES, _lock_release, _native.RELEASE)
        for name in ("release", "release_lock", "__exit__")
    ),
    *(
        Row(
            f"{_LOCK}{name}",
            "simulated",
            "the original; counts as a step",
            _lock_locked,
            _native.STEP,
        )
        for name in ("locked", "locked_lock")
    ),
    *(
        Row(f"{_RLOCK}{name}", "simulated", _GATED, _rlock_acquire, _native.RLOCK_ACQUIRE)
        for name in ("acquire", "__enter__")
    ),
    *(
        Row(f"{_RLOCK}{name}", "simulated", _FREES, _rlock_release, _native.RLOCK_RELEASE)
        for name in ("release", "__exit__")
    ),
    Row(f"{_RLOCK}_release_save", "simulated", _FREES, _release_save),
    Row(f"{_RLOCK}_acquire_restore", "simulated", _GATED, _acquire_restore),
]
