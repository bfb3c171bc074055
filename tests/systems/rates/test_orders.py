"""Every order of start, run, stop and cancel, at once and with time in between."""

from __future__ import annotations

import asyncio
import itertools
import threading

import pytest

from simclock.systems.rates import RateExecutor, SyncRateExecutor


class Coroutine:
    """One executor at 10 Hz in this event loop: what is done with it, by name."""

    def __init__(self):
        self.ticks = 0
        self.executor = RateExecutor(self.tick, 10)
        self.task = None

    async def tick(self):
        self.ticks += 1

    def start(self):
        self.executor.start()

    def stop(self):
        self.executor.stop()

    def run(self):
        self.task = asyncio.ensure_future(self.executor.run())

    def cancel(self):
        if self.task is not None:
            self.task.cancel()

    async def wait(self, seconds):
        await asyncio.sleep(seconds)

    def outcome(self):
        if self.task is None:
            return "none"
        if not self.task.done():
            return "runs"
        return "cancelled" if self.task.cancelled() else "returned"


class Thread(Coroutine):
    """The same in a thread, which nobody can cancel."""

    def __init__(self):
        super().__init__()
        self.executor = SyncRateExecutor(self.tick_in_thread, 10)

    def tick_in_thread(self):
        self.ticks += 1

    def run(self):
        self.task = threading.Thread(target=self.executor.run)
        self.task.start()

    def outcome(self):
        if self.task is None:
            return "none"
        return "runs" if self.task.is_alive() else "returned"


async def outcome_of(kind, order, seconds):
    """Return what became of the run, its ticks, `running`; then the ticks of another one."""
    one = kind()
    for step in order:
        getattr(one, step)()
        if seconds:
            await one.wait(seconds)
    await one.wait(0.25)
    first = one.outcome(), one.ticks, one.executor.running
    one.stop()
    await one.wait(0.01)
    one.ticks = 0
    one.run()
    await one.wait(0.15)
    second = one.ticks
    one.stop()
    await one.wait(0.01)
    return (*first, second)


