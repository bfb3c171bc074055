"""The tables beside other tools are those of the stored results, and simclock still does what they say."""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
AGAIN = "run: ./dev compare --again"
sys.path.insert(0, str(ROOT))
try:
    from tools.comparison import facts, page, storing
    from tools.comparison.asked import GROUPS
    from tools.comparison.tools import BY_NAME, TOOLS
finally:
    sys.path.remove(str(ROOT))

RESULTS = storing.stored()
# What ends well, fast, and in this process; `./dev compare` asks for the rest.
HERE = ("threads", "coroutines", "trios", "walls")
CLAIMED = [
    want
    for group in GROUPS
    for want in group.wants
    if want.kind in HERE
    and want.how == "once"
    and want.judge_name in ("equals", "real")
    and RESULTS["cells"][want.name]["simclock"] == "yes"
]


def test_the_page_is_that_of_the_results():
    path = ROOT / "docs" / "reference" / "comparison.md"

    assert path.read_text("utf-8") == page.page(RESULTS), AGAIN


def test_the_readme_has_the_table_of_the_results():
    assert page.short(RESULTS) in (ROOT / "README.md").read_text("utf-8"), AGAIN


def test_each_tool_that_is_asked_has_its_cell():
    asked = {want.name: {*group.tools} for group in GROUPS for want in group.wants}

    assert {name: {*cells} for name, cells in RESULTS["cells"].items()} == asked
    assert {*RESULTS["facts"]} == {*RESULTS["versions"]} == {*BY_NAME}


def test_the_speeds_are_those_of_the_page_about_speed():
    for tool in TOOLS:
        assert RESULTS["facts"][tool.name][-1] == facts.speed(tool), "run: ./dev compare"


def test_there_are_lines_that_others_win():
    lost = [name for name, cells in RESULTS["cells"].items() if cells["simclock"].startswith("no")]

    assert lost
    assert RESULTS["facts"]["simclock"][0] == "no"


@pytest.mark.parametrize("want", CLAIMED, ids=lambda want: f"{want.kind}-{want.probe}")
def test_simclock_does_what_the_table_says(want, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    program = getattr(importlib.import_module(f"tools.comparison.probes.{want.kind}"), want.probe)
    under = importlib.import_module(f"tools.comparison.under.{want.kind}")

    answer = under.simclock(program if inspect.iscoroutinefunction(program) else program())

    assert want.judge({"answer": answer}) == "yes"
