"""pytest-asyncio: its tests and fixtures, in each way that its versions have made loops."""

from __future__ import annotations

import pytest

# ------------------------------------------------------------------ tests and fixtures

TESTS = """
import pytest_asyncio

pytestmark = [*MARKS, *{marks}]

@{fixture}
async def value():
    log("value: setting up")
    await asyncio.sleep(soon(1))
    return 7

@{fixture}
async def resource(value):
    log("resource: setting up")
    await asyncio.sleep(soon(10))
    yield value + 1
    await asyncio.sleep(soon(100))
    log("resource: torn down")

async def test_plain():
    await asyncio.sleep(soon(5))
    log("plain")

async def test_fixtures(resource, value):
    assert (resource, value) == (8, 7)
    await asyncio.sleep(soon(1000))
    log("fixtures")

@pytest.mark.parametrize("seconds", [2, 3])
async def test_parametrised(seconds, value):
    await asyncio.sleep(soon(seconds))
    log(f"parametrised {{seconds}}")

class TestClass:
    async def test_method(self, value):
        log(f"method {{value}}")

@pytest.mark.filterwarnings("ignore:.*not an async function")
def test_sync(resource):
    time.sleep(soon(4))
    log(f"sync {{resource}}")
"""


@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_tests_and_fixtures(suite, world, mode):
    fixture = "pytest.fixture" if mode == "auto" else "pytest_asyncio.fixture"
    marks = "[]" if mode == "auto" else "[pytest.mark.asyncio]"

    ran = suite(TESTS.format(fixture=fixture, marks=marks), world=world, mode=mode)

    assert ran.outcomes == {"passed": 6}
    ran.logged(
        world,
        [
            (5, "plain"),
            (0, "value: setting up"),
            (1, "resource: setting up"),
            (1011, "fixtures"),
            (1111, "resource: torn down"),
            (0, "value: setting up"),
            (3, "parametrised 2"),
            (0, "value: setting up"),
            (4, "parametrised 3"),
            (0, "value: setting up"),
            (1, "method 7"),
            (0, "value: setting up"),
            (1, "resource: setting up"),
            (15, "sync 8"),
            (115, "resource: torn down"),
        ],
    )


# ----------------------------------------------------------- what waits beside the loop


def test_timeouts_are_exact(suite, world):
    ran = suite(
        """
        pytestmark = [*MARKS, pytest.mark.asyncio]

        async def test_wait_for():
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.Event().wait(), soon(2.5))
            log("given up")
            assert await asyncio.wait_for(asyncio.sleep(soon(1), "slept"), soon(3600) + 10) == "slept"
            log("in time")

        async def test_wait():
            tasks = [asyncio.ensure_future(asyncio.sleep(soon(n))) for n in (1, 500)]
            done, pending = await asyncio.wait(tasks, timeout=soon(60))
            log(f"{len(done)} done, {len(pending)} pending")
            tasks[1].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        @pytest.mark.skipif(not hasattr(asyncio, "timeout"), reason="newer than this Python")
        async def test_timeout():
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(soon(0.25)):
                    await asyncio.sleep(soon(3600))
            log("timeout")

        async def test_tenths_add_up():
            for _ in range(10):
                await asyncio.sleep(soon(0.1))
            log("tenths")
        """,
        world=world,
    )

    timeout = [(0.25, "timeout")]
    if ran.outcomes["passed"] == 3:  # skipped
        timeout = []
    ran.logged(
        world,
        [(2.5, "given up"), (3.5, "in time"), (60, "1 done, 1 pending"), *timeout, (1, "tenths")],
    )
    assert "failed" not in ran.outcomes


