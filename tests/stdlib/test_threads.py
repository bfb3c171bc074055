from __future__ import annotations

import _thread
import contextvars
import sys
import threading
import time

import pytest

from simclock import Leak, Simulation, active

# Made when this module was imported: long before any simulation.
LOCAL = threading.local()
VARIABLE = contextvars.ContextVar("VARIABLE", default="default")


def start(*targets):
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    return threads


def join(threads):
    for thread in threads:
        thread.join()


@pytest.fixture
def hooked(monkeypatch):
    """Collect what `threading.excepthook` is told."""
    told = []

    def hook(args):
        told.append((args.exc_type, str(args.exc_value), args.thread.name))

    monkeypatch.setattr(threading, "excepthook", hook)
    return told


# -------------------------------------------------------------------- start and join


def test_threads_run_from_their_start_until_they_wait(log):
    def work(name, seconds):
        log((name, "starts"))
        time.sleep(seconds)
        log((name, "ends"))

    with Simulation():
        first = threading.Thread(target=work, args=("first", 2))
        second = threading.Thread(target=work, kwargs={"name": "second", "seconds": 1})
        first.start()
        log("between")
        second.start()
        first.join()
        log("joined")
        second.join()

    assert log == [
        (0.0, ("first", "starts")),
        (0.0, "between"),
        (0.0, ("second", "starts")),
        (1.0, ("second", "ends")),
        (2.0, ("first", "ends")),
        (2.0, "joined"),
    ]


def test_subclasses_of_thread_work(log):
    class Worker(threading.Thread):
        def __init__(self, seconds):
            super().__init__(name=f"worker-{seconds}", daemon=True)
            self.seconds = seconds

        def run(self):
            time.sleep(self.seconds)
            log(self.name)

        def start(self):
            log("starting")
            super().start()

        def join(self, timeout=None):
            log("joining")
            super().join(timeout)

    with Simulation():
        worker = Worker(3)
        worker.start()
        worker.join(1)
        assert worker.is_alive()
        worker.join()
        assert not worker.is_alive()

    assert log == [(0.0, "starting"), (0.0, "joining"), (1.0, "joining"), (3.0, "worker-3")]


@pytest.mark.parametrize(
    ("timeout", "waited", "alive"),
    [
        (None, 5.0, False),
        (2, 2.0, True),
        (2.5, 2.5, True),
        (0, 0.0, True),
        (-1, 0.0, True),
        (1e-9, 1e-9, True),
        (100, 5.0, False),
    ],
)
def test_join_gives_up_exactly_at_its_timeout(timeout, waited, alive):
    with Simulation() as sim:
        [thread] = start(lambda: time.sleep(5))
        assert thread.join(timeout) is None

        assert sim.elapsed == waited
        assert thread.is_alive() is alive
        thread.join()
        thread.join()  # as often as one likes
        assert sim.elapsed == 5.0


def test_misuse_of_threads_gives_the_errors_of_the_original(outcome):
    def misuse():
        thread = threading.Thread(target=print, args=(), kwargs={"end": ""})
        found = [outcome(thread.join), outcome(threading.current_thread().join)]
        thread.start()
        found.append(outcome(thread.start))
        thread.join()
        found.append(outcome(thread.start))
        return found

    original = misuse()
    with Simulation():
        simulated = misuse()

    assert simulated == original
    assert original[0][0] is RuntimeError
    assert original[1][0] is RuntimeError


@pytest.mark.parametrize("timeout", ["x", 1e300, float("inf"), []], ids=repr)
def test_wrong_timeouts_of_join_give_the_errors_of_the_original(timeout, outcome):
    def misuse():
        go = threading.Event()
        [thread] = start(go.wait)
        found = outcome(thread.join, timeout)
        go.set()
        thread.join()
        return found

    original = misuse()
    with Simulation():
        simulated = misuse()

    assert original[0] != "returned"
    assert simulated == original


def test_threads_start_threads_and_several_join_one(log):
    def child():
        time.sleep(2)
        log("child")

    def parent():
        join(start(child))
        log("parent")

    with Simulation() as sim:
        [thread] = start(parent)
        others = start(*[lambda: (thread.join(), log("other"))] * 2)
        assert [entry.path for entry in sim.threads] == ["0", "0.1", "0.1.1", "0.2", "0.3"]
        join(others)

    assert log == [(2.0, "child"), (2.0, "parent"), (2.0, "other"), (2.0, "other")]


