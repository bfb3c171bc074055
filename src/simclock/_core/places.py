"""Whose code a file is: what a reader wrote, what was installed, or neither."""

from __future__ import annotations

import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

# Whose code may be told: of those who wrote the program, or of those who wrote what it uses.
PROGRAM, LIBRARY = "program", "library"

_PACKAGE = Path(__file__).parent.parent
# Ours, and what reaches into a program through us.
_SIMULATES = (str(_PACKAGE) + "/", "/pytest_simclock/")
# Ordinary programs that come with us.
_PROGRAMS = str(_PACKAGE / "systems") + "/"
_INSTALLED = ("/site-packages/", "/dist-packages/")


class _Owners(dict[str, str]):
    """Whose code a file has: by its path, `PROGRAM`, `LIBRARY` or nothing."""

    def __missing__(self, path: str) -> str:
        self[path] = found = _owner(path)
        return found


def _owner(path: str) -> str:
    if path.startswith("<frozen") or is_ours(path):
        return ""
    if path.startswith(_PROGRAMS):
        return PROGRAM
    if any(each in path for each in _INSTALLED):
        return LIBRARY
    python = {sysconfig.get_path(name) + "/" for name in ("stdlib", "platstdlib")}
    return "" if path.startswith(tuple(python)) else PROGRAM


owners = _Owners()


def is_users(path: str) -> bool:
    """Return whether a file is what a reader wrote."""
    return owners[path] == PROGRAM


def is_ours(path: str) -> bool:
    """Return whether a file is of what simulates."""
    return not path.startswith(_PROGRAMS) and any(each in path for each in _SIMULATES)


def short(path: str) -> str:
    """Return what a file is called in reports: its name."""
    return path[path.rfind("/") + 1 :]


def entries(error: BaseException) -> Iterator[TracebackType]:
    """Yield the entries of an error's traceback, outermost first."""
    entry = error.__traceback__
    while entry is not None:
        yield entry
        entry = entry.tb_next


def raised_in(error: BaseException) -> TracebackType | None:
    """Return the innermost entry that is in the user's code, or None."""
    mine = [each for each in entries(error) if is_users(each.tb_frame.f_code.co_filename)]
    return mine[-1] if mine else None
