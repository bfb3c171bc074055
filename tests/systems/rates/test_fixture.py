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


DEAF = """
    import threading
    import time


    def test_deaf(sim_node):
        def deaf(stop):
            time.sleep(60)

        sim_node.spawn_thread(deaf, name="deaf")
        sim_node.create_timer(1, lambda: time.sleep(60), "sync", name="slow")
        sim_node.create_timer(1, lambda: None, "sync", name="good")
        threading.Thread(target=sim_node.spin).start()
        time.sleep(10)


    def test_it_is_given_longer(sim_node):
        sim_node.join_timeout = 60
        test_deaf(sim_node)


    def test_callbacks_that_fail_are_only_logged(sim_node):
        timer = sim_node.create_timer(1, lambda: 1 / 0, "sync")
        sim_node.spin(timeout=2.5)
        assert timer.executor.statistics().failures == 3
"""


def test_what_would_not_stop_fails_the_test_and_is_named(pytester):
    pytester.makepyfile(DEAF)
    result = pytester.runpytest_subprocess("--simclock-leaks=warn", timeout=60)

    result.assert_outcomes(passed=3, errors=1, warnings=None)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_deaf*",
            "of Node('sim_node') these would not stop in 2 s after the test: deaf, slow*",
            "let threads return when their stop_event is set, and callbacks not wait for ever;",
            "or raise sim_node.join_timeout",
        ]
    )


def test_it_is_skipped_without_simulated_time(pytester):
    pytester.makepyfile("def test_it(sim_node): pass")
    result = pytester.runpytest_subprocess("--no-simclock", timeout=60)

    result.assert_outcomes(skipped=1)
