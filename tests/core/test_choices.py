"""Where the kernel asks who goes on, what it offers, and what comes of each answer."""

from __future__ import annotations

import pytest

from simclock import LimitReached, PluginError
from simclock._core import kernel as module
from simclock._core.choices import CLOCK, COST, EVENTS, THREAD, Canonical, ChoicePoint
from simclock._core.instants import MICROSECOND, MILLISECOND, SECOND
from simclock._core.waits import FOREIGN

# Binary fractions of a second, so that sums of them are exact.
LATENCY_NS = SECOND // 8
EARLY_NS = SECOND // 32


class Script:
    """Answers points by their number, 0 where it has nothing, and keeps them."""

    interested = True
    chaos = False

    def __init__(self, choices=(), latency_ns=0):
        self.choices = dict(choices)
        self.latency_ns = latency_ns
        self.points = []

    def choose(self, point):
        self.points.append(point)
        return self.choices.get(len(self.points) - 1, 0)

    @property
    def offered(self):
        """Who could go on, at each point."""
        return [[each.path for each in point.candidates] for point in self.points]


class ByPath(Script):
    """Lets the thread go on that is first in its list of paths, of those that can."""

    def __init__(self, *paths, latency_ns=0):
        super().__init__(latency_ns=latency_ns)
        self.paths = paths

    def choose(self, point):
        super().choose(point)
        ways = [each.path for each in point.candidates]
        return next((ways.index(path) for path in self.paths if path in ways), 0)


def ready_pair(b):
    """Have two threads that could run, and note when they do."""
    for name in "ab":
        b.spawn(name, b.note, name)


# ------------------------------------------------------------------------ whom it offers


def test_nobody_is_asked_where_only_one_can_go_on(bench):
    script = Script()
    b = bench(source=script)
    b.kernel.checkpoint("alone")
    b.sleep(1)
    b.spawn("a", b.note, "a")
    b.join_all()

    assert script.points == []
    assert b.log == [(1, "a")]


def test_a_checkpoint_offers_the_running_thread_first(bench):
    script = Script()
    b = bench(source=script)
    ready_pair(b)
    b.kernel.checkpoint("here")
    b.note("root")
    b.join_all()

    assert script.offered == [["0", "0.1", "0.2"], ["0.1", "0.2"]]
    assert [point.label for point in script.points] == [THREAD, THREAD]
    assert [point.bound for point in script.points] == [3, 2]
    # Where a thread waits, no choice keeps it from going on.
    assert [point.preempts for point in script.points] == [True, False]
    assert b.log == [(0, "root"), (0, "a"), (0, "b")]


def test_another_thread_may_go_on_at_a_checkpoint(bench):
    script = Script({0: 2})
    b = bench(source=script)
    ready_pair(b)
    b.kernel.checkpoint("here")
    b.note("root")
    b.join_all()

    # Who was kept from going on is the first of those that wait for a turn.
    assert script.offered == [["0", "0.1", "0.2"], ["0", "0.1"]]
    assert b.log == [(0, "b"), (0, "root"), (0, "a")]
    kinds = [(path, kind) for _, path, kind, _ in b.kernel.trace.records[2:5]]
    assert kinds == [("0", "choice"), ("0.2", "run"), ("0.2", "end")]


def test_any_waiter_may_get_what_was_released(bench):
    script = ByPath("0.3", "0.2", "0.1")
    b = bench(source=script)
    gate = b.gate()

    def body(name):
        gate.acquire()
        b.note(name)
        gate.owned_by = None
        b.kernel.hint(gate.key)

    gate.owned_by = b.kernel.root
    for name in "abc":
        b.spawn(name, body, name)
    b.sleep(1)
    gate.owned_by = None
    b.kernel.hint(gate.key)
    b.join_all()

    assert b.log == [(1, "c"), (1, "b"), (1, "a")]
    assert ["0.1", "0.2", "0.3"] in script.offered


def test_equal_deadlines_come_in_any_order(bench):
    b = bench(source=ByPath("0.2", "0", "0.1"))

    def body(name):
        b.sleep(1)
        b.note(name)

    for name in "ab":
        b.spawn(name, body, name)
    b.sleep(1)
    b.note("root")
    b.join_all()

    assert b.log == [(1, "b"), (1, "root"), (1, "a")]


