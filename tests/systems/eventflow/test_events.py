"""An event is done once, and says how that went."""

from __future__ import annotations

import copy
import gc
import pickle
import re
import sys
import threading
import types

import anyio
import pydantic
import pytest

from simclock.systems.eventflow import (
    Event,
    EventStatus,
    Execution,
    ExecutionError,
    LionTimeoutError,
    OperationError,
    RestoredError,
    Unset,
    ValidationError,
    events,
    executions,
)
from simclock.systems.eventflow.executions import TRANSITIONS

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup, ExceptionGroup

pytestmark = [pytest.mark.simclock, pytest.mark.anyio]


class Work(Event):
    seconds: float = 0.0
    result: object = "done"
    error: BaseException | None = None

    async def _invoke(self):
        await anyio.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        return self.result


class Stream(Event):
    streaming: bool = True
    pieces: int = 3
    error: BaseException | None = None

    async def stream(self):
        for number in range(self.pieces):
            await anyio.sleep(1)
            yield number
        if self.error is not None:
            raise self.error


def told(event):
    execution = event.execution
    return event.status.value, execution.response, execution.error, execution.retryable


async def test_an_event_is_pending_until_it_is_invoked():
    event = Work()

    assert told(event) == ("pending", Unset, Unset, Unset)
    assert event.execution.duration is Unset
    assert (event.timeout, event.streaming, event.request) == (None, False, {})


async def test_success():
    event = Work(seconds=2, result=7)

    assert await event.invoke() is None
    assert told(event) == ("completed", 7, None, False)
    assert event.response == 7
    assert event.execution.duration == pytest.approx(2)


async def test_none_is_a_response():
    event = Work(result=None)
    await event.invoke()

    assert event.response is None


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (LookupError("why"), True),
        (ValidationError(), False),
        (ExecutionError(), True),
        (ExecutionError(retryable=False), False),
        (ExceptionGroup("several", [LookupError(), ExecutionError()]), True),
        (ExceptionGroup("several", [LookupError(), ValidationError()]), False),
        (ExceptionGroup("several", [ExceptionGroup("in", [ValidationError()])]), False),
    ],
)
async def test_failure_is_kept_and_not_raised(error, retryable):
    event = Work(seconds=1, error=error)
    await event.invoke()

    assert told(event) == ("failed", Unset, error, retryable)
    assert event.execution.duration == pytest.approx(1)


async def test_an_event_that_does_nothing_fails():
    event = Event()
    await event.invoke()

    assert event.status is EventStatus.FAILED
    assert re.match("Event does nothing\noverride its _invoke", str(event.execution.error))
    event = Event(streaming=True)
    await event.invoke()
    assert re.match("Event streams nothing\noverride its stream", str(event.execution.error))


async def test_its_own_timeout_cancels_it():
    event = Work(seconds=5, timeout=2)
    await event.invoke()

    status, response, error, retryable = told(event)
    assert (status, response, retryable) == ("cancelled", Unset, True)
    assert isinstance(error, LionTimeoutError)
    assert str(error) == "the event has not ended within 2 s\ngive it a longer timeout"
    assert event.execution.duration == pytest.approx(2)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), "soon"])
async def test_a_timeout_is_finite_and_more_than_nothing(timeout):
    with pytest.raises(pydantic.ValidationError):
        Work(timeout=timeout)


async def test_a_cancellation_is_raised_and_known(note):
    event = Work(seconds=5)

    with anyio.move_on_after(1) as scope:
        await event.invoke()

    assert scope.cancelled_caught
    status, _, error, retryable = told(event)
    assert (status, retryable) == ("cancelled", True)
    assert isinstance(error, BaseException)
    assert event.execution.duration == pytest.approx(1)


class Stopped(BaseException):
    """What is no ``Exception``."""


@pytest.mark.parametrize("error", [Stopped(), BaseExceptionGroup("several", [Stopped()])])
async def test_what_is_no_exception_is_raised_and_leaves_no_event_behind(error):
    event = Work(error=error)

    with pytest.raises(type(error)):
        await event.invoke()
    assert told(event) == ("failed", Unset, error, True)


async def test_a_group_of_cancellations_is_one():
    class Grouped(Event):
        async def _invoke(self):
            try:
                await anyio.sleep(9)
            except anyio.get_cancelled_exc_class() as error:
                raise BaseExceptionGroup("several", [error]) from None

    event = Grouped()
    async with anyio.create_task_group() as group:

        async def invoke():
            with pytest.raises(BaseExceptionGroup):
                await event.invoke()

        group.start_soon(invoke)
        await anyio.sleep(1)
        group.cancel_scope.cancel()

    assert event.status is EventStatus.CANCELLED


