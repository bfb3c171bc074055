"""Runs to look at."""

from __future__ import annotations

import threading
import time

import pytest

import simclock


def deadlock():
    """Two threads take two locks in opposite order."""
    first, second = threading.Lock(), threading.Lock()

    def transfer(one, other):
        with one:
            time.sleep(1)
            with other:
                pass

    together(
        threading.Thread(target=transfer, args=(first, second), name="there"),
        threading.Thread(target=transfer, args=(second, first), name="back"),
    )


def together(*threads):
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.fixture
def run():
    """Return a function that calls another one in a simulation, and returns that and the error."""

    def call(function, **options):
        simulation = simclock.Simulation(**{"timeline": True, **options})
        try:
            with simulation:
                function()
        except Exception as raised:
            return simulation, raised
        return simulation, None

    return call


@pytest.fixture
def deadlocked(run):
    """Return the timeline of a deadlock."""
    simulation, error = run(deadlock)
    return simclock.Timeline(simulation, title="test_bank.py::test", error=error)
