"""Waits for what nobody hints at: the kernel asks them before the clock moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simclock._boundary.outside import describe, patience_with

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simclock._boundary.outside import Debtor
    from simclock._core.threads import SimThread
    from simclock._core.waits import Foreign


class Gate:
    """What a thread is parked on in `Kernel.wait_polled`. See `simclock._core.waits.Polled`."""

    __slots__ = ("given_up", "key", "patience")

    def __init__(self, patience: float | None = None) -> None:
        self.key = id(self)
        self.patience = patience
        # Whether nothing is waited for outside any more.
        self.given_up = False

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
        self.given_up = True


class DebtorGate(Gate):
    """The wait for those who are known to owe its end."""

    __slots__ = ("_own",)

    def __init__(self, patience: float | None = None) -> None:
        super().__init__(patience)
        # That of the wait itself, whoever has to end it.
        self._own = patience

    def debtors(self) -> Sequence[Debtor]:
        """Return who owes the end of the wait."""
        raise NotImplementedError  # pragma: no cover - each gate has its own

    def outside(self) -> str:
        """Return who owes the end of the wait, described; have the patience that is due to them."""
        debtors = self.debtors()
        self.patience = patience_with(debtors, self._own)
        return describe(debtors)

    def give_up(self) -> None:
        """Wait for none of these any more."""
        for debtor in self.debtors():
            debtor.give_up()
        super().give_up()


def descriptor_of(file: Any) -> int:
    """Return the descriptor that *file*, one or what has one, stands for."""
    return file if isinstance(file, int) else int(file.fileno())
