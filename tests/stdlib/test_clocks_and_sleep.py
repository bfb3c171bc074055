from __future__ import annotations

import datetime as dt
import threading
import time
from decimal import Decimal
from fractions import Fraction
from time import monotonic, monotonic_ns, perf_counter, perf_counter_ns, sleep

import pytest

from simclock import Simulation


class Indexed:
    def __index__(self):
        return 2


def stopwatch(clock=time.monotonic, pause=time.sleep):
    """Clocks bound as default arguments, when this module was imported."""
    start = clock()
    pause(2.5)
    return clock() - start


@pytest.mark.parametrize(
    ("seconds", "elapsed_ns"),
    [
        (0, 0),
        (0.0, 0),
        (-0.0, 0),
        (False, 0),
        (1, 10**9),
        (True, 10**9),
        (3.25, 3_250_000_000),
        (0.001, 1_000_000),
        (1e-9, 1),
        (1e-12, 1),
        (5e-324, 1),
        (1.0000000005, 1_000_000_001),
        (86400 * 365, 86400 * 365 * 10**9),
        (Indexed(), 2 * 10**9),
    ],
)
def test_sleep_takes_exactly_what_it_is_given_and_never_rounds_to_nothing(seconds, elapsed_ns):
    with Simulation() as sim:
        assert time.sleep(seconds) is None

        assert sim.elapsed_ns == elapsed_ns


@pytest.mark.parametrize(
    "args",
    [
        (),
        (1, 2),
        ("1",),
        (None,),
        ([],),
        (1j,),
        (-1,),
        (-0.5,),
        (-1e-12,),
        (Decimal(-1),),
        (float("nan"),),
        (float("inf"),),
        (float("-inf"),),
        (1e300,),
        (10**30,),
        (-(10**30),),
    ],
    ids=repr,
)
def test_wrong_arguments_of_sleep_give_the_errors_of_the_original(args, outcome):
    original = outcome(time.sleep, *args)

    with Simulation() as sim:
        simulated = outcome(time.sleep, *args)
        assert sim.elapsed_ns == 0

    assert original[0] != "returned"
    assert simulated == original


def test_sleep_refuses_keywords_as_the_original_does(outcome):
    original = outcome(time.sleep, seconds=1)

    with Simulation():
        simulated = outcome(time.sleep, seconds=1)

    assert original[0] is TypeError
    assert simulated == original


@pytest.mark.parametrize("seconds", [Decimal("0.001"), Fraction(1, 1000), Decimal(0), Fraction(0)])
def test_sleep_accepts_the_number_types_that_the_original_accepts(seconds, outcome):
    original = outcome(time.sleep, seconds)

    with Simulation() as sim:
        simulated = outcome(time.sleep, seconds)
        elapsed = sim.elapsed

    assert simulated == original
    assert elapsed == (float(seconds) if original[0] == "returned" else 0.0)


def test_an_error_in_index_comes_through_sleep():
    class Broken:
        def __index__(self):
            raise LookupError("no index today")

    with Simulation(), pytest.raises(LookupError, match="no index today"):
        time.sleep(Broken())


def test_names_imported_before_the_simulation_are_simulated():
    with Simulation():
        readings = [(monotonic(), monotonic_ns(), perf_counter(), perf_counter_ns())]
        sleep(0.5)
        readings.append((monotonic(), monotonic_ns(), perf_counter(), perf_counter_ns()))

    assert readings == [
        (1000.0, 1000 * 10**9, 1000.0, 1000 * 10**9),
        (1000.5, 1000_500_000_000, 1000.5, 1000_500_000_000),
    ]


def test_clocks_bound_as_default_arguments_are_simulated():
    with Simulation():
        assert stopwatch() == 2.5


def test_clock_gettime_reads_the_virtual_clocks():
    with Simulation(epoch=100.0):
        time.sleep(1.5)

        assert time.clock_gettime(time.CLOCK_MONOTONIC) == 1001.5
        assert time.clock_gettime_ns(time.CLOCK_MONOTONIC) == 1001_500_000_000
        assert time.clock_gettime(time.CLOCK_REALTIME) == 101.5
        assert time.clock_gettime_ns(time.CLOCK_REALTIME) == 101_500_000_000


@pytest.mark.parametrize("name", ["clock_gettime", "clock_gettime_ns"])
@pytest.mark.parametrize("args", [(), ("x",), (1, 2), (10**30,), (99,), (1.5,)], ids=repr)
def test_wrong_arguments_of_clock_gettime_give_the_errors_of_the_original(name, args, outcome):
    original = outcome(getattr(time, name), *args)

    with Simulation():
        simulated = outcome(getattr(time, name), *args)

    assert original[0] != "returned"
    assert simulated == original


def test_cpu_clocks_stay_real():
    with Simulation():
        before = time.process_time_ns(), time.thread_time_ns()
        time.sleep(3600)
        after = time.process_time_ns(), time.thread_time_ns()

    assert all(late - early < 60 * 10**9 for early, late in zip(before, after, strict=True))