def test_those_who_can_have_what_they_wait_for_come_after_those_that_are_ready(bench):
    script = Script()
    b = bench(source=script)
    gate = b.gate(owner=b.kernel.root)
    b.spawn("waiter", gate.acquire)
    b.sleep(1)
    b.spawn("ready", b.note, "ready")
    script.points.clear()
    gate.release()

    assert script.offered == [["0", "0.2", "0.1"]]


def test_a_thread_that_takes_too_many_steps_is_last_and_has_no_say(bench):
    script = Script()
    b = bench(source=script)
    gate = b.gate(owner=b.kernel.root)
    b.spawn("waiter", gate.acquire)
    b.sleep(1)
    ready_pair(b)
    gate.owned_by = None
    b.kernel.hint(gate.key)
    script.points.clear()
    b.kernel.world.steps_left = 0
    b.kernel.checkpoint("spins")

    # The first point has no root, and nothing to keep from going on; the waiter is first.
    assert script.offered[0] == ["0.1", "0.2", "0.3"]
    assert not script.points[0].preempts


def test_each_checkpoint_is_a_step_until_there_were_too_many(bench):
    script = Script()
    b = bench(source=script)
    ready_pair(b)
    for _ in range(module.FAIR_STEPS):
        b.kernel.checkpoint("spins")
    assert {each[0] for each in script.offered} == {"0"}

    b.kernel.checkpoint("spins")
    assert script.offered[module.FAIR_STEPS][0] == "0.1"


def test_the_steps_of_who_takes_too_many_cost_what_steps_cost(bench):
    b = bench(step_ns=5)
    b.kernel.world.steps_left = -1
    b.kernel.checkpoint("spins")

    # In C they were counted, but the clock stood still.
    assert b.kernel.world.now_ns == 1000 * SECOND + module.FAIR_STEPS * 5


def test_a_thread_that_takes_too_many_steps_goes_on_where_nobody_else_can(bench):
    script = Script()
    b = bench(source=script)
    b.kernel.world.steps_left = 0
    b.kernel.checkpoint("spins")

    assert script.points == []


def test_at_the_end_nothing_is_chosen_any_more(bench):
    script = Script()
    b = bench(source=script)
    ready_pair(b)
    b.end()

    assert script.points == []
    assert b.log == [(0, "a"), (0, "b")]


def test_the_usual_source_does_not_want_to_be_asked():
    source = Canonical()

    assert (source.interested, source.chaos, source.latency_ns) == (False, False, 0)
    assert source.choose(ChoicePoint(THREAD, 2)) == 0


def test_a_source_that_does_not_want_to_be_asked_is_not(bench):
    script = Script()
    script.interested = False
    b = bench(source=script)
    ready_pair(b)
    b.kernel.checkpoint("here")

    assert b.kernel.choose(3, "plugin's") == 0
    assert b.kernel.merged([[1], [2]], EVENTS) == [1, 2]
    assert b.kernel.world.reads_left == module.FREE_READS
    assert script.points == []


# --------------------------------------------------------------- what they are about to do


def test_a_candidate_says_what_it_is_about_to_do(bench):
    script = Script()
    b = bench(source=script)
    gate, other = b.gate(owner=b.kernel.root), b.gate()

    def body():
        b.kernel.checkpoint("release", other)
        b.kernel.wait("lock", gate)

    b.kernel.checkpoint("acquire", gate)  # alone: nobody is asked, but it is counted
    b.spawn("a", body)
    b.kernel.checkpoint("acquire", gate)
    b.sleep(1)
    gate.owned_by = None
    b.kernel.hint(gate.key)
    b.kernel.checkpoint("release", gate)
    b.kernel.checkpoint("sleep(0)")

    about = [[each[1:] for each in point.candidates] for point in script.points]
    # Operation, object, operations so far; objects by the order in which they were met.
    assert about == [
        [("acquire", 1, 2), ("begin", 0, 0)],
        [("release", 1, 4), ("lock", 1, 2)],
        [("sleep(0)", 0, 5), ("lock", 1, 2)],
    ]
    assert [b.kernel._number(id(each)) for each in (gate, other, b)] == [1, 2, 0]


