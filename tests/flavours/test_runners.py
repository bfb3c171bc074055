"""Runners of payloads where they could go wrong; what all have in common is in the conformance suite."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import gc
import threading
import time
import weakref
from concurrent.futures import CancelledError, as_completed, wait

import anyio
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


def test_a_loop_that_dies_leaves_alone_what_has_ended(flavour):
    """Its task has ended, and the loop could not say so any more."""
    runner = flavour.start()

    async def payload():
        await LOOPS[flavour.name](1e6)

    ended, other = flavours.PayloadFuture("ended", lambda _: False), runner.adopt(payload)
    ended.set_result(7)
    runner._payloads = {ended: None, **runner._payloads}
    runner._fail(ValueError("of the loop"))

    assert ended.result() == 7
    assert "the loop" in str(other.exception())
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


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_call_in_a_thread_is_waited_for_in_a_cancelled_scope_of_anyio(backend, log):
    async def main():
        with anyio.move_on_after(0.5):
            await flavours.get(backend).in_thread(lambda: time.sleep(1))
        log("moved on")

    with Simulation():
        anyio.run(main, backend=backend)

    assert log == [(1.0, "moved on")]


def test_an_error_in_a_thread_is_raised_even_if_the_task_was_cancelled(flavour):
    def fails():
        time.sleep(1)
        raise ValueError("in the thread")

    async def payload():
        await flavour.in_thread(fails)

    with Simulation(), flavour.start() as runner:
        future = runner.adopt(payload)
        time.sleep(0.5)
        future.cancel()
        with pytest.raises(ValueError, match="in the thread"):
            future.result()


def test_they_are_completed_in_the_same_order_each_time():
    def program():
        async def payload():
            await asyncio.sleep(1)

        with flavours.get("asyncio").start() as runner:
            futures = {runner.adopt(payload): number for number in range(20)}
            wait(futures)
            return [futures[future] for future in as_completed(futures)]

    assert run(program) == run(program)


def test_payloads_leave_no_cycles(flavour):
    async def payload():
        return Kept()

    async def fails():
        raise Broken

    class Kept:
        pass

    class Broken(Exception):
        pass

    gc.collect()
    gc.disable()
    try:
        with flavour.start() as runner:
            left = [weakref.ref(runner.execute(payload)), weakref.ref(runner.adopt(payload))]
            try:
                runner.execute(fails)
            except Broken as error:
                left.append(weakref.ref(error))
        assert [reference() for reference in left] == [None] * 3
    finally:
        gc.enable()


def test_a_forked_child_has_no_runner(child):
    lines = child("""
import asyncio, os, sys, warnings
from simclock import flavours
warnings.simplefilter("ignore")  # 3.12 and later warn of threads

async def payload(): ...

runner = flavours.get("asyncio").start()
pid = os.fork()
if not pid:
    try:
        runner.adopt(payload)
    except RuntimeError as error:
        print(str(error).partition(chr(10))[0], flush=True)
    os._exit(0)
os.waitpid(pid, 0)
runner.close()
""")

    assert lines == ["the runner of flavour 'asyncio' is closed"]


def test_who_adds_a_callback_to_what_is_done_hears_its_interrupt():
    def interrupt(_future):
        raise KeyboardInterrupt

    with flavours.get(threading).start() as runner:
        future = runner.adopt(int)
        future.result()
        with pytest.raises(KeyboardInterrupt):
            future.add_done_callback(interrupt)


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


def test_what_cannot_be_awaited_is_said(flavour):
    with flavour.start() as runner, pytest.raises(TypeError, match="returned 7, which cannot be"):
        runner.execute(lambda: 7)


def test_a_runner_with_a_name_of_ours_is_refused():
    with pytest.raises(TypeError, match="Mine overrides _main of LoopRunner, which is private"):

        class Mine(flavours.LoopRunner):
            def _main(self): ...
