"""A worker: it adds one to the shared value, slowly, as often as it gets the lease."""

from __future__ import annotations

import threading
import time
import uuid
from contextlib import suppress
from typing import Any

from leases.care import LASTS, MARGIN, RENEWED, Care
from leases.wire import ask

STEPS = 8
STEP = 0.3  # seconds
LAST_STEP = 0.2


class Lease:
    """A lease that is renewed in a thread until it is released or lost."""

    def __init__(self, locks: str, owner: str, care: Care) -> None:
        self._locks, self._owner, self._care = locks, owner, care
        self._now = time.monotonic if care.durations else time.time
        self._over = threading.Event()
        asked = self._now()
        answer = ask(locks, what="acquire", owner=owner)
        self.token: int = answer.get("token", 0)
        self._ends = self._end(asked, answer) if answer else asked
        self._renewing = threading.Thread(target=self._renew, daemon=True)
        if self.token:
            self._renewing.start()

    @property
    def is_valid(self) -> bool:
        """Whether nobody else can have it yet."""
        return self._now() < self._ends - MARGIN or not (self._care.renewals or self._over.is_set())

    def release(self) -> None:
        """Let others have it."""
        self._over.set()
        self._renewing.join()
        with suppress(OSError):
            ask(self._locks, what="release", owner=self._owner, token=self.token)

    def _end(self, asked: float, answer: dict[str, Any]) -> float:
        # From the question on, not from the answer: so it ends here before it does there.
        return asked + LASTS if self._care.durations else float(answer["ends"])

    def _renew(self) -> None:
        while not self._over.wait(RENEWED):
            asked = self._now()
            with suppress(OSError):
                answer = ask(self._locks, what="renew", owner=self._owner, token=self.token)
                if not answer:
                    self._over.set()  # somebody else has it
                else:
                    self._ends = self._end(asked, answer)


class Worker:
    """Works whenever it has the lease; `run` it on a machine of its own.

    Args:
        locks: The address of the lock server.
        storage: The address of the storage.
        care: What it does right.
    """

    def __init__(self, locks: str, storage: str, care: Care | None = None) -> None:
        self._locks, self._storage = locks, storage
        self._care = care or Care()
        self.done = 0

    def run(self) -> None:
        """Work for ever."""
        owner = uuid.uuid4().hex
        while True:
            with suppress(OSError):
                lease = Lease(self._locks, owner, self._care)
                if lease.token:
                    try:
                        self._work(lease)
                    finally:
                        lease.release()
            time.sleep(0.2)

    def _work(self, lease: Lease) -> None:
        found = ask(self._storage, what="read", token=lease.token)
        for _ in range(STEPS):
            time.sleep(STEP)
            if not (found and lease.is_valid):
                return
        # From here on nobody looks at the lease again: that is what its margin is for.
        time.sleep(LAST_STEP)
        value = found["value"] + 1
        if ask(self._storage, what="write", token=lease.token, value=value):
            self.done += 1
