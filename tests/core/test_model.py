"""Small models of the scheduler, with every choice explored.

The real `Scheduler` runs model threads (generators) over model locks and
queues, on a model clock, beside a model foreign thread. The part of
`Kernel.wait` and `Kernel.checkpoint` that matters is repeated here as
generators; everything that is picked is picked by the scheduler itself.

Exploration is depth first and complete: a run that comes to a state which was
explored before stops there, because nothing new can follow, but the schedules
behind it are counted. `test_stopping_at_known_states_loses_nothing` compares
with the enumeration of every schedule by itself.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import NamedTuple

import pytest

from simclock import Deadlock
from simclock._core.choices import ChoicePoint
from simclock._core.scheduler import Scheduler
from simclock._core.threads import SimThread
from simclock._core.waits import Wait

# ------------------------------------------------------------------ exploration


class KnownState(Exception):
    """What follows from here has been explored."""


class Point:
    """A choice point on the current path."""

    def __init__(self, bound, state):
        self.bound = bound
        self.state = state
        self.choice = 0
        self.schedules = 0


class EveryChoice:
    """A choice source that takes every choice in turn, depth first."""

    interested = True
    latency_ns = 0
    chaos = False

    def __init__(self, *, remember):
        self.remember = remember
        self.model = None
        self.path = []
        self.at = 0
        # How many schedules there are from a state that is explored to its end.
        self.schedules_from = {}

    def choose(self, point):
        label, bound = point.label, point.bound
        assert bound >= 2
        if self.at == len(self.path):
            state = (label, self.model.state()) if self.remember else None
            if state is not None and state in self.schedules_from:
                raise KnownState(state)
            self.path.append(Point(bound, state))
        point = self.path[self.at]
        assert point.bound == bound, "the model is not deterministic"
        self.at += 1
        return point.choice

    def back_up(self, schedules):
        """Note that *schedules* lie behind the path; return all, once there is no other path."""
        self.at = 0
        while self.path:
            point = self.path[-1]
            point.schedules += schedules
            point.choice += 1
            if point.choice < point.bound:
                return None
            schedules = point.schedules
            if point.state is not None:
                self.schedules_from[point.state] = schedules
            self.path.pop()
        return schedules


class Explored(NamedTuple):
    schedules: int
    outcomes: Counter
    exhausted: bool


def explore(build, *, remember=True, most=50_000):
    """Run the model that *build* makes under every schedule, in at most *most* runs."""
    source = EveryChoice(remember=remember)
    outcomes = Counter()
    for _ in range(most):
        source.model = model = Model(source)
        build(model)
        behind = 1
        try:
            outcomes[model.run()] += 1
        except KnownState as known:
            behind = source.schedules_from[known.args[0]]
        total = source.back_up(behind)
        if total is not None:
            return Explored(total, outcomes, exhausted=True)
    return Explored(sum(outcomes.values()), outcomes, exhausted=False)


# ------------------------------------------------------------------- the model


class Resource:
    """What is taken one by one: a mutex (one place), a semaphore, or a queue of items."""

    def __init__(self, key, items):
        self.key = key
        self.items = deque(items)

    def free(self):
        return bool(self.items)

    def take(self):
        if not self.items:
            return False
        self.items.popleft()
        return True

    def owner(self):
        return None


class Model:
    """Threads, resources, a clock and a foreign thread around one real scheduler."""

    def __init__(self, source):
        self.source = source
        self.scheduler = Scheduler()
        self.now_ns = 0
        self.bodies = {}
        self.resources = []
        self.foreign = deque()
        # Per thread: all that it has seen. Its local state is a function of that.
        self.seen = {}
        self.log = []
        self.stolen = 0
        self.current = None

    # ------------------------------------------------------------ what builds use

    def resource(self, items=("it",)):
        resource = Resource(len(self.resources), items)
        self.resources.append(resource)
        return resource

    def thread(self, name, body):
        thread = SimThread(name, None, name, daemon=False)
        self.bodies[thread] = body
        self.seen[thread] = []
        self.scheduler.ready.append(thread)

    def acquire(self, resource, timeout_ns=None):
        """What a redirected acquire does; see `Kernel.wait`."""
        yield from self.checkpoint()
        if self.take(resource):
            return True
        thread = self.current
        deadline_ns = None if timeout_ns is None else self.now_ns + timeout_ns
        wait = Wait(thread, "model", resource, deadline_ns, self.now_ns)
        self.scheduler.park(wait)
        while True:
            yield False
            got = self.take(resource)
            if got or wait.due:
                break
            assert self.stolen, "a thread was resumed in vain"
            self.stolen -= 1
        self.scheduler.unpark(wait)
        return got

    def take(self, resource):
        got = resource.take()
        self.seen[self.current].append(got)
        return got

    def release(self, resource, item="it"):
        resource.items.append(item)
        self.scheduler.hint(resource.key)
        yield from self.checkpoint()

    def sleep(self, duration_ns):
        wait = Wait(self.current, "sleep", None, self.now_ns + duration_ns, self.now_ns)
        self.scheduler.park(wait)
        while not wait.due:
            yield False
        self.scheduler.unpark(wait)

    def checkpoint(self):
        yield True

    def note(self, what):
        self.log.append((self.now_ns, what))

    # ---------------------------------------------------------------------- a run

    def state(self):
        """Return everything that what follows depends on."""
        scheduler = self.scheduler
        timers = sorted(entry for entry in scheduler.timers._heap if entry[2].armed)
        return (
            self.now_ns,
            self.current and self.current.path,
            tuple(thread.path for thread in scheduler.ready),
            tuple(scheduler.hot),
            tuple(
                (key, *((wait.thread.path, wait.due, wait.since_ns) for wait in waits))
                for key, waits in scheduler.waiting.items()
            ),
            tuple((deadline_ns, wait.thread.path) for deadline_ns, _, wait in timers),
            tuple(tuple(resource.items) for resource in self.resources),
            tuple((thread.path, tuple(seen)) for thread, seen in self.seen.items()),
            len(self.foreign),
            self.stolen,
            tuple(self.log),
        )

    def run(self):
        """Run to the end under the source's choices; return the outcome."""
        while (following := self.next(self.current)) is not None:
            if self.current is not None and following is not self.current:
                self.scheduler.ready.appendleft(self.current)
            self.current = following
            self.let_foreign_step(following)
            self.seen[following].append((self.now_ns, following.wait and following.wait.due))
            try:
                runnable = next(self.bodies[following])
            except StopIteration:
                del self.bodies[following]
                runnable = False
            self.scheduler.check()
            self.current = following if runnable else None
        stuck = tuple(thread.path for thread in self.bodies)
        return (*self.log, (self.now_ns, f"deadlock of {stuck}" if stuck else "end"))

    def next(self, current):
        """Return the thread to run next; the idle rule, without what is outside this model."""
        while True:
            self.no_hint_is_missing()
            candidates = self.scheduler.candidates(current)
            if candidates:
                following = self.scheduler.take(candidates[self.chosen(len(candidates))])
                wait = following.wait
                if wait is not None and not wait.due:
                    assert wait.resource.free(), "a loser was woken"
                return following
            if self.scheduler.look_again():
                continue
            if self.foreign:
                self.foreign.popleft()()
                continue
            self.nobody_is_forgotten()
            deadline_ns = self.scheduler.timers.next_deadline_ns()
            if deadline_ns is None:
                return None
            assert deadline_ns >= self.now_ns
            self.now_ns = deadline_ns
            self.scheduler.wake_due(deadline_ns)

    def chosen(self, bound):
        return self.source.choose(ChoicePoint("thread", bound)) if bound > 1 else 0

    def let_foreign_step(self, following):
        """Offer the foreign thread to step between a decision and what it decided."""
        if self.foreign and self.source.choose(ChoicePoint("foreign", 2)):
            could_take = following.wait is not None and following.wait.resource.free()
            self.foreign.popleft()()
            if could_take and not following.wait.resource.free():
                self.stolen += 1

    def no_hint_is_missing(self):
        """Without foreign threads, hints are complete: the idle pass is not needed."""
        if not self.any_foreign:
            for key, waits in self.scheduler.waiting.items():
                assert key in self.scheduler.hot or not waits[0].resource.free(), "a lost wake-up"

    def nobody_is_forgotten(self):
        for waits in self.scheduler.waiting.values():
            assert not waits[0].resource.free(), "a jump or a deadlock while somebody could run"

    any_foreign = False


