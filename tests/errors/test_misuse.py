from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta, timezone

import pytest

import simclock
from simclock import Simulation

NOT_OPEN = "this simulation is not open\nuse it in a with statement"
CLOSED = "this simulation is closed\nmake a new Simulation for each run"
NOT_HERE = (
    "only a thread of the innermost simulation can wait in it\n"
    "call this from a simulated thread, and not inside another simulation or real_time()"
)

WAITS = {
    "sleep": lambda sim: sim.sleep(1),
    "settle": lambda sim: sim.settle(),
    "checkpoint": lambda sim: sim.checkpoint("here"),
}
WORLD = {"hold": lambda sim: sim.hold("x"), "real_time": lambda sim: sim.real_time()}
FACTS = {
    "elapsed": lambda sim: sim.elapsed,
    "elapsed_ns": lambda sim: sim.elapsed_ns,
    "now_ns": lambda sim: sim.now_ns,
    "threads": lambda sim: sim.threads,
    "trace": lambda sim: sim.trace,
    "failure": lambda sim: sim.failure,
}


def text_of(function, *args) -> str:
    with pytest.raises(RuntimeError) as caught:
        function(*args)
    return str(caught.value)


@pytest.mark.parametrize("call", [*WAITS.values(), *WORLD.values(), *FACTS.values()])
def test_nothing_works_before_it_is_open(call):
    assert text_of(call, Simulation()) == NOT_OPEN


@pytest.mark.parametrize("call", [*WAITS.values(), *WORLD.values()])
def test_nobody_waits_in_it_once_it_is_closed(call):
    with Simulation() as sim:
        pass
    assert text_of(call, sim) == CLOSED


def test_facts_are_kept_once_it_is_closed():
    with Simulation() as sim:
        time.sleep(1.5)
        sim.checkpoint("here")
    assert (sim.elapsed, sim.elapsed_ns, sim.now_ns) == (1.5, 1_500_000_000, 1_001_500_000_000)
    assert [thread.path for thread in sim.threads] == ["0"]
    assert sim.failure is None
    assert ("mark", "here") in [(record.kind, record.detail) for record in sim.trace.records]


def test_it_opens_once():
    with Simulation() as sim:
        assert text_of(sim.__enter__) == (
            "a simulation can be opened once\nmake a new Simulation for each run"
        )
    assert text_of(sim.__enter__).startswith("a simulation can be opened once\n")


def test_closing_it_again_does_nothing():
    with Simulation() as sim:
        sim.__exit__(None, None, None)
        assert simclock.active() is None
    assert sim.__exit__(None, None, None) is None


@pytest.mark.parametrize("call", WAITS.values())
def test_a_foreign_thread_cannot_wait_in_it(call, foreign):
    texts, go = [], threading.Event()

    def meddle():
        go.wait()
        texts.append(text_of(call, sim))

    thread = foreign(meddle)
    with Simulation() as sim:
        go.set()
        with sim.real_time():
            thread.join()
    assert texts == [NOT_HERE]


@pytest.mark.parametrize("call", WAITS.values())
def test_nobody_waits_in_the_outer_of_two(call):
    with Simulation() as outer:
        with Simulation():
            assert text_of(call, outer) == NOT_HERE
        with outer.real_time():
            assert text_of(call, outer) == NOT_HERE
        call(outer)


@pytest.mark.parametrize("who", ["a simulated thread", "inside another", "real time"])
def test_only_its_own_thread_closes_it_and_the_innermost_first(who):
    expected = (
        "a simulation is closed by the thread that opened it, innermost first\n"
        "use it in a with statement"
    )
    texts = []

    def close():
        texts.append(text_of(sim.__exit__, None, None, None))

    with Simulation() as sim:
        if who == "a simulated thread":
            thread = threading.Thread(target=close)
            thread.start()
            thread.join()
        elif who == "inside another":
            with Simulation():
                close()
        else:
            with sim.real_time():
                close()
        time.sleep(1)
    assert (texts, sim.elapsed) == ([expected], 1.0)


