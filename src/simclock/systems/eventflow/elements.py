"""``Element``: what has an identity, a time of creation, and can be written down."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, Field, field_validator

from simclock.systems.eventflow.restoring import class_named, name_of

if TYPE_CHECKING:
    from typing_extensions import Self

Mode = Literal["python", "json", "db"]
TimeFormat = Literal["datetime", "isoformat", "timestamp"]

CLASS_KEY = "lion_class"
DB_META_KEY = "node_metadata"


def now() -> datetime:
    """Return the time, as an aware datetime in UTC."""
    return datetime.now(timezone.utc)


def id_of(value: Any) -> UUID:
    """Return the id that *value* is, has or says.

    Raises:
        ValueError: It is neither an element nor an id.
    """
    if isinstance(value, UUID):
        return value
    if isinstance(value, Element):
        return value.id
    if isinstance(value, str):
        try:
            return UUID(value)
        except ValueError:
            pass
    raise ValueError(f"this is no id: {value!r}\ngive a UUID, its text, or an element")


def checked_mapping(data: Any) -> Mapping[str, Any]:
    """Return *data*, which is to be restored; raise a ``TypeError`` unless it is a mapping."""
    if not isinstance(data, Mapping):
        raise TypeError(
            f"what is restored is a dictionary, as to_dict() returns: {type(data).__name__}\n"
            "use from_json() if it is a text"
        )
    return data


def _utc(value: Any) -> datetime:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            # Python 3.10 does not know the letter.
            value = datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
    if isinstance(value, datetime):
        # Naive ones are taken for UTC.
        return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).astimezone(
            timezone.utc
        )
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return datetime.fromtimestamp(value, timezone.utc)
    raise ValueError(f"this is no time: {value!r}\ngive a datetime, a number of seconds, or a text")


class Element(BaseModel):
    """What has an identity: equal, and of the same hash, if the ids are.

    Attributes:
        id: A UUID; it cannot be changed.
        created_at: When, an aware datetime in UTC. It cannot be changed, and may be given as
            a datetime (a naive one is UTC), as seconds since 1970, or as a text of either.
        metadata: Anything else.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", validate_assignment=True, arbitrary_types_allowed=True
    )

    id: UUID = Field(default_factory=uuid4, frozen=True)
    created_at: datetime = Field(default_factory=now, frozen=True)
    metadata: dict[str, Any] = Field(default_factory=dict)

    @field_validator("created_at", mode="before")
    @classmethod
    def _in_utc(cls, value: Any) -> datetime:
        try:
            return _utc(value)
        except (OverflowError, OSError) as error:
            raise ValueError(f"this time is too far away: {value!r}") from error

    if not TYPE_CHECKING:  # else any attribute would be there

        def __getattr__(self, name: str) -> Any:
            # As pydantic's own, in a fifth of the time: each status of each event reads several.
            try:
                return object.__getattribute__(self, "__pydantic_private__")[name]
            except (AttributeError, KeyError, TypeError):
                return super().__getattr__(name)

    def __eq__(self, other: object) -> bool:
        return self.id == other.id if isinstance(other, Element) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    def __bool__(self) -> bool:
        # Those that have a length are true when they are empty, too.
        return True

    @classmethod
    def class_name(cls, *, full: bool = False) -> str:
        """Return the name of the class; a *full* one has its module's."""
        return name_of(cls) if full else cls.__name__

    def to_dict(
        self,
        mode: Mode = "python",
        created_at_format: TimeFormat | None = None,
        meta_key: str | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Return it as a dictionary, from which `from_dict` makes it again.

        Args:
            mode: ``"json"`` has only what JSON has; ``"db"`` is as ``"python"``, with the
                metadata under ``"node_metadata"``.
            created_at_format: If not given, a text in mode ``"json"``, else a datetime.
            meta_key: Where the metadata are to be, if elsewhere.
            options: For pydantic's ``model_dump``.

        Raises:
            ValueError: The mode or the format is unknown, or JSON is to have a datetime.
        """
        if mode not in {"python", "json", "db"}:
            raise ValueError(f"this mode is unknown: {mode!r}\ngive python, json or db")
        data = self.model_dump(mode="json" if mode == "json" else "python", **options)
        if "created_at" in data:
            data["created_at"] = self._written_time(mode, created_at_format)
        metadata = {**data.pop("metadata", {}), CLASS_KEY: name_of(type(self))}
        data[meta_key or (DB_META_KEY if mode == "db" else "metadata")] = metadata
        return data

    def _written_time(self, mode: Mode, form: TimeFormat | None) -> datetime | str | float:
        form = form or ("isoformat" if mode == "json" else "datetime")
        if form == "isoformat":
            return self.created_at.isoformat()
        if form == "timestamp":
            return self.created_at.timestamp()
        if form != "datetime":
            raise ValueError(
                f"this format of times is unknown: {form!r}\ngive datetime, isoformat or timestamp"
            )
        if mode == "json":
            raise ValueError("JSON has no datetimes\ngive the format isoformat or timestamp")
        return self.created_at

    @classmethod
    def from_dict(cls, data: dict[str, Any], meta_key: str | None = None, **options: Any) -> Self:
        """Make one from what `to_dict` returned, of the class that was written down.

        That class is this one or one derived from it; one that is not this one
        is of a module that `register_type_prefix` knows. *data* is not changed.

        Raises:
            TypeError: *data* is no mapping.
            ValueError: It is not, or something of *data* cannot be what it is.
        """
        data = dict(checked_mapping(data))
        keys = [meta_key] if meta_key else ["metadata", DB_META_KEY]
        found = next((data.pop(key) for key in keys if key in data), None) or {}
        if not isinstance(found, dict):
            raise ValueError(f"these are no metadata: {found!r}\ngive a dictionary")  # noqa: TRY004 - as pydantic does
        data["metadata"] = {key: value for key, value in found.items() if key != CLASS_KEY}
        target = cls._class_of(found)
        return target.model_validate(data, **options)

    @classmethod
    def _class_of(cls, metadata: dict[str, Any]) -> type[Self]:
        name = metadata.get(CLASS_KEY)
        # What is at hand needs no import, so it needs no leave.
        found = cls if name is None or name == name_of(cls) else class_named(name)
        if not issubclass(found, cls):
            raise ValueError(  # noqa: TRY004 - a value of the text
                f"this was written by another class: {name}, not {name_of(cls)}\n"
                "use from_dict() of that one, or of Element"
            )
        return found

    def to_json(
        self, *, pretty: bool = False, sort_keys: bool = False, decode: bool = True, **options: Any
    ) -> str | bytes:
        """Return it as JSON: as a text, or as bytes if not *decode*. *options*: of `to_dict`."""
        data = self.to_dict(mode="json", **options)
        text = json.dumps(
            data, indent=2 if pretty else None, sort_keys=sort_keys, ensure_ascii=False
        )
        return text if decode else text.encode()

    @classmethod
    def from_json(cls, text: str | bytes, meta_key: str | None = None, **options: Any) -> Self:
        """Make one from what `to_json` returned; see `from_dict`."""
        return cls.from_dict(json.loads(text), meta_key=meta_key, **options)
