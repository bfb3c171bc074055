"""A simulation with a log of what its processes do, and when."""

from __future__ import annotations

import os
import posix

import pytest

import simclock


class Logged:
    """A simulation, and what was noted in it with the instant."""

    def __init__(self, **options):
        self.sim = simclock.Simulation(**options)
        self.log = []
        self._is_open = False

    def note(self, *what):
        if self._is_open:
            self.log.append((round(self.sim.elapsed, 6), *what))

    def __enter__(self):
        self.sim.__enter__()
        self._is_open = True
        return self

    def __exit__(self, *error):
        # What comes after the result is nobody's business.
        self._is_open = False
        return self.sim.__exit__(*error)


@pytest.fixture
def logged():
    return Logged


@pytest.fixture(autouse=True)
def no_coverage_at_the_end_of_a_process_that_is_none(monkeypatch):
    """Coverage saves its data before an ``os._exit``, under a lock that it would own for ever."""
    monkeypatch.setattr(os, "_exit", posix._exit)
