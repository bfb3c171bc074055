"""pytest-asyncio and pytest-trio, of any version, in simulated time.

They are installed in environments of their own; elsewhere these tests are
skipped. Those of anyio's plugin, which is always there, and of none of them
are in ``test_async_tests.py``.
"""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
from textwrap import dedent

import pytest

SETUP = """
import asyncio, random, threading, time
import pytest, simclock
try:
    import pytest_asyncio
except ImportError:
    pass

world = lambda test: test
log = []

def note(what):
    # To the millisecond: in a whole suite a step takes a microsecond.
    log.append((round(simclock.active().elapsed, 3), what))
"""
WORLDS = {"whole suite": ["--simclock"], "marker": []}


def version_of(name):
    try:
        return tuple(map(int, importlib.metadata.version(name).split(".")[:2]))
    except importlib.metadata.PackageNotFoundError:
        return (0, 0)


ASYNCIO = version_of("pytest-asyncio")
# What the marker calls the scope of its loop; before 0.23 there was a fixture for that.
WORD = "loop_scope" if ASYNCIO >= (0, 24) else "scope"
needs_asyncio = pytest.mark.skipif(ASYNCIO == (0, 0), reason="not installed: pytest-asyncio")
needs_loop_scopes = pytest.mark.skipif(ASYNCIO < (0, 23), reason="pytest-asyncio before 0.23")
needs_trio = pytest.mark.skipif(
    importlib.util.find_spec("pytest_trio") is None, reason="not installed: pytest-trio"
)
needs_hypothesis = pytest.mark.skipif(
    importlib.util.find_spec("hypothesis") is None, reason="not installed: hypothesis"
)


@pytest.fixture(params=WORLDS)
def world(request):
    return request.param


@pytest.fixture
def suite(pytester, world):
    """Return a function that runs a suite in a process of its own, as plugins with globals need."""

    def run(text, *arguments):
        marked = "" if world == "whole suite" else "world = pytest.mark.simclock"
        # In a package, for loops of that scope.
        pytester.makepyfile(
            **{"package/__init__": "", "package/test_suite": f"{SETUP}\n{marked}\n{dedent(text)}"}
        )
        plugins = ["-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:random-order"]
        return pytester.runpytest_subprocess(*plugins, *WORLDS[world], *arguments)

    return run


def printed(result):
    """Return what the suite has printed last: its log."""
    lines = [line for line in result.stdout.lines if line.startswith("[(")]
    return ast.literal_eval(lines[-1])


# ----------------------------------------------------------------------- pytest-asyncio


@needs_asyncio
def test_tests_and_fixtures_of_function_scope(suite):
    result = suite(
        """
        @pytest_asyncio.fixture
        async def first():
            await asyncio.sleep(10)
            note("first is set up")
            yield asyncio.get_running_loop()
            await asyncio.sleep(10)
            note("first is torn down")

        @pytest_asyncio.fixture
        async def second(first):
            await asyncio.sleep(10)
            note("second is set up")
            return first

        @world
        @pytest.mark.asyncio
        async def test(second):
            assert asyncio.get_running_loop() is second
            await asyncio.gather(asyncio.sleep(10), asyncio.to_thread(time.sleep, 5))
            note("tested")

        @world
        @pytest.mark.asyncio
        async def test_fails(first):
            assert first is None

        class TestClass:
            @world
            @pytest.mark.asyncio
            async def test_method(self):
                await asyncio.sleep(3600)
                assert simclock.active().elapsed == pytest.approx(3600, abs=0.01)

        def test_log():
            print(log)
        """,
        "-rP",
    )

    result.assert_outcomes(passed=3, failed=1)
    assert printed(result) == [
        (10.0, "first is set up"),
        (20.0, "second is set up"),
        (30.0, "tested"),
        (40.0, "first is torn down"),
        (10.0, "first is set up"),
        (20.0, "first is torn down"),
    ]


@needs_asyncio
@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_what_it_does_not_take_is_ours(suite, mode):
    result = suite(
        """
        @pytest.fixture
        async def fixture():
            await asyncio.sleep(10)
            yield asyncio.get_running_loop()
            await asyncio.sleep(10)

        @world
        async def test(fixture):
            assert asyncio.get_running_loop() is fixture
            await asyncio.sleep(10)
            note("tested")
            assert log == [(20.0, "tested")]
        """,
        f"--asyncio-mode={mode}",
    )

    result.assert_outcomes(passed=1)


