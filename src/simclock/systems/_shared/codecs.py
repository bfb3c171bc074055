"""Values as text and back, exactly, or not at all: JSON, with tags for what JSON lacks."""

from __future__ import annotations

import base64
import decimal
import json
import math
import reprlib
import struct
import uuid
import zoneinfo
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# An object with this member is a tagged value: {"$": tag, "v": what the tag's reader takes}.
_TAG, _VALUE = "$", "v"
# Of containers in each other. Far below what recursion and the parser of JSON can take.
DEEPEST = 100
# From here on JSON's numbers are nobody else's, and Python bounds the digits that it reads.
_BIG = 2**63
_SHOWN = 60  # characters of a text that cannot be decoded
_REMEDY = (
    "pass None, bool, int, float, str, bytes, list, tuple, dict, set, frozenset, datetime, date, "
    "time, timedelta, Decimal or UUID, themselves and no subclasses, "
    "or what can be computed from them"
)


class NotSerialisable(TypeError):
    """A value has a part that text cannot stand for exactly.

    Attributes:
        path: Which part, as one would write it to get it.
    """

    def __init__(self, path: str, fact: str, remedy: str = _REMEDY) -> None:
        super().__init__(path, fact, remedy)
        self.path = path

    def __str__(self) -> str:
        path, fact, remedy = self.args
        return f"{path} cannot be serialised: {fact}\n{remedy}"


class Undecodable(ValueError):
    """A text is none that `encode` has written, or was cut or changed since."""


class _Path(NamedTuple):
    """How to get from the whole value to one of its parts; made for each, shown for few."""

    before: _Path | None
    form: str
    part: object = None

    def __str__(self) -> str:
        steps: list[str] = []
        path: _Path | None = self
        while path is not None:
            steps.append(path.form.format(reprlib.repr(path.part)))
            path = path.before
        steps.reverse()
        if len(steps) > 12:
            steps[6:-4] = ["…"]
        return "".join(steps)


_WHOLE = _Path(None, "value")


def encode(value: Any) -> str:
    """Return a text, ASCII only, that `decode` makes an equal value of, of the same types.

    Dicts keep their order; of a set's entries the text has one order, always
    the same. What is in two places of *value* is decoded as two objects.

    Raises:
        NotSerialisable: *value* has a part of another type, or is too deep.
    """
    return _dump(_Writer(sort=False).write(value, _WHOLE, DEEPEST))


def canonical(value: Any) -> str:
    """Return what `encode` does, but the same text for dicts that only differ in their order.

    Values of different types have different texts, also equal ones: 1, 1.0 and True.
    """
    return _dump(_Writer(sort=True).write(value, _WHOLE, DEEPEST))


def decode(text: str) -> Any:
    """Return the value that was encoded. Nothing of what *text* says is executed.

    Raises:
        Undecodable: `encode` has not written this.
    """
    try:
        return _DECODER.decode(text)
    except _MALFORMED as error:
        shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
        raise Undecodable(
            f"text that is no encoded value: {shown!r}\n"
            f"  {type(error).__name__}: {error}\n"
            "it was written by something else, or was cut; remove it, or write it again"
        ) from error


def _dump(tree: Any) -> str:
    return json.dumps(tree, separators=(",", ":"), allow_nan=False)


def _tagged(tag: str, value: Any) -> dict[str, Any]:
    return {_TAG: tag, _VALUE: value}


# ------------------------------------------------------------------------- to JSON


class _Writer:
    """Turns values into what ``json.dumps`` takes.

    Args:
        sort: Whether the items of dicts are put in order.
    """

    def __init__(self, *, sort: bool) -> None:
        self._sort = sort

    def write(self, value: Any, path: _Path, depth: int) -> Any:
        """Return *value*, which may have *depth* levels, as a tree of JSON."""
        # The type itself, not `isinstance`: a subclass has more than its value, and would lose it.
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind in _SIMPLE:
            return _SIMPLE[kind](value)
        if kind in _DATES:
            return _DATES[kind](value, path)
        if kind not in _CONTAINERS:
            raise NotSerialisable(str(path), f"{_named(kind)}: {reprlib.repr(value)}")
        if not depth:
            raise NotSerialisable(
                str(path),
                f"more than {DEEPEST} containers in each other",
                "make it flatter; one that contains itself cannot be passed",
            )
        return _CONTAINERS[kind](self, value, path, depth - 1)

    def _list(self, value: Iterable[Any], path: _Path, depth: int) -> list[Any]:
        return [
            self.write(each, _Path(path, "[{}]", place), depth) for place, each in enumerate(value)
        ]

    def _tuple(self, value: tuple[Any, ...], path: _Path, depth: int) -> Any:
        return _tagged("tuple", self._list(value, path, depth))

    def _set(self, value: Iterable[Any], path: _Path, depth: int) -> Any:
        entries = [self.write(each, _Path(path, ".<entry>"), depth) for each in value]
        # Its own order depends on the hash seed of the process.
        return _tagged(type(value).__name__, sorted(entries, key=_dump))

    def _dict(self, value: dict[Any, Any], path: _Path, depth: int) -> Any:
        if all(type(key) is str and key != _TAG and key.isascii() for key in value):
            found = {
                key: self.write(each, _Path(path, "[{}]", key), depth)
                for key, each in value.items()
            }
            return dict(sorted(found.items())) if self._sort else found
        items = [
            [
                self.write(key, _Path(path, ".<key {}>", key), depth),
                self.write(each, _Path(path, "[{}]", key), depth),
            ]
            for key, each in value.items()
        ]
        return _tagged("dict", sorted(items, key=_dump) if self._sort else items)


