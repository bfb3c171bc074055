"""The page of the benchmarks: made of their tables, and about what is measured now."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def benchmarks(modules_of):
    """The modules that measure, and make the page."""
    return modules_of("benchmarks", "measure", "page", "schedules", "subjects")


@pytest.fixture
def committed(benchmarks):
    return (ROOT / benchmarks.page.PAGE).read_text("utf-8")


# ------------------------------------------------------------------ the page that is there


def test_each_subject_has_its_section_with_its_tables(benchmarks, committed):
    expected = []
    for name, subject in benchmarks.subjects.SUBJECTS.items():
        expected += [f"## {subject.title}", f"./dev bench {name}"]
        expected += [f"### {benchmarks.page.sentence(title)}" for title in subject.tables]

    found = re.findall(r"^(?:#{2,3} .*|`\./dev bench \w+`)$", committed, re.MULTILINE)

    assert [each.strip("`") for each in found] == ["## Targets", "## How it is measured", *expected]


def test_what_is_said_of_the_subjects_is_what_the_code_says(benchmarks, committed):
    words = " ".join(committed.split())
    texts = [one.about for one in benchmarks.subjects.SUBJECTS.values()]

    said = [benchmarks.page.HEAD, benchmarks.page.METHOD, *texts]

    assert [text for text in said if " ".join(text.split()) not in words] == []


def test_each_target_that_is_missed_has_a_page_that_says_why(benchmarks, committed):
    _, _, targets = committed.partition("## Targets\n")
    bullets = re.findall(r"^- .*", targets.partition("\n## ")[0], re.MULTILINE)

    assert len(bullets) >= committed.count(": missed |")
    for bullet in bullets:
        assert (link := re.search(r" \(\[(?:why|elsewhere)\]\(([^)#]+)", bullet)), bullet
        assert (ROOT / benchmarks.page.PAGE).parent.joinpath(link[1]).is_file(), bullet


# --------------------------------------------------------------------------- how it is made


@pytest.fixture
def made(benchmarks):
    """A page of three made-up tables, less what does not depend on them."""
    table, subject = benchmarks.measure.Table, benchmarks.subjects.Subject
    steps = table("steps, one by one", "two steps; each")
    steps.add("by hand", "1 us", 1.0)
    steps.add("simulated", "3 us", 3.0, "at most 2x", met=False, note="a|b")
    size = table("size", "once")
    size.add("all of it", "2 MiB", target="at most 3 MiB", met=True)
    speed = table("speed", "as fast as it goes")
    speed.add("first", "5/s", target="twice the other's", note="odd")
    speed.add("second", "6/s", target="twice the other's")
    subjects = {
        "steps": subject("Steps", "What they take.", (), list, why="steps.md#why"),
        "rest": subject("The rest", "together " * 12, (), list, why="rest.md"),
    }
    text = benchmarks.page.write({"steps": [steps], "rest": [size, speed]}, subjects, "a machine.")
    head, method = benchmarks.page.HEAD, benchmarks.page.METHOD
    assert text.startswith(f"{head}\n## Targets\n")
    return text.removeprefix(f"{head}\n").replace(f"{method}\n", "(method)\n\n")


def test_a_page_to_the_letter(made):
    assert made == (
        "## Targets\n\n"
        "1 of 2 targets are met.\n\n"
        "Missed:\n\n"
        "- [steps, one by one](#steps-one-by-one), simulated: 3 us, 3.00x; target at most 2x"
        " ([why](steps.md#why))\n\n"
        "Not judged here, since what they compare with is not installed:\n\n"
        "- [speed](#speed): twice the other's ([elsewhere](rest.md))\n\n"
        "(method)\n\n"
        "This run: a machine.\n\n"
        "## Steps\n\n"
        "What they take.\n\n"
        "`./dev bench steps`\n\n"
        "### Steps, one by one\n\n"
        "Two steps; each.\n\n"
        "|  | value | ratio |  |\n"
        "| --- | ---: | ---: | --- |\n"
        "| by hand | 1 us | 1.00x |  |\n"
        "| simulated | 3 us | 3.00x | target at most 2x: missed; a\\|b |\n\n"
        "## The rest\n\n"
        f"{'together ' * 10}together\n"
        "together\n\n"
        "`./dev bench rest`\n\n"
        "### Size\n\n"
        "Once.\n\n"
        "|  | value |  |\n"
        "| --- | ---: | --- |\n"
        "| all of it | 2 MiB | target at most 3 MiB: met |\n\n"
        "### Speed\n\n"
        "As fast as it goes.\n\n"
        "|  | value |  |\n"
        "| --- | ---: | --- |\n"
        "| first | 5/s | target twice the other's: not judged; odd |\n"
        "| second | 6/s | target twice the other's: not judged |\n"
    )


def test_a_subject_gives_the_tables_that_it_names(benchmarks):
    tables = [benchmarks.measure.Table(title, "somehow") for title in ("one", "two")]

    def measured(*titles):
        subject = benchmarks.subjects.Subject("Numbers", "", titles, lambda: iter(tables))
        return list(subject.measure())

    assert measured("one", "two") == tables
    with pytest.raises(ValueError, match=r"^another table than is named: 'two' instead of '2'\n"):
        measured("one", "2")
    with pytest.raises(ValueError, match="zip"):
        measured("one")
    with pytest.raises(ValueError, match="zip"):
        measured("one", "two", "three")


def test_without_the_other_explorers_the_target_is_not_judged(benchmarks, monkeypatch):
    module = benchmarks.schedules
    monkeypatch.setattr(module, "_is_here", lambda name: name == "simclock")
    ours = [
        module.Outcome(name, one, rates=[900.0], wholes=[0], found=[1])
        for name, one in module.EXPLORERS.items()
        if one.distribution == "simclock"
    ]
    monkeypatch.setattr(module, "sample_in_turns", lambda _program: ours)

    lines = [(line.name, line.value, line.verdict) for line in next(module.run()).lines]

    assert lines[0] == (
        "simclock portfolio, operations",
        "900/s",
        "target at least 10x the fastest rival: not judged; found by schedule 1",
    )
    absent = "not installed here, but by `./dev schedules`"
    assert lines[len(ours) :] == [("frontrun", "-", absent), ("interleave-test", "-", absent)]


@pytest.mark.parametrize(
    ("arguments", "path", "why"),
    [
        (
            ["switching"],
            os.defpath,
            "the page is about all subjects: name none of them with --page",
        ),
        ([], "", "the page is about all subjects: install redis-server"),
    ],
)
def test_a_page_of_a_part_is_refused(arguments, path, why):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments, "--page"],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith(f"error: {why}")