# What was done, and what came of it: at once, so that all of it comes before the first step of the
# loop, and with 0.25 s after each. What became of the run, after how many ticks, `running` at the
# end; and how many ticks another run has in 0.15 s, after a stop: 0 if that stop was kept for it.
# A cancel before the run has nothing to cancel: those orders are left out.
# A start after the run, at once, may be for another one, as in "run cancel start": nobody can see
# which of both came first, as the task is only told to cancel itself. So that a stop for the other
# one is not lost, it is kept, and `running` is on, whatever becomes of this run.
COROUTINE = {
    "start":                   ("none 0 on, then 0", "none 0 on, then 0"),
    "run":                     ("runs 3 on, then 2", "runs 5 on, then 2"),
    "stop":                    ("none 0 off, then 0", "none 0 off, then 0"),
    "start run":               ("runs 3 on, then 2", "runs 5 on, then 2"),
    "start stop":              ("none 0 off, then 0", "none 0 off, then 0"),
    "run start":               ("runs 3 on, then 2", "runs 8 on, then 2"),
    "run stop":                ("returned 0 off, then 2", "returned 3 off, then 2"),
    "run cancel":              ("cancelled 0 off, then 2", "cancelled 3 off, then 2"),
    "stop start":              ("none 0 on, then 0", "none 0 on, then 0"),
    "stop run":                ("returned 0 off, then 2", "returned 0 off, then 2"),
    "start run stop":          ("returned 0 off, then 2", "returned 3 off, then 2"),
    "start run cancel":        ("cancelled 0 off, then 2", "cancelled 3 off, then 2"),
    "start stop run":          ("returned 0 off, then 2", "returned 0 off, then 2"),
    "run start stop":          ("returned 0 off, then 2", "returned 5 off, then 2"),
    "run start cancel":        ("cancelled 0 on, then 0", "cancelled 5 off, then 2"),
    "run stop start":          ("returned 0 off, then 2", "returned 3 on, then 0"),
    "run stop cancel":         ("cancelled 0 off, then 2", "returned 3 off, then 2"),
    "run cancel start":        ("cancelled 0 on, then 0", "cancelled 3 on, then 0"),
    "run cancel stop":         ("cancelled 0 off, then 2", "cancelled 3 off, then 2"),
    "stop start run":          ("runs 3 on, then 2", "runs 5 on, then 2"),
    "stop run start":          ("returned 0 off, then 2", "returned 0 on, then 0"),
    "stop run cancel":         ("cancelled 0 off, then 2", "returned 0 off, then 2"),
    "start run stop cancel":   ("cancelled 0 off, then 2", "returned 3 off, then 2"),
    "start run cancel stop":   ("cancelled 0 off, then 2", "cancelled 3 off, then 2"),
    "start stop run cancel":   ("cancelled 0 off, then 2", "returned 0 off, then 2"),
    "run start stop cancel":   ("cancelled 0 off, then 0", "returned 5 off, then 2"),
    "run start cancel stop":   ("cancelled 0 off, then 0", "cancelled 5 off, then 2"),
    "run stop start cancel":   ("cancelled 0 on, then 0", "returned 3 on, then 0"),
    "run stop cancel start":   ("cancelled 0 on, then 0", "returned 3 on, then 0"),
    "run cancel start stop":   ("cancelled 0 off, then 0", "cancelled 3 off, then 0"),
    "run cancel stop start":   ("cancelled 0 on, then 0", "cancelled 3 on, then 0"),
    "stop start run cancel":   ("cancelled 0 off, then 2", "cancelled 3 off, then 2"),
    "stop run start cancel":   ("cancelled 0 on, then 0", "returned 0 on, then 0"),
    "stop run cancel start":   ("cancelled 0 on, then 0", "returned 0 on, then 0"),
}  # fmt: skip
# A simulated thread begins when it is started. Nobody can cancel it.
THREAD = {
    "start":                   ("none 0 on, then 0", "none 0 on, then 0"),
    "run":                     ("runs 3 on, then 2", "runs 5 on, then 2"),
    "stop":                    ("none 0 off, then 0", "none 0 off, then 0"),
    "start run":               ("runs 3 on, then 2", "runs 5 on, then 2"),
    "start stop":              ("none 0 off, then 0", "none 0 off, then 0"),
    "run start":               ("runs 3 on, then 2", "runs 8 on, then 2"),
    "run stop":                ("returned 1 off, then 2", "returned 3 off, then 2"),
    "stop start":              ("none 0 on, then 0", "none 0 on, then 0"),
    "stop run":                ("returned 0 off, then 2", "returned 0 off, then 2"),
    "start run stop":          ("returned 1 off, then 2", "returned 3 off, then 2"),
    "start stop run":          ("returned 0 off, then 2", "returned 0 off, then 2"),
    "run start stop":          ("returned 1 off, then 2", "returned 5 off, then 2"),
    "run stop start":          ("returned 1 off, then 2", "returned 3 on, then 0"),
    "stop start run":          ("runs 3 on, then 2", "runs 5 on, then 2"),
    "stop run start":          ("returned 0 on, then 0", "returned 0 on, then 0"),
}  # fmt: skip


def orders(*steps):
    found = (p for n in range(len(steps)) for p in itertools.permutations(steps, n + 1))
    return [
        " ".join(order)
        for order in found
        if "cancel" not in order or "run" in order[: order.index("cancel")]
    ]


def test_the_tables_have_every_order():
    assert list(COROUTINE) == orders("start", "run", "stop", "cancel")
    assert list(THREAD) == orders("start", "run", "stop")


@pytest.mark.parametrize(
    ("kind", "order", "seconds", "expected"),
    [
        pytest.param(kind, order, seconds, expected, id=f"{kind.__name__}-{order}-{seconds}")
        for kind, table in ((Coroutine, COROUTINE), (Thread, THREAD))
        for order, row in table.items()
        for seconds, expected in zip((0, 0.25), row, strict=True)
    ],
)
def test_order(logged, kind, order, seconds, expected):
    with logged() as it:
        outcome, ticks, running, then = it.run(outcome_of(kind, order.split(), seconds))

    assert f"{outcome} {ticks} {'on' if running else 'off'}, then {then}" == expected


def test_a_stop_between_the_call_of_a_later_run_and_its_first_step_is_kept(logged):
    async def main():
        one = Coroutine()
        one.run()
        await asyncio.sleep(0.25)
        one.stop()
        await one.task
        one.run()
        one.stop()
        await one.task
        return one.ticks

    with logged() as it:
        assert it.run(main()) == 3
