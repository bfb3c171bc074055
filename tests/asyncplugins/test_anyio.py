"""anyio's own plugin: tests and fixtures on both backends."""

from __future__ import annotations

import pytest

BACKENDS = """
import anyio, anyio.to_thread, anyio.from_thread

@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param

pytestmark = [*MARKS, pytest.mark.anyio]
"""


def test_tests_and_fixtures(suite, world):
    ran = suite(
        f"""{BACKENDS}
@pytest.fixture
async def value(anyio_backend_name):
    await anyio.sleep(soon(1))
    return anyio_backend_name

@pytest.fixture
async def resource(value):
    await anyio.sleep(soon(10))
    yield value
    await anyio.sleep(soon(100))
    log(f"{{value}}: torn down")

async def test_fixtures(resource):
    await anyio.sleep(soon(1000))
    log(f"{{resource}}: slept")

@pytest.mark.parametrize("seconds", [2, 3])
async def test_parametrised(seconds, value):
    await anyio.sleep(soon(seconds))
    log(f"{{value}}: {{seconds}}")

class TestClass:
    async def test_method(self, value):
        log(f"{{value}}: method")
""",
        world=world,
    )

    one = [(1011, "slept"), (1111, "torn down"), (3, "2"), (4, "3"), (1, "method")]
    expected = [(at, f"{name}: {what}") for name in ("asyncio", "trio") for at, what in one]
    assert ran.outcomes == {"passed": 8}
    if world == "real":
        ran.logged(world, expected)
    else:
        assert sorted(ran.log) == sorted(expected)


def test_timeouts_are_exact(suite, world):
    ran = suite(
        f"""{BACKENDS}
async def test_timeouts(anyio_backend_name):
    with anyio.move_on_after(soon(2.5)) as scope:
        await anyio.Event().wait()
    assert scope.cancelled_caught
    log(f"{{anyio_backend_name}}: moved on")
    with pytest.raises(TimeoutError):
        with anyio.fail_after(soon(10)):
            await anyio.sleep(soon(3600))
    log(f"{{anyio_backend_name}}: failed")
    with anyio.fail_after(soon(3600) + 10):
        async with anyio.create_task_group() as group:
            for seconds in (3, 1, 2):
                group.start_soon(anyio.sleep, soon(seconds))
    log(f"{{anyio_backend_name}}: in time")
""",
        world=world,
    )

    one = [(2.5, "moved on"), (12.5, "failed"), (15.5, "in time")]
    assert ran.outcomes == {"passed": 2}
    ran.logged(world, [(at, f"{name}: {what}") for name in ("asyncio", "trio") for at, what in one])


def test_threads_share_the_clock_with_the_loop(suite, world):
    ran = suite(
        f"""{BACKENDS}
def work(name, seconds):
    time.sleep(soon(seconds))
    log(f"{{name}}: worked {{seconds}}")

def call_back(name):
    time.sleep(soon(10))
    anyio.from_thread.run(anyio.sleep, soon(20))
    log(f"{{name}}: called back")

async def test_threads(anyio_backend_name):
    with anyio.fail_after(soon(3600) + 10):
        async with anyio.create_task_group() as group:
            for seconds in (3, 1, 2):
                group.start_soon(anyio.to_thread.run_sync, work, anyio_backend_name, seconds)
        await anyio.to_thread.run_sync(call_back, anyio_backend_name)

def test_portal(anyio_backend_name):
    with anyio.from_thread.start_blocking_portal(anyio_backend_name) as portal:
        portal.call(anyio.sleep, soon(7))
    log(f"{{anyio_backend_name}}: portal")
""",
        world=world,
    )

    one = [(1, "worked 1"), (2, "worked 2"), (3, "worked 3"), (33, "called back")]
    expected = [(at, f"{name}: {what}") for name in ("asyncio", "trio") for at, what in one]
    expected += [(7, "asyncio: portal"), (7, "trio: portal")]
    assert ran.outcomes == {"passed": 4}
    ran.logged(world, expected)


@pytest.mark.parametrize("world", ["real", "whole suite"])
def test_wide_fixtures_live_in_the_suites_simulation(suite, world):
    ran = suite(
        """
import anyio

pytestmark = [*MARKS, pytest.mark.anyio]

@pytest.fixture(scope="module", params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param

@pytest.fixture(scope="module")
async def service(anyio_backend):
    log(f"{anyio_backend}: starting")
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, soon(3600))
        await anyio.sleep(soon(100))
        yield anyio_backend
        await anyio.sleep(soon(50))
        group.cancel_scope.cancel()
    log(f"{anyio_backend}: stopped")

async def test_first(service):
    await anyio.sleep(soon(10))
    log(f"{service}: first")

async def test_second(service):
    await anyio.sleep(soon(20))
    log(f"{service}: second")
""",
        world=world,
    )

    assert ran.outcomes == {"passed": 4}
    ran.logged(
        world,
        [
            (0, "asyncio: starting"),
            (110, "asyncio: first"),
            (20, "asyncio: second"),
            # pytest ends a fixture for one parameter in the set-up of the test with the next.
            (50, "asyncio: stopped"),
            (50, "trio: starting"),
            (160, "trio: first"),
            (20, "trio: second"),
            (70, "trio: stopped"),
        ],
    )


def test_a_wide_runner_is_refused_where_a_test_has_its_own_clock(suite):
    ran = suite(
        """
import anyio

pytestmark = [*MARKS, pytest.mark.anyio]

@pytest.fixture(scope="module", params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param

@pytest.fixture(scope="module")
async def service():
    await anyio.sleep(0.01)
    yield
    await anyio.sleep(0.01)

async def test(service):
    await anyio.sleep(3600)
    log("slept")
""",
        world="marker",
    )

    assert "passed" not in ran.outcomes
    assert ran.log == []


def test_a_deadlock_fails_its_test_and_no_other(suite, simulated):
    ran = suite(
        f"""{BACKENDS}
@pytest.fixture
async def never():
    await anyio.Event().wait()

async def test_waits():
    await anyio.Event().wait()

async def test_fixture(never):
    log("not reached")

async def test_after(anyio_backend_name):
    await anyio.sleep(2)
    log(f"{{anyio_backend_name}}: after")
""",
        world=simulated,
    )

    assert ran.outcomes == {"passed": 2, "failed": 2, "errors": 2}
    assert ran.log == [(2, "asyncio: after"), (2, "trio: after")]
    ran.shows("*Deadlock: *deadlock: 1 thread can never run again, at virtual +0 s*")


def test_backends_with_options(suite, simulated):
    ran = suite(
        """
import anyio, trio, trio.testing

pytestmark = [*MARKS, pytest.mark.anyio]

@pytest.fixture(params=[
    pytest.param(("asyncio", {"debug": True}), id="debug"),
    pytest.param(("trio", {"restrict_keyboard_interrupt_to_checkpoints": True}), id="restricted"),
    pytest.param(("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}), id="autojump"),
])
def anyio_backend(request):
    return request.param

async def test(request):
    await anyio.sleep(3600)
    log(request.node.name)
""",
        world=simulated,
    )

    assert ran.outcomes == {"passed": 3}
    assert ran.log == [(3600, "test[debug]"), (3600, "test[restricted]"), (3600, "test[autojump]")]
