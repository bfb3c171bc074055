"""One random program: its threads, what each does, and a run of it in simulated time."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import threading
from queue import Empty, Full
from random import Random
from typing import TYPE_CHECKING, NamedTuple

import simclock
from tools.programs import operations
from tools.programs.operations import Fault
from tools.programs.world import World

if TYPE_CHECKING:
    from tools.programs.operations import Operation

# What a program is told by the world, and goes on after.
# Up to Python 3.10 asyncio's TimeoutError is one of its own.
REFUSALS = (OSError, Full, Empty, sqlite3.Error, TimeoutError, asyncio.TimeoutError, ValueError)
RARELY = 0.02
FAULTY = 0.08


class Outcome(NamedTuple):
    """What a run did: how it ended, what each thread saw when, and the trace's digest."""

    end: str
    log: list[str]
    digest: str


class Program:
    """The random program called *number*: the same each time."""

    def __init__(self, number: int) -> None:
        random = Random(number)
        self.number = number
        self.threads = [
            [(_pick(random), random.randrange(2**32)) for _ in range(random.randrange(1, 9))]
            for _ in range(random.randrange(1, 6))
        ]

    @property
    def is_repeatable(self) -> bool:
        """Whether each step is the same in each run: not where another process takes its time."""
        return not any(step is operations.run_child for steps in self.threads for step, _ in steps)

    def __str__(self) -> str:
        return "\n".join(
            f"{index}: {', '.join(operation.__name__ for operation, _ in steps)}"
            for index, steps in enumerate(self.threads)
        )

    def run(self) -> Outcome:
        """Run it in a simulation of its own; the first thread's part in the main thread."""
        log: list[str] = []
        digest = ""
        before = {n: signal.signal(n, _raise_fault) for n in (signal.SIGUSR1, signal.SIGALRM)}
        hook, threading.excepthook = threading.excepthook, _expect_faults
        try:
            with simclock.Simulation(seed=self.number, watchdog=20, drain=5) as sim:
                try:
                    self._run(sim, log)
                finally:
                    digest = sim.trace.digest
            end = "ended"
        except (simclock.SimclockError, Fault) as error:
            end = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        finally:
            threading.excepthook = hook
            for number, handler in before.items():
                signal.signal(number, handler)
        return Outcome(end, log, digest)

    def _run(self, sim: simclock.Simulation, log: list[str]) -> None:
        with World() as world:
            started = [
                threading.Thread(target=_do, args=(sim, world, log, index, steps), daemon=True)
                for index, steps in enumerate(self.threads)
            ]
            for thread in started[1:]:
                thread.start()
            try:
                _do(sim, world, log, 0, self.threads[0])
            except Fault as fault:
                log.append(f"{sim.elapsed:g} main: {fault}")
            for thread in started[1:]:
                while thread.is_alive():
                    try:
                        thread.join()
                    except Fault as fault:
                        log.append(f"{sim.elapsed:g} main: {fault}")


def _pick(random: Random) -> Operation:
    drawn = random.random()
    if drawn < RARELY:
        return random.choice(operations.RARE)
    return random.choice(operations.FAULTS if drawn < RARELY + FAULTY else operations.WAITS)


def _do(
    sim: simclock.Simulation,
    world: World,
    log: list[str],
    index: int,
    steps: list[tuple[Operation, int]],
) -> None:
    for operation, seed in steps:
        try:
            happened = operation(world, Random(seed))
        except simclock.SimclockError:
            raise
        except REFUSALS as error:
            happened = f"{type(error).__name__} {getattr(error, 'errno', '')}"
        log.append(f"{sim.elapsed:g} {index} {operation.__name__}: {happened}")


def _raise_fault(number: int, _frame: object) -> None:
    raise Fault(f"signal {signal.Signals(number).name}")


def _expect_faults(told: threading.ExceptHookArgs) -> None:
    if not isinstance(told.exc_value, Fault):
        threading.__excepthook__(told)
