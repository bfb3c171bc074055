"""``Flow``: items, and named progressions of their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID  # noqa: TC003 - pydantic evaluates annotations

from pydantic import Field, PrivateAttr

from simclock.systems.eventflow.elements import Element, checked_mapping, id_of
from simclock.systems.eventflow.failures import ExistsError, NotFoundError
from simclock.systems.eventflow.item_types import ItemTypes
from simclock.systems.eventflow.locks import Locks
from simclock.systems.eventflow.piles import Pile
from simclock.systems.eventflow.progressions import Progression

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Self

E = TypeVar("E", bound=Element)
P = TypeVar("P", bound=Progression)


class Flow(Element, Generic[E, P]):
    """Items, and progressions whose ids are all of items.

    Its methods may be called from any thread. What is done to `items` and to a
    progression directly is not looked at.

    Args:
        items: The first items, or a pile of them.
        progressions: The first progressions, or a pile of them.
        name: What it is called.
        item_type: What the items must be; see `Pile`.
        strict_type: Whether those of derived types are refused.

    Attributes:
        name: What it is called.
        items: The items.
        progressions: The progressions.

    Raises:
        NotFoundError: A progression has an id that is of no item.
        ExistsError: Two progressions have the same name.
    """

    name: str | None = None
    items: Pile[Any] = Field(default_factory=Pile)
    progressions: Pile[Any] = Field(default_factory=Pile)

    # Where a progression of a name was last seen.
    _names: dict[str, UUID] = PrivateAttr(default_factory=dict)
    _locks: Locks = PrivateAttr(default_factory=Locks)

    def __init__(
        self,
        items: Any = None,
        progressions: Any = None,
        *,
        name: str | None = None,
        item_type: Any = None,
        strict_type: bool = False,
        **data: Any,
    ) -> None:
        data |= {"name": name, "items": _pile(items, item_type, strict=strict_type)}
        data["progressions"] = _pile(progressions, Progression)
        super().__init__(**data)
        for progression in self.progressions:
            self._check_ids(progression)
            self._take_name(progression)

    def __class_getitem__(cls, _item: Any) -> type[Flow[E, P]]:
        # What is in brackets is for type checkers: pydantic would make another class of it.
        return cls

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
        """Make one from what `to_dict` returned; see `Pile.from_dict`, of its items."""
        given = {"item_type": item_type, "strict_type": strict_type}
        data = {
            **checked_mapping(data),
            **{key: value for key, value in given.items() if value is not None},
        }
        return super().from_dict(data, meta_key, **options)

    def add_progression(self, progression: P) -> None:
        """Add *progression*.

        Raises:
            TypeError: It is none.
            ExistsError: It, or one of its name, is there.
            NotFoundError: It has an id that is of no item.
        """
        self.progressions._types.check(progression)
        with self._locks.thread:
            self._check_ids(progression)
            if progression.name is not None and self._named(progression.name) is not None:
                raise _name_taken(progression.name)
            self.progressions.add(progression)
            self._take_name(progression)

    def remove_progression(self, progression: Any) -> P:
        """Remove the progression of this id or name, and return it; its items stay."""
        with self._locks.thread:
            found = self.get_progression(progression)
            self.progressions.remove(found)
            if found.name is not None and self._names.get(found.name) == found.id:
                del self._names[found.name]
        return found

    def get_progression(self, key: Any) -> P:
        """Return the progression of this id or name; a `NotFoundError` if there is none."""
        with self._locks.thread:
            found = self._named(key) if isinstance(key, str) else None
            if found is None:
                found = self.progressions.get(key, None) if _is_id(key) else None
        if found is None:
            raise NotFoundError(
                f"the flow has no such progression: {key if isinstance(key, str) else id_of(key)}",
                details={"known": [each.name or str(each.id) for each in self.progressions]},
            )
        return found

    def add_item(self, item: E, progressions: Any = None) -> None:
        """Add *item*, and its id to one progression or several: by ids, names, or themselves.

        Nothing is added if one of them is not there, or the item cannot be.
        """
        with self._locks.thread:
            found = [self.get_progression(each) for each in _keys(progressions)]
            self.items.add(item)
            for each in found:
                each.append(item)

    def remove_item(self, item: Any) -> E:
        """Remove *item*, or the one of this id, from all progressions too, and return it."""
        with self._locks.thread:
            found: E = self.items.remove(item)
            for each in self.progressions:
                each._order.remove_all(found.id)
        return found

    def clear(self) -> None:
        """Remove all items and all progressions."""
        with self._locks.thread:
            self.progressions.clear()
            self.items.clear()
            self._names.clear()

    def _move(self, item: UUID, source: str, target: str) -> None:
        """Take the id of an item from one progression to the end of another, at once.

        A `NotFoundError` if it is not in the first one, or one of them is not there.
        """
        with self._locks.thread:
            before = self._named(source) or self.get_progression(source)
            after = self._named(target) or self.get_progression(target)
            before.remove(item)
            after._order.append(item)

    def _named(self, name: str) -> P | None:
        known = self._names.get(name)
        # Past the methods of the pile, whose lock each status of each event would take.
        found: P | None = None if known is None else self.progressions._items.get(known)
        if found is not None and found.name == name:
            return found
        # It was renamed, added or removed without us.
        return self._sought(name)

    def _sought(self, name: str) -> P | None:
        self._names.pop(name, None)
        found: P | None = next((each for each in self.progressions if each.name == name), None)
        if found is not None:
            self._names[name] = found.id
        return found

    def _take_name(self, progression: P) -> None:
        name = progression.name
        if name is None:
            return
        if self._names.setdefault(name, progression.id) != progression.id:
            raise _name_taken(name)

    def _check_ids(self, progression: Any) -> None:
        lost = [str(each) for each in progression if each not in self.items]
        if lost:
            raise NotFoundError(
                f"{progression._title} has ids that are of no item: {', '.join(lost)}\n"
                "add the items first",
                details={"ids": lost},
            )

    def _check(self) -> None:
        """Raise an ``AssertionError`` unless the progressions are right."""
        for progression in self.progressions:
            self._check_ids(progression)
            progression._order._check()
        names = [each.name for each in self.progressions if each.name is not None]
        assert len(names) == len(set(names))


def _pile(given: Any, item_type: Any, *, strict: bool = False) -> Pile[Any]:
    if isinstance(given, Pile):
        wanted = item_type is None or given.item_type == ItemTypes.of(item_type).as_set
        if wanted and given.strict_type >= strict:
            return given
        # Another one of the same identity, which takes what it is to take.
        same = {name: getattr(given, name) for name in ("id", "created_at", "metadata")}
        return Pile(given, item_type=item_type or given.item_type, strict_type=strict, **same)
    if isinstance(given, dict):
        return Pile.from_dict(given, item_type=item_type, strict_type=strict or None)
    return Pile(given, item_type=item_type, strict_type=strict)


def _keys(progressions: Any) -> Iterable[Any]:
    if progressions is None:
        return ()
    several = isinstance(progressions, (list, tuple, set, frozenset))
    return progressions if several else (progressions,)


def _is_id(key: Any) -> bool:
    try:
        id_of(key)
    except ValueError:
        return False
    return True


def _name_taken(name: str) -> ExistsError:
    return ExistsError(f"the flow has a progression of this name: {name!r}", details={"name": name})
