"""How simclock says that something will go: since when, what to use instead, and why."""

from __future__ import annotations

import warnings


def warn_deprecated(
    thing: object, version: str, *, instead: object | None, issue: int | None, stacklevel: int = 2
) -> None:
    """Warn the caller's caller, with a ``DeprecationWarning``, that *thing* will go.

    What there is instead and where that was discussed must be given, after
    trio's function of this name: who deprecates something has to have thought
    of both.

    Args:
        thing: What is deprecated: a function or class, or words such as
            ``"the argument 'x' of simclock.run"``.
        version: Since which version it is.
        instead: What to use, likewise. None: there is nothing.
        issue: The number of the issue. None: there is none.
        stacklevel: Who is warned, as in ``warnings.warn``; 2 is who has called
            the function that calls this one.
    """
    where = "" if issue is None else f" (issue {issue})"
    advice = "there is nothing instead" if instead is None else f"use {_named(instead)} instead"
    warnings.warn(
        f"{_named(thing)} is deprecated since simclock {version}{where}\n{advice}",
        DeprecationWarning,
        stacklevel=stacklevel + 1,
    )


def _named(thing: object) -> str:
    """Return *thing* as one would import it, but for what is private of its module's name."""
    if isinstance(thing, str):
        return thing
    module = getattr(thing, "__module__", "").partition("._")[0]
    name = getattr(thing, "__qualname__", None)
    return f"{module}.{name}" if name else repr(thing)
