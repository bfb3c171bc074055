"""What is written wrongly is told: what it is, where, and what to write instead."""

from __future__ import annotations

import re

import anyio
import pytest

from simclock.systems.eventflow import (
    CircuitBreaker,
    ConfigurationError,
    Event,
    EventStatus,
    Executor,
    Flow,
    Pile,
    Processor,
    Progression,
    RateLimitConfig,
    RateLimitedProcessor,
)

pytestmark = [pytest.mark.simclock, pytest.mark.anyio]

CONFIG = {"queue_capacity": 10, "capacity_refresh_time": 1.0}


class Work(Event):
    async def _invoke(self):
        await anyio.sleep(1)


def executor_of(processor, **settings):
    return type("Workshop", (Executor,), {"processor_type": processor})({**CONFIG, **settings})


async def error_of(event):
    """Return what an event fails with by itself."""
    await event.invoke()
    assert event.status.value == "failed"
    return str(event.execution.error)


async def denied_of(event, **methods):
    """Return what an event fails with in an executor whose processor has these methods."""
    processor = type("Works", (Processor,), {"event_type": type(event), **methods})
    async with executor_of(processor) as executor:
        await executor.append(event)
        await executor.processor.join()
    assert event.status.value == "failed"
    return str(event.execution.error)


# ---------------------------------------------------------------------- classes of events


def test_what_an_event_does_is_not_called_invoke():
    with pytest.raises(TypeError, match=r"Wrong has an invoke\(\) of its own\ncall it _invoke\(\)"):

        class Wrong(Event):
            async def invoke(self):
                """Be taken for what runs the event."""


@pytest.mark.parametrize("name", ["request", "response", "status"])
def test_a_field_does_not_hide_a_property(name):
    said = rf"Wrong has a field where events have a property: {name}\ncall the field otherwise"

    # That of pydantic is a warning only, and comes before.
    with pytest.warns(UserWarning, match="shadows"), pytest.raises(TypeError, match=said):
        type("Wrong", (Event,), {"__annotations__": {name: dict}, name: {}, "__module__": "x"})


async def test_an_event_that_cannot_be_awaited_says_so():
    class Plain(Event):
        def _invoke(self):
            return 5

    class Yields(Event):
        async def _invoke(self):
            yield 5

    assert await error_of(Plain()) == (
        "Plain._invoke() gave what cannot be waited for: int\n"
        "make it `async def`, and no `yield` in it"
    )
    assert "Yields._invoke() gave what cannot be waited for: async_gen" in await error_of(Yields())


async def test_whatever_can_be_awaited_is_a_way_to_do_it():
    class Later:
        def __await__(self):
            yield from anyio.sleep(1).__await__()
            return "done"

    class Lazy(Event):
        def _invoke(self):
            return Later()

    event = Lazy()
    await event.invoke()

    assert event.response == "done"


async def test_a_stream_that_is_none_says_so():
    class Plain(Event):
        streaming: bool = True

        def stream(self):
            return [1, 2]

    class Returns(Event):
        streaming: bool = True

        async def stream(self):
            return [1, 2]

    said = "stream() gave what cannot be waited for: {}\nmake it `async def` and `yield`"
    assert await error_of(Plain()) == "Plain." + said.format("list")
    # That no warning comes of it is seen too: here they are errors.
    assert await error_of(Returns()) == "Returns." + said.format("coroutine")


# ---------------------------------------------------------------------- permission


async def test_a_request_is_a_mapping():
    class Asks(Work):
        @property
        def request(self):
            return ["a"]

    assert await denied_of(Asks()) == (
        "the request of Asks is no mapping: ['a']\n"
        "have it return a dictionary: what request_permission is called with"
    )


async def test_a_question_that_cannot_be_awaited_fails_the_event():
    def plain(self, **request):
        return True

    assert await denied_of(Work(), request_permission=plain) == (
        "request_permission cannot be awaited: True\nmake it `async def`"
    )


# ---------------------------------------------------------------------- executors


class Works(Processor):
    event_type = Work


def test_a_processor_type_is_a_type_of_processors():
    said = "the processor_type of Workshop is no processor's: {}\ngive it a class that is derived"

    for given in (Work, Works(1, 1.0), int):
        with pytest.raises(TypeError, match=re.escape(said.format(repr(given)))):
            executor_of(given)


