"""``Progression``: ids in an order, under a name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, overload
from uuid import UUID  # noqa: TC003 - pydantic evaluates annotations

from pydantic import PrivateAttr, computed_field

from simclock.systems.eventflow.elements import Element, id_of
from simclock.systems.eventflow.failures import NotFoundError
from simclock.systems.eventflow.orders import Order

if TYPE_CHECKING:
    from typing_extensions import Self

_NONE: Any = object()


class Progression(Element):
    """Ids in an order; an id may be there several times.

    To add at the end, to remove, to take from either end, and to ask whether an
    id is there costs the same however many there are. Ids may be given as UUIDs,
    as their texts, or as elements. It is not safe to change it from several threads
    at the same time.

    Args:
        name: What a flow finds it by.
        order: The ids.
    """

    name: str | None = None

    _order: Order = PrivateAttr(default_factory=Order)

    def __init__(self, *, name: str | None = None, order: Iterable[Any] = (), **data: Any) -> None:
        ids = _ids_of(order)
        super().__init__(**{"name": name, **data})
        self._order.assign(ids)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def order(self) -> list[UUID]:
        """The ids, as a list of its own: to change that one changes nothing here."""
        return list(self._order)

    @order.setter
    def order(self, ids: Iterable[Any]) -> None:
        self._order.assign(_ids_of(ids))

    def append(self, item: Any) -> None:
        """Add *item* at the end."""
        self._order.append(id_of(item))

    def extend(self, items: Iterable[Any]) -> None:
        """Add *items* at the end: all, or none if one of them is no id."""
        self._order.extend(_ids_of(items))

    def insert(self, index: int, item: Any) -> None:
        """Add *item* before what is at *index*, as a list does."""
        with self._as_list() as ids:
            ids.insert(index, id_of(item))

    def remove(self, item: Any) -> None:
        """Remove the first *item*; a `NotFoundError` if there is none."""
        if not self._order.remove(id_of(item)):
            raise self._lacks(item)

    def pop(self, index: int = -1, default: Any = _NONE) -> Any:
        """Remove the id at *index* and return it; *default*, or a `NotFoundError`, if none is."""
        try:
            position = self._position(index)
        except NotFoundError:
            if default is _NONE:
                raise
            return default
        if position == len(self) - 1:
            return self._order.pop()
        if position == 0:
            return self._order.popleft()
        with self._as_list() as ids:
            return ids.pop(position)

    def popleft(self) -> UUID:
        """Remove the first id and return it; a `NotFoundError` if there is none."""
        self._position(0)
        return self._order.popleft()

    def clear(self) -> None:
        """Remove all."""
        self._order.assign(())

    def include(self, item: Any) -> bool:
        """Add *item* at the end unless it is there; return whether it was added."""
        each = id_of(item)
        if each in self._order:
            return False
        self._order.append(each)
        return True

    def exclude(self, item: Any) -> bool:
        """Remove the first *item* if there is one; return whether there was."""
        return self._order.remove(id_of(item))

    def index(self, item: Any) -> int:
        """Return where the first *item* is; a `NotFoundError` if there is none."""
        each = id_of(item)
        if each not in self._order:
            raise self._lacks(item)
        return self._order.index(each)

    def move(self, from_index: int, to_index: int) -> None:
        """Take the id at *from_index*, and put it before what was at *to_index*."""
        source = self._position(from_index)
        length = len(self)
        target = to_index + length if to_index < 0 else to_index
        if not 0 <= target <= length:
            raise self._out_of_range(to_index)
        with self._as_list() as ids:
            ids.insert(target - (target > source), ids.pop(source))

    def swap(self, index1: int, index2: int) -> None:
        """Exchange the ids at two positions."""
        first, second = self._position(index1), self._position(index2)
        with self._as_list() as ids:
            ids[first], ids[second] = ids[second], ids[first]

    def reverse(self) -> None:
        """Turn the order round."""
        with self._as_list() as ids:
            ids.reverse()

    @overload
    def __getitem__(self, index: int) -> UUID: ...
    @overload
    def __getitem__(self, index: slice) -> list[UUID]: ...
    def __getitem__(self, index: int | slice) -> UUID | list[UUID]:
        if isinstance(index, slice):
            return list(self._order)[index]
        return self._order.at(self._position(index))

    def __setitem__(self, index: int | slice, value: Any) -> None:
        if isinstance(index, slice):
            new = _ids_of(value)
            with self._as_list() as ids:
                ids[index] = new
        else:
            position, each = self._position(index), id_of(value)
            with self._as_list() as ids:
                ids[position] = each

    def __contains__(self, item: object) -> bool:
        try:
            return id_of(item) in self._order
        except ValueError:
            return False

    def __len__(self) -> int:
        return len(self._order)

    # An element is iterated over by its ids, not by its fields.
    def __iter__(self) -> Iterator[UUID]:  # type: ignore[override]
        return iter(self._order)

    def __reversed__(self) -> Iterator[UUID]:
        return reversed(list(self._order))

    def __copy__(self) -> Self:
        copied = super().__copy__()
        copied._order = Order(self._order)
        return copied

    @contextmanager
    def _as_list(self) -> Iterator[list[UUID]]:
        """Give the ids as a list; those that it has afterwards are the order."""
        ids = list(self._order)
        yield ids
        self._order.assign(ids)

    def _position(self, index: int) -> int:
        length = len(self)
        position = index + length if index < 0 else index
        if not 0 <= position < length:
            raise self._out_of_range(index)
        return position

    def _out_of_range(self, index: int) -> NotFoundError:
        return NotFoundError(
            f"{self._title} has no position {index}: it has {len(self)} ids",
            details={"index": index, "length": len(self)},
        )

    def _lacks(self, item: Any) -> NotFoundError:
        each = id_of(item)
        return NotFoundError(f"it is not in {self._title}: {each}", details={"id": str(each)})

    @property
    def _title(self) -> str:
        return "the progression" if self.name is None else f"the progression {self.name!r}"


def _ids_of(items: Iterable[Any]) -> list[UUID]:
    if isinstance(items, (str, bytes)) or not isinstance(items, Iterable):
        raise ValueError(f"this is no list of ids: {items!r}\ngive a list of them")  # noqa: TRY004 - as pydantic does
    return [id_of(each) for each in items]
