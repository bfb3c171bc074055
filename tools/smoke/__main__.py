"""Try a built wheel in an environment that has nothing else, first without pytest, then with it.

``python tools/smoke dist/simclock-*.whl`` makes the environment; ``--here`` takes the Python that
runs this, in which simclock is installed already. It imports nothing but the standard library.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

FOLDER = Path(__file__).parent
# What the tests of the plugin print at the end, but for how long they took.
EXPECTED = "3 passed"
LIMIT = 120


def run(*command, folder):
    """Run *command* in *folder* and return what it has printed; raise `SystemExit` if it fails."""
    # Not those of who runs this: of Python, of pytest, of pip's target folder.
    kept = ("PYTHON", "PYTEST_", "PIP_TARGET", "COVERAGE_")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(kept)}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"smoke test: this has failed: {command[0]} ...\n{done.stdout}")
    return done.stdout


def try_alone(python, folder):
    """Run a simulation and check it, without pytest."""
    print(run(python, "-I", FOLDER / "alone.py", folder=folder), end="")


def try_plugin(python, folder):
    """Run tests, with the plugin as it is found by itself."""
    # A copy: no configuration or conftest.py of the checkout is to be found from there.
    shutil.copy(FOLDER / "test_plugin.py", folder)
    command = [python, "-I", "-m", "pytest", "-W", "error", "-p", "no:cacheprovider", "-q"]
    shown = run(*command, "test_plugin.py", folder=folder)
    if not re.search(rf"^{EXPECTED} in ", shown, re.MULTILINE):
        raise SystemExit(f"smoke test: not {EXPECTED!r} at the end\n{shown}")
    print("with pytest:", shown.splitlines()[-1])


def try_wheel(wheel, folder):
    """Try *wheel* in a new environment below *folder*."""
    home = folder / "venv"
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # Binaries only: what is tried is what somebody without a compiler gets.
    run(*pip, "--only-binary", ":all:", wheel, folder=folder)
    absent = "import importlib.util, sys; sys.exit(importlib.util.find_spec('pytest') is not None)"
    run(python, "-I", "-c", absent, folder=folder)
    try_alone(python, folder)
    run(*pip, "--only-binary", ":all:", f"{wheel}[pytest]", folder=folder)
    try_plugin(python, folder)


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="tools/smoke", description=__doc__.partition("\n")[0])
    parser.add_argument("wheel", nargs="?", type=Path)
    parser.add_argument("--here", action="store_true", help="no wheel: what is installed already")
    arguments = parser.parse_args()
    if arguments.here == bool(arguments.wheel):
        parser.error("give a wheel, or --here")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        if arguments.here:
            try_alone(sys.executable, folder)
            try_plugin(sys.executable, folder)
        else:
            try_wheel(arguments.wheel.resolve(strict=True), folder)


if __name__ == "__main__":
    main()
