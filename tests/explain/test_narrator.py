"""A run written down: the lines of each thread and task, what they wait for, what was chosen."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from pathlib import Path

import pytest

import simclock
from simclock._explain.narrative import Place
from simclock._explain.narrator import Narrator
from simclock.searching import Follow, Recorder

LINES = Path(__file__).read_text().splitlines()


def line_of(text):
    """Return the number of the only line with this text."""
    (number,) = (n for n, line in enumerate(LINES, 1) if line.strip() == text)
    return number


def said(narrative, *kinds):
    """Return what happens, as name and line or text, of lines in this file."""
    return [
        (narrative.names.get(each.who, each.who), each.place.source if each.place else each.said)
        for each in narrative.moments
        if each.kind in kinds and (each.place is None or each.place.file == __file__)
    ]


def test_lines_writes_and_waits_in_their_order(telling):
    value = 0

    def count():
        nonlocal value
        read = value
        time.sleep(1)
        value = read + 1

    narrative, error = telling.told(lambda: telling.together(count))

    assert error is None
    mine = [each for each in narrative.moments if narrative.names.get(each.who) == "a"]
    first, wait, last, write = (
        [each for each in mine if each.place == Place(__file__, line_of(text))]
        for text in ("read = value", "time.sleep(1)", "value = read + 1", "value = read + 1")
    )
    assert [(each.kind, each.said) for each in first] == [("line", "")]
    assert [(each.kind, each.said) for each in wait] == [("line", ""), ("wait", "sleep")]
    assert [each.kind for each in last] == ["line", "write"]
    assert [(each.said, each.writes) for each in first[0].accesses] == [("value", False)]
    assert [(each.said, each.writes) for each in write[1].accesses] == [("value", True)]
    # In virtual time, from 1000 s on.
    assert [each.time_ns for each in (*first, *last)] == [1000_000_000_000, *[1001_000_000_000] * 2]


def kinds(narrative, function, line):
    """Return what happens in a line of *function*, by its number there: kind, what is accessed."""
    place = Place(__file__, function.__code__.co_firstlineno + line)
    return [
        (each.kind, [access.said for access in each.accesses if access.writes])
        for each in narrative.moments
        if each.place == place
    ]


class Nap:
    def take(self):
        time.sleep(2)
        return self


def test_what_is_changed_before_a_checkpoint_of_its_line_is_told_before_it(telling):
    naps = {"ann": Nap()}

    def work():
        time.sleep(0)
        naps.pop("ann").take()
        naps.setdefault("bob", Nap().take())

    narrative, _ = telling.told(work)

    assert kinds(narrative, work, 2) == [("line", []), ("write", ["naps"])]
    assert kinds(narrative, work, 3) == [("line", []), ("write", ["naps"])]
    slept, wrote = (
        [n for n, each in enumerate(narrative.moments) if each.kind == kind]
        for kind in ("wait", "write")
    )
    assert wrote[0] < slept[0] < slept[1] < wrote[1]


def test_what_is_changed_amid_checkpoints_of_its_line_is_not_told(telling):
    naps = {"ann": Nap()}

    def work():
        time.sleep(0)
        (Nap().take(), naps.pop("ann"), Nap().take())
        (str(1), naps.pop("ann", None), str(2))

    narrative, _ = telling.told(work)

    assert kinds(narrative, work, 2) == [("line", [])]
    assert kinds(narrative, work, 3) == [("line", []), ("write", ["naps"])]


def test_what_an_await_is_part_of_is_written_after_it(telling):
    total = 0

    async def price():
        await asyncio.sleep(1)
        return 5

    async def scenario():
        nonlocal total
        total = total + await price() + await price()

    narrative, _ = telling.told(scenario)

    assert kinds(narrative, scenario, 2) == [("line", []), ("write", ["total"])]
    assert said(narrative, "line", "write")[-2:] == [
        ("Task-1", "return 5"),
        ("Task-1", "total = total + await price() + await price()"),
    ]


def test_what_is_chosen_is_told_where_it_happens(telling):
    def work():
        time.sleep(0)
        time.sleep(0.05)
        return  # noqa: PLR1711 - a line that is run last

    def scenario():
        telling.together(work, work)

    plain, _ = telling.told(scenario)
    chosen, _ = telling.told(scenario, [(0, 1)])
    late, _ = telling.told(scenario, [(5, 2, 3, "thread")])

    assert plain.deviations == []
    assert [each.said for each in chosen.deviations] == ["root runs before a (at its start)"]
    place = f"test_narrator.py:{work.__code__.co_firstlineno + 1}"
    assert [each.said for each in late.deviations] == [
        f"time passes before b (sleep(0), {place}) goes on"
    ]
    assert [each.kind for each in late.deviations] == ["delay"]
    assert said(late, "delay") == [("b", late.deviations[0].said)]


def test_what_reading_a_clock_takes(telling):
    def scenario():
        time.sleep(0)
        began = time.monotonic()
        return time.monotonic() - began

    costs = [telling.told(scenario, [(0, n, 3, "cost")])[0].deviations for n in (1, 2)]

    place = f"test_narrator.py:{line_of('began = time.monotonic()')}"
    assert [[each.said for each in found] for found in costs] == [
        [f"reading the clock takes 1 µs (root, {place})"],
        [f"reading the clock takes all the latency that is left (root, {place})"],
    ]


def test_a_clock_that_is_read_before_any_line(telling):
    """What reads it is no code of the user's."""
    narrative, _ = telling.told(time.monotonic, [(0, 1, 3, "cost")])

    assert [each.said for each in narrative.deviations] == ["reading the clock takes 1 µs"]


