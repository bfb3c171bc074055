"""What a killed process leaves: what the operating system would, and nothing of its own."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simclock._boundary import sqlite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simclock._boundary.contexts import Context
    from simclock._boundary.descriptors import Void


def let_go(context: Context, fds: list[int], void: Void) -> None:
    """Let go of what the operating system takes from a process that is no more: of *fds*."""
    files = sqlite.roll_back(context)
    # SQLite closes its own when it lets them go: until then it counts on what they stand for.
    void.take([fd for fd in fds if _path(fd) not in files])
    context.descriptors.clear()


def _path(fd: int) -> str:
    try:
        return str(Path(f"/proc/self/fd/{fd}").readlink())
    except OSError:
        return ""


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Show nothing of what threads of killed processes say when they end at last.

    Python can end no thread without its ``finally``; nobody is left to see what comes of it.
    """
    hooks: list[tuple[Any, str]] = [(threading, "excepthook"), (sys, "unraisablehook")]
    kept = [(owner, name, getattr(owner, name)) for owner, name in hooks]
    disabled = logging.root.manager.disable
    try:
        for owner, name in hooks:
            setattr(owner, name, _say_nothing)
        logging.disable(sys.maxsize)
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        for owner, name, hook in kept:
            setattr(owner, name, hook)


def _say_nothing(_: Any) -> None:
    pass
