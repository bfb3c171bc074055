from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

import pytest

from simclock import Simulation


def digest_of(program, **options):
    with Simulation(**options) as simulation:
        program()
    return simulation.trace.digest


def two_sleepers(first, second):
    for seconds in (first, second):
        threading.Thread(target=time.sleep, args=(seconds,)).start()


PROGRAMS = {
    "nothing": lambda: None,
    "a sleep": lambda: time.sleep(1),
    "a longer sleep": lambda: time.sleep(1.000000001),
    "two sleeps": lambda: (time.sleep(0.5), time.sleep(0.5)),
    "two threads": lambda: two_sleepers(1, 2),
    "in another order": lambda: two_sleepers(2, 1),
    "one instant": lambda: two_sleepers(1, 1),
    "an event": lambda: threading.Event().wait(1),
}


def test_different_programs_have_different_digests():
    digests = [digest_of(program) for program in PROGRAMS.values()]

    assert len(set(digests)) == len(PROGRAMS)


@pytest.mark.parametrize("name", PROGRAMS)
def test_one_program_has_one_digest(name):
    assert len({digest_of(PROGRAMS[name]) for _ in range(5)}) == 1


def test_marks_and_their_places_are_in_the_digest():
    def marked(*labels):
        with Simulation() as simulation:
            for label in labels:
                simulation.checkpoint(label)
        return simulation.trace.digest

    assert marked("a", "b") == marked("a", "b")
    assert len({marked("a", "b"), marked("b", "a"), marked("a"), marked()}) == 4


def test_the_digest_covers_more_than_the_records_that_are_kept():
    def outcome(first):
        with Simulation() as simulation:
            simulation.checkpoint(first)
            for _ in range(simulation.trace.KEPT + 10):
                simulation.checkpoint("x")
            return simulation.trace.digest, simulation.trace.records, len(simulation.trace)

    one, other = outcome("one"), outcome("other")

    assert one[1] == other[1]
    assert one[2] == other[2] == 100_011
    assert one[0] != other[0]
    assert len(one[1]) == 100_000


def test_the_digest_grows_with_the_run_and_looking_at_it_changes_nothing():
    def final(*, observed):
        digests = set()
        with Simulation() as simulation:
            for _ in range(5):
                if observed:
                    digests.add(simulation.trace.digest)
                    assert simulation.trace.records == simulation.trace.records
                time.sleep(1)
        assert len(digests) == (5 if observed else 0)
        assert simulation.trace.digest not in digests
        return simulation.trace.digest

    assert final(observed=True) == final(observed=False)


def test_records_hold_neither_names_nor_addresses():
    def program(name):
        thread = threading.Thread(target=time.sleep, args=(1,), name=name)
        thread.start()
        thread.join()

    assert digest_of(lambda: program("one")) == digest_of(lambda: program("other"))


def test_the_trace_of_a_small_program_is_this():
    def work():
        time.sleep(1)

    with Simulation() as simulation:
        threading.Thread(target=work).start()
        time.sleep(2)

    steps = [
        ((record.time_ns - 10**12) / 1e9, record.path, record.kind, record.detail.split(" ")[0])
        for record in simulation.trace.records
        if record.kind != "start"
    ]
    assert steps == [
        (0.0, "0", "park", "lock"),  # until the thread says that it runs
        (0.0, "0.1", "run", ""),
        (0.0, "0.1", "park", "sleep"),
        (0.0, "0", "run", ""),
        (0.0, "0", "park", "sleep"),
        (1.0, "", "jump", ""),
        (1.0, "0.1", "run", ""),
        (1.0, "0.1", "end", ""),
        (2.0, "", "jump", ""),
        (2.0, "0", "run", ""),
    ]


def test_sites_are_file_and_line_of_the_program_not_of_the_library():
    with Simulation() as simulation:
        time.sleep(1)

    [record] = [record for record in simulation.trace.records if record.kind == "park"]
    what, site = record.detail.split()
    name, line = site.split(":")
    assert (what, name) == ("sleep", "test_digest.py")
    assert line.isdigit()


@pytest.mark.parametrize("count", [2, 5, 30])
def test_as_completed_has_one_order(count):
    def program():
        with ThreadPoolExecutor(count) as pool:
            futures = [pool.submit(time.sleep, index % 3) for index in range(count)]
            time.sleep(5)  # all are done: they come out of a set
            orders.append([futures.index(future) for future in as_completed(futures)])

    orders = []
    digests = {digest_of(program) for _ in range(20)}

    assert orders == [list(reversed(range(count)))] * 20
    assert len(digests) == 1
