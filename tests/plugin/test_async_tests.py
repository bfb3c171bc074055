"""Coroutine tests and async fixtures that no plugin but ours takes, and loops of every kind in a test."""

from __future__ import annotations

import ast
from textwrap import dedent

import pytest

SETUP = """
    import asyncio, contextvars, threading, time, unittest
    import pytest, simclock

    world = lambda test: test
    log = []

    def note(what):
        # To the millisecond: in a whole suite a step takes a microsecond.
        log.append((round(simclock.active().elapsed, 3), what))
"""
# The decorator `world` of the suite, and what is said on the command line.
WORLDS = {"whole suite": ["--simclock"], "marker": []}


@pytest.fixture(params=WORLDS)
def world(request):
    return request.param


@pytest.fixture
def suite_apart(pytester, world):
    """Return a function that runs a suite in a process of its own: it leaves tasks without an end."""

    def run(text, *arguments):
        marked = "" if world == "whole suite" else "world = pytest.mark.simclock"
        pytester.makepyfile(test_suite=f"{dedent(SETUP)}\n{marked}\n{dedent(text)}")
        plugins = ["-p", "no:cacheprovider", "-p", "no:random-order"]
        return pytester.runpytest_subprocess(*plugins, *WORLDS[world], *arguments)

    return run


@pytest.fixture
def suite(suite, world):
    def run(text, *arguments):
        marked = "" if world == "whole suite" else "world = pytest.mark.simclock"
        return suite(dedent(text), *WORLDS[world], *arguments, setup=f"{dedent(SETUP)}\n{marked}")

    return run


def printed(result):
    """Return what the suite has printed last: its log."""
    lines = [line for line in result.stdout.lines if line.startswith("[(")]
    return ast.literal_eval(lines[-1])


# ---------------------------------------------------------------------- coroutine tests


def test_a_coroutine_test_is_run_and_its_time_is_virtual(suite):
    result = suite(
        """
        @world
        async def test():
            await asyncio.gather(asyncio.sleep(3600), asyncio.to_thread(time.sleep, 1800))
            note("done")
            assert log == [(3600.0, "done")]

        @world
        async def test_fails():
            await asyncio.sleep(5)
            assert simclock.active() is None

        @world
        async def test_skips():
            pytest.skip("not today")

        @world
        @pytest.mark.xfail(strict=True)
        async def test_is_expected_to_fail():
            raise ValueError

        class TestClass:
            @world
            @pytest.mark.parametrize("seconds", [1, 2])
            async def test_method(self, seconds, tmp_path):
                await asyncio.sleep(seconds)

            @world
            @staticmethod
            async def test_static():
                await asyncio.sleep(1)
        """
    )

    result.assert_outcomes(passed=4, failed=1, skipped=1, xfailed=1)
    result.stdout.fnmatch_lines("failed at virtual +5* s, with its own seed *")
    # Nothing of ours is between pytest and the line that failed.
    assert "coroutines.py" not in result.stdout.str()


def test_sim_alone_makes_a_coroutine_test_a_simulated_one(suite):
    result = suite(
        """
        async def test(sim):
            await asyncio.sleep(3600)
            assert sim.elapsed == 3600
        """
    )

    result.assert_outcomes(passed=1)


def test_each_test_has_a_loop_of_its_own_which_ends_as_that_of_asyncio_run(suite):
    result = suite(
        """
        loops = []

        async def left_behind():
            try:
                await asyncio.sleep(3600)
            finally:
                note("cancelled")

        async def generator():
            try:
                yield
            finally:
                note("closed")

        @world
        async def test_leaves_tasks():
            loops.append(asyncio.get_running_loop())
            asyncio.create_task(left_behind())
            global kept
            kept = generator()
            await kept.__anext__()
            await asyncio.get_running_loop().run_in_executor(None, time.sleep, 2)
            note("end")

        @world
        async def test_after():
            loops.append(asyncio.get_running_loop())
            assert all(type(loop).__name__ == "SimEventLoop" for loop in loops)
            assert [loop.is_closed() for loop in loops] == [True, False]
            assert log == [(2.0, "end"), (2.0, "cancelled"), (2.0, "closed")]
        """
    )

    result.assert_outcomes(passed=2)


