"""How each tool runs a suite that is there, by an option or a hook; answers are pytest's words.

Plugins that are installed for other tools are left out: some change each test by being there.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.comparison.probes import suites

HOOK = """
import async_solipsism


def pytest_asyncio_loop_factories(config, item):
    return {"async_solipsism": async_solipsism.EventLoop}
"""


def simclock(suite: str) -> str:
    """Run it with its option."""
    return outcome(suite, "simclock", options=("--simclock",))


def looptime(suite: str) -> str:
    """Run it with its option."""
    plugins = ("looptime_plugin", "looptime_chronometers", "looptime_timeproxies")
    return outcome(suite, *plugins, options=("--looptime",))


def async_solipsism(suite: str) -> str:
    """Run it with the hook that its documentation shows."""
    return outcome(suite, conftest=HOOK)


def outcome(suite: str, *plugins: str, options: tuple[str, ...] = (), conftest: str = "") -> str:
    """Return the last words of pytest."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_it.py").write_text(getattr(suites, suite), encoding="utf-8")
        Path(folder, "conftest.py").write_text(conftest, encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", *options]
        command += [part for name in ("asyncio", *plugins) for part in ("-p", name)]
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    last = done.stdout.strip().splitlines()[-1]
    return re.sub(r" in [\d.]+s.*", "", last)
