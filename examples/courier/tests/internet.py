"""The other side, as the tests see it: partners that answer slowly, wrongly, or not at all."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from courier.model import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass
class Partner:
    """One receiver: how long it takes to answer, and what; the last answer goes on for ever."""

    endpoint: Endpoint
    latency: float
    answers: Iterator[int | Exception]
    #: When requests came in, what was in them, and the most that were served at once.
    times: list[float] = field(default_factory=list)
    requests: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)
    serving: int = 0
    most: int = 0

    def gaps(self) -> list[float]:
        return [later - earlier for earlier, later in itertools.pairwise(self.times)]


class Internet:
    """A transport with partners behind it, served by threads of its own."""

    def __init__(self, threads: int) -> None:
        self._lock = threading.Lock()
        self._partners: dict[str, Partner] = {}
        self._numbers = itertools.count(1)
        self._incoming: queue.SimpleQueue = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._serve, name=f"internet-{number}")
            for number in range(threads)
        ]

    def connect(self) -> None:
        for thread in self._threads:
            thread.start()

    def disconnect(self) -> None:
        for _ in self._threads:
            self._incoming.put(None)
        for thread in self._threads:
            thread.join()

    def partner(
        self,
        name: str = "partner",
        *,
        latency: float = 0.05,
        answers: Iterable[int | Exception] = (200,),
        **limits: float,
    ) -> Partner:
        name = f"{name}-{next(self._numbers)}"
        endpoint = Endpoint(name, f"https://{name}.example/hook", **limits)
        first = list(answers)
        partner = Partner(
            endpoint, latency, itertools.chain(first[:-1], itertools.repeat(first[-1]))
        )
        self._partners[name] = partner
        return partner

    def send(self, endpoint: Endpoint, body: bytes, headers: dict[str, str]) -> int:
        answer: Future[int] = Future()
        self._incoming.put((endpoint, body, headers, answer))
        return answer.result(timeout=60)

    def _serve(self) -> None:
        while (request := self._incoming.get()) is not None:
            endpoint, body, headers, answer = request
            partner = self._partners[endpoint.name]
            with self._lock:
                partner.times.append(time.monotonic())
                partner.requests.append((body, headers))
                partner.serving += 1
                partner.most = max(partner.most, partner.serving)
                outcome = next(partner.answers)
            time.sleep(partner.latency)
            with self._lock:
                partner.serving -= 1
            if isinstance(outcome, Exception):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)
