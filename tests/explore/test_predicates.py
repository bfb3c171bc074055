"""Statements about programs: when they hold, what fails a run, and what a search says of them."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import pickle
import queue
import subprocess
import sys
import threading
import time
import traceback

import pytest
import trio

import simclock
from simclock import predicates, searching
from simclock._core import watching
from simclock.predicates import aeventually, always, eventually, never, reachable, sometimes

HERE = "test_predicates.py"


def line_of(function, text):
    """Return the line of *text* in *function*, as a site."""
    import inspect

    lines, first = inspect.getsourcelines(function)
    return f"{HERE}:{first + next(i for i, line in enumerate(lines) if text in line)}"


def in_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def innermost(error):
    """Return the innermost line of a traceback that is not simclock's."""
    frames = traceback.extract_tb(error.__traceback__)
    mine = [each for each in frames if not each.filename.startswith(watching.PACKAGE)]
    return f"{mine[-1].filename.rpartition('/')[2]}:{mine[-1].lineno}"


# ------------------------------------------------------------- without a simulation


def test_without_a_simulation_always_and_never_are_assertions():
    always(True, "so")
    never(False, "not so")
    with pytest.raises(AssertionError, match=r"^always 'so': it is false\n  at test_predicates"):
        always(False, "so")
    with pytest.raises(simclock.Violation, match=r"\n  condition = 1\n  message = 2\n"):
        always(False, "so", condition=1, message=2)
    with pytest.raises(simclock.Violation, match=r"^never 'not so': it is true\n  left = 3\n"):
        never([1], "not so", left=3)


def test_without_a_simulation_the_others_do_nothing():
    sometimes(False, "sometime")
    reachable("here")


