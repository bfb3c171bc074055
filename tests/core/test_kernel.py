"""The kernel's own rules on a port that plays the world; see ``conftest.py``."""

from __future__ import annotations

import threading
from collections import deque

import pytest

from simclock import Deadlock, Escape, LimitReached, Livelock, Stalled
from simclock._core import kernel as module
from simclock._core.instants import SECOND
from simclock._core.threads import ThreadState
from simclock._core.waits import FOREIGN

# ------------------------------------------------------------------- the schedule


def test_a_thread_keeps_its_turn_until_it_waits(bench):
    b = bench()

    def body(name):
        b.note(f"{name} starts")
        b.kernel.checkpoint("test")
        b.sleep(1)
        b.note(f"{name} ends")

    for name in "ab":
        b.spawn(name, body, name)
    b.note("root goes on")
    b.join_all()

    assert b.log == [
        (0, "root goes on"),
        (0, "a starts"),
        (0, "b starts"),
        (1, "a ends"),
        (1, "b ends"),
    ]
    assert [record.kind for record in b.kernel.trace.records[:6]] == [
        "start",
        "start",
        "park",
        "run",
        "park",
        "run",
    ]


def test_paths_tell_who_started_whom(bench):
    b = bench()

    def grow(depth):
        if depth:
            b.spawn("child", grow, depth - 1)
            b.spawn("child", grow, 0)

    b.spawn("first", grow, 2)
    second = b.spawn("second", grow, 0)
    b.join_all()

    assert second.path == "0.2"
    assert second.state is ThreadState.FINISHED
    started = [record.path for record in b.kernel.trace.records if record.kind == "start"]
    assert started == ["0.1", "0.2", "0.1.1", "0.1.2", "0.1.1.1", "0.1.1.2"]


def test_a_thread_that_takes_many_steps_at_one_instant_goes_last(bench):
    b = bench()
    done = []

    def spin():
        while not done:
            b.kernel.world.steps_left -= 1
            b.kernel.checkpoint("test")

    b.spawn("spinner", spin)
    b.spawn("setter", done.append, True)
    b.join_all()

    assert done
    assert b.now() == 0


def test_settling_lets_the_others_run_as_far_as_they_come_at_this_instant(bench):
    b = bench()

    def body():
        b.note("before")
        b.sleep(0.5)
        b.note("after")

    b.spawn("body", body)
    b.kernel.settle()
    b.note("settled")
    b.sleep(1)
    b.kernel.settle()
    b.note("settled again")

    assert b.log == [(0, "before"), (0, "settled"), (0.5, "after"), (1, "settled again")]


def test_those_who_settle_together_are_let_go_one_after_the_other(bench):
    b = bench()

    def body(name):
        b.kernel.settle()
        b.note(name)
        b.kernel.checkpoint("test")

    for name in "ab":
        b.spawn(name, body, name)
    b.kernel.settle()
    b.note("root")
    b.join_all()

    # In the order in which they began to settle.
    assert b.log == [(0, "root"), (0, "a"), (0, "b")]


def test_a_reader_of_the_clock_sees_it_move_by_steps_that_double(bench):
    b = bench()

    readings = [b.kernel.read_clock() - 1000 * SECOND for _ in range(13)]

    steps = [later - earlier for earlier, later in zip([0, *readings], readings, strict=False)]
    assert steps == [
        *(1_000 * 2**n for n in range(10)),
        1_000_000,
        1_000_000,
        1_000_000,
    ]
    b.sleep(1)
    before = b.kernel.world.now_ns
    assert b.kernel.read_clock() - before == 1_000


def test_garbage_is_collected_at_the_same_steps(bench, monkeypatch):
    monkeypatch.setattr(module, "COLLECT_EVERY", 10)
    b = bench()
    b.kernel._next_collection = 10
    for _ in range(35):
        b.sleep(1)

    assert b.port.calls == ["collect"] * 3


