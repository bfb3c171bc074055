"""The service: events in, webhooks out."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from courier.batcher import Batcher
from courier.breaker import CircuitBreaker
from courier.bucket import TokenBucket
from courier.cache import TTLCache
from courier.janitor import Janitor
from courier.model import Delivery, Endpoint, Event, Receipt, utcnow
from courier.outbox import Closed, DelayQueue
from courier.receipts import Receipts
from courier.retry import Backoff
from courier.signing import HEADER, sign
from courier.window import RollingCount

if TYPE_CHECKING:
    from types import TracebackType

    from courier.registry import Registry
    from courier.transport import Transport

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """How patient the service is."""

    workers: int = 4
    attempts: int = 5
    backoff: Backoff = field(default_factory=lambda: Backoff(first=1.0, jitter=0.1))
    #: An event older than this is not worth another attempt.
    max_age: timedelta = timedelta(hours=1)
    failures: int = 5
    cooldown: float = 30.0
    #: How long it is remembered who wants an event.
    remember: float = 60.0
    batch_size: int = 100
    batch_age: float = 1.0
    keep_receipts: timedelta = timedelta(days=30)
    clean_every: timedelta = timedelta(minutes=10)


@dataclass
class Lane:
    """What protects one endpoint."""

    breaker: CircuitBreaker
    bucket: TokenBucket


class Stopped(RuntimeError):
    """The service does not take events any more."""


class Courier:
    """Takes events and delivers them to whoever wants them, with threads of its own.

    Use it as a context manager, or call ``start`` and ``stop``.
    """

    def __init__(
        self, registry: Registry, transport: Transport, settings: Settings | None = None
    ) -> None:
        self._settings = settings = settings or Settings()
        self._transport = transport
        self._wanted = TTLCache(registry.lookup, settings.remember)
        self._outbox: DelayQueue[Delivery] = DelayQueue()
        self._lock = threading.Lock()
        self._lanes: dict[str, Lane] = {}
        self._running = False
        # Deliveries whose next attempt came after the end.
        self._late: list[Delivery] = []
        self.receipts = Receipts(settings.keep_receipts)
        self.delivered = RollingCount(60)
        self._janitor = Janitor(settings.clean_every, self.receipts.purge, self._wanted.purge)
        self._workers = [
            threading.Thread(target=self._work, name=f"courier-worker-{number}")
            for number in range(settings.workers)
        ]

    def start(self) -> None:
        """Start the threads."""
        settings = self._settings
        self._books = Batcher(self.receipts.write, settings.batch_size, settings.batch_age)
        self._janitor.start()
        for worker in self._workers:
            worker.start()
        self._running = True

    def stop(self, grace: float = 10.0) -> list[Delivery]:
        """Take no more events, go on for up to *grace* seconds, and return what is left undone.

        A request that is under way then is waited for.
        """
        with self._lock:
            self._running = False
        if not self._outbox.join(grace):
            log.warning("stopped with %d deliveries left", len(self._outbox))
        left = self._outbox.close()
        for worker in self._workers:
            worker.join()
        self._janitor.stop()
        self._books.close()
        return sorted([*left, *self._late], key=lambda delivery: delivery.number)

    def publish(self, kind: str, **payload: Any) -> int:
        """Deliver an event to all who want it; return how many those are."""
        with self._lock:
            if not self._running:
                raise Stopped(f"not running: {kind} is not taken")
        event = Event(kind, payload)
        endpoints = self._wanted.get(kind)
        for endpoint in endpoints:
            self._outbox.put(Delivery(event, endpoint))
        return len(endpoints)

    def idle(self, timeout: float | None = None) -> bool:
        """Wait until nothing is left to deliver; return whether it came to that in time."""
        return self._outbox.join(timeout)

    def lane(self, endpoint: Endpoint) -> Lane:
        """Return what protects an endpoint."""
        with self._lock:
            if endpoint.name not in self._lanes:
                self._lanes[endpoint.name] = Lane(
                    CircuitBreaker(self._settings.failures, self._settings.cooldown),
                    TokenBucket(endpoint.rate, endpoint.burst),
                )
            return self._lanes[endpoint.name]

    def _work(self) -> None:
        while True:
            try:
                delivery = self._outbox.get()
            except Closed:
                return
            try:
                self._handle(delivery)
            except Exception:
                log.exception("delivery %d is lost", delivery.number)
            finally:
                self._outbox.done()

    def _handle(self, delivery: Delivery) -> None:
        """Send now, or see to it that it is sent later."""
        lane = self.lane(delivery.endpoint)
        # A token first: a trial that the breaker allows must not be turned down by the bucket.
        if not lane.bucket.take(timeout=0):
            self._later(delivery, lane.bucket.next_in())
        elif not lane.breaker.allow():
            self._later(delivery, lane.breaker.retry_in())
        else:
            self._attempt(delivery, lane)

    def _later(self, delivery: Delivery, delay: float) -> None:
        try:
            self._outbox.put(delivery, delay)
        except Closed:
            with self._lock:
                self._late.append(delivery)

    def _attempt(self, delivery: Delivery, lane: Lane) -> None:
        delivery.attempts += 1
        body = delivery.event.body()
        headers = {HEADER: sign(delivery.endpoint.secret, body), "Courier-Id": str(delivery.number)}
        try:
            status = self._transport.send(delivery.endpoint, body, headers)
            reason = str(status)
        except OSError as error:
            status, reason = 0, str(error)
        if 200 <= status < 300:
            lane.breaker.succeeded()
            self.delivered.add()
            self._book(delivery, reason, delivered=True)
        elif 400 <= status < 500:
            # The receiver is well and does not want it: no use in asking again.
            lane.breaker.succeeded()
            self._book(delivery, reason)
        else:
            lane.breaker.failed()
            self._failed(delivery, reason)

    def _failed(self, delivery: Delivery, reason: str) -> None:
        if delivery.attempts >= self._settings.attempts:
            self._book(delivery, reason)
        elif utcnow() - delivery.event.created > self._settings.max_age:
            self._book(delivery, f"too old; {reason}")
        else:
            self._later(delivery, self._settings.backoff.delay(delivery.attempts))

    def _book(self, delivery: Delivery, reason: str, *, delivered: bool = False) -> None:
        self._books.add(
            Receipt(
                delivery.number,
                delivery.endpoint.name,
                delivery.event.kind,
                delivered,
                delivery.attempts,
                reason,
            )
        )

    def __enter__(self) -> Courier:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
