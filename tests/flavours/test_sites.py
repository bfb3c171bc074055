"""Where tasks wait, as a text."""

from __future__ import annotations

import asyncio
import contextlib
import sys

import pytest

from simclock.flavours import site_of
from simclock.flavours.sites import Sites, _innermost


async def user():
    await asyncio.Event().wait()


async def outer():
    await user()


def suspended(coroutine):
    with contextlib.suppress(StopIteration):
        coroutine.send(None)
    return coroutine


@pytest.fixture
def line():
    return user.__code__.co_firstlineno + 1


def test_it_is_the_innermost_line_outside_of_the_library_and_what_that_called(line):
    loop = asyncio.new_event_loop()
    task = loop.create_task(outer(), name="outer")
    loop.call_soon(loop.stop)
    loop.run_forever()

    assert site_of(task.get_coro(), "asyncio") == f"test_sites.py:{line} wait"

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    loop.close()
    assert site_of(task.get_coro(), "asyncio") == "ended"


def test_what_is_no_coroutine_is_said_by_its_type():
    assert site_of(iter([]), "asyncio") == "list_iterator"


def test_a_library_may_be_one_module_or_not_be_there(tmp_path, monkeypatch):
    (tmp_path / "small_library.py").write_text(
        "import types\n\n@types.coroutine\ndef pause():\n    yield\n\nasync def nap():\n    await pause()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import small_library

    async def program():
        await small_library.nap()

    coroutine = suspended(program())
    own = program.__code__.co_firstlineno + 1
    assert site_of(coroutine, "small_library") == f"test_sites.py:{own} nap"
    assert site_of(coroutine, "no_such_library") == "small_library.py:8"
    assert site_of(coroutine, "sys") == "small_library.py:8"
    coroutine.close()
    del sys.modules["small_library"]


def test_a_generator_that_was_asked_for_an_item_is_looked_into():
    async def items():
        await user()
        yield 1

    async def more():
        async for item in items():
            yield item

    async def other():
        await asyncio.sleep(1)
        yield 1

    async def program(generator):
        async for _ in generator:
            pass

    def site(generator):
        loop = asyncio.new_event_loop()
        task = loop.create_task(program(generator))
        loop.call_soon(loop.call_soon, loop.stop)
        loop.run_forever()
        found = site_of(task.get_coro(), "asyncio")
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
        return found

    line = user.__code__.co_firstlineno + 1
    assert site(items()) == f"test_sites.py:{line} wait"
    assert site(more()) == f"test_sites.py:{line} wait"
    assert site(other()) == f"test_sites.py:{other.__code__.co_firstlineno + 1} sleep"


def test_of_one_that_runs_it_is_the_innermost_coroutine():
    async def inner():
        return site_of(task.get_coro(), "asyncio"), sys._getframe().f_lineno

    async def outer_one():
        return await inner()

    loop = asyncio.new_event_loop()
    task = loop.create_task(outer_one())
    found, line = loop.run_until_complete(task)
    loop.close()

    assert found == f"test_sites.py:{line}"


def test_something_made_up_in_a_librarys_place_is_no_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "made_up_double", object())

    assert site_of(iter([]), "made_up_double") == "list_iterator"


def test_a_step_that_has_no_generator_any_more_says_nothing():
    assert Sites()._of_generator(object()) == ""


def test_a_frame_that_no_thread_is_in_is_its_own_innermost():
    def items():
        yield 1

    suspended = items()
    next(suspended)

    assert _innermost(suspended.gi_frame) is suspended.gi_frame
