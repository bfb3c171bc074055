"""One test for each oddity of the original's events, piles and flows: each fails on how those behave."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from uuid import uuid4

import anyio
import pytest

from simclock.systems.eventflow import (
    Element,
    Event,
    EventStatus,
    Execution,
    Flow,
    LionTimeoutError,
    NotFoundError,
    Pile,
    Progression,
)

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup, ExceptionGroup

# What the original does, and what is done instead. The processor's are beside its tests.
ROWS = {
    "l3": "a streaming event is pending again after its stream: it is completed",
    "l5": "a TimeoutError of user code without a timeout cancels, 'after Nones': it is a failure",
    "l10": "an error that is no Exception cannot be added to others: it can",
    "l11": "removing while iterating over a pile skips items: each comes once",
    "l11b": "an order that omits items hides them: it is refused",
    "l11c": "an order that has items twice shows them twice: it is refused",
    "l13": "an unknown name is a KeyError, an unknown id another error: both are both",
    "l13b": "an event that is invoked elsewhere stays in its progression: it is told, and moves",
}

pytestmark = [pytest.mark.simclock, pytest.mark.anyio]


def test_every_row_has_a_test():
    names = re.findall(r"def test_(l\d+[bc]?)_", Path(__file__).read_text(), re.MULTILINE)

    assert list(dict.fromkeys(names)) == list(ROWS)


class Numbers(Event):
    streaming: bool = True

    async def stream(self):
        for number in range(3):
            await anyio.sleep(1)
            yield number


async def test_l3_a_stream_has_an_end(sim):
    event = Numbers()
    await event.invoke()

    assert sim.elapsed == pytest.approx(3)
    assert (event.status, event.response) == (EventStatus.COMPLETED, [0, 1, 2])
    assert (event.execution.error, event.execution.retryable) == (None, False)


@pytest.mark.parametrize("timeout", [None, 5])
async def test_l5_a_timeout_of_its_own_code_is_a_failure(timeout):
    class Impatient(Event):
        async def _invoke(self):
            with anyio.fail_after(1):
                await anyio.sleep(3)

    event = Impatient(timeout=timeout)
    await event.invoke()

    assert event.status is EventStatus.FAILED
    assert isinstance(event.execution.error, TimeoutError)
    assert not isinstance(event.execution.error, LionTimeoutError)


async def test_l5_a_timeout_of_the_event_is_a_cancellation():
    class Slow(Event):
        async def _invoke(self):
            await anyio.sleep(9)

    event = Slow(timeout=1.5)
    await event.invoke()

    assert event.status is EventStatus.CANCELLED
    assert isinstance(event.execution.error, LionTimeoutError)
    assert str(event.execution.error).startswith("the event has not ended within 1.5 s")


async def test_l10_errors_of_all_kinds_are_added():
    execution = Execution()
    errors = [LookupError("a"), KeyboardInterrupt(), OSError("b")]
    for each in errors:
        execution.add_error(each)

    assert isinstance(execution.error, BaseExceptionGroup)
    assert (execution.error.message, list(execution.error.exceptions)) == (
        "multiple errors",
        errors,
    )
    written = execution.to_dict()["error"]
    assert [each["error"] for each in written["exceptions"]] == [
        "LookupError",
        "KeyboardInterrupt",
        "OSError",
    ]


async def test_l10_errors_are_one_then_a_group():
    execution, first, group = Execution(), LookupError(), ExceptionGroup("own", [OSError()])
    execution.add_error(first)
    assert execution.error is first

    execution.add_error(group)
    assert isinstance(execution.error, ExceptionGroup)
    # A group of users is one of them.
    assert execution.error.exceptions == (first, group)


async def test_l11_a_pile_may_be_changed_while_it_is_iterated_over():
    pile = Pile([Element() for _ in range(6)])
    seen = []
    for number, each in enumerate(pile):
        seen.append(number)
        pile.remove(each)
        pile.include(Element())

    assert seen == [0, 1, 2, 3, 4, 5]
    assert len(pile) == 6


@pytest.mark.parametrize("missing", [1, 3])
async def test_l11b_an_order_has_all_items(missing):
    items = [Element() for _ in range(3)]

    with pytest.raises(
        ValueError, match=r"the order lacks: .*\ngive the id of each item once"
    ) as e:
        Pile(items, order=[each.id for each in items[missing:]])
    assert all(str(each.id) in str(e.value) for each in items[:missing])


async def test_l11c_an_order_has_each_item_once():
    items = [Element() for _ in range(2)]

    with pytest.raises(ValueError, match=f"the order has twice: {items[0].id}\n"):
        Pile(items, order=[*items, items[0]])
    stranger = uuid4()
    with pytest.raises(ValueError, match=f"the order has what is no item: {stranger}\n"):
        Pile(items, order=[*items, stranger])


async def test_l13_what_a_flow_has_not_is_one_error():
    flow = Flow(progressions=[Progression(name="a")])

    for key in ("nobody", str(uuid4()), uuid4(), Progression()):
        for act in (flow.get_progression, flow.remove_progression):
            with pytest.raises(
                NotFoundError, match=r"^the flow has no such progression: "
            ) as error:
                act(key)
            assert isinstance(error.value, KeyError)
            assert error.value.details == {"known": ["a"]}


async def test_l13b_whoever_invokes_an_event_its_progression_is_its_status():
    class Looks(Event):
        async def _invoke(self):
            seen.append(where())

    event, seen = Looks(), []
    flow = Flow([event], [Progression(name=each.value) for each in EventStatus])
    flow.get_progression("pending").append(event)
    event._observe(lambda event, before, after: flow._move(event.id, before.value, after.value))

    def where():
        return [each.name for each in flow.progressions if event in each]

    seen.append(where())
    await event.invoke()
    seen.append(where())

    assert seen == [["pending"], ["processing"], ["completed"]]
    flow._check()
