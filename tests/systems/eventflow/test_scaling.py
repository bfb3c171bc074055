"""What is done to one event costs the same, however many there are."""

from __future__ import annotations

import statistics
import time
from uuid import UUID

import pytest

from simclock.systems.eventflow import (
    Element,
    Event,
    EventStatus,
    Executor,
    Flow,
    Processor,
    Progression,
)
from simclock.systems.eventflow.orders import Order
from simclock.systems.eventflow.queueing import Line

FEW, MANY = 1_000, 1_000_000
EVENTS = 100_000  # elements take seconds to make: of these there are fewer
ROUNDS, EACH = 30, 200
# A scan would take a thousand times as long. Memory that is not in a cache takes some times as long.
AT_MOST = 15


@pytest.fixture(scope="module")
def ids():
    return [UUID(int=number) for number in range(MANY)]


def cost(acts):
    """Return the median of what *acts* take, that is without those in which holes are closed."""
    times = []
    for act in acts:
        start = time.perf_counter()
        act()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def appending(order):
    def append():
        for each in new:
            order.append(each)

    for number in range(ROUNDS):
        new = [UUID(int=2**64 + EACH * number + each) for each in range(EACH)]
        yield append
        for each in new:
            order.remove(each)


def removing_in_the_middle(order):
    ids = list(order)
    for number in range(ROUNDS):
        start = len(ids) // 2 + (number * 7919) % (len(ids) // 2 - EACH)
        some = ids[start : start + EACH]
        yield lambda some=some: [order.remove(each) for each in some]
        order.extend(some)


def taking_the_first(order):
    # All of these leave holes at the front, which the next ones must not pass.
    for _ in range(ROUNDS):
        yield lambda: [order.append(order.popleft()) for _ in range(EACH)]


def asking(order):
    some = list(order)[-EACH:]
    for _ in range(ROUNDS):
        yield lambda: [each in order and len(order) for each in some]


@pytest.mark.parametrize("acts", [appending, removing_in_the_middle, taking_the_first, asking])
def test_an_order_costs_the_same(acts, ids):
    few, many = (cost(acts(Order(ids[:count]))) for count in (FEW, MANY))

    assert many < AT_MOST * few


def test_to_remove_all_costs_the_same_for_each_with_the_closing_of_holes(ids):
    def all_removed(count):
        order = Order(ids[:count])
        start = time.perf_counter()
        for each in ids[1:count:2] + ids[:count:2]:
            order.remove(each)
        return (time.perf_counter() - start) / count

    few = statistics.median(all_removed(FEW) for _ in range(ROUNDS))

    assert all_removed(EVENTS) < AT_MOST * few


@pytest.fixture(scope="module")
def elements(ids):
    return [Element.model_construct(id=each) for each in ids[:EVENTS]]


def flow_of(elements):
    flow = Flow(elements)
    for each in EventStatus:
        flow.add_progression(Progression(name=each.value))
    flow.get_progression("pending").extend(elements)
    return flow


def moving(flow):
    ids = flow.items.keys()
    for number in range(ROUNDS):
        start = (number * 7919) % (len(ids) - EACH)
        some = ids[start : start + EACH]

        def move(some=some):
            for each in some:
                flow._move(each, "pending", "processing")
                flow._move(each, "processing", "completed")

        yield move
        for each in some:
            flow._move(each, "completed", "pending")


def removing(flow):
    items = list(flow.items)
    for number in range(ROUNDS):
        start = (number * 7919) % (len(items) - EACH)
        some = items[start : start + EACH]
        yield lambda some=some: [flow.remove_item(each) for each in some]
        for each in some:
            flow.add_item(each, "pending")


@pytest.mark.parametrize("acts", [moving, removing])
def test_a_flow_costs_the_same(acts, elements):
    few = cost(acts(flow_of(elements[:FEW])))
    many = cost(acts(flow_of(elements)))

    assert many < AT_MOST * few


def in_line(line, ids):
    for number in range(ROUNDS):
        some = ids[number * EACH : (number + 1) * EACH]

        def pass_through(some=some):
            for each in some:
                line.add(each, -1.0)
                assert line.wait_of() == 0.0
                line.send_apart(line.take(), 60.0)
                line.discard(each)

        yield pass_through


def test_a_line_costs_the_same(ids):
    def cost_at(count):
        line = Line()
        for each in ids[:count]:
            line.add(each, each.int % 1000)
        return cost(in_line(line, ids[-ROUNDS * EACH :]))

    assert cost_at(EVENTS) < AT_MOST * cost_at(FEW)


class AnyProcessor(Processor):
    event_type = Event


class AnyExecutor(Executor):
    processor_type = AnyProcessor


def events_come_and_go(executor):
    for _ in range(ROUNDS):
        events = [Event() for _ in range(EACH // 4)]

        def pass_through(events=events):
            for event in events:
                executor._keep(event)
                event.status = "skipped"
                assert event in executor
                assert len(executor.get_events_by_status("skipped")) == 1
                assert executor.status_counts()["skipped"] == 1
                executor._remove(event)

        yield pass_through


def test_an_executor_costs_the_same():
    def cost_at(count):
        executor = AnyExecutor()
        for _ in range(count):
            executor._keep(Event())
        return cost(events_come_and_go(executor))

    assert cost_at(EVENTS // 2) < AT_MOST * cost_at(FEW)