def test_an_event_type_is_a_type_of_events():
    none = type("Works", (Processor,), {})
    wrong = type("Works", (Processor,), {"event_type": Executor})

    with pytest.raises(ConfigurationError, match="Works does not say what events it runs\ngive it"):
        executor_of(none)
    said = "the event_type of Works is no event's: <class .*>\ngive it a class that is derived"
    with pytest.raises(TypeError, match=said):
        executor_of(wrong)
    with pytest.raises(TypeError, match=said):
        wrong(1, 1.0)


def test_an_event_type_may_be_several():
    class Other(Event):
        """Another kind."""

    executor = executor_of(type("Works", (Processor,), {"event_type": Work | Other}))

    assert executor.states.items.item_type == {Work, Other}


@pytest.mark.parametrize("config", ["queue_capacity", 5, [1], ""])
def test_a_configuration_is_a_mapping(config):
    said = re.escape(f"processor_config is no mapping: {config!r}\ngive a dictionary: settings")

    with pytest.raises(ConfigurationError, match=said):
        type("Workshop", (Executor,), {"processor_type": Works})(config)


def test_a_setting_is_named_by_a_string():
    with pytest.raises(ConfigurationError, match="Works has no such setting: 5, size\nit has: "):
        type("Workshop", (Executor,), {"processor_type": Works})({"size": 1, 5: 1})


async def test_what_is_no_event_is_refused_by_the_executor():
    class Other(Event):
        """Another kind."""

    executor = executor_of(Works)

    with pytest.raises(TypeError, match=r"the executor takes no .*Other\nwhat it takes: .*Work;"):
        await executor.append(Other())
    said = r"the executor takes no class: .*\.Work\ngive an object of it, as Work\(\)"
    with pytest.raises(TypeError, match=said):
        await executor.append(Work)
    assert len(executor.states.items) == 0


# ---------------------------------------------------------------------- limits


@pytest.mark.parametrize("name", ["request_bucket", "token_bucket"])
async def test_a_bucket_is_a_bucket(name):
    config = RateLimitConfig(1, 1.0)

    with pytest.raises(TypeError, match=rf"{name} is no TokenBucket: .*\ngive TokenBucket\(Rate"):
        async with executor_of(RateLimitedProcessor, **{name: config}):
            """Not come to this: before, the first event ended all of it."""


async def test_a_breaker_is_given_a_function_and_not_its_coroutine():
    breaker = CircuitBreaker(failure_threshold=1)

    async def fetch():
        """Be fetched."""

    with pytest.raises(TypeError, match=r"was given none: <coroutine .*\n.*not execute\(fetch\("):
        await breaker.execute(fetch())
    # What it calls has not failed.
    assert (breaker.state.value, breaker.failure_count) == ("closed", 0)


async def test_a_breaker_awaits_what_it_calls():
    def plain():
        return 5

    with pytest.raises(
        TypeError, match=r"plain\(\) returned cannot be awaited: int\nmake it `async"
    ):
        await CircuitBreaker().execute(plain)


async def test_one_status_is_cleaned_up_too_and_a_wrong_one_removes_nothing():
    executor = executor_of(Works)
    for status in ("skipped", "aborted", "failed"):
        await executor.append(event := Work())
        event.status = status

    with pytest.raises(ValueError, match="no status has this name: 'skiped'"):
        await executor.cleanup_events(["failed", "skiped"])
    with pytest.raises(ValueError, match="no status has this name: 'skiped'"):
        await executor.cleanup_events("skiped")
    assert len(executor.states.items) == 3

    assert await executor.cleanup_events("skipped") == 1
    assert await executor.cleanup_events(EventStatus.ABORTED) == 1
    assert list(executor.states.items) == executor.failed_events


# ---------------------------------------------------------------------- what was written


@pytest.mark.parametrize("kind", [Event, Pile, Progression, Flow])
@pytest.mark.parametrize("data", [None, "{}", [1]])
def test_a_text_is_not_taken_for_a_dictionary(kind, data):
    found = type(data).__name__

    with pytest.raises(TypeError, match=rf"as to_dict\(\) returns: {found}\nuse from_json\(\) if"):
        kind.from_dict(data)
