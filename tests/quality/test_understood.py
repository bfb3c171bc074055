"""Each known bug is shrunk to a token that fits on two lines, and its racing lines are named."""

from __future__ import annotations

import json
import math
import platform
from pathlib import Path

import pytest

import simclock
from simclock._core.recording import Follow
from simclock._explore.choosing import settings_of
from simclock._explore.explaining import explain
from simclock._explore.playing import play
from simclock._explore.search import Search
from simclock._explore.shrinking import shrink
from simclock._explore.spreading import run_all

FIGURES = json.loads(Path(__file__).with_name("rates.json").read_text())
TWO_LINES = 2 * 80

# How many choices may be left, and the lines that a reader is sent to. As few choices as are enough,
# but for the larger ones of a family, where the budget ends before.
FORKS = {"with first, second:"}
STAGES = {"second = first + 1", "assert second == seen + 1"}
PAIR = {"a = 1", "assert (a, b) in ((0, 0), (1, -1))"}
COUNT = {"before = value", "value += 1"}
LINES = {
    "account": (1, {"if deposited and withdrawn:", "withdrawn = True"}),
    "lazy01": (1, {"data += amount", "assert data <= most"}),
    "deadlock01": (1, FORKS),
    "carter01": (1, {"with counting[group]:"}),
    "token_ring": (2, {"tokens[0] = (tokens[2] + 1) % 4", "tokens[place] = tokens[place - 1]"}),
    "stack": (1, {"items.append(number)", "assert items"}),
    "circular_buffer": (1, {"self._tail = (self._tail + 1) % SLOTS"}),
    "queue": (2, {'turn = "take"', "return turn == wanted"}),
    "twostage": (1, STAGES),
    "twostage_5": (4, STAGES),
    "twostage_10": (14, {"first = 1", "seen = first"}),
    "reorder_3": (2, PAIR),
    "reorder_4": (3, PAIR),
    "reorder_5": (4, PAIR),
    "reorder_10": (14, {"b = -1", "assert (a, b) in ((0, 0), (1, -1))"}),
    "wronglock_3": (1, COUNT),
    "wronglock_7": (1, COUNT),
    "philosophers_3": (2, FORKS),
    "philosophers_5": (10, FORKS),
    "philosophers_7": (18, FORKS),
    "lost_update": (1, {"read = value", "value = read + 1"}),
    "lost_wakeup": (1, {"changed.wait()", "changed.notify()"}),
    "bounded_buffer": (1, {"while not items:", "items.pop()"}),
    "order_violation": (1, {"x = 1", "y = x"}),
    "orphaned_lock": (2, {"lock.acquire()", "with lock:"}),
    "timer": (2, {"if not ends:", "ends.append(end)"}),
    "ttl": (2, {"if time.monotonic() >= expires:", "raise KeyError(key)"}),
    "pool_deadline": (2, {"time.sleep(DURATION)", "except concurrent.futures.TimeoutError:"}),
    "check_then_act": (1, {"if balance >= amount:", "balance -= amount"}),
}
# Where `threading` differs, so do the schedules that are found first: other lines of the same race.
ELSEWHERE = {
    "twostage": STAGES | {"first = 1", "seen = first"},
    "reorder": PAIR | {"b = -1"},
    "ttl": {
        "_, expires = self._entries.get(key, (None, 0.0))",
        "value, expires = self._entries[key]",
        "del self._entries[key]",
    },
}
MEASURED = ".".join(platform.python_version_tuple()[:2]) == FIGURES["python"]


@pytest.fixture
def quality(modules_of):
    return modules_of("tools", "quality").quality


def test_every_program_with_a_bug_is_here(quality):
    # One is asyncio's own, of some versions.
    broken = {name for name, program in quality.programs().items() if program.broken}

    assert broken - {"condition_cancel"} == set(LINES)


@pytest.mark.slow
@pytest.mark.parametrize("name", LINES)
def test_the_report_names_the_racing_lines(name, quality):
    program = quality.programs()[name]
    most, expected = LINES[name]
    settings = settings_of()
    search = Search("portfolio", settings, runs=3000, seed=12)
    run_all(search, program.bug, lambda: None)

    def repeat(answers):
        return play(program.bug, answers, settings)

    shrunk = shrink(search.failed, repeat, seconds=math.inf)
    told = explain(shrunk.played, shrunk.passing, repeat)

    schedule = shrunk.played.schedule
    assert len(schedule.deviations) <= most
    assert len(schedule.token) <= TWO_LINES
    assert shrunk.played.signature == search.failed.signature
    named = {place.source for place in told.places}
    if MEASURED:
        assert named == expected
    else:
        assert named
        assert named <= expected | ELSEWHERE.get(name.partition("_")[0], set())
    assert shrunk.passing is not None
    again = repeat(Follow(simclock.Schedule.from_token(schedule.token), strict=True))
    assert again.end == shrunk.played.end
