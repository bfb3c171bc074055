"""What has to be done right."""

from __future__ import annotations

from dataclasses import dataclass

# Seconds: how long a lease is, how often it is renewed, and how much earlier its owner stops, as
# what it sends is under way for a while.
LASTS = 2.0
RENEWED = 0.5
MARGIN = 0.5


@dataclass(frozen=True)
class Care:
    """Each bug is one of these left out.

    Attributes:
        fencing: The storage refuses what comes with an older token than it has seen.
        durations: A lease is a duration, measured by the monotonic clock of each machine; else an
            instant, compared with the wall clock of each.
        persistent: The server knows after a restart what it has granted.
        quiet: After a restart each lease that was granted is as long again: the monotonic clock
            that its end was measured by is gone.
        renewals: A lease that could not be renewed ends in time.
    """

    fencing: bool = True
    durations: bool = True
    persistent: bool = True
    quiet: bool = True
    renewals: bool = True