def test_a_test_in_real_time_is_left_to_pytest(suite):
    result = suite(
        """
        @pytest.mark.simclock(False)
        async def test():
            raise AssertionError("not run")
        """
    )

    # It fails, or up to pytest 8.3 it is skipped.
    assert "passed" not in result.parseoutcomes()
    result.stdout.fnmatch_lines("*async def functions are not natively supported*")
    result.stdout.no_fnmatch_line("*AssertionError: not run*")


def test_a_plugin_that_runs_coroutines_goes_first(suite, pytester):
    pytester.makeconftest(
        """
        import inspect, pytest

        # Not first and not last, as most do.
        def pytest_pyfunc_call(pyfuncitem):
            if inspect.iscoroutinefunction(pyfuncitem.obj) and "theirs" in pyfuncitem.name:
                pyfuncitem.obj().close()
                print("taken", pyfuncitem.name)
                return True
        """
    )
    result = suite(
        """
        @world
        async def test_theirs():
            raise AssertionError("run")

        @world
        async def test_ours():
            note("run")
            assert log == [(0.0, "run")]
        """,
        "-rP",
    )

    result.assert_outcomes(passed=2)
    assert [line for line in result.stdout.lines if "taken" in line] == ["taken test_theirs"]


# ----------------------------------------------------------------------- async fixtures


def test_fixtures_of_function_scope_are_of_the_tests_loop_and_task(suite):
    result = suite(
        """
        @pytest.fixture
        async def first():
            await asyncio.sleep(10)
            note("first is set up")
            yield asyncio.current_task()
            await asyncio.sleep(10)
            note("first is torn down")

        class TestClass:
            @pytest.fixture
            async def second(self, first):
                await asyncio.sleep(10)
                note("second is set up")
                self.owner = "second"
                return asyncio.get_running_loop()

            @world
            async def test(self, second, first, request):
                assert second is asyncio.get_running_loop()
                assert first is asyncio.current_task()
                assert first.get_name() == "test"
                assert self.owner == "second"
                await asyncio.sleep(10)
                note("tested")

        def test_log():
            print(log)
        """,
        "-rP",
    )

    result.assert_outcomes(passed=2)
    assert printed(result) == [
        (10.0, "first is set up"),
        (20.0, "second is set up"),
        (30.0, "tested"),
        (40.0, "first is torn down"),
    ]


def test_context_variables_of_fixtures_are_those_of_the_test_and_of_no_other(suite):
    result = suite(
        """
        variable = contextvars.ContextVar("variable", default="default")

        @pytest.fixture
        def plain():
            variable.set("plain")

        @pytest.fixture
        async def one(plain):
            assert variable.get() == "plain"
            variable.set("one")

        @pytest.fixture
        async def two(one):
            assert variable.get() == "one"
            token = variable.set("two")
            yield
            variable.reset(token)

        @pytest.fixture
        def between(two):
            assert variable.get() == "two"

        @world
        async def test(two, between):
            assert variable.get() == "two"
            variable.set("test")

        @world
        async def test_after(one):
            assert variable.get() == "one"
        """
    )

    result.assert_outcomes(passed=2)


@pytest.mark.skipif("sys.version_info < (3, 11)", reason="asyncio.TaskGroup is of 3.11")
def test_a_task_group_of_a_fixture_spans_its_test(suite):
    result = suite(
        """
        @pytest.fixture
        async def group():
            async with asyncio.TaskGroup() as group:
                yield group
                note("torn down")

        async def fail():
            await asyncio.sleep(7)
            raise ValueError("in a task")

        @world
        async def test(group):
            group.create_task(asyncio.sleep(100))

        @world
        async def test_is_cancelled(group):
            group.create_task(fail())
            await asyncio.sleep(100)

        @world
        async def test_after(group):
            async with asyncio.timeout(5):
                await asyncio.sleep(1)

        def test_log():
            print(log)
        """,
        "-rP",
    )

    result.assert_outcomes(passed=3, failed=1, errors=1)
    assert printed(result) == [(0.0, "torn down"), (7.0, "torn down"), (1.0, "torn down")]
    result.stdout.fnmatch_lines(["*ValueError: in a task"])


