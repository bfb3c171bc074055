"""Suites of tests, as files: they know of no tool, and take hours."""

from __future__ import annotations

plain = """
import threading
import time
import unittest


def test_sleep():
    began = time.monotonic()
    time.sleep(3600)
    assert time.monotonic() - began >= 3600


def test_thread():
    done = threading.Event()
    threading.Timer(3600, done.set).start()
    assert done.wait(timeout=7200)


class TestTimeout(unittest.TestCase):
    def test_condition(self):
        condition = threading.Condition()
        with condition:
            self.assertFalse(condition.wait(timeout=3600))
"""

asyncio = """
import asyncio

import pytest
import pytest_asyncio


@pytest_asyncio.fixture
async def beats():
    beats = asyncio.Queue()

    async def beat():
        while True:
            await asyncio.sleep(3600)
            beats.put_nowait("beat")

    task = asyncio.create_task(beat())
    yield beats
    task.cancel()


@pytest.mark.asyncio
async def test_beats(beats):
    assert [await beats.get() for _ in range(3)] == ["beat"] * 3


@pytest.mark.asyncio
async def test_timeout():
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), timeout=3600)
"""

mixed = """
import asyncio
import time

import pytest


@pytest.mark.asyncio
async def test_thread():
    await asyncio.wait_for(asyncio.to_thread(time.sleep, 3600), timeout=7200)
"""