def test_optimised_python_keeps_them():
    program = (
        "import sys\nfrom simclock.predicates import always\n"
        "'simclock.simulation' in sys.modules and exit('it is heavy')\n"
        "try:\n    always(False, 'so')\nexcept AssertionError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-O", "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout == "always 'so': it is false\n  at <string>:5\n"


def test_without_a_simulation_eventually_waits_in_real_time():
    done = []
    timer = threading.Timer(0.02, done.append, [1])
    timer.start()
    eventually(lambda: done, within=60)
    timer.join()

    with pytest.raises(simclock.Violation, match=r"eventually 'two': it was not true within 0 s"):
        eventually(lambda: len(done) == 2, "two", within=0)


def test_without_a_simulation_a_task_waits_in_real_time():
    async def main():
        done = []
        asyncio.get_running_loop().call_later(0.02, done.append, 1)
        await aeventually(lambda: done, within=60)

    asyncio.run(main())


def test_a_violation_can_be_pickled():
    error = pickle.loads(pickle.dumps(simclock.Violation("always 'so'", "shop.py:3")))

    assert (str(error), error.site) == ("always 'so'", "shop.py:3")


# ---------------------------------------------------------------------- always, never


def test_a_broken_statement_fails_the_run_although_it_is_swallowed():
    def scenario():
        with contextlib.suppress(AssertionError):
            always(False, "so")

    failure = simclock.explore(scenario, runs=3).failure

    assert isinstance(failure.error, simclock.Violation)
    assert failure.error.site == line_of(scenario, "always(")
    assert failure.reproduced == failure.repetitions == 10


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_broken_statement_in_a_thread_fails_the_run_at_once():
    def worker():
        time.sleep(1)
        always(False, "so")

    def scenario():
        in_thread(worker)
        time.sleep(1)
        raise ZeroDivisionError

    with pytest.raises(simclock.Violation) as caught:
        simclock.run(scenario)

    assert innermost(caught.value) == line_of(worker, "always(")
    assert caught.value.__cause__ is None


def test_a_broken_statement_in_the_main_thread_is_raised_where_it_is():
    def scenario():
        always(False, "so")

    with pytest.raises(simclock.Violation) as caught:
        simclock.run(scenario)

    assert innermost(caught.value) == line_of(scenario, "always(")
    assert caught.value.__traceback__.tb_frame.f_code.co_name.startswith("test_a_broken")


def test_what_a_thread_ends_with_is_not_told_twice(capfd):
    def scenario():
        in_thread(functools.partial(always, False, "so"))

    report = simclock.explore(scenario, runs=3)

    assert "caused by" not in str(report)
    assert capfd.readouterr().err == ""


def test_other_exceptions_in_threads_are_failures_as_before():
    report = simclock.explore(lambda: in_thread({}.popitem), runs=3)

    assert isinstance(report.failure.error, KeyError)


def test_a_thread_that_is_not_simulated_only_raises(capfd):
    def scenario():
        found = []
        with simclock.active().real_time():
            foreign = threading.Thread(target=lambda: found.append(outside()))
            foreign.start()
            foreign.join()
        assert found == ["raised"]

    def outside():
        sometimes(False, "outside")
        try:
            always(False, "so")
        except simclock.Violation:
            return "raised"

    report = simclock.explore(scenario, runs=1)

    assert report.failure is None
    assert [each.message for each in report.evidence.predicates] == []


def test_a_violation_out_of_a_thread_that_was_not_recorded_is_a_failure():
    def scenario():
        in_thread(functools.partial(_raise, simclock.Violation("by hand")))

    assert str(simclock.explore(scenario, runs=1).failure.error) == "by hand"


def _raise(error):
    raise error


def test_the_first_violation_counts():
    def scenario():
        for message in ("first", "second"):
            with contextlib.suppress(simclock.Violation):
                always(False, message)

    with pytest.raises(simclock.Violation, match="first"):
        simclock.run(scenario)


def test_what_threads_say_on_their_way_out_does_not_count():
    def worker():
        try:
            threading.Event().wait()
        finally:
            always(False, "is not cut off")

    def scenario():
        threading.Thread(target=worker, daemon=True).start()
        time.sleep(1)

    assert simclock.explore(scenario, runs=5).failure is None


def test_violations_at_two_places_are_two_failures():
    def scenario():
        if threading.current_thread() is threading.main_thread():
            always(False, "so")

    def other():
        always(False, "so")

    signatures = [
        searching.Played.of(sim, recorder(), error).signature
        for sim, error in map(played, (scenario, other))
    ]

    assert signatures[0] == f"Violation {line_of(scenario, 'always(')} always 'so': it is false"
    assert signatures[1] == f"Violation {line_of(other, 'always(')} always 'so': it is false"


def played(scenario):
    sim = simclock.Simulation()
    with pytest.raises(simclock.Violation) as caught, sim:
        scenario()
    return sim, caught.value


def recorder():
    return searching.Recorder(searching.chosen("canonical", 0), "legal", 0)


def test_a_broken_statement_in_a_task_fails_the_run():
    async def worker():
        await asyncio.sleep(1)
        never(True, "here")

    async def scenario():
        tasks = [asyncio.create_task(worker())]
        await asyncio.wait(tasks)

    error = simclock.explore(scenario, runs=3).failure.error

    assert isinstance(error, simclock.Violation)
    assert innermost(error) == line_of(worker, "never(")


def test_a_broken_statement_in_a_task_of_trio_is_itself_although_it_comes_in_a_group():
    async def worker():
        await trio.sleep(1)
        always(False, "so")

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(worker)

    error = simclock.explore(lambda: trio.run(main), runs=3).failure.error

    assert type(error) is simclock.Violation
    assert error.site == line_of(worker, "always(")


def test_a_thread_that_the_scenario_leaves_can_still_fail_the_run():
    def worker():
        time.sleep(1)
        always(False, "so")

    error = simclock.explore(lambda: threading.Thread(target=worker).start(), runs=3).failure.error

    assert error.site == line_of(worker, "always(")
    assert innermost(error) == error.site


def test_an_inner_simulation_counts_for_the_outer_one():
    def inner():
        sometimes(True, "inside")
        always(False, "so")

    with simclock.Simulation() as sim:
        with pytest.raises(simclock.Violation):
            simclock.run(inner)
        always(True, "outside")

    assert [(each.message, each.held) for each in sim.predicates] == [
        ("inside", 1),
        ("so", 0),
        ("outside", 1),
    ]


# ------------------------------------------------------------------------- arguments


@pytest.mark.parametrize("condition", [lambda: False, [].append, "".join, threading.Lock().locked])
def test_what_is_always_true_is_no_condition(condition):
    with pytest.raises(TypeError, match="this is no condition, it is always true"):
        always(condition, "so")


def test_a_coroutine_is_no_condition():
    async def condition():
        return False

    with pytest.raises(TypeError, match=r"this is no condition, .*condition\ncall it, or await it"):
        never(condition(), "so")


def test_a_condition_may_be_anything_that_is_true_or_false():
    always("text", "so")
    never((), "so")
    with simclock.Simulation() as sim:
        sometimes([1], "so")
        sometimes(0, "so")

    assert list(sim.predicates) == [
        predicates.Predicate("sometimes", "so", __file__, sim_line(sim), 2, 1)
    ]


def sim_line(sim):
    return next(iter(sim.predicates)).line


@pytest.mark.parametrize("message", ["", 3, None])
def test_what_is_no_message(message):
    with simclock.Simulation(), pytest.raises(TypeError, match="this is no message: "):
        sometimes(True, message)


def test_details_are_bounded_and_have_no_addresses():
    class Broken:
        def __repr__(self):
            raise ZeroDivisionError

    class Wordy:
        def __repr__(self):
            return "w" * 1000

    many = {f"d{number:02}": number for number in range(17)}
    with pytest.raises(simclock.Violation) as caught:
        always(
            False,
            "so",
            a=object(),
            b=Broken(),
            c=Wordy(),
            d=list(range(1000)),
            e="x" * 1000,
            **many,
        )

    lines = str(caught.value).splitlines()
    assert lines[1:4] == [
        "  a = <object>",
        "  b = <Broken, whose repr() fails>",
        f"  c = {'w' * 200}...",
    ]
    assert lines[4] == "  d = [0, 1, 2, 3, 4, 5, ...]"
    assert len(lines[5]) < 250
    assert lines[-2] == "  and 2 more"
    assert len(lines) == 1 + 20 + 2


# ------------------------------------------------------------------------ eventually


def test_eventually_waits_until_it_is_so():
    def scenario():
        log = []
        threading.Timer(3, log.append, ["a"]).start()
        threading.Timer(7, log.append, ["b"]).start()
        eventually(lambda: "b" in log, within=10)
        return simclock.active().elapsed

    assert simclock.run(scenario) == 7


def test_eventually_is_looked_at_when_all_has_happened_that_can_happen_now():
    def scenario():
        box = queue.Queue()
        threading.Thread(target=lambda: [box.put(1), box.put(2), box.get()]).start()
        eventually(lambda: box.qsize() == 1, within=0)
        return simclock.active().elapsed

    assert simclock.run(scenario) == 0


@pytest.mark.parametrize("strategy", ["random", "pct", "pos"])
def test_eventually_holds_under_each_schedule(strategy):
    def scenario():
        box = []

        def worker():
            for _ in range(3):
                time.sleep(0.1)
            box.append(1)

        threading.Thread(target=worker).start()
        eventually(lambda: box, within=1)

    assert simclock.explore(scenario, runs=50, strategy=strategy).verdict == "passed"


def test_eventually_fails_in_time():
    def scenario():
        threading.Timer(5.5, print).start()
        try:
            eventually(lambda: False, "it rains", within=5)
        finally:
            times.append(simclock.active().elapsed)

    times = []
    with pytest.raises(simclock.Violation) as caught:
        simclock.run(scenario)

    assert times == [5]
    assert str(caught.value).splitlines()[0] == "eventually 'it rains': it was not true within 5 s"
    assert caught.value.site == line_of(scenario, "eventually(")


def test_eventually_is_named_by_its_predicate():
    class Rains:
        def __call__(self):
            return False

    def it_rains():
        return False

    for predicate, name in ((it_rains, "it_rains"), (Rains(), "Rains")):
        with pytest.raises(simclock.Violation, match=rf"^eventually '.*{name}': it was not true"):
            simclock.run(lambda: eventually(predicate, within=1))  # noqa: B023


def test_eventually_fails_where_nothing_can_happen_any_more():
    with pytest.raises(simclock.Violation):
        simclock.run(lambda: eventually(lambda: False, within=1e6))


def test_a_predicate_may_wait():
    def slow():
        time.sleep(2)
        return simclock.active().elapsed > 2

    def scenario():
        eventually(slow, within=3)
        return simclock.active().elapsed

    # The second call has begun in time.
    assert simclock.run(scenario) == 5


def test_what_a_predicate_raises_goes_through():
    with pytest.raises(ZeroDivisionError):
        simclock.run(lambda: eventually(lambda: 1 / 0, within=1))


def test_two_threads_wait_for_each_other():
    def scenario():
        box = []

        def other():
            eventually(lambda: 1 in box, within=5)
            box.append(2)

        threading.Thread(target=other).start()
        time.sleep(1)
        box.append(1)
        eventually(lambda: 2 in box, within=5)

    assert simclock.explore(scenario, runs=30).verdict == "passed"


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((3, ""), TypeError, "this is no predicate: 3"),
        ((True, "so"), TypeError, "this is no predicate: True"),
    ],
)
def test_what_is_no_predicate(arguments, error, text):
    with pytest.raises(error, match=text):
        eventually(*arguments, within=1)


