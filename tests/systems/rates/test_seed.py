"""The page that the executors were specified by: its names, signatures, promises, examples."""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
import threading
import time

import pytest

from simclock.systems import rates
from simclock.systems.rates import (
    AsyncExecutor,
    BaseAsyncExecutor,
    RateExecutor,
    SyncRateExecutor,
)

# Each class of the page: its bases, how it is made, its attributes, its methods; as on the page.
PAGE = {
    "BaseAsyncExecutor": {
        "bases": ["ABC"],
        "__init__": "(self, func)",
        "running": "property",
        "start": "(self)",
        "stop": "(self)",
        "run": "async (self, *args, **kwargs)",
        "_run_impl": "async (self, *args, **kwargs)",
    },
    "AsyncExecutor": {
        "bases": ["BaseAsyncExecutor"],
        "__init__": "(self, func)",
        "_run_impl": "async (self, *args, **kwargs)",
    },
    "RateExecutor": {
        "bases": ["BaseAsyncExecutor"],
        "__init__": "(self, func, rate_hz)",
        "_run_impl": "async (self, *args, **kwargs)",
    },
    "SyncRateExecutor": {
        "bases": ["object"],
        "__init__": "(self, func, rate_hz)",
        "running": "property",
        "start": "(self)",
        "stop": "(self)",
        "run": "(self, *args, **kwargs)",
    },
}


def described(member):
    """Return a member as the page shows it, without annotations and what we have added."""
    if isinstance(member, property):
        return "property"
    signature = inspect.signature(member)
    own = [
        parameter.replace(annotation=parameter.empty)
        for parameter in signature.parameters.values()
        # What was added is by keyword only, with a default: whoever calls as on the page can.
        if parameter.kind is not parameter.KEYWORD_ONLY or parameter.default is parameter.empty
    ]
    text = str(signature.replace(parameters=own, return_annotation=signature.empty))
    annotated = str(signature.return_annotation)
    is_async = inspect.iscoroutinefunction(member) or annotated.startswith("Coroutine")
    return f"async {text}" if is_async else text


@pytest.mark.parametrize("name", PAGE)
def test_names_signatures_and_defaults_are_those_of_the_page(name):
    kind = getattr(rates, name)
    expected = dict(PAGE[name])

    assert [base.__name__ for base in kind.__bases__] == expected.pop("bases")
    assert {each: described(getattr(kind, each)) for each in expected} == expected


def test_the_package_has_what_the_page_has():
    assert {*PAGE, "AsyncCallback"} <= set(rates.__all__)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="older Pythons cannot be told")
def test_run_is_a_coroutine_function():
    assert inspect.iscoroutinefunction(BaseAsyncExecutor.run)
    assert inspect.iscoroutinefunction(RateExecutor(asyncio.sleep, 1).run)


def test_the_base_class_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        BaseAsyncExecutor(asyncio.sleep)


@pytest.mark.parametrize(
    ("kind", "rate", "interval"),
    [(RateExecutor, 10.0, 0.1), (SyncRateExecutor, 1000, 0.001), (RateExecutor, 0.5, 2.0)],
)
def test_attributes(kind, rate, interval):
    def function():
        pass

    executor = kind(function, rate_hz=rate)

    assert executor.func is function
    assert executor.interval == interval
    assert executor.running is False
    executor.start()
    assert executor.running is True
    executor.stop()
    assert executor.running is False


# ------------------------------------------------------------------------------- promises


def test_missed_ticks_are_not_skipped_and_stay_on_the_grid(ticks):
    it, _ = ticks(10, 0.75, lambda number: time.sleep(0.35 if number == 1 else 0))

    assert it.times() == [0, 0.1, 0.45, 0.45, 0.45, 0.5, 0.6, 0.7, 0.75]


def test_a_loop_that_is_behind_yields_to_the_event_loop(logged):
    async def main():
        async def tick():
            it.note("tick")
            if len(it.log) == 1:
                time.sleep(0.3)

        async def other():
            for _ in range(3):
                it.note("other")
                await asyncio.sleep(0)

        executor = RateExecutor(tick, 10)
        asyncio.get_running_loop().call_later(0.35, executor.stop)
        await asyncio.gather(executor.run(), other())

    with logged() as it:
        it.run(main())

    assert it.log == [
        (0.0, "tick"),
        *[(0.3, "other"), (0.3, "tick")] * 3,
    ]


