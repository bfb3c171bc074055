"""The baton: one simulated thread hands over to another."""

from __future__ import annotations

import _thread
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import simclock
from benchmarks.measure import Stopwatch, Table, in_turns, median, nanoseconds, ratio

if TYPE_CHECKING:
    from collections.abc import Generator

ROUNDS = 9
TURNS = 2000
TARGET = 1.5


def hand_to_and_fro() -> float:
    """Return real nanoseconds per switch of two threads that wait for each other's lock."""
    mine, other, done = (_thread.allocate_lock() for _ in range(3))
    for lock in (mine, other, done):
        lock.acquire()

    def peer() -> None:
        for _ in range(TURNS):
            other.acquire()
            mine.release()
        done.release()

    def play() -> None:
        for _ in range(TURNS):
            other.release()
            mine.acquire()

    _thread.start_new_thread(peer, ())
    taken = Stopwatch().time(play)
    done.acquire()
    return taken / (2 * TURNS)


def sample() -> dict[str, list[float]]:
    """Sample the same program for real and in a simulation."""
    return in_turns(ROUNDS, real=hand_to_and_fro, simulated=lambda: simclock.run(hand_to_and_fro))


def sample_on_one_cpu() -> dict[str, list[float]]:
    """Do that in a child process which has one CPU only."""
    program = (
        "import os, json; os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})\n"
        "from benchmarks import switching; print(json.dumps(switching.sample()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    samples: dict[str, list[float]] = json.loads(done.stdout)
    return samples


def run() -> Generator[Table, None, None]:
    """Compare the hand-over with the raw one of two locks."""
    method = (
        "two threads, two plain locks; each turn releases one and acquires the other; per switch"
    )
    for title, samples in (
        ("thread switch", sample()),
        ("thread switch, process bound to one CPU", sample_on_one_cpu()),
    ):
        table = Table(title, method)
        table.add("raw lock hand-off", nanoseconds(median(samples["real"])), 1.0)
        found = ratio(samples, "simulated", "real")
        table.add(
            "in a simulation",
            nanoseconds(median(samples["simulated"])),
            found,
            f"at most {TARGET}x",
            met=found <= TARGET,
        )
        yield table
