"""The numbers that the orchestration goes by."""

from __future__ import annotations

from dataclasses import dataclass

from simclock.systems._shared.retry import check_number
from simclock.systems.runners.failures import ConfigError


@dataclass(frozen=True)
class OrchestratorSettings:
    """How long what may take, in seconds where nothing else is said.

    Attributes:
        heartbeat_interval: Between two heartbeats of a runner.
        runner_considered_dead_after: After which a runner that gives none is dead, for who
            watches it.
        max_pending_seconds: After which an invocation that was taken, and not begun, is another's.
        claim: After which a hint of the queue that was claimed, and not dropped, is another's.
        unclaimed_after: After which an invocation that is available gets another hint.
        reroute_delay: For which one that may not run now waits before it is looked at again.
        auto_final_invocation_purge_hours: Hours for which final invocations are kept; 0: for ever.

    Raises:
        ConfigError: One of them has no meaning.
    """

    heartbeat_interval: float = 5.0
    runner_considered_dead_after: float = 60.0
    max_pending_seconds: float = 5.0
    claim: float = 30.0
    unclaimed_after: float = 30.0
    reroute_delay: float = 1.0
    auto_final_invocation_purge_hours: float = 24.0

    def __post_init__(self) -> None:
        try:
            for name, value in vars(self).items():
                check_number(name, value, zero=name == "auto_final_invocation_purge_hours")
        except ValueError as error:
            raise ConfigError(str(error)) from None
        if self.runner_considered_dead_after <= self.heartbeat_interval:
            raise ConfigError(
                "runner_considered_dead_after is too short: "
                f"{self.runner_considered_dead_after!r}\n"
                f"give more than heartbeat_interval, which is {self.heartbeat_interval!r}"
            )
