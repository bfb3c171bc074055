"""Threads, asyncio and trio of one process are client and server of each other."""

from __future__ import annotations

import importlib.util
import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "echoes.py"
KINDS = ("threads", "asyncio", "trio")
PAIRINGS = list(itertools.product(KINDS, KINDS))


@pytest.fixture(scope="module")
def echoes():
    """Tests are not packages, so ``echoes.py`` is loaded by its path."""
    spec = importlib.util.spec_from_file_location("socket_echoes", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("server", "client"), PAIRINGS)
def test_a_hundred_echoes_take_no_virtual_time_and_never_time_out(echoes, server, client):
    outcomes = [echoes.outcome(server, client) for _ in range(3)]

    times, numbers = zip(*outcomes[0][1], strict=True)
    assert numbers == tuple(range(100))
    # Loops read the clock often, and every thousand readings take a microsecond.
    assert 0 == times[0] <= times[-1] <= 10_000
    assert outcomes[1:] == outcomes[:1] * 2


@pytest.mark.parametrize(("server", "client"), PAIRINGS)
def test_a_hundred_slow_echoes_take_what_their_server_sleeps(echoes, server, client):
    outcomes = [echoes.outcome(server, client, delay=4.75) for _ in range(2)]

    assert outcomes[0][1] == [(4_750_000_000 * (n + 1), n) for n in range(100)]
    assert outcomes[1] == outcomes[0]


def test_all_pairings_have_the_same_traces_in_other_processes():
    found = {
        subprocess.run(
            [sys.executable, PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            timeout=100,
            check=True,
        ).stdout
        for seed in ("0", "1", "12345")
    }

    [output] = found
    assert len(output.splitlines()) == 2 * len(PAIRINGS)
