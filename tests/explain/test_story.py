"""A failure told in text: word for word."""

from __future__ import annotations

import queue
import textwrap
import threading
import time
from types import SimpleNamespace

import pytest

import simclock
from simclock._explain.columns import ROWS, table
from simclock._explain.narrative import Moment, Narrative, Place
from simclock._explain.story import story

# Programs of their own, so that their lines have numbers that stay.
LOST_UPDATE = """\
import threading

class Account:
    def __init__(self):
        self.balance = 0
        self.lock = threading.Lock()

    def deposit(self, amount):
        with self.lock:
            balance = self.balance
        with self.lock:
            self.balance = balance + amount

def scenario():
    account = Account()
    threads = [
        threading.Thread(target=account.deposit, args=(n,), name=f"teller-{n}") for n in (1, 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert account.balance == 3
"""

TOLD = """\
canonical except:
  at step 2 root runs before teller-1 (release Lock #1, account.py:9)
likely cause: teller-1 read Account.balance (account.py:10), then teller-2 wrote it (account.py:12), and then teller-1 wrote it (account.py:12), by what it had read before

the run that fails; lines are of account.py; * marks the likely cause
  step      time  root                           | teller-1                       | teller-2
     2        +0                                 |   9 with self.lock:            |
     2        +0                                 | * 10 balance = self.balance    |
     2        +0                                 |   9 with self.lock:            |
     2        +0  --- root runs before teller-1 (release Lock #1, account.py:9) ---
     4        +0    19 for thread in threads:    |                                |
     4        +0    20 thread.start()            |                                |
     6        +0                                 |                                |   9 with self.lock:
     6        +0                                 |                                |   10 balance = self.balance
     6        +0                                 |                                |   9 with self.lock:
     6        +0                                 |                                |   11 with self.lock:
     6        +0                                 |                                | * 12 self.balance = balance...
     6        +0                                 |                                |   11 with self.lock:
     8        +0    19 for thread in threads:    |                                |
     8        +0    21 for thread in threads:    |                                |
     8        +0    22 thread.join() (waits)     |                                |
    10        +0                                 |   11 with self.lock:           |
    10        +0                                 | * 12 self.balance = balance... |
    10        +0                                 |   11 with self.lock:           |
    12        +0    21 for thread in threads:    |                                |
    12        +0    22 thread.join()             |                                |
    12        +0    21 for thread in threads:    |                                |
    12        +0    23 assert account.balance... |                                |

it passes without the choice at step 2; from step 4 on they differ:
  fails:  root goes on at account.py:19: for thread in threads:
  passes: teller-1 goes on at account.py:11: with self.lock:
"""


@pytest.fixture
def program(tmp_path):
    """Return what compiles a program in a file of its own and returns its scenario."""

    def load(name, text):
        path = tmp_path / name
        path.write_text(text)
        names = {"__name__": name.removesuffix(".py")}
        exec(compile(text, str(path), "exec"), names)
        return names["scenario"]

    return load


def test_a_lost_update_word_for_word(program):
    failure = simclock.explore(program("account.py", LOST_UPDATE)).failure

    assert failure.story.splitlines() == TOLD.splitlines()


def test_it_is_part_of_the_report(program):
    report = simclock.explore(program("account.py", LOST_UPDATE))

    assert textwrap.indent(TOLD.rstrip(), "  ") in str(report)


DEADLOCK = """\
import threading

def scenario():
    left, right = threading.Lock(), threading.Lock()

    def eat(first, second):
        with first:
            with second:
                pass

    threads = [
        threading.Thread(target=eat, args=(left, right), name="ann"),
        threading.Thread(target=eat, args=(right, left), name="bob"),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def test_a_deadlock_says_who_waits_for_whom(program):
    lines = simclock.explore(program("table.py", DEADLOCK)).failure.story.splitlines()

    assert [line for line in lines if "likely cause" in line or line.startswith("  and:")][:2] == [
        (
            "likely cause: ann waits for ever in `with second:` (table.py:8)"
            " for Lock #2, which bob has acquired (table.py:7)"
        ),
        (
            "  and: bob waits for ever in `with second:` (table.py:8)"
            " for Lock #1, which ann has acquired (table.py:7)"
        ),
    ]
    # The waits of both are marked where they are.
    assert (
        sum(
            "* 8 with second: (waits: acq" in line or "* 8 with second: (waits)" in line
            for line in lines
        )
        == 2
    )


def test_a_wait_for_what_nobody_owns_any_more(telling):
    lock = threading.Lock()
    box = SimpleNamespace(done=False)

    def take():
        lock.acquire()

    def give():
        lock.release()
        box.done = True

    def scenario():
        telling.together(take, give, take, take)

    failed, error = telling.told(scenario)
    text = str(story(failed, None, error))

    assert isinstance(error, simclock.Deadlock)
    assert "d waits for ever in `lock.acquire()`" in text
    assert "for Lock #1, which c has acquired" in text
    assert "it passes" not in text


RAISES = """\
import threading