def critical(model, lock, name, inside, *, rounds=1, timeout_ns=None):
    """Own *lock* in each round, across a checkpoint, and never beside another owner."""
    for _ in range(rounds):
        if not (yield from model.acquire(lock, timeout_ns)):
            model.note(f"{name} gave up")
            return
        inside.append(name)
        assert inside == [name], "two owners"
        yield from model.checkpoint()
        inside.remove(name)
        yield from model.release(lock)


def ends(explored):
    """Return the outcomes' last entries, without repetitions."""
    return {outcome[-1] for outcome in explored.outcomes}


# -------------------------------------------------------------------- the models


def mutex(threads, rounds):
    def build(model):
        lock, inside = model.resource(), []
        for number in range(threads):
            model.thread(f"t{number}", critical(model, lock, f"t{number}", inside, rounds=rounds))

    return build


@pytest.mark.parametrize(
    ("threads", "rounds", "schedules"),
    [(2, 1, 58), (2, 2, 2_658), (3, 1, 27_054), (3, 2, 336_103_776)],
)
def test_a_mutex_is_never_owned_twice_and_nobody_starves(threads, rounds, schedules):
    explored = explore(mutex(threads, rounds))

    assert explored.exhausted
    assert explored.schedules == schedules
    assert ends(explored) == {(0, "end")}