def test_errors_in_fixtures_are_those_of_pytest(suite):
    result = suite(
        """
        @pytest.fixture
        async def broken():
            await asyncio.sleep(1)
            raise ValueError("in set-up")

        @pytest.fixture
        async def breaks():
            yield
            raise ValueError("in teardown")

        @pytest.fixture
        async def skips():
            pytest.skip("for want of it")

        @pytest.fixture
        async def twice():
            yield 1
            yield 2

        @pytest.fixture
        async def never():
            if log is None:
                yield

        @world
        async def test_broken(broken): pass

        @world
        async def test_breaks(breaks): pass

        @world
        async def test_skips(skips): pass

        @world
        async def test_twice(twice): pass

        @world
        async def test_never(never): pass
        """
    )

    result.assert_outcomes(passed=2, errors=4, skipped=1)
    result.stdout.fnmatch_lines_random(
        [
            "*ValueError: in set-up",
            "*ValueError: in teardown",
            "the fixture 'twice' has more than one 'yield'",
        ]
    )


def test_a_fixture_that_is_asked_for_while_its_loop_runs_is_an_error_and_the_test_goes_on(suite):
    result = suite(
        """
        @pytest.fixture
        async def fixture():
            yield

        @world
        async def test(request):
            with pytest.raises(RuntimeError, match="name it as an argument, not by getfixturevalue"):
                request.getfixturevalue("fixture")
            await asyncio.sleep(1)
            note("tested")
            assert log == [(1.0, "tested")]
        """
    )

    result.assert_outcomes(passed=1)


def test_what_never_ends_in_a_shared_loop_does_not_end_the_tests_after_it(suite_apart, world):
    if world == "marker":
        pytest.skip("about a whole suite")
    result = suite_apart(
        """
        @pytest.fixture(scope="module")
        async def wide():
            yield
            await asyncio.sleep(10)

        async def test(wide):
            while True:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    pass

        async def test_after(wide):
            await asyncio.sleep(10)
        """
    )

    result.assert_outcomes(passed=1, failed=1)


def test_a_plain_test_with_an_async_fixture_is_left_to_pytest(suite):
    plain = suite(
        """
        @pytest.fixture
        async def fixture():
            return "set up"

        @world
        def test(fixture):
            assert fixture != "set up"
        """,
        "-Wignore",
    )

    assert plain.parseoutcomes().get("failed", 0) == 0


# -------------------------------------------------------------------------- wide fixtures

WIDE = """
    @pytest.fixture(scope="{scope}")
    async def wide():
        async def tick():
            while True:
                await asyncio.sleep(1)
                ticks.append(round(time.monotonic() - begin))

        ticks, begin = [], time.monotonic()
        await asyncio.sleep(1)
        task = asyncio.create_task(tick())
        yield ticks
        task.cancel()
        # Where a test does not use it, its loop stands still.
        print([("torn down", len(ticks))])

    class TestClass:
        @world
        async def test(self, wide):
            await asyncio.sleep(10)
            assert len(wide) == 9

        @world
        async def test_again(self, wide):
            before = len(wide)
            await asyncio.sleep(10)
            assert len(wide) == before + 10

        @world
        async def test_without(self):
            await asyncio.sleep(10)
"""


@pytest.mark.parametrize("scope", ["class", "module", "package", "session"])
def test_wide_async_fixtures_share_one_loop_in_a_whole_suite(suite, world, scope):
    result = suite(WIDE.format(scope=scope), "-s")

    if world == "whole suite":
        result.assert_outcomes(passed=3)
        result.stdout.fnmatch_lines("*('torn down', 19)*")
    else:
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(
            [
                f"ERROR: *::test: the fixture 'wide' of {scope} scope keeps an event loop *",
                "give the loop function scope, or run the suite with --simclock and this test *",
            ]
        )


# -------------------------------------------------------------------------------- unittest


def test_isolated_asyncio_test_cases_are_as_ever(suite):
    result = suite(
        """
        @world
        class TestCase(unittest.IsolatedAsyncioTestCase):
            def setUp(self):
                note("setUp")

            async def asyncSetUp(self):
                await asyncio.sleep(10)
                self.loop = asyncio.get_running_loop()
                self.addAsyncCleanup(asyncio.sleep, 10)
                note("asyncSetUp")

            async def test(self):
                assert asyncio.get_running_loop() is self.loop
                await asyncio.sleep(10)
                note("test")

            async def asyncTearDown(self):
                await asyncio.sleep(10)
                note("asyncTearDown")

        def test_log():
            print(log)
        """,
        "-rP",
    )

    result.assert_outcomes(passed=2)
    assert printed(result) == [
        (0.0, "setUp"),
        (10.0, "asyncSetUp"),
        (20.0, "test"),
        (30.0, "asyncTearDown"),
    ]


