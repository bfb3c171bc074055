"""Jobs at round times of the day."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)
MIDNIGHT = datetime(2000, 1, 1, tzinfo=timezone.utc)


def next_round(now: datetime, period: timedelta) -> datetime:
    """Return the first time after *now* that is a whole number of periods after midnight, UTC."""
    return now + period - (now - MIDNIGHT) % period


class Janitor:
    """Runs jobs, one after the other, whenever the wall clock shows a multiple of the period.

    A round that is still busy when the next is due makes that one fall out. A job that raises is
    logged and does not keep the others from running.
    """

    def __init__(self, period: timedelta, *jobs: Callable[[], object]) -> None:
        self._period = period
        self._jobs = jobs
        self._stop = threading.Event()
        self.rounds: list[datetime] = []
        self.failures = 0
        self._thread = threading.Thread(target=self._run, name="courier-janitor")

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End after the job that is running now. Idempotent; also before the start."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        due = next_round(datetime.now(timezone.utc), self._period)
        while not self._stop.wait((due - datetime.now(timezone.utc)).total_seconds()):
            now = datetime.now(timezone.utc)
            if now < due:  # the two clocks do not agree to the last microsecond
                continue
            self.rounds.append(now)
            for job in self._jobs:
                self._do(job)
            due = next_round(datetime.now(timezone.utc), self._period)

    def _do(self, job: Callable[[], object]) -> None:
        if self._stop.is_set():
            return
        try:
            job()
        except Exception:
            self.failures += 1
            log.exception("a job failed")
