from __future__ import annotations

import queue
import threading
import time

import pytest

from simclock import Simulation

KINDS = [queue.Queue, queue.LifoQueue, queue.PriorityQueue, queue.SimpleQueue]
BOUNDED = KINDS[:3]
# Made when this module was imported.
QUEUE = queue.Queue()
SIMPLE = queue.SimpleQueue()


def start(*targets):
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    return threads


def join(threads):
    for thread in threads:
        thread.join()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (queue.Queue, [2, 1, 3]),
        (queue.LifoQueue, [3, 1, 2]),
        (queue.PriorityQueue, [1, 2, 3]),
        (queue.SimpleQueue, [2, 1, 3]),
    ],
)
def test_a_queue_keeps_its_order(kind, expected):
    with Simulation() as sim:
        items = kind()
        for item in (2, 1, 3):
            items.put(item)

        assert [items.get() for _ in range(3)] == expected
        assert items.empty()
        assert items.qsize() == 0
        assert sim.elapsed == 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_consumers_get_an_item_at_the_instant_it_is_put_first_come_first_served(kind, log):
    items = kind()

    def consumer(name):
        return lambda: log((name, items.get()))

    with Simulation():
        threads = start(*map(consumer, "abc"))
        for number in range(3):
            time.sleep(1)
            items.put(number)
        join(threads)

    assert log == [(1.0, ("a", 0)), (2.0, ("b", 1)), (3.0, ("c", 2))]


@pytest.mark.parametrize("kind", KINDS)
def test_several_items_put_at_once_go_to_several_consumers(kind, log):
    items = kind()

    def consumer():
        while (item := items.get(timeout=5)) != 9:
            log(item)
            time.sleep(1)

    with Simulation():
        threads = start(consumer, consumer)
        for number in (1, 2, 3):
            items.put(number)
        time.sleep(3)
        items.put(9)
        items.put(9)
        join(threads)

    # The last in is the first out of a stack.
    order = (3, 2, 1) if kind is queue.LifoQueue else (1, 2, 3)
    assert log == [(0.0, order[0]), (0.0, order[1]), (1.0, order[2])]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("args", "waited"),
    [
        ((True, 1.5), 1.5),
        ((True, 0), 0.0),
        ((True, 1e-9), 1e-9),
        ((False,), 0.0),
        ((False, 7), 0.0),
        ((False, -7), 0.0),
        ((1, 2), 2.0),
    ],
    ids=repr,
)
def test_get_from_an_empty_queue_gives_up_exactly_at_its_timeout(kind, args, waited):
    with Simulation() as sim:
        with pytest.raises(queue.Empty):
            kind().get(*args)

        assert sim.elapsed == waited


@pytest.mark.parametrize("kind", KINDS)
def test_nowait_methods_do_not_wait(kind):
    items = kind()

    with Simulation() as sim:
        with pytest.raises(queue.Empty):
            items.get_nowait()
        items.put_nowait(1)
        assert items.get_nowait() == 1
        assert sim.elapsed == 0.0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((True, -1), {}),
        ((True, "x"), {}),
        ((True, 1e300), {}),
        ((1, 2, 3), {}),
        ((), {"wrong": 1}),
        ((), {"timeout": -1}),
        ((True,), {"block": False}),
    ],
    ids=repr,
)
def test_wrong_arguments_of_get_give_the_errors_of_the_original(kind, args, kwargs, outcome):
    original = outcome(kind().get, *args, **kwargs)

    with Simulation() as sim:
        simulated = outcome(kind().get, *args, **kwargs)
        assert sim.elapsed == 0.0

    assert original[0] != "returned"
    assert simulated == original


def test_a_timeout_that_is_no_number_is_refused_by_a_simple_queue_as_by_the_original(outcome):
    original = outcome(queue.SimpleQueue().get, timeout=float("nan"))

    with Simulation():
        simulated = outcome(queue.SimpleQueue().get, timeout=float("nan"))

    assert original[0] is ValueError
    assert simulated == original


@pytest.mark.parametrize("method", ["put", "put_nowait", "get_nowait"])
@pytest.mark.parametrize(("args", "kwargs"), [((1,) * 5, {}), ((), {"wrong": 1})], ids=repr)
def test_wrong_arguments_of_other_methods_give_the_errors_of_the_original(
    method, args, kwargs, outcome
):
    original = outcome(getattr(queue.SimpleQueue(), method), *args, **kwargs)

    with Simulation():
        simulated = outcome(getattr(queue.SimpleQueue(), method), *args, **kwargs)

    assert original[0] != "returned"
    assert simulated == original


