from __future__ import annotations

import time

import pytest

START_NS = 1000 * 10**9


class Log(list):
    """What happened when: `log(what)` appends ``(virtual seconds since the start, what)``."""

    def __call__(self, what):
        self.append(((time.monotonic_ns() - START_NS) / 1e9, what))


@pytest.fixture
def log():
    return Log()


@pytest.fixture
def outcome():
    """Return a function that calls another and says what came of it, errors included."""

    def call(function, *args, **kwargs):
        try:
            return ("returned", function(*args, **kwargs))
        except Exception as error:
            return (type(error), str(error))

    return call
