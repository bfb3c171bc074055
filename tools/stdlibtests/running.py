"""Take one module of the tests through child processes, until each test has an outcome."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tools.stdlibtests.listed import Listed

CHILD = Path(__file__).with_name("child.py")
LONGEST_MODULE_S = 900
# They are for the other system's loop.
NOT_HERE = frozenset({"test_proactor_events", "test_windows_events", "test_windows_utils"})


@dataclass(frozen=True)
class Outcome:
    """What came of one test.

    Attributes:
        outcome: ``passed``, ``skipped``, ``failed``, ``hung`` or ``crashed``.
        why: A traceback, or the reason of a skip.
        seconds: How long it took, in real time.
    """

    test: str
    outcome: str
    why: str = ""
    seconds: float = 0.0


def find_modules() -> list[str]:
    """Return the modules of ``test.test_asyncio``: none where Python came without its tests."""
    try:
        package = importlib.util.find_spec("test.test_asyncio")
    except ModuleNotFoundError:
        return []
    if package is None or package.origin is None:
        return []
    found = {path.stem for path in Path(package.origin).parent.glob("test_*.py")}
    return sorted(found - NOT_HERE)


def run_module(
    module: str, world: str, chosen: list[str], listed: Iterable[Listed] = ()
) -> list[Outcome]:
    """Run a module's tests, or the *chosen* ones; go on in a new process after a crash.

    Those that are *listed* as hanging are not run.
    """
    done = {entry.test: Outcome(entry.test, "hung", entry.why) for entry in listed if entry.hangs}
    while True:
        if chosen:
            names = [name for name in chosen if name not in done]
            if not names:
                break
        else:
            names = ["-", *done] if done else []
        outcomes, complete = _run_child(module, world, names)
        done |= {outcome.test: outcome for outcome in outcomes}
        if complete:
            break
    return list(done.values())


def _run_child(module: str, world: str, names: list[str]) -> tuple[list[Outcome], bool]:
    """Return what one process reported, and whether it got to its end."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        folder, report = Path(scratch, "here"), Path(scratch, "report")
        folder.mkdir()
        report.touch()
        try:
            done = subprocess.run(  # noqa: S603 - this Python, and a script of ours
                [sys.executable, str(CHILD), world, module, str(report), *names],
                cwd=folder,  # the tests leave files where they are started
                env={k: v for k, v in os.environ.items() if not k.startswith("PYTHON")},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=LONGEST_MODULE_S,
                check=False,
            )
            said, status = done.stdout, done.returncode
        except subprocess.TimeoutExpired as hung:
            said, status = (hung.stdout or b"").decode(errors="replace"), None
        return read_report(report, module, said, status)


def read_report(
    report: Path, module: str, said: str, status: int | None
) -> tuple[list[Outcome], bool]:
    """Return the outcomes of a report; a test that only began, and what ended it, is one more."""
    begun: list[str] = []
    outcomes: dict[str, Outcome] = {}
    for line in report.read_text(encoding="utf-8").splitlines():
        read = json.loads(line)
        if "outcome" in read:
            outcomes[read["test"]] = Outcome(**read)
        else:
            begun.append(read["test"])
    rest = [name for name in begun if name not in outcomes]
    hung = status is None or "Timeout (" in said
    evidence = f"exit status {status}\n{said[-6000:]}"
    for name in rest:
        outcomes[name] = Outcome(name, "hung" if hung else "crashed", evidence)
    if status != 0 and not rest:
        outcomes[module] = Outcome(module, "crashed", evidence)
    return list(outcomes.values()), not rest
