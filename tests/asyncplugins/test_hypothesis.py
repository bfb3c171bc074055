"""Hypothesis with each plugin: every example begins at 0, and virtual seconds are no delay."""

from __future__ import annotations

import pytest

SETUP = """
from hypothesis import given, settings, strategies as st
from told import now

quick = settings(max_examples=5, database=None, derandomize=True, deadline=5000)
seen = []
pytestmark = MARKS

async def example(sleep, number):
    seen.append(now())
    await sleep(soon(1000 + number))

def test_each_began_at_0(request):
    log(f"{sorted(map(str, set(seen)))}")
    assert len(seen) > 1
"""

BY_PLUGIN = {
    "asyncio": """
@pytest.mark.asyncio
@quick
@given(number=st.integers(0, 9))
async def test(number):
    await example(asyncio.sleep, number)
""",
    "anyio": """
import anyio

@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param

@pytest.mark.anyio
@quick
@given(number=st.integers(0, 9))
async def test(number):
    await example(anyio.sleep, number)
""",
    "trio": """
import trio

@pytest.mark.trio
@quick
@given(number=st.integers(0, 9))
async def test(number):
    await example(trio.sleep, number)
""",
}


@pytest.fixture(params=BY_PLUGIN)
def plugin(request):
    return request.param


def in_order(text):
    """Return the suite with the test that looks back behind the one with the examples."""
    setup, name, after = SETUP.partition("\ndef test_each_began_at_0")
    return setup + text + name + after


def test_each_example_begins_at_0(suite, world, plugin):
    ran = suite(in_order(BY_PLUGIN[plugin]), world=world)

    assert ran.outcomes == {"passed": 3 if plugin == "anyio" else 2}
    ran.logged(world, [(0, "['None']" if world == "real" else "['0.0']")])


def test_an_example_that_fails_is_shrunk_and_told(suite, simulated, plugin):
    failing = BY_PLUGIN[plugin].replace("@quick", "@settings(quick, max_examples=50)")

    ran = suite(in_order(f"{failing}    assert number < 7\n"), world=simulated)

    assert ran.outcomes == {"failed": 2 if plugin == "anyio" else 1, "passed": 1}
    ran.shows("*number=7,*")
    assert ran.log == [(0, "['0.0']")]


def test_an_example_with_a_deadlock_fails(suite, simulated):
    ran = suite(
        in_order("""
@pytest.mark.asyncio
@quick
@given(number=st.integers(0, 9))
async def test(number):
    await example(asyncio.sleep, number)
    await asyncio.Event().wait()
"""),
        world=simulated,
    )

    assert ran.outcomes == {"failed": 1, "passed": 1}
    ran.shows("*Deadlock: *deadlock: 1 thread can never run again, at virtual +1000 s*")
