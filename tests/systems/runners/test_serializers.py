"""Values, arguments and errors as text and back."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass
from datetime import datetime, timezone

import hypothesis
import pytest
from hypothesis import strategies as st

from simclock.systems.runners.arguments import Arguments
from simclock.systems.runners.failures import (
    ConfigError,
    InvocationNotFoundError,
    PoisonedInvocationError,
    RetryError,
    SerializationError,
    TaskFailedError,
)
from simclock.systems.runners.raising import restore_error, store_error
from simclock.systems.runners.serializers import (
    _MARK,
    JsonSerializer,
    PickleSerializer,
    make_serializer,
)
from simclock.systems.runners.stored import StoredError

pytestmark = pytest.mark.simclock
SERIALIZERS = [JsonSerializer(), PickleSerializer()]
both = pytest.mark.parametrize("serializer", SERIALIZERS, ids=lambda each: type(each).__name__)


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    HIGH = 3


@dataclass(frozen=True)
class Point:
    x: int

    def to_json(self):
        return json.dumps(self.x)

    @classmethod
    def from_json(cls, text):
        return cls(json.loads(text))


leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(),
    st.just(_MARK),
    st.binary(),
    st.just(Colour.RED),
    st.just(Level.HIGH),
    st.builds(Point, st.integers()),
    st.just(datetime(2025, 3, 1, tzinfo=timezone.utc)),
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner), st.lists(inner).map(tuple), st.dictionaries(leaves, inner)
    ),
    max_leaves=12,
)


@both
@hypothesis.given(value=values)
def test_a_value_comes_back(serializer, value):
    again = serializer.deserialize(serializer.serialize(value))

    assert again == value
    assert repr(again) == repr(value)  # 1 and True are equal


@pytest.mark.parametrize("value", [(_MARK,), (_MARK, 1), [(_MARK, ("x", (_MARK,)))]])
def test_a_value_that_looks_like_a_mark_comes_back(value):
    serializer = JsonSerializer()

    assert serializer.deserialize(serializer.serialize(value)) == value


class Refuses:
    def to_json(self):
        raise RuntimeError("of the class")

    from_json = None

    def __reduce__(self):
        raise RuntimeError("of the class")


@both
def test_what_has_no_text_is_refused(serializer):
    for value in (
        Refuses(),
        [lambda: None],
        {"a": object} if serializer is SERIALIZERS[0] else Refuses(),
    ):
        with pytest.raises(SerializationError):
            serializer.serialize(value)


@both
@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing",
        "{",
        '{"$":"tuple","v":["\\u0000simclock.runners\\u0000","enum","os","path","x"]}',
    ],
)
def test_a_text_of_somebody_else_is_refused(serializer, text):
    with pytest.raises(SerializationError):
        serializer.deserialize(text)


def test_a_text_makes_nothing_but_enums_and_what_reads_json():
    text = JsonSerializer().serialize(Colour.RED).replace("Colour", "leaves")

    with pytest.raises(
        SerializationError, match=r"text with a value of .*\.leaves that it cannot make"
    ):
        JsonSerializer().deserialize(text)


def test_serializers_have_names():
    assert isinstance(make_serializer("PickleSerializer"), PickleSerializer)
    with pytest.raises(ConfigError, match="there is no such serializer: 'Yaml'\ngive one of Json"):
        make_serializer("Yaml")


# --------------------------------------------------------------------------------- errors


class Strange(Exception):
    """Its arguments are not those of `__init__`."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")
        self.two = two


class Unhelpful(Exception):
    def __str__(self):
        raise RuntimeError("no text")


def raised(error):
    try:
        raise error
    except type(error) as caught:
        return caught


def restored(error, serializer):
    return restore_error(store_error(raised(error), serializer), serializer)


