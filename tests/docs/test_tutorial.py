"""Who follows the tutorial, or a page with commands, to the letter sees what it shows.

Each page of the tutorial is followed in a folder that has the files of those
before, other pages in an empty one: a block of Python is a file, if its name is
in its first line; a block of a console is a command and what it prints.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("tutorial/*.md"))
OTHERS = [
    page
    for page in [ROOT / "README.md", *sorted(DOCS.glob("*/*.md"))]
    if page not in PAGES and "```console" in page.read_text()
]
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HOME = "/home/you"
TOKEN = re.compile(r"\bs1\.[\w-]+")
# What differs from one run to the next, or from one machine to the next.
VARIES = (
    (TOKEN, "s1.TOKEN"),
    (re.compile(r"\d+\.\d+ ?s\b"), "0.00s"),
    # On a busy machine Hypothesis gives up shrinking the schedule sooner.
    (re.compile(r"Deviations\(\(.*\)\)"), "Deviations(...)"),
    (re.compile(r"={3,}|-{5,}|_{3,}"), "==="),
)
# How many runs and choices it took is shown for one version of Python.
SHOWN = (3, 13)
COUNTS = re.compile(r"\d+(?= of at most| of them| choice| to \d in| runs| steps)|(?<=run )\d+")


def normal(text):
    for varies, instead in VARIES:
        text = varies.sub(instead, text)
    return text if sys.version_info[:2] == SHOWN else COUNTS.sub("N", text)


def lines_of(text):
    return [line.rstrip() for line in normal(text).splitlines()]


def not_printed(shown, printed):
    """Return the first lines of *shown* that *printed* has not, there: ``...`` is any lines."""
    left, anywhere = lines_of(printed), False
    for chunk in re.split(r"^\.\.\.\n", shown, flags=re.MULTILINE):
        wanted = lines_of(chunk)
        places = range(len(left) - len(wanted) + 1) if anywhere else [0]
        found = [place for place in places if left[place : place + len(wanted)] == wanted]
        if not found:
            return chunk
        left, anywhere = left[found[0] + len(wanted) :], True
    # Without dots at the end it ends there.
    return "the end" if wanted and left else None


class Follower:
    """Somebody who does what the pages say, in an empty folder."""

    def __init__(self, folder):
        self.folder = folder
        self.shown = self.printed = ""

    def write(self, code):
        if name := re.match(r"# (\w+\.py)\n", code):
            (self.folder / name[1]).write_text(code)

    def run(self, command, shown):
        # Schedules are not the same on each Python: the token is copied from the own screen.
        tokens = zip(TOKEN.findall(self.shown), TOKEN.findall(self.printed), strict=False)
        for copied, own in tokens:
            command = command.replace(copied, own)
        name, *arguments = shlex.split(command)
        assert name == "pytest"
        done = subprocess.run(
            [sys.executable, "-m", name, *arguments],
            check=False,  # tests that fail are shown, too
            cwd=self.folder,
            env={key: os.environ[key] for key in os.environ if not key.startswith("PYTEST")},
            capture_output=True,
            text=True,
            timeout=300,
        )
        self.shown, self.printed = shown, done.stdout.replace(str(self.folder), HOME)
        missing = not_printed(shown, self.printed)
        assert not missing, f"{command}\nnot there:\n{missing}\nprinted:\n{self.printed}"


@pytest.mark.slow
@pytest.mark.hang_limit(400)
@pytest.mark.parametrize("page", PAGES + OTHERS, ids=lambda page: page.stem)
def test_the_page_can_be_followed(tmp_path, monkeypatch, page):
    if page in OTHERS and sys.version_info[:2] != SHOWN:
        pytest.skip("it shows how a run goes on one version of Python, step by step")
    monkeypatch.delenv("COLUMNS", raising=False)
    follower = Follower(tmp_path)
    before = PAGES[: PAGES.index(page)] if page in PAGES else []
    for each in [*before, page]:
        for kind, text in BLOCK.findall(each.read_text()):
            if kind == "python":
                follower.write(text)
            elif each is page:
                command, _, shown = text.removeprefix("$ ").partition("\n")
                follower.run(command, shown)