SCOPES = [
    scope
    for scope, since in {
        "class": (0, 24),
        "module": (0, 23),
        "package": (0, 24),
        "session": (0, 23),
    }.items()
    if since <= ASYNCIO
]
WIDE = """
async def tick(ticks):
    while True:
        await asyncio.sleep(1)
        ticks.append(None)

@pytest_asyncio.fixture(scope="{scope}"{loop_scope})
async def wide():
    await asyncio.sleep(100)
    ticks = []
    task = asyncio.get_running_loop().create_task(tick(ticks))
    yield asyncio.get_running_loop(), ticks
    task.cancel()
    await asyncio.sleep(100)

class TestClass:
    @world
    @pytest.mark.asyncio({word}="{scope}")
    async def test(self, wide):
        loop, ticks = wide
        assert asyncio.get_running_loop() is loop
        await asyncio.sleep(10.5)
        assert len(ticks) == 10

    @world
    @pytest.mark.asyncio({word}="{scope}")
    async def test_again(self, wide):
        loop, ticks = wide
        assert asyncio.get_running_loop() is loop
        await asyncio.sleep(10)
        assert len(ticks) == 20

    @world
    @pytest.mark.asyncio({word}="{scope}")
    async def test_without(self):
        await asyncio.sleep(10)
"""


def wide(scope, **more):
    loop_scope = f', loop_scope="{scope}"' if ASYNCIO >= (0, 24) else ""
    return WIDE.format(scope=scope, loop_scope=loop_scope, word=WORD, **more)


@needs_asyncio
@needs_loop_scopes
@pytest.mark.parametrize("scope", SCOPES)
def test_a_loop_of_each_scope_is_for_a_whole_suite(suite, world, scope):
    result = suite(wide(scope))

    if world == "whole suite":
        result.assert_outcomes(passed=3)
        result.stdout.fnmatch_lines("simclock: 3 tests in simulated time, * min * s of it in *")
    else:
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        refused = f"keeps an event loop from test to test, and this test has a simulation, and so a {'clock'}, of its own"
        result.stderr.fnmatch_lines(
            [
                f"ERROR: *::test: the fixture 'wide' of {scope} scope {refused}",
                "give the loop function scope, or run the suite with --simclock and this test*",
                f"*::test_without: the marker asyncio({WORD}='{scope}') {refused}",
            ]
        )


@needs_asyncio
@pytest.mark.parametrize(
    ("option", "since", "argument"),
    [
        ("asyncio_default_test_loop_scope", (0, 26), ""),
        ("asyncio_default_fixture_loop_scope", (0, 24), "fixture"),
    ],
)
def test_an_option_for_all_loops_is_refused_too(suite, world, option, since, argument):
    if since > ASYNCIO:
        pytest.skip("pytest-asyncio is too old to have it")
    result = suite(
        f"""
        @pytest_asyncio.fixture
        async def fixture(): pass

        @world
        @pytest.mark.asyncio
        async def test({argument}):
            await asyncio.sleep(3600)
        """,
        "-o",
        f"{option}=session",
    )

    if world == "marker":
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines("ERROR: *::test: the *=*session* keeps an event loop *")
    else:
        result.assert_outcomes(passed=1)


@needs_asyncio
@needs_loop_scopes
@pytest.mark.parametrize("first", ["real", "suite"])
def test_a_loop_that_another_world_has_made_is_an_error_and_no_wait(suite, world, first):
    if world == "marker":
        pytest.skip("about a whole suite")
    marks = ["@pytest.mark.simclock(False)", ""]
    result = suite(
        """
        {marks[0]}
        @pytest.mark.asyncio({WORD}="module")
        async def test_first():
            await asyncio.sleep(0.01)

        {marks[1]}
        @pytest.mark.asyncio({WORD}="module")
        async def test_second():
            await asyncio.sleep(0.01)
        """.format(marks=marks if first == "real" else marks[::-1], WORD=WORD)
    )

    result.assert_outcomes(passed=1, errors=1)
    where = "in real time" if first == "real" else "in the suite's simulation"
    result.stdout.fnmatch_lines(
        f"the fixture '*' of module scope runs an event loop {where}, for *::test_first"
    )