def _named(kind: type) -> str:
    return f"a {kind.__module__}.{kind.__qualname__}"


def _int(value: int) -> Any:
    return value if -_BIG <= value < _BIG else _tagged("int", hex(value))


def _float(value: float) -> Any:
    # The bits: there are several values that are not a number.
    return value if math.isfinite(value) else _tagged("float", struct.pack(">d", value).hex())


def _str(value: str) -> Any:
    try:
        value.encode()
    except UnicodeEncodeError:
        # JSON would make one character of two surrogates that follow each other.
        return _tagged("str", value.encode("utf-8", "surrogatepass").hex())
    return value


def _time(value: time | datetime, path: _Path) -> list[Any]:
    naive = value.replace(tzinfo=None, fold=0).isoformat()
    return [naive, value.fold, _zone(value.tzinfo, path)]


def _zone(zone: tzinfo | None, path: _Path) -> Any:
    """Return None, the name of a zone, or microseconds from UTC and the name that was given."""
    if type(zone) is zoneinfo.ZoneInfo and zone.key is not None:
        return zone.key
    if type(zone) is timezone:
        offset, name = zone.utcoffset(None), zone.tzname(None)
        is_given = name != timezone(offset).tzname(None)
        return [offset // timedelta(microseconds=1), name if is_given else None]
    if zone is None:
        return None
    raise NotSerialisable(
        f"{path}.tzinfo",
        f"{_named(type(zone))}: {reprlib.repr(zone)}",
        "use datetime.timezone or a zoneinfo.ZoneInfo with a key",
    )


_SIMPLE: dict[type, Callable[[Any], Any]] = {
    int: _int,
    float: _float,
    str: _str,
    bytes: lambda value: _tagged("bytes", base64.b64encode(value).decode()),
    date: lambda value: _tagged("date", value.isoformat()),
    timedelta: lambda value: _tagged("timedelta", [value.days, value.seconds, value.microseconds]),
    decimal.Decimal: lambda value: _tagged("Decimal", str(value)),
    uuid.UUID: lambda value: _tagged("UUID", str(value)),
}
_DATES: dict[type, Callable[[Any, _Path], Any]] = {
    datetime: lambda value, path: _tagged("datetime", _time(value, path)),
    time: lambda value, path: _tagged("time", _time(value, path)),
}
_CONTAINERS: dict[type, Callable[[_Writer, Any, _Path, int], Any]] = {
    list: _Writer._list,
    tuple: _Writer._tuple,
    set: _Writer._set,
    frozenset: _Writer._set,
    dict: _Writer._dict,
}


# ----------------------------------------------------------------------- from JSON


def _restore(members: dict[str, Any]) -> Any:
    if _TAG not in members:
        return members
    if members.keys() != {_TAG, _VALUE}:
        raise ValueError(f"a tagged value has other members: {sorted(members)}")
    return _READERS[members[_TAG]](members[_VALUE])


def _read_time(kind: Any) -> Callable[[list[Any]], Any]:
    def read(parts: list[Any]) -> Any:
        text, fold, zone = parts
        return kind.fromisoformat(text).replace(tzinfo=_read_zone(zone), fold=fold)

    return read


def _read_zone(zone: Any) -> tzinfo | None:
    if zone is None:
        return None
    if isinstance(zone, str):
        return zoneinfo.ZoneInfo(zone)
    microseconds, name = zone
    offset = timedelta(microseconds=microseconds)
    return timezone(offset) if name is None else timezone(offset, name)


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


_READERS: dict[str, Callable[[Any], Any]] = {
    "int": lambda text: int(text, 16),
    "float": lambda text: struct.unpack(">d", bytes.fromhex(text))[0],
    "str": lambda text: bytes.fromhex(text).decode("utf-8", "surrogatepass"),
    "bytes": lambda text: base64.b64decode(text, validate=True),
    "date": date.fromisoformat,
    "datetime": _read_time(datetime),
    "time": _read_time(time),
    "timedelta": lambda parts: timedelta(*parts),
    "Decimal": decimal.Decimal,
    "UUID": uuid.UUID,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "dict": dict,
}
# What the readers raise when they are given what no writer has written.
_MALFORMED = (
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)
_DECODER = json.JSONDecoder(object_hook=_restore, parse_constant=_refuse_constant)