def test_daemon_threads_are_unwound_silently_and_others_are_leaks(log):
    def forever():
        try:
            while True:
                time.sleep(40)
                log("tick")
        finally:
            log("unwound")

    with Simulation(drain=100):
        threading.Thread(target=forever, daemon=True).start()

    with pytest.raises(Leak, match="never have ended"), Simulation(drain=1):
        start(forever)

    assert [what for _, what in log] == ["tick", "tick", "unwound", "unwound"]


# ------------------------------------------------------------------------- identity


def test_every_thread_knows_itself():
    seen = []

    def look():
        me = threading.current_thread()
        seen.append(me is threads[len(seen)])
        seen.append(me.ident == threading.get_ident() == _thread.get_ident())
        seen.append(me.native_id == threading.get_native_id())
        seen.append(active() is sim)

    with Simulation() as sim:
        threads = [threading.Thread(target=look)] * 2
        threads[0].start()
        threads[0].join()

    assert seen == [True, True, True, True]


def test_main_thread_enumerate_and_active_count_tell_the_truth():
    outside = set(threading.enumerate())

    with Simulation():
        assert threading.current_thread() is threading.main_thread()
        threads = start(*[lambda: time.sleep(1)] * 3)
        assert set(threading.enumerate()) - outside == set(threads)
        assert threading.active_count() == len(outside) + 3
        assert len({thread.ident for thread in threads}) == 3
        assert all(thread.is_alive() for thread in threads)
        join(threads)
        assert set(threading.enumerate()) == outside


def test_default_names_start_from_1_in_each_simulation_and_go_on_outside():
    def names():
        threads = [threading.Thread(target=print) for _ in range(2)]
        return [thread.name for thread in [*threads, threading.Timer(1, print)]]

    before = int(threading.Thread().name.rpartition("-")[2])
    found = []
    for _ in range(2):
        with Simulation():
            found.append(names())
            with Simulation():
                found.append(names())
            found.append(threading.Thread().name)
    after = int(threading.Thread().name.rpartition("-")[2])

    assert (
        found
        == [
            ["Thread-1 (print)", "Thread-2 (print)", "Thread-3"],
            ["Thread-1 (print)", "Thread-2 (print)", "Thread-3"],
            "Thread-4",
        ]
        * 2
    )
    assert after == before + 1


def test_simulated_threads_are_listed_with_their_names_and_states():
    with Simulation() as sim:
        thread = threading.Thread(target=time.sleep, args=(1,), name="sleeper")
        thread.start()
        listed = [(entry.name, entry.state.value, entry.waiting_for) for entry in sim.threads]
        thread.name = "renamed"
        renamed = sim.threads[1].name
        thread.join()
        left = [entry.path for entry in sim.threads]

    assert listed == [("root", "runnable", None), ("sleeper", "blocked", "sleep")]
    assert renamed == "renamed"
    assert left == ["0"]


# ----------------------------------------------------------------------------- Timer


def test_a_timer_fires_at_its_instant_with_its_arguments(log):
    with Simulation():
        timer = threading.Timer(2.5, lambda *args, **kwargs: log((args, kwargs)), (1,), {"x": 2})
        timer.start()
        timer.join()
        assert timer.finished.is_set()

    assert log == [(2.5, ((1,), {"x": 2}))]


def test_a_cancelled_timer_ends_at_once_and_does_not_fire(log):
    with Simulation():
        timer = threading.Timer(5, log, ("fired",))
        timer.start()
        time.sleep(1)
        timer.cancel()
        timer.join()
        log("ended")
        never_started = threading.Timer(1, log, ("fired",))
        never_started.cancel()
        never_started.start()
        never_started.join()

    assert log == [(1.0, "ended")]


def test_equal_timers_fire_in_order_of_their_start(log):
    with Simulation() as sim:
        for name in "abc":
            threading.Timer(1, log, (name,)).start()
        sim.sleep(1)

    assert log == [(1.0, "a"), (1.0, "b"), (1.0, "c")]


# -------------------------------------------------------------- state of each thread


