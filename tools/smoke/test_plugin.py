"""What a first suite may have: the marker, the fixture, and nothing of either."""

from __future__ import annotations

import time

import pytest


@pytest.mark.simclock
def test_the_marker_simulates():
    began = time.monotonic()
    time.sleep(3600)

    assert time.monotonic() - began == 3600.0


def test_the_fixture_does(sim):
    time.sleep(60)

    assert sim.elapsed == 60.0


def test_others_run_in_real_time():
    began = time.monotonic()
    time.sleep(0.01)

    assert 0.01 <= time.monotonic() - began < 60
