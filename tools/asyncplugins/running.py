"""One run of the suite ``tests/asyncplugins`` in an environment."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tools.asyncplugins.making import CannotRunError

ROOT = Path(__file__).resolve().parents[2]
SUITE = ("tests/asyncplugins", "tests/plugin/test_async_plugins.py")
# The suite starts sessions of its own, in which the plugins are. The session that does so is not
# about them, and its pytest may be older than the one that the checkout's settings ask for.
OUTER = (
    *("-p", "no:asyncio", "-p", "no:trio", "-p", "no:anyio", "-p", "no:cacheprovider", "-n2"),
    *("-c", "tools/asyncplugins/pytest.ini", "--rootdir=.", "--confcutdir=."),
)
# For a run that hangs, not for a slow machine.
LONGEST_RUN_S = 1800


@dataclass(frozen=True)
class Run:
    """What came of a run.

    Attributes:
        output: What pytest printed.
        closing: The last line of it.
        is_good: Whether tests were run and none failed.
    """

    output: str
    closing: str
    is_good: bool


def run_suite(folder: Path, arguments: list[str]) -> Run:
    """Run the suite in the environment in *folder*; *arguments* are for pytest."""
    # Not `python -m pytest`: that would import the plugin from the checkout, installed or not.
    command = [str(folder / "bin" / "pytest"), *OUTER, *arguments]
    files = [path for path in SUITE if (ROOT / path).exists()]
    settings = {"PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTHONPATH"}
    try:
        done = subprocess.run(
            [*command, *files],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name not in settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=LONGEST_RUN_S,
            check=False,
        )
    except subprocess.TimeoutExpired as hung:
        raise CannotRunError(
            f"pytest did not end within {LONGEST_RUN_S} s: {' '.join(command)}\n"
            "run it by hand with pytest's -v to see in which test it hangs"
        ) from hung
    closing = (done.stdout.strip().splitlines() or [""])[-1]
    # A suite that skips itself as a whole has shown nothing.
    passed = re.search(r"\b[1-9]\d* passed\b", closing)
    return Run(done.stdout, closing, done.returncode == 0 and passed is not None)
