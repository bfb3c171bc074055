"""What the pytest plugin costs those who never simulate, and those who do."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Samples, Table, in_turns, median, nanoseconds, ratio

if TYPE_CHECKING:
    from collections.abc import Generator

IMPORTS, ROUNDS = 9, 5
TESTS = 500
TARGET_NS = 20_000_000
FREEZE = """
from freezegun import freeze_time

@pytest.fixture(autouse=True)
def frozen():
    with freeze_time("2000-01-01"):
        yield
"""
# Pytest is there already when it loads the plugin.
IMPORT = """
import pytest, sys, time
began, used = time.perf_counter_ns(), time.process_time_ns()
import pytest_simclock.plugin
print(time.perf_counter_ns() - began, time.process_time_ns() - used)
assert "simclock" not in sys.modules
"""


def import_once() -> tuple[float, ...]:
    """Return the nanoseconds of the import in a fresh process, of real and of CPU time."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True
    )
    return tuple(map(float, done.stdout.split()))


def run_suite(folder: Path, *options: str) -> float:
    """Return the nanoseconds of CPU time of a whole run of a suite."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"]
    began = cpu_of_children()
    subprocess.run([*command, *options, "."], cwd=folder, capture_output=True, check=True)
    return (cpu_of_children() - began) * 1e9


def cpu_of_children() -> float:
    """Return the seconds of CPU time of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run() -> Generator[Table, None, None]:
    """Measure the import, a suite that has no use for the plugin, and one that has.

    Judged by CPU time: on a busy machine most of the real time goes to others.
    """
    yield imported()
    with tempfile.TemporaryDirectory() as scratch:
        plain = write_suite(Path(scratch), "plain", "")
        own = write_suite(Path(scratch), "own", "pytestmark = pytest.mark.simclock")
        frozen = write_suite(Path(scratch), "frozen", FREEZE)
        samples = in_turns(
            ROUNDS,
            without=lambda: run_suite(plain, "-p", "no:simclock"),
            with_it=lambda: run_suite(plain),
            suite=lambda: run_suite(plain, "--simclock"),
            own=lambda: run_suite(own),
            frozen=lambda: run_suite(frozen, "-p", "no:simclock"),
        )
    yield unmarked(samples)
    yield simulated(samples)


def imported() -> Table:
    """Return what the import takes."""
    samples = [import_once() for _ in range(IMPORTS + 1)][1:]
    real, used = map(median, zip(*samples, strict=True))
    table = Table(
        "import of the pytest plugin",
        "import pytest_simclock.plugin, in a fresh process that has imported pytest",
    )
    met = used <= TARGET_NS
    table.add("CPU time", nanoseconds(used), target="at most 20 ms", met=met)
    table.add("real time", nanoseconds(real))
    return table


def write_suite(scratch: Path, name: str, head: str) -> Path:
    """Return a folder with a suite of empty tests below *head*."""
    folder = scratch / name
    folder.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\n")
    lines = ["import pytest", head, *(f"def test_{n}(): pass" for n in range(TESTS))]
    (folder / "test_nothing.py").write_text("\n".join(lines) + "\n")
    return folder


def unmarked(samples: Samples) -> Table:
    """Return what a suite pays that simulates nothing."""
    table = Table("unmarked tests", f"pytest on {TESTS} empty tests, from start to exit; CPU time")
    table.add("plugin switched off", nanoseconds(median(samples["without"])), 1.0)
    found = ratio(samples, "with_it", "without")
    spread = max(samples["without"]) / min(samples["without"])
    table.add(
        "plugin loaded",
        nanoseconds(median(samples["with_it"])),
        found,
        f"nothing measurable (runs without it differ by up to {spread:.2f}x)",
        met=found <= spread,
    )
    return table


def simulated(samples: Samples) -> Table:
    """Return what an empty test pays for being simulated, beside one that freezes the time."""
    extra = {
        name: [(a - b) / TESTS for a, b in zip(samples[name], samples["without"], strict=True)]
        for name in ("frozen", "own", "suite")
    }
    table = Table(
        "simulated empty tests",
        f"what each of {TESTS} empty tests takes more than without any plugin; CPU time",
    )
    table.add("freezegun: freeze_time() around each", nanoseconds(median(extra["frozen"])), 1.0)
    for name, title in (
        ("own", "simclock: a simulation for each"),
        ("suite", "simclock: one for the whole suite"),
    ):
        found = ratio(extra, name, "frozen")
        table.add(
            title,
            nanoseconds(median(extra[name])),
            found,
            "less than freezing the time",
            met=found < 1,
        )
    return table
