"""What a schedule may order in an event loop: events, timers, in chaos tasks; and nothing else."""

from __future__ import annotations

import asyncio
import itertools
import socket
import subprocess
import sys
import threading

import pytest

import simclock
from simclock import Simulation
from simclock._core.choices import CLOCK, COST, EVENTS, TASKS, TIMERS

LATENCY_NS = 125_000_000


class Asked:
    """Answers the points of some labels, in order, by what a test gives; 0 to all others."""

    interested = True

    def __init__(self, choices=(), *, labels=(EVENTS, TIMERS, TASKS), chaos=False, latency_ns=0):
        self.choices = list(choices)
        self.labels = labels
        self.chaos = chaos
        self.latency_ns = latency_ns
        self.points = []

    def choose(self, point):
        if point.label not in self.labels:
            return 0
        self.points.append(point)
        return self.choices.pop(0) if self.choices else 0

    @property
    def asked(self):
        return [(point.label, point.bound) for point in self.points]


def played(main, *choices, **options):
    """Return what the coroutine function *main* returns, and what was asked meanwhile."""
    asked = Asked(choices, **options)
    with Simulation(choices=asked):
        return asyncio.run(main()), asked.asked


def outcomes(main, **options):
    """Return every result of *main* that there is a schedule for."""
    found = set()

    async def scenario():
        found.add(await main())

    report = simclock.explore(scenario, runs=5000, strategy="dfs", **options)
    assert (report.verdict, report.exhausted) == ("passed", True)
    return found


# --------------------------------------------------------------------------------- timers


def at_once(*armed):
    """Return a coroutine function that arms timers due at 1 s, at the instants of *armed*."""

    async def main():
        loop = asyncio.get_running_loop()
        begin, log = loop.time(), []
        for seconds, name in armed:
            await asyncio.sleep(begin + seconds - loop.time())
            loop.call_later(begin + 1 - loop.time(), log.append, name)
        await asyncio.sleep(begin + 2 - loop.time())
        return "".join(log)

    return main


def test_timers_that_were_armed_at_one_instant_keep_their_order():
    main = at_once((0, "a"), (0, "b"), (0, "c"))

    assert played(main) == ("abc", [])
    assert outcomes(main, latency=0) == {"abc"}


def test_timers_that_were_armed_at_different_instants_come_in_any_order():
    main = at_once((0, "a"), (0.25, "b"), (0.5, "c"))

    assert played(main) == ("abc", [(TIMERS, 3), (TIMERS, 2)])
    assert played(main, 2, 1) == ("cba", [(TIMERS, 3), (TIMERS, 2)])
    assert outcomes(main, latency=0) == {"".join(each) for each in itertools.permutations("abc")}


def test_a_later_timer_that_was_cancelled_is_in_no_order():
    async def main():
        loop = asyncio.get_running_loop()
        log = []
        loop.call_later(1, log.append, "a")
        await asyncio.sleep(0.5)
        loop.call_later(0.5, log.append, "b").cancel()
        await asyncio.sleep(1)
        return "".join(log)

    assert played(main) == ("a", [])


def test_timers_for_one_time_of_the_clock_keep_their_order():
    """As the stock loop's heap has them: their times are equal, and no sums."""

    async def main():
        loop = asyncio.get_running_loop()
        log, when = [], loop.time() + 1
        loop.call_at(when, log.append, "a")
        await asyncio.sleep(0.25)
        loop.call_at(when, log.append, "b")
        loop.call_later(0.75, log.append, "x")
        await asyncio.sleep(1)
        return "".join(log)

    assert outcomes(main, latency=0) == {"abx", "axb", "xab"}


def test_groups_of_timers_are_merged():
    main = at_once((0, "a"), (0, "b"), (0.5, "x"), (0.5, "y"))

    assert outcomes(main, latency=0) == {"abxy", "axby", "axyb", "xaby", "xayb", "xyab"}


def test_timers_with_different_deadlines_keep_their_order():
    async def main():
        loop = asyncio.get_running_loop()
        log = []
        loop.call_later(1.25, log.append, "b")
        await asyncio.sleep(0.5)
        loop.call_later(0.5, log.append, "a")
        await asyncio.sleep(1)
        return "".join(log)

    assert outcomes(main, latency=0) == {"ab"}


def test_a_timer_that_was_cancelled_is_in_no_order():
    async def main():
        loop = asyncio.get_running_loop()
        log = []
        first = loop.call_later(1, log.append, "a")
        await asyncio.sleep(0.5)
        loop.call_later(0.5, log.append, "b")
        first.cancel()
        await asyncio.sleep(1)
        return "".join(log)

    assert played(main) == ("b", [])


def test_sleeps_that_end_together_may_end_in_either_order():
    async def main():
        log = []

        async def nap(name, before):
            await asyncio.sleep(before)
            await asyncio.sleep(1 - before)
            log.append(name)

        await asyncio.gather(nap("a", 0.25), nap("b", 0.5))
        return "".join(log)

    assert outcomes(main, latency=0) == {"ab", "ba"}


