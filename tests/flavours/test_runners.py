"""Runners of payloads where they could go wrong; what all have in common is in the conformance suite."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
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


def test_who_refuses_to_be_cancelled_is_named_and_cancelled_again_when_asked_again(log):
    async def stubborn():
        for _ in range(2):
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

    assert log == [(1.0, "refused"), (2.5, "gave up"), (2.5, "refused"), (2.5, None)]


@pytest.mark.parametrize("name", LOOPS)
def test_a_long_clean_up_is_not_cut_short(name, log):
    async def payload():
        try:
            await LOOPS[name](1e6)
        finally:
            if name == "trio":
                with trio.CancelScope(shield=True):
                    await trio.sleep(5)
            else:
                await asyncio.sleep(5)
            log("cleaned up")

    with Simulation(), flavours.get(name).start() as runner:
        runner.adopt(payload)
        time.sleep(1)

    assert log == [(6.0, "cleaned up")]


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
    error = ValueError("of the loop")
    runner._fail(error)

    assert str(future.exception()) == f"the {flavour.name} loop has ended: {error!r}"
    assert future.exception().__cause__ is error
    with pytest.raises(RuntimeError, match="closed"):
        runner.adopt(payload)
    assert not future.cancel()
    runner.close()


def test_a_loop_that_ends_by_itself_is_closed(flavour):
    runner = flavour.start()
    runner.call_soon(runner.stop)
    runner._thread.join()

    async def payload(): ...

    with pytest.raises(RuntimeError, match="closed"):
        runner.adopt(payload)
    runner.close()


def test_nobody_can_be_reached_in_a_loop_that_is_gone(flavour):
    """Before its thread has said so."""
    runner = flavour.start()

    async def payload():
        await LOOPS[flavour.name](1e6)

    future = runner.adopt(payload)
    call_soon = runner.call_soon

    def gone(*_):
        raise RuntimeError("closed")

    runner.call_soon = gone
    assert not future.cancel()
    with pytest.raises(RuntimeError, match="is closed"):
        runner.adopt(payload)
    runner.call_soon = call_soon
    runner.close()


def test_what_tasks_of_payloads_refuse_is_said():
    async def child():
        while not done.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)

    async def payload():
        asyncio.get_running_loop().call_soon(children.append, asyncio.create_task(child()))

    done, children = threading.Event(), []
    runner = flavours.get("asyncio").start()
    runner.execute(payload)

    with pytest.raises(TimeoutError, match="tasks that they have started"):
        runner.close(timeout=0.1)
    done.set()
    runner.close()


def test_a_callback_that_raises_harms_nobody(flavour, caplog):
    async def payload():
        await LOOPS[flavour.name](0.01)
        return 7

    def fails(_future):
        raise KeyboardInterrupt("of a callback")

    with flavour.start() as runner:
        other = runner.adopt(payload)
        future = runner.adopt(payload)
        future.add_done_callback(fails)

        assert (future.result(), other.result(), runner.execute(payload)) == (7, 7, 7)

    assert "of a callback" in caplog.text


def test_a_cancelled_call_in_a_thread_is_waited_for_while_others_go_on(flavour, log):
    async def payload():
        await flavour.in_thread(lambda: time.sleep(5))

    async def other():
        for _ in range(3):
            await LOOPS[flavour.name](1)
            log("other")

    with Simulation(), flavour.start() as runner:
        future = runner.adopt(payload)
        time.sleep(0.5)
        runner.adopt(other)
        future.cancel()
        log(type(_error(future)).__name__)

    assert log == [(1.5, "other"), (2.5, "other"), (3.5, "other"), (5.0, "CancelledError")]


def _error(future):
    try:
        return future.result()
    except CancelledError as error:
        return error


def test_context_goes_along_into_a_thread(flavour):
    variable = contextvars.ContextVar("variable", default=0)

    async def payload():
        variable.set(1)
        return await flavour.in_thread(variable.get)

    with flavour.start() as runner:
        assert runner.execute(payload) == 1


def test_tasks_of_a_payload_are_cancelled_with_it():
    async def payload():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)

    runner = flavours.get(trio).start()
    future = runner.adopt(payload)
    time.sleep(0.05)
    runner.close()

    assert future.cancelled()


def test_errors_of_tasks_that_are_cancelled_are_the_payload_s():
    async def fails():
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("at its end")

    async def payload():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fails)

    runner = flavours.get(trio).start()
    future = runner.adopt(payload)
    time.sleep(0.05)
    runner.close()

    assert [str(error) for error in future.exception().exceptions] == ["at its end"]


def test_a_call_by_execute_is_asked_to_stop_too():
    runner = flavours.get(threading).start()
    found = []

    def call():
        found.append(runner.execute(lambda: flavours.stop_requested(60)))

    caller = threading.Thread(target=call)
    caller.start()
    while not runner._work:
        time.sleep(0.001)
    runner.close()

    caller.join()
    assert found == [True]


def test_what_a_simulation_leaves_is_cancelled():
    futures = []
    with Simulation(drain=0):
        runner = flavours.get(threading).start()
        futures.append(runner.adopt(lambda: time.sleep(1e6)))
        time.sleep(1)

    assert futures[0].cancelled()


def test_a_payload_that_is_cancelled_when_it_has_ended_is_told_no(flavour):
    async def payload():
        return 7

    with flavour.start() as runner:
        future = runner.adopt(payload)
        assert future.result() == 7
        assert not future.cancel()
    runner.cancel(future)


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
        runner.adopt(functools.partial(ping)).result()

    assert names == [
        "test_threads_of_payloads_have_their_names.<locals>.ping",
        "test_threads_of_payloads_have_their_names.<locals>.ping",
    ]


def test_a_thread_that_closes_its_runner_does_not_wait_for_itself():
    runner = flavours.get(threading).start()

    assert runner.adopt(lambda: runner.close(timeout=10)).result() is None
