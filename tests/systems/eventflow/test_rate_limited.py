"""Token buckets, the circuit breaker, and the processor that goes by tokens."""

from __future__ import annotations

import time
from typing import Any

import anyio
import pytest

from simclock.systems.eventflow import (
    CircuitBreaker,
    CircuitBreakerOpenError,
    CircuitState,
    Event,
    EventStatus,
    LionConnectionError,
    RateLimitConfig,
    RateLimitedExecutor,
    RateLimitedProcessor,
    TokenBucket,
)

pytestmark = [pytest.mark.simclock, pytest.mark.anyio]


def bucket(capacity, rate, initial=None):
    return TokenBucket(RateLimitConfig(capacity, rate, initial))


# ---------------------------------------------------------------------- buckets


async def test_tokens_are_waited_for(note):
    tokens = bucket(2, 0.5)

    for _ in range(4):
        assert await tokens.acquire()
        note("got one")
    assert await tokens.acquire(2)
    note("got two")

    assert note.log == [
        (0.0, "got one"),
        (0.0, "got one"),
        (2.0, "got one"),
        (4.0, "got one"),
        (8.0, "got two"),
    ]


async def test_those_who_wait_come_in_turn_and_none_passes(note):
    tokens = bucket(4, 1.0, 0)

    async def take(name, count, after):
        await anyio.sleep(after)
        assert await tokens.acquire(count)
        note(name)

    async def look():
        await anyio.sleep(2.5)
        # There are tokens, and they are for the first in line.
        assert tokens.tokens >= 1
        assert not await tokens.try_acquire()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take, "large", 4, 0)
        tasks.start_soon(take, "small", 1, 0.5)
        tasks.start_soon(take, "last", 2, 1)
        tasks.start_soon(look)

    assert note.log == [(4.0, "large"), (5.0, "small"), (7.0, "last")]


async def test_a_wait_that_is_known_to_be_too_long_is_not_begun(sim):
    tokens = bucket(5, 1.0, 0)

    assert not await tokens.acquire(3, timeout=2.9)
    assert sim.elapsed < 0.01
    assert await tokens.acquire(3, timeout=3.1)
    assert sim.elapsed == pytest.approx(3.0, abs=0.01)


async def test_who_gives_up_leaves_the_line(note):
    tokens = bucket(5, 1.0, 0)

    async def take(count, timeout):
        with anyio.move_on_after(timeout):
            await tokens.acquire(count)
            note("took", count)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take, 5, 2)
        await anyio.sleep(1)
        tasks.start_soon(take, 3, 60)

    assert note.log == [(3.0, "took", 3)]


async def test_a_wait_may_end_by_its_timeout_after_all(note):
    tokens = bucket(5, 1.0, 0)

    async def take(count, timeout):
        note(count, await tokens.acquire(count, timeout=timeout))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take, 4, 4.5)
        await anyio.sleep(3)
        # Somebody else takes from it, as only the first in line may: by another face of it.
        tokens._core.try_take(3)

    assert note.log == [(4.5, 4, False)]


async def test_what_is_given_back_or_filled_in_wakes_who_waits(note):
    tokens = bucket(5, 0.001, 0)

    async def take(count):
        await tokens.acquire(count)
        note(count)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take, 2)
        await anyio.sleep(1)
        await tokens.release(2)
        await anyio.sleep(1)
        tasks.start_soon(take, 5)
        await anyio.sleep(1)
        await tokens.reset()

    assert note.log == [(1.0, 2), (3.0, 5)]


@pytest.mark.parametrize("count", [0, -1, 6, 1.5])
async def test_a_bucket_never_has_so_many(count):
    tokens = bucket(5, 1.0)
    for ask in (tokens.acquire, tokens.try_acquire):
        with pytest.raises(ValueError, match=r"tokens"):
            await ask(count)
    if count != 6:
        with pytest.raises(ValueError, match=r"tokens"):
            await tokens.release(count)

    assert tokens.tokens == 5


