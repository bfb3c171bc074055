from __future__ import annotations

import threading
import time
from concurrent.futures import (
    ALL_COMPLETED,
    FIRST_COMPLETED,
    FIRST_EXCEPTION,
    BrokenExecutor,
    CancelledError,
    Future,
    InvalidStateError,
    ThreadPoolExecutor,
    TimeoutError,  # noqa: A004 - a class of its own up to Python 3.10
    as_completed,
    wait,
)

import pytest

from simclock import Leak, Simulation


def nap(seconds):
    time.sleep(seconds)
    return seconds


def fail(seconds):
    time.sleep(seconds)
    raise LookupError(seconds)


def test_map_keeps_the_order_of_its_arguments(log):
    with Simulation(), ThreadPoolExecutor(2) as pool:
        for result in pool.map(nap, [3, 1, 1, 2]):
            log(result)

    assert log == [(3.0, 3), (3.0, 1), (3.0, 1), (4.0, 2)]


def test_map_gives_up_at_its_timeout(log):
    with Simulation(), ThreadPoolExecutor(3) as pool:
        results = pool.map(nap, [1, 5, 1], timeout=2.5)
        log(next(results))
        with pytest.raises(TimeoutError):
            next(results)
        log("timed out")

    assert log == [(1.0, 1), (2.5, "timed out")]


def test_map_passes_the_first_error_on_and_cancels_the_rest():
    ran = []

    with Simulation() as sim, ThreadPoolExecutor(1) as pool:

        def work(number):
            ran.append(number)
            time.sleep(1)
            if number == 1:
                raise LookupError(number)
            return number

        results = pool.map(work, range(5))
        assert next(results) == 0
        with pytest.raises(LookupError):
            next(results)
        assert sim.elapsed == 2.0

    assert ran == [0, 1, 2]


def test_submitted_work_runs_at_once_and_its_result_arrives_when_it_is_done(log):
    with Simulation(), ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(nap, seconds) for seconds in (2, 1, 4)]
        log([future.running() for future in futures])
        with pytest.raises(TimeoutError):
            futures[0].result(timeout=0.5)
        log("timed out")
        with pytest.raises(TimeoutError):
            futures[0].exception(timeout=0.25)
        log("timed out")
        log(futures[0].result())
        log(futures[1].result(timeout=0))
        log(futures[2].result())

    assert log == [
        (0.0, [True, True, False]),
        (0.5, "timed out"),
        (0.75, "timed out"),
        (2.0, 2),
        (2.0, 1),
        (5.0, 4),
    ]


def test_errors_arrive_like_results(log):
    with Simulation(), ThreadPoolExecutor() as pool:
        future = pool.submit(fail, 1.5)
        log(repr(future.exception()))
        with pytest.raises(LookupError):
            future.result()

    assert log == [(1.5, "LookupError(1.5)")]


def test_as_completed_yields_in_order_of_completion(log):
    with Simulation(), ThreadPoolExecutor(10) as pool:
        futures = {pool.submit(nap, seconds): seconds for seconds in (3, 1, 2, 1, 0)}
        for future in as_completed(futures):
            log(futures[future])

    assert [what for _, what in log] == [0, 1, 1, 2, 3]
    assert [seconds for seconds, _ in log] == [0.0, 1.0, 1.0, 2.0, 3.0]


def test_as_completed_yields_what_is_done_already_in_one_order():
    with Simulation() as sim, ThreadPoolExecutor(20) as pool:
        futures = [pool.submit(nap, 1) for _ in range(20)]
        time.sleep(2)
        found = [futures.index(future) for future in as_completed(futures)]
        assert sim.elapsed == 2.0

    # A set of futures goes by their numbers, and `as_completed` takes from its end.
    assert found == list(reversed(range(20)))


def test_as_completed_gives_up_at_its_timeout(log):
    with Simulation(), ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(nap, seconds) for seconds in (1, 2, 9)]
        completed = as_completed(futures, timeout=4)
        log(next(completed).result())
        log(next(completed).result())
        with pytest.raises(TimeoutError, match=r"1 \(of 3\) futures unfinished"):
            next(completed)
        log("timed out")

    # It compares with "<": at 4.0 it is not late yet, and spins until the clock moves.
    assert log == [(1.0, 1), (2.0, 2), (4.000001, "timed out")]


@pytest.mark.parametrize(
    ("return_when", "timeout", "elapsed", "done"),
    [
        (ALL_COMPLETED, None, 5.0, {0, 1, 2}),
        (FIRST_COMPLETED, None, 1.0, {0}),
        (FIRST_EXCEPTION, None, 3.0, {0, 1}),
        (ALL_COMPLETED, 4, 4.0, {0, 1}),
        (FIRST_EXCEPTION, 2.5, 2.5, {0}),
        (FIRST_COMPLETED, 0, 0.0, set()),
    ],
)
def test_wait_returns_when_it_is_told_to(return_when, timeout, elapsed, done):
    with Simulation() as sim, ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(nap, 1), pool.submit(fail, 3), pool.submit(nap, 5)]
        found = wait(futures, timeout, return_when)

        assert sim.elapsed == elapsed
        assert {futures.index(future) for future in found.done} == done
        assert len(found.not_done) == 3 - len(done)


def test_what_has_not_begun_can_be_cancelled(log):
    with Simulation(), ThreadPoolExecutor(1) as pool:
        first, second, third = (pool.submit(nap, 2) for _ in range(3))
        assert not first.cancel()
        assert second.cancel()
        assert second.cancelled()
        with pytest.raises(CancelledError):
            second.result()
        log(third.result())

    assert log == [(4.0, 2)]


