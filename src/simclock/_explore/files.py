"""Small files of data: written as a whole or not at all, whoever else reads and writes them."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

# Bytes of a name that tell whose file it is; the rest of it is a digest. Systems count bytes.
READABLE = 100


class Damaged(ValueError):
    """A file does not have what it should have."""


def file_name(text: str) -> str:
    """Return *text* as the name of a file, without a suffix: each has its own, and it is short."""
    readable = "".join(letter if letter.isalnum() else "-" for letter in text)
    end = readable.encode()[-READABLE:].decode(errors="ignore")
    return f"{end}-{digest(text)}"


def digest(text: str) -> str:
    """Return a few letters that stand for *text*."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def write(path: Path, data: dict[str, Any]) -> None:
    """Write *data*, and make the folder where it goes.

    Who reads meanwhile, or after a crash, finds what was there before, or all of it.

    Raises:
        OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Of this writer alone; who dies leaves it, and nobody takes it for anything.
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        temporary.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, path)  # noqa: PTH105 - the word for what is meant
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read(path: Path) -> dict[str, Any] | None:
    """Return what is in a file, or None if there is none.

    Raises:
        Damaged: It is not what `write` has written.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise Damaged(f"{path} cannot be read: {error}") from None
    if not isinstance(data, dict):
        raise Damaged(f"{path} has something else in it")
    return data


def set_aside(path: Path) -> Path:
    """Give a file a name by which nobody finds it, so that nothing is lost; return where it is."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    os.replace(path, aside)  # noqa: PTH105 - as above
    return aside
