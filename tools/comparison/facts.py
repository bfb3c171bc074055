"""What packages say of themselves, and what pip finds for other platforms."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet

if TYPE_CHECKING:
    from tools.comparison.tools import Tool

ROOT = Path(__file__).resolve().parents[2]
SPEED = ROOT / "docs" / "reference" / "rivals.md"
LINUX = tuple(f"--platform=manylinux_2_{minor}_x86_64" for minor in (39, 28, 17))
# What pip is asked to install for, by the title of the line: a version, and what else.
PLATFORMS = {
    "installs on Windows": ("3.13", "--platform=win_amd64"),
    "installs on macOS": ("3.13", "--platform=macosx_14_0_arm64"),
    "installs on PyPy 3.11": ("3.11", "--implementation=pp", "--abi=pypy311_pp73", *LINUX),
    "installs on CPython 3.14": ("3.14", *LINUX),
    "installs on free-threaded CPython 3.14": (
        "3.14",
        "--implementation=cp",
        "--abi=cp314t",
        *LINUX,
    ),
}
MATURITY = "stage, by its classifier"
TITLES = (
    "pure Python: needs no compiler, no wheel of its own",
    *PLATFORMS,
    "Python",
    MATURITY,
    "licence",
    "a small test, runs a second ([how](rivals.md#a-small-test))",
)


def facts(tool: Tool) -> list[str]:
    """Return the cells of a tool, one for each title."""
    said = importlib.metadata.metadata(tool.distribution)
    classifiers = said.get_all("Classifier") or []
    stages = [one.partition(" - ")[2] for one in classifiers if one.startswith("Development")]
    return [
        "yes" if is_pure(tool) else "no",
        *(installs(tool, *options) for options in PLATFORMS.values()),
        str(said["Requires-Python"]),
        stages[0] if stages else "none given",
        said["License-Expression"] or said["License"],
        speed(tool),
    ]


def is_pure(tool: Tool) -> bool:
    """Return whether nothing in it is compiled, by its wheel."""
    wheel = importlib.metadata.distribution(tool.distribution).read_text("WHEEL") or ""
    return "Root-Is-Purelib: true" in wheel


def installs(tool: Tool, version: str, *options: str) -> str:
    """Return whether there is a wheel of the version that is compared; nothing is installed.

    A pure one fits wherever the Python does; for the others pip is asked.
    """
    if tool.name == "simclock":
        return "no: refused"  # by name, see docs/reference/platforms.md; there is no wheel yet
    if is_pure(tool):
        wanted = SpecifierSet(importlib.metadata.metadata(tool.distribution)["Requires-Python"])
        return "yes" if wanted.contains(f"{version}.99") else "no"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--quiet"]
        command += ["--only-binary=:all:", f"--target={folder}", f"--python-version={version}"]
        done = subprocess.run(
            [*command, *options, f"{tool.distribution}=={tool.version}"],
            capture_output=True,
            text=True,
            check=False,
        )
    return "no" if done.returncode else "yes"


def speed(tool: Tool) -> str:
    """Return the figure of the page about speed."""
    table = SPEED.read_text("utf-8").partition("## A small test\n")[2].partition("\n## ")[0]
    found = re.search(rf"^\| {re.escape(tool.speed)} \| ([\d,]+) \|", table, re.MULTILINE)
    return found[1] if found and tool.speed else "–"  # noqa: RUF001 - a dash where there is nothing to say