def scenario():
    notes = {"ann": 1}

    def drop():
        try:
            notes.pop("ann")
        finally:
            for _ in range(4):
                pass

    other = threading.Thread(target=drop, name="other")
    other.start()
    other.join()
    drop()
"""


def test_the_line_that_raises_is_shown_and_who_was_in_it_before(program):
    lines = simclock.explore(program("notes.py", RAISES)).failure.story.splitlines()

    assert [line for line in lines if "pop" in line or "..." in line] == [
        '     2        +0                                                  |   8 notes.pop("ann")',
        "     ...",
        '     4        +0    8 notes.pop("ann")                            |',
        "     ...",
    ]


def test_a_coroutine_that_never_began_is_told_like_any_other(program):
    """On 3.10 its frame has no instruction yet, and is traced for all that."""
    begin = "    account = Account()\n"
    unbegun = "    async def work():\n        pass\n    work().close()\n"
    text = LOST_UPDATE.replace(begin, unbegun + begin)

    failure = simclock.explore(program("account.py", text)).failure

    assert isinstance(failure.error, AssertionError)
    assert "then teller-2 wrote it (account.py:12)" in failure.story


def test_time_that_passes_is_a_cause():
    """The job comes in time, unless the machine is busy."""

    def scenario():
        orders = queue.Queue()

        def job():
            time.sleep(1)
            orders.put(1)

        thread = threading.Thread(target=job, name="cook")
        thread.start()
        try:
            assert orders.get(timeout=1.05)
        finally:
            thread.join()

    failure = simclock.explore(scenario).failure
    cause = next(line for line in failure.story.splitlines() if line.startswith("likely cause"))

    assert type(failure.error) is queue.Empty
    assert cause.startswith("likely cause: time passes before cook (")
    assert ", as on a busy machine; then root goes on at test_story.py:" in cause


def test_what_fails_in_the_canonical_order_needs_no_choice():
    def scenario():
        time.sleep(0)
        raise ValueError("always")

    story = simclock.explore(scenario).failure.story.splitlines()

    assert story[0] == "it fails in the canonical order: no choice is needed"
    assert story[-1].endswith('raise ValueError("always")')
    assert not any(line.startswith("it passes") for line in story)


def test_many_choices_are_not_all_named():
    choices = [Moment(n, 0, "", None, f"number {n}", (), "deviation") for n in range(15)]

    lines = story(Narrative(choices, {}), None, ValueError()).lines

    assert lines[:2] == ("canonical except:", "  at step 0 number 0")
    assert lines[12:14] == ("  at step 11 number 11", "  and 3 more")


def test_a_delay_at_the_very_end():
    delay = Moment(0, 10**12, "1", None, "time passes before one goes on", (), "delay")

    lines = story(Narrative([delay], {"1": "one"}), None, ValueError()).lines

    assert "likely cause: time passes before one goes on, as on a busy machine" in lines


def test_runs_that_have_the_same_lines():
    choice = Moment(0, 10**12, "1", None, "one runs before two", (), "deviation")
    both = moments("1", "1")

    lines = story(
        Narrative([choice, *both], {"1": "one"}), Narrative(both, {"1": "one"}), ValueError()
    ).lines

    assert lines[-1] == "it passes without the choice at step 0"


def test_a_run_that_passes_with_more_choices():
    choice = Moment(0, 10**12, "1", None, "one runs before two", (), "deviation")
    passed = Narrative([choice], {"1": "one"})

    lines = story(Narrative([], {"1": "one"}), passed, ValueError()).lines

    assert lines[-1] == "it passes with other choices"


# ------------------------------------------------------------------ the table


def moments(*whos, file="a.py"):
    return [
        Moment(n, 10**12 + n * 10**9, who, Place(file, n), "", (), "line")
        for n, who in enumerate(whos)
    ]


def test_a_run_without_a_line_has_no_table():
    assert table(Narrative([], {}), []) == []


def test_what_is_of_note_and_has_no_row_is_left_out():
    """An operation in code that is nobody's."""
    choice = Moment(0, 10**12, "", None, "one runs before two", (), "deviation")
    operation = Moment(1, 10**12, "2", Place("<string>", 1), "release", (), "operation")

    lines = table(Narrative([choice, operation, *moments("1")], {"1": "one", "2": "two"}), [1])

    assert not any("*" in line for line in lines[1:])


