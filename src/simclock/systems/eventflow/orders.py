"""``Order``: ids in a row, any of them several times; to add and remove costs the same in each."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from uuid import UUID

LITTLE = 16  # holes that are not worth the work


class Order:
    """Ids in a row.

    A list with holes, and for each id where it is: what is removed leaves a
    hole, and once there are more holes than ids the list is written anew. So
    `append`, `remove`, `popleft`, `pop`, ``in`` and ``len`` cost the same
    however many there are, on average. (A ``dict`` alone would do for ids that
    are there once, but to find its first key passes all that were removed
    before it; an ``OrderedDict`` takes more memory, and no id twice.)
    Positions are counted after the holes are closed, so to ask for one costs
    as much as there are ids if something was removed since the last time.

    It is not safe to change it from several threads at the same time.
    """

    __slots__ = ("_first", "_length", "_places", "_slots")

    def __init__(self, ids: Iterable[UUID] = ()) -> None:
        self.assign(ids)

    def assign(self, ids: Iterable[UUID]) -> None:
        """Have *ids*, instead of what was there."""
        # They may be those of this very order.
        ids = list(ids)
        # Invariant: `_places` has where each id is in `_slots`, ascending if there are several,
        # `_length` how many ids those are, and nothing is before `_first`.
        self._slots: list[UUID | None] = []
        self._places: dict[UUID, int | deque[int]] = {}
        self._first = 0
        self._length = 0
        self.extend(ids)

    def append(self, each: UUID) -> None:
        """Add *each* at the end."""
        place, known = len(self._slots), self._places.get(each)
        if known is None:
            self._places[each] = place
        elif isinstance(known, int):
            self._places[each] = deque((known, place))
        else:
            known.append(place)
        self._slots.append(each)
        self._length += 1

    def extend(self, ids: Iterable[UUID]) -> None:
        """Add *ids* at the end."""
        for each in list(ids):
            self.append(each)

    def remove(self, each: UUID) -> bool:
        """Remove the first *each*; return whether there was one."""
        known = self._places.get(each)
        if known is None:
            return False
        self._take(each, known if isinstance(known, int) else known[0])
        return True

    def remove_all(self, each: UUID) -> bool:
        """Remove *each*, as often as it is there; return whether it was."""
        was_there = self.remove(each)
        while self.remove(each):
            pass
        return was_there

    def popleft(self) -> UUID:
        """Remove the first id and return it; an ``IndexError`` if there is none."""
        if not self._length:
            raise IndexError("there is no first id: the order is empty")
        slots = self._slots
        while (each := slots[self._first]) is None:
            self._first += 1
        self._take(each, self._first)
        return each

    def pop(self) -> UUID:
        """Remove the last id and return it; an ``IndexError`` if there is none."""
        if not self._length:
            raise IndexError("there is no last id: the order is empty")
        while (each := self._slots[-1]) is None:
            self._slots.pop()
        self._take(each, len(self._slots) - 1)
        return each

    def at(self, index: int) -> UUID:
        """Return the id at *index*, as in a list."""
        self._close()
        each = self._slots[index]
        assert each is not None
        return each

    def index(self, each: UUID) -> int:
        """Return where the first *each* is; a ``ValueError`` if there is none."""
        if each not in self._places:
            raise ValueError(f"it is not in the order: {each}")
        self._close()
        known = self._places[each]
        return known if isinstance(known, int) else known[0]

    def _take(self, each: UUID, place: int) -> None:
        known = self._places[each]
        if isinstance(known, int):
            del self._places[each]
        elif place == known[0]:
            known.popleft()
        else:
            known.pop()
        if not isinstance(known, int) and len(known) == 1:
            self._places[each] = known[0]
        self._slots[place] = None
        self._length -= 1
        if self._holes > max(LITTLE, self._length):
            self._close()

    @property
    def _holes(self) -> int:
        return len(self._slots) - self._length

    def _close(self) -> None:
        if self._holes:
            self.assign(self)

    def __len__(self) -> int:
        return self._length

    def __contains__(self, each: object) -> bool:
        return each in self._places

    def __iter__(self) -> Iterator[UUID]:
        """Iterate over the ids that are there now, whatever happens meanwhile."""
        return iter([each for each in self._slots if each is not None])

    def _check(self) -> None:
        """Raise an ``AssertionError`` unless the invariant holds."""
        found: dict[UUID, list[int]] = {}
        for place, each in enumerate(self._slots):
            if each is not None:
                found.setdefault(each, []).append(place)
        known = {
            each: [places] if isinstance(places, int) else list(places)
            for each, places in self._places.items()
        }
        assert known == found
        assert self._length == sum(map(len, found.values()))
        assert all(each is None for each in self._slots[: self._first])
        assert self._holes <= max(LITTLE, self._length) + 1
