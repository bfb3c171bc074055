"""The examples of the seed's page, as programs, with its slips mended.

These are: names that it does not import, `async with` outside of a coroutine, and no guard for
the processes, which import the file. Its URLs of Redis are that of the tests' server.
"""

from __future__ import annotations

import subprocess
import sys

CPU = """
import asyncio

from simclock.systems.taskqueue import Config, BackendConfig, CPUExecutor, ExecutorConfig

config = Config(
    backend=BackendConfig(url="REDIS"),
    executor=ExecutorConfig(cpu_workers=4, max_queue_size=1000)
)
executor = CPUExecutor(config=config)

@executor.task()
def heavy_computation(n: int):
    # CPU-intensive work
    return sum(i ** 2 for i in range(n))

async def main():
    async with executor:
        task_id = await executor.submit(heavy_computation, 1000000)
        result = await executor.wait_for_result(task_id)
    print(result.status.value, result.result)

if __name__ == "__main__":
    asyncio.run(main())
"""
IO = """
import asyncio

from simclock.systems.taskqueue import (
    Config, BrokerConfig, BackendConfig, ExecutorConfig, IOExecutor
)

# With full config
config = Config(
    broker=BrokerConfig(url="REDIS"),
    backend=BackendConfig(url="REDIS"),
    executor=ExecutorConfig(io_workers=8)
)
configured = IOExecutor(config)

# With default config (uses InMemoryBackend and asyncio.PriorityQueue)
plain = IOExecutor()

async def main():
    for executor in configured, plain:
        @executor.task()
        async def greet(name):
            return f"hello {name}"

        async with executor:
            task_id = await executor.submit(greet, "world", priority=1)
            result = await executor.wait_for_result(task_id)
        print(executor.is_broker(), result.status.value, result.result)

asyncio.run(main())
"""


def printed(tmp_path, program, url):
    path = tmp_path / "example.py"
    path.write_text(program.replace("REDIS", url))
    done = subprocess.run(
        [sys.executable, "-W", "error", path],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_example_of_functions_that_compute(tmp_path, redis_url):
    assert printed(tmp_path, CPU, redis_url) == "success 333332833333500000\n"


def test_the_examples_of_coroutines(tmp_path, redis_url):
    assert printed(tmp_path, IO, redis_url) == (
        "True success hello world\nFalse success hello world\n"
    )