@needs_asyncio
@pytest.mark.skipif(ASYNCIO >= (1, 0), reason="pytest-asyncio from 1.0 on has no such fixture")
@pytest.mark.filterwarnings("ignore")
def test_an_event_loop_fixture_of_wider_scope(suite, world):
    result = suite(
        """
        @pytest.fixture(scope="module")
        def event_loop():
            loop = asyncio.new_event_loop()
            yield loop
            loop.close()

        @pytest_asyncio.fixture(scope="module")
        async def wide(event_loop):
            await asyncio.sleep(10)
            yield event_loop
            await asyncio.sleep(10)

        @world
        @pytest.mark.asyncio
        async def test(wide):
            assert wide is asyncio.get_running_loop()
            await asyncio.sleep(10)

        @world
        @pytest.mark.asyncio
        async def test_again(wide):
            assert wide is asyncio.get_running_loop()
            await asyncio.sleep(10)
        """
        if ASYNCIO < (0, 23)
        else """
        @pytest.fixture(scope="module")
        def event_loop():
            loop = asyncio.new_event_loop()
            yield loop
            loop.close()

        @world
        @pytest.mark.asyncio
        async def test(event_loop):
            assert event_loop is asyncio.get_running_loop()
            await asyncio.sleep(10)

        @world
        @pytest.mark.asyncio
        async def test_again(event_loop):
            assert event_loop is asyncio.get_running_loop()
            await asyncio.sleep(10)
        """
    )

    if world == "whole suite":
        result.assert_outcomes(passed=2)
    else:
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines("ERROR: *::test: the fixture '*' of module scope keeps *")


@needs_asyncio
def test_an_autouse_fixture_of_a_session_is_no_hindrance(suite, world):
    if ASYNCIO < (0, 24):
        pytest.skip("it would need the loop of the test")
    result = suite(
        """
        @pytest_asyncio.fixture(scope="session", loop_scope="session", autouse=True)
        async def for_all():
            await asyncio.sleep(0.01)
            yield
            await asyncio.sleep(0.01)

        @world
        @pytest.mark.asyncio
        async def test():
            await asyncio.sleep(3600)
            note("tested")
            assert log == [(3600.0, "tested")] or log == [(3600.01, "tested")]

        @world
        def test_plain():
            time.sleep(3600)
        """
    )

    result.assert_outcomes(passed=2)


# --------------------------------------------------------------------------- pytest-trio


@needs_trio
def test_trio_tests_and_their_fixtures(suite):
    result = suite(
        """
        import trio

        @pytest.fixture
        async def fixture(nursery):
            await trio.sleep(10)
            note("set up")
            nursery.start_soon(trio.sleep_forever)
            yield
            await trio.sleep(10)
            note("torn down")

        @world
        @pytest.mark.trio
        async def test(fixture):
            begin = trio.current_time()
            with trio.move_on_after(5):
                await trio.to_thread.run_sync(time.sleep, 10)
            await trio.sleep(10)
            assert trio.current_time() - begin == pytest.approx(20, abs=0.01)
            note("tested")

        @world
        @pytest.mark.trio
        async def test_fails():
            await trio.sleep(10)
            assert trio is None

        @world
        @pytest.mark.trio
        async def test_after():
            await trio.to_thread.run_sync(time.sleep, 10)

        def test_log():
            print(log)
        """,
        "-rP",
    )

    result.assert_outcomes(passed=3, failed=1)
    assert printed(result) == [(10.0, "set up"), (30.0, "tested"), (40.0, "torn down")]


@needs_trio
@needs_asyncio
def test_all_kinds_in_one_file(suite):
    result = suite(
        """
        import anyio, trio

        @world
        @pytest.mark.asyncio
        async def test_asyncio():
            await asyncio.sleep(3600)

        @world
        @pytest.mark.trio
        async def test_trio():
            await trio.sleep(3600)

        @world
        @pytest.mark.anyio
        async def test_anyio(anyio_backend):
            await anyio.sleep(3600)

        @world
        async def test_ours():
            await asyncio.to_thread(trio.run, trio.sleep, 3600)

        @world
        def test_plain():
            thread = threading.Thread(target=lambda: asyncio.run(asyncio.sleep(3600)))
            thread.start()
            trio.run(trio.sleep, 3600)
            thread.join()
        """
    )

    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines("simclock: 6 tests in simulated time, 6 h 0 min of it in *")


# ---------------------------------------------------------------------------- Hypothesis

GIVEN = """
from hypothesis import HealthCheck, Phase, example, given, reproduce_failure, settings
from hypothesis import strategies as st

quick = settings(max_examples=10, database=None, deadline=5000)
shared = settings(quick, suppress_health_check=[HealthCheck.function_scoped_fixture])
"""
KINDS = [
    pytest.param("asyncio", marks=needs_asyncio),
    pytest.param("trio", marks=needs_trio),
]


