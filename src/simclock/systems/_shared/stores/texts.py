"""Texts that a store has kept, as values again."""

from __future__ import annotations

from typing import Any

from simclock.systems._shared.codecs import Undecodable, decode
from simclock.systems._shared.stores.interfaces import Damaged, StoreError


def read(text: str, what: str, where: str) -> Any:
    """Return what was encoded as *text*.

    Raises:
        StoreError: Nothing was: somebody else has changed it.
    """
    try:
        return decode(text)
    except Undecodable as error:
        raise StoreError(
            f"{what} in {where} is damaged\n  {error.__cause__}\n"
            "remove it there, or clear the store; nothing was changed"
        ) from error


def read_payload(text: str, what: str, where: str) -> Any:
    """Return what was encoded as *text*; `Damaged` if nothing was."""
    try:
        return read(text, what, where)
    except StoreError as error:
        return Damaged(str(error))