@both
@pytest.mark.parametrize(
    "error",
    [
        ValueError("of the task", 3),
        KeyError("x"),
        OSError(2, "no such file", "x"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        Strange(1, 2),
        RetryError("again"),
        InvocationNotFoundError("some"),
        SystemExit(3),
    ],
)
def test_an_error_comes_back_as_what_it_was(serializer, error):
    again = restored(error, serializer)

    assert type(again) is type(error)
    assert (str(again), again.args) == (str(error), error.args)
    assert again.__dict__ == error.__dict__
    assert "in raised" in str(again.__cause__)


@both
def test_an_error_that_cannot_be_made_is_told_of(serializer):
    class Local(Exception):
        pass

    again = restored(Local("of the task"), serializer)

    assert isinstance(again, TaskFailedError)
    assert (again.type_name, again.text) == ("Local", "of the task")
    assert "in raised" in again.traceback_text
    assert "Local: of the task" in str(again)


def test_an_error_with_arguments_that_cannot_be_kept_is_told_of():
    again = restored(ValueError(object()), JsonSerializer())

    assert isinstance(again, TaskFailedError)
    assert again.type_name == "ValueError"


@both
def test_an_error_without_a_text_is_told_of_by_its_type(serializer):
    stored = store_error(raised(Unhelpful()), serializer)

    assert (stored.type_name, stored.text) == ("Unhelpful", "Unhelpful")


def test_an_error_of_the_orchestrator_has_no_payload():
    again = restore_error(StoredError("PoisonedInvocationError", "too often"), JsonSerializer())

    assert isinstance(again, PoisonedInvocationError)
    assert str(again) == "too often"


@pytest.mark.parametrize("payload", ["", "[]", '{"module":"os","name":"path","args":[]}'])
def test_a_payload_of_somebody_else_is_told_of(payload):
    again = restore_error(StoredError("ValueError", "x", payload), JsonSerializer())

    assert (type(again), again.text) == (TaskFailedError, "x")


# ------------------------------------------------------------------------------ arguments


def function(first, /, second, *others, third=3, **named):
    return first, second, others, third, named


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((1, 2), {}),
        ((1,), {"second": 2}),
        ((1, 2, 4, 5), {"third": 6}),
        ((1, 2), {"third": 6, "other": 7, "first": 8}),
    ],
)
def test_a_function_is_called_with_what_its_arguments_were_made_of(args, kwargs):
    arguments = Arguments.from_call(function, *args, **kwargs)

    assert arguments.call(function) == function(*args, **kwargs)
    assert list(arguments.kwargs) == ["first", "second", "others", "third", "named"]


@pytest.mark.parametrize(
    ("args", "kwargs", "said"),
    [
        ((), {}, "missing a required"),
        ((1,), {}, r"function\(\): missing a required argument: 'second'"),
    ],
)
def test_a_call_that_is_not_possible_is_refused(args, kwargs, said):
    with pytest.raises(TypeError, match=said):
        Arguments.from_call(function, *args, **kwargs)


def test_arguments_of_another_version_of_a_function_are_refused():
    def other(first):
        """Has no other argument."""

    with pytest.raises(
        TypeError, match=r"other\(\) has no such arguments: second\nthe call was made"
    ):
        Arguments({"first": 1, "second": 2}).call(other)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'second'"):
        Arguments({"first": 1}).call(lambda first, second: None)


def test_arguments_are_not_compared():
    with pytest.raises(NotImplementedError, match="arguments are not compared"):
        Arguments({"a": 1}) == Arguments({"a": 1})  # noqa: B015
    with pytest.raises(TypeError, match="unhashable"):
        hash(Arguments({}))


@pytest.mark.parametrize(
    ("mode", "shown"),
    [
        ("FULL", f"name='{'x' * 50}', n=3"),
        ("KEYS", "name, n"),
        ("TRUNCATED", "name='xxxx…, n=3"),
        ("HIDDEN", "<arguments hidden>"),
    ],
)
def test_arguments_are_shown_as_the_configuration_says(mode, shown):
    assert Arguments({"name": "x" * 50, "n": 3}).shown(mode, 5) == shown


def test_by_default_long_arguments_are_cut():
    assert str(Arguments({"name": "x" * 500})) == f"name='{'x' * 12}...{'x' * 13}'"[:37] + ""
