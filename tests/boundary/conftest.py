"""What the tests of the boundary share."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

LIMIT = 60.0  # real seconds after which a child process is taken for hung


@pytest.fixture
def child():
    """Run a program in a process of its own; return its standard output, line by line."""

    def run(program: str, *flags: str, returncode: int = 0, **environment: str) -> list[str]:
        import os

        done = subprocess.run(
            [sys.executable, *flags, "-c", textwrap.dedent(program)],
            capture_output=True,
            text=True,
            timeout=LIMIT,
            env={**os.environ, **environment},
            check=False,
        )
        assert (done.returncode, done.stderr) == (returncode, "")
        return done.stdout.splitlines()

    return run
