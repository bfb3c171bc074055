"""The same programs for SimPy: generators that yield events, and no threads.

A program takes an environment and returns the event that ends it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import simpy

from benchmarks.rivals.cases import ITEMS, PAUSES, WORK, draw_sleeps, phase

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from benchmarks.rivals.cases import Size

    Program = Callable[[simpy.Environment], simpy.Event]
    Process = Generator[simpy.Event, Any, None]


def start(_: Size) -> Program:
    """Do nothing."""

    def main(env: simpy.Environment) -> simpy.Event:
        return env.timeout(0)

    return main


def sleeps(size: Size) -> Program:
    """Run processes that sleep for random times."""
    durations = draw_sleeps(size)

    def sleeper(env: simpy.Environment, mine: list[float]) -> Process:
        for duration in mine:
            yield env.timeout(duration)

    def main(env: simpy.Environment) -> simpy.Event:
        return env.all_of([env.process(sleeper(env, mine)) for mine in durations])

    return main


memory = sleeps


def yields(size: Size) -> Program:
    """Run processes that only let the others run."""
    tasks, times = size

    def yielder(env: simpy.Environment) -> Process:
        for _ in range(times):
            yield env.timeout(0)

    def main(env: simpy.Environment) -> simpy.Event:
        return env.all_of([env.process(yielder(env)) for _ in range(tasks)])

    return main


def queue(_: Size) -> Program:
    """Send items from two producers to two consumers."""

    def main(env: simpy.Environment) -> simpy.Event:
        items = simpy.Store(env, 2)
        got = []

        def produce(pause: float) -> Process:
            for number in range(ITEMS):
                yield env.timeout(pause)
                yield items.put((pause, number))

        def consume() -> Process:
            while (item := (yield items.get())) is not None:
                yield env.timeout(WORK)
                got.append(item)

        def test() -> Process:
            consumers = [env.process(consume()) for _ in range(2)]
            yield env.all_of([env.process(produce(pause)) for pause in PAUSES])
            for _ in consumers:
                yield items.put(None)
            yield env.all_of(consumers)
            assert sorted(got) == [(pause, number) for pause in PAUSES for number in range(ITEMS)]

        return env.process(test())

    return main


def timers(size: Size) -> Program:
    """Let timers arm themselves again and again."""
    count, fires = size

    def main(env: simpy.Environment) -> simpy.Event:
        done = env.event()
        running = count

        def arm(delay: float, left: int) -> None:
            env.timeout(delay, left).callbacks.append(fire)

        def fire(event: simpy.Event) -> None:
            nonlocal running
            if event.value:
                arm(1, event.value - 1)
                return
            running -= 1
            if not running:
                done.succeed()

        for number in range(count):
            arm(phase(number, count), fires - 1)
        return done

    return main
