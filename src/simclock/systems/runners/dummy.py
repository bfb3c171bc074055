"""Runners that run nothing: they stand for places outside, where tasks are only called."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any, NoReturn

from simclock.systems.runners.base import BaseRunner
from simclock.systems.runners.context import RunnerContext
from simclock.systems.runners.failures import RunnerNotExecutableError

if TYPE_CHECKING:
    from types import FrameType

    from simclock.systems.runners.app import Pynenc
    from simclock.systems.runners.identifiers import InvocationId


class DummyRunner(BaseRunner):
    """Stands for a place where no runner runs, such as a script that calls tasks and waits."""

    @staticmethod
    def mem_compatible() -> bool:
        """Return True: it runs nothing."""
        return True

    @property
    def max_parallel_slots(self) -> int:
        """How many invocations it runs at the same time: none."""
        return 0

    def get_active_child_runner_ids(self) -> list[str]:
        """Return none: it has no children."""
        return []

    def run(self) -> NoReturn:
        """Refuse it.

        Raises:
            RunnerNotExecutableError: Always.
        """
        self._refuse()

    def runner_loop_iteration(self) -> NoReturn:
        """Refuse it, as `run` does."""
        self._refuse()

    def stop_runner_loop(
        self,
        signum: int | None = None,  # noqa: ARG002
        frame: FrameType | None = None,  # noqa: ARG002
    ) -> NoReturn:
        """Refuse it, as `run` does."""
        self._refuse()

    def _on_stop_runner_loop(self) -> NoReturn:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise RunnerNotExecutableError(
            f"{type(self).__name__} runs nothing\nmake another runner, such as ThreadRunner(app)"
        )

    def _waiting_for_results(
        self,
        running_invocation_id: InvocationId,  # noqa: ARG002 - it pauses nobody: others run that
        result_invocation_ids: list[InvocationId],
        runner_args: dict[str, Any] | None = None,
    ) -> None:
        wait, timeout = self._wait_for(result_invocation_ids, runner_args)
        wait.wait(timeout)


class ExternalRunner(DummyRunner):
    """Stands for a process outside, by its machine and its number: there is no other name for it.

    Args:
        app: The application.
        runner_cache: Of no meaning here.
    """

    def __init__(self, app: Pynenc, runner_cache: dict[str, Any] | None = None) -> None:
        super().__init__(app, runner_cache, self.get_default_external_runner_context())

    @classmethod
    def get_default_external_runner_context(cls) -> RunnerContext:
        """Return the identity of this process: ``hostname-pid``, the same each time."""
        return RunnerContext(cls.__name__, f"{socket.gethostname()}-{os.getpid()}")
