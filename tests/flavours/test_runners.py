"""Runners of payloads where they could go wrong; what all have in common is in the conformance suite."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
import time
from concurrent.futures import CancelledError

import pytest
import trio

from simclock import Simulation, flavours, run

LOOPS = {"asyncio": asyncio.sleep, "trio": trio.sleep}


@pytest.fixture(params=LOOPS)
def flavour(request):
    return flavours.get(request.param)


def test_who_refuses_to_be_cancelled_is_cancelled_again_and_named(log):
    async def stubborn():
        for _ in range(3):
            try:
                await asyncio.sleep(1e6)
            except asyncio.CancelledError:
                log("refused")

    with Simulation():
        runner = flavours.get("asyncio").start()
        future = runner.adopt(stubborn)
        time.sleep(1)
        with pytest.raises(TimeoutError, match=r"have not ended 1.5 s after .*stubborn"):
            runner.close(timeout=1.5)
        log("gave up")
        runner.close()
        log(future.result())

    assert log == [
        (1.0, "refused"), (2.0, "refused"), (2.5, "gave up"), (3.0, "refused"), (3.0, None),
    ]  # fmt: skip


def test_a_cancelled_payload_may_go_on(log):
    """To cancel is to ask."""

    async def payload():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(10)
        return "went on"

    with Simulation(), flavours.get("asyncio").start() as runner:
        future = runner.adopt(payload)
        time.sleep(1)
        assert future.cancel()
        log(future.result())

    assert log == [(1.0, "went on")]


def test_who_waits_in_execute_and_is_interrupted_cancels_the_payload(flavour):
    ended = []

    async def payload():
        try:
            await flavour.sleep(10)
        finally:
            ended.append(time.monotonic())

    class Interrupted(Exception):
        pass

    def interrupt(self):
        time.sleep(1)
        raise Interrupted

    with Simulation(), flavour.start() as runner, pytest.MonkeyPatch.context() as patch:
        patch.setattr(flavours.PayloadFuture, "result", interrupt)
        with pytest.raises(Interrupted):
            runner.execute(payload)
        time.sleep(1)

    assert ended == [1001.0]


def test_a_loop_that_dies_takes_its_payloads_along(flavour):
    """Nobody waits for ever for what cannot come."""
    runner = flavour.start()

    async def payload():
        await LOOPS[flavour.name](1e6)

    future = runner.adopt(payload)
    error = RuntimeError("the loop is broken")
    runner._fail(error)

    assert future.exception() is error
    with pytest.raises(RuntimeError, match="closed"):
        runner.adopt(payload)
    assert not future.cancel()
    runner._soon(runner._stop)
    runner.close()


def test_a_payload_that_is_cancelled_when_it_has_ended_is_told_no(flavour):
    async def payload():
        return 7

    with flavour.start() as runner:
        future = runner.adopt(payload)
        assert future.result() == 7
        runner._cancel(future)
        assert not future.cancel()


def test_two_who_cancel_at_once_do_not_harm(flavour):
    async def payload():
        await LOOPS[flavour.name](1e6)

    with flavour.start() as runner:
        future = runner.adopt(payload)
        threads = [threading.Thread(target=future.cancel) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        with pytest.raises(CancelledError):
            future.result()


def test_a_group_of_errors_is_the_payload_s():
    async def fails():
        raise ValueError("of a child")

    async def payload():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fails)

    with flavours.get("trio").start() as runner, pytest.raises(Exception) as caught:  # noqa: PT011
        runner.execute(payload)

    assert [str(error) for error in caught.value.exceptions] == ["of a child"]


def test_asyncio_code_may_wait_for_a_trio_payload():
    """The future is one of `concurrent.futures`."""

    async def in_trio():
        await trio.sleep(2)
        return "of trio"

    async def main():
        with flavours.get(trio).start() as runner:
            return await asyncio.wrap_future(runner.adopt(in_trio)), time.monotonic()

    assert run(lambda: asyncio.run(main())) == ("of trio", 1002.0)


def test_a_coroutine_that_was_called_already_is_refused(flavour):
    async def payload(): ...

    with flavour.start() as runner, pytest.raises(TypeError, match="not yet called"):
        runner.adopt(payload())


def test_threads_of_payloads_have_their_names():
    names = []

    def ping():
        names.append(threading.current_thread().name)

    with flavours.get(threading).start() as runner:
        runner.adopt(ping).result()
        runner.adopt(functools.partial(names.append, "of a partial")).result()

    assert names == [
        "test_threads_of_payloads_have_their_names.<locals>.ping",
        "of a partial",
    ]


def test_a_thread_that_closes_its_runner_does_not_wait_for_itself():
    runner = flavours.get(threading).start()

    assert runner.adopt(lambda: runner.close(timeout=10)).result() is None
