"""Values become text and the same values again, or are refused."""

from __future__ import annotations

import collections
import enum
import json
import math
import pickle
import struct
import uuid
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simclock.systems._shared.codecs import (
    DEEPEST,
    NotSerialisable,
    Undecodable,
    canonical,
    decode,
    encode,
)


def same(one, other):
    """Whether two values are the same in all that can be seen of them."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return struct.pack(">d", one) == struct.pack(">d", other)
    if isinstance(one, Decimal):
        return one.as_tuple() == other.as_tuple()
    if isinstance(one, (datetime, time)):
        zones = [(type(each.tzinfo), str(each.tzinfo)) for each in (one, other)]
        naive = one.replace(tzinfo=None) == other.replace(tzinfo=None)
        if one.utcoffset() != other.utcoffset():
            return False
        return naive and one.fold == other.fold and zones[0] == zones[1]
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, (set, frozenset)):
        return len(one) == len(other) and all(any(same(a, b) for b in other) for a in one)
    if isinstance(one, dict):
        return same(list(one.items()), list(other.items()))
    return one == other


def is_no_signalling_nan(value):
    """Those cannot be hashed."""
    try:
        hash(value)
    except TypeError:
        return False
    return True


zones = st.one_of(
    st.none(),
    st.timezones(),
    st.builds(
        timezone,
        st.timedeltas(timedelta(hours=-23), timedelta(hours=23)),
    ),
    st.builds(timezone, st.just(timedelta(hours=1)), st.text(max_size=3)),
)
hashable = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(-(2**70), 2**70),
        st.floats(),
        st.text(st.characters(), max_size=5),
        st.text("\ud83d\ude00a", max_size=4),
        st.binary(max_size=5),
        st.dates(),
        st.times(timezones=zones),
        st.datetimes(timezones=zones, allow_imaginary=True),
        st.timedeltas(),
        st.decimals(),
        st.uuids(),
    ),
    lambda inner: st.one_of(
        st.tuples(inner, inner), st.frozensets(inner.filter(is_no_signalling_nan), max_size=3)
    ),
    max_leaves=4,
)
values = st.recursive(
    hashable,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner),
        st.sets(hashable.filter(is_no_signalling_nan), max_size=3),
        st.dictionaries(st.text(max_size=2), inner, max_size=3),
        st.dictionaries(hashable.filter(is_no_signalling_nan), inner, max_size=3),
        st.dictionaries(st.sampled_from(["$", "v", "ä"]), inner, max_size=3),
    ),
    max_leaves=6,
)


@given(values)
def test_each_value_comes_back_as_it_was(value):
    text = encode(value)

    assert text.isascii()
    assert same(decode(text), value)
    assert encode(decode(text)) == text
    assert same(decode(canonical(value)), decode(canonical(decode(text))))


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        -math.inf,
        -0.0,
        struct.unpack(">d", bytes.fromhex("fff8000000000123"))[0],
        5e-324,
        2**63 - 1,
        -(2**63),
        2**63,
        -(2**63) - 1,
        1 << 100_000,
        "\ud83d\ude00",
        "😀",
        "\ud800",
        "\0",
        {"$": "int", "v": "0x1"},
        {"v": 1},
        {1: "a", "1": "b", None: "c", (1, 2): "d", True and 2: "e"},
        {"b": 1, "a": 2},
        {frozenset({1}): ()},
        [(), [], {}, set(), frozenset()],
        Decimal("1.00"),
        Decimal("-sNaN123"),
        Decimal("-0E+3"),
        datetime(2026, 3, 29, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(microseconds=-1))),
        datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1), "MEZ")),
        datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1))),
        datetime(2026, 1, 1, tzinfo=timezone.utc),
        time(1, 2, 3, 4, fold=1),
        time.max,
        date.min,
        timedelta.min,
        timedelta.max,
        uuid.UUID(int=0),
    ],
    ids=lambda value: repr(value)[:30] if not isinstance(value, int) else type(value).__name__,
)
def test_values_at_the_edges_come_back_as_they_were(value):
    assert same(decode(encode(value)), value)


def test_the_text_of_plain_json_is_plain_json():
    value = {"b": [1, 2.5, None, True], "a": {"x": "text"}}

    assert json.loads(encode(value)) == value
    assert list(decode(encode(value))) == ["b", "a"]


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1])
def test_numbers_are_numbers_of_json_as_far_as_those_have_64_bits(number):
    inside = number - 1 if number > 0 else number + 1

    assert encode(inside) == str(inside)
    assert encode(number) == f'{{"$":"int","v":"{number:#x}"}}'


class Colour(enum.IntEnum):
    RED = 1


class Word(str):
    __slots__ = ()


class Odd(tzinfo):
    def utcoffset(self, when):
        return timedelta(0)


class Unshowable:
    def __repr__(self):
        raise RuntimeError


Point = collections.namedtuple("Point", "x y")  # noqa: PYI024 - either kind is refused


@pytest.mark.parametrize(
    ("value", "path", "fact"),
    [
        (object(), "value", "a builtins.object: <object obj"),
        (Unshowable(), "value", "a .*Unshowable: <Unshowable instance"),
        ([1, {"a": (0, object())}], "value[1]['a'][1]", "a builtins.object"),
        ({(1, object()): 1}, "value.<key (1, <object objec", "a builtins.object"),
        ({(1,): object()}, "value[(1,)]", "a builtins.object"),
        ({frozenset({print})}, "value.<entry>.<entry>", "a builtins.builtin_function_or_method"),
        (Colour.RED, "value", "a .*Colour: <Colour.RED: 1>"),
        ({Word("a"): 1}, "value.<key 'a'>", "a .*Word: 'a'"),
        (Point(1, 2), "value", "a .*Point"),
        (collections.OrderedDict(a=1), "value", "a collections.OrderedDict"),
        (bytearray(b"a"), "value", "a builtins.bytearray"),
        (1j, "value", "a builtins.complex"),
        (datetime(2026, 1, 1, tzinfo=Odd()), "value.tzinfo", "a .*Odd"),
        (ValueError("x"), "value", "a builtins.ValueError"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_has_no_exact_text_is_refused_with_its_place(value, path, fact):
    for write in (encode, canonical):
        with pytest.raises(NotSerialisable, match=f"cannot be serialised: {fact}") as caught:
            write(value)
        assert caught.value.path.startswith(path)
        assert isinstance(caught.value, TypeError)


def test_the_error_says_what_can_be_done():
    with pytest.raises(NotSerialisable) as caught:
        encode([print])

    assert str(caught.value) == (
        "value[0] cannot be serialised: a builtins.builtin_function_or_method: "
        "<built-in function print>\n"
        "pass None, bool, int, float, str, bytes, list, tuple, dict, set, frozenset, datetime, "
        "date, time, timedelta, Decimal or UUID, themselves and no subclasses, "
        "or what can be computed from them"
    )
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_zone_without_a_key_is_refused():
    with open(next(iter(_zone_files())), "rb") as file:
        zone = ZoneInfo.from_file(file)

    with pytest.raises(NotSerialisable, match=r"(?s)value\.tzinfo .* with a key"):
        encode(datetime(2026, 1, 1, tzinfo=zone))


def _zone_files():
    import importlib.resources

    yield importlib.resources.files("tzdata.zoneinfo").joinpath("UTC")


def nested(levels, kind=list):
    value = kind()
    for _ in range(levels - 1):
        value = kind([value])
    return value


@pytest.mark.parametrize("kind", [list, tuple, frozenset])
def test_containers_may_be_in_each_other_to_a_limit(kind):
    deepest = nested(DEEPEST, kind)
    text = encode(deepest)

    assert encode(decode(text)) == text
    with pytest.raises(NotSerialisable, match="more than 100 containers in each other") as caught:
        encode(kind([deepest]))
    assert "…" in caught.value.path


@pytest.mark.parametrize(
    ("levels", "shown"),
    [
        (11, "[0]" * 11),
        (12, "[0]" * 5 + "…" + "[0]" * 4),
        (20, "[0]" * 5 + "…" + "[0]" * 4),
    ],
)
def test_of_a_long_path_both_ends_are_shown(levels, shown):
    value = print
    for _ in range(levels):
        value = [value]

    with pytest.raises(NotSerialisable) as caught:
        encode(value)
    assert caught.value.path == f"value{shown}"


def test_a_value_that_contains_itself_is_refused():
    value = {}
    value["me"] = value

    with pytest.raises(NotSerialisable, match="one that contains itself cannot be passed"):
        encode(value)


def test_what_is_in_two_places_is_decoded_as_two():
    inner = [1]
    one, other = decode(encode([inner, inner]))

    assert one == other
    assert one is not other


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1,",
        "nonsense",
        "NaN",
        "[Infinity]",
        '{"$":"int"}',
        '{"$":"int","v":"0x1","w":0}',
        '{"$":"int","v":"x"}',
        '{"$":"int","v":1}',
        '{"$":"unheard of","v":1}',
        '{"$":[],"v":1}',
        '{"$":"float","v":"00"}',
        '{"$":"str","v":"ff"}',
        '{"$":"bytes","v":"?"}',
        '{"$":"UUID","v":5}',
        '{"$":"Decimal","v":"x"}',
        '{"$":"date","v":"2026-02-30"}',
        '{"$":"datetime","v":["2026-01-01T00:00:00",0]}',
        '{"$":"datetime","v":["2026-01-01T00:00:00",0,"No/Where"]}',
        '{"$":"datetime","v":["2026-01-01T00:00:00",0,"../../etc/passwd"]}',
        '{"$":"datetime","v":["2026-01-01T00:00:00",0,"Europe"]}',
        '{"$":"datetime","v":["2026-01-01T00:00:00",0,[0,1]]}',
        '{"$":"datetime","v":["2026-01-01T00:00:00",2,null]}',
        '{"$":"timedelta","v":[1e300,0,0]}',
        '{"$":"set","v":[[1]]}',
        '{"$":"dict","v":[[1]]}',
        '{"$":"tuple","v":5}',
        "x" * 60,
        "x" * 61,
        "1" * 10_000,
        "[" * 200_000,
    ],
    ids=lambda text: text[:40] or "empty",
)
def test_text_that_nobody_has_encoded_is_an_error_with_its_beginning(text):
    if text == "1" * 10_000 and not _digits_are_bounded():
        pytest.skip("this Python reads any number of digits")
    with pytest.raises(Undecodable, match="text that is no encoded value: ") as caught:
        decode(text)

    shown = text if len(text) <= 60 else text[:60] + "…"
    assert f"value: {shown!r}\n" in str(caught.value)
    assert len(str(caught.value)) < 600


def _digits_are_bounded():
    import sys

    return bool(getattr(sys, "get_int_max_str_digits", int)())


@given(st.text(max_size=20) | st.binary(max_size=20).map(lambda data: data.decode("latin-1")))
def test_any_text_is_decoded_or_is_undecodable(text):
    try:
        value = decode(text)
    except Undecodable:
        return
    assert decode(encode(value)) == value


@given(st.dictionaries(hashable.filter(is_no_signalling_nan), st.integers(), max_size=4))
def test_canonical_texts_do_not_depend_on_the_order_of_dicts(value):
    turned = dict(reversed(value.items()))

    assert canonical([value]) == canonical([turned])


def test_canonical_texts_differ_where_types_do():
    assert len({canonical(each) for each in (1, 1.0, True, "1", Decimal(1), [1], (1,))}) == 7


def test_sets_have_one_text_whatever_their_order():
    names = [f"name {number}" for number in range(50)]

    turned = names[::-1]
    assert encode(set(names)) == encode(set(turned))
    assert '"name 0","name 1","name 10"' in encode(set(names))