def test_thread_locals_made_at_import_are_new_in_each_thread():
    seen = []

    def look(value):
        seen.append(getattr(LOCAL, "value", None))
        LOCAL.value = value
        time.sleep(1)
        seen.append(LOCAL.value)

    with Simulation():
        LOCAL.value = "root"
        join(start(lambda: look(1), lambda: look(2)))
        join(start(lambda: look(3)))  # on the OS thread of one of the others
        seen.append(LOCAL.value)
    del LOCAL.value

    assert seen == [None, None, 1, 2, None, 3, "root"]


def test_a_thread_local_is_initialised_in_each_thread_and_destroyed_with_it(log):
    class Witness:
        def __del__(self):
            log("destroyed")

    class Local(threading.local):
        def __init__(self, name):
            self.name = [name, threading.current_thread().name]

    local = Local("given")

    def work():
        log(local.name)
        local.witness = Witness()
        time.sleep(1)

    with Simulation():
        threading.Thread(target=work, name="worker").start()
        log(local.name)
        time.sleep(2)

    root = threading.current_thread().name
    assert log == [(0.0, ["given", "worker"]), (0.0, ["given", root]), (1.0, "destroyed")]


def test_context_variables_start_anew_in_each_thread():
    seen = []

    def look(value):
        seen.append(VARIABLE.get())
        VARIABLE.set(value)
        time.sleep(1)
        seen.append(VARIABLE.get())

    with Simulation():
        token = VARIABLE.set("root")
        context = contextvars.copy_context()
        join(start(lambda: look(1), lambda: look(2)))
        join(start(lambda: look(3), lambda: context.run(look, 4)))
        seen.append(VARIABLE.get())
        VARIABLE.reset(token)

    assert seen == ["default", "default", 1, 2, "default", "root", 3, 4, "root"]


@pytest.mark.parametrize("kind", ["trace", "profile"])
def test_threads_get_the_trace_and_profile_functions_of_threading(kind):
    calls = []

    def function(frame, event, _):
        if event == "call" and frame.f_code is work.__code__:
            calls.append((frame.f_locals["name"], threading.current_thread().name))

    def work(name):
        time.sleep(1)

    def begin(name):
        thread = threading.Thread(target=work, args=(name,), name=name)
        thread.start()
        return thread

    setter = getattr(threading, f"set{kind}")
    before = getattr(threading, f"_{kind}_hook")
    with Simulation() as sim:
        threads = [begin("before")]
        setter(function)
        try:
            threads += [begin("one"), begin("two")]
        finally:
            setter(before)
        threads.append(begin("after"))
        join(threads)
        assert sim.elapsed == 1.0

    assert calls == [("one", "one"), ("two", "two")]


def test_a_trace_function_of_its_own_stays_with_its_thread():
    seen = []

    def look():
        mine = sys.gettrace()
        sys.settrace(trace)
        time.sleep(1)
        seen.append((mine, sys.gettrace()))
        sys.settrace(mine)

    def trace(*_):
        return None

    with Simulation():
        outer = threading.gettrace()
        threading.settrace(None)
        try:
            join(start(look, look))
            join(start(look))
        finally:
            threading.settrace(outer)

    assert seen == [(None, trace)] * 3


def test_the_recursion_limit_holds_in_each_thread():
    depths = []

    def dive(depth=0):
        try:
            return dive(depth + 1)
        except RecursionError:
            return depth

    def work():
        depths.append(dive())

    join(start(work))
    with Simulation():
        join(start(work, work))

    assert all(abs(depth - depths[0]) <= 5 for depth in depths)


def test_stack_size_applies_to_simulated_threads():
    depths = []

    def dive(depth):
        return [dive(depth - 1)] if depth else depths.append("deep")

    before = threading.stack_size(16 * 1024 * 1024)
    try:
        with Simulation():
            join(start(lambda: dive(500)))
    finally:
        threading.stack_size(before)

    assert depths == ["deep"]


# ---------------------------------------------------------------- how threads can end


def test_an_unhandled_exception_goes_to_excepthook_and_harms_nobody(hooked, log):
    def fail():
        time.sleep(1)
        raise ValueError("boom")

    def work():
        time.sleep(2)
        log("done")

    with Simulation():
        worker = threading.Thread(target=work)
        failing = threading.Thread(target=fail, name="failing")
        worker.start()
        failing.start()
        failing.join()
        log("joined")

    assert hooked == [(ValueError, "boom", "failing")]
    assert log == [(1.0, "joined"), (2.0, "done")]


