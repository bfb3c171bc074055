"""When to try again."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from courier.deadline import Deadline

T = TypeVar("T")


@dataclass(frozen=True)
class Backoff:
    """Delays that grow with each failure, up to a ceiling, each a little off the others."""

    first: float = 0.5
    factor: float = 2.0
    ceiling: float = 30.0
    #: The largest share by which a delay is stretched or cut, so that clients do not march in step.
    jitter: float = 0.0

    def delay(self, failures: int, rng: random.Random | None = None) -> float:
        """Return how long to wait after the given number of failures in a row."""
        if failures < 1:
            raise ValueError(f"nothing has failed: {failures}")
        plain = min(self.ceiling, self.first * self.factor ** (failures - 1))
        return plain * (1 + (rng or random).uniform(-self.jitter, self.jitter))


def retry(
    call: Callable[[], T],
    *,
    backoff: Backoff,
    attempts: int,
    on: type[Exception] | tuple[type[Exception], ...] = Exception,
    deadline: Deadline | None = None,
    rng: random.Random | None = None,
) -> T:
    """Call until it returns; after the last attempt, raise what that raised.

    With a *deadline*, DeadlineExceeded is raised as soon as that has passed between attempts.
    """
    for failures in range(1, attempts):
        try:
            return call()
        except on:
            delay = backoff.delay(failures, rng)
            if deadline is None:
                time.sleep(delay)
            else:
                deadline.sleep(delay)
    return call()
