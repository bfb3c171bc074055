"""The queue: it says which invocations may be available. Their records say which ones are."""

from __future__ import annotations

import itertools
import logging
import time
import uuid
from typing import TYPE_CHECKING, NamedTuple

from simclock.systems._shared.stores.interfaces import Damaged
from simclock.systems.runners.failures import StateBackendError
from simclock.systems.runners.identifiers import InvocationId

if TYPE_CHECKING:
    from simclock.systems._shared.stores.interfaces import Job, Jobs
    from simclock.systems.runners.stored import StoredInvocation

_logger = logging.getLogger("simclock.systems.runners")
_AWAITED = -1  # the priority of what somebody waits for; lower is first


class Hint(NamedTuple):
    """One entry of the queue that was claimed.

    Attributes:
        key: Of the entry.
        claimer: Who has claimed it.
        invocation_id: Which invocation may be available.
        routing: As which routing of it.
    """

    key: str
    claimer: str
    invocation_id: InvocationId
    routing: int


class Hints:
    """The queue of hints. It may be used from any thread.

    One that is lost is replaced by the recovery; one too many is dropped. So
    nothing has to be undone when a runner ends between two writes.

    Args:
        jobs: Where.
        claim_seconds: After how many seconds others may have what was claimed and not dropped.
    """

    def __init__(self, jobs: Jobs, claim_seconds: float) -> None:
        self._jobs = jobs
        self._claim_seconds = claim_seconds
        self._name = uuid.uuid4().hex
        self._numbers = itertools.count()

    def push(self, stored: StoredInvocation) -> None:
        """Say that the invocation is available, once its delay is over. Idempotent."""
        due = time.time() + stored.delay if stored.delay else 0.0
        self._jobs.push(_key(stored), _payload(stored), due=due)

    def push_again(self, stored: StoredInvocation, number: int) -> None:
        """Say so again, for now: the hint was lost, or is due by a clock that is wrong.

        Another *number* is another hint. Idempotent.
        """
        self._jobs.push(f"{_key(stored)}:{number}", _payload(stored))

    def push_now(self, stored: StoredInvocation) -> None:
        """Say so again, without its delay: what it was delayed for is over. Idempotent."""
        self._jobs.push(f"{_key(stored)}:now", _payload(stored))

    def push_awaited(self, stored: StoredInvocation) -> None:
        """Say so before all others: somebody waits for it. Idempotent."""
        due = time.time() + stored.delay if stored.delay else 0.0
        key = f"{_key(stored)}:awaited"
        self._jobs.push(key, _payload(stored), priority=_AWAITED, due=due)

    def claim(self) -> Hint | None:
        """Return the next hint; None if there is none now.

        Raises:
            StateBackendError: The queue cannot be used.
        """
        while True:
            claimer = f"{self._name}:{next(self._numbers)}"
            now = time.time()
            job = self._jobs.claim(claimer, now=now, until=now + self._claim_seconds)
            if job is None:
                return None
            hint = _hint(job, claimer)
            if hint is not None:
                return hint
            _logger.error("an entry of the queue is dropped: %s: %r", job.key, job.payload)
            self._jobs.acknowledge(job.key, claimer)

    def drop(self, hint: Hint) -> None:
        """Remove a hint that was claimed. If that cannot be done now, the next claim does."""
        try:
            self._jobs.acknowledge(hint.key, hint.claimer)
        except StateBackendError:
            _logger.warning("a hint stays in the queue: %s", hint.key, exc_info=True)

    def postpone(self, hint: Hint, seconds: float) -> None:
        """Give a hint that was claimed back, for later."""
        self._jobs.release(hint.key, hint.claimer, due=time.time() + seconds)

    def count(self) -> int:
        """Return how many there are."""
        return sum(self._jobs.counts(time.time()))


def _key(stored: StoredInvocation) -> str:
    return f"{stored.id}:{stored.routing}"


def _payload(stored: StoredInvocation) -> list[str | int]:
    return [str(stored.id), stored.routing]


def _hint(job: Job, claimer: str) -> Hint | None:
    if isinstance(job.payload, Damaged):
        return None
    try:
        invocation_id, routing = job.payload
    except (TypeError, ValueError):
        return None
    return Hint(job.key, claimer, InvocationId(invocation_id), routing)
