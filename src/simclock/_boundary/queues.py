"""``SimpleQueue``, the one queue that waits in C."""

from __future__ import annotations

import _queue
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native
from simclock._boundary.active import kernel
from simclock._boundary.rows import Row, originals
from simclock._core.instants import to_ns

if TYPE_CHECKING:
    from simclock._core.threads import SimThread

_QUEUE = "_queue.SimpleQueue."
# Nobody else's: the original can be asked on it whether arguments are right.
_spare: Any = _queue.SimpleQueue()


class QueueGate:
    """The wait for an item of a ``SimpleQueue``."""

    __slots__ = ("item", "key", "queue")

    def __init__(self, queue: Any) -> None:
        self.queue = queue
        self.key = id(queue)
        self.item: Any = None

    def free(self) -> bool:
        """Return whether there is an item."""
        return not self.queue.empty()

    def take(self) -> bool:
        """Take an item if there is one."""
        try:
            self.item = originals["_queue.SimpleQueue.get_nowait"](self.queue)
        except _queue.Empty:
            return False
        return True

    def owner(self) -> SimThread | None:
        """Return None: nobody in particular puts."""
        return None


def _put(queue: Any, item: Any, block: Any = True, timeout: Any = None) -> None:
    originals["_queue.SimpleQueue.put"](queue, item, block, timeout)
    _note_put(queue)


def _put_nowait(queue: Any, item: Any) -> None:
    originals["_queue.SimpleQueue.put_nowait"](queue, item)
    _note_put(queue)


def _note_put(queue: Any) -> None:
    simulation = kernel()
    simulation.hint(id(queue))
    simulation.step("put", queue)


def _get(queue: Any, block: Any = True, timeout: Any = None) -> Any:
    timeout_ns = _timeout_ns(block, timeout)
    simulation = kernel()
    simulation.step("get", queue)
    gate = QueueGate(queue)
    if gate.take():
        return gate.item
    if timeout_ns == 0:
        simulation.count_step()
        raise _queue.Empty
    deadline_ns = None if timeout_ns is None else simulation.world.now_ns + timeout_ns
    if simulation.wait("SimpleQueue", gate, deadline_ns):
        return gate.item
    raise _queue.Empty


def _timeout_ns(block: Any, timeout: Any) -> int | None:
    """Return the timeout in nanoseconds; None for ever; 0 for a try."""
    if not (block is True and timeout is None):
        # Let the original judge, on a queue where it cannot block.
        originals["_queue.SimpleQueue.put"](_spare, None)
        try:
            originals["_queue.SimpleQueue.get"](_spare, block, timeout)
        except BaseException:
            originals["_queue.SimpleQueue.get_nowait"](_spare)
            raise
    if not block:
        return 0
    return None if timeout is None else to_ns(timeout)


def _get_nowait(queue: Any) -> Any:
    return _get(queue, False)


_NOTE = "gated like a lock; timeouts are virtual"

ROWS = [
    Row(f"{_QUEUE}put", "simulated", "the original, then a checkpoint", _put, _native.PUT),
    Row(
        f"{_QUEUE}put_nowait",
        "simulated",
        "the original, then a checkpoint",
        _put_nowait,
        _native.PUT,
    ),
    Row(f"{_QUEUE}get", "simulated", _NOTE, _get),
    Row(f"{_QUEUE}get_nowait", "simulated", _NOTE, _get_nowait),
]
