"""Which modules are changed, which tests are to notice, and how long each change is tried."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SOURCES = Path("src", "simclock")

#: How many tests, and how many seconds of them by the record: a short round, which ends most
#: mutants, and a second for the others.
ROUNDS = ((30, 2.0), (300, 10.0))
#: After this many times as long as in the record, and these seconds, it hangs.
PATIENCE, LEAST_S = 4.0, 8.0


@dataclass(frozen=True)
class Target:
    """Modules that the same tests are about.

    Attributes:
        name: What the command and the page call it.
        modules: Patterns of paths below `SOURCES`.
        tests: Files and folders that are run to learn which test runs which line. Not those that
            run programs in child processes mostly: what they run is not seen.
    """

    name: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]

    def paths(self) -> Iterator[str]:
        """Yield the modules' paths below `SOURCES`; packages' own files say nothing."""
        for pattern in self.modules:
            for path in sorted((ROOT / SOURCES).glob(pattern)):
                if path.name != "__init__.py":
                    yield path.relative_to(ROOT / SOURCES).as_posix()


TARGETS = (
    Target(
        "kernel",
        ("_core/*.py", "_strategies/*.py"),
        (
            "tests/core",
            "tests/strategies",
            "tests/ending",
            "tests/errors",
            "tests/determinism",
            "tests/explore",
            "tests/explain",
            "tests/stdlib",
            "tests/hosts",
            "tests/faults",
            "tests/report",
        ),
    ),
    Target(
        "shared",
        (
            "systems/_shared/*.py",
            *(
                f"systems/_shared/stores/{name}.py"
                for name in ("arguments", "databases", "interfaces", "memory", "sqlite", "texts")
            ),
        ),
        (
            "tests/systems/shared",
            "tests/systems/rates",
            "tests/systems/test_lifecycle.py",
            "tests/systems/test_signals.py",
        ),
    ),
)
