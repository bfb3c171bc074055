"""Texts that a store has kept, as values again."""

from __future__ import annotations

from typing import Any

from simclock.systems._shared.codecs import Undecodable, decode
from simclock.systems._shared.stores.interfaces import Damaged, DamagedRecord


def read_value(text: str, version: int, what: str, where: str) -> Any:
    """Return what was encoded as *text*.

    Raises:
        DamagedRecord: Nothing was: somebody else has changed it.
    """
    try:
        return decode(text)
    except Undecodable as error:
        raise DamagedRecord(_damage(error, what, where), version) from error


def read_payload(text: str, what: str, where: str) -> Any:
    """Return what was encoded as *text*; `Damaged` if nothing was."""
    try:
        return decode(text)
    except Undecodable as error:
        return Damaged(_damage(error, what, where))


def _damage(error: Undecodable, what: str, where: str) -> str:
    return (
        f"{what} in {where} is damaged\n  {error.__cause__}\n"
        "remove it there, or clear the store; nothing was changed"
    )