def test_arguments_are_forwarded_on_each_tick(logged, driven):
    with logged() as it:
        one = driven(lambda *args, **kwargs: it.note(args, kwargs), 10)
        one.begin("hello", who="you")
        time.sleep(0.15)
        one.executor.stop()
        one.join()

    assert it.log == [
        (0.0, ("hello",), {"who": "you"}),
        (0.1, ("hello",), {"who": "you"}),
    ]


def test_an_executor_runs_again_after_a_stop_on_a_grid_of_its_own(logged, driven):
    with logged() as it:
        one = driven(lambda: it.note("tick"), 10)
        for _ in range(2):
            one.begin()
            time.sleep(0.15)
            one.executor.stop()
            one.join()
            it.note(one.outcome, one.executor.running)

    assert it.log == [
        (0.0, "tick"),
        (0.1, "tick"),
        (0.15, "returned", False),
        (0.15, "tick"),
        (0.25, "tick"),
        (0.3, "returned", False),
    ]


def test_a_tight_loop_logs_exceptions_and_goes_on(logged, caplog):
    async def main():
        async def process(who):
            await asyncio.sleep(1)
            it.note(who)
            if len(it.log) == 2:
                raise LookupError("nothing there")

        executor = AsyncExecutor(process)
        asyncio.get_running_loop().call_later(3.5, executor.stop)
        await executor.run("me")
        it.note("ended", executor.running)

    with logged() as it:
        it.run(main())

    # After the exception it backs off for 10 ms; a stop lets the callback return.
    assert it.log == [
        (1.0, "me"), (2.0, "me"), (3.01, "me"), (4.01, "me"), (4.01, "ended", False),
    ]  # fmt: skip
    assert "LookupError: nothing there" in caplog.text


def test_the_sync_loop_is_left_by_what_is_no_exception(logged):
    def interrupt():
        raise KeyboardInterrupt

    with logged():
        executor = SyncRateExecutor(interrupt, 10)
        with pytest.raises(KeyboardInterrupt):
            executor.run()
        assert not executor.running


# ------------------------------------------------------------------------------- examples
#
# As on the page, but for what it leaves out: where `get_data` comes from, and an end.


def test_example_of_the_tight_loop(logged):
    async def main():
        data = asyncio.Queue()
        for each in "abc":
            data.put_nowait(each)
        get_data, handle = data.get, handled

        async def process_data():
            data = await get_data()
            await handle(data)

        executor = AsyncExecutor(process_data)
        running = asyncio.ensure_future(executor.run())
        await asyncio.sleep(1)
        running.cancel()

    async def handled(data):
        it.note(data)

    with logged() as it:
        it.run(main())

    assert it.log == [(0.0, "a"), (0.0, "b"), (0.0, "c")]


def test_example_of_the_rate(logged, capsys):
    async def main():
        async def my_callback():
            print("tick")  # noqa: T201 - as on the page

        executor = RateExecutor(my_callback, rate_hz=10.0)
        asyncio.get_running_loop().call_later(0.95, executor.stop)
        await executor.run()

    with logged() as it:
        it.run(main())

    assert capsys.readouterr().out.split() == ["tick"] * 10


def test_example_of_the_thread(logged, capsys):
    def tick(*args):
        print("tick", args)  # noqa: T201 - as on the page

    with logged():
        executor = SyncRateExecutor(tick, rate_hz=1000.0)

        t = threading.Thread(target=executor.run, args=("hello",))
        t.start()
        time.sleep(0.0025)
        executor.stop()
        t.join()

    assert capsys.readouterr().out == "tick ('hello',)\n" * 3


def test_the_logger_is_that_of_the_package():
    assert (
        logging.getLogger("simclock.systems.rates")
        is sys.modules["simclock.systems.rates.asynchronous"].logger
    )