OPTIONS = [
    ({"seed": "x"}, TypeError, "seed must be an integer: 'x'\ngive a number such as 0"),
    (
        {"external": "wait"},
        ValueError,
        "unknown external policy: 'wait'\nchoose one of hold, strict, ignore",
    ),
    (
        {"epoch": datetime(2000, 1, 1)},
        ValueError,
        (
            "epoch has no time zone: datetime.datetime(2000, 1, 1, 0, 0)\n"
            "give it one, such as tzinfo=timezone.utc"
        ),
    ),
    (
        {"epoch": "now"},
        TypeError,
        (
            "epoch is no time: 'now'\ngive POSIX seconds or an aware datetime, "
            "such as datetime(2024, 2, 29, 12, tzinfo=timezone.utc)"
        ),
    ),
    (
        {"epoch": "2024-02-29T12:00:00+00:00"},
        TypeError,
        (
            "epoch is no time: '2024-02-29T12:00:00+00:00'\n"
            "give POSIX seconds or an aware datetime, "
            "such as datetime.fromisoformat('2024-02-29T12:00:00+00:00')"
        ),
    ),
    (
        {"epoch": "2024-02-29"},
        TypeError,
        (
            "epoch is no time: '2024-02-29'\ngive POSIX seconds or an aware datetime, "
            "such as datetime.fromisoformat('2024-02-29T00:00:00+00:00')"
        ),
    ),
    (
        {"epoch": 1e10},
        ValueError,
        "epoch is out of range: 10000000000.0\ngive POSIX seconds up to 6e+09",
    ),
    (
        {"epoch": datetime(2500, 1, 1, tzinfo=timezone.utc)},
        ValueError,
        "epoch is out of range: 16725225600\ngive POSIX seconds up to 6e+09",
    ),
    *(
        (
            {name: value},
            ValueError,
            f"{name} is out of range: {value!r}\ngive a number, {least}, up to {most}",
        )
        for name, least, most in [
            ("max_time", "more than 0", "3e+09"),
            ("max_steps", "1 or more", "1e+18"),
            ("max_steps_per_instant", "1 or more", "1e+18"),
            ("watchdog", "more than 0", "1e+18"),
        ]
        for value in (0, -1, float("nan"), float("inf"))
    ),
    (
        {"drain": -0.5},
        ValueError,
        "drain is out of range: -0.5\ngive a number, 0 or more, up to 3.16224e+07",
    ),
    (
        {"max_steps": 0.5},
        ValueError,
        "max_steps is out of range: 0.5\ngive a number, 1 or more, up to 1e+18",
    ),
    (
        {"watchdog": None},
        TypeError,
        "watchdog must be a number: None\ngive a number, more than 0, up to 1e+18",
    ),
]


@pytest.mark.parametrize(("options", "kind", "text"), OPTIONS, ids=[str(row[0]) for row in OPTIONS])
def test_options_without_a_meaning(options, kind, text):
    with pytest.raises(kind) as caught:
        Simulation(**options)
    assert str(caught.value) == text


def test_an_unknown_option_and_too_many_arguments_are_type_errors():
    with pytest.raises(TypeError, match="timeout"):
        simclock.run(int, timeout=1)
    with pytest.raises(TypeError):
        Simulation(0, 0.0, "hold", 1)


def test_an_epoch_is_an_aware_datetime_or_posix_seconds():
    for epoch in (1_000_000_000, 1e9, datetime(2001, 9, 9, 1, 46, 40, tzinfo=timezone.utc)):
        assert simclock.run(time.time, epoch=epoch) == 1e9
    east = timezone(timedelta(hours=2))
    moment = datetime(2001, 9, 9, 3, 46, 40, 250_000, tzinfo=east)
    assert simclock.run(time.time_ns, epoch=moment) == 1_000_000_000_250_000_000


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_a_sleep_of_no_duration(seconds):
    with Simulation() as sim:
        with pytest.raises(ValueError, match="cannot sleep for ") as caught:
            sim.sleep(seconds)
        assert str(caught.value) == (
            f"cannot sleep for {seconds!r} seconds\ngive a number that is not negative"
        )