@pytest.mark.parametrize("within", [-1, float("nan"), float("inf"), "1", None])
def test_what_is_no_time(within):
    with pytest.raises(ValueError, match="cannot wait within"):
        eventually(lambda: True, within=within)


def test_a_coroutine_function_is_for_tasks():
    async def predicate():
        return True

    with pytest.raises(TypeError, match=r"coroutine function\nawait aeventually\(\) instead"):
        eventually(predicate, within=1)


@pytest.mark.parametrize("run", [asyncio.run, lambda main: trio.run(lambda: main)])
def test_a_task_waits_while_its_loop_goes_on(run):
    log = []

    async def predicate():
        return len(log) > 1

    async def append():
        for _ in range(2):
            await nap(3)
            log.append(simclock.active().elapsed)

    async def nap(seconds):
        await (asyncio if run is asyncio.run else trio).sleep(seconds)

    async def main():
        if run is asyncio.run:
            task = asyncio.create_task(append())
            await aeventually(predicate, within=9)
            await task
        else:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(append)
                await aeventually(lambda: len(log) > 1, within=9)
        assert simclock.active().elapsed == 6

    simclock.run(lambda: run(main()))
    assert log == [3, 6]


def test_a_task_is_told_where_it_waited_in_vain():
    async def scenario():
        await aeventually(lambda: False, "it rains", within=5)

    error = simclock.explore(scenario, runs=3).failure.error

    assert error.site == line_of(scenario, "await aeventually(")


