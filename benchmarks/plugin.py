"""What the pytest plugin costs those who never simulate."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Table, in_turns, median, nanoseconds, ratio

if TYPE_CHECKING:
    from collections.abc import Generator

ROUNDS = 7
TESTS = 1000
TARGET_NS = 20_000_000
# Pytest is there already when it loads the plugin.
IMPORT = """
import pytest, sys, time
began = time.perf_counter_ns()
import pytest_simclock.plugin
print(time.perf_counter_ns() - began)
assert "simclock" not in sys.modules
"""


def import_once() -> float:
    """Return the nanoseconds of the import in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def run_suite(folder: Path, *options: str) -> float:
    """Return the nanoseconds of a whole run of a suite without any simulated test."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"]
    began = time.perf_counter_ns()
    subprocess.run([*command, *options, "."], cwd=folder, capture_output=True, check=True)
    return float(time.perf_counter_ns() - began)


def run() -> Generator[Table, None, None]:
    """Measure the import, and a suite that has no use for the plugin."""
    imports = in_turns(ROUNDS, plugin=import_once)["plugin"]
    table = Table("import of the pytest plugin", "in a fresh process that has imported pytest")
    found = median(imports)
    table.add(
        "import pytest_simclock.plugin",
        nanoseconds(found),
        target="at most 20 ms",
        met=found <= TARGET_NS,
    )
    yield table

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "pytest.ini").write_text("[pytest]\n")
        lines = [f"def test_{number}(): pass" for number in range(TESTS)]
        (folder / "test_nothing.py").write_text("\n".join(lines) + "\n")
        samples = in_turns(
            ROUNDS,
            without=lambda: run_suite(folder, "-p", "no:simclock"),
            with_it=lambda: run_suite(folder),
        )
    table = Table("unmarked tests", f"pytest on {TESTS} empty tests, from start to exit")
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
    yield table
