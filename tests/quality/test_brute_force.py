"""The exhaustive search beside a model of threads that knows nothing of it.

For generated programs of two or three threads on two locks and two variables, the outcomes of all
schedules of the bounded search are those of all interleavings of the model: none is missed, and
none is invented.
"""

from __future__ import annotations

import _thread
import contextlib
import functools
import threading
import time

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import simclock
from simclock._strategies.dfs import DFS
from simclock._strategies.pct import PCT
from simclock._strategies.pos import POS
from simclock._strategies.random_walk import RandomWalk
from simclock._strategies.urw import URW

LOCKS = 2
VARIABLES = 2
# Interleavings of the checkpoints, about: the search makes up to ten times as many runs.
MOST = 500
RUNS = 10_000


# ------------------------------------------------------------------ programs


@st.composite
def threads(draw, longest):
    """Draw what a thread does. It releases what it owns, in any order, or ends as its owner."""
    operations = []
    owned = []
    for _ in range(draw(st.integers(1, longest))):
        kinds = ["acquire", "read", "write", *(["release"] if owned else [])]
        kind = draw(st.sampled_from(kinds))
        if kind == "release":
            target = draw(st.sampled_from(owned))
            owned.remove(target)
        else:
            target = draw(st.integers(0, 1))
            if kind == "acquire":
                owned.append(target)
        operations.append((kind, target))
    return tuple(operations)


def programs():
    """Draw two threads of up to four operations, or three of up to two: too many to run them all."""
    two = st.tuples(threads(4), threads(4))
    three = st.tuples(threads(2), threads(2), threads(2))
    return st.one_of(two, three)


def values(program):
    """Return what each operation writes, by thread and position: no two the same."""
    return {
        (thread, place): f"{thread}{place}"
        for thread, operations in enumerate(program)
        for place in range(len(operations))
    }


# ------------------------------------------------------------------ the model


def modelled(program):
    """Return every outcome: what was read by whom, the variables, and who never ends."""
    written = values(program)
    outcomes = set()

    def go_on(places, owners, variables, reads):
        moved = False
        for thread, place in enumerate(places):
            if place == len(program[thread]):
                continue
            kind, target = program[thread][place]
            if kind == "acquire" and owners[target] is not None:
                continue
            moved = True
            after = replaced(places, thread, place + 1)
            if kind == "acquire":
                go_on(after, replaced(owners, target, thread), variables, reads)
            elif kind == "release":
                go_on(after, replaced(owners, target, None), variables, reads)
            elif kind == "write":
                change = replaced(variables, target, written[thread, place])
                go_on(after, owners, change, reads)
            else:
                seen = replaced(reads, thread, (*reads[thread], variables[target]))
                go_on(after, owners, variables, seen)
        if not moved:
            stuck = tuple(place < len(program[thread]) for thread, place in enumerate(places))
            outcomes.add((reads, variables, stuck))

    # A state that was reached before has the same outcomes again.
    go_on = functools.cache(go_on)
    size = len(program)
    go_on((0,) * size, (None,) * LOCKS, (None,) * VARIABLES, ((),) * size)
    return outcomes


def replaced(items, index, item):
    return (*items[:index], item, *items[index + 1 :])


def interleavings(program):
    """Return how many there are, if nobody waits: with two steps for a start and an end."""
    count, before = 1, 0
    for operations in program:
        for place in range(1, len(operations) + 3):
            before += 1
            count = count * before // place
    return count


# ------------------------------------------------------------------ the simulator


class Run:
    """One run of a program on real locks and threads; `outcome` when it is over."""

    def __init__(self, program, start=_thread.start_new_thread):
        self._start = start
        self._program = program
        self._written = values(program)
        self._locks = [_thread.allocate_lock() for _ in range(LOCKS)]
        self._variables = [None] * VARIABLES
        self._reads = [[] for _ in program]
        self._stuck = [True] * len(program)
        self._ended = [_thread.allocate_lock() for _ in program]

    def __call__(self):
        # The first one in this thread: that is one less to start.
        for number in range(1, len(self._program)):
            self._ended[number].acquire()
            self._start(self._execute, (number,))
        self._ended[0].acquire()
        self._execute(0)
        for ended in self._ended:
            ended.acquire()

    def _execute(self, thread):
        for place, (kind, target) in enumerate(self._program[thread]):
            if kind == "acquire":
                self._locks[target].acquire()
            elif kind == "release":
                self._locks[target].release()
            else:
                time.sleep(0)
                if kind == "write":
                    self._variables[target] = self._written[thread, place]
                else:
                    self._reads[thread].append(self._variables[target])
        self._stuck[thread] = False
        self._ended[thread].release()

    @property
    def outcome(self):
        return tuple(map(tuple, self._reads)), tuple(self._variables), tuple(self._stuck)