def holder_and_timeouts(model):
    lock, inside = model.resource(), []

    def holder():
        assert (yield from model.acquire(lock))
        yield from model.sleep(5)
        model.note("holder releases")
        yield from model.release(lock)

    def waiter(name, timeout_ns):
        got = yield from model.acquire(lock, timeout_ns)
        model.note(f"{name} {'owns' if got else 'gave up'}")
        if got:
            inside.append(name)
            assert inside == [name], "two owners"
            yield from model.sleep(1)
            inside.remove(name)
            yield from model.release(lock)

    model.thread("holder", holder())
    for name, timeout_ns in (("five", 5), ("six", 6), ("patient", None)):
        model.thread(name, waiter(name, timeout_ns))


def test_a_release_and_a_deadline_at_one_instant_may_come_in_either_order():
    explored = explore(holder_and_timeouts)

    assert explored.exhausted
    assert explored.schedules == 95_130
    assert {what for _, what in ends(explored)} == {"end"}
    told = {entry for outcome in explored.outcomes for entry in outcome}
    assert {(5, "five owns"), (5, "five gave up"), (6, "six owns"), (6, "six gave up")} <= told
    assert not {(now_ns, what) for now_ns, what in told if what == "five gave up" and now_ns != 5}
    assert "patient gave up" not in {what for _, what in told}


def thief(model):
    """A foreign thread takes the lock and gives it back, and tells nobody."""
    model.any_foreign = True
    lock, inside = model.resource(), []
    stolen = []

    def steal():
        if lock.take():
            stolen.append("it")

    def give_back():
        lock.items.extend(stolen)  # no hint
        stolen.clear()

    model.foreign.extend([steal, give_back, steal, give_back])
    for name in ("t0", "t1"):
        model.thread(name, critical(model, lock, name, inside))


def test_what_a_foreign_thread_takes_and_releases_unnoticed_delays_but_loses_nobody():
    explored = explore(thief)

    assert explored.exhausted
    assert explored.schedules == 7_606
    assert ends(explored) == {(0, "end")}


def unnotified_release(model):
    """A foreign thread owns the lock from the start and releases it, without a hint."""
    model.any_foreign = True
    lock, inside = model.resource(items=()), []
    model.foreign.append(lambda: lock.items.append("it"))
    for name, timeout_ns in (("t0", None), ("t1", 3), ("t2", None)):
        model.thread(name, critical(model, lock, name, inside, timeout_ns=timeout_ns))


def test_an_unnotified_release_is_found_before_the_clock_moves():
    explored = explore(unnotified_release)

    assert explored.exhausted
    assert explored.schedules == 127_740
    assert set(explored.outcomes) == {((0, "end"),)}


def producers_and_consumers(model):
    queue = model.resource(items=())

    def consumer():
        assert (yield from model.acquire(queue))

    def producer(*items):
        for item in items:
            yield from model.release(queue, item)

    for name in ("c0", "c1", "c2"):
        model.thread(name, consumer())
    model.thread("p0", producer("a", "b"))
    model.thread("p1", producer("c"))


def test_each_item_of_a_queue_goes_to_one_consumer():
    explored = explore(producers_and_consumers)

    assert explored.exhausted
    assert explored.schedules == 1_466_112
    assert set(explored.outcomes) == {((0, "end"),)}


def semaphore(model):
    """Two places, three threads: one release may enable two waiters one after the other."""
    places, inside = model.resource(items=("it", "it")), []

    def body(name):
        assert (yield from model.acquire(places))
        inside.append(name)
        assert len(inside) <= 2, "three owners of two places"
        yield from model.checkpoint()
        inside.remove(name)
        yield from model.release(places)

    for name in ("t0", "t1", "t2"):
        model.thread(name, body(name))


