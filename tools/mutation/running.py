"""Run tests in child processes, on copies of the sources."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from tools.mutation.targets import ROOT, SOURCES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COPIED = ("src", "pytest_simclock", "tests", "tools", "examples", "pyproject.toml")
OPTIONS = (
    "-q",
    "-pno:cacheprovider",
    "--capture=no",
    "--hypothesis-seed=0",  # the same examples for each mutant
    "-mnot real",
    "-knot redis",  # its server would be left behind by tests that are killed
)
MEMORY = 6 << 30  # a mutant may collect for ever
BROKEN = 90  # what a child ends with where the change cannot be made
KILLED = -signal.SIGKILL  # and one that had no more time


@dataclass
class Slot:
    """A copy of the sources, and the child that runs on it."""

    folder: Path
    pid: int = 0
    job: Any = None
    deadline: float = 0.0

    @classmethod
    def make(cls, folder: Path) -> Slot:
        """Return a new slot in *folder*."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        ignored = shutil.ignore_patterns("__pycache__")
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, folder / name, ignore=ignored)
            else:
                shutil.copy2(ROOT / name, folder / name)
        return cls(folder)

    def enter(self) -> None:
        """Let this process, and those that it starts, import the copy."""
        os.chdir(self.folder)
        paths = [str(self.folder / "src"), str(self.folder)]
        sys.path[:0] = paths
        os.environ["PYTHONPATH"] = os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")])

    def start(self, job: Any, work: Callable[[], int], seconds: float) -> None:
        """Do *work* in a child; it is killed after *seconds*."""
        sys.stdout.flush()
        self.job, self.deadline = job, time.monotonic() + seconds
        self.pid = os.fork() or self._work(work)

    def _work(self, work: Callable[[], int]) -> NoReturn:
        code = 1
        try:
            os.setsid()
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            output = os.open(self.folder / "output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for number in (1, 2):
                os.dup2(output, number)
            code = work()
            sys.stdout.flush()
        finally:
            os._exit(code)

    def ended(self) -> int | None:
        """Return how the child ended, if it did: `KILLED` after its time."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if not pid and time.monotonic() < self.deadline:
            return None
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        if not pid:
            status = os.waitpid(self.pid, 0)[1]
        self.pid = 0
        return os.waitstatus_to_exitcode(status)

    def output(self) -> str:
        """Return what the child wrote."""
        return (self.folder / "output").read_text(encoding="utf-8", errors="replace")

    def put(self, path: str, source: str) -> None:
        """Make *source* the module at *path*, for the next child."""
        module = self.folder / SOURCES / path
        module.write_text(source, encoding="utf-8")
        for cached in (module.parent / "__pycache__").glob(f"{module.stem}.*"):
            cached.unlink()  # it may be as long and as old as the one that is to be made


def run_anew(tests: list[str]) -> NoReturn:
    """Become a pytest that runs *tests* until one fails."""
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *OPTIONS, "-x", *tests])