async def test_settings_of_buckets():
    config = RateLimitConfig(10, 2.5)

    assert config.initial_tokens == 10
    assert TokenBucket(config).to_dict() == {"capacity": 10, "refill_rate": 2.5}
    for wrong in ((0, 1.0), (1, 0), (1, 1.0, 2), (1, 1.0, -1)):
        with pytest.raises(ValueError, match=r"has no meaning|exceeds"):
            RateLimitConfig(*wrong)


# ---------------------------------------------------------------------- the breaker


async def fail(error=LookupError):
    raise error


async def succeed(value):
    return value


async def test_a_breaker_passes_calls_on():
    assert await CircuitBreaker().execute(succeed, 7) == 7
    assert await CircuitBreaker().execute(succeed, value=8) == 8


async def test_a_breaker_opens_and_says_when_to_come_again(note):
    breaker = CircuitBreaker(failure_threshold=2, recovery_time=30.0, name="api")
    began = time.monotonic()
    for _ in range(2):
        with pytest.raises(LookupError):
            await breaker.execute(fail)
    await anyio.sleep(10)

    with pytest.raises(CircuitBreakerOpenError) as caught:
        await breaker.execute(succeed, 1)

    assert str(caught.value) == (
        "the call was not made: circuit breaker 'api' is open\ncall again in 20 s"
    )
    assert caught.value.retry_after == pytest.approx(20, abs=0.01)
    assert isinstance(caught.value, LionConnectionError)
    assert caught.value.retryable
    await anyio.sleep(20)
    assert await breaker.execute(succeed, 1) == 1
    assert (breaker.state, breaker.failure_count) == (CircuitState.CLOSED, 0)
    metrics = breaker.metrics
    changes = [
        (round(each["time"] - began), each["from"], each["to"])
        for each in metrics.pop("state_changes")
    ]
    assert changes == [
        (0, "closed", "open"),
        (30, "open", "half_open"),
        (30, "half_open", "closed"),
    ]
    assert metrics == {"success_count": 1, "failure_count": 2, "rejected_count": 1}


async def test_a_success_makes_failures_before_it_good():
    breaker = CircuitBreaker(failure_threshold=2)
    for _ in range(3):
        with pytest.raises(LookupError):
            await breaker.execute(fail)
        await breaker.execute(succeed, 1)

    assert breaker.state is CircuitState.CLOSED


async def half_open(**settings):
    breaker = CircuitBreaker(failure_threshold=1, recovery_time=1.0, **settings)
    with pytest.raises(LookupError):
        await breaker.execute(fail)
    await anyio.sleep(1)
    return breaker


async def test_the_place_of_a_probe_is_given_back_whatever_becomes_of_it():
    breaker = await half_open(excluded_exceptions={KeyError})

    with pytest.raises(KeyError):
        await breaker.execute(fail, KeyError)
    with anyio.move_on_after(1):
        await breaker.execute(anyio.sleep, 60)
    assert breaker.state is CircuitState.HALF_OPEN

    assert await breaker.execute(succeed, 1) == 1
    assert breaker.state is CircuitState.CLOSED


async def test_while_a_probe_is_under_way_there_is_no_other():
    breaker = await half_open()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(breaker.execute, anyio.sleep, 5)
        await anyio.sleep(1)
        with pytest.raises(CircuitBreakerOpenError, match="a probe is under way") as caught:
            await breaker.execute(succeed, 1)
        assert caught.value.retry_after is None


async def test_a_probe_that_fails_opens_it_again():
    breaker = await half_open()

    with pytest.raises(LookupError):
        await breaker.execute(fail)

    assert breaker.state is CircuitState.OPEN


async def test_settings_of_breakers():
    assert CircuitBreaker().to_dict() == {
        "failure_threshold": 5,
        "recovery_time": 30.0,
        "half_open_max_calls": 1,
        "name": "default",
    }
    for setting in ("failure_threshold", "recovery_time", "half_open_max_calls"):
        with pytest.raises(ValueError, match=setting):
            CircuitBreaker(**{setting: 0})


# ---------------------------------------------------------------------- the processor


class Call(Event):
    """Costs some tokens."""

    what: Any = None
    tokens: int | None = None
    note: Any = None

    @property
    def request(self):
        return {"required_tokens": self.tokens, "model": "any"}

    async def _invoke(self):
        self.note(self.what)


