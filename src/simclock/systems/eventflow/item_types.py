"""``ItemTypes``: what the items of a pile must be."""

from __future__ import annotations

import types
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Union, get_args, get_origin

from simclock.systems.eventflow.elements import Element
from simclock.systems.eventflow.restoring import class_named, name_of


@dataclass(frozen=True)
class ItemTypes:
    """What the items of a pile must be.

    Attributes:
        types: One of these, or of a derived type; any element if it is empty.
        strict: Whether derived types are refused.
    """

    types: tuple[type, ...] = ()
    strict: bool = False

    @classmethod
    def of(cls, given: Any, *, strict: bool = False) -> ItemTypes:
        """Return those that *given* says: a type, several, a union, full names; ``None`` for any.

        Raises:
            TypeError: Something of it is no type of elements.
            ValueError: A name is of no class that may be restored.
        """
        if given is None:
            return cls((), strict)
        found = tuple(dict.fromkeys(_type_of(each) for each in _several(given)))
        for each in found:
            if not (isinstance(each, type) and issubclass(each, Element)):
                raise TypeError(f"items of a pile are elements: {each!r} is no type of them")
        return cls(found, strict)

    @property
    def as_set(self) -> set[type] | None:
        """The types, ``None`` for any."""
        return set(self.types) or None

    @property
    def names(self) -> list[str] | None:
        """Their full names, ``None`` for any."""
        return [name_of(each) for each in self.types] or None

    def fits(self, item: object) -> bool:
        """Return whether *item* is of them."""
        return self._fits_type(type(item))

    def _fits_type(self, found: type) -> bool:
        if not self.types:
            return issubclass(found, Element)
        return found in self.types if self.strict else issubclass(found, self.types)

    def check(self, item: object, taker: str = "the pile") -> None:
        """Raise a ``TypeError``, which says that *taker* takes it not, unless *item* is of them."""
        if isinstance(item, type):
            name = name_of(item)
            raise TypeError(
                f"{taker} takes no class: {name}\ngive an object of it, as {item.__name__}()"
            )
        self._check_type(type(item), taker)

    def _check_type(self, found: type, taker: str = "the pile") -> None:
        if self._fits_type(found):
            return
        wanted = ", ".join(name_of(each) for each in self.types) or "any element"
        derived = "no derived type" if self.strict else "or a derived type"
        raise TypeError(f"{taker} takes no {name_of(found)}\nwhat it takes: {wanted}; {derived}")

    def restored(self, items: Any) -> list[Any]:
        """Return *items*, or the only one, as a list; written ones are made, if all are of them."""
        given = _listed(items)
        classes = [
            (self._base(each)._class_of(_metadata(each)), each)
            for each in given
            if isinstance(each, dict)
        ]
        for found, _ in classes:
            self._check_type(found)
        made = iter([found.from_dict(each) for found, each in classes])
        return [next(made) if isinstance(each, dict) else each for each in given]

    def _base(self, data: dict[str, Any]) -> type[Element]:
        """Return the type to ask; one that is at hand needs no leave to be restored."""
        name = _metadata(data).get("lion_class")
        at_hand = [each for each in self.types if name_of(each) == name]
        return at_hand[0] if at_hand else Element


def _metadata(data: dict[str, Any]) -> dict[str, Any]:
    return data.get("metadata") or data.get("node_metadata") or {}


def _listed(items: Any) -> list[Any]:
    # A pile and a progression are elements that are iterated over.
    if items is None:
        return []
    if isinstance(items, Element) and not hasattr(items, "filter_by_type"):
        return [items]
    if not isinstance(items, Iterable) or isinstance(items, (str, bytes, dict)):
        raise TypeError(f"these are no items: {items!r}\ngive elements, in a list if several")
    return list(items)


def _several(given: Any) -> Iterable[Any]:
    if get_origin(given) in {Union, types.UnionType}:
        return get_args(given)
    if isinstance(given, (set, frozenset)):
        # Classes are in a set by their addresses: what is written down would differ each time.
        return sorted(
            given, key=lambda each: name_of(each) if isinstance(each, type) else str(each)
        )
    return given if isinstance(given, (list, tuple)) else (given,)


def _type_of(given: Any) -> Any:
    return class_named(given) if isinstance(given, str) else given