def test_run_returns_the_result_and_hands_on_the_arguments():
    def program(*args):
        time.sleep(1)
        return args, simclock.active().elapsed

    assert simclock.run(program, 1, "two", epoch=0.0) == ((1, "two"), 1.0)
    assert simclock.active() is None


def test_active_tells_the_simulation_of_the_calling_thread(foreign):
    seen, go = [], threading.Event()
    thread = foreign(lambda: (go.wait(), seen.append(simclock.active())))
    with Simulation() as sim:
        go.set()
        with sim.real_time():
            thread.join()
        worker = threading.Thread(target=lambda: seen.append(simclock.active()))
        worker.start()
        worker.join()
        assert simclock.active() is sim
    assert seen == [None, sim]


def test_sleep_settles_and_settle_moves_no_time():
    log = []

    def work(name, seconds):
        time.sleep(seconds)
        log.append((sim.elapsed, name))
        time.sleep(0)
        log.append((sim.elapsed, f"{name} again"))

    with Simulation() as sim:
        for name in ("a", "b"):
            threading.Thread(target=work, args=(name, 2)).start()
        sim.settle()
        log.append((sim.elapsed, "settled"))
        sim.sleep(2)
        log.append((sim.elapsed, "slept"))
    assert log == [
        (0.0, "settled"),
        (2.0, "a"),
        (2.0, "a again"),
        (2.0, "b"),
        (2.0, "b again"),
        (2.0, "slept"),
    ]


def test_time_sleep_of_as_long_wakes_first_and_does_not_settle():
    log = []
    with Simulation() as sim:
        timer = threading.Timer(2, lambda: log.append((sim.elapsed, "timer")))
        timer.start()
        time.sleep(2)
        log.append((sim.elapsed, "slept"))
        sim.settle()
        log.append((sim.elapsed, "settled"))
    assert sorted(log[:2]) == [(2.0, "slept"), (2.0, "timer")]
    assert log[2] == (2.0, "settled")


def test_two_settlers_both_return():
    log = []

    def settle():
        sim.settle()
        log.append((sim.elapsed, "thread"))

    with Simulation() as sim:
        threading.Thread(target=settle).start()
        sim.settle()
        log.append((sim.elapsed, "root"))
        sim.sleep(1)
    assert sorted(log) == [(0.0, "root"), (0.0, "thread")]


def test_threads_tell_path_name_state_and_what_they_wait_for():
    lock = threading.Lock()
    with Simulation() as sim:
        lock.acquire()
        workers = [
            threading.Thread(target=lock.acquire, name="locked"),
            threading.Thread(target=time.sleep, args=(1,), name="asleep"),
        ]
        for worker in workers:
            worker.start()
        sim.settle()
        assert [
            (thread.path, thread.name, thread.state.value, thread.waiting_for)
            for thread in sim.threads
        ] == [
            ("0", "root", "runnable", None),
            ("0.1", "locked", "blocked", "lock"),
            ("0.2", "asleep", "blocked", "sleep"),
        ]
        assert [thread.ident for thread in sim.threads[1:]] == [t.ident for t in workers]
        asleep = sim.threads[2]
        lock.release()
        sim.sleep(1)
        assert [thread.path for thread in sim.threads] == ["0"]
        assert (asleep.state, repr(asleep)) == (
            simclock.ThreadState.FINISHED,
            "<SimThread 0.2 'asleep' finished>",
        )


def test_the_trace_has_the_same_records_and_digest_in_each_run():
    def program():
        threading.Thread(target=time.sleep, args=(1,)).start()
        time.sleep(2)
        simclock.active().checkpoint("here")

    traces = []
    for _ in range(2):
        with Simulation() as sim:
            program()
        traces.append((sim.trace.records, sim.trace.digest, len(sim.trace)))
    assert traces[0] == traces[1]
    kinds = [record.kind for record in traces[0][0]]
    assert (kinds.count("start"), kinds.count("end"), kinds.count("jump")) == (1, 1, 2)
    assert [record.time_ns for record in traces[0][0] if record.kind == "mark"] == [
        1_002_000_000_000
    ]
