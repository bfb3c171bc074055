"""The task runners: round trips, invocations a second, what an idle runner costs, recovery.

Runners are processes of their own, started by the command line, except where everything is in
memory. A Redis server is started for it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Table, in_turns, median, nanoseconds, per_second, ratio
from benchmarks.taskqueue import redis_server
from simclock.systems.runners import Pynenc, ThreadRunner
from simclock.systems.runners.storage import open_storage

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from contextlib import AbstractContextManager

    # Runs a task that does nothing, and waits for its result.
    Call = Callable[[], object]
    # Begins the same, and returns what waits for its result.
    Submit = Callable[[], Callable[[], object]]
    # A block in which there is somebody who runs tasks.
    Contender = Callable[[], AbstractContextManager[Submit]]

# What the original's own benchmark says: the mean of a round trip of a task that does nothing, in
# nanoseconds; and the share of a CPU that a runner without work takes.
ORIGINAL_ROUND_TRIP = 0.203e9
ORIGINAL_IDLE = 0.35
ROUNDS = 3
ONE_BY_ONE = 20
TASKS = 200
THREADS = 4
# Seconds: until a runner has started, and how long it is idle then.
SETTLED, IDLE = 5.0, 10.0
DEAD_AFTER = 3.0
RECOVERING = {
    "HEARTBEAT_INTERVAL": "0.5",
    "RUNNER_CONSIDERED_DEAD_AFTER": str(DEAD_AFTER),
    "CHECK_INTERVAL": "0.25",
    "LEASE_DURATION": "2.0",
}
# Real seconds until somebody must have answered.
LIMIT = 60.0

app = Pynenc({"app_id": "benchmark"})
_names = (f"benchmark{number}" for number in itertools.count())


@app.task
def work() -> None:
    """Do nothing."""


@app.task
def survive(path: str) -> float:
    """Never return the first time; later say when it was begun."""
    if Path(path).exists():
        return time.time()
    Path(path).write_text(str(os.getpid()))
    time.sleep(LIMIT)
    return 0.0


# --------------------------------------------------------------------------- contenders


@contextlib.contextmanager
def by_hand() -> Iterator[Submit]:
    """Threads of `concurrent.futures`, which is what a program has without a library."""
    with ThreadPoolExecutor(THREADS) as pool:
        yield lambda: pool.submit(work.func).result


@contextlib.contextmanager
def in_memory() -> Iterator[Submit]:
    """Run a `ThreadRunner` in a thread."""
    mine = app.copy(storage=open_storage("memory://"))
    runner = ThreadRunner(mine)
    thread = threading.Thread(target=runner.run)
    thread.start()
    yield _submit(mine)
    runner.stop_runner_loop()
    thread.join()


@contextlib.contextmanager
def in_process(url: str) -> Iterator[Submit]:
    """Run a `ThreadRunner` in another process, on the storage of that URL."""
    name = next(_names)
    mine = app.copy(storage=open_storage(url, name))
    with _runner(url, name, "ThreadRunner"), contextlib.closing(mine):
        mine.get_task(work.task_id)().get_result(timeout=LIMIT)  # it runs
        yield _submit(mine)


def _submit(mine: Pynenc) -> Submit:
    task = mine.get_task(work.task_id)

    def submit() -> Callable[[], object]:
        return partial(task().get_result, timeout=LIMIT)

    return submit


@contextlib.contextmanager
def _runner(url: str, name: str, kind: str, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a runner in another process, by the command line; it is stopped after the block."""
    said = {"STORAGE_URL": url, "APP_ID": name, "LOGGING_LEVEL": "error", **settings}
    said.setdefault("MAX_THREADS", str(THREADS))
    environment = {**os.environ, **{f"PYNENC__{key}": value for key, value in said.items()}}
    command = ["-m", "simclock.systems.runners", "--app", "benchmarks.runners:app"]
    start = ["runner", "start", "--runner", kind]
    with subprocess.Popen([sys.executable, *command, *start], env=environment) as process:
        try:
            yield process
        finally:
            process.terminate()


# ------------------------------------------------------------------------- what is measured


def _round_trip(contender: Contender) -> float:
    """Return the mean nanoseconds from a call to its result, one after the other."""
    with contender() as submit:
        began = time.perf_counter_ns()
        for _ in range(ONE_BY_ONE):
            submit()()
        return (time.perf_counter_ns() - began) / ONE_BY_ONE


def _burst(contender: Contender) -> float:
    """Return the nanoseconds for each of many, from the first call to the last result."""
    with contender() as submit:
        began = time.perf_counter_ns()
        for wait in [submit() for _ in range(TASKS)]:
            wait()
        return (time.perf_counter_ns() - began) / TASKS


