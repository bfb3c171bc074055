"""On what the cases run: simclock in three ways, its rivals, and two yardsticks."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass

OURS = "ours"
RIVAL = "rival"
YARDSTICK = "yardstick"


@dataclass(frozen=True)
class Subject:
    """Something that runs the programs.

    Attributes:
        name: What the command line calls it, and its function in `runners`.
        label: What the tables call it.
        kind: `OURS`, `RIVAL`, or `YARDSTICK`: runs no asyncio, or takes real time.
        module: What to import.
        distribution: What to install; empty for what comes with Python.
        programs: The module of this package with its programs.
        without: Cases that there is no sense in trying, and why.
    """

    name: str
    label: str
    kind: str
    module: str
    distribution: str
    programs: str = "on_asyncio"
    without: tuple[tuple[str, str], ...] = ()

    @property
    def version(self) -> str:
        """The installed version; empty for what comes with Python."""
        return importlib.metadata.version(self.distribution) if self.distribution else ""

    def missing(self) -> str:
        """Return why it cannot be used here; an empty string if it can."""
        try:
            importlib.metadata.version(self.distribution or "simclock")
        except importlib.metadata.PackageNotFoundError:
            return f"{self.distribution} is not installed"
        return ""


REAL_TIME = "it would take the time itself"
NO_THREADS = "SimPy knows no threads"
SAME = (("import", "the same package"),)

SUBJECTS = {
    subject.name: subject
    for subject in (
        Subject("simclock", "simclock: a simulation", OURS, "simclock", "simclock"),
        Subject("alone", "simclock: its loop alone", OURS, "simclock", "simclock", without=SAME),
        Subject("boundary", "simclock: the stock loop", OURS, "simclock", "simclock", without=SAME),
        Subject("looptime", "looptime", RIVAL, "looptime", "looptime"),
        Subject("async_solipsism", "async-solipsism", RIVAL, "async_solipsism", "async-solipsism"),
        Subject("aiotools", "aiotools VirtualClock", RIVAL, "aiotools", "aiotools"),
        Subject("trio", "trio MockClock", RIVAL, "trio.testing", "trio", "on_trio"),
        Subject("seedloop", "seedloop", RIVAL, "seedloop", "seedloop"),
        Subject("simloop", "simloop", RIVAL, "simloop", "simloop"),
        Subject("simloom", "simloom", RIVAL, "simloom", "simloom"),
        Subject(
            "simpy",
            "SimPy (no asyncio)",
            YARDSTICK,
            "simpy",
            "simpy",
            "on_simpy",
            without=(("executor", NO_THREADS), ("threads", NO_THREADS)),
        ),
        Subject(
            "stock",
            "asyncio in real time",
            YARDSTICK,
            "asyncio",
            "",
            without=tuple((case, REAL_TIME) for case in ("sleeps", "queue", "timers", "memory")),
        ),
    )
}