def test_four_threads_are_named_in_each_row():
    names = {"1": "one", "2": "second", "3": "three", "4": "four"}

    lines = table(Narrative(moments("1", "2", "3", "4"), names), [2])

    assert lines == [
        "the run that fails; lines are of a.py; * marks the likely cause",
        "  step      time  thread",
        "     0        +0  one      0",
        "     1        +1  second   1",
        "     2        +2  three  * 2",
        "     3        +3  four     3",
    ]


def test_what_is_far_from_all_of_note_is_left_out():
    lines = table(Narrative(moments(*"1" * 100), {"1": "one"}), [50])

    steps = [line.split()[0] for line in lines[2:]]
    assert steps == ["48", "49", "50", "51", "52", "...", "96", "97", "98", "99"]


def test_the_last_choices_are_shown_if_there_are_too_many():
    found = moments(*"1" * 300)
    for n in range(0, 300, 10):
        found[n] = Moment(n, 0, "", None, f"choice {n}", (), "deviation")

    lines = table(Narrative(found, {"1": "one"}), [])

    assert len([line for line in lines[2:] if "..." not in line]) <= ROWS
    assert not any("choice 0 " in line for line in lines)
    assert any("choice 290" in line for line in lines)


def test_many_in_the_line_that_raises_leave_room_for_the_cause_and_the_end():
    lines = table(Narrative(moments(*"1" * 300), {"1": "one"}), [150], raised=range(0, 200, 2))

    steps = [line.split()[0] for line in lines[2:]]
    assert {"148", "149", "150", "151", "152", "296", "297", "298", "299"} < set(steps)
    assert len(steps) <= ROWS


def test_a_wait_is_told_in_its_line_or_in_one_of_its_own():
    line, other = Place("a.py", 1), Place("b.py", 2)
    found = [
        Moment(0, 10**12, "1", line, "", (), "line"),
        Moment(1, 10**12, "1", line, "sleep", (), "wait"),
        Moment(2, 10**12, "2", other, "acquire Lock #1", (), "wait"),
        Moment(3, 10**12, "1", line, "poll", (), "operation", "poll"),
        Moment(3, 10**12, "1", line, "a very long reason " * 9, (), "wait"),
    ]

    lines = table(Narrative(found, {"1": "one", "2": "two"}), [0])

    assert [[cell.strip() for cell in row[18:].split("|")] for row in lines[2:]] == [
        ["* 1  (waits)", ""],
        ["", "b.py:2  (waits: acquire Lock #1)"],
    ]


def test_who_lets_go_of_what_others_wait_for_wakes_them():
    lock, line = object(), Place("a.py", 1)
    found = [
        Moment(0, 10**12, "2", line, "", (), "line"),
        Moment(0, 10**12, "2", line, "wait", (), "wait", "acquire", lock),
        Moment(1, 10**12, "1", line, "", (), "line"),
        Moment(1, 10**12, "1", line, "notify", (), "operation", "release", lock),
        Moment(1, 10**12, "1", line, "release Lock #1", (), "operation", "release", object()),
    ]

    lines = table(Narrative(found, {"1": "one", "2": "two"}), [])

    assert [row[18:].replace("|", "").strip() for row in lines[2:]] == [
        "1  (waits: wait)",
        "1  (wakes two)",
    ]
