from __future__ import annotations

import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from simclock._core.timers import Timers
from simclock._core.waits import Wait


def armed(timers, deadline_ns):
    wait = Wait(None, "test", None, deadline_ns, 0)
    wait.armed = True
    timers.arm(deadline_ns, wait)
    return wait


def disarm(timers, wait):
    wait.armed = False
    timers.disarm()


def pop_all(timers, now_ns):
    popped = []
    while (wait := timers.pop_due(now_ns)) is not None:
        wait.armed = False
        popped.append(wait)
    return popped


def test_there_is_no_deadline_at_first():
    timers = Timers()

    assert len(timers) == 0
    assert timers.next_deadline_ns() is None
    assert timers.pop_due(10**18) is None


class Resource:
    """What is waited for."""


def test_what_is_over_is_forgotten_when_it_is_swept():
    timers = Timers()
    over, left = armed(timers, 5), armed(timers, 7)
    disarm(timers, over)
    over.resource = resource = Resource()
    forgotten = weakref.ref(resource)
    del over, resource
    assert forgotten() is not None  # until it comes up

    timers.sweep()

    assert forgotten() is None
    assert len(timers) == 1
    assert pop_all(timers, 10) == [left]


def test_equal_deadlines_come_in_arming_order():
    timers = Timers()
    late = armed(timers, 9)
    equal = [armed(timers, 5) for _ in range(20)]
    early = armed(timers, 1)

    assert pop_all(timers, 8) == [early, *equal]
    assert pop_all(timers, 9) == [late]


def test_only_what_is_due_comes_out():
    timers = Timers()
    wait = armed(timers, 5)

    assert timers.pop_due(4) is None
    assert timers.next_deadline_ns() == 5
    assert timers.pop_due(5) is wait
    assert len(timers) == 0


def test_a_disarmed_timer_never_comes_up():
    timers = Timers()
    first, second = armed(timers, 1), armed(timers, 2)
    disarm(timers, first)

    assert len(timers) == 1
    assert timers.next_deadline_ns() == 2
    assert pop_all(timers, 3) == [second]


def test_disarmed_timers_are_cleaned_in_bulk():
    """Timeouts that never fire are most of all: the heap must not grow with them."""
    timers = Timers()
    kept = armed(timers, 10**9)
    for deadline_ns in range(10_000):
        disarm(timers, armed(timers, deadline_ns))
        assert len(timers._heap) <= 2 * 64 + 3

    assert len(timers) == 1
    assert pop_all(timers, 10**9) == [kept]


@pytest.mark.parametrize(("kept", "over"), [(0, 64), (1, 64), (200, 200)])
def test_the_bulk_is_cleaned_when_more_than_64_and_more_than_half_are_over(kept, over):
    """Each cleaning looks at all: only where most of them go it costs next to nothing for each."""
    timers = Timers()
    for _ in range(kept):
        armed(timers, 10**9)
    for _ in range(over):
        disarm(timers, armed(timers, 1))
    assert len(timers._heap) == kept + over

    disarm(timers, armed(timers, 1))
    assert len(timers._heap) == len(timers) == kept


@given(st.lists(st.integers(0, 5)))
def test_order_survives_the_bulk_cleaning(deadlines):
    timers = Timers()
    waits = [armed(timers, deadline_ns) for deadline_ns in deadlines]
    for number in range(200):
        disarm(timers, armed(timers, number % 6))

    assert pop_all(timers, 5) == sorted(waits, key=lambda wait: wait.deadline_ns)


class TimersBesideASortedList(RuleBasedStateMachine):
    """`Timers` does what a list sorted by (deadline, arming order) does."""

    @initialize()
    def start(self):
        self.timers = Timers()
        self.model = []
        self.armed = 0
        self.now_ns = 0

    @rule(delay_ns=st.integers(0, 20))
    def arm(self, delay_ns):
        self.armed += 1
        deadline_ns = self.now_ns + delay_ns
        self.model.append((deadline_ns, self.armed, armed(self.timers, deadline_ns)))
        self.model.sort(key=lambda entry: entry[:2])

    @rule(count=st.integers(1, 150), delay_ns=st.integers(0, 20))
    def arm_many_and_disarm_them(self, count, delay_ns):
        for wait in [armed(self.timers, self.now_ns + delay_ns) for _ in range(count)]:
            self.armed += 1
            disarm(self.timers, wait)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def disarm(self, data):
        entry = data.draw(st.sampled_from(self.model))
        self.model.remove(entry)
        disarm(self.timers, entry[2])

    @rule(step_ns=st.integers(0, 10))
    def pass_time(self, step_ns):
        self.now_ns += step_ns
        due = [wait for deadline_ns, _, wait in self.model if deadline_ns <= self.now_ns]
        self.model = self.model[len(due) :]

        assert pop_all(self.timers, self.now_ns) == due

    @invariant()
    def agrees(self):
        assert len(self.timers) == len(self.model)
        assert self.timers.next_deadline_ns() == (self.model[0][0] if self.model else None)


TestTimersBesideASortedList = TimersBesideASortedList.TestCase