def test_objects_are_numbered_up_to_a_bound(bench, monkeypatch):
    monkeypatch.setattr(module, "SUBJECTS", 1)
    script = Script()
    b = bench(source=script)
    b.spawn("a", b.note, "a")
    first, second = b.gate(), b.gate()
    for gate in (first, second, first):
        b.kernel.checkpoint("acquire", gate)

    assert [point.candidates[0].subject for point in script.points] == [1, 0, 1]


def test_an_object_is_kept_so_that_no_other_one_is_taken_for_it(bench):
    script = Script()
    b = bench(source=script)
    b.spawn("a", b.note, "a")
    for _ in range(3):
        b.kernel.checkpoint("acquire", b.gate())

    assert [point.candidates[0].subject for point in script.points] == [1, 2, 3]


# ------------------------------------------------------- what there is nothing to choose at


def test_a_thread_comes_to_its_first_checkpoint_before_anything_is_chosen(bench):
    script = Script()
    b = bench(source=script)
    register, quiet, own = b.gate(), b.gate(), b.gate()

    def body():
        # The library's own: no points, up to the first of them and after it.
        b.kernel.checkpoint("acquire", quiet)
        b.note("begins")
        b.kernel.checkpoint("acquire", register)
        b.kernel.checkpoint("release", register)
        b.kernel.checkpoint("acquire", quiet)
        b.kernel.checkpoint("acquire", own)
        b.note("ends")
        b.kernel.checkpoint("acquire", register)

    thread = b.kernel.new_thread("a", daemon=False)
    b.kernel.start_thread(thread, body, (), None)
    b.kernel.introduce(thread, register, [quiet])
    b.note("root")
    b.kernel.checkpoint("release", quiet)
    b.join_all()

    assert b.log == [(0, "begins"), (0, "ends"), (0, "root")]
    # Who has started it can go on as well, from its first checkpoint on.
    about = [[(each.path, *each[1:3]) for each in point.candidates] for point in script.points]
    assert about == [
        [("0.1", "begin", 0), ("0", "start", 0)],
        [("0.1", "acquire", 1), ("0", "start", 0)],
        # Before it is taken off the list of threads: the others may see that.
        [("0.1", "acquire", 2), ("0", "start", 0)],
    ]


def test_who_starts_a_thread_handles_signals_when_that_has_come_to_its_first_checkpoint(bench):
    b = bench(source=Script())
    register = b.gate()

    def body():
        b.port.signals.append(lambda: b.note("handled"))
        b.kernel.checkpoint("acquire", register)

    thread = b.kernel.new_thread("a", daemon=False)
    b.kernel.start_thread(thread, body, (), None)
    b.kernel.introduce(thread, register, [])
    b.note("started")
    b.join_all()

    assert b.log == [(0, "handled"), (0, "started")]


def test_where_nothing_is_chosen_a_start_is_a_checkpoint(bench):
    b = bench()
    thread = b.spawn("a", b.note, "a")
    b.kernel.introduce(thread, b.gate(), [])
    b.note("root")
    b.join_all()

    assert b.log == [(0, "root"), (0, "a")]


def test_who_has_to_wait_for_a_lock_is_asked_once(bench):
    """The wait offers the others anyway; before it, there would be two points for one choice."""
    script = Script()
    b = bench(source=script)
    taken, free = b.gate(owner=b.kernel.root), b.gate()
    ready_pair(b)
    b.kernel.checkpoint_before(taken, "acquire", taken)
    asked = len(script.points)
    b.kernel.checkpoint_before(free, "acquire", free)

    assert (asked, len(script.points)) == (0, 1)
    # Numbered all the same, in the order in which they were met.
    assert [b.kernel._number(id(each)) for each in (taken, free)] == [1, 2]


# ----------------------------------------------------------------------- choices of others


def test_whoever_needs_a_choice_gets_one_below_the_bound(bench):
    script = Script({0: 2, 1: 1})
    b = bench(source=script)

    assert [b.kernel.choose(bound, "plugin's") for bound in (3, 2, 1, 0, 2)] == [2, 1, 0, 0, 0]
    assert script.points == [ChoicePoint("plugin's", 3), *[ChoicePoint("plugin's", 2)] * 2]
    # Nobody is kept from going on, nothing is more likely, there are no words, and no tuning.
    assert script.points[0] == ("plugin's", 3, (), False, None, (), False)


