"""What a cluster does once: one runner at a time recovers, has triggers fire, and tidies up."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from simclock.systems._shared.leases import Lease
from simclock.systems.runners.failures import ConfigError, StateBackendError
from simclock.systems.runners.housekeeping import Housekeeping
from simclock.systems.runners.recovery import Recovery

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock.systems.runners.app import Pynenc
    from simclock.systems.runners.context import RunnerContext

_logger = logging.getLogger("simclock.systems.runners")
LEASE = "atomic services"
TIDIED_EVERY = 60.0  # seconds


class AtomicServices:
    """Has the runner that holds a lease do what only one is to do. For one thread.

    It is done by the holder at each interval, so no time is left out. When the
    holder dies, another runner does it after the lease's duration, a margin of
    a twentieth, and an interval or two. All watch heartbeats meanwhile, so that
    one who gets the lease knows already who is silent, and since when. What is
    done is right even if two do it at once, which they do only if one was
    stopped in the middle of it for longer than its lease.

    Args:
        app: The application.
        runner: The runner that does it, if it holds the lease.

    Raises:
        ConfigError: The lease is too short to be renewed.
    """

    def __init__(self, app: Pynenc, runner: RunnerContext) -> None:
        conf = app.conf.services
        if conf.lease_duration < 2 * conf.check_interval:
            raise ConfigError(
                f"services.lease_duration is too short: {conf.lease_duration!r}\n"
                f"give at least twice check_interval, which is {conf.check_interval!r}"
            )
        self._app = app
        self._runner = runner
        self._interval = conf.check_interval
        self._lease = Lease(app.storage.leases, LEASE, runner.runner_id, conf.lease_duration)
        self._recovery = Recovery(app.orchestrator)
        self._housekeeping = Housekeeping(app.orchestrator, app.storage)
        self._next = self._tidy_at = time.monotonic()

    @property
    def held(self) -> bool:
        """Whether this runner is the one that does it."""
        return self._lease.held

    def check(self) -> bool:
        """Do what there is to do, if it is time and this runner's; return whether it was.

        To be called again and again: between the intervals that costs nothing.
        """
        now = time.monotonic()
        if now < self._next:
            return False
        # Where it is called somewhat too late, not the later each time.
        self._next = max(self._next + self._interval, now)
        self._tried("triggers could not be registered", self._app.trigger.register_declared)
        steps = {
            "the recovery has failed": lambda: self._recovery.step(self._runner),
            "the triggers have failed": self._fire,
            "what has expired could not be removed": self._tidy_up,
        }
        is_done = all(self._held_step(what, step) for what, step in steps.items())
        if not is_done:
            self._tried("heartbeats could not be watched", self._recovery.watch)
        return is_done

    def wait_of(self) -> float:
        """Return in how many seconds it is time for `check`."""
        return max(0.0, self._next - time.monotonic())

    def close(self) -> None:
        """Let another runner do it at once. Idempotent."""
        self._tried("the lease could not be released", self._lease.release)

    def _held_step(self, what: str, step: Callable[[], object]) -> bool:
        """Renew the lease before each step: the one before may have taken long."""
        self._tried("the lease could not be had", self._lease.try_acquire)
        if not self._lease.held:
            return False
        self._tried(what, step)
        return True

    def _fire(self) -> None:
        token = self._lease.token
        if token is not None:
            self._app.trigger.loop_iteration(token)

    def _tidy_up(self) -> None:
        # What it looks at may be many, and nobody waits for it.
        if time.monotonic() >= self._tidy_at:
            self._housekeeping.step()
            self._app.storage.occurrences.purge(time.time())
            self._tidy_at = time.monotonic() + TIDIED_EVERY

    def _tried(self, what: str, step: Callable[[], object]) -> None:
        try:
            step()
        except StateBackendError as error:
            # No bug: it is told again and again while a server is away.
            _logger.warning("%s: %s", what, error)
        except Exception:
            _logger.exception("%s", what)