def test_threads_and_executors_share_the_clock_with_the_loop(suite, world):
    ran = suite(
        """
        import concurrent.futures, queue

        pytestmark = [*MARKS, pytest.mark.asyncio]

        def work(seconds):
            time.sleep(soon(seconds))
            log(f"worked {seconds}")
            return seconds

        async def test_executor():
            loop = asyncio.get_running_loop()
            jobs = [loop.run_in_executor(None, work, n) for n in (3, 1, 2)]
            assert await asyncio.gather(*jobs, asyncio.sleep(soon(2.5))) == [3, 1, 2, None]
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                await asyncio.gather(*[loop.run_in_executor(pool, work, n) for n in (5, 4)])
            log("executors are done")

        async def test_to_thread():
            assert await asyncio.wait_for(asyncio.to_thread(work, 7), soon(100) + 10) == 7

        async def test_a_thread_wakes_the_loop():
            loop, woken, answers = asyncio.get_running_loop(), asyncio.Event(), queue.Queue()
            timer = threading.Timer(soon(10), loop.call_soon_threadsafe, [woken.set])
            timer.start()
            await asyncio.wait_for(woken.wait(), soon(3600) + 10)
            log("woken by a timer")

            def ask():
                future = asyncio.run_coroutine_threadsafe(asyncio.sleep(soon(20), 1), loop)
                answers.put(future.result(timeout=soon(3600) + 10))

            thread = threading.Thread(target=ask)
            thread.start()
            await loop.run_in_executor(None, thread.join)
            assert answers.get_nowait() == 1
            timer.join()
            log("answered")

        async def test_another_loop_in_a_thread():
            def run():
                asyncio.run(asyncio.sleep(soon(30)))
                log("the other loop is done")

            thread = threading.Thread(target=run)
            thread.start()
            await asyncio.sleep(soon(10))
            log("this loop slept")
            await asyncio.sleep(soon(40))
            thread.join()
        """,
        world=world,
    )

    assert ran.outcomes == {"passed": 4}
    ran.logged(
        world,
        [
            (1, "worked 1"),
            (2, "worked 2"),
            (3, "worked 3"),
            (8, "worked 5"),
            (12, "worked 4"),
            (12, "executors are done"),
            (7, "worked 7"),
            (10, "woken by a timer"),
            (30, "answered"),
            (10, "this loop slept"),
            (30, "the other loop is done"),
        ],
    )


def test_streams_and_subprocesses(suite, world):
    ran = suite(
        """
        import sys

        pytestmark = [*MARKS, pytest.mark.asyncio]

        async def test_streams():
            async def echo(reader, writer):
                line = await reader.readline()
                await asyncio.sleep(soon(60))
                writer.write(line)
                await writer.drain()
                writer.close()

            server = await asyncio.start_server(echo, "127.0.0.1", 0)
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hello\\n")
            line = await asyncio.wait_for(reader.readline(), soon(3600) + 10)
            log(f"echo {line}")
            writer.close()
            await writer.wait_closed()
            server.close()
            await server.wait_closed()

        async def test_subprocess():
            process = await asyncio.create_subprocess_exec(sys.executable, "-c", "print(1)", stdout=-1)
            output, _ = await asyncio.wait_for(process.communicate(), soon(3600) + 60)
            log(f"output {output}")
        """,
        world=world,
    )

    assert ran.outcomes == {"passed": 2}
    ran.logged(world, [(60, r"echo b'hello\n'"), (0, r"output b'1\n'")])


# ------------------------------------------------------------------ loops of wider scope


def wide(version, scope):
    """Return how a module says that its tests and wide fixtures share a loop."""
    if version < (0, 23):
        return f"""
@pytest.fixture(scope="{scope}")
def event_loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()

pytestmark = [*MARKS, pytest.mark.asyncio]
"""
    argument = "loop_scope" if version >= (0, 24) else "scope"
    return f'\npytestmark = [*MARKS, pytest.mark.asyncio({argument}="{scope}")]\n'


WIDE = """
import pytest_asyncio

loops = set()

@pytest_asyncio.fixture(scope="{scope}")
async def service():
    loops.add(asyncio.get_running_loop())
    log("service: starting")
    queue = asyncio.Queue()

    async def serve():
        while True:
            answer = await queue.get()
            await asyncio.sleep(soon(10))
            answer.set_result("done")

    task = asyncio.ensure_future(serve())
    await asyncio.sleep(soon(100))
    yield queue
    await asyncio.sleep(soon(50))
    task.cancel()
    await asyncio.wait([task])
    log("service: stopped")

class TestOne:
    async def test_first(self, service):
        loops.add(asyncio.get_running_loop())
        answer = asyncio.get_running_loop().create_future()
        await service.put(answer)
        log(await asyncio.wait_for(answer, soon(3600) + 10))

    async def test_second(self, service):
        loops.add(asyncio.get_running_loop())
        answer = asyncio.get_running_loop().create_future()
        await asyncio.sleep(soon(5))
        await service.put(answer)
        log(await asyncio.wait_for(answer, soon(3600) + 10))
        assert len(loops) == 1
"""


