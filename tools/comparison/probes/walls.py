"""What a program reads as the date: answers are in seconds since 1970."""

from __future__ import annotations

import datetime as dt
import threading
import time
from time import time as imported_early
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def default(read: Callable[[], float] = time.time) -> float:
    """Read the clock by a function that is a default argument."""
    return read()


READERS: dict[str, Callable[[], float]] = {"time": time.time}


def module() -> Callable[[], float]:
    """Read it by the module."""
    return lambda: time.time()  # noqa: PLW0108 - looked up when it is called


def now() -> Callable[[], float]:
    """Read it by the class."""
    return lambda: dt.datetime.now().timestamp()


def early() -> Callable[[], float]:
    """Read it by what was imported before."""
    return imported_early


def argument() -> Callable[[], float]:
    """Read it by a default argument."""
    return default


def kept() -> Callable[[], float]:
    """Read it by what is kept in a dictionary."""
    return lambda: READERS["time"]()  # noqa: PLW0108 - looked up when it is called


def thread() -> Callable[[], float]:
    """Read it in a thread."""

    def in_a_thread() -> float:
        seen: list[float] = []
        thread = threading.Thread(target=lambda: seen.append(time.time()))
        thread.start()
        thread.join()
        return seen[0]

    return in_a_thread


def asleep() -> Callable[[], float]:
    """Read how far it goes while the program sleeps for an hour."""

    def over_an_hour() -> float:
        began = time.time()
        time.sleep(3600)
        return time.time() - began

    return over_an_hour
