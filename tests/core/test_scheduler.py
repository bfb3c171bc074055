"""What the canonical schedule is. That no schedule goes wrong is in ``test_model.py``."""

from __future__ import annotations

import pytest

from simclock._core.scheduler import Scheduler
from simclock._core.threads import SimThread
from simclock._core.waits import Alarm, Wait


class Gate:
    def __init__(self, key, *, is_free=False):
        self.key = key
        self.is_free = is_free

    def free(self):
        return self.is_free


@pytest.fixture
def scheduler():
    return Scheduler()


def thread(name):
    return SimThread(name, None, name, daemon=False)


def parked(scheduler, name, resource=None, deadline_ns=None):
    wait = Wait(thread(name), "test", resource, deadline_ns, 0)
    scheduler.park(wait)
    scheduler.check()
    return wait


def picks(scheduler, current=None):
    picked = scheduler.pick(current)
    return picked and picked.path


def paths(threads):
    return [each.path for each in threads]


def test_the_current_thread_goes_on_while_it_can(scheduler):
    scheduler.ready.append(thread("other"))

    assert picks(scheduler, thread("current")) == "current"


def test_else_first_come_first_served(scheduler):
    scheduler.ready.extend([thread("a"), thread("b")])

    assert [picks(scheduler) for _ in range(3)] == ["a", "b", None]


def test_ready_threads_come_before_those_that_a_free_resource_enables(scheduler):
    gate = Gate(1)
    parked(scheduler, "waiter", gate)
    scheduler.ready.append(thread("ready"))
    gate.is_free = True
    scheduler.hint(1)

    assert [picks(scheduler), picks(scheduler)] == ["ready", "waiter"]


def test_the_first_of_several_waiters_is_enabled_first(scheduler):
    gate = Gate(1, is_free=True)
    waits = [parked(scheduler, name, gate) for name in ("a", "b")]
    scheduler.hint(1)

    assert picks(scheduler) == "a"
    scheduler.unpark(waits[0])
    assert picks(scheduler) == "b"


def test_a_waiter_is_not_enabled_while_its_resource_is_not_free(scheduler):
    parked(scheduler, "waiter", Gate(1))
    scheduler.hint(1)

    assert picks(scheduler) is None
    assert not scheduler.hot


def test_a_hint_about_what_nobody_waits_for_is_forgotten(scheduler):
    scheduler.hint(7)

    assert not scheduler.hot


def test_what_became_free_without_a_hint_is_found_by_looking_again(scheduler):
    gate, shut = Gate(1), Gate(2)
    parked(scheduler, "waiter", gate)
    parked(scheduler, "other", shut)
    assert not scheduler.look_again()

    gate.is_free = True

    assert picks(scheduler) is None
    assert scheduler.look_again()
    assert picks(scheduler) == "waiter"


def test_the_last_waiter_takes_its_hint_along(scheduler):
    gate = Gate(1, is_free=True)
    wait = parked(scheduler, "waiter", gate)
    scheduler.hint(1)
    scheduler.unpark(wait)
    scheduler.check()

    assert wait.thread.wait is None
    assert not scheduler.waiting
    assert not scheduler.hot


def test_a_counted_resource_that_stays_free_enables_the_next_waiter(scheduler):
    gate = Gate(1, is_free=True)
    first, _ = parked(scheduler, "first", gate), parked(scheduler, "second", gate)

    scheduler.unpark(first)

    assert picks(scheduler) == "second"


def test_what_is_due_becomes_ready_in_arming_order_once(scheduler):
    late = parked(scheduler, "late", None, 9)
    for name in ("b", "a"):
        parked(scheduler, name, None, 5)

    scheduler.wake_due(5)
    scheduler.make_due(late)
    scheduler.make_due(late)

    assert [picks(scheduler) for _ in range(4)] == ["b", "a", "late", None]


def test_a_waiter_that_is_due_is_not_enabled_a_second_time(scheduler):
    wait = parked(scheduler, "waiter", Gate(1, is_free=True), 5)
    scheduler.hint(1)
    scheduler.wake_due(5)

    assert wait.due
    assert [picks(scheduler), picks(scheduler)] == ["waiter", None]


