"""What is installed is what ``pyproject.toml`` promises, and the pages say the same."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
INSTALLED = importlib.metadata.metadata("simclock")
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "tests" / "README.md"]
CODE = [
    path
    for folder in ("src", "pytest_simclock")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in {".py", ".pyi", ".c", ".h"}
]


def requirements(extra: str | None = None) -> set[str]:
    """Return the names that *extra* (or the core, without one) needs on any supported Python."""
    found = map(Requirement, INSTALLED.get_all("Requires-Dist") or [])
    return {
        one.name
        for one in found
        if (f"extra == '{extra}'" if extra else "") in str(one.marker or "").replace('"', "'")
        and bool(extra) == ("extra" in str(one.marker or ""))
    }


def test_the_core_needs_two_distributions_and_backports():
    assert requirements() - {"exceptiongroup", "typing-extensions"} == {"pluggy", "time-machine"}


def test_extras():
    extras = set(INSTALLED.get_all("Provides-Extra") or [])

    assert extras == {"pytest", "trio", "freezegun", "hypothesis", "redis", "systems", "all"}


def test_all_is_everything():
    own = {
        Requirement(one)
        for one in INSTALLED.get_all("Requires-Dist") or []
        if one.startswith("simclock[")
    }
    named = {extra for one in own for extra in one.extras}

    assert named == set(INSTALLED.get_all("Provides-Extra") or []) - {"all"}


def test_supported_pythons():
    prefix = "Programming Language :: Python :: 3."
    classified = [one for one in INSTALLED.get_all("Classifier") or [] if one.startswith(prefix)]

    assert INSTALLED["Requires-Python"] == ">=3.10"
    assert [one.rpartition(".")[2] for one in classified] == ["10", "11", "12", "13"]


def test_licence():
    assert INSTALLED["License-Expression"] == "MIT"
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")


def test_pytest_finds_the_plugin():
    (found,) = (
        one
        for one in importlib.metadata.entry_points(group="pytest11")
        if one.value.startswith("pytest_simclock")
    )

    assert (found.name, found.value) == ("simclock", "pytest_simclock.plugin")


@pytest.mark.parametrize("package", ["simclock", "pytest_simclock"])
def test_types_are_shipped(package):
    spec = importlib.util.find_spec(package)

    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).with_name("py.typed").exists()


def test_the_extension_is_compiled():
    spec = importlib.util.find_spec("simclock._boundary._native")

    assert spec is not None
    assert spec.origin is not None
    assert not spec.origin.endswith(".py")
    assert Path(spec.origin).with_name("_native.pyi").exists()


def test_pytest_starts_without_importing_simclock():
    program = "import sys, pytest_simclock.plugin; print(*sorted(sys.modules), sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert "pytest_simclock.plugin" in done.stdout.split()
    assert "simclock" not in done.stdout.split()
    assert "time_machine" not in done.stdout.split()


def test_the_changelog_has_a_place_for_what_comes_next():
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert headings[0] == "[Unreleased]"


def test_the_readme_has_the_two_commands_and_they_exist():
    readme = (ROOT / "README.md").read_text()
    commands = re.findall(r"^    (\./dev \w+)", readme, re.MULTILINE)
    known = subprocess.run(
        [ROOT / "dev", "help"], capture_output=True, text=True, check=True
    ).stdout

    assert commands == ["./dev demo", "./dev test"]
    for command in commands:
        assert f"  {command.split()[1]} " in known


def test_the_pages_name_commands_that_there_are(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))  # `python -m` begins where it stands
    known = subprocess.run(
        [ROOT / "dev", "help"], capture_output=True, text=True, check=True
    ).stdout
    pages = "\n".join(page.read_text() for page in PAGES if "decisions" not in page.parts)

    commands = set(re.findall(r"\./dev ([a-z]+)", pages))
    assert commands - set(re.findall(r"^  (\w+)\b", known, re.MULTILINE)) == set()
    modules = set(re.findall(r"python -m (?:pydoc )?([a-z_]+(?:\.\w+)*)", pages))
    assert [name for name in sorted(modules) if importlib.util.find_spec(name) is None] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_inside_the_project_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_index_names_every_page():
    index = (ROOT / "docs" / "index.md").read_text()
    pages = {
        str(path.relative_to(ROOT / "docs"))
        for folder in ("tutorial", "how-to", "reference", "explanation", "decisions")
        for path in (ROOT / "docs" / folder).glob("*.md")
        # These are listed by their own first page.
        if not re.match(r"\d{4}-", path.name)
    }

    assert pages - set(re.findall(r"\]\(([^)#]+)", index)) == set()


def test_the_decisions_are_listed():
    page = (ROOT / "docs" / "decisions" / "README.md").read_text()

    for path in (ROOT / "docs" / "decisions").glob("0*.md"):
        assert f"({path.name})" in page


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_exception_to_coverage_has_a_reason(path):
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if "pragma: no" in line:
            pragma = re.search(r"# pragma: no (cover|branch) - \w.{5,}", line)
            assert pragma, f"line {number}: write `# pragma: no cover - <reason>`"


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_todo_has_an_issue(path):
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if re.search(r"\b(TODO|FIXME|XXX)\b", line):
            assert re.search(r"TODO\(#\d+\): \S", line), f"line {number}: write `TODO(#n): ...`"


def test_every_lint_rule_that_is_off_has_a_reason():
    lint = (ROOT / "pyproject.toml").read_text().partition("[tool.ruff.lint]")[2]
    rules = re.findall(r'^ +"[A-Z]+\d*",.*$', lint, re.MULTILINE)

    assert len(rules) > 20
    assert [line for line in rules if not re.search(r"# \S.{5,}", line)] == []
    assert 'select = ["ALL"]' in lint