# ---------------------------------------------------------------------------------- anyio


def test_anyio_runs_its_tests_and_fixtures_of_every_scope_on_both_backends(suite, world):
    wide = ["class", "module", "package", "session"] if world == "whole suite" else []
    result = suite(
        f"""
        import anyio

        pytestmark = pytest.mark.anyio

        @pytest.fixture(scope="session", params=["asyncio", "trio"])
        def anyio_backend(request):
            return request.param

        def fixture_of(scope):
            @pytest.fixture(scope=scope)
            async def fixture(anyio_backend):
                await anyio.sleep(10)
                yield scope
                await anyio.sleep(10)
                log.append((anyio_backend, scope))
            return fixture

        for scope in {["function", *wide]}:
            globals()[f"of_{{scope}}"] = fixture_of(scope)

        class TestClass:
            @world
            async def test(self, {", ".join(f"of_{scope}" for scope in ["function", *wide])}):
                begin = anyio.current_time()
                await anyio.sleep(3600)
                assert anyio.current_time() - begin == pytest.approx(3600, abs=0.01)

        def test_log():
            print(log)
        """,
        "-rP",
    )

    result.assert_outcomes(passed=3)
    scopes = [("asyncio", scope) for scope in ["function", "class", "module", "package", "session"]]
    assert printed(result)[0] == ("asyncio", "function")
    assert set(printed(result)) >= ({*scopes} if wide else {scopes[0], ("trio", "function")})


@pytest.mark.unclean("trio keeps idle threads for ten seconds")
def test_a_runner_of_anyio_serves_the_tests_of_its_world(suite, world):
    result = suite(
        """
        import anyio

        pytestmark = pytest.mark.anyio

        @pytest.fixture(scope="module")
        async def wide(anyio_backend):
            await anyio.sleep(0.01)
            yield asyncio.get_running_loop() if anyio_backend == "asyncio" else None

        async def test_shares(wide):
            assert wide is None or asyncio.get_running_loop() is wide

        async def test_own(sim):
            await anyio.sleep(3600)
            assert sim.elapsed == 3600

        @pytest.mark.simclock(False)
        async def test_real():
            await anyio.sleep(0.01)
            assert simclock.active() is None

        async def test_shares_again(wide):
            await anyio.sleep(0.01)
            assert wide is None or asyncio.get_running_loop() is wide
        """
    )

    result.assert_outcomes(passed=8)


def test_a_wide_fixture_of_anyio_is_refused_to_a_test_with_a_clock_of_its_own(suite, world):
    result = suite(
        """
        import anyio

        pytestmark = pytest.mark.anyio

        @pytest.fixture(scope="session")
        def anyio_backend():
            return "asyncio"

        @pytest.fixture(scope="session")
        async def wide(anyio_backend):
            await anyio.sleep(0.01)

        async def test_shares(wide): pass

        async def test_own(sim, wide): pass
        """
    )

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        "ERROR: test_suite.py::test_own: the fixture 'wide' of session scope keeps an event loop *"
    )


def test_a_loop_of_a_whole_suite_is_refused_to_a_test_in_real_time(suite, world):
    if world == "marker":
        pytest.skip("about a whole suite")
    result = suite(
        """
        import anyio

        pytestmark = pytest.mark.anyio

        @pytest.fixture(scope="session")
        def anyio_backend():
            return "asyncio"

        @pytest.fixture(scope="session")
        async def wide(anyio_backend):
            await anyio.sleep(0.01)

        async def test_shares(wide): pass

        @pytest.mark.simclock(False)
        async def test_real(wide): pass
        """
    )

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "the fixture 'wide' of session scope runs an event loop in the suite's simulation, for *",
            "this test runs in real time and would wait for it in vain",
        ]
    )


# ------------------------------------------------------------------------------ all at once

MIXED = """
    import trio

    async def ticks_asyncio(name, every):
        for number in range(3):
            await asyncio.sleep(every)
            note(f"{name} {number}")

    async def ticks_trio(name, every):
        for number in range(3):
            await trio.sleep(every)
            note(f"{name} {number}")

    def ticks(name, every):
        for number in range(3):
            time.sleep(every)
            note(f"{name} {number}")

    @world
    def test_plain():
        threads = [
            threading.Thread(target=ticks, args=("thread", 2)),
            threading.Thread(target=lambda: asyncio.run(ticks_asyncio("asyncio", 3))),
            threading.Thread(target=trio.run, args=(ticks_trio, "trio", 4)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    @world
    async def test_coroutine():
        await asyncio.gather(
            asyncio.to_thread(trio.run, ticks_trio, "trio", 3),
            asyncio.to_thread(ticks, "thread", 2),
            ticks_asyncio("asyncio", 4),
        )

    def test_log():
        print(log)
"""