@pytest.mark.parametrize(("is_free", "first"), [(True, "waiter"), (False, None)])
def test_who_stood_still_is_enabled_again_if_what_it_waits_for_is_free(scheduler, is_free, first):
    gate = Gate(1)
    wait = parked(scheduler, "waiter", gate)
    scheduler.withdraw(wait)
    gate.is_free = is_free
    scheduler.hint(1)
    assert picks(scheduler) is None

    scheduler.restore(wait)
    assert list(scheduler.hot) == [1] * is_free
    assert picks(scheduler) == first


def test_a_deadline_that_has_come_is_disarmed_once(scheduler):
    wait = parked(scheduler, "waiter", None, 5)
    later = parked(scheduler, "later", None, 9)
    scheduler.wake_due(5)
    scheduler.unpark(wait)

    assert len(scheduler.timers) == 1
    assert later.armed
    assert not wait.armed


def test_a_wait_without_a_deadline_disarms_nothing(scheduler):
    scheduler.unpark(parked(scheduler, "waiter", Gate(1)))

    assert len(scheduler.timers) == 0


def test_a_wait_that_is_over_arms_nothing(scheduler):
    scheduler.unpark(parked(scheduler, "waiter", Gate(1), 5))

    assert len(scheduler.timers) == 0
    scheduler.wake_due(5)
    assert picks(scheduler) is None


# ------------------------------------------------------------- with other choices


def test_an_alarm_rings_in_arming_order_and_makes_nobody_ready(scheduler):
    log = []
    for number, deadline_ns in enumerate([7, 5, 5]):
        scheduler.arm(Alarm("an alarm", deadline_ns, lambda number=number: log.append(number)))

    scheduler.wake_due(6)
    assert (log, list(scheduler.ready)) == ([1, 2], [])
    assert scheduler.timers.next_deadline_ns() == 7

    scheduler.wake_due(7)
    assert log == [1, 2, 0]


def test_an_alarm_that_was_never_armed_is_not_disarmed(scheduler):
    scheduler.disarm(Alarm("never", 5, lambda: None))

    assert len(scheduler.timers) == 0


def test_an_alarm_that_is_disarmed_does_not_ring_however_often(scheduler):
    alarm = Alarm("an alarm", 5, lambda: pytest.fail("it rang"))
    scheduler.arm(alarm)
    scheduler.disarm(alarm)
    scheduler.disarm(alarm)

    scheduler.wake_due(5)
    assert scheduler.timers.next_deadline_ns() is None
    assert len(scheduler.timers) == 0


def test_all_that_can_run_are_candidates_in_canonical_order(scheduler):
    gate = Gate(1, is_free=True)
    for name in ("enabled", "enabled too"):
        parked(scheduler, name, gate)
    scheduler.hint(1)
    scheduler.ready.extend([thread("a"), thread("b")])
    current = thread("current")

    assert paths(scheduler.candidates(current)) == ["current", "a", "b", "enabled", "enabled too"]
    assert paths(scheduler.candidates(None)) == ["a", "b", "enabled", "enabled too"]
    assert paths(scheduler.candidates(None, fair=True)) == ["enabled", "enabled too", "a", "b"]


def test_who_is_taken_is_ready_no_more(scheduler):
    ready = thread("ready")
    scheduler.ready.append(ready)
    parked(scheduler, "enabled", Gate(1, is_free=True))
    scheduler.hint(1)

    assert scheduler.take(ready) is ready
    (enabled,) = scheduler.candidates(None)
    assert scheduler.take(enabled).path == "enabled"
    assert paths(scheduler.candidates(None)) == ["enabled"]  # until its wait is over


def test_there_are_no_candidates_where_nobody_can_run(scheduler):
    parked(scheduler, "waiter", Gate(1))
    scheduler.hint(1)

    assert scheduler.candidates(None) == []


# ----------------------------------------------------------------- its own checks


def test_check_finds_a_stale_wait(scheduler):
    parked(scheduler, "waiter", Gate(1)).thread.wait = None

    with pytest.raises(AssertionError, match="stale wait of <SimThread waiter"):
        scheduler.check()


def test_check_finds_an_empty_list(scheduler):
    scheduler.waiting[1] = []

    with pytest.raises(AssertionError, match="empty list of waits: 1"):
        scheduler.check()


def test_check_finds_a_hint_without_a_waiter(scheduler):
    scheduler.hot[1] = None

    with pytest.raises(AssertionError, match="hint without a waiter"):
        scheduler.check()
