"""Filters: whether values are those that a condition waits for. All of it can be stored."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from simclock.systems._shared.codecs import NotSerialisable, canonical
from simclock.systems.runners.serializers import imported

_logger = logging.getLogger("simclock.systems.runners")
# A mapping whose items the values must have, a function of a module that is given the values and
# returns whether they are right, or None: anything is.
Filter = Mapping[str, Any] | Callable[[Any], bool] | None
_SEPARATOR = ":"


def reference_to(function: Any, what: str) -> str:
    """Return what `referenced` finds a function by, in any process.

    Raises:
        ValueError: It is none of a module that others can import.
    """
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if (
        not callable(function)
        or not isinstance(module, str)
        or not isinstance(name, str)
        or module == "__main__"
        or imported(module, name) is not function
    ):
        raise ValueError(
            f"{what} is no function of a module: {function!r}\n"
            "other processes import it: write a `def` at the top level of a module"
        )
    return f"{module}{_SEPARATOR}{name}"


def referenced(reference: str) -> Callable[..., Any]:
    """Return the function.

    Raises:
        LookupError: It cannot be imported here.
    """
    found = imported(*reference.split(_SEPARATOR, 1))
    if not callable(found):
        raise LookupError(  # noqa: TRY004 - it is not found
            f"there is no function {reference}\n"
            "give this process the modules of the trigger, or register it anew"
        )
    function: Callable[..., Any] = found
    return function


def stored_filter(given: Filter, what: str) -> Any:
    """Return a filter as it is stored, and `passes` takes it.

    Raises:
        ValueError: It is neither a mapping of plain values nor a function of a module.
    """
    if given is None:
        return None
    if not isinstance(given, Mapping):
        return reference_to(given, what)
    items = dict(given)
    try:
        canonical(items)
    except NotSerialisable as error:
        raise ValueError(f"{what} is a mapping that cannot be stored: {error}") from error
    return items


def passes(stored: Any, values: Any) -> bool:
    """Return whether *values* are right: a mapping has the items, or the function says so.

    A function that raises says no; that is logged.

    Raises:
        LookupError: The function cannot be imported here.
    """
    if stored is None:
        return True
    if isinstance(stored, Mapping):
        return isinstance(values, Mapping) and all(
            name in values and values[name] == wanted for name, wanted in stored.items()
        )
    function = referenced(stored)
    try:
        return bool(function(values))
    except Exception:
        _logger.exception("the filter %s failed: it lets nothing pass", stored)
        return False