@types.coroutine
def pause():
    yield


async def test_a_coroutine_that_is_closed_leaves_a_cancelled_event():
    class Waits(Event):
        async def _invoke(self):
            await pause()

    event = Waits()
    coroutine = event.invoke()
    coroutine.send(None)
    assert event.status is EventStatus.PROCESSING
    coroutine.close()

    status, _, error, retryable = told(event)
    assert (status, type(error), retryable) == ("cancelled", GeneratorExit, True)


async def test_it_is_done_once_however_many_ask(note):
    event = Work(seconds=2)

    async def ask(after):
        await anyio.sleep(after)
        await event.invoke()
        note(after, event.status.value)

    async with anyio.create_task_group() as group:
        for after in (0, 1, 3):
            group.start_soon(ask, after)

    assert sorted(note.log) == [
        (2.0, 0, "completed"),
        (2.0, 1, "completed"),
        (3.0, 3, "completed"),
    ]
    assert event.execution.duration == pytest.approx(2)


async def test_those_who_wait_go_on_when_it_is_cancelled(note):
    event = Work(seconds=9)

    async with anyio.create_task_group() as group:

        async def cancelled():
            with anyio.move_on_after(2):
                await event.invoke()

        group.start_soon(cancelled)
        await anyio.sleep(1)
        await event.invoke()
        note(event.status.value)

    assert note.log == [(2.0, "cancelled")]


# -------------------------------------------------------------------- streams


async def test_a_stream_ends_with_its_pieces():
    event = Stream()
    await event.invoke()

    assert told(event) == ("completed", [0, 1, 2], None, False)
    assert event.execution.duration == pytest.approx(3)


async def test_a_stream_fails_is_cancelled_and_takes_too_long():
    failing, slow, cancelled = Stream(error=LookupError()), Stream(timeout=2.5), Stream()
    await failing.invoke()
    await slow.invoke()
    with anyio.move_on_after(1.5):
        await cancelled.invoke()

    assert [each.status.value for each in (failing, slow, cancelled)] == [
        "failed",
        "cancelled",
        "cancelled",
    ]
    assert isinstance(slow.execution.error, LionTimeoutError)


async def test_a_stream_may_be_read_by_others_too():
    event = Stream()

    assert [piece async for piece in event.stream()] == [0, 1, 2]
    assert event.status is EventStatus.PENDING


# --------------------------------------------------------------------- status


@pytest.mark.parametrize("status", ["skipped", "aborted", "cancelled", EventStatus.SKIPPED])
async def test_a_pending_event_may_be_set_aside(status):
    event = Work()
    event.status = status
    await event.invoke()

    assert event.status is EventStatus(status)
    assert event.response is Unset


async def test_a_status_that_is_none_is_told_with_the_seven():
    event = Work()

    with pytest.raises(
        ValueError,
        match="no status has this name: 'done'\n"
        "give one of: pending, processing, completed, failed, cancelled, skipped, aborted",
    ):
        event.status = "done"
    assert event.status is EventStatus.PENDING


ALLOWED = {
    "pending": {"processing", "failed", "cancelled", "skipped", "aborted"},
    "processing": {"completed", "failed", "cancelled"},
}


@pytest.mark.parametrize("before", list(EventStatus))
@pytest.mark.parametrize("after", list(EventStatus))
async def test_only_what_can_follow_a_status_does(before, after):
    event = Work(execution=Execution(before))
    seen = []
    event._observe(lambda *args: seen.append(args))

    if after is before:
        event.status = after
        assert seen == []
    elif after.value in ALLOWED.get(before.value, ()):
        event.status = after
        assert seen == [(event, before, after)]
        assert event.status is after
    else:
        with pytest.raises(
            OperationError, match=f"{after.value} cannot follow {before.value}"
        ) as e:
            event.status = after
        assert e.value.details == {"before": before.value, "after": after.value}
        assert event.status is before
        assert seen == []


async def test_its_own_code_may_say_how_it_ended():
    class Decides(Event):
        async def _invoke(self):
            self.status = "failed"
            return "and why"

    event = Decides()
    await event.invoke()

    assert told(event) == ("failed", "and why", None, False)


async def test_its_own_code_may_keep_what_it_failed_with():
    class Decides(Event):
        async def _invoke(self):
            self.execution.response = "half"
            self.status = "cancelled"
            raise LookupError

    event = Decides()
    await event.invoke()

    status, response, error, retryable = told(event)
    assert (status, response, type(error), retryable) == ("cancelled", "half", LookupError, True)


