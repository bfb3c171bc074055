"""Elements have an identity, and are written down and restored; ``Unset`` and errors are too."""

from __future__ import annotations

import copy
import json
import pickle
import sys
from datetime import datetime, timedelta, timezone
from uuid import UUID, uuid4

import pydantic
import pytest

from simclock.systems.eventflow import (
    ConfigurationError,
    Element,
    Event,
    ExecutionError,
    LionConnectionError,
    LionprideError,
    LionTimeoutError,
    NotFoundError,
    Progression,
    QueueFullError,
    RestoredError,
    Unset,
    ValidationError,
    failures,
    register_type_prefix,
    restoring,
)
from simclock.systems.eventflow.elements import id_of

UTC = timezone.utc
NOON = datetime(2026, 5, 17, 12, tzinfo=UTC)


class Thing(Element):
    weight: int = 0

    class Part(Element):
        """A nested class."""


@pytest.fixture
def own_prefixes(monkeypatch):
    monkeypatch.setattr(restoring, "_prefixes", set(restoring._prefixes))


@pytest.fixture
def registered(own_prefixes):
    register_type_prefix(f"{__name__}.")


# ------------------------------------------------------------------- identity


def test_an_element_is_its_id():
    one, other = Thing(), Thing()
    same = Element(id=one.id)

    assert one == same
    assert one != other
    assert one != str(one.id)
    assert {one, same, other} == {one, other}


def test_an_element_is_true_even_if_it_is_empty():
    assert bool(Progression()) is True
    assert len(Progression()) == 0


@pytest.mark.parametrize("name", ["id", "created_at"])
def test_identity_is_frozen(name):
    thing = Thing()

    with pytest.raises(pydantic.ValidationError, match="frozen"):
        setattr(thing, name, getattr(Thing(), name))


def test_unknown_fields_are_refused_and_assignments_validated():
    with pytest.raises(pydantic.ValidationError, match="Extra inputs are not permitted"):
        Thing(wieght=1)
    thing = Thing(weight="3")
    with pytest.raises(pydantic.ValidationError, match="valid integer"):
        thing.weight = "heavy"
    assert thing.weight == 3


def test_a_missing_attribute_is_told():
    with pytest.raises(AttributeError, match="'Thing' object has no attribute 'wieght'"):
        _ = Thing().wieght


@pytest.mark.parametrize(
    "given",
    [
        NOON,
        NOON.replace(tzinfo=None),
        NOON.astimezone(timezone(timedelta(hours=5))),
        NOON.timestamp(),
        int(NOON.timestamp()),
        str(NOON.timestamp()),
        "2026-05-17T12:00:00",
        "2026-05-17T12:00:00Z",
        "2026-05-17 17:00:00+05:00",
    ],
)
def test_times_of_creation_are_aware_and_in_utc(given):
    created = Element(created_at=given).created_at

    assert created == NOON
    assert created.tzinfo is UTC


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ("yesterday", "isoformat"),
        (float("nan"), "no time: nan"),
        (True, "no time: True"),
        (None, "no time: None"),
        (1e300, "too far away"),
    ],
)
def test_what_is_no_time_is_refused(given, error):
    with pytest.raises(pydantic.ValidationError, match=error):
        Element(created_at=given)


@pytest.mark.simclock
def test_an_element_is_created_now(sim):
    assert Element().created_at == sim.wall
    assert Element().created_at.utcoffset() == timedelta(0)


def test_an_id_is_an_element_s_or_a_text_too():
    thing = Thing()

    assert id_of(thing) == id_of(thing.id) == id_of(str(thing.id)) == thing.id
    for bad in ("nobody", 3, None, b""):
        with pytest.raises(ValueError, match=r"this is no id: .*\ngive a UUID"):
            id_of(bad)


# --------------------------------------------------------------- written down


def test_it_is_written_with_the_name_of_its_class():
    thing = Thing(weight=3, metadata={"colour": "red"})

    assert thing.to_dict() == {
        "id": thing.id,
        "created_at": thing.created_at,
        "weight": 3,
        "metadata": {"colour": "red", "lion_class": f"{__name__}.Thing"},
    }
    assert thing.metadata == {"colour": "red"}