def test_only_the_last_finished_threads_are_remembered(bench, monkeypatch):
    monkeypatch.setattr(module, "FINISHED_KEPT", 2)
    b = bench()
    spawned = [b.spawn(str(number), int) for number in range(4)]
    b.join_all()

    found = [b.kernel.thread_of(thread.baton.serial) for thread in spawned]

    assert found == [None, None, *spawned[2:]]
    assert b.kernel.thread_of(b.kernel.root.baton.serial) is b.kernel.root


class Interested:
    """Canonical, but asked at every checkpoint."""

    interested = True
    latency_ns = 0
    chaos = False

    def choose(self, point):
        return 0


# ------------------------------------------------------------------------ limits


def test_a_thread_that_goes_past_a_limit_does_not_lose_its_turn_for_good(bench):
    b = bench(source=Interested(), steps_per_instant=100)

    def spin():
        for _ in range(150):
            b.kernel.checkpoint("test")
        b.note("spun")

    spinner = b.spawn("spinner", spin)
    with pytest.raises(Livelock, match="running spinner"):
        b.join(spinner)
    b.join(spinner)

    assert b.log == [(0, "spun")]


def test_steps_at_one_instant_are_limited(bench):
    b = bench(steps_per_instant=100)

    def bounce():
        while True:
            b.kernel.settle()

    b.spawn("bouncer", bounce)

    with pytest.raises(Livelock, match=r"livelock: more than 100 steps at virtual \+0 s"):
        b.join_all()
    assert isinstance(b.kernel.failure, Livelock)


def test_steps_are_limited(bench):
    b = bench(steps=50)

    for _ in range(50):
        b.sleep(1)

    with pytest.raises(LimitReached, match="limit reached: 50 steps"):
        b.sleep(1)
    assert b.kernel.steps == 51


def test_virtual_time_is_limited(bench):
    b = bench(time_ns=10 * SECOND)
    b.sleep(10)

    with pytest.raises(LimitReached, match="limit reached: 10 virtual seconds"):
        b.sleep(1)
    assert b.now() == 10


def test_threads_are_counted_as_they_are_started(bench):
    b = bench()
    for name in "ab":
        b.spawn(name, b.note, name)
    b.join_all()

    assert b.kernel.started_threads == 3


def test_an_error_is_told_to_the_task_that_runs_once_and_then_raised(bench):
    b = bench()
    told = []
    b.kernel.tell_task = lambda error: told.append(error) or True
    gate = b.gate()
    gate.take()

    with pytest.raises(Deadlock) as caught:
        gate.acquire()
    assert [str(error) for error in told] == [str(caught.value)]


def test_an_error_is_delivered_again_until_patience_ends(bench, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 3)
    b = bench()
    gate = b.gate()
    gate.take()

    for _ in range(3):
        with pytest.raises(Deadlock):
            gate.acquire()
    with pytest.raises(SystemExit, match="swallowed again and again"):
        gate.acquire()


# ------------------------------------------------------------------ stretches


def test_each_stretch_has_its_own_errors_limits_and_zero(bench):
    b = bench(time_ns=10 * SECOND, steps=50)
    b.sleep(10)
    with pytest.raises(LimitReached):
        b.sleep(1)

    b.kernel.begin_stretch("the second")

    assert b.kernel.failure is None
    assert (b.kernel.origin_ns, b.now()) == (1010 * SECOND, 10)
    b.sleep(10)
    with pytest.raises(LimitReached, match=r"10 virtual seconds, at virtual \+10 s"):
        b.sleep(1)
    b.kernel.begin_stretch("the third")
    for _ in range(50):
        b.sleep(0.1)
    with pytest.raises(LimitReached, match="50 steps"):
        b.sleep(0.1)


def test_an_error_of_a_stretch_is_not_delivered_in_the_next(bench):
    b = bench()
    gate = b.gate()
    gate.take()
    with pytest.raises(Deadlock):
        gate.acquire()
    b.kernel.root.error = Deadlock("not delivered yet")

    b.kernel.begin_stretch("the second")

    b.sleep(1)
    assert b.log == []
    assert b.now() == 1


