"""A simulation with a log of what its processes do, and when."""

from __future__ import annotations

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
