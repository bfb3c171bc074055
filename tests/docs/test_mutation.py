"""The page of surviving mutants says what was kept of the last campaign, with a reason for each."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tool():
    """The modules that write the page."""
    sys.path.insert(0, str(ROOT))
    try:
        from tools.mutation import page, results

        return page, results
    finally:
        sys.path.remove(str(ROOT))


def test_the_page_is_current(tool):
    page, results = tool
    made = page.markdown(results.read_results(), results.read_explained())

    assert page.PAGE.read_text("utf-8") == made, "run: ./dev mutation --page"


def test_each_surviving_mutant_is_explained(tool):
    page, results = tool

    assert page.unexplained(results.read_results()) == []


def test_nothing_is_explained_that_was_killed(tool):
    _, results = tool
    survivors = {one.key for one in results.read_results().survivors()}

    assert results.read_explained().keys() - survivors == set()


def test_the_code_that_survivors_change_is_still_there(tool):
    """An edit of the line asks for its mutants to be tried again."""
    _, results = tool
    gone = []
    for one in results.read_results().survivors():
        source = (ROOT / "src" / "simclock" / one.path).read_text("utf-8")
        if " ".join(one.before.split()) not in " ".join(source.split()):
            gone.append(one.key)

    assert gone == []
