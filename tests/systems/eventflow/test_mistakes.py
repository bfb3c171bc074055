"""What is written wrongly is told: what it is, where, and what to write instead."""

from __future__ import annotations

import anyio
import pytest

from simclock.systems.eventflow import Event, Executor, Processor

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