def test_a_task_that_keeps_its_loop_waiting_is_told_what_to_do():
    async def scenario():
        eventually(lambda: False, within=5)

    error = simclock.explore(scenario, runs=1).failure.error

    assert str(error).splitlines()[1] == (
        "  the loop of asyncio stood still meanwhile: await aeventually() instead"
    )


def test_only_tasks_await():
    with pytest.raises(RuntimeError, match=r"aeventually\(\) was awaited in no task of asyncio"):
        aeventually(lambda: True, within=1).send(None)


# ----------------------------------------------------------------------- invariants


def transfer(accounts):
    accounts["a"] -= 1
    time.sleep(0)
    accounts["b"] += 1


def test_an_invariant_is_looked_at_wherever_another_thread_may_go_on():
    def scenario():
        accounts = {"a": 1, "b": 0}

        @simclock.active().invariant
        def total():
            return accounts["a"] + accounts["b"] == 1

        in_thread(lambda: transfer(accounts))

    report = simclock.explore(scenario, runs=3)
    error = report.failure.error

    assert report.failure.reproduced == 10
    assert error.site == line_of(scenario, "@simclock")
    name = "test_an_invariant_is_looked_at_wherever_another_thread_may_go_on.<locals>.scenario.<locals>.total"
    assert str(error).splitlines() == [
        f"invariant {name!r} of {error.site}",
        "  did not hold",
        f"  after a step of thread 0.1 at {line_of(transfer, 'sleep')}",
    ]
    assert innermost(error) == line_of(transfer, "sleep")