def test_sleepers_wake_in_order_of_their_deadlines_and_equal_ones_in_order_of_arming(log):
    def sleeper(name, seconds):
        time.sleep(seconds)
        log(name)

    with Simulation():
        threads = [
            threading.Thread(target=sleeper, args=args)
            for args in [("a", 2), ("b", 1), ("c", 2.0), ("d", 0.5), ("e", 1)]
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert log == [(0.5, "d"), (1.0, "b"), (1.0, "e"), (2.0, "a"), (2.0, "c")]


def test_a_busy_wait_on_the_clock_ends(log):
    with Simulation():
        end = time.monotonic() + 0.01
        while time.monotonic() < end:
            pass
        log("over")

    [(seconds, what)] = log
    assert what == "over"
    assert 0.01 <= seconds < 0.0121  # it moves by at most 1 ms at a time


@pytest.mark.parametrize(
    "clock",
    [
        time.time,
        lambda: time.time_ns() / 1e9,
        lambda: dt.datetime.now().timestamp(),
        lambda: time.clock_gettime(time.CLOCK_REALTIME),
        lambda: time.clock_gettime(time.CLOCK_MONOTONIC),
    ],
    ids=["time", "time_ns", "now", "realtime", "monotonic"],
)
def test_a_busy_wait_on_any_clock_ends(clock):
    with Simulation() as sim:
        end = clock() + 0.01
        while clock() < end:
            pass

    assert 0.01 <= sim.elapsed < 0.0121


def test_readings_can_take_time():
    with Simulation(step_cost=0.25) as sim:
        readings = [
            time.monotonic(),
            time.monotonic_ns() / 1e9,
            time.perf_counter(),
            time.time() - 946684800 + 1000,
            time.clock_gettime(time.CLOCK_MONOTONIC),
        ]

    assert readings == [1000.25, 1000.5, 1000.75, 1001.0, 1001.25]
    assert sim.elapsed == 1.25


def test_what_falls_due_while_clocks_are_read_is_done_meanwhile():
    fired = []

    with Simulation(step_cost=1e-5) as sim:
        threading.Timer(0.5, lambda: fired.append(sim.elapsed)).start()
        while time.monotonic() < 1001:
            time.sleep(0)

    assert len(fired) == 1
    # A thread that does not wait goes on for up to 1000 steps.
    assert 0.5 <= fired[0] < 0.52


def test_sleep_zero_lets_others_run_without_time_passing():
    flag = []

    with Simulation() as sim:
        threading.Timer(0, flag.append, (1,)).start()
        while not flag:
            time.sleep(0)

        assert sim.elapsed == 0.0


# ------------------------------------------------------------------ the wall clock


def test_the_wall_clock_is_epoch_plus_virtual_time():
    with Simulation():
        time.sleep(90.25)

        assert time.time() == 946684890.25
        assert time.time_ns() == 946684890_250_000_000
        assert time.gmtime()[:6] == (2000, 1, 1, 0, 1, 30)
        assert time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) == "2000-01-01T00:01:30"
        assert time.mktime(time.localtime()) == 946684890.0
        assert dt.datetime.now(dt.timezone.utc) == dt.datetime(
            2000, 1, 1, 0, 1, 30, 250_000, tzinfo=dt.timezone.utc
        )
        assert dt.datetime.now().timestamp() == 946684890.25
        assert dt.date.today() == dt.datetime.fromtimestamp(946684890.25).date()


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [
        (0.0, 0.0),
        (12, 12.0),
        (1_700_000_000.5, 1_700_000_000.5),
        (-86400.0, -86400.0),
        (dt.datetime(2024, 2, 29, tzinfo=dt.timezone.utc), 1709164800.0),
        (dt.datetime(2024, 2, 29, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))), 1709164800.0),
        (dt.datetime(1969, 12, 31, 23, 59, 59, 500_000, tzinfo=dt.timezone.utc), -0.5),
    ],
)
def test_epoch_sets_where_the_wall_clock_starts(epoch, expected):
    with Simulation(epoch=epoch):
        assert time.time() == expected
        assert dt.datetime.now(dt.timezone.utc).timestamp() == expected


def test_a_foreign_thread_reads_real_clocks_while_a_simulation_is_open():
    readings = []
    go, done = threading.Event(), threading.Event()

    def foreign():
        go.wait(60)
        readings.extend([time.time(), dt.datetime.now().timestamp(), time.monotonic()])
        done.set()

    thread = threading.Thread(target=foreign)
    thread.start()
    before = time.time(), time.monotonic()
    with Simulation() as sim:
        go.set()
        with sim.real_time():
            assert done.wait(60)
        assert sim.elapsed == 0.0
        assert time.time() == 946684800.0
    thread.join()
    after = time.time(), time.monotonic()

    assert before[0] <= readings[0] <= readings[1] + 1e-3
    assert readings[1] <= after[0]
    assert before[1] <= readings[2] <= after[1]


def test_clocks_are_real_again_afterwards():
    before = time.time(), time.monotonic(), time.perf_counter()
    with Simulation():
        time.sleep(10**6)
    after = time.time(), time.monotonic(), time.perf_counter()

    assert all(0 <= late - early < 60 for early, late in zip(before, after, strict=True))
