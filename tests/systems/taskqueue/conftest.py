"""What the tests of the task queue share: a log with instants, and functions for processes."""

from __future__ import annotations

import importlib
import logging
from pathlib import Path

import pytest

MODULES = Path(__file__).with_name("modules")


@pytest.fixture
def note(sim):
    """Return a function that notes something with the instant; its ``log`` has all of it."""

    def note(*what):
        # In microseconds: instants of the wall clock are floats.
        note.log.append((round(sim.elapsed, 6), *what))

    note.log = []
    return note


@pytest.fixture
def functions(monkeypatch):
    """Return a module whose functions other processes can import."""
    monkeypatch.syspath_prepend(str(MODULES))
    return importlib.import_module("taskqueue_functions")


@pytest.fixture
def no_log():
    """Pytest keeps what is logged, and so the frames of killed processes, and what they had open."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)
