"""``Pile``: elements of some type, by their ids and in the order in which they were added."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

from pydantic import PrivateAttr, SerializationInfo, SerializerFunctionWrapHandler, model_serializer

from simclock.systems.eventflow.elements import Element, checked_mapping, id_of
from simclock.systems.eventflow.failures import ExistsError, NotFoundError
from simclock.systems.eventflow.item_types import ItemTypes
from simclock.systems.eventflow.locks import Locks
from simclock.systems.eventflow.progressions import Progression

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from typing_extensions import Self

T = TypeVar("T", bound=Element)
_NONE: Any = object()


class Pile(Element, Generic[T]):
    """Elements of some type, each once, in the order in which they were added.

    Its methods may be called from any thread. To iterate over it is to iterate
    over what it had at that moment. ``async with`` keeps out others that do
    the same, for as long as one likes; it does not keep out the methods, each of which is
    over at once. To find by an id costs the same however many there are; to find by a
    position as much as there are, if something was added or removed since the last time.

    Args:
        items: The first ones.
        item_type: What they must be: a type or several; ``None`` for any element.
        order: In which order *items* are: their ids, each once. If not given, as they come.
        strict_type: Whether those of derived types are refused.

    Raises:
        TypeError: An item is not of the type.
        ExistsError: An item is there twice.
        ValueError: *order* has not each item once.
    """

    strict_type: bool = False

    # Invariant: the order of its keys is the order of the pile.
    _items: dict[UUID, T] = PrivateAttr(default_factory=dict)
    _types: ItemTypes = PrivateAttr()
    _locks: Locks = PrivateAttr(default_factory=Locks)
    # The keys by position, until something is added or removed.
    _keys: list[UUID] | None = PrivateAttr(default=None)

    def __init__(
        self,
        items: Iterable[T] | T | None = None,
        item_type: Any = None,
        order: Iterable[Any] | None = None,
        strict_type: bool = False,
        **data: Any,
    ) -> None:
        types = ItemTypes.of(item_type, strict=strict_type)
        given = types.restored(items)
        found: dict[UUID, T] = {}
        for item in given:
            types.check(item)
            if item.id in found:
                raise _there_already(item)
            found[item.id] = item
        super().__init__(**{"strict_type": strict_type, **data})
        self._types = types
        self._items = found if order is None else _ordered(found, order)

    def __class_getitem__(cls, _item: Any) -> type[Pile[T]]:
        # What is in brackets is for type checkers: pydantic would make another class of it.
        return cls

    @property
    def item_type(self) -> set[type] | None:
        """What items must be; ``None`` for any element."""
        return self._types.as_set

    @property
    def progression(self) -> Progression:
        """The ids in their order: a copy."""
        return Progression(order=self.keys())

    def add(self, item: T) -> None:
        """Add *item* at the end; an `ExistsError` if it is there."""
        self._types.check(item)
        with self._locks.thread:
            if item.id in self._items:
                raise _there_already(item)
            self._items[item.id] = item
            self._keys = None

    def update(self, item: T) -> None:
        """Have *item* in the place of the one of its id; a `NotFoundError` if there is none."""
        self._types.check(item)
        with self._locks.thread:
            self._found(item.id)
            self._items[item.id] = item

    def remove(self, item: Any) -> T:
        """Remove *item*, or the one of this id, and return it; a `NotFoundError` if none is."""
        with self._locks.thread:
            found = self._found(id_of(item))
            del self._items[found.id]
            self._keys = None
        return found

    def pop(self, item: Any, default: Any = _NONE) -> Any:
        """Remove *item* and return it; *default*, if given, in place of a `NotFoundError`."""
        with self._locks.thread:
            if default is _NONE or id_of(item) in self._items:
                return self.remove(item)
        return default

    def get(self, item: Any, default: Any = _NONE) -> Any:
        """Return the one of this id; *default*, if given, in place of a `NotFoundError`."""
        with self._locks.thread:
            found = self._items.get(id_of(item), default)
        return self._found(id_of(item)) if found is _NONE else found

    def clear(self) -> None:
        """Remove all."""
        with self._locks.thread:
            self._items.clear()
            self._keys = None

    def include(self, item: T) -> bool:
        """Add *item* unless it is there or of another type; return whether it is there now."""
        with self._locks.thread:
            with contextlib.suppress(ExistsError, TypeError):
                self.add(item)
            return item in self

    def exclude(self, item: Any) -> bool:
        """Remove *item* if it is there; return whether it is gone."""
        with self._locks.thread, contextlib.suppress(NotFoundError, ValueError):
            self.remove(item)
        return True

    def __getitem__(self, key: Any) -> Any:
        """Return an item by its id or position, or a pile of several.

        A slice, a list of ids or of positions, a `Progression` and a function
        of an item make another pile, of the same types.
        """
        with self._locks.thread:
            if isinstance(key, bool) or key is None:
                raise _no_key(key)
            if isinstance(key, (UUID, str)):
                return self._found(id_of(key))
            if isinstance(key, int):
                return self._items[self._at(key)]
            return self._like(self._several(key))

    def _several(self, key: Any) -> list[T]:
        if isinstance(key, slice):
            return list(self._items.values())[key]
        if isinstance(key, Progression):
            return [self._found(each) for each in key]
        if isinstance(key, (list, tuple)):
            positions = {isinstance(each, int) and not isinstance(each, bool) for each in key}
            if positions == {True, False}:
                raise TypeError(f"positions and ids are mixed: {key!r}\ngive either")
            find = self._at if True in positions else id_of
            return [self._found(find(each)) for each in key]
        if callable(key) and not isinstance(key, Element):
            return [each for each in self._items.values() if key(each)]
        raise _no_key(key)

    def filter_by_type(self, item_type: Any) -> Pile[T]:
        """Return a pile of the items that are of a type, or of one of several."""
        types = ItemTypes.of(item_type)
        return self._like([each for each in self if types.fits(each)])

    def _like(self, items: list[T]) -> Pile[T]:
        return Pile(items, item_type=self.item_type, strict_type=self.strict_type)

    def _at(self, index: int) -> UUID:
        if self._keys is None:
            self._keys = list(self._items)
        try:
            return self._keys[index]
        except IndexError:
            raise NotFoundError(
                f"the pile has no position {index}: it has {len(self._items)} items",
                details={"index": index, "length": len(self._items)},
            ) from None

    def _found(self, each: UUID) -> T:
        try:
            return self._items[each]
        except KeyError:
            raise NotFoundError(
                f"it is not in the pile: {each}", details={"id": str(each)}
            ) from None

    def __contains__(self, item: object) -> bool:
        try:
            return id_of(item) in self._items
        except ValueError:
            return False

    def __len__(self) -> int:
        return len(self._items)

    def keys(self) -> list[UUID]:
        """Return the ids, in their order."""
        with self._locks.thread:
            return list(self._items)

    def items(self) -> list[tuple[UUID, T]]:
        """Return the ids with their items, in their order."""
        with self._locks.thread:
            return list(self._items.items())

    # An element is iterated over by its items, not by its fields.
    def __iter__(self) -> Iterator[T]:  # type: ignore[override]
        with self._locks.thread:
            return iter(list(self._items.values()))

    def is_empty(self) -> bool:
        """Return whether there is nothing in it: it is true all the same."""
        return not self._items

    async def __aenter__(self) -> Self:
        await self._locks.tasks.acquire()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._locks.tasks.release()

    def __copy__(self) -> Self:
        copied = super().__copy__()
        with self._locks.thread:
            copied._items, copied._keys, copied._locks = dict(self._items), None, Locks()
        return copied

    def __repr__(self) -> str:
        return f"{type(self).__name__}(len={len(self)}, id={self.id})"

    __str__ = __repr__

    @model_serializer(mode="wrap")
    def _written(
        self, handler: SerializerFunctionWrapHandler, info: SerializationInfo
    ) -> dict[str, Any]:
        mode: Any = "json" if info.mode_is_json() else "python"
        data: dict[str, Any] = handler(self)
        data["item_type"] = self._types.names
        data["items"] = [item.to_dict(mode=mode) for item in self]
        return data

    @classmethod
    def from_dict(
        cls,
        data: dict[str, Any],
        meta_key: str | None = None,
        *,
        item_type: Any = None,
        strict_type: bool | None = None,
        **options: Any,
    ) -> Self:
        """Make one from what `to_dict` returned, or none of it: all types are looked at first.

        *item_type* and *strict_type*, if given, are in place of what was written down.
        """
        given = {"item_type": item_type, "strict_type": strict_type}
        data = {
            **checked_mapping(data),
            **{key: value for key, value in given.items() if value is not None},
        }
        return super().from_dict(data, meta_key, **options)


def _there_already(item: Element) -> ExistsError:
    return ExistsError(f"it is in the pile already: {item.id}", details={"id": str(item.id)})


def _no_key(key: Any) -> TypeError:
    return TypeError(
        f"a pile has no such key: {key!r}\n"
        "give an id, a position, a slice, a list of either, a Progression, or a function of an item"
    )


def _ordered(items: dict[UUID, T], order: Iterable[Any]) -> dict[UUID, T]:
    ids = [id_of(each) for each in order]
    counts = Counter(ids)
    wrong = {
        "has twice": [each for each, count in counts.items() if count > 1],
        "lacks": items.keys() - counts.keys(),
        "has what is no item": counts.keys() - items.keys(),
    }
    for what, which in wrong.items():
        if which:
            raise ValueError(
                f"the order {what}: {', '.join(sorted(map(str, which)))}\n"
                "give the id of each item once"
            )
    return {each: items[each] for each in ids}
