"""The tests that do not apply to `SimEventLoop`, each with its reason.

A class may be a pattern, for a test that several classes inherit from one.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class Listed:
    """A test that need not pass.

    Attributes:
        test: Its module, class and name.
        why: What about the stock loop or the machine it tests.
        since: The first Python that has it, or on which it does not pass.
        until: The last one.
        hangs: It is not run, since it would never end; *test* is no pattern then.
    """

    test: str
    why: str
    since: tuple[int, int] = (3, 10)
    until: tuple[int, int] = (3, 13)
    hangs: bool = False

    @property
    def here(self) -> bool:
        """Whether it is about this Python."""
        return self.since <= sys.version_info[:2] <= self.until

    def names(self, test: str) -> bool:
        """Return whether *test* is meant."""
        return fnmatchcase(test, self.test)

    def names_one_of(self, module: str, tests: list[str]) -> bool:
        """Return whether it is about *tests* of *module*; no tests stands for all."""
        if tests:
            return any(self.names(test) for test in tests)
        return self.test.startswith(f"{module}.")


HEAP = "it looks into the heap of timers that the stock loop keeps in `_scheduled`"
ABSTRACT = "it is about what `BaseEventLoop` leaves to be implemented, and a `SimEventLoop` has"
PIPE = "it counts the self-pipe, which a `SimEventLoop` opens when something outside may wake it"
EVENTS = "it counts calls of `_process_events`, which is called only when something has happened"
ORPHANS = "a child is killed, and its own child keeps the pipe: simclock knows children only"

LISTED: list[Listed] = [
    Listed("test_base_events.BaseEventLoopTests.test__run_once", HEAP),
    Listed("test_base_events.BaseEventLoopTests.test__run_once_cancelled_event_cleanup", HEAP),
    Listed("test_base_events.BaseEventLoopTests.test__run_once_schedule_handle", HEAP),
    Listed("test_base_events.BaseEventLoopTests.test_call_later", HEAP),
    Listed("test_base_events.BaseEventLoopTests.test_not_implemented", ABSTRACT),
    Listed(
        "test_base_events.BaseEventLoopTests.test_custom_run_forever_integration",
        EVENTS,
        since=(3, 13),
    ),
    Listed("test_events.EPollEventLoopTests.test_internal_fds", PIPE),
    Listed("test_events.PollEventLoopTests.test_internal_fds", PIPE),
    Listed("test_events.SelectEventLoopTests.test_internal_fds", PIPE),
    Listed("test_subprocess.Subprocess[!M]*.test_kill_issue43884", ORPHANS, since=(3, 11)),
]
