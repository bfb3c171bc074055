"""``Unset``: no value yet, where ``None`` is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, final

from pydantic_core import core_schema

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler


@final
class UnsetType:
    """The type of `Unset`, its only instance: copies and pickles are the same one."""

    __slots__ = ()
    _only: UnsetType | None = None

    def __new__(cls) -> UnsetType:
        """Return the only one."""
        if cls._only is None:
            cls._only = super().__new__(cls)
        return cls._only

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "Unset"

    def __reduce__(self) -> str:
        # A name in this module: `copy`, `deepcopy` and `pickle` look it up.
        return "Unset"

    @classmethod
    def __get_pydantic_core_schema__(
        cls, _source: Any, _handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.is_instance_schema(
            cls, serialization=core_schema.plain_serializer_function_ser_schema(lambda _: None)
        )


Unset: Final = UnsetType()