def test_threads_say_in_which_stretch_they_were_started(bench):
    b = bench()
    gate = b.gate()
    gate.take()
    b.spawn("early", gate.acquire)
    b.kernel.begin_stretch("test_one")
    b.sleep(2)
    b.spawn("late", gate.acquire)
    b.kernel.begin_stretch("test_two")
    b.sleep(3)

    with pytest.raises(Deadlock) as found:
        gate.acquire()

    lines = [line.strip() for line in str(found.value).splitlines()]
    assert lines[0] == "deadlock: 2 threads can never run again, at virtual +3 s"
    waiting = [line for line in lines if ", waits for " in line]
    assert [line.partition(", owned")[0] + line[line.rindex(",") :] for line in waiting] == [
        "root (0), waits for lock, since +3 s",
        "late (0.2), started in test_one, waits for lock, since +0 s",
    ]
    assert lines[-2] == "also waiting, since before: early (0.1)"
    b.kernel.failure = None


def test_the_clock_of_a_run_of_many_stretches_has_an_end(bench):
    b = bench(time_ns=10**9 * SECOND)

    for _ in range(2):
        b.sleep(10**9)
        b.kernel.begin_stretch("next")

    with pytest.raises(LimitReached):
        b.sleep(10**9)


# --------------------------------------------------------- readings that take time


def test_a_reading_can_take_time_and_then_what_is_due_is_woken_before_anybody_idles(bench):
    b = bench(step_ns=10)
    assert b.kernel.world.step_ns == 10

    def sleeper():
        b.kernel.sleep_until(b.kernel.world.now_ns + 100)
        b.note("woken")

    def reader(name):
        for _ in range(20):
            b.kernel.world.now_ns += b.kernel.world.step_ns
            b.kernel.count_step()
            b.kernel.wait("turn", listed=None, deadline_ns=b.kernel.world.now_ns)
        b.note(name)

    b.spawn("sleeper", sleeper)
    for name in "ab":
        b.spawn(name, reader, name)
    b.join_all()

    assert [what for _, what in b.log] == ["woken", "a", "b"]
    # Due after 100 ns, woken at the next decision, not when both readers were done after 400.
    assert b.log[0][0] <= 130 / SECOND


def test_time_that_passes_by_reading_is_no_livelock(bench):
    b = bench(steps_per_instant=100, step_ns=1000)

    for _ in range(1000):
        b.kernel.world.now_ns += b.kernel.world.step_ns
        b.kernel.wait("turn", deadline_ns=b.kernel.world.now_ns)

    assert b.now() == pytest.approx(0.001)


def test_a_deadline_that_has_passed_is_no_time_that_passes(bench):
    b = bench(steps_per_instant=100)

    with pytest.raises(Livelock):
        for _ in range(1000):
            b.kernel.wait("turn", deadline_ns=b.kernel.world.now_ns)


# ----------------------------------------------------------------------- leaping


def test_a_thread_alone_leaps_to_its_deadline(bench):
    b = bench()

    assert b.kernel.leap(b.kernel.world.now_ns + 5 * SECOND)
    assert b.now() == 5
    # An instant that has come already is none to go back from.
    assert b.kernel.leap(b.kernel.world.now_ns - SECOND)
    assert b.now() == 5
    assert [record.kind for record in b.kernel.trace.records] == ["jump"]
    b.sleep(1)
    assert b.now() == 6


def test_it_leaps_past_others_that_wait_for_longer(bench):
    b = bench()
    gate = b.gate(owner=b.kernel.root)
    b.spawn("for ever", gate.acquire)
    b.spawn("until 9", b.sleep, 9)
    b.sleep(1)

    assert b.kernel.leap(b.kernel.world.now_ns + 5 * SECOND)
    assert b.now() == 6
    assert not b.kernel.leap(b.kernel.world.now_ns + 3 * SECOND)
    assert not b.kernel.leap(b.kernel.world.now_ns + 4 * SECOND)
    assert b.now() == 6
    gate.release()
    b.join_all()


def hold(b):
    b.kernel.holds[1] = "a compiler"


