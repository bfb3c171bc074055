"""The smoke test of a wheel passes here, and tells when something is wrong.

That of a wheel in an empty environment is a step of CI: ``./dev package``.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMOKE = ROOT / "tools" / "smoke"


def smoke(*arguments, tool=SMOKE):
    return subprocess.run(
        [sys.executable, tool, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def copied(tmp_path):
    """Return a copy of the tool, to be spoilt."""
    for path in SMOKE.glob("*.py"):
        (tmp_path / path.name).write_text(path.read_text())
    return tmp_path


def test_it_passes_with_what_is_installed():
    done = smoke("--here")

    assert done.returncode == 0, done.stdout
    assert re.fullmatch(
        r"alone: all well on CPython 3\.\d+\.\S+\nwith pytest: 3 passed in \S+\n", done.stdout
    )


def test_a_simulation_that_is_wrong_fails_it(copied):
    path = copied / "alone.py"
    path.write_text(path.read_text().replace("[3600.0, 7200.0", "[3600.1, 7200.0"))

    done = smoke("--here", tool=copied)

    assert done.returncode == 1
    assert "AssertionError: [3600.0, 7200.0, 10800.0, 14400.0]" in done.stdout


def test_a_failing_test_and_a_missing_one_fail_it(copied):
    path = copied / "test_plugin.py"
    source = path.read_text()

    path.write_text(source.replace("== 60.0", "== 61.0"))
    failing = smoke("--here", tool=copied)
    path.write_text(source.replace("def test_others", "def others"))
    missing = smoke("--here", tool=copied)

    assert failing.returncode == missing.returncode == 1
    assert "1 failed, 2 passed" in failing.stdout
    assert "smoke test: not '3 passed' at the end" in missing.stdout


@pytest.mark.parametrize("arguments", [[], ["--here", "simclock.whl"]])
def test_either_a_wheel_or_here_must_be_given(arguments):
    done = smoke(*arguments)

    assert done.returncode == 2
    assert "give a wheel, or --here" in done.stdout
