"""Threads that trio keeps for the next job are gone when a test is over."""

from __future__ import annotations

import pytest
from trio._core import _thread_cache


@pytest.fixture(autouse=True)
def no_idle_threads(monkeypatch):
    monkeypatch.setattr(_thread_cache, "IDLE_TIMEOUT", 0.01)