def test_the_text_of_an_unhandled_exception_is_that_of_the_original(capsys):
    def fail():
        raise ValueError("boom")

    def text():
        thread = threading.Thread(target=fail, name="failing")
        thread.start()
        thread.join()
        return capsys.readouterr().err

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading, "excepthook", threading.__excepthook__)
        original = text()
        with Simulation():
            simulated = text()

    assert "Exception in thread failing:" in original
    assert simulated == original


def test_system_exit_ends_a_thread_silently(monkeypatch, capsys):
    def leave():
        raise SystemExit(3)

    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    with Simulation() as sim:
        join(start(leave, sys.exit))
        assert len(sim.threads) == 1

    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["start_new_thread", "start_new"])
def test_threads_started_below_threading_are_simulated(name, log):
    def work(*args, **kwargs):
        time.sleep(1)
        log((args, kwargs))

    with Simulation() as sim:
        ident = getattr(_thread, name)(work, (1, 2), {"x": 3})
        assert isinstance(ident, int)
        assert [(entry.name, entry.daemon) for entry in sim.threads[1:]] == [
            ("test_threads_started_below_threading_are_simulated.<locals>.work", True)
        ]
        assert sim.threads[1].ident == ident
        getattr(_thread, name)(work, ())
        sim.sleep(1)

    assert log == [(1.0, ((1, 2), {"x": 3})), (1.0, ((), {}))]


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((), {}),
        ((print,), {}),
        ((print, []), {}),
        ((1, ()), {}),
        ((print, (), 1), {}),
        ((print, (), None), {}),
        ((print, (), {}, 1), {}),
        ((print,), {"args": ()}),
    ],
    ids=repr,
)
def test_wrong_arguments_of_start_new_thread_give_the_errors_of_the_original(args, kwargs, outcome):
    original = outcome(_thread.start_new_thread, *args, **kwargs)

    with Simulation() as sim:
        simulated = outcome(_thread.start_new_thread, *args, **kwargs)
        assert len(sim.threads) == 1

    assert original[0] is TypeError
    assert simulated == original


@pytest.mark.parametrize("error", [SystemExit(), SystemExit(3), SystemExit("text")], ids=repr)
def test_system_exit_ends_a_thread_below_threading_silently(error, monkeypatch, capsys):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)

    def leave():
        raise error

    with Simulation() as sim:
        _thread.start_new_thread(leave, ())
        _thread.start_new_thread(_thread.exit, ())
        _thread.start_new_thread(sys.exit, ())
        sim.settle()
        assert len(sim.threads) == 1

    assert told == []
    assert capsys.readouterr() == ("", "")


def test_an_exception_below_threading_is_reported_as_by_the_original(monkeypatch):
    told = []

    def hook(unraisable):
        text = unraisable.err_msg
        told.append((unraisable.exc_type, str(unraisable.exc_value), text, unraisable.object))
        ended.release()

    def fail():
        raise ValueError("boom")

    monkeypatch.setattr(sys, "unraisablehook", hook)
    ended = threading.Lock()
    ended.acquire()
    _thread.start_new_thread(fail, ())
    ended.acquire()
    with Simulation():
        _thread.start_new_thread(fail, ())
        ended.acquire()

    original, simulated = told
    assert original[:2] == (ValueError, "boom")
    assert simulated == original


def test_a_thread_can_outlast_the_one_that_started_it(log):
    def grandchild():
        time.sleep(3)
        log("grandchild")

    def child():
        start(grandchild)
        log("child")

    with Simulation():
        start(child)

    assert log == [(0.0, "child"), (3.0, "grandchild")]


def test_threads_made_outside_can_be_started_inside_and_looked_at_afterwards(log):
    thread = threading.Thread(target=lambda: (time.sleep(2), log("ran")), name="made outside")

    with Simulation():
        thread.start()
        thread.join()
    thread.join()

    assert log == [(2.0, "ran")]
    assert not thread.is_alive()


def test_a_thousand_threads_wake_in_order(log):
    def work(number):
        time.sleep(number % 10)
        log(number)

    with Simulation():
        join(start(*[lambda number=number: work(number) for number in range(1000)]))

    assert log == [
        (float(second), number) for second in range(10) for number in range(second, 1000, 10)
    ]