def _cpu_of(pid: int) -> float:
    """Return the seconds of CPU time that a process, and those that it has started, have taken."""
    # What clock_getcpuclockid() gives in C; Python has it for threads only.
    used = time.clock_gettime((~pid << 3) | 2)
    children = [each.read_text() for each in Path(f"/proc/{pid}/task").glob("*/children")]
    return used + sum(_cpu_of(int(child)) for child in " ".join(children).split())


def _idle_share(url: str, kind: str, **settings: str) -> float:
    """Return the share of a CPU that it takes without work, when it has been there for a while."""
    with _runner(url, next(_names), kind, **settings) as process:
        time.sleep(SETTLED)
        before = _cpu_of(process.pid)
        time.sleep(IDLE)
        return (_cpu_of(process.pid) - before) / IDLE


def _recovery(url: str, folder: Path) -> float:
    """Return the seconds from the kill of a runner until another one begins what it ran."""
    name = next(_names)
    path = folder / name
    mine = app.copy(storage=open_storage(url, name))
    task = mine.get_task(survive.task_id)
    runners = [_runner(url, name, "ThreadRunner", **RECOVERING) for _ in range(2)]
    with contextlib.closing(mine), runners[0], runners[1]:
        invocation = task(str(path))
        end = time.monotonic() + LIMIT
        while not (path.exists() and path.read_text()) and time.monotonic() < end:
            time.sleep(0.01)
        # Until each has seen that the other lives.
        time.sleep(1.0)
        killed = time.time()
        os.kill(int(path.read_text()), signal.SIGKILL)
        begun: float = invocation.get_result(timeout=LIMIT)
        return begun - killed


# ------------------------------------------------------------------------------- tables


def run() -> Generator[Table, None, None]:
    """Compare the runners with a pool of threads, and with what the original says of itself."""
    with tempfile.TemporaryDirectory() as name, redis_server(Path(name)) as redis:
        folder = Path(name)
        urls = {"SQLite": f"sqlite:///{folder / 'runners.db'}"}
        if redis is not None:
            urls["Redis"] = redis
        contenders: dict[str, Contender] = {
            "concurrent.futures": by_hand,
            "memory": in_memory,
            **{each: partial(in_process, url) for each, url in urls.items()},
        }
        yield _round_trips(contenders)
        yield _throughput(contenders)
        yield _idle(urls["SQLite"])
        yield _recoveries(urls, folder)


def _round_trips(contenders: dict[str, Contender]) -> Table:
    samples = in_turns(ROUNDS, **_measured(_round_trip, contenders))
    table = Table(
        "runners: round trip",
        f"a task that does nothing, from call to result, mean of {ONE_BY_ONE}; the original says "
        f"{nanoseconds(ORIGINAL_ROUND_TRIP)}",
    )
    for each in contenders:
        value = median(samples[each])
        share = f"{value / ORIGINAL_ROUND_TRIP:.1%} of the original's"
        note = "" if each == "concurrent.futures" else share
        table.add(each, nanoseconds(value), ratio(samples, each, "concurrent.futures"), note=note)
    return table


def _throughput(contenders: dict[str, Contender]) -> Table:
    samples = in_turns(ROUNDS, **_measured(_burst, contenders))
    table = Table(
        "runners: throughput", f"{TASKS} tasks that do nothing, one ThreadRunner; per task"
    )
    for each in contenders:
        value = median(samples[each])
        rate = per_second(value, "invocations")
        table.add(each, nanoseconds(value), ratio(samples, each, "concurrent.futures"), note=rate)
    return table


def _measured(how: Callable[[Contender], float], contenders: dict[str, Contender]) -> Any:
    return {name: partial(how, each) for name, each in contenders.items()}


def _idle(url: str) -> Table:
    table = Table("runners: idle", f"share of a CPU in {IDLE:g} s without work, on SQLite; once")
    kinds: dict[str, dict[str, str]] = {
        "ThreadRunner": {},
        "PersistentProcessRunner": {"NUM_PROCESSES": "2"},
    }
    for kind, settings in kinds.items():
        share = _idle_share(url, kind, **settings)
        table.add(
            kind,
            f"{share:.2%}",
            target=f"below the original's {ORIGINAL_IDLE:.0%}",
            met=share < ORIGINAL_IDLE,
        )
    return table


def _recoveries(urls: dict[str, str], folder: Path) -> Table:
    table = Table(
        "runners: recovery",
        f"from kill -9 to the next execution, once; ratio to the {DEAD_AFTER:g} s after which a "
        "runner is dead",
    )
    for name, url in urls.items():
        taken = _recovery(url, folder)
        table.add(name, f"{taken:.2f} s", taken / DEAD_AFTER)
    return table
