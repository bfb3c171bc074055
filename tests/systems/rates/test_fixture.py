"""The fixture `sim_node`, as a suite uses it."""

from __future__ import annotations

TESTS = """
    import asyncio
    import threading
    import time


    def test_is_simulated(sim, sim_node):
        log = []
        sim_node.create_timer(600, lambda: log.append(sim.elapsed), "sync")
        sim_node.spin(timeout=1500)
        assert log == [0, 600, 1200]


    def test_needs_no_sim(sim_node):
        sim_node.spin(timeout=86400)


    async def test_leaves_a_run(sim_node):
        async def tick():
            pass

        sim_node.create_timer(1, tick)
        running = asyncio.ensure_future(sim_node.run())
        await asyncio.sleep(10)
        assert sim_node.running


    def test_leaves_threads(sim_node):
        sim_node.spawn_thread(lambda stop: stop.wait())
        sim_node.create_timer(1, lambda: None, "sync")
        threading.Thread(target=sim_node.spin).start()
        time.sleep(10)


    def test_leaves_a_loop_in_a_thread(sim_node):
        threading.Thread(target=lambda: asyncio.run(sim_node.run())).start()
        time.sleep(10)
"""


def test_the_node_is_closed_whatever_the_test_leaves(pytester):
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_subprocess("-W", "error", timeout=60)

    result.assert_outcomes(passed=5)


def test_it_is_skipped_without_simulated_time(pytester):
    pytester.makepyfile("def test_it(sim_node): pass")
    result = pytester.runpytest_subprocess("--no-simclock", timeout=60)

    result.assert_outcomes(skipped=1)