def test_a_thread_and_loops_of_both_kinds_are_on_one_clock_the_same_twice(suite):
    first, second = (suite(MIXED, "-rP") for _ in range(2))

    first.assert_outcomes(passed=3)
    log = printed(first)
    assert log == printed(second)
    plain, coroutine = log[:9], log[9:]
    # Of what happens at one instant, the order is that of the schedule.
    assert sorted(plain) == [
        (2.0, "thread 0"),
        (3.0, "asyncio 0"),
        (4.0, "thread 1"),
        (4.0, "trio 0"),
        (6.0, "asyncio 1"),
        (6.0, "thread 2"),
        (8.0, "trio 1"),
        (9.0, "asyncio 2"),
        (12.0, "trio 2"),
    ]
    assert sorted(coroutine) == [
        (2.0, "thread 0"),
        (3.0, "trio 0"),
        (4.0, "asyncio 0"),
        (4.0, "thread 1"),
        (6.0, "thread 2"),
        (6.0, "trio 1"),
        (8.0, "asyncio 1"),
        (9.0, "trio 2"),
        (12.0, "asyncio 2"),
    ]


# ------------------------------------------------------------------------- what is reported


WAITING = """
    import anyio

    async def waits():
        await anyio.Event().wait()

    async def waits_in_clean_up():
        try:
            await waits()
        finally:
            await waits()

    async def raises_in_clean_up():
        try:
            await waits()
        finally:
            raise ValueError("in clean-up")
"""
KINDS = {
    "none": """
    @world
    async def test():
        await {awaited}()
    """,
    "a fixture": """
    @pytest.fixture
    async def fixture():
        yield
        await waits_in_clean_up()

    @world
    async def test(fixture):
        await {awaited}()
    """,
    "anyio": """
    @world
    @pytest.mark.anyio
    @pytest.mark.parametrize("anyio_backend", ["asyncio"])
    async def test(anyio_backend):
        await {awaited}()
    """,
    "anyio on trio": """
    @world
    @pytest.mark.anyio
    @pytest.mark.parametrize("anyio_backend", ["trio"])
    async def test(anyio_backend):
        await {awaited}()
    """,
    "unittest": """
    @world
    class TestCase(unittest.IsolatedAsyncioTestCase):
        async def test(self):
            await {awaited}()
    """,
    "asyncio.run": """
    @world
    def test():
        asyncio.run({awaited}())
    """,
}


@pytest.mark.parametrize("awaited", ["waits", "waits_in_clean_up", "raises_in_clean_up"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_deadlock_is_what_is_shown_first_and_once(suite_apart, kind, awaited):
    after = """
    @world
    async def test_after():
        await asyncio.sleep(3600)
    """
    text = "".join(map(dedent, (WAITING, KINDS[kind].format(awaited=awaited), after)))
    result = suite_apart(text, "-Wignore")

    result.assert_outcomes(passed=1, failed=1)
    shown = [line for line in result.stdout.lines if line.startswith("E  ")]
    assert "can never run again" in shown[0]
    assert sum("Deadlock: " in line for line in shown) == 1


def test_a_limit_is_what_is_shown_first_and_once(suite):
    result = suite(
        """
        @pytest.mark.simclock(max_time=100)
        async def test():
            try:
                await asyncio.sleep(200)
            finally:
                raise ValueError("in clean-up")
        """
    )

    result.assert_outcomes(failed=1)
    shown = [line for line in result.stdout.lines if line.startswith("E  ")]
    assert "LimitReached: limit reached: 100 virtual seconds" in shown[0]


def test_what_a_test_makes_of_a_deadlock_on_purpose_is_shown(suite):
    result = suite(
        """
        @world
        async def test():
            await asyncio.sleep(1)

        @world
        def test_says_more():
            try:
                asyncio.run(asyncio.Event().wait())
            except simclock.Deadlock as error:
                raise ValueError("nobody has set it") from error
        """
    )

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["E  *Deadlock: *", "E  *ValueError: nobody has set it"])
