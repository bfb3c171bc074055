"""The results: asked once, and stored, so that all that is written of them agrees."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

from tools.comparison import facts, measuring
from tools.comparison.asked import GROUPS
from tools.comparison.tools import TOOLS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tools.comparison.page import Results

FILE = Path(__file__).with_name("results.json")


def ask(say: Callable[[str], None], names: Sequence[str] = ()) -> Results:
    """Ask all tools, and return what came out.

    With names, only those wants are asked for, and the rest is as it is stored.
    """
    python = f"{platform.python_implementation()} {platform.python_version()}"
    groups = [
        group._replace(wants=tuple(one for one in group.wants if not names or one.name in names))
        for group in GROUPS
    ]
    cells = stored()["cells"] if names else {}
    results = {
        "where": f"{python}, {platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "labels": {tool.name: tool.label for tool in TOOLS},
        "versions": {tool.name: tool.version for tool in TOOLS},
        "facts": {tool.name: facts.facts(tool) for tool in TOOLS},
    }
    return {**results, "cells": {**cells, **measuring.ask_all(groups, say)}}


def store(results: Results) -> None:
    """Write the results to their file."""
    FILE.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def stored() -> Results:
    """Return the results of their file."""
    results: Results = json.loads(FILE.read_text("utf-8"))
    return results
