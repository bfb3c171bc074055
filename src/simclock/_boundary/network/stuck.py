"""What has arrived but finds no room: it is tried again whenever a receiver may have made some."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simclock._core.waits import Wait

if TYPE_CHECKING:
    from simclock._boundary.network.connecting import Pending
    from simclock._boundary.network.wires import Wire
    from simclock._core.kernel import Kernel


class Stuck:
    """What waits for a receiver to make room, asked as often as a wait that nobody hints at."""

    patience = None

    def __init__(self, kernel: Kernel) -> None:
        self._polled = kernel._polled
        self._waiting: dict[Wire | Pending, None] = {}
        self.key = id(self)
        # In the list of waits, but of no thread.
        self._wait = Wait(kernel.root, "the network", self, None, 0)

    def note(self, each: Wire | Pending, *, is_stuck: bool) -> None:
        """Note whether *each* waits."""
        if not is_stuck:
            self._waiting.pop(each, None)
            return
        self._waiting[each] = None
        # It stays there: it is asked while that list is gone through.
        if self._wait not in self._polled:
            self._polled.append(self._wait)

    def free(self) -> bool:
        """Try again; return whether anything could go on."""
        tried = [each.retry() for each in list(self._waiting)]  # each of them, whatever others do
        return any(tried)

    def take(self) -> bool:
        """Return False: nobody waits here."""
        return False

    def owner(self) -> None:
        """Return that nobody has to end it."""

    def outside(self) -> str:
        """Return that nothing outside has to end it."""
        return ""

    def descriptors(self) -> list[tuple[int, int]]:
        """Return nothing: receivers are simulated."""
        return []

    def give_up(self) -> None:
        """Go on: it is not waited for in real time."""
