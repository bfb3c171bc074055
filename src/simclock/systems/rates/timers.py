"""The timers of a node: which executor runs one, and the handle of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from simclock.systems._shared.grids import check_interval
from simclock.systems.rates.asynchronous import RateExecutor
from simclock.systems.rates.callbacks import check_async, check_plain, name_of
from simclock.systems.rates.switch import refuse_copy
from simclock.systems.rates.synchronous import SyncRateExecutor

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from simclock.systems.rates.node import Node


class NodeTimer:
    """One timer of a node, as `Node.create_timer` returns it. Any thread may use it.

    Attributes:
        name: What logs call it; also the name of its thread or task.
        mode: ``"async"`` or ``"sync"``.
        executor: What runs it: see there for its figures.
    """

    def __init__(
        self,
        node: Node,
        name: str,
        executor: RateExecutor | SyncRateExecutor,
        stop: Callable[[NodeTimer], None],
    ) -> None:
        self._node = node
        self.name = name
        self.executor = executor
        self.mode = "async" if isinstance(executor, RateExecutor) else "sync"
        self._stop = stop
        executor._timer = self

    def __repr__(self) -> str:
        return f"<timer {self.name} of {self._node!r}: {self.executor!r}>"

    __reduce__: ClassVar[Callable[..., NoReturn]] = refuse_copy

    @property
    def running(self) -> bool:
        """Whether it ticks."""
        return self.executor.running

    def stop(self) -> None:
        """Stop it for good: later runs of the node do without it. Idempotent."""
        self._stop(self)


def executor_of(
    period: float, callback: Callable[..., Any], mode: str, lock: threading.RLock, **options: Any
) -> RateExecutor | SyncRateExecutor:
    """Return the executor that calls *callback* each *period* seconds; see `Node.create_timer`.

    It shares the *lock* of its node.
    """
    if callable(period) and not callable(callback):
        raise TypeError(
            f"the callback and the period are swapped: {name_of(period)}, {callback!r}\n"
            f"write create_timer({callback!r}, {name_of(period)})"
        )
    check_interval(period, "period")
    kinds: dict[str, Callable[..., RateExecutor | SyncRateExecutor]]
    kinds = {"async": RateExecutor, "sync": SyncRateExecutor}
    if mode not in kinds:
        raise ValueError(f"this is no mode of a timer: {mode!r}\nuse 'async' or 'sync'")
    (check_async if mode == "async" else check_plain)(callback)
    executor = kinds[mode](callback, 1 / period, **options)
    executor._switch.share(lock)
    # Not the reciprocal of the reciprocal, which may be another number.
    executor.interval = float(period)
    return executor