def test_modes():
    thing = Thing(created_at=NOON)

    as_json, as_db = thing.to_dict(mode="json"), thing.to_dict(mode="db")

    assert as_json["id"] == str(thing.id)
    assert as_json["created_at"] == "2026-05-17T12:00:00+00:00"
    assert (as_db["id"], as_db["created_at"]) == (thing.id, NOON)
    assert "metadata" not in as_db
    assert as_db["node_metadata"] == {"lion_class": f"{__name__}.Thing"}
    assert thing.to_dict(meta_key="about")["about"] == as_db["node_metadata"]


def test_formats_of_times():
    thing = Thing(created_at=NOON)

    def written(form, mode="python"):
        return thing.to_dict(mode=mode, created_at_format=form)["created_at"]

    assert written("datetime") == NOON
    assert written("isoformat") == NOON.isoformat()
    assert written("timestamp", mode="json") == NOON.timestamp()
    with pytest.raises(ValueError, match="JSON has no datetimes"):
        written("datetime", mode="json")
    with pytest.raises(ValueError, match="format of times is unknown: 'roman'"):
        written("roman")
    with pytest.raises(ValueError, match="mode is unknown: 'xml'"):
        thing.to_dict(mode="xml")


def everything_of(element):
    return element.to_dict()


@pytest.mark.parametrize("mode", ["python", "json", "db"])
@pytest.mark.parametrize("meta_key", [None, "about"])
def test_what_was_written_is_restored(mode, meta_key):
    thing = Thing(weight=3, metadata={"colour": "red"})
    written = thing.to_dict(mode=mode, meta_key=meta_key)
    before = copy.deepcopy(written)

    restored = Thing.from_dict(written, meta_key=meta_key)

    assert everything_of(restored) == everything_of(thing)
    assert written == before


def test_json():
    thing = Thing(weight=3, metadata={"colour": "grün"})

    assert json.loads(thing.to_json()) == thing.to_dict(mode="json")
    assert thing.to_json(decode=False) == thing.to_json().encode()
    assert thing.to_json(pretty=True, sort_keys=True).startswith('{\n  "created_at"')
    assert everything_of(Thing.from_json(thing.to_json())) == everything_of(thing)
    assert everything_of(Thing.from_json(thing.to_json(decode=False))) == everything_of(thing)


def test_the_class_that_was_written_is_restored(registered):
    thing, part = Thing(weight=3), Thing.Part()

    assert type(Element.from_dict(thing.to_dict())) is Thing
    assert type(Element.from_json(part.to_json())) is Thing.Part
    assert type(Element.from_dict(Event().to_dict())) is Event


def test_a_class_is_restored_only_with_leave(own_prefixes):
    written = Thing(weight=3).to_dict()

    with pytest.raises(ValueError, match=r"may not be restored: .*Thing\n.*register_type_prefix"):
        Element.from_dict(written)
    # What is at hand needs no leave.
    assert Thing.from_dict(written).weight == 3


@pytest.mark.parametrize(
    "name", ["os.path.join", "builtins.dict", "simclock.systems.eventflowers.X"]
)
def test_nothing_else_is_looked_for(name):
    with pytest.raises(ValueError, match="may not be restored"):
        Element.from_dict({"metadata": {"lion_class": name}})


@pytest.mark.parametrize(
    "name", ["elements.Nothing", "elements.id_of", "nowhere.Thing", "elements.Element.nothing.more"]
)
def test_a_class_that_is_not_there_is_told(name):
    with pytest.raises(ValueError, match=f"no class has this name: .*{name}"):
        Element.from_dict({"metadata": {"lion_class": f"simclock.systems.eventflow.{name}"}})