def test_callbacks_run_in_the_worker_at_the_instant_of_completion(log):
    with Simulation(), ThreadPoolExecutor(1, thread_name_prefix="pool") as pool:
        future = pool.submit(nap, 1)
        future.add_done_callback(lambda done: log((done.result(), threading.current_thread().name)))
        future.result()
        future.add_done_callback(lambda _: log(threading.current_thread().name))

    assert log == [(1.0, (1, "pool_0")), (1.0, threading.current_thread().name)]


def test_a_future_is_an_ordinary_object(log):
    with Simulation():
        future = Future()
        threading.Timer(2, future.set_result, ("late",)).start()
        log(future.result(timeout=5))
        assert isinstance(future, Future)
        with pytest.raises(InvalidStateError):
            future.set_result(1)
        assert {future: 1}[future] == 1
        assert future != Future()

    assert future.result() == "late"
    assert isinstance(future, Future)
    assert log == [(2.0, "late")]


def test_the_initializer_runs_once_in_each_worker(log):
    local = threading.local()

    def initialize(prefix):
        time.sleep(0.5)
        local.name = prefix + threading.current_thread().name

    def work():
        time.sleep(1)
        log(local.name)

    with Simulation(), ThreadPoolExecutor(2, "w", initialize, (">",)) as pool:
        for _ in range(4):
            pool.submit(work)

    assert log == [(1.5, ">w_0"), (1.5, ">w_1"), (2.5, ">w_0"), (2.5, ">w_1")]


def test_a_failing_initializer_breaks_the_pool(caplog):
    def initialize():
        time.sleep(1)
        raise LookupError

    with Simulation() as sim, ThreadPoolExecutor(1, initializer=initialize) as pool:
        future = pool.submit(nap, 1)
        with pytest.raises(BrokenExecutor):
            future.result()
        with pytest.raises(BrokenExecutor):
            pool.submit(nap, 1)
        assert sim.elapsed == 1.0

    assert [record.message for record in caplog.records] == ["Exception in initializer:"]


def test_workers_are_started_as_needed_and_reused():
    names = []

    def work(seconds):
        names.append(threading.current_thread().name)
        time.sleep(seconds)

    with Simulation(), ThreadPoolExecutor(3, "w") as pool:
        pool.submit(work, 1).result()
        pool.submit(work, 1).result()
        wait([pool.submit(work, seconds) for seconds in (2, 3, 4, 1)])

    assert names == ["w_0", "w_0", "w_1", "w_0", "w_2", "w_1"]


def test_shutdown_waits_for_what_was_submitted(log):
    with Simulation():
        pool = ThreadPoolExecutor(1)
        futures = [pool.submit(nap, 2) for _ in range(2)]
        pool.shutdown(wait=False)
        log([future.done() for future in futures])
        with pytest.raises(RuntimeError, match="after shutdown"):
            pool.submit(nap, 1)
        pool.shutdown()
        log([future.done() for future in futures])

    assert log == [(0.0, [False, False]), (4.0, [True, True])]


def test_shutdown_can_cancel_what_has_not_begun(log):
    with Simulation():
        pool = ThreadPoolExecutor(1)
        futures = [pool.submit(nap, 2) for _ in range(3)]
        pool.shutdown(wait=True, cancel_futures=True)
        log([future.cancelled() for future in futures])

    assert log == [(2.0, [False, True, True])]


def test_leaving_a_pool_that_works_lets_the_work_end_within_the_drain(log):
    with Simulation():
        pool = ThreadPoolExecutor(1)
        pool.submit(nap, 2).add_done_callback(lambda future: log(future.result()))

    assert log == [(2.0, 2)]
    assert not any(thread.is_alive() for thread in pool._threads)


GLOBAL = []


@pytest.fixture
def pools():
    yield GLOBAL
    GLOBAL.clear()


def test_a_pool_kept_in_a_global_refuses_work_after_the_end(pools):
    with Simulation() as sim:
        pools.append(ThreadPoolExecutor(2))
        assert pools[0].submit(nap, 1).result() == 1
        assert sim.elapsed == 1.0

    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        pools[0].submit(nap, 1)
    with Simulation():
        with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
            pools[0].submit(nap, 1)
        with ThreadPoolExecutor() as pool:
            assert pool.submit(nap, 2).result() == 2


def test_a_pool_whose_owner_is_gone_ends_with_the_simulation():
    with Simulation():
        future = ThreadPoolExecutor(1).submit(nap, 1)
        assert future.result() == 1


def test_a_worker_that_never_ends_is_a_leak():
    with pytest.raises(Leak, match="would never have ended"), Simulation(drain=5):
        ThreadPoolExecutor(1, "stuck").submit(time.sleep, 1000)


def test_a_pool_used_outside_before_is_foreign_and_works():
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(int, "1").result() == 1
        with Simulation() as sim:
            future = pool.submit(time.monotonic)
            with sim.real_time():
                real = future.result(timeout=60)
            assert sim.elapsed == 0.0
        assert abs(real - time.monotonic()) < 600


def test_default_names_of_workers_start_anew_in_each_simulation():
    def name():
        with ThreadPoolExecutor() as pool:
            return pool.submit(lambda: threading.current_thread().name).result()

    before = int(name().split("-")[1].split("_")[0])
    found = []
    for _ in range(2):
        with Simulation():
            found += [name(), name()]
    after = int(name().split("-")[1].split("_")[0])

    assert found == ["ThreadPoolExecutor-0_0", "ThreadPoolExecutor-1_0"] * 2
    assert after == before + 1


def test_pools_within_pools(log):
    def outer(number):
        with ThreadPoolExecutor(2) as pool:
            return sum(pool.map(nap, [number, number + 1]))

    with Simulation(), ThreadPoolExecutor(2) as pool:
        for result in pool.map(outer, [1, 3]):
            log(result)

    assert log == [(2.0, 3), (4.0, 7)]
