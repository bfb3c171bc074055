"""Tasks that wait: coroutine functions, on the event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simclock.systems.taskqueue.executors.base import BaseTaskExecutor
from simclock.systems.taskqueue.registry import MAX_RETRIES, RETRY_DELAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock.systems.taskqueue.backends import BaseResultBackend
    from simclock.systems.taskqueue.brokers import BaseBroker
    from simclock.systems.taskqueue.config import Config
    from simclock.systems.taskqueue.events import EventBus
    from simclock.systems.taskqueue.registry import Function, TaskRegistry


class IOExecutor(BaseTaskExecutor):
    """Runs coroutine functions on its event loop, `ExecutorConfig.io_workers` at a time.

        executor = IOExecutor()

        @executor.task(max_retries=5)
        async def fetch(url): ...

        async with executor:
            task_id = await executor.submit(fetch, "https://example.org")
            result = await executor.wait_for_result(task_id)

    See `BaseTaskExecutor` for what it promises, and for the arguments.
    """

    _cpu_bound = False

    def __init__(
        self,
        config: Config | None = None,
        registry: TaskRegistry | None = None,
        *,
        broker: BaseBroker | None = None,
        backend: BaseResultBackend | None = None,
        events: EventBus | None = None,
    ) -> None:
        super().__init__(config, registry, ":io", broker=broker, backend=backend, events=events)

    def task(
        self,
        name: str | None = None,
        max_retries: int = MAX_RETRIES,
        retry_delay: float = RETRY_DELAY,
        **options: Any,
    ) -> Callable[[Function], Function]:
        """Return a decorator that registers a coroutine function. See `TaskRegistry.task`."""
        return self.registry.task(name, False, max_retries, retry_delay, **options)

    async def start(self) -> None:
        """Begin to take tasks and to run them. See `BaseTaskExecutor`."""
        await self._begin()

    async def stop(self, wait: bool = True, timeout: float | None = 30.0) -> None:
        """Take no more tasks, and end. See `BaseTaskExecutor`."""
        await self._end(wait, timeout)