def test_other_choices_are_counted(telling):
    async def scenario():
        loop = asyncio.get_running_loop()
        loop.call_later(0.5, int)
        loop.call_later(0.25, loop.call_later, 0.25, int)
        await asyncio.sleep(1)

    narrative, _ = telling.told(scenario, [(n, 1, 2, "timers") for n in range(30)], latency=0)

    assert [each.said for each in narrative.deviations] == ["timers: number 2 of 2 comes first"]


def test_tasks_have_names_of_their_own(telling):
    async def child():
        await asyncio.sleep(1)

    async def scenario():
        tasks = [asyncio.create_task(child(), name=name) for name in ("first", "second")]
        await asyncio.gather(*tasks)

    narrative, _ = telling.told(scenario)

    assert list(dict.fromkeys(said(narrative, "line"))) == [
        (
            "Task-1",
            'tasks = [asyncio.create_task(child(), name=name) for name in ("first", "second")]',
        ),
        ("Task-1", "await asyncio.gather(*tasks)"),
        ("first", "await asyncio.sleep(1)"),
        ("second", "await asyncio.sleep(1)"),
    ]


def test_threads_of_one_name_are_told_apart(telling):
    def work():
        time.sleep(0)

    def scenario():
        threads = [threading.Thread(target=work, name="worker") for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    narrative, _ = telling.told(scenario, [(0, 1), (2, 2)])

    lines = [each for each in said(narrative, "line") if each[1] == "time.sleep(0)"]
    assert lines == [(name, "time.sleep(0)") for name in ("worker", "worker (0.2)", "worker (0.3)")]
    assert [each.said for each in narrative.deviations] == [
        "root runs before worker (at its start)",
        "worker runs before worker (0.2) (at its start)",
    ]


def test_tasks_of_one_name_are_told_apart(telling):
    async def child():
        await asyncio.sleep(1)

    async def scenario():
        await asyncio.gather(*(asyncio.create_task(child(), name="child") for _ in range(2)))

    narrative, _ = telling.told(scenario)

    assert list(dict.fromkeys(said(narrative, "line")))[-2:] == [
        ("child", "await asyncio.sleep(1)"),
        ("child (task 2)", "await asyncio.sleep(1)"),
    ]


def test_tasks_of_trio(telling):
    trio = pytest.importorskip("trio")

    async def child():
        await trio.sleep(1)

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child, name="first")

    narrative, _ = telling.told(lambda: trio.run(main))

    assert ("first", "await trio.sleep(1)") in said(narrative, "line")


