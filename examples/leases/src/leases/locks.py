"""The server: it grants a lease to one at a time, each with a higher number."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

from leases.care import LASTS, Care
from leases.wire import serve

if TYPE_CHECKING:
    from pathlib import Path

    Message = dict[str, Any]


class LockServer:
    """Grants a lease; `run` it on a machine of its own.

    Args:
        path: Of its database.
        care: What it does right.
    """

    def __init__(self, path: Path, care: Care | None = None) -> None:
        self._care = care or Care()
        self._path = str(path) if self._care.persistent else ":memory:"
        self._now = time.monotonic if self._care.durations else time.time

    def run(self) -> None:
        """Serve for ever."""
        with closing(sqlite3.connect(self._path)) as self._db:
            self._db.execute("CREATE TABLE IF NOT EXISTS lease (token INT, owner TEXT, ends REAL)")
            if self._care.quiet:
                # Whoever had one when the power went may believe in it for as long as this.
                self._db.execute("UPDATE lease SET ends = ?", [self._now() + LASTS])
            self._db.commit()
            serve(self._handle)

    def _handle(self, message: Message) -> Message:
        token, owner, ends = self._latest()
        now = self._now()
        if message["what"] == "acquire":
            if now < ends:
                return {}
            return self._grant(token + 1, message["owner"], now)
        if (message["token"], message["owner"]) != (token, owner) or now >= ends:
            return {}
        if message["what"] == "renew":
            return self._grant(token, owner, now)
        self._keep(token, owner, now)
        return {"released": True}

    def _grant(self, token: int, owner: str, now: float) -> Message:
        self._keep(token, owner, now + LASTS)
        return {"token": token, "lasts": LASTS, "ends": now + LASTS}

    def _latest(self) -> tuple[int, str, float]:
        found = self._db.execute("SELECT token, owner, ends FROM lease").fetchone()
        return found or (0, "", -1.0)

    def _keep(self, token: int, owner: str, ends: float) -> None:
        with self._db:
            self._db.execute("DELETE FROM lease")
            self._db.execute("INSERT INTO lease VALUES (?, ?, ?)", [token, owner, ends])