async def test_observers_see_each_status_with_what_came_of_it():
    seen = []

    def observer(event, before, after):
        assert event.status is after
        seen.append((before.value, after.value, event.response))

    event, other = Work(result=7), Work()
    event._observe(observer)
    await event.invoke()
    other._observe(observer)
    other._forget(observer)
    await other.invoke()

    assert seen == [("pending", "processing", Unset), ("processing", "completed", 7)]


async def test_an_observer_that_fails_changes_nothing(caplog):
    event, seen = Work(), []

    def broken(*args):
        raise LookupError("gone")

    event._observe(broken)
    event._observe(lambda _event, _before, after: seen.append(after.value))
    await event.invoke()

    assert told(event) == ("completed", "done", None, False)
    assert seen == ["processing", "completed"]
    assert [each.getMessage() for each in caplog.records] == [
        f"event {event.id} is {status}: who watched it failed" for status in seen
    ]


async def test_an_execution_does_not_keep_its_event():
    event = Work()
    event._observe(lambda *args: None)
    execution = event.execution
    del event
    gc.collect()

    # Nobody is there to be told.
    execution.status = "skipped"
    assert execution.status is EventStatus.SKIPPED


async def test_a_refused_event_fails_before_it_has_begun():
    event, other, error = Work(), Work(), ExecutionError("no")
    await other.invoke()
    for each in (event, other):
        each._refuse(EventStatus.FAILED, error)
        each._refuse(EventStatus.FAILED, LookupError())

    assert told(event) == ("failed", Unset, error, True)
    assert told(other) == ("completed", "done", None, False)


# --------------------------------------------------------------------- copies


async def test_a_fresh_event_does_the_same_again():
    event = Work(result=[7], timeout=5, metadata={"colour": "red"})
    await event.invoke()
    fresh, with_meta = event.as_fresh_event(), event.as_fresh_event(copy_meta=True)

    origin = {"id": str(event.id), "created_at": event.created_at.isoformat()}
    assert fresh.metadata == {"original": origin}
    assert with_meta.metadata == {"colour": "red", "original": origin}
    assert event.metadata == {"colour": "red"}
    assert fresh.id != event.id
    assert (type(fresh), fresh.timeout, fresh.status) == (Work, 5, EventStatus.PENDING)
    await fresh.invoke()
    assert fresh.response == [7]


async def test_a_fresh_event_takes_fields_with_other_names():
    class Named(Event):
        kind: str = pydantic.Field(default="", alias="type")

    assert Named(type="x").as_fresh_event().kind == "x"


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda event: pickle.loads(pickle.dumps(event))]
)
async def test_a_copy_goes_its_own_way_and_nobody_watches_it(copied):
    seen = []
    event = Work()
    event._observe(lambda *args: seen.append(args))
    other = copied(event)
    other.status = "skipped"

    assert other == event
    assert event.status is EventStatus.PENDING
    assert seen == []
    await event.invoke()
    assert [after.value for _, _, after in seen] == ["processing", "completed"]


async def test_an_error_that_cannot_be_made_again_is_not_copied():
    class Picky(Exception):
        def __init__(self, *, why):
            super().__init__(why)

    event = Work(error=Picky(why="so"), result=[7])
    await event.invoke()
    event.execution.response = [7]
    copied = copy.deepcopy(event.execution)

    assert copied.error is event.execution.error
    assert copied.response == [7]
    assert copied.response is not event.execution.response


# --------------------------------------------------------------- written down


class Odd:
    """What cannot be written down."""


class Rude(Exception):
    def __str__(self):
        raise LookupError


async def test_an_event_is_written_with_how_it_went():
    event = Work(result={"n": 1}, timeout=3)
    await event.invoke()
    written = event.to_dict(mode="json", exclude={"error", "result"})

    assert written["execution"] == {
        "status": "completed",
        "duration": 0.0,
        "response": {"n": 1},
        "error": None,
        "retryable": False,
    }
    assert "timeout" not in written
    restored = Work.from_dict(written)
    assert told(restored) == ("completed", {"n": 1}, None, False)
    await restored.invoke()
    assert restored.to_dict(mode="json", exclude={"error", "result"}) == written


@pytest.mark.parametrize(
    ("response", "written"),
    [
        (Unset, None),
        (None, None),
        ((1, "a"), [1, "a"]),
        (Odd(), "<unserializable>"),
        ([Odd()], "<unserializable>"),
        (b"\xff", "<unserializable>"),
    ],
)
async def test_a_response_is_written_if_it_can_be(response, written):
    assert Execution(response=response).to_dict()["response"] == written


async def test_an_element_as_a_response_is_written_as_one():
    event = Event()

    assert Execution(response=event).to_dict()["response"] == event.to_dict(mode="json")