def test_what_comes_after_a_deadlock_is_no_part_of_it(telling):
    lock = threading.Lock()

    def take():
        try:
            with lock:
                pass
        finally:
            pass

    def scenario():
        lock.acquire()
        telling.together(take)

    narrative, error = telling.told(scenario)

    assert isinstance(error, simclock.Deadlock)
    assert said(narrative, "line")[-1] == ("a", "with lock:")
    assert said(narrative, "wait") == [("a", "with lock:")]


def test_objects_are_numbered_by_type_as_they_come(telling):
    def scenario():
        locks = [threading.Lock(), threading.RLock(), threading.Lock()]
        for lock in locks:
            with lock:
                pass

    narrative, _ = telling.told(scenario)

    operations = [each.said for each in narrative.moments if each.kind == "operation"]
    assert operations == [
        "acquire Lock #1", "release Lock #1",
        "acquire RLock #1", "release RLock #1",
        "acquire Lock #2", "release Lock #2",
    ]  # fmt: skip


def test_only_the_last_moments_are_kept(telling, monkeypatch):
    monkeypatch.setattr("simclock._explain.narrator.KEPT", 10)

    def scenario():
        time.sleep(0)
        for number in range(100):
            last = number
        return last

    narrative, _ = telling.told(scenario)

    assert len(narrative.moments) == 10
    assert said(narrative, "line")[-1] == ("root", "return last")


def test_tracers_are_as_they_were(telling):
    def ours(*_):
        return None

    before = sys.gettrace(), threading.gettrace()
    threading.settrace(ours)
    sys.settrace(ours)
    try:
        telling.told(lambda: telling.together(int))
        found = sys.gettrace(), threading.gettrace()
    finally:
        sys.settrace(before[0])
        threading.settrace(before[1])

    assert found == (ours, ours)


def test_the_run_is_the_one_that_it_would_be(telling):
    def work():
        time.sleep(0)
        list(map(str, range(10)))

    digests = set()

    def scenario():
        telling.together(work, work)
        digests.add(simclock.active().trace.digest)

    telling.told(scenario, [(2, 1)])
    source = Recorder(
        Follow(simclock.Schedule(0, "legal", 10**8, (), 0), strict=False),
        "legal",
        10**8,
    )
    with simclock.Simulation(choices=source):
        scenario()
    telling.told(scenario)

    assert len(digests) == 2


def test_lines_of_the_program_only(telling):
    Pair = __import__("collections").namedtuple("Pair", "one other")  # noqa: N806

    def scenario():
        time.sleep(0)
        return Pair(1, 2)

    narrative, _ = telling.told(scenario)

    assert {each.place.file for each in narrative.moments if each.place} == {__file__}


def test_a_narrator_without_a_run_has_nothing_to_tell():
    assert Narrator(None).narrative.moments == []


def test_lines_of_invariants_are_of_no_thread(telling):
    value = 0

    def is_small():
        return value < 10

    def scenario():
        nonlocal value
        simclock.active().invariant(is_small)
        time.sleep(0)
        value = 1
        time.sleep(0)

    narrative, _ = telling.told(scenario)

    assert ("root", "value = 1") in said(narrative, "line")
    assert ("root", "return value < 10") not in said(narrative, "line")


def test_threads_that_outlive_the_run_are_not_traced_any_more(telling):
    go_on, over, found = threading.Event(), threading.Event(), []

    def outlive():
        go_on.wait()
        found.append(len(str(sys.gettrace())))
        found[:] = [sys.gettrace()]
        over.set()

    def scenario():
        time.sleep(0)
        with simclock.active().real_time():
            threading.Thread(target=outlive, daemon=True).start()

    telling.told(scenario)
    go_on.set()
    assert over.wait(30)

    assert found == [None]


def test_what_makes_the_run_is_no_part_of_it(telling):
    """The loop waits in nobody's line, as here."""

    async def scenario():
        await asyncio.sleep(1)

    narrative, _ = telling.told(scenario)

    assert "telling.told(scenario)" not in {
        place for _, place in said(narrative, "wait", "operation")
    }