@pytest.mark.parametrize(
    ("choices", "expected", "bounds"),
    [
        ({}, "abcxy1", [3, 3, 3, 2, 2]),
        ({0: 2, 1: 1, 2: 1}, "1xyabc", [3, 2, 2]),
        ({0: 1, 1: 0, 2: 1, 3: 1}, "xay1bc", [3, 3, 3, 2]),
    ],
)
def test_groups_are_merged_and_each_keeps_its_order(bench, choices, expected, bounds):
    script = Script(choices)
    b = bench(source=script)

    assert "".join(b.kernel.merged(["abc", "", "xy", "1"], EVENTS)) == expected
    assert [point.bound for point in script.points] == bounds
    assert {point.label for point in script.points} == {EVENTS}


def test_nothing_is_merged_without_groups(bench):
    script = Script()

    assert bench(source=script).kernel.merged([], EVENTS) == []
    assert script.points == []


def test_an_error_of_the_source_ends_the_run_at_the_roots_next_wait(bench):
    script = Script()
    error = LimitReached("enough")

    def choose(point):
        raise error

    script.choose = choose
    b = bench(source=script)
    ready_pair(b)
    with pytest.raises(LimitReached, match=r"^enough$"):
        b.kernel.checkpoint("here")

    assert b.kernel.failure is error
    assert b.kernel.choose(2, "plugin's") == 0
    assert b.log == []


def test_what_answers_wrongly_is_named_and_the_way_is_the_canonical_one(bench):
    script = Script()
    error = KeyError("odd")

    def choose(point):
        raise error

    script.choose = choose
    b = bench(source=script)

    assert b.kernel.choose(2, "plugin's") == 0
    assert b.kernel.failure.__cause__ is error
    with pytest.raises(
        PluginError, match=r"^what answers the choice points failed: KeyError\('odd'\)\n  at "
    ):
        b.kernel.checkpoint("here")


def test_an_error_that_is_nobodys_answer_is_raised_where_it_comes_up(bench):
    script = Script()
    b = bench(source=script)

    def choose(point):
        raise KeyboardInterrupt

    script.choose = choose
    with pytest.raises(KeyboardInterrupt):
        b.kernel.choose(2, "plugin's")

    assert b.kernel.failure is None


# -------------------------------------------------------------- the clock, before its time


def sleeper(b, name, seconds):
    def body():
        b.sleep(seconds)
        b.note(name)

    return b.spawn(name, body)


def test_the_clock_may_move_although_a_thread_could_run(bench):
    script = ByPath("0.1", CLOCK, latency_ns=LATENCY_NS)
    b = bench(source=script)
    sleeper(b, "timer", 1 / 32)
    b.kernel.checkpoint("begin")
    b.kernel.checkpoint("here")
    b.note("root")

    assert script.offered == [["0", "0.1"], ["0", CLOCK], ["0", "0.1"]]
    # The clock is the last, and about no object.
    assert script.points[1].candidates[-1] == (CLOCK, "jump", 0, 0)
    assert b.log == [(1 / 32, "timer"), (1 / 32, "root")]
    assert (1000 * SECOND + EARLY_NS, "", "jump", "early") in b.kernel.trace.records


@pytest.mark.parametrize(
    ("latency_ns", "seconds", "offered"),
    [
        (0, 1 / 32, []),
        (EARLY_NS - 1, 1 / 32, []),
        (EARLY_NS, 1 / 32, [["0", CLOCK]]),
        (1, 1e-9, [["0", CLOCK]]),
    ],
)
def test_the_clock_moves_no_further_than_the_latency(bench, latency_ns, seconds, offered):
    script = Script(latency_ns=latency_ns)
    b = bench(source=script)
    sleeper(b, "timer", seconds)
    b.kernel.source.choices = {0: 1}
    b.kernel.checkpoint("begin")
    script.choices = {}
    script.points.clear()
    b.kernel.checkpoint("here")

    assert script.offered == offered
    assert b.now() == 0