async def test_errors_are_written_as_what_they_say():
    group = ExceptionGroup("several", [LookupError("a"), ExceptionGroup("in", [Rude()])])

    def written(error):
        return Execution("failed", error=error).to_dict()["error"]

    assert written(LookupError("why")) == {"error": "LookupError", "message": "why"}
    assert written(Rude()) == {"error": "Rude", "message": "Rude"}
    assert written(ExecutionError("why", details={"odd": 1})) == {
        "error": "ExecutionError",
        "message": "why",
        "retryable": True,
        "details": {"odd": 1},
    }
    # Details that cannot be written do not hide the error.
    assert written(ExecutionError("why", details={"odd": Odd()})) == {
        "error": "ExecutionError",
        "message": "why",
    }
    assert written(group)["exceptions"] == [
        {"error": "LookupError", "message": "a"},
        {
            "error": "ExceptionGroup",
            "message": "in (1 sub-exception)",
            "exceptions": [{"error": "Rude", "message": "Rude"}],
        },
    ]


async def test_deep_groups_are_written_as_far_as_a_hundred():
    error = LookupError()
    for _ in range(150):
        error = ExceptionGroup("in", [error])
    written = Execution(error=error).to_dict()["error"]

    depth = 0
    while isinstance(written["exceptions"], list):
        (written,) = written["exceptions"]
        depth += 1
    assert (depth, written["exceptions"]) == (100, "...")


async def test_a_restored_error_says_what_the_original_did():
    execution = Execution("failed", error=LookupError("why"), retryable=True)
    restored = Execution.from_dict(execution.to_dict())

    assert isinstance(restored.error, RestoredError)
    assert str(restored.error) == "why"
    assert restored.to_dict() == execution.to_dict()


async def test_bad_executions_are_refused():
    with pytest.raises(ValueError, match="no status has this name: 'done'"):
        Execution("done")
    with pytest.raises(ValueError, match="an execution has no: colour"):
        Execution.from_dict({"colour": 1})
    with pytest.raises(pydantic.ValidationError, match="this is no execution: 3"):
        Work(execution=3)
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        Work().execution = Execution()


async def test_an_execution_says_what_it_is():
    assert repr(Execution("failed", 1.5, error=None)) == (
        "Execution(status=failed, duration=1.5, response=Unset, error=None, retryable=Unset)"
    )


# -------------------------------------------------------------------- threads


@pytest.mark.simclock(runs=50)
def test_an_event_leaves_pending_once_in_whatever_thread():
    event, won, lost = Event(), [], []
    event._observe(lambda _event, _before, after: won.append(after.value))

    def start():
        if not event.execution._start():
            lost.append("processing")

    def skip():
        try:
            event.status = "skipped"
        except OperationError:
            lost.append("skipped")

    threads = [threading.Thread(target=each) for each in (start, skip)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(won + lost) == ["processing", "skipped"]
    assert [event.status.value] == won


async def test_a_status_that_is_looked_at_while_another_thread_moves_it_is_not_set(monkeypatch):
    event, seen = Event(), []
    event._observe(lambda _event, _before, after: seen.append(after.value))

    class Overtaken:
        """The table, and another thread that is faster just after it was looked at."""

        def check(self, before, after):
            TRANSITIONS.check(before, after)
            assert event.execution._start()

    monkeypatch.setattr(executions, "TRANSITIONS", Overtaken())
    with pytest.raises(OperationError, match="another thread has just moved it"):
        event.status = "skipped"

    assert (event.status.value, seen) == ("processing", ["processing"])
    assert not event.execution._start()


async def test_a_status_that_another_thread_sets_at_the_very_end_stands(monkeypatch):
    event = Work(error=LookupError("no"))
    instants = iter([0.0, 1.0])

    def monotonic():
        instant = next(instants)
        if instant:
            event.status = "cancelled"
        return instant

    monkeypatch.setattr(events.time, "monotonic", monotonic)
    await event.invoke()

    assert event.status is EventStatus.CANCELLED


async def test_observers_of_a_refusal_see_its_error():
    event, seen = Work(), []
    event._observe(lambda event, *_: seen.append(told(event)))
    error = ExecutionError("no")

    event._refuse(EventStatus.FAILED, error)

    assert seen == [("failed", Unset, error, True)]


@pytest.mark.parametrize(
    "made", [copy.copy, copy.deepcopy, lambda event: Work.from_dict(event.to_dict())]
)
async def test_an_event_that_runs_elsewhere_or_did_is_not_waited_for(made):
    event = Work(seconds=60)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(event.invoke)
        await anyio.sleep(1)
        other = made(event)
        with anyio.fail_after(1):
            await other.invoke()

    by_hand = Work()
    by_hand.status = "processing"
    with anyio.fail_after(1):
        await by_hand.invoke()
    assert (event.status.value, other.status.value) == ("completed", "processing")
