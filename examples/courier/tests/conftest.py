"""What many tests share."""

import time

import pytest
from internet import Internet

from courier.registry import Registry


class Stopwatch:
    def __init__(self):
        self.restart()

    def restart(self):
        self.began = time.monotonic()

    @property
    def seconds(self):
        return time.monotonic() - self.began


@pytest.fixture
def watch():
    return Stopwatch()


@pytest.fixture(scope="session")
def internet():
    """Its threads serve all tests."""
    internet = Internet(threads=8)
    internet.connect()
    yield internet
    internet.disconnect()


@pytest.fixture
def registry():
    return Registry()