class Two:
    def __repr__(self):
        return "Two()"

    def __index__(self):
        return 2


@pytest.mark.parametrize("timeout", [2, 2.0, Two()], ids=repr)
def test_a_simple_queue_takes_any_number_for_its_timeout_that_the_original_takes(timeout):
    with Simulation() as sim:
        with pytest.raises(queue.Empty):
            queue.SimpleQueue().get(timeout=timeout)

        assert sim.elapsed == 2.0


def test_wrong_arguments_do_not_cost_an_item():
    items = queue.SimpleQueue()
    items.put(1)

    with Simulation():
        with pytest.raises(ValueError, match="non-negative"):
            items.get(timeout=-1)
        assert items.qsize() == 1


@pytest.mark.parametrize("kind", KINDS)
def test_put_takes_keywords(kind):
    with Simulation():
        items = kind()
        items.put(item=1, block=True, timeout=None)
        items.put(2, timeout=3)

        assert sorted([items.get(block=True, timeout=None), items.get(timeout=1)]) == [1, 2]


@pytest.mark.parametrize("kind", BOUNDED)
def test_a_full_queue_makes_producers_wait(kind, log):
    items = kind(2)

    def producer():
        for number in range(4):
            items.put(number)
            log(("put", number))

    with Simulation():
        threads = start(producer)
        for _ in range(4):
            time.sleep(1)
            items.get()
        join(threads)

    assert log == [
        (0.0, ("put", 0)),
        (0.0, ("put", 1)),
        (1.0, ("put", 2)),
        (2.0, ("put", 3)),
    ]


@pytest.mark.parametrize("kind", BOUNDED)
def test_put_into_a_full_queue_gives_up_exactly_at_its_timeout(kind, log):
    items = kind(1)

    with Simulation():
        items.put(0)
        for args in [(1, True, 2.5), (1, True, 0), (1, False)]:
            with pytest.raises(queue.Full):
                items.put(*args)
            log("full")
        with pytest.raises(queue.Full):
            items.put_nowait(1)
        with pytest.raises(ValueError, match="non-negative"):
            items.put(1, timeout=-1)
        log(items.full())

    assert log == [(2.5, "full"), (2.5, "full"), (2.5, "full"), (2.5, True)]


@pytest.mark.parametrize("kind", BOUNDED)
def test_join_returns_when_the_last_task_is_done(kind, log):
    items = kind()

    def worker():
        while items.get() < 9:
            time.sleep(2)
            items.task_done()
        items.task_done()

    with Simulation():
        for number in range(3):
            items.put(number)
        threads = start(worker)
        items.join()
        log("all done")
        items.put(9)
        items.join()
        join(threads)
        with pytest.raises(ValueError, match="too many times"):
            items.task_done()

    assert log == [(6.0, "all done")]


@pytest.mark.parametrize("items", [QUEUE, SIMPLE])
def test_queues_made_at_import_are_simulated(items, log):
    with Simulation():
        threading.Timer(2, items.put, ("late",)).start()
        log(items.get())
        with pytest.raises(queue.Empty):
            items.get(timeout=3)
        log("empty")

    assert log == [(2.0, "late"), (5.0, "empty")]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_put_outside_is_there_inside_and_the_other_way_round(kind):
    items = kind()
    items.put(1)

    with Simulation():
        assert items.get() == 1
        items.put(2)

    assert items.get_nowait() == 2


@pytest.mark.skipif(not hasattr(queue, "ShutDown"), reason="new in Python 3.13")
@pytest.mark.parametrize("kind", BOUNDED)
def test_shutdown_wakes_the_waiting_at_once(kind, log):
    items = kind()

    def consumer():
        with pytest.raises(queue.ShutDown):
            items.get()
        log("shut down")

    with Simulation():
        threads = start(consumer, consumer)
        time.sleep(1)
        items.shutdown()
        join(threads)

    assert log == [(1.0, "shut down"), (1.0, "shut down")]


def test_the_simple_queue_written_in_python_works(log):
    items = queue._PySimpleQueue()

    with Simulation():
        threading.Timer(2, items.put, ("late",)).start()
        log(items.get())
        with pytest.raises(queue.Empty):
            items.get(timeout=0.5)
        log("empty")

    assert log == [(2.0, "late"), (2.5, "empty")]


@pytest.mark.parametrize("kind", KINDS)
def test_who_keeps_using_a_queue_lets_the_others_run(kind):
    stop = []

    def spin():
        items = kind()
        while not stop:
            items.put(1)
            items.get()

    with Simulation() as sim:
        threads = start(spin, lambda: stop.append(1))
        join(threads)

    assert sim.elapsed == 0
