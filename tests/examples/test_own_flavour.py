"""The flavour of examples/own_flavour passes its own tests; it uses what anybody may use."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
OWN = ROOT / "examples" / "own_flavour"
LIMIT = 120.0  # real seconds; it takes four


def test_its_tests_pass():
    settings = {"PYTEST_ADDOPTS", "PYTEST_PLUGINS"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "-q"],
        cwd=OWN,
        env={name: value for name, value in os.environ.items() if name not in settings},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    # The suite for flavours and the tests beside it; nothing is left out.
    assert re.fullmatch(r"\d{2} passed in .*", done.stdout.splitlines()[-1])


def test_the_library_knows_nothing_of_simclock():
    assert "simclock" not in (OWN / "tinyloop.py").read_text()


def test_the_plugin_uses_nothing_private_of_simclock():
    tree = ast.parse((OWN / "tinyloop_simclock.py").read_text())
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]

    modules = {node.module for node in nodes if node.module.startswith("simclock")}

    assert modules == {"simclock.flavours", "simclock.lowlevel"}


def test_a_program_that_runs_payloads_loads_no_simulator(child):
    program = """
        import sys

        import tinyloop, tinyloop_simclock

        import simclock
        from simclock import flavours

        simclock.register(tinyloop_simclock)

        async def payload():
            await tinyloop.sleep(0)
            return await flavours.running().in_thread(lambda: "from a thread")

        with flavours.get(tinyloop).start() as runner:
            print(runner.execute(payload))
        print([name for name in sys.modules if name.startswith("simclock._") or "lowlevel" in name])
    """

    assert child(program, PYTHONPATH=str(OWN)) == ["from a thread", "['simclock._lazy']"]


def test_the_page_shows_what_stands_there():
    page = (ROOT / "docs" / "how-to" / "write-a-flavour.md").read_text()
    shown = re.findall(r"^```py\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    texts = [file.read_text() for file in sorted(OWN.glob("*.py"))]

    assert [part for part in shown if not any(part in text for text in texts)] == []
    assert len(shown) == 7