@pytest.fixture
def shop(tmp_path, monkeypatch, own_prefixes):
    """A package that is not imported yet."""
    (tmp_path / "madeupshop").mkdir()
    code = "from simclock.systems.eventflow import Element\nclass Box(Element): pass\n"
    (tmp_path / "madeupshop" / "boxes.py").write_text(code)
    (tmp_path / "madeupshop" / "broken.py").write_text("import nowhere_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)
    register_type_prefix("madeupshop.")
    yield
    for name in [each for each in sys.modules if each.startswith("madeupshop")]:
        del sys.modules[name]


def test_a_module_that_may_be_is_imported(shop):
    box = Element.from_dict({"metadata": {"lion_class": "madeupshop.boxes.Box"}})

    assert box.class_name(full=True) == "madeupshop.boxes.Box"
    with pytest.raises(ModuleNotFoundError, match="nowhere_at_all"):
        Element.from_dict({"metadata": {"lion_class": "madeupshop.broken.Box"}})


def test_a_class_is_not_taken_for_another():
    with pytest.raises(
        ValueError, match=r"written by another class: .*\.Progression, not .*\.Event"
    ):
        Event.from_dict(Progression().to_dict())
    with pytest.raises(ValueError, match=r"another class: .*ItemTypes"):
        name = "simclock.systems.eventflow.item_types.ItemTypes"
        Element.from_dict({"metadata": {"lion_class": name}})


def test_bad_metadata_are_refused():
    with pytest.raises(ValueError, match="no metadata: 'red'"):
        Thing.from_dict({"metadata": "red"})


@pytest.mark.parametrize("prefix", ["shop", "", ".", "..."])
def test_a_prefix_ends_with_a_dot(own_prefixes, prefix):
    with pytest.raises(ValueError, match="must end with a dot"):
        register_type_prefix(prefix)


def test_elements_are_copied_and_pickled():
    thing = Thing(weight=3, metadata={"of": ["a"]})

    for copied in (copy.copy(thing), copy.deepcopy(thing), pickle.loads(pickle.dumps(thing))):
        assert everything_of(copied) == everything_of(thing)
    assert copy.deepcopy(thing).metadata["of"] is not thing.metadata["of"]


# ---------------------------------------------------------------------- unset


def test_unset_is_one_and_false():
    assert not Unset
    assert Unset is not None
    assert repr(Unset) == "Unset"
    assert type(Unset)() is Unset
    for copied in (copy.copy(Unset), copy.deepcopy([Unset])[0], pickle.loads(pickle.dumps(Unset))):
        assert copied is Unset


def test_unset_is_a_value_of_a_field():
    class Partial(Element):
        size: int | type(Unset) = Unset

    assert Partial().size is Unset
    assert Partial(size=3).size == 3
    assert Partial().to_dict(mode="json")["size"] is None
    with pytest.raises(pydantic.ValidationError):
        Partial(size=None)


# --------------------------------------------------------------------- errors

RETRYABLE = {LionprideError, ExecutionError, LionConnectionError, LionTimeoutError, QueueFullError}
KINDS = [
    each
    for each in vars(failures).values()
    if isinstance(each, type) and issubclass(each, LionprideError)
]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_error_has_its_defaults(kind):
    error = kind()

    assert str(error) == error.message == kind.default_message
    assert error.retryable is (kind in RETRYABLE or kind is RestoredError)
    assert error.to_dict() == {
        "error": kind.__name__,
        "message": kind.default_message,
        "retryable": error.retryable,
    }


def test_an_error_says_what_it_was_given():
    cause = OSError("gone")
    error = ConfigurationError("no", details={"key": "x"}, retryable=True, cause=cause)

    assert error.__cause__ is cause
    assert error.to_dict() == {
        "error": "ConfigurationError",
        "message": "no",
        "retryable": True,
        "details": {"key": "x"},
        "cause": "OSError('gone')",
    }
    assert pickle.loads(pickle.dumps(error)).details == {"key": "x"}


def test_what_is_not_found_is_a_key_error_that_reads_well():
    assert str(NotFoundError("no such thing")) == "no such thing"
    assert isinstance(NotFoundError(), KeyError)
    assert not isinstance(ValidationError(), ValueError)


def test_a_restored_error_is_written_as_the_original():
    written = QueueFullError("full", details={"max_size": 3}).to_dict()
    restored = RestoredError.from_dict(written)

    assert (str(restored), restored.retryable) == ("full", True)
    assert restored.to_dict() == written


def test_ids_are_uuids():
    assert isinstance(Element().id, UUID)
    assert Element().id.version == 4
    given = uuid4()
    assert Element(id=str(given)).id == given