# ------------------------------------------------------------------ without its lines


def test_operations_and_choices_are_known_without_tracing(telling):
    def work():
        with lock:
            time.sleep(0)

    lock = threading.Lock()

    def scenario():
        telling.together(work)

    narrative, _ = telling.told(scenario, [(0, 1)], traced=False)

    begin = work.__code__.co_firstlineno
    found = [
        (
            narrative.names[each.who],
            each.place.line - begin,
            each.said.partition(" #")[0],
            each.kind,
        )
        for each in narrative.moments
        if each.place is not None and each.place.file == __file__ and each.who != "0"
    ]
    assert [each.said for each in narrative.deviations] == ["root runs before a (at its start)"]
    assert found == [
        ("a", 1, "acquire Lock", "operation"),
        ("a", 2, "sleep(0)", "operation"),
        ("a", 1, "release Lock", "operation"),
    ]
    assert narrative.ended == {"0.1"}


def test_waits_of_tasks_are_known_without_tracing(telling):
    async def scenario():
        lock = threading.Lock()
        with lock:
            await asyncio.sleep(1)

    narrative, _ = telling.told(scenario, traced=False)

    assert ("Task-1", "with lock:") in said(narrative, "operation")


def test_waits_of_trios_tasks_are_known_without_tracing(telling):
    trio = pytest.importorskip("trio")

    lock = threading.Lock()

    async def main():
        with lock:
            await trio.sleep(1)

    def scenario():
        with lock:
            pass
        trio.run(main)

    narrative, _ = telling.told(scenario, traced=False)

    names = {name for name, source in said(narrative, "operation") if source == "with lock:"}
    assert len(names) == 2
    assert "root" in names


def test_what_clocks_take_is_known_without_tracing(telling):
    narrative, _ = telling.told(time.monotonic, [(0, 2, 3, "cost")], traced=False)

    assert [each.said for each in narrative.deviations] == [
        "reading the clock takes all the latency that is left"
    ]


def test_waits_in_what_is_made_of_locks_have_its_name(telling):
    import queue

    def scenario():
        orders = queue.Queue()
        telling.together(lambda: orders.put(1), orders.get)

    narrative, _ = telling.told(scenario, [(n, 1) for n in range(3)], traced=False)

    assert {text for _, text in said_of(narrative)} & {"get", "put"}


def said_of(narrative):
    return [(each.kind, each.said) for each in narrative.moments]


def test_delays_are_known_without_tracing(telling):
    def work():
        time.sleep(0)
        time.sleep(0.05)

    narrative, _ = telling.told(
        lambda: telling.together(work, work), [(5, 2, 3, "thread")], traced=False
    )

    assert [each.kind for each in narrative.deviations] == ["delay"]


def test_other_choices_are_known_without_tracing(telling):
    async def scenario():
        loop = asyncio.get_running_loop()
        loop.call_later(0.5, int)
        loop.call_later(0.25, loop.call_later, 0.25, int)
        await asyncio.sleep(1)

    deviations = [(n, 1, 2, "timers") for n in range(30)]
    narrative, _ = telling.told(scenario, deviations, latency=0, traced=False)

    assert [each.said for each in narrative.deviations] == ["timers: number 2 of 2 comes first"]


def test_only_the_last_are_kept_without_tracing_too(telling, monkeypatch):
    monkeypatch.setattr("simclock._explain.narrator.KEPT", 3)

    def scenario():
        for _ in range(10):
            time.sleep(0)

    narrative, _ = telling.told(scenario, traced=False)

    assert len(narrative.moments) == 3


def test_code_that_was_generated_is_in_the_line_that_calls_it(telling):
    names = {"__name__": "generated", "time": time}
    exec("def nap(): time.sleep(0)", names)
    nap = names["nap"]

    def scenario():
        nap()

    narrative, _ = telling.told(scenario, traced=False)

    assert said(narrative, "operation") == [("root", "nap()")]
