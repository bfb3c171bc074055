"""Waits for what nobody hints at: the kernel asks them before the clock moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simclock._core.threads import SimThread
    from simclock._core.waits import Foreign


class Gate:
    """What a thread is parked on in `Kernel.wait_polled`. See `simclock._core.waits.Polled`."""

    __slots__ = ("key", "patience")

    def __init__(self, patience: float | None = None) -> None:
        self.key = id(self)
        self.patience = patience

    def free(self) -> bool:
        """Return whether the wait would end now. Never blocks."""
        raise NotImplementedError  # pragma: no cover - each gate has its own

    def take(self) -> bool:
        """End the wait if it can; return whether it did."""
        return self.free()

    def owner(self) -> SimThread | Foreign | None:
        """Return None: anybody may end it."""
        return None

    def outside(self) -> str:
        """Return what outside owes the end of this wait, or nothing."""
        raise NotImplementedError  # pragma: no cover - each gate has its own

    def descriptors(self) -> list[tuple[int, int]]:
        """Return what to wait for in real time, as descriptors and poll masks."""
        return []

    def give_up(self) -> None:
        """Let `outside` return nothing until something new happens."""
