"""Tasks per second and latency of the task executors, beside workers by hand and SAQ.

A Redis server is started for it. SAQ is installed where ``./dev tasks`` runs; where it is not, its
line says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import itertools
import shutil
import subprocess
import tempfile
import time
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import simclock
from benchmarks.measure import Table, in_turns, median, nanoseconds, per_second, ratio
from simclock.systems.taskqueue import (
    BackendConfig,
    BrokerConfig,
    Config,
    ExecutorConfig,
    IOExecutor,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
    from contextlib import AbstractAsyncContextManager

    # Submits one task that does `work`.
    Submit = Callable[[], Awaitable[object]]
    # A block in which there are workers.
    Contender = Callable[[], AbstractAsyncContextManager[Submit]]

ROUNDS = 3
WORKERS = 4
TASKS = 1_000
ONE_BY_ONE = 200
# Real seconds until the server must answer.
LIMIT = 10.0
MISSING = {
    "Redis": "no redis-server on this machine",
    "SAQ on Redis": "not installed here, but by `./dev tasks`",
}
_names = (f"benchmark{number}" for number in itertools.count())


class Done:
    """The tasks that have been run.

    Attributes:
        began: When each was begun, in nanoseconds.
    """

    def __init__(self) -> None:
        self.began: list[int] = []
        self._bell = asyncio.Event()

    def note(self) -> None:
        """Note that a task has begun."""
        self.began.append(time.perf_counter_ns())
        self._bell.set()

    async def wait(self, count: int) -> None:
        """Wait until so many tasks have begun."""
        while len(self.began) < count:
            self._bell.clear()
            await self._bell.wait()


done: ContextVar[Done] = ContextVar("done")


async def work() -> None:
    """Note the time: what each task does."""
    done.get().note()


@contextlib.asynccontextmanager
async def by_hand() -> AsyncIterator[Submit]:
    """Workers on an `asyncio.Queue`, which is what a program has without a library."""
    queue: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()

    async def run() -> None:
        while True:
            await (await queue.get())()

    workers = [asyncio.create_task(run()) for _ in range(WORKERS)]
    yield partial(queue.put, work)
    for each in workers:
        each.cancel()
    await asyncio.gather(*workers, return_exceptions=True)


@contextlib.asynccontextmanager
async def ours(url: str | None) -> AsyncIterator[Submit]:
    """Run an `IOExecutor` whose broker and backend are at that URL; None: the default ones."""
    config = Config(
        broker=None if url is None else BrokerConfig(url, queue_key=next(_names)),
        backend=None if url is None else BackendConfig(url),
        executor=ExecutorConfig(io_workers=WORKERS, max_queue_size=TASKS),
    )
    async with IOExecutor(config) as executor:
        yield partial(executor.submit, executor.task()(work))


@contextlib.asynccontextmanager
async def saq(url: str) -> AsyncIterator[Submit]:
    """Run a worker of SAQ."""
    from redis.asyncio import Redis  # noqa: PLC0415 - perhaps not installed
    from saq import Worker  # noqa: PLC0415 - perhaps not installed
    from saq.queue.redis import RedisQueue  # noqa: PLC0415 - perhaps not installed

    async def run(_context: object) -> None:
        await work()

    queue: Any = RedisQueue(Redis.from_url(url), name=next(_names))
    await queue.connect()
    worker: Any = Worker(queue, [("run", run)], concurrency=WORKERS)
    worker.SIGNALS = []  # those are for programs
    running = asyncio.create_task(worker.start())
    yield partial(queue.enqueue, "run")
    worker.event.set()
    await running
    await queue.disconnect()


async def _burst(contender: Contender) -> float:
    """Return the nanoseconds for each of many tasks, from the first submission to the last run."""
    async with contender() as submit:
        began = time.perf_counter_ns()
        for _ in range(TASKS):
            await submit()
        await done.get().wait(TASKS)
        return (done.get().began[-1] - began) / TASKS


async def _one_by_one(contender: Contender) -> list[int]:
    """Return sorted latencies, from a submission to the run, of tasks that nobody waits before."""
    taken = []
    async with contender() as submit:
        for number in range(ONE_BY_ONE):
            began = time.perf_counter_ns()
            await submit()
            await done.get().wait(number + 1)
            taken.append(done.get().began[-1] - began)
    return sorted(taken)


def _measure(how: Callable[[Contender], Any], contender: Contender) -> Any:
    async def main() -> Any:
        done.set(Done())  # before there are workers, whose tasks have a copy of this context
        return await how(contender)

    return asyncio.run(main())


def _in_simulation(contender: Contender) -> float:
    """Return the real nanoseconds of a task in a simulated burst."""
    began = time.perf_counter_ns()
    simclock.run(_measure, _burst, contender)
    return (time.perf_counter_ns() - began) / TASKS


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[str | None]:
    """Run a Redis server for a block; None: there is none on this machine."""
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    path = folder / "redis"
    arguments = ["--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(folder)]
    with subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL) as server:
        try:
            end = time.monotonic() + LIMIT
            while not path.exists() and time.monotonic() < end:
                time.sleep(0.01)
            yield f"unix://{path}"
        finally:
            server.terminate()


def _contenders(folder: Path, redis: str | None) -> dict[str, Contender]:
    found: dict[str, Contender] = {
        "asyncio.Queue": by_hand,
        "memory": partial(ours, None),
        "SQLite": partial(ours, f"sqlite:///{folder / 'tasks.db'}"),
    }
    if redis is not None:
        found["Redis"] = partial(ours, redis)
        if importlib.util.find_spec("saq"):
            found["SAQ on Redis"] = partial(saq, redis)
    return found


def run() -> Generator[Table, None, None]:
    """Compare the executors with workers by hand, and with SAQ."""
    with tempfile.TemporaryDirectory() as name, redis_server(Path(name)) as redis:
        contenders = _contenders(Path(name), redis)
        yield _throughput(contenders)
        yield _latency(contenders)


def _throughput(contenders: dict[str, Contender]) -> Table:
    measured = {name: partial(_measure, _burst, each) for name, each in contenders.items()}
    measured["memory, simulated"] = partial(_in_simulation, contenders["memory"])
    samples = in_turns(ROUNDS, **measured)
    table = Table(
        "taskqueue: throughput", f"{TASKS:,} tasks, {WORKERS} workers, one process; per task"
    )
    for each in samples:
        value = median(samples[each])
        rate = per_second(value, "tasks")
        table.add(each, nanoseconds(value), ratio(samples, each, "asyncio.Queue"), note=rate)
    _name_missing(table, contenders)
    return table


def _latency(contenders: dict[str, Contender]) -> Table:
    table = Table(
        "taskqueue: latency",
        f"{ONE_BY_ONE} tasks, each submitted when the one before has run; from submission to run, "
        "median of one run",
    )
    for name, each in contenders.items():
        taken = _measure(_one_by_one, each)
        worst = nanoseconds(taken[len(taken) * 99 // 100])
        table.add(name, nanoseconds(median(taken)), note=f"99th percentile {worst}")
    _name_missing(table, contenders)
    return table


def _name_missing(table: Table, contenders: dict[str, Contender]) -> None:
    for name, why in MISSING.items():
        if name not in contenders:
            table.add(name, "-", note=why)