def a_hint(b):
    gate = b.gate(owner=b.kernel.root)
    b.spawn("waits", gate.acquire)
    b.kernel.settle()
    gate.release()


def somebody_who_is_ready(b):
    b.spawn("ready", b.note, "runs")


def a_signal(b):
    b.port.signals.append(lambda: None)


def work_outside(b):
    b.port.at_work = "a compiler"


def a_foreign_release(b):
    gate = b.gate(owner=b.kernel.root)
    b.spawn("waits", gate.acquire)
    b.kernel.settle()
    gate.owned_by = None  # and nobody is told
    b.port.steps_outside += 1


def an_error(b):
    b.kernel.root.error = RuntimeError()


def an_observer(b):
    b.kernel.world.interested = 1


def garbage(b):
    b.kernel._next_collection = b.kernel.steps


def the_limit_of_steps(b):
    b.kernel._step_limit = b.kernel.steps


def the_limit_of_time(b):
    b.kernel._latest_ns = b.kernel.world.now_ns + SECOND


def the_end(b):
    b.kernel.ending = True


@pytest.mark.parametrize(
    "disturb",
    [
        hold, a_hint, somebody_who_is_ready, a_signal, work_outside, a_foreign_release, an_error,
        an_observer, garbage, the_limit_of_steps, the_limit_of_time, the_end,
    ],
)  # fmt: skip
def test_it_does_not_leap_where_something_else_comes_first(bench, disturb):
    b = bench()
    disturb(b)

    assert not b.kernel.leap(b.kernel.world.now_ns + 5 * SECOND)
    assert b.now() == 0


# ------------------------------------------------------------- the world outside


def test_a_hold_keeps_the_clock_until_it_is_released(bench):
    b = bench()
    b.kernel.holds[1] = "a compiler"
    looks = []

    def meanwhile():
        looks.append(b.now())
        if len(looks) == 3:
            b.kernel.holds.clear()

    b.port.meanwhile = meanwhile
    b.sleep(5)

    assert looks == [0, 0, 0]
    assert b.now() == 5


def test_a_hold_that_is_not_released_is_a_stall_that_names_it(bench):
    b = bench(stall=2.0)
    b.kernel.holds[1] = "a compiler"

    with pytest.raises(Stalled, match="held by: a compiler") as found:
        b.sleep(5)

    assert "held for 2 real seconds at virtual +0 s" in str(found.value)
    assert b.now() == 0
    assert b.port.real_now >= 2.0


def test_with_ignore_a_hold_holds_nothing(bench):
    b = bench(external="ignore")
    b.kernel.holds[1] = "a compiler"
    b.sleep(5)

    assert b.now() == 5
    assert b.port.real_now == 0


def test_what_a_foreign_thread_owns_holds_the_clock(bench):
    b = bench()
    gate = b.gate(owner=FOREIGN)

    def release():
        if b.port.real_now > 1:
            gate.owned_by = None

    b.port.meanwhile = release

    assert gate.acquire(b.kernel.world.now_ns + 5 * SECOND)
    assert b.now() == 0
    assert gate.owner() is b.kernel.root


def test_what_a_foreign_thread_takes_while_somebody_waits_holds_the_clock_too(bench):
    b = bench()
    gate = b.gate()

    def body():
        gate.take()
        b.sleep(1)
        # A foreign thread took it over, and gives it back when somebody looks the second time.
        gate.owned_by = FOREIGN
        b.port.steps_outside += 1
        b.note("gone")

    def release():
        if b.port.real_now > 1:
            gate.owned_by = None
            b.port.steps_outside += 1

    b.port.meanwhile = release
    b.spawn("body", body)
    b.kernel.settle()

    assert gate.acquire(b.kernel.world.now_ns + 5 * SECOND)
    assert b.log == [(1, "gone")]
    assert b.now() == 1