# --------------------------------------------------------------------------------- events


async def two_readable():
    """Return in which order a loop tells of two sockets that became readable together."""
    loop = asyncio.get_running_loop()
    log = []
    pairs = {name: socket.socketpair() for name in "ab"}
    for name, (mine, other) in pairs.items():
        mine.setblocking(False)
        other.send(b"x")
        loop.add_reader(mine, log.append, name)
    await asyncio.sleep(0)
    while len(set(log)) < 2:
        await asyncio.sleep(0)
    for mine, other in pairs.values():
        loop.remove_reader(mine)
        mine.close()
        other.close()
    return "".join(log[:2])


def test_descriptors_that_are_ready_together_are_told_in_any_order():
    """Again in each turn: they stay readable."""
    assert played(two_readable) == ("ab", [(EVENTS, 2)] * 2)
    assert played(two_readable, 1) == ("ba", [(EVENTS, 2)] * 2)


def test_the_same_for_a_loop_that_waits_for_them():
    async def main():
        loop = asyncio.get_running_loop()
        log, pairs = [], [socket.socketpair() for _ in range(3)]
        done = loop.create_future()

        def read(number):
            log.append(number)
            loop.remove_reader(pairs[number][0])
            if len(log) == 3:
                done.set_result(None)

        for number, (mine, _) in enumerate(pairs):
            mine.setblocking(False)
            loop.add_reader(mine, read, number)

        def send():
            for _, other in pairs:
                other.send(b"x")

        sender = threading.Timer(1, send)
        sender.start()
        await done
        for each in itertools.chain(*pairs):
            each.close()
        sender.join()
        return log

    assert played(main) == ([0, 1, 2], [(EVENTS, 3), (EVENTS, 2)])
    assert played(main, 2, 1) == ([2, 1, 0], [(EVENTS, 3), (EVENTS, 2)])


def test_the_same_for_any_loop_that_asks_epoll():
    def order(*choices):
        asked = Asked(choices)
        with Simulation(choices=asked):
            loop = asyncio.SelectorEventLoop()
            try:
                return loop.run_until_complete(two_readable()), asked.asked[:1]
            finally:
                loop.close()

    assert order() == ("ab", [(EVENTS, 2)])
    assert order(1) == ("ba", [(EVENTS, 2)])


# ---------------------------------------------------------------------------------- tasks


async def three_tasks():
    log = []

    async def work(name):
        log.append(name)
        await asyncio.sleep(0)
        log.append(name.upper())

    await asyncio.gather(*map(work, "abc"))
    return "".join(log)


def test_tasks_keep_their_order_in_any_legal_schedule():
    assert played(three_tasks) == ("abcABC", [])
    assert outcomes(three_tasks, latency=0) == {"abcABC"}


def test_chaos_has_other_orders_of_tasks_turn_by_turn():
    """Each of the tasks takes one step a turn, in whatever order."""
    first, second = (
        ["".join(p) for p in itertools.permutations(names)] for names in ("abc", "ABC")
    )

    assert played(three_tasks, chaos=True)[0] == "abcABC"
    assert played(three_tasks, 2, 1, chaos=True)[0] == "cbaCBA"
    assert outcomes(three_tasks, latency=0, fidelity="chaos") == {
        one + other for one in first for other in second
    }


def test_chaos_leaves_callbacks_where_they_are():
    async def main():
        loop = asyncio.get_running_loop()
        log = []

        async def work(name):
            log.append(name)

        tasks = []
        for name in "ab":
            tasks.append(loop.create_task(work(name)))
            loop.call_soon(log.append, name.upper())
        await asyncio.gather(*tasks)
        return "".join(log)

    assert outcomes(main, latency=0) == {"aAbB"}
    # The places of the tasks among callbacks are theirs; who is in which is left to chance.
    assert outcomes(main, latency=0, fidelity="chaos") == {"aAbB", "bAaB"}


def test_chaos_keeps_the_order_of_callbacks_alone():
    async def main():
        loop = asyncio.get_running_loop()
        log = []
        for name in "abc":
            loop.call_soon(log.append, name)
        await asyncio.sleep(0)
        return "".join(log)

    assert outcomes(main, latency=0, fidelity="chaos") == {"abc"}


def test_one_task_is_in_its_order_in_chaos_too():
    async def main():
        log = []
        for name in "abc":
            log.append(name)
            await asyncio.sleep(0)
        return "".join(log)

    assert played(main, chaos=True) == ("abc", [])


