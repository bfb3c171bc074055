"""Strategies by name, as one writes them on a command line."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

from simclock._strategies.canonical import Canonical
from simclock._strategies.clock_first import ClockFirst
from simclock._strategies.dfs import DFS
from simclock._strategies.pct import PCT
from simclock._strategies.portfolio import Portfolio
from simclock._strategies.pos import POS
from simclock._strategies.random_walk import RandomWalk
from simclock._strategies.urw import URW

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simclock._strategies.base import Strategy

BUILT_IN: Mapping[str, type[Strategy]] = {
    made.name: made for made in (Portfolio, Canonical, RandomWalk, PCT, POS, URW, DFS, ClockFirst)
}


class _Kind(NamedTuple):
    """What an option's value may be."""

    expected: str
    parse: Callable[[str], object]


def _whole_or_none(text: str) -> int | None:
    return None if text == "none" else int(text)


# By the annotation of the parameter.
_KINDS = {
    "int": _Kind("a whole number", int),
    "int | None": _Kind("a whole number, or none", _whole_or_none),
    "float": _Kind("a number", float),
    "str": _Kind("a text", str),
}


def find(text: str, seed: int | str, known: Mapping[str, type[Strategy]]) -> Strategy:
    """Return a strategy, made as *text* says: ``pct``, or ``pct:depth=5``.

    Options are the keyword-only parameters of the class that are whole
    numbers, numbers or texts; several are separated by commas.

    Raises:
        ValueError: There is no such strategy or option, or the value is wrong.
    """
    name, colon, rest = text.partition(":")
    if name not in known:
        raise ValueError(f"unknown strategy: {name!r}\nchoose one of {', '.join(known)}")
    kinds = _options(known[name])
    values: dict[str, Any] = {}
    for item in rest.split(",") if colon else ():
        option, _, value = item.partition("=")
        if option not in kinds:
            raise ValueError(
                f"unknown option of the strategy {name!r}: {item!r}\n{_available(name, kinds)}"
            )
        values[option] = _value(text, option, value, kinds[option])
    try:
        return known[name](seed, **values)
    except ValueError as error:
        raise ValueError(f"strategy {text!r}: {error}\n{_available(name, kinds)}") from error


def _options(made: type[Strategy]) -> dict[str, _Kind]:
    found = {}
    for each in inspect.signature(made).parameters.values():
        # A text where annotations are postponed, a class or a union of classes elsewhere.
        annotation = each.annotation
        if not isinstance(annotation, str):
            annotation = inspect.formatannotation(annotation)
        if each.kind is each.KEYWORD_ONLY and annotation in _KINDS:
            found[each.name] = _KINDS[annotation]
    return found


def _value(text: str, option: str, value: str, kind: _Kind) -> object:
    try:
        return kind.parse(value)
    except ValueError:
        raise ValueError(
            f"strategy {text!r}: {option} is not {kind.expected}: {value!r}\n"
            f"write it as {option}=VALUE"
        ) from None


def _available(name: str, kinds: Mapping[str, _Kind]) -> str:
    if not kinds:
        return f"{name} has no options: write it without a colon"
    options = [f"{name}:{option}=VALUE ({kind.expected})" for option, kind in kinds.items()]
    return f"write {' or '.join(options)}"
