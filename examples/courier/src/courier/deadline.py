"""One limit for work of several steps."""

from __future__ import annotations

import time
from dataclasses import dataclass


class DeadlineExceeded(TimeoutError):
    """The time for something is used up."""


@dataclass(frozen=True)
class Deadline:
    """An instant of the monotonic clock by which something has to be done."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the deadline that is *seconds* away."""
        return cls(time.monotonic() + seconds)

    def remaining(self) -> float:
        """Return how many seconds are left, never less than zero."""
        return max(0.0, self.at - time.monotonic())

    def passed(self) -> bool:
        """Return whether it is too late."""
        return time.monotonic() >= self.at

    def check(self, doing: str) -> None:
        """Raise DeadlineExceeded, with what was being done, if it is too late."""
        if self.passed():
            raise DeadlineExceeded(f"out of time: {doing}")

    def sleep(self, seconds: float) -> None:
        """Sleep for *seconds*, or up to the deadline and raise if that is nearer."""
        time.sleep(min(seconds, self.remaining()))
        self.check(f"slept for {seconds:g} s")
