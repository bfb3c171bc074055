"""Arguments, results and errors as text and back."""

from __future__ import annotations

import abc
import base64
import contextlib
import enum
import importlib
import pickle
from typing import Any

from simclock.systems._shared import codecs
from simclock.systems.runners.failures import ConfigError, SerializationError

# In place of a value that JSON has nothing for: (this, kind, module, name of the class, content).
_MARK = "\0simclock.runners\0"
_ENUM, _OBJECT, _ESCAPED = "enum", "object", "escaped"


class BaseSerializer(abc.ABC):
    """Makes texts of values, and equal values of these texts. It may be used from any thread."""

    @abc.abstractmethod
    def serialize(self, value: Any) -> str:
        """Return a text for *value*.

        Raises:
            SerializationError: There is none.
        """

    @abc.abstractmethod
    def deserialize(self, text: str) -> Any:
        """Return the value that was serialised.

        Raises:
            SerializationError: *text* is none that `serialize` has written.
        """


class JsonSerializer(BaseSerializer):
    """Plain values, exactly, as JSON; also enums, and objects with ``to_json`` and ``from_json``.

    Reading a text imports the modules of classes that it names, and calls
    nothing of them but ``from_json``.
    """

    def serialize(self, value: Any) -> str:
        """See `BaseSerializer`."""
        try:
            return codecs.encode(_lowered(value, codecs.DEEPEST))
        except Exception as error:  # `to_json` of users raises whatever it likes
            raise SerializationError(str(error)) from error

    def deserialize(self, text: str) -> Any:
        """See `BaseSerializer`."""
        try:
            return _raised(codecs.decode(text))
        except Exception as error:  # `from_json` of users raises whatever it likes
            raise SerializationError(str(error)) from error


class PickleSerializer(BaseSerializer):
    """Whatever pickle takes. Only for stores that nobody else can write to: reading runs code."""

    def serialize(self, value: Any) -> str:
        """See `BaseSerializer`."""
        try:
            return base64.b64encode(pickle.dumps(value)).decode()
        except Exception as error:  # classes of users raise whatever they like
            raise SerializationError(
                f"pickle cannot take a {type(value).__qualname__}: {error}\n"
                "pass what can be computed from it"
            ) from error

    def deserialize(self, text: str) -> Any:
        """See `BaseSerializer`."""
        try:
            return pickle.loads(base64.b64decode(text, validate=True))  # noqa: S301 - as it says
        except Exception as error:  # classes of users raise whatever they like
            raise SerializationError(
                f"text that pickle cannot read: {text[:60]!r}: {error}\n"
                "use the serializer and the modules that it was written with"
            ) from error


def make_serializer(name: str) -> BaseSerializer:
    """Return the serializer whose class has that name.

    Raises:
        ConfigError: There is none.
    """
    if name not in _SERIALIZERS:
        raise ConfigError(
            f"there is no such serializer: {name!r}\ngive one of {', '.join(_SERIALIZERS)}"
        )
    return _SERIALIZERS[name]()


_SERIALIZERS: dict[str, type[BaseSerializer]] = {
    "JsonSerializer": JsonSerializer,
    "PickleSerializer": PickleSerializer,
}


@contextlib.contextmanager
def naming(what: str) -> Any:
    """Have a `SerializationError` of a block say what it is about."""
    try:
        yield
    except SerializationError as error:
        raise SerializationError(f"{what}: {error}") from error.__cause__


# ---------------------------------------------------------------- what JSON has nothing for


def _lowered(value: Any, depth: int) -> Any:
    """Return *value* with marked tuples for what the codec would refuse."""
    if isinstance(value, enum.Enum):
        return _marked(_ENUM, type(value), value.name)
    if hasattr(type(value), "to_json") and hasattr(type(value), "from_json"):
        return _marked(_OBJECT, type(value), value.to_json())
    kind = type(value)
    if kind not in _CONTAINERS or not depth:
        return value  # the codec takes it, or says why not
    if kind is dict:
        return {_lowered(k, depth - 1): _lowered(v, depth - 1) for k, v in value.items()}
    lowered = kind(_lowered(each, depth - 1) for each in value)
    if kind is tuple and value[:1] == (_MARK,):
        return (_MARK, _ESCAPED, lowered)
    return lowered


def _raised(value: Any) -> Any:
    kind = type(value)
    if kind not in _CONTAINERS:
        return value
    if kind is dict:
        return {_raised(k): _raised(v) for k, v in value.items()}
    if kind is tuple and value[:1] == (_MARK,):
        return _unmarked(*value[1:])
    return kind(_raised(each) for each in value)


_CONTAINERS = (list, tuple, dict, set, frozenset)


def _marked(kind: str, cls: type, content: Any) -> tuple[Any, ...]:
    return (_MARK, kind, cls.__module__, cls.__qualname__, content)


def _unmarked(kind: str, *parts: Any) -> Any:
    if kind == _ESCAPED:
        return tuple(_raised(each) for each in parts[0])
    module, name, content = parts
    found = imported(module, name)
    if kind == _ENUM and isinstance(found, type) and issubclass(found, enum.Enum):
        with contextlib.suppress(KeyError):
            return found[content]
    if kind == _OBJECT and hasattr(found, "from_json"):
        return found.from_json(content)
    raise SerializationError(
        f"text with a value of {module}.{name} that it cannot make: {content!r}\n"
        "use the modules that it was written with"
    )


def imported(module: str, name: str) -> Any:
    """Return what a module has under that name, which may have dots; None if it has nothing."""
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError):
        return None
    return found