def test_what_one_task_has_to_do_keeps_its_order_in_chaos():
    """A step that is left of a future that was cancelled, and one that a callback asked for."""

    async def main():
        loop = asyncio.get_running_loop()
        log = []

        async def wait(name, future):
            try:
                await future
            except asyncio.CancelledError:
                log.append(f"{name} cancelled")
            log.append(name)

        futures = [loop.create_future() for _ in range(2)]
        tasks = [loop.create_task(wait(*each)) for each in zip("ab", futures, strict=True)]
        await asyncio.sleep(1)
        for future, task in zip(futures, tasks, strict=True):
            future.set_result(None)
            task.cancel()
        await asyncio.wait(tasks)
        return ", ".join(log)

    assert outcomes(main, latency=0, fidelity="chaos") == {
        "a cancelled, a, b cancelled, b",
        "b cancelled, b, a cancelled, a",
    }


def test_chaos_permutes_no_threads_callbacks():
    async def main():
        loop = asyncio.get_running_loop()
        log = []

        def outside():
            for name in "ab":
                loop.call_soon_threadsafe(log.append, name)

        thread = threading.Thread(target=outside)
        thread.start()
        await asyncio.sleep(1)
        thread.join()
        return "".join(log)

    assert outcomes(main, latency=0, fidelity="chaos") == {"ab"}


# ---------------------------------------------------------------------------- the clock


def test_a_timer_may_come_before_the_next_turn():
    """As where the machine was busy. What is ready already comes before it all the same."""

    async def main():
        loop = asyncio.get_running_loop()
        log = []
        loop.call_later(0.0625, log.append, "timer")
        for _ in range(2):
            await asyncio.sleep(0)
            log.append("turn")
        await asyncio.sleep(1)
        return " ".join(log)

    usual = "turn turn timer"
    assert outcomes(main, latency=0.0624) == {usual}
    assert outcomes(main, latency=0.0625) == {usual, "turn timer turn"}


def test_at_a_turn_the_clock_is_offered_with_the_loops_own_deadline():
    points = []

    def choose(point):
        points.append(point)
        return point.bound - 1 if point.candidates else 0

    async def main():
        loop = asyncio.get_running_loop()
        begin = loop.time()
        loop.call_later(0.0625, int)
        await asyncio.sleep(0)
        return loop.time() - begin

    asked = Asked(latency_ns=LATENCY_NS)
    asked.choose = choose
    with Simulation(choices=asked):
        assert asyncio.run(main()) == 0.0625

    first = next(point for point in points if point.candidates)
    assert [(each.path, each.operation) for each in first.candidates] == [
        ("0", "turn"),
        (CLOCK, "jump"),
    ]


def test_a_loop_reads_the_clock_at_a_cost():
    async def main():
        loop = asyncio.get_running_loop()
        begin = loop.time()
        return round(loop.time() - begin, 9)

    costs = {"labels": (COST,), "latency_ns": LATENCY_NS}
    assert played(main, **costs)[0] == 0
    assert played(main, 0, 1, **costs)[0] == 1e-6
    assert played(main, 0, 2, **costs)[0] == 0.125


# ------------------------------------------------------------------------- a loop alone


def test_a_loop_without_a_simulation_has_nothing_to_choose():
    def run(main):
        loop = simclock.SimEventLoop()
        try:
            return loop.run_until_complete(main())
        finally:
            loop.close()

    assert run(three_tasks) == "abcABC"
    assert run(at_once((0, "a"), (0.5, "b"))) == "ab"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are new in 3.12")
def test_eager_tasks_have_their_first_step_where_they_are_made():
    async def main():
        loop = asyncio.get_running_loop()
        loop.set_task_factory(asyncio.eager_task_factory)
        return await three_tasks()

    assert {each[:3] for each in outcomes(main, latency=0, fidelity="chaos")} == {"abc"}


FIRST_RUNS = """
import asyncio, threading
import simclock

async def main():
    await asyncio.sleep(1)

def scenario():
    threads = [threading.Thread(target=lambda: asyncio.run(main())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

# One that each of them may go on at any choice point: a lock more or less would be seen.
report = simclock.explore(scenario, runs=1, strategy="random")
first = report.evidence
second = simclock.explore(scenario, runs=1, strategy="random").evidence
print(first.points == second.points, first.steps == second.steps)
print(asyncio.events._event_loop_policy)
"""


def test_the_first_run_of_a_process_is_like_all_others():
    """Asyncio makes its policy when it is first asked for, under a lock."""
    command = [sys.executable, "-c", FIRST_RUNS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == ["True True", "None"]


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="policies are deprecated")
@pytest.mark.parametrize("is_set", [False, True])
def test_a_policy_that_is_set_inside_is_gone_with_the_simulation(monkeypatch, is_set):
    kind = type(asyncio.get_event_loop_policy())
    before = kind() if is_set else None
    monkeypatch.setattr(asyncio.events, "_event_loop_policy", before)

    with Simulation():
        inside = asyncio.get_event_loop_policy()
        assert inside is before or not is_set
        other = kind()
        asyncio.set_event_loop_policy(other)
        assert asyncio.get_event_loop_policy() is other

    assert asyncio.events._event_loop_policy is before
