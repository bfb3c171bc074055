"""Tasks that compute: plain functions, in processes."""

from __future__ import annotations

import asyncio
import multiprocessing
import pickle
from typing import TYPE_CHECKING, Any

from simclock.systems.taskqueue.executors.base import BaseTaskExecutor
from simclock.systems.taskqueue.executors.checking import check_parts
from simclock.systems.taskqueue.executors.processes import Worker
from simclock.systems.taskqueue.failures import TaskArgumentError, text_of
from simclock.systems.taskqueue.progress import reporting
from simclock.systems.taskqueue.registry import MAX_RETRIES, RETRY_DELAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock.systems.taskqueue.backends import BaseResultBackend
    from simclock.systems.taskqueue.brokers import BaseBroker
    from simclock.systems.taskqueue.config import Config
    from simclock.systems.taskqueue.events import EventBus
    from simclock.systems.taskqueue.registry import Definition, Function, TaskRegistry
    from simclock.systems.taskqueue.tasks import Task


class CPUExecutor(BaseTaskExecutor):
    """Runs plain functions in `ExecutorConfig.cpu_workers` processes, one at a time in each.

    The functions are those of modules that other processes can import, their
    arguments and results what pickle takes. A process that crashes concerns the
    task that it ran, which is run again, and no other. A task that is cancelled
    or interrupted is killed with its process.

        executor = CPUExecutor(Config(backend=BackendConfig(url="sqlite:///results.db")))

        @executor.task()
        def squares(n): ...

        async def main():
            async with executor:
                task_id = await executor.submit(squares, 1000000)
                result = await executor.wait_for_result(task_id)

        if __name__ == "__main__":       # processes import this module, too
            asyncio.run(main())

    See `BaseTaskExecutor` for what it promises, and for the arguments.

    Raises:
        ValueError: *config* is None, or has no backend, and none is given.
    """

    _cpu_bound = True

    def __init__(
        self,
        config: Config | None,
        registry: TaskRegistry | None = None,
        *,
        broker: BaseBroker | None = None,
        backend: BaseResultBackend | None = None,
        events: EventBus | None = None,
    ) -> None:
        check_parts(config, registry, broker, backend)
        if backend is None and (config is None or config.backend is None):
            raise ValueError(
                f"a CPUExecutor has no backend: {config!r}\n"
                'give Config(backend=BackendConfig(url="redis://localhost:6379/0")), '
                "or the URL memory:// if this process only asks for results"
            )
        super().__init__(config, registry, ":cpu", broker=broker, backend=backend, events=events)
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()

    def task(
        self,
        name: str | None = None,
        max_retries: int = MAX_RETRIES,
        retry_delay: float = RETRY_DELAY,
        **options: Any,
    ) -> Callable[[Function], Function]:
        """Return a decorator that registers a plain function. See `TaskRegistry.task`."""
        return self.registry.task(name, True, max_retries, retry_delay, **options)

    async def start(self) -> None:
        """Begin to take tasks and to run them. See `BaseTaskExecutor`.

        Each process is started when it is needed first.
        """
        await self._begin()

    async def stop(self, wait: bool = True, timeout: float | None = 30.0) -> None:
        """Take no more tasks, and end, processes included. See `BaseTaskExecutor`."""
        await self._end(wait, timeout)

    @property
    def _places(self) -> int:
        return self._settings.cpu_workers

    async def _perform(self, task: Task) -> Any:
        function = self.registry.definition(task.name).function
        worker = self._idle.pop() if self._idle else self._worker()
        self._busy.add(worker)
        try:
            return await worker.call(function, task.args, task.kwargs, reporting.get())
        finally:
            self._busy.discard(worker)
            self._idle.append(worker)

    def _worker(self) -> Worker:
        return Worker(multiprocessing.get_context(self._settings.start_method))

    async def _close(self) -> None:
        # Of a loop that was closed under way: nobody waits for these any more.
        for each in self._busy:
            each.kill()
        idle, self._idle = self._idle, []
        await asyncio.gather(*(each.close() for each in idle))

    def _check_arguments(self, definition: Definition, task: Task) -> None:
        try:
            pickle.dumps((definition.function, task.args, task.kwargs))
        except Exception as error:
            raise TaskArgumentError(
                f"a call of {definition.name!r} cannot be sent to a process: {text_of(error)}\n"
                "give arguments that pickle takes, and a function that its module has by its name"
            ) from error
