"""What a search has found happens again: here, often, and in another process."""

from __future__ import annotations

import contextlib
import random
import textwrap
import threading
import time

import pytest

import simclock
from simclock._core.schedule import Deviation

# A failing scenario of each flavour; what it is played with is below.
SCENARIOS = {
    "threads": """
        import threading

        class Account:
            def __init__(self):
                self.balance = 0
                self.lock = threading.Lock()

            def deposit(self, amount):
                with self.lock:
                    balance = self.balance
                with self.lock:
                    self.balance = balance + amount

        def scenario():
            account = Account()
            threads = [threading.Thread(target=account.deposit, args=(n,)) for n in (1, 2, 4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert account.balance == 7, account.balance
        """,
    "asyncio": """
        import asyncio, time

        def job(name):
            time.sleep(0)
            time.sleep(0)
            return name

        async def scenario():
            loop = asyncio.get_running_loop()
            seen = []
            names = {f"name {n}" for n in range(5)}  # in another order with each hash seed

            async def work(name):
                await asyncio.sleep(1)
                seen.append(await loop.run_in_executor(None, job, name))

            await asyncio.gather(*map(work, sorted(names)))
            assert seen == sorted(seen), seen
        """,
    "trio": """
        import trio

        def scenario():
            trio.run(main)

        async def main():
            seen = []

            async def work(name):
                await trio.lowlevel.checkpoint()
                seen.append(await trio.to_thread.run_sync(str, name))

            async with trio.open_nursery() as nursery:
                for name in "abc":
                    nursery.start_soon(work, name)
            assert seen != ["c", "b", "a"], seen
        """,
}

# As `simclock.replay`, but for the trace, which that does not return.
PLAY_AGAIN = """
from simclock._explore.playing import Settings, play
from simclock.searching import Follow

def play_again(token):
    schedule = simclock.Schedule.from_token(token)
    settings = Settings(schedule.fidelity, schedule.latency_ns, {"seed": schedule.seed})
    played = play(scenario, Follow(schedule, strict=True), settings)
    return played.trace.digest, f"{type(played.error).__name__}: {played.error}"
"""


def program(flavour, rest):
    return textwrap.dedent(SCENARIOS[flavour]) + "import simclock\n" + PLAY_AGAIN + rest


@pytest.mark.parametrize("flavour", SCENARIOS)
def test_a_failure_happens_again_a_hundred_times_in_another_process(child, flavour):
    """With another hash seed, after other runs, strictly: the same error and the same trace."""
    if flavour == "trio":
        pytest.importorskip("trio")
    token, reproduced, digest, said = child(
        program(
            flavour,
            """
failed = simclock.explore(scenario, strategy="random").failure
print(failed.token, f"{failed.reproduced}/{failed.repetitions}", sep="\\n")
print(*play_again(failed.token), sep="\\n")
""",
        ),
        PYTHONHASHSEED="1",
        # asyncio would say which steps the clock has made slow.
        PYTHONASYNCIODEBUG="",
        PYTHONDEVMODE="",
    )
    again = child(
        program(
            flavour,
            f"""
for each in sorted({{play_again({token!r}) for _ in range(100)}}):
    print(*each, sep="\\n")
""",
        ),
        PYTHONHASHSEED="2",
        PYTHONASYNCIODEBUG="",
        PYTHONDEVMODE="",
    )

    assert reproduced == "10/10"
    assert said.startswith("AssertionError")
    assert again == [digest, said]


def test_a_replay_raises_what_the_scenario_raises(programs):
    report = simclock.explore(programs.lost_update)
    for _ in range(100):
        with pytest.raises(AssertionError) as caught:
            simclock.replay(programs.lost_update, report.failure.token)

        assert caught.type is AssertionError


def test_a_replay_of_a_run_that_passes_returns(programs):
    seen = []

    class Last(simclock.Strategy):
        name = "last"

        def choose(self, point):
            seen.append(point)
            return point.bound - 1

    simclock.explore(programs.no_update_lost, strategy=Last(), runs=1, latency=0, seed=5)
    deviations = [
        Deviation(position, point.bound - 1, point.bound, point.label)
        for position, point in enumerate(seen)
    ]
    token = simclock.Schedule(5, "legal", 0, tuple(deviations), len(seen)).token

    assert simclock.replay(programs.no_update_lost, token) is None


def test_a_replay_has_the_seed_and_the_options_of_its_search():
    drawn = []

    def scenario():
        drawn.append((random.random(), time.time()))
        raise KeyError

    report = simclock.explore(scenario, seed=9, epoch=86400.0)
    with pytest.raises(KeyError):
        simclock.replay(scenario, report.failure.token, epoch=86400.0)

    assert len(set(drawn)) == 1
    assert drawn[0][1] == 86400.0


def test_a_replay_of_another_program_says_where_it_differs(programs):
    token = simclock.explore(programs.lost_update, strategy="random").failure.token

    with pytest.raises(simclock.Divergence) as caught:
        simclock.replay(lambda: None, token)

    first, expected, found, advice = str(caught.value).splitlines()
    assert first.startswith("the run does not follow its schedule, at choice point ")
    assert expected == "  expected: a choice of kind 'thread'"
    assert found == "  found: the end of the run"
    assert advice == "replay it with the code and the Python that it was made with, or tolerantly"


def test_a_scenario_cannot_swallow_that_it_differs(programs):
    token = simclock.explore(programs.lost_update, strategy="random", latency=0).failure.token

    def three():
        with contextlib.suppress(simclock.SimclockError):
            programs.together(*[programs.lost_update] * 2)

    with pytest.raises(simclock.Divergence, match="the run does not follow its schedule"):
        simclock.replay(three, token)


def test_a_tolerant_replay_of_another_program_goes_on(programs):
    token = simclock.explore(programs.lost_update, strategy="random").failure.token

    assert simclock.replay(programs.no_update_lost, token, strict=False) is None
    assert simclock.replay(lambda: None, token, strict=False) is None


def test_a_replay_needs_a_token(programs):
    runs = []
    with pytest.raises(ValueError, match=r"^this is no token of a schedule: 'tests/x\.py'\n"):
        simclock.replay(lambda: runs.append(1), "tests/x.py")

    assert runs == []


def test_who_wants_to_end_it_all_ends_a_replay():
    token = simclock.Schedule(0, "legal", 0, (), 0).token

    def scenario():
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        simclock.replay(scenario, token)
    assert simclock.active() is None


def test_a_replay_leaves_nothing(programs):
    threads, hook = threading.enumerate(), threading.excepthook
    token = simclock.explore(programs.lost_update).failure.token
    with pytest.raises(AssertionError):
        simclock.replay(programs.lost_update, token)

    assert (threading.enumerate(), threading.excepthook) == (threads, hook)
