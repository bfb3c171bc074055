from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "program.py"


@pytest.fixture
def in_child():
    """Return a function that runs ``program.py`` in a process of its own and returns its output."""

    def start(*args, **environment):
        done = subprocess.run(
            [sys.executable, PROGRAM, *map(str, args)],
            env={"PATH": "", **environment},
            capture_output=True,
            text=True,
            timeout=100,
            check=True,
        )
        assert done.stderr == ""
        return done.stdout

    return start