@pytest.mark.parametrize("scope", ["class", "module", "session"])
@pytest.mark.parametrize("world", ["real", "whole suite"])
def test_a_wide_loop_lives_in_the_suites_simulation(suite, world, scope, asyncio_version):
    text = wide(asyncio_version, scope) + WIDE.format(scope=scope)

    ran = suite(text, world=world)

    assert ran.outcomes == {"passed": 2}
    ran.logged(
        world,
        [
            (0, "service: starting"),
            (110, "done"),
            (15, "done"),
            (65, "service: stopped"),
        ],
    )


def test_a_wide_loop_is_refused_where_a_test_has_its_own_clock(suite, asyncio_version):
    text = wide(asyncio_version, "module") + WIDE.format(scope="module")

    ran = suite(text, world="marker")

    assert "passed" not in ran.outcomes
    assert ran.log == []
    shown = "\n".join(ran.result.outlines + ran.result.errlines)
    assert "keeps an event loop from test to test" in shown
    assert "give the loop function scope, or run the suite with --simclock" in shown


# ---------------------------------------------------------------------- a user's own loop


def test_a_stock_loop_that_the_user_asks_for_is_simulated_too(suite, world, asyncio_version):
    if asyncio_version < (1, 0):
        own = """
@pytest.fixture
def event_loop():
    loop = Own()
    yield loop
    loop.close()
"""
    else:
        own = """
import warnings

class Policy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self):
        return Own()

@pytest.fixture
def event_loop_policy():
    return Policy()
"""
    ran = suite(
        f"""
class Own(asyncio.SelectorEventLoop):
    pass
{own}
@pytest.mark.asyncio
async def test():
    assert type(asyncio.get_running_loop()) is Own
    await asyncio.sleep(soon(3600))
    log("slept")

for mark in MARKS:
    test = mark(test)
""",
        "-Wignore::DeprecationWarning",
        world=world,
    )

    assert ran.outcomes == {"passed": 1}
    ran.logged(world, [(3600, "slept")])


# ------------------------------------------------------------------ what the kernel finds


def test_a_deadlock_fails_its_test_and_no_other(suite, simulated):
    ran = suite(
        """
        import pytest_asyncio

        pytestmark = [*MARKS, pytest.mark.asyncio]

        @pytest_asyncio.fixture
        async def never():
            await asyncio.Event().wait()

        @pytest_asyncio.fixture
        async def never_gone():
            yield
            await asyncio.Event().wait()

        async def test_before():
            await asyncio.sleep(1)
            log("before")

        async def test_waits():
            await asyncio.Event().wait()

        async def test_fixture(never):
            log("not reached")

        async def test_teardown(never_gone):
            log("reached")

        async def test_after():
            await asyncio.sleep(2)
            log("after")
        """,
        world=simulated,
    )

    assert ran.log == [(1, "before"), (0, "reached"), (2, "after")]
    assert ran.outcomes == {"passed": 3, "failed": 1, "errors": 2}
    ran.shows("*Deadlock: *deadlock: 1 thread can never run again, at virtual +0 s*")


def test_a_failing_test_fails_alike_in_each_world(suite, world):
    ran = suite(
        """
        pytestmark = [*MARKS, pytest.mark.asyncio]

        async def test_fails():
            await asyncio.sleep(soon(3600))
            assert {"found": 1} == {"found": 2}

        @pytest.mark.xfail(strict=True)
        async def test_known():
            await asyncio.wait_for(asyncio.sleep(soon(3600)), soon(60))

        async def test_skips():
            pytest.skip("not here")
        """,
        world=world,
    )

    assert ran.outcomes == {"failed": 1, "skipped": 1, "xfailed": 1}
    ran.shows("E * assert {'found': 1} == {'found': 2}")


def test_loops_of_the_users_own_factories_are_in_virtual_time(
    suite, simulated, pytester, asyncio_version
):
    """By the hook that came with 1.4: a loop that is named is what was asked for."""
    if asyncio_version < (1, 4):
        pytest.skip("this pytest-asyncio has no such hook")
    pytester.makeconftest(
        """
        import asyncio

        def pytest_asyncio_loop_factories(config, item):
            return {"usual": asyncio.new_event_loop, "stock": asyncio.SelectorEventLoop}
        """
    )

    ran = suite(
        """
        pytestmark = [*MARKS, pytest.mark.asyncio]

        async def test_loop():
            await asyncio.sleep(3600)
            log(type(asyncio.get_running_loop()).__name__)
        """,
        world=simulated,
    )

    assert ran.outcomes == {"passed": 2}
    assert ran.log == [(3600, "SimEventLoop"), (3600, "_UnixSelectorEventLoop")]
