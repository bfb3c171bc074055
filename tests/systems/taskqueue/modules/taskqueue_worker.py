"""A group of workers of its own, for tests that kill it; ``python taskqueue_worker.py URL LOG``."""

from __future__ import annotations

import asyncio
import os
import sys

from simclock.systems.taskqueue import (
    BackendConfig,
    BrokerConfig,
    Config,
    ExecutorConfig,
    IOExecutor,
)


def executor_at(url, log=None):
    """Return an executor whose task notes in a file when it begins and ends, and who runs it."""
    executor = IOExecutor(
        Config(
            BrokerConfig(url, poll_interval=0.05, lease=1.0),
            BackendConfig(url, poll_interval=0.05),
            ExecutorConfig(io_workers=2),
        )
    )

    def note(*what):
        # One write: several processes append to the file.
        with open(log, "a") as file:
            file.write(" ".join(map(str, [os.getpid(), *what])) + "\n")

    @executor.task()
    async def work(number, seconds):
        note("begins", number)
        await asyncio.sleep(seconds)
        note("ends", number)
        return number

    return executor, work


async def main(url, log):
    executor, _ = executor_at(url, log)
    async with executor:
        await asyncio.sleep(60)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