@needs_hypothesis
@pytest.mark.parametrize("kind", KINDS)
def test_each_example_has_a_loop_and_a_zero_of_its_own(suite, world, kind):
    result = suite(
        f"""
        {GIVEN.replace(chr(10), chr(10) + " " * 8)}
        import {kind}
        seen, loops = [], []

        @settings(quick, deadline=5000)
        @world
        @pytest.mark.{kind}
        @given(number=st.integers(0, 5))
        async def test(number):
            simulation = simclock.active()
            assert simulation.elapsed == pytest.approx(0, abs=0.001)
            assert random.random() == random.Random(0).random()
            if "{kind}" == "asyncio":
                loops.append(asyncio.get_running_loop())
                asyncio.create_task(asyncio.sleep(10**6))
            await {kind}.sleep(number * 1000)
            assert simulation.elapsed == pytest.approx(number * 1000, abs=0.001)
            seen.append(simulation)

        def test_seen():
            assert len(seen) > 1
            assert len(set(map(id, seen))) == (len(seen) if {world == "marker"} else 1)
            assert len(set(map(id, loops))) == len(loops)
            assert all(loop.is_closed() for loop in loops)
        """
    )

    result.assert_outcomes(passed=2)


@needs_hypothesis
@needs_asyncio
def test_examples_share_the_loop_on_which_their_fixtures_live(suite):
    result = suite(
        f"""
        {GIVEN.replace(chr(10), chr(10) + " " * 8)}
        @pytest_asyncio.fixture
        async def loop():
            await asyncio.sleep(10)
            yield asyncio.get_running_loop()
            await asyncio.sleep(10)

        seen = []

        @shared
        @world
        @pytest.mark.asyncio
        @given(number=st.integers(0, 5))
        async def test(loop, number):
            assert asyncio.get_running_loop() is loop
            assert simclock.active().elapsed == pytest.approx(0, abs=0.001)
            await asyncio.sleep(number * 1000)
            assert simclock.active().elapsed == pytest.approx(number * 1000, abs=0.001)
            seen.append(id(simclock.active()))

        def test_seen():
            assert len(seen) > 1 == len(set(seen))
        """
    )

    result.assert_outcomes(passed=2)


@needs_hypothesis
@pytest.mark.parametrize("kind", KINDS)
def test_the_engine_is_in_real_time_and_failures_can_be_reproduced(suite, kind):
    failing = f"""
        {GIVEN.replace(chr(10), chr(10) + " " * 8)}
        import {kind}

        @settings(quick, deadline=50, phases=[Phase.explicit])
        @example(1)
        @world
        @pytest.mark.{kind}
        @given(st.integers())
        async def test_takes_long(number):
            with simclock.active().real_time():
                time.sleep(0.1)

        @settings(quick, print_blob=True)
        #again
        @world
        @pytest.mark.{kind}
        @given(number=st.integers())
        async def test_fails(number):
            await {kind}.sleep(3600)
            assert number < 17
        """
    result = suite(failing)

    result.assert_outcomes(failed=2)
    result.stdout.re_match_lines(r".*DeadlineExceeded: .* took 1\d\d\.\d+ms, which exceeds")
    result.stdout.fnmatch_lines("*number=17,*")
    (again,) = {
        line.partition("@")[2].partition(")")[0]
        for line in result.stdout.lines
        if "@reproduce_failure('" in line
    }
    reproduced = suite(failing.replace("#again", f"@{again})"), "-k", "test_fails")
    reproduced.assert_outcomes(failed=1)
    reproduced.stdout.fnmatch_lines("*number=17,*")
    reproduced.stdout.no_fnmatch_line("*DidNotReproduce*")


# ------------------------------------------------------------------------- what is reported


@pytest.mark.parametrize("clean_up", ["pass", "await waits()", "raise ValueError('in clean-up')"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_deadlock_is_what_is_shown_first_and_once(suite, kind, clean_up):
    result = suite(
        f"""
        import {kind}

        async def waits():
            await {kind}.Event().wait()

        @world
        @pytest.mark.{kind}
        async def test():
            try:
                await waits()
            finally:
                {clean_up}

        @world
        @pytest.mark.{kind}
        async def test_after():
            await {kind}.sleep(3600)
        """
    )

    result.assert_outcomes(passed=1, failed=1)
    shown = [line for line in result.stdout.lines if line.startswith("E  ")]
    assert "deadlock: 1 thread can never run again" in shown[0]
    assert sum("Deadlock: " in line for line in shown) == 1