def test_a_semaphore_lets_as_many_in_as_it_has_places():
    explored = explore(semaphore)

    assert explored.exhausted
    assert explored.schedules == 37_350
    assert set(explored.outcomes) == {((0, "end"),)}


def batch(model):
    """One hint for two items: the second consumer is enabled by the first one's leaving."""
    queue = model.resource(items=())

    def consumer():
        assert (yield from model.acquire(queue))
        yield from model.checkpoint()

    def producer():
        yield from model.sleep(1)
        queue.items.extend("ab")
        yield from model.release(queue, "c")

    for name in ("c0", "c1", "c2"):
        model.thread(name, consumer())
    model.thread("p", producer())


def test_one_hint_serves_all_that_a_counted_resource_has():
    explored = explore(batch)

    assert explored.exhausted
    assert explored.schedules == 396_900
    assert set(explored.outcomes) == {((1, "end"),)}


def opposite_orders(model):
    one, other = model.resource(), model.resource()

    def body(first, second):
        yield from model.acquire(first)
        yield from model.acquire(second)
        yield from model.release(second)
        yield from model.release(first)

    model.thread("ab", body(one, other))
    model.thread("ba", body(other, one))


def test_two_locks_in_opposite_orders_deadlock_in_some_schedules_only():
    explored = explore(opposite_orders)

    assert explored.exhausted
    assert explored.schedules == 128
    assert ends(explored) == {(0, "end"), (0, "deadlock of ('ab', 'ba')")}


# --------------------------------------------------- the exploration can be trusted


@pytest.mark.parametrize("build", [mutex(2, 2), thief, opposite_orders])
def test_stopping_at_known_states_loses_nothing(build):
    quick, complete = explore(build), explore(build, remember=False)

    assert quick.exhausted
    assert complete.exhausted
    assert quick.schedules == complete.schedules == complete.outcomes.total()
    assert quick.outcomes.keys() == complete.outcomes.keys()


def test_an_exploration_that_is_cut_short_says_so():
    explored = explore(mutex(2, 2), remember=False, most=10)

    assert not explored.exhausted
    assert explored.schedules == 10


class Forgetful(Scheduler):
    """A scheduler that does not hint again when a counted resource stays free."""

    def unpark(self, wait):
        super().unpark(wait)
        self.hot.clear()


class Eager(Scheduler):
    """A scheduler that wakes every waiter of what was released, free or not."""

    def _enabled(self):
        for waits in self.waiting.values():
            for wait in waits:
                yield wait.thread


@pytest.mark.parametrize(
    ("broken", "message"), [(Forgetful, "a lost wake-up"), (Eager, "a loser was woken")]
)
def test_a_broken_scheduler_is_found(monkeypatch, broken, message):
    monkeypatch.setitem(globals(), "Scheduler", broken)

    with pytest.raises(AssertionError, match=message):
        explore(batch)


# ----------------------------------------------------------- the model is the kernel


def enumerate_kernel(bench, build):
    """Run *build* on a real kernel with real threads under every schedule."""
    source = EveryChoice(remember=False)
    outcomes = Counter()
    while True:
        on = bench(source=source)
        build(on)
        try:
            on.join_all()
            outcomes["end"] += 1
        except Deadlock:
            outcomes["deadlock"] += 1
        on.close()
        if source.back_up(1) is not None:
            return outcomes


def test_a_mutex_has_the_same_schedules_in_the_kernel(bench):
    def build(on):
        gate, inside = on.gate(), []

        def body(name):
            gate.acquire()
            inside.append(name)
            assert inside == [name], "two owners"
            on.kernel.checkpoint("inside")
            inside.remove(name)
            gate.release()

        for name in ("t0", "t1"):
            on.spawn(name, body, name)

    modelled = explore(mutex(2, 1))

    assert enumerate_kernel(bench, build) == {"end": modelled.schedules}


def test_two_locks_have_the_same_schedules_and_deadlocks_in_the_kernel(bench):
    def build(on):
        one, other = on.gate(), on.gate()

        def body(first, second):
            first.acquire()
            second.acquire()
            second.release()
            first.release()

        on.spawn("ab", body, one, other, daemon=True)
        on.spawn("ba", body, other, one, daemon=True)

    modelled = explore(opposite_orders, remember=False)

    deadlocks = sum(n for outcome, n in modelled.outcomes.items() if outcome[-1] != (0, "end"))
    assert enumerate_kernel(bench, build) == {
        "end": modelled.schedules - deadlocks,
        "deadlock": deadlocks,
    }