class Choices:
    """Asks a strategy."""

    interested = True
    chaos = False
    latency_ns = 0

    def __init__(self, strategy):
        self.choose = strategy.choose


def start_by_threading(function, arguments):
    threading.Thread(target=function, args=arguments, daemon=True).start()


def simulated(program, strategy, most, **how):
    """Return every outcome of the strategy's runs."""
    outcomes = set()
    for _ in range(most):
        run = Run(program, **how)
        strategy.begin()
        simulation = simclock.Simulation(choices=Choices(strategy))
        with contextlib.suppress(simclock.Deadlock), simulation:
            run()
        strategy.end(complete=True)
        outcomes.add(run.outcome)
        if strategy.finished:
            break
    return outcomes


@pytest.mark.slow
@settings(max_examples=16, suppress_health_check=[HealthCheck.filter_too_much])
@given(
    st.tuples(threads(4), threads(4)),
    st.sampled_from([_thread.start_new_thread, start_by_threading]),
)
def test_the_exhaustive_search_has_every_outcome_and_no_other(program, start):
    assume(interleavings(program) <= MOST)
    search = DFS(0)

    outcomes = simulated(program, search, RUNS, start=start)

    assert search.exhausted
    assert outcomes == modelled(program)


@settings(max_examples=25)
@given(programs(), st.sampled_from([RandomWalk, PCT, POS, URW]), st.integers(0, 100))
def test_no_strategy_has_an_outcome_that_the_model_has_not(program, strategy, seed):
    assert simulated(program, strategy(seed), 10) <= modelled(program)


SEEN_EARLY = (("write", 0),), (("read", 0),)
ORDER_IN_ONE_LOCK = (
    (("acquire", 0), ("write", 0), ("release", 0)),
    (("acquire", 0), ("read", 0), ("release", 0)),
)
OPPOSITE_ORDERS = (("acquire", 0), ("acquire", 1)), (("acquire", 1), ("acquire", 0))
ORPHANED = (("acquire", 0),), (("acquire", 0), ("write", 1))
TWO_WRITE_ONE_READS = (("read", 0),), (("write", 0),), (("write", 0),)


OUTCOMES = pytest.mark.parametrize(
    ("program", "outcomes"),
    [
        (
            SEEN_EARLY,
            {
                (((), (None,)), ("00", None), (False, False)),
                (((), ("00",)), ("00", None), (False, False)),
            },
        ),
        (
            ORDER_IN_ONE_LOCK,
            {
                (((), (None,)), ("01", None), (False, False)),
                (((), ("01",)), ("01", None), (False, False)),
            },
        ),
        (
            OPPOSITE_ORDERS,
            {
                # The first to have both ends as their owner.
                (((), ()), (None, None), (False, True)),
                (((), ()), (None, None), (True, False)),
                (((), ()), (None, None), (True, True)),
            },
        ),
        (
            ORPHANED,
            {
                (((), ()), (None, None), (False, True)),
                (((), ()), (None, "11"), (True, False)),
            },
        ),
        pytest.param(
            TWO_WRITE_ONE_READS,
            {
                (((seen,), (), ()), (last, None), (False, False, False))
                for seen in (None, "10", "20")
                for last in ("10", "20")
            },
            marks=pytest.mark.slow,
        ),
    ],
)


@OUTCOMES
def test_outcomes_of_small_programs(program, outcomes):
    assert modelled(program) == outcomes
    assert simulated(program, DFS(0), RUNS) == outcomes


@OUTCOMES
def test_how_threading_starts_threads_keeps_no_outcome_away(program, outcomes):
    search = DFS(0)

    found = simulated(program, search, 3000, start=start_by_threading)

    assert found == outcomes
    assert search.exhausted or len(program) == 3  # which has too many schedules to run them all
