"""The distributed systems of the examples: their bugs are found, and they know nothing of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
LIMIT = 580.0  # real seconds; each takes one minute or two where nobody else works

systems = pytest.mark.parametrize("name", ["kvstore", "leases"])


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info < (3, 13), reason="it takes minutes: on one Python")
@pytest.mark.hang_limit(600)
@systems
def test_its_tests_pass(name):
    settings = {"PYTEST_ADDOPTS", "PYTEST_PLUGINS"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "-q"],
        cwd=EXAMPLES / name,
        env={name: value for name, value in os.environ.items() if name not in settings},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    # Nothing is left out.
    assert re.fullmatch(r"\d{2} passed in .*", done.stdout.splitlines()[-1])


@systems
def test_the_system_knows_nothing_of_simclock(name):
    sources = [EXAMPLES / name / "pyproject.toml", *(EXAMPLES / name / "src").rglob("*.py")]

    assert [each.name for each in sources if "simclock" in each.read_text()] == []
    assert len(sources) > 5
