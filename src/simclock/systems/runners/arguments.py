"""The arguments of one call, by their names."""

from __future__ import annotations

import inspect
import reprlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Arguments:  # noqa: PLW1641 - there is nothing to hash by, as nothing is equal
    """The arguments of a call, those of defaults included.

    Two are never compared: their values may be anything. Compare calls by
    their ids.

    Args:
        kwargs: Values by the names of parameters; for ``*args`` a tuple, for
            ``**kwargs`` a dict.
    """

    def __init__(self, kwargs: Mapping[str, Any] | None = None) -> None:
        self.kwargs: dict[str, Any] = dict(kwargs or {})

    @classmethod
    def from_call(cls, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Arguments:
        """Return the arguments that such a call of *function* has.

        Raises:
            TypeError: It cannot be called so.
        """
        try:
            bound = inspect.signature(function).bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{getattr(function, '__name__', function)}(): {error}") from None
        bound.apply_defaults()
        return cls(bound.arguments)

    def call(self, function: Callable[..., Any]) -> Any:
        """Return what *function* returns, called with these.

        Raises:
            TypeError: It cannot be called so: it is another one by now.
        """
        signature = inspect.signature(function)
        unknown = self.kwargs.keys() - signature.parameters.keys()
        if unknown:
            raise TypeError(
                f"{function.__name__}() has no such arguments: {', '.join(sorted(unknown))}\n"
                "the call was made for another version of it"
            )
        bound = inspect.BoundArguments(signature, OrderedDict(self.kwargs))
        return function(*bound.args, **bound.kwargs)

    def shown(self, mode: str = "TRUNCATED", length: int = 32) -> str:
        """Return them for a reader: by ``argument_print_mode`` of the configuration."""
        if mode == "HIDDEN":
            return "<arguments hidden>"
        if mode == "KEYS":
            return ", ".join(self.kwargs)
        show = repr if mode == "FULL" else reprlib.repr
        return ", ".join(
            f"{name}={_cut(show(value), mode, length)}" for name, value in self.kwargs.items()
        )

    def __eq__(self, other: object) -> NoReturn:
        raise NotImplementedError("arguments are not compared\ncompare the call_id of their calls")

    def __str__(self) -> str:
        return self.shown()

    def __repr__(self) -> str:
        return f"Arguments({self.shown()})"


def _cut(text: str, mode: str, length: int) -> str:
    return text if mode == "FULL" or len(text) <= length else text[:length] + "…"
