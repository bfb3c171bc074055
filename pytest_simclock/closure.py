"""The fixtures that a test uses, as their definitions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest


def used_fixtures(item: pytest.Item) -> list[Any]:
    """Return the definitions of the fixtures that *item* uses, not those that are overridden."""
    return [found for name in _known(item) for found in definitions(item, name)]


def requested_fixtures(item: pytest.Item) -> list[Any]:
    """Return the definitions of the fixtures that *item* asks for: all but the autouse ones."""
    info = getattr(item, "_fixtureinfo", None)
    wanted = [*getattr(info, "argnames", ())]
    wanted += [name for marker in item.iter_markers("usefixtures") for name in marker.args]
    found: dict[Any, None] = {}
    while wanted:
        for definition in definitions(item, wanted.pop()):
            if definition not in found:
                found[definition] = None
                wanted += definition.argnames
    return list(found)


def definitions(item: pytest.Item, name: str) -> Iterable[Any]:
    """Return those of the fixture *name* for *item*: one, unless it asks for what it overrides."""
    found = []
    for definition in reversed(_known(item).get(name) or ()):
        found.append(definition)
        if name not in definition.argnames:
            break
    return found


def _known(item: pytest.Item) -> dict[str, Any]:
    # More are known later: those that were asked for by `getfixturevalue`.
    return dict(getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", None) or {})
