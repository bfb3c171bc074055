"""A published project whose tests are run, and the error that says why they could not be."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

REQUIREMENTS = Path(__file__).parent / "requirements"


class CannotCompareError(Exception):
    """The comparison cannot be made; the message says why and what to do."""


@dataclass(frozen=True)
class Project:
    """A published source distribution, and what of its tests is run.

    Nothing in its tree is changed: its tests, its ``conftest.py`` and its configuration are used
    as published. What is left out or set is the same in both runs.
    """

    name: str
    version: str
    license: str
    archive: str
    sha256: str
    #: The files and folders whose tests are run.
    files: tuple[str, ...]
    #: What the tests are about, in a few words.
    about: str = ""
    #: What waits in the tests: threads, or coroutines by the name of what runs them.
    kind: str = "threads"
    #: Options of both runs, each with its reason.
    options: dict[str, str] = field(default_factory=dict)
    #: Tests that are not run, each with its reason. A name may end where parameters would begin.
    left_out: dict[str, str] = field(default_factory=dict)
    #: The first Python that it and what it needs run on.
    since: tuple[int, int] = (3, 10)

    @property
    def label(self) -> str:
        """The project as its users write it."""
        return f"{self.name} {self.version}"

    @property
    def requirements(self) -> str:
        """What the tests import besides pytest: a requirements file, each line with its hashes.

        Where the tests do not find the project in their own tree, or need what only an installed
        one has (entry points), its own wheel is listed here.
        """
        listed = REQUIREMENTS / f"{self.name}.txt"
        return listed.read_text(encoding="utf-8") if listed.exists() else ""

    def selection(self) -> list[str]:
        """Return pytest's arguments that name the tests to run, and how."""
        deselected = [f"--deselect={test}" for test in self.left_out]
        return [*self.options, *self.files, *deselected]
