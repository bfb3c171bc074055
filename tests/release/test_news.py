"""Fragments of news are named so that a release takes them, and it puts them where they belong."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "newsfragments"
CONFIGURATION = (ROOT / "pyproject.toml").read_text()
TYPES = re.findall(r'\{ directory = "(\w+)"', CONFIGURATION)
FRAGMENTS = sorted(path for path in FOLDER.iterdir() if path.name != "README.md")


def test_each_fragment_says_what_it_is_of_and_what_it_is():
    for path in FRAGMENTS:
        assert re.fullmatch(rf"(\d+|\+[\w-]+)\.({'|'.join(TYPES)})(\.\d+)?\.md", path.name), path


def test_a_fragment_is_a_paragraph_without_its_issue():
    for path in FRAGMENTS:
        text = path.read_text()
        assert text[:1].isupper() or text.startswith("`"), path
        assert "\n\n" not in text.strip(), path
        assert not re.search(r"\bissue \d|#\d", text), path


def test_the_page_names_each_type_of_the_configuration():
    assert (
        re.findall(r"^\| `17\.(\w+)\.md`", (FOLDER / "README.md").read_text(), re.MULTILINE)
        == TYPES
    )


def test_a_release_puts_its_news_below_what_is_unreleased(tmp_path):
    pytest.importorskip("towncrier")
    for name in ("pyproject.toml", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path)
    news = tmp_path / "newsfragments"
    news.mkdir()
    (news / "17.fixed.md").write_text("A wait of no time ends.\n")
    (news / "+words.added.md").write_text("`simclock.travel`.\n")

    subprocess.run(
        [sys.executable, "-m", "towncrier", "build", "--keep", "--version", "9.0.0",
         "--date", "2030-01-02"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip

    before = (ROOT / "CHANGELOG.md").read_text()
    begin = before.index("<!-- releases")
    after = (tmp_path / "CHANGELOG.md").read_text()
    assert after[:begin] == before[:begin]
    assert after[begin:].splitlines()[2:11] == [
        "## [9.0.0] - 2030-01-02",
        "",
        "### Added",
        "",
        "- `simclock.travel`.",
        "",
        "### Fixed",
        "",
        "- A wait of no time ends. (issue 17)",
    ]