def test_all_that_passes_while_threads_could_run_counts_until_none_could(bench):
    b = bench(source=ByPath("0.1", CLOCK, latency_ns=LATENCY_NS))

    def tick():
        for _ in range(12):
            b.sleep(3 / 64)

    b.spawn("ticker", tick)
    for work in range(3):
        for _ in range(20):
            b.kernel.checkpoint("busy")
        b.note(work)
        b.sleep(1 / 64)

    # At most 8 / 64 of a second: up to the deadline at 6 / 64, not to that at 9 / 64. Then all wait,
    # and it begins again: from 7 / 64 to 15 / 64, and from 16 / 64 to 24 / 64.
    assert b.log == [(6 / 64, 0), (15 / 64, 1), (24 / 64, 2)]


def test_the_clock_stands_for_whom_it_is_held(bench):
    script = Script({0: 1}, latency_ns=LATENCY_NS)
    b = bench(source=script)
    sleeper(b, "timer", 1 / 32)
    b.kernel.checkpoint("begin")
    script.choices = {}
    script.points.clear()

    b.kernel.holds[1, ""] = "a hold"
    b.kernel.checkpoint("held")
    assert b.kernel.read_clock() == 1000 * SECOND
    b.kernel.holds.clear()

    assert script.points == []


def test_the_clock_moves_early_too_where_what_is_outside_is_ignored(bench):
    script = Script(latency_ns=LATENCY_NS)
    b = bench(source=script, external="ignore")
    sleeper(b, "timer", 1 / 32)
    script.choices = {0: 1}
    b.kernel.checkpoint("begin")
    script.points.clear()
    script.choices = {}
    b.kernel.checkpoint("here")

    assert script.offered == [["0", CLOCK]]


def test_the_clock_stands_for_who_settles(bench):
    script = Script(latency_ns=LATENCY_NS)
    b = bench(source=script)

    def body():
        script.points.clear()
        b.kernel.checkpoint("body")
        assert b.kernel.read_clock() == 1000 * SECOND
        b.sleep(0.01)
        b.note("slept")

    b.spawn("first", body)
    b.kernel.settle()
    b.note("settled")

    assert script.points == []
    assert b.log == [(0, "settled")]


def test_the_clock_stands_for_what_a_foreign_thread_owns(bench):
    script = Script(latency_ns=LATENCY_NS)
    b = bench(source=script)
    gate = b.gate(owner=FOREIGN)
    b.spawn("waiter", gate.acquire, b.kernel.world.now_ns + 10 * MILLISECOND)
    script.choices = {0: 1}
    b.kernel.checkpoint("begin")
    script.choices = {}
    script.points.clear()
    b.kernel.checkpoint("here")

    assert script.points == []
    gate.owned_by = None


def test_an_event_loops_timer_may_come_before_what_is_ready_there(bench):
    script = ByPath(CLOCK, latency_ns=LATENCY_NS)
    b = bench(source=script)
    b.kernel.turn(b.kernel.world.now_ns + EARLY_NS)
    moved = b.now()
    # It is due: the loop sees it in its next turn, and there is nothing to choose.
    b.kernel.turn(b.kernel.world.now_ns)
    b.kernel.turn(None)
    b.kernel.checkpoint("no turn")

    assert moved == 1 / 32
    assert b.now() == 1 / 32
    assert script.offered == [["0", CLOCK]]
    assert script.points[0].candidates[0].operation == "turn"


def test_the_first_deadline_is_the_one_that_is_offered(bench):
    script = Script({0: 1}, LATENCY_NS)
    b = bench(source=script)
    sleeper(b, "timer", 1 / 64)
    b.kernel.checkpoint("begin")
    # The clock; the thread, which ends; the clock; and then there is nobody else.
    script.choices = {2: 1, 3: 1, 4: 1}
    b.kernel.turn(b.kernel.world.now_ns + EARLY_NS)

    assert script.offered[2:] == [["0", CLOCK], ["0", "0.1", CLOCK], ["0", CLOCK]]
    assert b.log == [(1 / 64, "timer")]
    assert b.now() == 1 / 32


