"""``python -m tools.compat [PROJECT ...]``: compare both runs, and print what came out.

The exit status is 0 if every test had the same outcome in both runs and none failed, 1 if not,
2 if a comparison could not be made. Downloads are kept in ``.cache/compat``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools.compat import page
from tools.compat.comparing import Comparison, compare
from tools.compat.project import CannotCompareError, Project
from tools.compat.projects import PROJECTS

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "compat"
PAGE = ROOT / "docs" / "reference" / "compatibility.md"


def say(text: str) -> None:
    """Print at once: a reader waits for minutes after some of these lines."""
    print(text, flush=True)


def complain(text: str) -> None:
    """Print an error, after everything said so far."""
    print(f"compat: {text}", file=sys.stderr, flush=True)


def compare_all(projects: list[Project]) -> list[Comparison]:
    """Compare the projects that run on this Python, one after the other."""
    done = []
    for project in projects:
        if sys.version_info < project.since:
            first = ".".join(map(str, project.since))
            say(f"{project.label}: left out, it needs Python {first}")
            continue
        done.append(compare(project, CACHE, say))
        for problem in done[-1].problems:
            complain(f"{project.label}: {problem}")
    return done


def main() -> int:
    """Run the command and return its exit status."""
    known = {project.name: project for project in PROJECTS}
    parser = argparse.ArgumentParser(prog="python -m tools.compat", description=__doc__)
    parser.add_argument("project", nargs="*", choices=[*known, []], help="all, if none is named")
    parser.add_argument("--page", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    arguments = parser.parse_args()
    if arguments.page and arguments.project:
        parser.error("the page is about all projects: name none of them with --page")
    try:
        done = compare_all([known[name] for name in arguments.project or known])
    except CannotCompareError as error:
        complain(str(error))
        return 2
    say(f"\n{page.table(done)}")
    if arguments.page:
        PAGE.write_text(page.markdown(done), encoding="utf-8")
        say(f"written: {PAGE.relative_to(ROOT)}")
    return 1 if any(comparison.problems for comparison in done) else 0


if __name__ == "__main__":
    sys.exit(main())
