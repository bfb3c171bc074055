"""A search makes thousands of runs, with the automatic collection of garbage off in each."""

from __future__ import annotations

import gc

import simclock


def test_a_run_leaves_no_garbage(child):
    """In a process of its own: others wait for a collection, too."""
    printed = child("""
        import gc, queue, threading
        import simclock
        from simclock._core.kernel import Kernel

        def scenario():
            items = queue.Queue()
            threads = [threading.Thread(target=items.put, args=(number,)) for number in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sorted(items.get() for _ in threads) == [0, 1, 2]

        def kept():
            return sum(isinstance(each, (Kernel, threading.Thread)) for each in gc.get_objects())

        simclock.explore(scenario, runs=10, strategy="random")
        gc.collect()
        before = kept()
        simclock.explore(scenario, runs=100, strategy="random")
        print(kept() - before)
    """)

    assert printed == ["0"]


class Cycle:
    alive = 0

    def __init__(self):
        Cycle.alive += 1
        self.me = self

    def __del__(self):
        Cycle.alive -= 1


def test_what_the_scenario_leaves_in_cycles_is_collected_now_and_then():
    def leave():
        Cycle()

    try:
        simclock.explore(leave, runs=450, strategy="random")

        assert Cycle.alive < 250
    finally:
        gc.collect()