def test_what_a_foreign_thread_released_is_found_before_the_clock_jumps(bench):
    b = bench()
    gate = b.gate(owner=b.kernel.root)

    def body():
        # A foreign thread released it: the kernel hears that one did something, not what.
        gate.owned_by = None
        b.port.steps_outside += 1
        b.sleep(1)

    b.spawn("body", body)

    assert gate.acquire(b.kernel.world.now_ns + SECOND // 2)
    assert b.now() == 0


def test_with_strict_waiting_for_a_foreign_thread_is_an_escape(bench):
    b = bench(external="strict")
    gate = b.gate(owner=FOREIGN)

    with pytest.raises(Escape, match="waits on something outside") as found:
        gate.acquire()
    assert "owned by a foreign thread" in str(found.value)


def test_with_ignore_the_clock_runs_on(bench):
    b = bench(external="ignore")

    assert not b.gate(owner=FOREIGN).acquire(b.kernel.world.now_ns + 5 * SECOND)
    assert b.now() == 5


def test_foreign_threads_get_a_moment_before_a_deadlock_is_called(bench):
    b = bench()
    b.port.foreign = ["helper"]
    gate = b.gate(owner=b.kernel.root)

    def release():
        if b.port.real_now > 0.5:
            gate.owned_by = None

    b.port.meanwhile = release

    assert gate.acquire()


def test_after_that_moment_it_is_a_potential_deadlock_that_names_them(bench):
    b = bench()
    b.port.foreign = ["helper"]

    with pytest.raises(Deadlock, match=r"potential deadlock: 1 thread") as found:
        b.gate(owner=b.kernel.root).acquire()

    assert "foreign threads might still help: helper" in str(found.value)
    assert b.port.real_now >= module.GRACE


def test_polled_waits_are_asked_before_the_clock_jumps_and_now_and_then(bench):
    b = bench()
    gate = b.polled()

    def body():
        while b.kernel.steps < 3 * module.POLL_EVERY:
            b.kernel.settle()
            gate.open()
        b.sleep(1)

    b.spawn("busy", body)

    assert gate.wait(1)
    assert b.now() == 0


def test_what_a_polled_wait_has_is_found_when_nobody_can_run(bench):
    b = bench()
    gate = b.polled()

    def body():
        gate.open()
        b.sleep(1)

    b.spawn("body", body)

    assert gate.wait(0.5)
    assert b.now() == 0


def test_what_comes_while_all_is_looked_at_is_of_no_foreign_thread(bench):
    b = bench()
    gate = b.polled()
    answers = iter([False, True])
    gate.free = lambda: next(answers, True)
    gate.take = lambda: True
    b.port.steps_outside += 1  # one did something, for instance told somebody a test's result

    assert gate.wait(1)

    assert b.now() == 0
    assert list(b.kernel.escapes) == []


# ------------------------------------------------------------------ what is owed outside


def test_the_clock_waits_for_what_is_owed_outside_and_watches_its_descriptors(bench):
    b = bench()
    gate = b.polled("an answer", descriptors=[(7, 1)])
    b.port.meanwhile = lambda: gate.open() if b.port.real_now > 0.5 else None

    assert gate.wait(1)

    assert (b.now(), b.port.wanted) == (0, [(7, 1)])
    assert list(b.kernel.escapes) == ["root (0) waited for an answer, in recv"]


def test_what_is_no_descriptor_is_asked_more_often(bench):
    b = bench()
    gate = b.polled("a lock file")
    looks = []

    def look():
        looks.append(b.port.real_now)
        if len(looks) == 3:
            gate.open()

    b.port.meanwhile = look
    gate.wait()

    assert looks == pytest.approx([n * module.SHORT_GLANCE for n in (1, 2, 3)])


def test_an_answer_that_never_comes_is_given_up_and_the_clock_goes_on(bench):
    b = bench()
    gate = b.polled("an answer", patience=2.0)

    assert not gate.wait(5)

    assert b.now() == 5
    assert b.port.real_now == pytest.approx(2, abs=0.1)
    assert "an answer: nothing came in 2 real seconds" in b.kernel.escapes


def test_no_patience_is_longer_than_the_watchdog_s(bench):
    b = bench(stall=3.0)
    gate = b.polled("an answer", patience=3600.0)

    assert not gate.wait(5000)

    assert b.port.real_now == pytest.approx(3, abs=0.1)


def test_each_answer_that_never_comes_has_a_patience_of_its_own(bench):
    b = bench()
    given_up = []

    def ask(name, patience):
        gate = b.polled(name, patience=patience)

        def give_up():
            gate.owed = ""
            given_up.append((round(b.port.real_now), name))

        gate.give_up = give_up
        gate.wait(5)

    b.spawn("patient", ask, "patient", 3.0)
    b.spawn("impatient", ask, "impatient", 1.0)
    b.join_all()

    assert given_up == [(1, "impatient"), (3, "patient")]


def test_what_comes_while_the_kernel_looks_for_who_owes_it_is_found(bench, monkeypatch):
    b = bench()
    gate = b.polled()
    # A child process, say, that ends just before it is looked at: then it owes nothing any more.
    monkeypatch.setattr(gate, "outside", lambda: gate.open() or "")

    assert gate.wait(1)
    assert b.now() == 0


def test_patience_begins_anew_when_nothing_was_owed_for_a_while(bench):
    b = bench(stall=3.0)
    gate = b.polled("an answer")

    def pause():
        # Owed for a moment, then not; and again from the first virtual second on.
        gate.owed = "an answer" if b.port.real_now < 0.8 or b.now() >= 1 else ""

    b.port.meanwhile = pause

    def ask_again():
        b.sleep(1)
        gate.owed = "an answer"

    b.spawn("asks again", ask_again)

    assert not gate.wait(5)
    assert b.port.real_now == pytest.approx(0.8 + 3, abs=0.1)


def test_answer_after_answer_holds_no_deadline_longer_than_reality_would(bench):
    b = bench()
    log, done = [], []

    def ask_for_ever():
        while not done:
            gate = b.polled("an answer")
            asked = b.port.real_now

            def answer(gate=gate, asked=asked):
                if b.port.real_now > asked + 0.3:
                    gate.open()

            b.port.meanwhile = answer
            gate.wait(60)

    b.spawn("asks", ask_for_ever)
    for seconds in (0.5, 4):
        before = b.port.real_now
        b.sleep(seconds)
        log.append((b.now(), round(b.port.real_now - before)))
    done.append(True)
    b.join_all()

    # In virtual and in real seconds.
    assert log == [(0.5, 1), (4.5, 4)]

    assert "an answer: the clock went on after 4 real seconds" in b.kernel.escapes


def test_what_is_at_work_outside_holds_the_clock_before_the_next_deadline(bench):
    b = bench()
    b.port.at_work = "a child process"

    def end_work():
        if b.port.real_now > 0.3:
            b.port.at_work = ""

    b.port.meanwhile = end_work
    b.sleep(0.1)

    assert (b.now(), b.port.real_now) == pytest.approx((0.1, 0.3), abs=0.01)


def test_with_nothing_else_to_do_what_never_comes_is_a_stall(bench):
    b = bench(stall=3.0)

    with pytest.raises(Stalled, match=r"held for 3 real seconds") as found:
        b.polled("an answer").wait()

    assert "root (0), waits for recv" in str(found.value)


def test_in_strict_mode_it_is_an_escape(bench):
    b = bench(external="strict")

    with pytest.raises(
        Escape, match=r"root \(0\), waits for recv, owned by itself, for an answer, until \+1 s"
    ):
        b.polled("an answer").wait(1)

    assert b.port.real_now == 0


def test_ignored_it_does_not_hold_the_clock(bench):
    b = bench(external="ignore")

    assert not b.polled("an answer").wait(1)

    assert (b.now(), b.port.real_now) == (1, 0)


def test_ignored_it_is_waited_for_when_nothing_else_is_left_to_do(bench):
    b = bench(external="ignore")
    gate = b.polled("an answer")
    b.port.meanwhile = gate.open

    assert gate.wait()


# ----------------------------------------------------------------------- signals


def test_the_root_handles_signals_at_its_next_turn(bench):
    b = bench()

    def interrupt():
        b.sleep(3)
        b.port.signals.append(lambda: b.note("handled"))
        b.kernel.checkpoint("test")
        b.note("goes on")

    b.spawn("sender", interrupt)
    b.sleep(10)

    assert b.log == [(3, "handled"), (3, "goes on")]
    assert b.now() == 10


def test_a_signal_while_the_clock_is_held_is_handled(bench):
    b = bench()
    b.kernel.holds[1] = "work"

    def handler():
        b.note("handled")
        b.kernel.holds.clear()

    b.port.meanwhile = lambda: b.port.signals or b.port.signals.append(handler)
    b.sleep(1)

    assert b.log == [(0, "handled")]
    assert b.now() == 1


def test_a_handler_that_raises_ends_the_roots_wait(bench):
    b = bench()

    def handler():
        raise KeyboardInterrupt

    b.spawn("sender", lambda: (b.sleep(1), b.port.signals.append(handler)))

    with pytest.raises(KeyboardInterrupt):
        b.sleep(10)
    assert b.now() == 1
    b.sleep(1)
    assert b.now() == 2


def test_a_second_interrupt_takes_the_baton_from_whoever_has_it(bench):
    b = bench()
    running, go_on = threading.Event(), threading.Event()

    def spin():
        running.set()
        # The root has been given its turn behind our back.
        b.port.give_turn(b.kernel.root.baton)
        go_on.wait(60)
        b.note("stray")
        b.kernel.checkpoint("test")
        b.sleep(1)
        b.note("never")

    spinner = b.spawn("spinner", spin)
    b.port.abort = lambda: threading.current_thread() is threading.main_thread()

    with pytest.raises(KeyboardInterrupt, match="second interrupt"):
        b.sleep(10)
    b.port.abort = None

    assert running.is_set()
    assert b.kernel.current is b.kernel.root
    b.port.meanwhile = lambda: (go_on.set(), b.port.threads[0].join(10))
    assert b.end() == []
    assert b.log == [(0, "stray")]
    assert spinner.finished


def test_the_watchdog_gives_the_root_the_turn_of_a_stuck_thread(bench):
    b = bench()
    go_on = threading.Event()

    def stick():
        # From here on the thread is in C code, as seen by the watchdog.
        b.kernel.stall(Stalled("stalled: stuck"), stuck=True)
        go_on.wait(60)

    b.spawn("stuck", stick)

    with pytest.raises(Stalled, match="stalled: stuck"):
        b.sleep(10)
    b.port.meanwhile = lambda: (go_on.set(), b.port.threads[0].join(10))
    assert b.end() == []
    assert isinstance(b.kernel.failure, Stalled)


def test_a_stall_of_what_is_not_stuck_leaves_it_its_turn(bench):
    b = bench()

    def spin():
        b.kernel.stall(Stalled("stalled: spins"), stuck=False)
        b.note("goes on")
        b.sleep(1)

    b.spawn("spinner", spin, daemon=True)

    with pytest.raises(Stalled, match="stalled: spins"):
        b.sleep(10)
    assert b.log == [(0, "goes on")]
    assert b.now() == 0


# --------------------------------------------------------------------------- end


def test_leftovers_get_time_to_end_by_themselves(bench):
    b = bench()
    b.spawn("late", lambda: (b.sleep(59), b.note("done")))

    assert b.end() == []
    assert b.log == [(59, "done")]


def test_the_rest_is_unwound_and_what_is_no_daemon_is_a_leak(bench):
    b = bench()
    b.spawn("late", b.sleep, 61)
    b.spawn("daemon", b.sleep, 61, daemon=True)

    (leak,) = b.end()
    assert leak == (
        "a non-daemon thread that would never have ended: late (0.1), waits for sleep, "
        "until +61 s, since +0 s"
    )
    assert b.port.calls == ["retire late daemon", "late unwound", "daemon unwound"]
    assert b.now() == 60


def test_after_a_failure_nobody_gets_time(bench):
    b = bench()
    b.spawn("late", b.sleep, 5, daemon=True)
    b.kernel.fail(Deadlock("found"))

    assert b.end() == []
    assert b.now() == 0


def test_a_thread_that_never_ran_is_cancelled(bench):
    b = bench()
    b.kernel.fail(Deadlock("found"))
    b.kernel.settle = lambda: None
    b.spawn("new", b.note, "never", daemon=True)

    assert b.end() == []
    assert b.port.calls == ["retire new", "cancel new"]
    assert b.log == []


def test_no_thread_starts_while_the_simulation_ends(bench):
    b = bench()

    def late():
        b.sleep(1)
        with pytest.raises(RuntimeError, match="can't start new thread: the simulation is ending"):
            b.spawn("too late", b.note, "never")
        b.note("refused")

    b.spawn("late", late)

    assert b.end() == []
    assert b.log == [(1, "refused")]


def test_a_hold_that_outlives_the_simulation_is_a_leak(bench):
    b = bench()
    b.kernel.holds[1] = "a compiler"

    assert b.end() == ["a hold that was never released: a compiler"]


def test_who_is_unwound_may_release_but_not_wait(bench):
    b = bench()
    gate = b.gate()

    def body():
        gate.acquire()
        try:
            b.sleep(100)
        finally:
            gate.release()
            b.note("released")
            b.sleep(1)
            b.note("never")

    b.spawn("body", body, daemon=True)

    assert b.end() == []
    assert b.log == [(60, "released")]
    assert gate.free()


def test_who_spins_while_it_is_unwound_is_unwound_again(bench):
    b = bench()
    free = threading.Event()

    def body():
        try:
            b.sleep(100)
        finally:
            while not free.is_set():
                b.kernel.checkpoint("test")

    b.spawn("body", body, daemon=True)

    assert b.end() == []
    assert b.port.calls == ["retire body", "body unwound"]


def test_an_interrupt_while_it_ends_does_not_keep_it_from_ending(bench):
    b = bench()

    def handler():
        raise KeyboardInterrupt

    b.spawn("late", lambda: (b.sleep(1), b.port.signals.append(handler), b.sleep(100)), daemon=True)

    assert b.end() == []
    assert isinstance(b.kernel.failure, KeyboardInterrupt)
    assert b.port.calls == ["retire late", "late unwound"]
    assert not b.kernel.others()


def test_a_thread_that_refuses_to_end_is_abandoned_after_a_while(bench, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 3)
    b = bench()
    attempts = []
    free = threading.Event()

    def refuse():
        while not free.is_set():
            try:
                b.sleep(1)
            except SystemExit:
                attempts.append("unwound")

    stubborn = b.spawn("stubborn", refuse, daemon=True)

    assert b.end() == ["a thread that refused to end and stays parked: stubborn"]
    assert b.port.calls == ["retire stubborn", "abandon stubborn"]
    assert attempts == ["unwound"] * 3
    assert stubborn.state is ThreadState.ABANDONED
    # It is parked for ever; a port that plays the world can let go of it.
    free.set()
    monkeypatch.setattr(b.port, "switch", _let_go)
    stubborn.baton.turn.release()
    b.port.threads[0].join(10)


def _let_go(mine, following):
    raise SystemExit


def test_a_listed_wait_that_is_over_is_off_its_list(bench):
    b = bench()
    listed = deque()

    def handler():
        raise KeyboardInterrupt

    b.port.signals.append(handler)
    with pytest.raises(KeyboardInterrupt):
        b.kernel.wait("test", listed=listed)

    assert not listed
    assert not b.kernel.scheduler.waiting


def test_interrupts_that_never_end_are_dropped_up_to_a_limit(bench, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 3)
    b = bench()
    dropped = []

    def again():
        b.port.signals.append(again)
        dropped.append(1)
        raise KeyboardInterrupt

    b.port.signals.append(again)
    b.kernel._drop_interrupts()
    b.port.signals.clear()

    assert len(dropped) == 3
