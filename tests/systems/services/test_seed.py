"""The seed page, "Concurrent Execution": its names and signatures, and its examples as they stand.

Mended in the examples, as the page's own slips: `run` takes *self*; the
flavour is written ``asyncio``, not ``asnycio``; the names come from
``simclock.systems.services``, not ``cobald.daemon``.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import time

import pytest
import trio

from simclock import flavours
from simclock.systems import services
from simclock.systems.services import (
    BackgroundFailure,
    OrphanedReturn,
    ServiceRunner,
    runtime,
    service,
    stop_token,
)

# By name, as the page has it: the parameters, with their kind and default.
P, K = inspect.Parameter, inspect.Parameter.empty
SIGNATURES = {
    "service": [("flavour", P.POSITIONAL_OR_KEYWORD, K)],
    "runtime.adopt": [
        ("payload", P.POSITIONAL_OR_KEYWORD, K),
        ("args", P.VAR_POSITIONAL, K),
        ("flavour", P.KEYWORD_ONLY, K),
        ("kwargs", P.VAR_KEYWORD, K),
    ],
    "runtime.execute": [
        ("payload", P.POSITIONAL_OR_KEYWORD, K),
        ("args", P.VAR_POSITIONAL, K),
        ("flavour", P.KEYWORD_ONLY, K),
        ("kwargs", P.VAR_KEYWORD, K),
    ],
}
FLAVOURS = {"asyncio": asyncio, "trio": trio, "threading": threading}
# Not on the page, but of the original; and what our repairs need.
OURS = {
    "ServiceRunner": [
        ("accept_delay", P.POSITIONAL_OR_KEYWORD, 1.0),
        ("grace", P.KEYWORD_ONLY, 10.0),
    ],
    "runtime.accept": [],
    "runtime.shutdown": [],
    "stop_token": [],
    "ServiceUnit": [
        ("service", P.POSITIONAL_OR_KEYWORD, K),
        ("flavour", P.POSITIONAL_OR_KEYWORD, K),
    ],
    "ServiceUnit.start": [
        ("self", P.POSITIONAL_OR_KEYWORD, K),
        ("runner", P.POSITIONAL_OR_KEYWORD, K),
    ],
    "ServiceUnit.cancel": [("self", P.POSITIONAL_OR_KEYWORD, K)],
}


@pytest.mark.parametrize("name", SIGNATURES | OURS)
def test_signatures_are_those_of_the_page(name):
    found = services
    for part in name.split("."):
        found = getattr(found, part)

    parameters = inspect.signature(found).parameters.values()

    assert [(p.name, p.kind, p.default) for p in parameters] == (SIGNATURES | OURS)[name]


def test_the_runtime_is_an_instance_of_the_runner():
    assert type(runtime) is ServiceRunner
    assert (services.adopt, services.execute) == (runtime.adopt, runtime.execute)
    assert (services.accept, services.shutdown) == (runtime.accept, runtime.shutdown)


@pytest.mark.parametrize("name", FLAVOURS)
def test_flavours_are_identified_by_the_module(name):
    assert flavours.get(FLAVOURS[name]) is flavours.get(name)
    service(flavour=FLAVOURS[name])


# -------------------------------------------------------------------------------- its examples


def test_registering_background_services(sim, log, accepting):
    @service(flavour=threading)
    class MyService(object):  # noqa: UP004 - as on the page
        # run method of any instances is executed in a thread once the daemon starts
        def run(self):
            log(("runs", threading.current_thread() is threading.main_thread()))

    mine = MyService()
    log("made")
    time.sleep(1)
    with accepting():
        pass

    assert log == [(0.0, "made"), (1.0, ("runs", False))]
    del mine


def test_runtime_adopt(sim, log):
    """`runtime.adopt(payload, *args, flavour, **kwargs)`: the caller is not blocked."""

    def payload(*args, **kwargs):
        time.sleep(1)
        log((args, kwargs))

    def caller():
        runtime.running.wait()
        assert runtime.adopt(payload, 1, 2, flavour=threading, three=3) is None
        log("not blocked")
        time.sleep(2)
        runtime.shutdown()

    thread = threading.Thread(target=caller)
    thread.start()
    runtime.accept()
    thread.join()

    assert log == [(0.0, "not blocked"), (1.0, ((1, 2), {"three": 3}))]


def test_runtime_execute(sim, log):
    """The caller is blocked during execution, and receives any return value or exceptions."""

    async def payload(*args, **kwargs):
        await trio.sleep(1)
        if not args:
            raise LookupError("no arguments")
        return args, kwargs

    def caller():
        runtime.running.wait()
        log(runtime.execute(payload, 1, flavour=trio, two=2))
        try:
            runtime.execute(payload, flavour=trio)
        except LookupError as error:
            log(str(error))
        runtime.shutdown()

    thread = threading.Thread(target=caller)
    thread.start()
    runtime.accept()
    thread.join()

    assert log == [(1.0, ((1,), {"two": 2})), (2.0, "no arguments")]


# -------------------------------------------------------------------------------- its promises


@pytest.mark.parametrize("flavour", ["asyncio", "trio"])
def test_async_code_of_the_same_flavour_is_never_run_in_parallel(sim, accepting, flavour):
    inside, most, idents = [], [], set()

    async def payload():
        for _ in range(3):
            inside.append(1)
            time.sleep(0.1)  # blocks the loop
            most.append(len(inside))
            inside.pop()
            idents.add(threading.get_ident())
            await flavours.get(flavour).sleep(0.01)

    with accepting() as runner:
        for _ in range(4):
            runner.adopt(payload, flavour=flavour)
        time.sleep(10)

    assert len(most) == 12
    assert set(most) == {1}
    assert len(idents) == 1


def test_tasks_of_threading_and_of_different_flavours_can_be_run_in_parallel(sim, log, accepting):
    def in_a_thread():
        time.sleep(1)
        log("thread")

    async def in_asyncio():
        time.sleep(1)
        log("asyncio")

    async def in_trio():
        time.sleep(1)
        log("trio")

    with accepting() as runner:
        runner.adopt(in_a_thread, flavour=threading)
        runner.adopt(in_a_thread, flavour=threading)
        runner.adopt(in_asyncio, flavour=asyncio)
        runner.adopt(in_trio, flavour=trio)
        time.sleep(2)

    assert sorted(log) == [(1.0, "asyncio"), (1.0, "thread"), (1.0, "thread"), (1.0, "trio")]


def test_the_daemon_terminates_on_unhandled_returns_and_aborts_the_rest(sim, log):
    """Coroutines are gracefully terminated, subroutines are not."""

    async def coroutine():
        try:
            await asyncio.sleep(1e6)
        finally:
            await asyncio.sleep(1)
            log("cleaned up")

    def subroutine():
        try:
            stop_token().wait(100)
        finally:
            log("was asked")

    def stubborn():
        go_on.wait()
        log("is cut off")

    def returns():
        time.sleep(5)
        return "orphan"

    go_on = threading.Event()
    runner = ServiceRunner()
    runner.adopt(coroutine, flavour=asyncio)
    runner.adopt(subroutine, flavour=threading)
    runner.adopt(stubborn, flavour=threading)
    runner.adopt(returns, flavour=threading)
    with pytest.raises(BackgroundFailure) as caught:
        runner.accept()
    log("terminated")
    go_on.set()

    (error,) = caught.value.exceptions
    assert isinstance(error, OrphanedReturn)
    assert str(error) == (
        f"{test_the_daemon_terminates_on_unhandled_returns_and_aborts_the_rest.__name__}"
        ".<locals>.returns (threading) returned 'orphan', which nobody takes\n"
        "let it return None, or run it by execute()"
    )
    assert log == [(5.0, "was asked"), (6.0, "cleaned up"), (16.0, "terminated")]


def test_payloads_are_called_exactly_as_given(sim, accepting):
    """Without arguments it is the payload itself that is called, not something made of it."""
    calls = []

    class Payload:
        __qualname__ = "Payload"

        def __call__(self, *args, **kwargs):
            calls.append((self, args, kwargs))

    one, two = Payload(), Payload()
    with accepting() as runner:
        runner.adopt(one, flavour=threading)
        runner.execute(two, 1, a=2, flavour=threading)
        time.sleep(1)

    assert calls == [(one, (), {}), (two, (1,), {"a": 2})]


def test_an_instance_that_was_dropped_never_runs(sim, log, accepting):
    @service(flavour=threading)
    class Dropped:
        def run(self):
            log("never")

    Dropped()
    with accepting():
        time.sleep(1)

    assert log == []