def test_an_invariant_that_holds_changes_nothing():
    def scenario(*invariants):
        with simclock.Simulation() as sim:
            for each in invariants:
                sim.invariant(each)
            lock = threading.Lock()

            def work():
                for _ in range(150):
                    with lock:
                        time.monotonic()
                time.sleep(1)

            threads = [threading.Thread(target=work) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return sim.trace.digest

    calls = []
    lock = threading.RLock()

    def reads():
        calls.append(time.monotonic())
        with lock:
            time.sleep(0)
        return True

    assert scenario(reads) == scenario()
    assert len(calls) > 600


@pytest.mark.parametrize("strategy", ["random", "pct"])
def test_an_invariant_that_holds_leaves_the_schedules_as_they_are(strategy):
    def scenario(*, watched):
        sim = simclock.active()
        if watched:
            sim.invariant(lambda: [time.monotonic(), lock.locked()])
        lock = threading.Lock()

        def work():
            with lock:
                time.sleep(0.1)

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        digests.append(sim.trace.digest)

    found = []
    for watched in (False, True):
        digests = []
        simclock.explore(functools.partial(scenario, watched=watched), runs=20, strategy=strategy)
        found.append(digests)

    assert found[0] == found[1]


def test_an_invariant_may_consist_of_assertions():
    def scenario():
        box = []

        def empty():
            assert box == []

        simclock.active().invariant(empty)
        box.append(1)
        time.sleep(1)

    error = simclock.explore(scenario, runs=1).failure.error

    assert str(error).splitlines()[1].startswith("  raised AssertionError: ")
    assert isinstance(error.__cause__, AssertionError)
    assert innermost(error) == line_of(scenario, "time.sleep")


def test_an_invariant_that_looks_at_the_time_is_looked_at_when_it_has_passed():
    def scenario():
        sim = simclock.active()
        sim.invariant(lambda: sim.elapsed < 5)
        time.sleep(7)
        found.append("not reached")

    found = []
    error = simclock.explore(scenario, runs=1).failure.error

    assert isinstance(error, simclock.Violation)
    assert found == []


@pytest.mark.parametrize("before", [True, False])
def test_tasks_are_looked_at_between_their_steps(before):
    def watch(box):
        simclock.active().invariant(lambda: not box)

    async def step(box):
        box.append(1)
        await asyncio.sleep(0)
        box.pop()

    async def main(box):
        if not before:
            watch(box)
        await asyncio.gather(step(box), asyncio.sleep(0))

    def scenario():
        box = []
        if before:
            watch(box)
        asyncio.run(main(box))

    assert isinstance(simclock.explore(scenario, runs=1).failure.error, simclock.Violation)


def test_tasks_of_trio_are_looked_at_between_its_turns():
    def scenario():
        box = []
        simclock.active().invariant(lambda: not box)

        async def main():
            box.append(1)
            await trio.sleep(0)
            box.pop()

        trio.run(main)

    assert isinstance(simclock.explore(scenario, runs=1).failure.error, simclock.Violation)


def test_who_observes_the_trace_sees_the_step_before_the_failure():
    class Plugin:
        @simclock.hookimpl
        def simclock_trace_observers(self, simulation):
            return [lambda record: seen.append(record.kind)]

    async def append():
        box.append(1)

    async def main():
        await asyncio.gather(append(), asyncio.sleep(0))

    def scenario():
        simclock.active().invariant(lambda: not box)
        asyncio.run(main())

    seen, box = [], []
    simclock.register(plugin := Plugin())
    try:
        with pytest.raises(simclock.Violation):
            simclock.run(scenario)
    finally:
        simclock.unregister(plugin)

    assert seen[:4] == ["step", "step", "step", "fail"]


def _take(lock):
    with lock:
        return True


def _sleep():
    time.sleep(1)


def _start():
    threading.Thread(target=print, daemon=True).start()


@pytest.mark.parametrize("what", [_take, _sleep, _start])
def test_an_invariant_must_not_wait(what):
    def scenario():
        lock = threading.Lock()
        invariant = functools.partial(_take, lock) if what is _take else what

        def swallows():
            try:
                return invariant()
            except RuntimeError:
                return True

        simclock.active().invariant(swallows)
        with lock:
            time.sleep(1)

    error = simclock.explore(scenario, runs=1).failure.error

    assert type(error) is RuntimeError
    assert str(error).startswith("an invariant would wait: 'test_an_invariant_must_not_wait.")
    assert str(error).endswith("nor wait for a lock that is not free")


def test_a_statement_in_an_invariant_is_the_failure():
    def scenario():
        simclock.active().invariant(lambda: always(False, "so"))
        time.sleep(1)

    with pytest.raises(simclock.Violation, match=r"^always 'so'"):
        simclock.run(scenario)


def test_a_wish_to_end_in_an_invariant_is_heard():
    def scenario():
        simclock.active().invariant(functools.partial(_raise, KeyboardInterrupt))
        time.sleep(1)

    with pytest.raises(KeyboardInterrupt):
        simclock.run(scenario)


def test_an_invariant_is_looked_at_before_each_line_that_is_a_checkpoint():
    def scenario():
        shared = [0]
        simclock.active().invariant(lambda: shared[0] == 0)
        shared[0] += 1
        shared[0] -= 1

    assert simclock.explore(scenario, runs=1).verdict == "passed"
    report = simclock.explore(scenario, runs=1, lines=[__name__])
    assert isinstance(report.failure.error, simclock.Violation)


def test_after_the_first_failure_and_at_the_end_no_invariant_is_called():
    calls = []

    def scenario():
        threading.Thread(target=time.sleep, args=(5,)).start()
        sim = simclock.active()
        sim.invariant(lambda: calls.append(sim.elapsed))

    simclock.run(scenario)

    assert set(calls) <= {0.0}


def test_invariants_end_with_the_stretch():
    from simclock import harness

    calls = []
    used = harness.Harness(simclock.Simulation())
    used.open()
    used.come_back()
    used.simulation.invariant(lambda: calls.append(1))
    time.sleep(1)
    assert calls
    used.begin("next", 0)
    calls.clear()
    time.sleep(1)
    used.close(None)

    assert calls == []


async def _is_well():
    return True


@pytest.mark.parametrize("function", [3, _is_well])
def test_what_is_no_invariant(function):
    with simclock.Simulation() as sim, pytest.raises(TypeError, match="this is no invariant"):
        sim.invariant(function)


def test_an_invariant_may_be_an_object_that_can_be_called():
    class Total:
        def __call__(self):
            return False

    def scenario():
        simclock.active().invariant(Total())
        time.sleep(1)

    with pytest.raises(simclock.Violation, match=r"^invariant 'Total' of test_predicates.py:"):
        simclock.run(scenario)


# -------------------------------------------------------------------- over a search


def timed_out_or_not():
    answers = queue.Queue()
    threading.Timer(0.05, answers.put, ["tea"]).start()
    try:
        answers.get(timeout=0.1)
    except queue.Empty:
        sometimes(True, "no answer in time")
    else:
        sometimes(True, "an answer in time")


def test_a_search_counts_over_all_its_runs():
    report = simclock.explore(timed_out_or_not, runs=50)
    counts = {each.message: (each.asked, each.held) for each in report.evidence.predicates}

    assert report.verdict == "passed"
    assert sum(asked for asked, _ in counts.values()) == 50
    assert counts["no answer in time"][0] > 0


def test_what_was_never_true_makes_a_search_inconclusive():
    def scenario():
        sometimes(False, "it rains")

    report = simclock.explore(scenario, runs=3, strategy="random")
    said = f"never true: sometimes 'it rains', asked 3 times, {line_of(scenario, 'sometimes')}"

    assert (report.verdict, report.evidence.doubts) == ("inconclusive", (said,))
    assert f"  not seen: {said}" in str(report)
    assert "1 statement, come to 3 times" in str(report)
    with pytest.warns(UserWarning, match="it rains"):
        report.check()


def test_what_its_source_states_and_nobody_comes_to_makes_a_search_inconclusive():
    def scenario():
        if simclock.active().elapsed:
            always(True, "rain", wet=True)
            sometimes(True, message="hail")
            predicates.reachable("snow")
            never(True, "frogs")

        def inner():
            reachable("sun")

    report = simclock.explore(scenario, runs=3)

    assert [each.split(",")[0] for each in report.evidence.unmet] == [
        "never reached: always 'rain'",
        "never reached: sometimes 'hail'",
        "never reached: reachable 'snow'",
        "never reached: reachable 'sun'",
    ]


def test_a_proof_is_one_although_something_was_not_seen():
    report = simclock.explore(lambda: sometimes(False, "it rains"), strategy="dfs")

    assert (report.exhausted, report.verdict) == (True, "inconclusive")


def test_a_failure_ends_a_search_and_what_was_not_seen_until_then_is_no_doubt():
    def scenario():
        sometimes(False, "it rains")
        raise ZeroDivisionError

    report = simclock.explore(scenario, runs=3)

    assert (report.verdict, report.evidence.unmet) == ("failed", ())


def state_much():
    for number in range(predicates.MOST + 5):
        sometimes(True, f"number {number}")
    always(True, "the first")


def test_messages_that_are_no_literals_are_bounded_and_told():
    report = simclock.explore(state_much, runs=2)

    assert len(report.evidence.predicates) == predicates.MOST
    assert report.evidence.doubts == (
        "more than 1000 messages: let each be a literal, and put values into the details",
    )


def in_a_worker():
    reachable("here")
    sometimes(False, "it rains")
    if simclock.active().seed:
        reachable("elsewhere")


def test_parts_of_an_executor_add_up():
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        report = simclock.explore(in_a_worker, runs=250, strategy="random", executor=pool)
    alone = simclock.explore(in_a_worker, runs=250, strategy="random")

    assert [each[:2] + each[4:] for each in report.evidence.predicates] == [
        ("reachable", "here", 250, 250),
        ("sometimes", "it rains", 250, 0),
        ("reachable", "elsewhere", 0, 0),
    ]
    assert report.evidence.predicates == alone.evidence.predicates
    assert report.evidence.unmet == alone.evidence.unmet


# -------------------------------------------------------------------- the catalogue


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from simclock.predicates import always\nalways(x, 'so')", [("always", "so", 2)]),
        ("from simclock.predicates import always as a\na(x, 'so')", [("always", "so", 2)]),
        ("from simclock.predicates import *\nreachable('so')", [("reachable", "so", 2)]),
        ("from simclock import predicates as p\np.reachable('so')", [("reachable", "so", 2)]),
        ("from simclock import predicates\npredicates.never(x, 'so')", []),
        (
            "import simclock.predicates\nsimclock.predicates.sometimes(x, 'so')",
            [("sometimes", "so", 2)],
        ),
        (
            "import simclock.predicates as p, os\np.sometimes(x, message='so')",
            [("sometimes", "so", 2)],
        ),
        (
            "def f():\n from simclock.predicates import always\n always(x,\n  'so')",
            [("always", "so", 3)],
        ),
        (
            "from simclock.predicates import always\nalways(x, f'so {x}')\nalways(x)\nalways(x, 3)",
            [],
        ),
        ("from mine import always\nalways(x, 'so')", []),
        ("from simclock import active\nactive().always(x, 'so')", []),
        ("def", []),
    ],
)
def test_statements_are_found_in_sources(tmp_path, source, found):
    path = tmp_path / "source.py"
    path.write_text(source)

    assert [
        (each.kind, each.message, each.line) for each in searching.statements_in(str(path))
    ] == found


def test_what_has_no_source_states_nothing():
    assert searching.statements_in("/nowhere/source.py") == []
    assert searching.statements_of(print) == []
    assert searching.statements_of(functools.partial(print)) == []


def test_statements_of_a_function_are_its_own():
    found = searching.statements_of(functools.partial(functools.partial(in_a_worker)))

    assert [each.message for each in found] == ["here", "it rains", "elsewhere"]
