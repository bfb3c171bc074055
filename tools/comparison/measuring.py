"""Asks each tool, in a process of its own with a time limit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tools.comparison.judging import Sample
    from tools.comparison.wants import Group, Want

ROOT = Path(__file__).resolve().parents[2]
# Each is alone on a CPU most of the time: what takes long are the programs that wait for nothing.
AT_ONCE = 2


def ask(want: Want, tool: str) -> Sample:
    """Return what a tool made of the program, once or twice."""
    sample = take(want, tool, want.how, want.kind)
    if want.how == "twice":
        sample["again"] = take(want, tool, want.how, want.kind)
    if want.how == "again" and sample.get("answer"):
        token = json.dumps(sample["answer"]["token"])
        sample["again"] = take(want, tool, want.how, "replays", token)
    return sample


def take(want: Want, tool: str, how: str, kind: str, *token: str) -> Sample:
    """Run one sample and return what it printed."""
    command = [sys.executable, "-m", "tools.comparison.sample", how, kind, want.probe, tool, *token]
    if tool == "frontrun":  # as its documentation says that it has to be started
        command.insert(0, str(Path(sys.executable).with_name("frontrun")))
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, errors = process.communicate(timeout=want.limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # its children, too
            output, errors = process.communicate()
            lines = output.splitlines()
            # Some end, and cannot leave the process for a thread that still sleeps.
            return read(lines) or {"hangs": True}
    return read(output.splitlines()) or {"error": f"{last(errors)}: exit {process.returncode}"}


def read(lines: list[str]) -> Sample:
    """Return what a sample printed; nothing if it printed none."""
    found: Sample = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    return found


def last(errors: str) -> str:
    """Return the last line of a traceback."""
    lines = [line for line in errors.splitlines() if line and not line.startswith(" ")]
    return lines[-1] if lines else "it said nothing"


def ask_all(groups: Iterable[Group], say: Callable[[str], None]) -> dict[str, dict[str, str]]:
    """Return the cells, by want and tool."""
    pairs = [(want, tool) for group in groups for want in group.wants for tool in group.tools]

    def judge(pair: tuple[Want, str]) -> str:
        want, tool = pair
        cell = want.judge(ask(want, tool))
        say(f"{want.name} {tool}: {cell}")
        return cell

    # Figures are measured alone, last.
    figures = [pair for pair in pairs if pair[0].kind == "costs"]
    others = [pair for pair in pairs if pair[0].kind != "costs"]
    with ThreadPoolExecutor(AT_ONCE) as executor:
        judged = [*executor.map(judge, others), *map(judge, figures)]
    cells: dict[str, dict[str, str]] = {}
    for (want, tool), cell in zip([*others, *figures], judged, strict=True):
        cells.setdefault(want.name, {})[tool] = cell
    return cells
