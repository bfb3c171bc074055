"""The tool that runs published projects' tests both ways, and tells what differs."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEFT_OUT = {"test_it.py::test_left_out": "it fails"}
WORLD = "import sys\n\ndef test_world():\n    assert 'simclock' not in sys.modules\n"


def quiet(text):
    """Take the place of what prints."""


def test_each_test_has_the_same_outcome_in_both_runs(tool, publish, cache):
    found = tool.comparing.compare(publish(left_out=LEFT_OUT), cache, quiet)

    outcomes = {
        "test_it::test_waits": "passed",
        "test_it::test_thread": "passed",
        "test_it.TestClass::test_skipped": "skipped",
        "test_it::test_known": "xfailed",
    }
    assert found.real.outcomes == found.simulated.outcomes == outcomes
    assert found.differing == []
    assert found.problems == []
    assert found.simulated.cpu_seconds > 0
    assert found.real.deselected == found.simulated.deselected == 1


def test_a_test_that_tells_the_two_worlds_apart_is_named(tool, publish, cache):
    project = publish({"test_world.py": WORLD})

    found = tool.comparing.compare(project, cache, quiet)

    assert found.differing == ["test_world::test_world: passed -> failed"]
    first, second = (problem.splitlines()[0] for problem in found.problems)
    assert first == "the outcomes differ (real -> simulated):"
    assert second == "1 failed in the simulated run:"


def test_a_test_that_fails_in_both_runs_is_a_problem_too(tool, publish, cache):
    found = tool.comparing.compare(publish({"test_no.py": "def test_no(): assert 0"}), cache, quiet)

    assert found.differing == []
    assert [problem.splitlines()[0] for problem in found.problems] == [
        "1 failed in the real run:",
        "1 failed in the simulated run:",
    ]


def test_options_are_for_both_runs(tool, publish, cache):
    project = publish(options={"-kthread": "the others are not for now"})

    found = tool.comparing.compare(project, cache, quiet)

    assert found.problems == []
    assert list(found.real.outcomes) == list(found.simulated.outcomes) == ["test_it::test_thread"]


def test_a_run_that_collects_nothing_cannot_be_compared(tool, publish, cache):
    project = publish({"test_broken.py": "import nothing_of_this_name"})

    with pytest.raises(tool.project.CannotCompareError, match="pytest ended with exit status 2"):
        tool.comparing.compare(project, cache, quiet)


def test_each_run_has_a_folder_for_temporary_files_of_its_own(tool, publish, cache):
    code = (
        "import pathlib, random, tempfile\n\n"
        "def test_new():\n"
        "    pathlib.Path(tempfile.gettempdir(), str(random.random())).mkdir()\n"
    )
    project = publish({"test_new.py": code})

    runs = [tool.running.run_suite(cache / project.archive, cache, ["--simclock"]) for _ in "ab"]

    assert [run.outcomes for run in runs] == [{"test_new::test_new": "passed"}] * 2


def test_a_changed_archive_is_refused(tool, publish, cache):
    project = publish(sha256="0" * 64)

    with pytest.raises(tool.project.CannotCompareError, match="hash mismatch") as caught:
        tool.fetching.fetch(project, cache)

    assert str(caught.value).splitlines()[-1] == "delete the file and run again"


def member(name, kind=tarfile.REGTYPE, target=""):
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


@pytest.mark.parametrize(
    "unsafe",
    [
        member("../outside"),
        member("/outside"),
        member("tiny-1.0/link", tarfile.SYMTYPE, "../../outside"),
        member("tiny-1.0/link", tarfile.SYMTYPE, "/outside"),
        member("tiny-1.0/link", tarfile.LNKTYPE, "../outside"),
        member("tiny-1.0/pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda one: f"{one.name} {one.linkname}".strip(),
)
def test_a_member_that_leaves_the_tree_is_refused(tool, publish, cache, tmp_path, unsafe):
    project = publish(members=[unsafe])

    with pytest.raises(tool.project.CannotCompareError, match="unsafe member"):
        tool.fetching.unpack(cache / project.archive, tmp_path / "tree")


def test_a_link_inside_the_tree_is_kept(tool, publish, cache, tmp_path):
    project = publish(
        {"doc/readme": "hello"}, [member("tiny-1.0/link", tarfile.SYMTYPE, "doc/readme")]
    )
    (tmp_path / "tree").mkdir()

    tree = tool.fetching.unpack(cache / project.archive, tmp_path / "tree")

    assert (tree / "link").read_text() == "hello"


@pytest.mark.parametrize(
    ("stderr", "first"),
    [
        (
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES",
            "hash mismatch: the index offers another",
        ),
        ("/usr/bin/python: No module named pip", "pip is not installed in:"),
        ("ERROR: no route to host", "pip could not fetch a pinned file:"),
    ],
)
def test_what_pip_says_becomes_an_error_with_a_remedy(tool, stderr, first):
    assert tool.fetching.explain_pip(stderr).startswith(first)


def test_the_page_has_a_line_for_each_project_and_its_remarks(tool, publish):
    project = publish(left_out=LEFT_OUT, options={"-q": "quiet"})
    outcomes = {"t::a": "passed", "t.C::b": "skipped", "t.C::c": "skipped"}
    comparison = tool.comparing.Comparison(
        project,
        tool.running.Run(20.0, 1.0, outcomes, "= 1 passed, 2 skipped, 4 deselected in 20.0s ="),
        tool.running.Run(2.0, 1.5, {**outcomes, "t::a": "failed"}, ""),
    )

    page = tool.page.markdown([comparison])

    table, _, remarks = page.partition("## ")
    assert table.splitlines()[-2] == (
        "| tiny 1.0 | MIT | threads | 3 | 2 | 1 | 2 | 4 | 20.0 s | 1.0 s | 2.0 s | 1.5 s | 10.0x |"
    )
    assert remarks == (
        "tiny 1.0\n\n"
        "A made-up project. Run: `test_it.py`.\n\n"
        "Options:\n\n- `-q`: quiet\n\n"
        "Not run:\n\n- `test_it.py::test_left_out`: it fails\n\n"
        "Different:\n\n- `t::a: passed -> failed`\n\n"
        "Skipped by the project itself, in both runs: 2.\n\n- `t.C`: 2\n"
    )


def test_every_project_is_pinned_and_listed_on_the_page():
    program = (
        "import re\n"
        "from tools.compat.projects import PROJECTS\n"
        "for one in PROJECTS:\n"
        "    assert re.fullmatch('[0-9a-f]{64}', one.sha256), one\n"
        "    lines = one.requirements.replace(chr(92) + chr(10), '').splitlines()\n"
        "    assert all(re.match(r'[\\w.-]+==[\\w.]+ .*--hash=sha256:', line) for line in lines), one\n"
        "    print(one.label)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    page = (ROOT / "docs" / "reference" / "compatibility.md").read_text()

    assert [line for line in done.stdout.splitlines() if f"\n## {line}\n" not in page] == []
    assert len(done.stdout.splitlines()) >= 8


@pytest.mark.parametrize(
    "way",
    ["anyio on asyncio and trio", "pytest-asyncio", "pytest-trio", "threads", "unittest's asyncio"],
)
def test_each_way_to_run_what_waits_is_in_two_projects_or_more(modules_of, way):
    projects = modules_of("tools.compat", "projects").projects.PROJECTS

    assert len([one for one in projects if way in one.kind.split(", ")]) >= 2


def test_threads_and_event_loops_meet_in_two_projects_or_more(modules_of):
    projects = modules_of("tools.compat", "projects").projects.PROJECTS

    assert len([one for one in projects if one.kind.endswith(", threads")]) >= 2
