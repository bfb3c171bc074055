"""Executors of tasks: of coroutine functions, and of functions in processes."""

from simclock.systems.taskqueue.executors.base import BaseTaskExecutor
from simclock.systems.taskqueue.executors.cpu_executor import CPUExecutor
from simclock.systems.taskqueue.executors.io_executor import IOExecutor

__all__ = ["BaseTaskExecutor", "CPUExecutor", "IOExecutor"]