def test_a_loops_timer_may_come_before_the_deadlines_of_threads(bench):
    script = Script({0: 1}, LATENCY_NS)
    b = bench(source=script)
    sleeper(b, "timer", 1 / 16)
    b.kernel.checkpoint("begin")
    script.choices = {2: 1}
    b.kernel.turn(b.kernel.world.now_ns + EARLY_NS)

    assert b.now() == 1 / 32


def test_a_deadline_in_the_past_does_not_take_the_clock_back(bench):
    """As when others ran between the call and the wait."""
    script = ByPath(CLOCK, latency_ns=LATENCY_NS)
    b = bench(source=script)
    b.spawn("other", b.note, "other")
    gate = b.gate(owner=b.kernel.root)
    got = b.kernel.wait("lock", gate, b.kernel.world.now_ns - 1)

    assert not got
    assert b.now() == 0


# ---------------------------------------------------------- how long a reading has taken


@pytest.mark.parametrize(
    ("choices", "readings"),
    [
        ({}, [0, 0, 0]),
        ({0: 1}, [MICROSECOND] * 3),
        ({1: 2}, [0, LATENCY_NS, LATENCY_NS]),
        ({0: 1, 1: 1}, [MICROSECOND, 2 * MICROSECOND, 2 * MICROSECOND]),
        ({0: 1, 1: 2}, [MICROSECOND, LATENCY_NS, LATENCY_NS]),
    ],
)
def test_a_reading_takes_nothing_or_a_moment_or_all_that_may_pass(bench, choices, readings):
    script = Script(choices, LATENCY_NS)
    b = bench(source=script)

    assert [b.kernel.read_clock() - 1000 * SECOND for _ in range(3)] == readings
    assert script.points[0] == ChoicePoint(COST, 3)


def test_nothing_is_asked_when_nothing_may_pass_any_more(bench):
    script = Script({0: 2}, LATENCY_NS)
    b = bench(source=script)
    for _ in range(3):
        b.kernel.read_clock()

    assert len(script.points) == 1


@pytest.mark.parametrize(("latency_ns", "asked"), [(0, 0), (MICROSECOND, 0), (MICROSECOND + 1, 1)])
def test_a_latency_below_a_moment_is_none(bench, latency_ns, asked):
    script = Script(latency_ns=latency_ns)
    b = bench(source=script)
    b.kernel.read_clock()

    assert len(script.points) == asked


def test_a_reading_still_takes_what_a_step_takes(bench):
    b = bench(source=Script({1: 1}, LATENCY_NS), step_ns=5)

    assert [b.kernel.read_clock() - 1000 * SECOND for _ in range(3)] == [5, 1010, 1015]


def test_what_passes_in_a_reading_wakes_whom_it_is_for(bench):
    script = Script({0: 1}, LATENCY_NS)
    b = bench(source=script)
    sleeper(b, "timer", 1 / 32)
    b.kernel.checkpoint("begin")
    # The thread has begun to sleep, and the clock was offered: a reading, and a checkpoint.
    script.choices = {2: 2, 3: 1}
    b.kernel.read_clock()
    b.kernel.checkpoint("after")

    assert script.offered == [["0", "0.1"], ["0", CLOCK], [], ["0", "0.1"]]
    assert b.log == [(1 / 8, "timer")]


def test_a_busy_wait_ends_where_readings_are_chosen_too(bench):
    script = Script(latency_ns=LATENCY_NS)
    b = bench(source=script)
    start = b.kernel.world.now_ns
    readings = 0
    while b.kernel.read_clock() < start + 10 * MILLISECOND:
        readings += 1

    # A thousand for nothing; then one that parks, a hundred for nothing, and so on: for 1 us,
    # 2 us, 4 us, up to 1 ms each.
    assert readings == 1000 + 18 * 101
    assert b.kernel.world.reads_left == 0


# ------------------------------------------------------------------------------ in words


def test_a_choice_is_said_in_the_words_of_its_point_or_by_its_number():
    assert ChoicePoint(EVENTS, 3).said(2) == "events: number 3 of 3 comes first"
    point = ChoicePoint("site: disk.full", 3, words=("disk.full fires", "and the next"))
    assert [point.said(1), point.said(2)] == ["disk.full fires", "and the next"]
