"""The pages that are made of the code are current."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "reference"


@pytest.fixture(scope="module")
def made():
    """What ``./dev reference`` would write now, by the names of the files."""
    sys.path.insert(0, str(ROOT))
    try:
        from tools.reference import names, pages

        return {"pages": pages.pages(), "names": names.pages()}
    finally:
        sys.path.remove(str(ROOT))


@pytest.mark.parametrize("name", ["options", "fixtures", "hooks", "errors"])
def test_the_page_is_current(made, name):
    path = FOLDER / f"{name}.md"

    assert path.read_text("utf-8") == made["pages"][path.name], "run: ./dev reference"


def test_no_page_is_forgotten(made):
    assert {f"{name}.md" for name in ("options", "fixtures", "hooks", "errors")} == {*made["pages"]}


def test_each_public_class_and_function_has_words(made):
    for name, text in made["names"].items():
        for part in text.split("\n## ")[1:]:
            heading, _, words = part.partition("```py\n")
            constant = words.startswith(heading.split("`")[1] + " = ")
            assert constant or part.rpartition("```")[2].strip(), f"{name}: {heading}"


def test_pages_name_options_that_there_are(made):
    pages = [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
    named = {
        option
        for page in pages
        for option in re.findall(r"--(?:no-)?simclock(?:-[a-z]+)*", page.read_text("utf-8"))
    }

    assert named - set(re.findall(r"`(--[a-z-]+)", made["pages"]["options.md"])) == set()
