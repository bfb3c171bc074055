"""The environments: which versions of pytest and of the plugins go together, on which Pythons."""

from __future__ import annotations

from dataclasses import dataclass

Version = tuple[int, int]

OLDEST: Version = (3, 10)
NEWEST: Version = (3, 13)
# Of whatever is in an environment; what a line about it tells.
TOLD = ("pytest", "pytest-asyncio", "anyio", "pytest-trio", "trio", "hypothesis")


@dataclass(frozen=True)
class Environment:
    """Versions that were current together.

    Attributes:
        name: What the command line calls it.
        about: What is particular about these versions.
        pins: What pip is asked for, beside simclock.
        until: The newest Python that all of it runs on.
    """

    name: str
    about: str
    pins: tuple[str, ...]
    until: Version = NEWEST

    def runs_on(self, version: Version) -> bool:
        """Return whether all of it runs on a Python of that *version*."""
        return OLDEST <= version <= self.until


# pytest-trio has been at 0.8.0 since 2022, and pytest-asyncio has had five ways to make a loop.
ENVIRONMENTS = (
    Environment(
        "oldest",
        "the fixture `event_loop`, and the oldest of all that simclock supports",
        (
            "pytest==8.2.0",
            "pytest-asyncio==0.21.2",
            "anyio==4.4.0",
            "pytest-trio==0.8.0",
            "trio==0.27.0",
            "hypothesis==6.100.0",
            "pytest-xdist==3.6.1",
            "freezegun==1.5.0",
        ),
    ),
    Environment(
        "0.23",
        "loops of wider scope in fixtures that are named by node",
        (
            "pytest==8.2.2",
            "pytest-asyncio==0.23.8",
            "anyio==4.6.0",
            "pytest-trio==0.8.0",
            "trio==0.28.0",
            "hypothesis==6.112.0",
            "pytest-xdist==3.6.1",
        ),
    ),
    Environment(
        "0.26",
        "the last with `event_loop`; the mark's `loop_scope`",
        (
            "pytest==8.3.5",
            "pytest-asyncio==0.26.0",
            "anyio==4.9.0",
            "pytest-trio==0.8.0",
            "trio==0.30.0",
            "hypothesis==6.131.0",
            "pytest-xdist==3.6.1",
        ),
    ),
    Environment(
        "1.0",
        "a fixture for the loop of each scope, in this version only",
        (
            "pytest==8.4.2",
            "pytest-asyncio==1.0.0",
            "anyio==4.10.0",
            "pytest-trio==0.8.0",
            "trio==0.31.0",
            "hypothesis==6.140.0",
            "pytest-xdist==3.8.0",
        ),
    ),
    Environment(
        "1.3",
        "an `asyncio.Runner` for each scope, and no hook yet for the loop",
        (
            "pytest==9.0.2",
            "pytest-asyncio==1.3.0",
            "anyio==4.12.0",
            "pytest-trio==0.8.0",
            "trio==0.32.0",
            "hypothesis==6.150.0",
            "pytest-xdist==3.8.0",
        ),
    ),
    Environment(
        "newest",
        "the newest of everything; its own hook for loops",
        ("pytest", "pytest-asyncio", "anyio", "pytest-trio", "trio", "hypothesis", "pytest-xdist"),
    ),
)