def limited(requests=None, tokens=None, **settings):
    return RateLimitedExecutor(
        {
            "queue_capacity": 100,
            "capacity_refresh_time": 1.0,
            "request_bucket": requests,
            "token_bucket": tokens,
            **settings,
        }
    )


async def test_requests_start_as_their_tokens_come(note):
    executor = limited(bucket(2, 0.5))

    async with executor:
        for what in range(5):
            await executor.append(Call(what=what, note=note))
        await executor.processor.join()

    assert [(round(at, 3), what) for at, what in note.log] == [
        (0, 0),
        (0, 1),
        (2, 2),
        (4, 3),
        (6, 4),
    ]


async def test_nobody_is_asked_for_while_there_is_no_token_for_a_request(note):
    asked = []

    class Counting(RateLimitedProcessor):
        async def request_permission(self, **request):
            asked.append(request)
            return await super().request_permission(**request)

    class Counted(RateLimitedExecutor):
        processor_type = Counting

    settings = {"queue_capacity": 100, "capacity_refresh_time": 1.0}
    async with Counted({**settings, "request_bucket": bucket(1, 1.0)}) as executor:
        for what in range(20):
            await executor.append(Call(what=what, note=note))
        await executor.processor.join()

    assert len(asked) == 20


async def test_a_request_takes_all_of_its_tokens_or_none(note):
    requests, tokens = bucket(10, 0.001), bucket(10, 1.0)
    executor = limited(requests, tokens)

    async with executor:
        for what, cost in [("a", 8), ("b", 6), ("c", 2), ("d", None)]:
            await executor.append(Call(what=what, tokens=cost, note=note))
        await executor.processor.join()

    # What is large waits, what is small need not; requests that were not made cost none.
    assert [(round(at, 2), what) for at, what in note.log] == [
        (0, "a"),
        (0, "c"),
        (0, "d"),
        (6, "b"),
    ]
    assert round(requests.tokens) == 6


async def test_without_buckets_all_may_start(note, sim):
    executor = limited()
    async with executor:
        for what in range(50):
            await executor.append(Call(what=what, tokens=10**9, note=note))
        await executor.processor.join()

    assert len(note.log) == 50
    assert sim.elapsed < 0.1


async def test_an_event_fails_for_which_there_are_never_enough_tokens(note):
    requests = bucket(5, 1.0)
    executor = limited(requests, bucket(10, 1.0))
    event, good = Call(tokens=11, note=note), Call(tokens=10, note=note)

    async with executor:
        await executor.append(event)
        await executor.append(good)
        await executor.processor.join()

    assert executor.failed_events == [event]
    assert "the bucket never has so many tokens: 11 of 10" in str(event.execution.error)
    assert good.status is EventStatus.COMPLETED
    # The request that was not made is given back.
    assert requests.tokens >= 4


async def test_tokens_come_after_a_restart_as_before_and_only_once(note):
    executor = limited(bucket(1, 0.1), replenishment_interval=1.0)

    async with executor:
        for what in range(4):
            await executor.append(Call(what=what, note=note))
        await anyio.sleep(15)
        await executor.stop()
        await anyio.sleep(10)
        await executor.start()
        await executor.processor.join()

    # At 10 and 40 as they come; at 20 it was stopped.
    assert [(round(at, 2), what) for at, what in note.log] == [(0, 0), (10, 1), (25, 2), (35, 3)]


async def test_it_says_what_it_is():
    executor = limited(bucket(1, 2.0))
    assert executor.states.name == "rate_limited_executor"
    assert RateLimitedExecutor(name="mine").states.name == "mine"
    async with executor:
        assert isinstance(executor.processor, RateLimitedProcessor)
        assert executor.processor.to_dict() == {
            "queue_capacity": 100,
            "capacity_refresh_time": 1.0,
            "replenishment_interval": 60.0,
            "concurrency_limit": 100,
            "max_queue_size": 1000,
            "max_denial_tracking": 10000,
            "request_bucket": {"capacity": 1, "refill_rate": 2.0},
            "token_bucket": None,
        }
    with pytest.raises(ValueError, match="replenishment_interval"):
        RateLimitedProcessor(1, 1.0, replenishment_interval=0)
