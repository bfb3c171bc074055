"""Processes of `multiprocessing` that are groups of simulated threads."""

from __future__ import annotations

import ast
import asyncio
import atexit
import concurrent.futures
import importlib.util
import multiprocessing
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from multiprocessing import shared_memory, util
from pathlib import Path

import pytest

import simclock

SCRIPT = Path(__file__).with_name("conformance.py")
METHODS = ("fork", "spawn", "forkserver")


@pytest.fixture
def modelled(simulated):
    """Run a function in a simulation with simulated processes; see `simulated`."""
    return lambda function, **options: simulated(function, processes="simulated", **options)


# ---------------------------------------------------------------------------- conformance


def load():
    spec = importlib.util.spec_from_file_location("conformance", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CASES


def ran(model, method):
    """Return what each case gave, by its name: the result, the seconds and the digest."""
    command = [sys.executable, SCRIPT, model, method]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {name: rest for name, *rest in map(ast.literal_eval, done.stdout.splitlines())}


def expected(method):
    return {
        name: case
        for name, case in load().items()
        if method in case.methods and sys.version_info >= case.since
    }


@pytest.mark.slow
@pytest.mark.hang_limit(300)
@pytest.mark.parametrize("method", METHODS)
def test_what_real_processes_do(method):
    results = {name: result for name, (result, *_) in ran("plain", method).items()}

    assert results == {name: case.result for name, case in expected(method).items()}


@pytest.mark.parametrize("method", METHODS)
def test_simulated_processes_do_the_same_in_exact_times_and_the_same_again(method):
    cases = expected(method)
    told = ran("simulated", method)

    assert {name: result for name, (result, *_) in told.items()} == {
        name: case.result for name, case in cases.items()
    }
    timed = {name: case.seconds for name, case in cases.items() if case.seconds is not None}
    assert {name: told[name][1] for name in timed} == timed
    assert ran("simulated", method) == told


# ------------------------------------------------------------------------------------ time


def nap(seconds):
    time.sleep(seconds)
    return seconds


def test_a_pool_takes_the_time_of_its_workers(modelled):
    def body():
        with multiprocessing.Pool(2) as pool:
            return pool.map(nap, [1.0] * 4, chunksize=1)

    assert modelled(body) == ([1.0] * 4, 2.0)


def test_a_year_in_a_process_takes_no_real_time(modelled):
    def body():
        process = multiprocessing.Process(target=nap, args=(31_536_000,))
        process.start()
        process.join()
        return process.exitcode

    assert modelled(body) == (0, 31_536_000.0)


def test_an_executor_below_asyncio(modelled):
    async def main():
        loop = asyncio.get_running_loop()
        with concurrent.futures.ProcessPoolExecutor(2) as pool:
            return await asyncio.gather(*(loop.run_in_executor(pool, nap, 1) for _ in range(4)))

    assert modelled(lambda: asyncio.run(main())) == ([1] * 4, 2.0)


def test_who_asks_again_and_again_is_told_so():
    with pytest.raises(simclock.Livelock), simclock.Simulation(processes="simulated"):
        process = multiprocessing.Process(target=nap, args=(1,), daemon=True)
        process.start()
        while process.is_alive():
            pass


# --------------------------------------------------------------------------- what is shared

SHARED = []


def test_globals_of_modules_are_shared(modelled):
    SHARED.clear()

    def body():
        process = multiprocessing.Process(target=nap_and_note, args=(1,))
        process.start()
        process.join()
        return SHARED

    assert modelled(body) == ([1], 1.0)


def nap_and_note(seconds):
    SHARED.append(nap(seconds))


def test_so_are_modules_the_current_directory_output_and_the_list_of_threads(
    modelled, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path.parent)

    def body():
        process = multiprocessing.Process(target=change_what_is_shared, args=(str(tmp_path),))
        process.start()
        time.sleep(1)
        names = [thread.name for thread in threading.enumerate()]
        process.join()
        return "of the child" in names, "made up" in sys.modules, os.getcwd() == str(tmp_path)

    try:
        assert modelled(body) == ((True, True, True), 2.0)
    finally:
        del sys.modules["made up"]
    assert "said" in capsys.readouterr().out


def change_what_is_shared(path):
    sys.modules["made up"] = sys
    os.chdir(path)
    sys.stdout.write("said")
    thread = threading.Thread(target=time.sleep, args=(2,), name="of the child")
    thread.start()
    thread.join()


def sell(taken, sold):
    if not taken.is_set():
        taken.set()
        sold.release()


def sell_in_two_processes():
    taken, sold = multiprocessing.Event(), multiprocessing.Semaphore(0)
    processes = [multiprocessing.Process(target=sell, args=(taken, sold)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert sold.get_value() == 1


def test_a_race_between_processes_is_found():
    report = simclock.explore(sell_in_two_processes, runs=200, shrink=0, processes="simulated")

    assert isinstance(report.failure.error, AssertionError)


def put(shared, items):
    shared["pid"] = os.getpid()
    items.put("item")


def test_a_manager(modelled):
    def body():
        with multiprocessing.Manager() as manager:
            shared, items = manager.dict(own=1), manager.Queue()
            process = multiprocessing.Process(target=put, args=(shared, items))
            process.start()
            process.join()
            return shared["own"], shared["pid"] == process.pid, items.get()

    assert modelled(body) == ((1, True, "item"), 0.0)


def write(name):
    memory = shared_memory.SharedMemory(name=name)
    memory.buf[:5] = b"hello"
    memory.close()


def test_shared_memory(modelled):
    def body():
        memory = shared_memory.SharedMemory(create=True, size=10)
        process = multiprocessing.Process(target=write, args=(memory.name,))
        process.start()
        process.join()
        written = bytes(memory.buf[:5])
        memory.close()
        memory.unlink()
        return written

    assert modelled(body) == (b"hello", 0.0)


def test_shared_memory_that_is_left_is_unlinked_with_the_simulation(modelled):
    def body():
        memory = shared_memory.SharedMemory(create=True, size=10)
        memory.close()
        return memory.name

    name, _ = modelled(body)
    with pytest.raises(FileNotFoundError):
        shared_memory.SharedMemory(name=name)


# ------------------------------------------------------------------------- what is pickled


def test_what_cannot_be_pickled_for_a_fork_is_told_why_it_has_to_be(modelled):
    process = multiprocessing.get_context("fork").Process(target=lambda: None)
    with pytest.raises((AttributeError, TypeError), match="local object") as caught:
        modelled(process.start)

    said = [str(caught.value), *getattr(caught.value, "__notes__", ())]
    note = "simulated processes pickle what they are given, whatever the start method is"
    assert note in "\n".join(said)


def test_what_spawn_would_refuse_is_refused_as_spawn_does(modelled):
    process = multiprocessing.get_context("spawn").Process(target=lambda: None)
    with pytest.raises((AttributeError, TypeError), match="local object") as caught:
        modelled(process.start)

    assert not getattr(caught.value, "__notes__", ())


def refuse_to_be_sent(conn):
    with pytest.raises((AttributeError, TypeError)):
        multiprocessing.Process(target=nap, args=(conn, lambda: None)).start()


def test_descriptors_of_what_could_not_be_pickled_are_closed(modelled):
    def body():
        ours, theirs = multiprocessing.Pipe()
        refuse_to_be_sent(theirs)
        ours.close()
        theirs.close()

    assert modelled(body) == (None, 0.0)


def test_a_connection_that_nobody_takes_is_closed(modelled):
    def body():
        ours, theirs = multiprocessing.Pipe()
        ours.send(theirs)
        ours.close()
        theirs.close()

    assert modelled(body) == (None, 0.0)


# ----------------------------------------------------------------------------- its errors


def take(lock):
    lock.acquire()


def test_a_deadlock_names_the_processes(modelled):
    def body():
        lock = multiprocessing.Lock()
        lock.acquire()
        process = multiprocessing.Process(target=take, args=(lock,), name="Bob")
        process.start()
        process.join()

    with pytest.raises(simclock.Deadlock) as caught:
        modelled(body)
    assert "root (0), waits for process Bob, owned by Bob (0.1)" in str(caught.value)
    assert "Bob (0.1), waits for SemLock, owned by root (0)" in str(caught.value)
    assert "cycle: root -> Bob -> root" in str(caught.value)


# -------------------------------------------------------------------------------- its end


def test_a_daemon_that_is_left_ends_with_the_simulation(modelled):
    left = []

    def body():
        process = multiprocessing.Process(target=nap, args=(1e9,), daemon=True)
        process.start()
        left.append(process)

    with simclock.Simulation(processes="simulated"):
        body()
    (process,) = left
    assert (process.is_alive(), process.exitcode) == (False, -signal.SIGKILL)
    process.join()
    process.close()
    assert multiprocessing.active_children() == []


def test_a_process_that_is_no_daemon_and_is_left_is_a_leak(modelled):
    def body():
        multiprocessing.Process(target=nap, args=(1e9,), name="Bob").start()

    with pytest.raises(simclock.Leak, match=r"a non-daemon thread .*: Bob"):
        modelled(body)


def test_a_pool_that_is_left_ends_with_the_simulation():
    with simclock.Simulation(processes="simulated"):
        pool = multiprocessing.Pool(2)
        assert pool.map(nap, [1, 1]) == [1, 1]
        workers = list(pool._pool)
        pool._state = "CLOSE"  # nothing is said when it is collected
    assert all(worker.exitcode is not None for worker in workers)
    del pool, workers


def register(at_exit, finalizer):
    atexit.register(SHARED.append, at_exit)
    util.Finalize(None, SHARED.append, (finalizer,), exitpriority=1)
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_killed_process_had_to_do_at_its_end_is_done_by_nobody(modelled):
    SHARED.clear()
    functions, finalizers = atexit._ncallbacks(), set(util._finalizer_registry)

    def body():
        process = multiprocessing.get_context("spawn").Process(target=register, args=(1, 2))
        process.start()
        process.join()
        return process.exitcode

    assert modelled(body) == (-signal.SIGKILL, 0.0)
    assert (SHARED, atexit._ncallbacks()) == ([], functions)
    assert set(util._finalizer_registry) == finalizers


def parent(sender):
    child = multiprocessing.Process(target=nap, args=(5,))
    child.start()
    sender.send(child.pid)
    child.join()


def test_children_outlive_a_parent_that_is_killed(modelled):
    def body():
        receiver, sender = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.Process(target=parent, args=(sender,))
        process.start()
        pid = receiver.recv()
        process.kill()
        process.join()
        os.kill(pid, 0)
        time.sleep(6)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    assert modelled(body) == (None, 6.0)


def test_a_process_that_cannot_be_started_leaves_nothing(modelled):
    errors = []

    def late():
        time.sleep(10)
        try:
            multiprocessing.Process(target=nap, args=(1,)).start()
        except RuntimeError as error:
            errors.append(str(error))

    modelled(threading.Thread(target=late).start)

    assert errors == ["can't start new thread: the simulation is ending"]


def rename(sender):
    threading.current_thread().name = "worker"
    sender.send((threading.current_thread().name, multiprocessing.current_process().name))


def test_a_main_thread_may_be_called_otherwise(modelled):
    def body():
        receiver, sender = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.Process(target=rename, args=(sender,), name="Bob")
        process.start()
        process.join()
        return receiver.recv()

    assert modelled(body) == (("worker", "Bob"), 0.0)


def ask_standard_input(sender):
    sender.send(sys.stdin.read())


def test_there_is_nothing_on_the_standard_input(modelled):
    def body():
        receiver, sender = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.Process(target=ask_standard_input, args=(sender,))
        process.start()
        process.join()
        return receiver.recv()

    assert modelled(body) == ("", 0.0)


# ------------------------------------------------------------------ beside all that is real


def test_in_real_time_in_foreign_threads_and_in_other_simulations_processes_are_real():
    # In a process of its own: forks warn of threads.
    done = subprocess.run([sys.executable, "-c", REAL], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == ["simulated 0", *["0 True b'hello'"] * 3]


REAL = """
import multiprocessing, multiprocessing.shared_memory, os, pickle, threading, time, warnings
import simclock

warnings.simplefilter("ignore")


def start():
    process = multiprocessing.get_context("fork").Process(target=os.getpid)
    process.start()
    process.join()
    memory = multiprocessing.shared_memory.SharedMemory(create=True, size=5)
    memory.buf[:] = b"hello"
    print(process.exitcode, process.pid < 2**22, bytes(memory.buf))
    memory.close()
    memory.unlink()
    ours, theirs = multiprocessing.Pipe()
    ours.send(theirs)
    assert ours.fileno() != theirs.fileno()
    with multiprocessing.Lock():
        pass


def wait_for_one():
    go.wait()
    simulated.join()
    print("simulated", simulated.exitcode)
    over.set()
    gone.wait()
    start()


go, over, gone = threading.Event(), threading.Event(), threading.Event()
foreign = threading.Thread(target=wait_for_one)
foreign.start()
simulated = multiprocessing.Process(target=time.sleep, args=(3600,))
with simclock.Simulation(processes="simulated") as sim:
    simulated.start()
    go.set()
    time.sleep(3601)
    with sim.real_time():
        over.wait()
        start()
        gone.set()
        foreign.join()
    with simclock.Simulation():
        start()
"""


def test_in_a_package_that_runs_in_real_time_processes_are_real(tmp_path):
    (tmp_path / "starter.py").write_text(STARTER)

    done = subprocess.run(
        [sys.executable, "-c", STARTED],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.splitlines() == [
        "False 0.25 ()",
        "True 0.0 ('root (0) waited for a call into starter, in waitpid',)",
    ]


STARTER = """
import multiprocessing, time


def start():
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(0.25,))
    process.start()
    process.join()
    return process.pid < 2**22
"""
STARTED = """
import warnings
import simclock, starter

warnings.simplefilter("ignore")
for packages in ((), ("starter",)):
    with simclock.Simulation(processes="simulated", real_packages=packages) as sim:
        print(starter.start(), sim.elapsed, sim.escapes)
"""


def test_subprocesses_are_real(modelled):
    def body():
        return subprocess.run(
            [sys.executable, "-S", "-c", "print(1)"], stdout=-1, check=True
        ).stdout

    assert modelled(body) == (b"1\n", 0.0)


def tell_where(sender):
    sender.send((socket.gethostname(), multiprocessing.parent_process().pid))


def start_on_a_host(found):
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=tell_where, args=(sender,))
    process.start()
    process.join()
    found.append((*receiver.recv(), os.getpid(), time.monotonic()))


def test_a_child_of_a_process_on_a_host_is_there_too(modelled):
    def body():
        found = []
        server = simclock.active().host("db-1").start(start_on_a_host, found)
        server.join()
        ((name, parent, pid, _),) = found
        return name, parent == pid == server.pid, server.exitcode

    assert modelled(body) == (("db-1", True, 0), 0.0)


def test_all_is_put_back():
    before = [vars(kind).copy() for kind in changed()]
    with simclock.Simulation(processes="simulated"):
        process = multiprocessing.Process(target=nap, args=(1,))
        process.start()
        process.join()
        multiprocessing.set_start_method("spawn", force=True)
        assert [vars(kind).copy() for kind in changed()] != before
    assert [vars(kind).copy() for kind in changed()] == before


def changed():
    from multiprocessing import context, heap, process, resource_tracker, synchronize

    modules = context, heap, process, resource_tracker, synchronize, context._default_context
    kinds = util.Finalize, synchronize.SemLock, heap.BufferWrapper, context.ForkProcess
    return [*modules, *kinds]


@pytest.mark.parametrize("seed", range(3))
def test_a_program_of_many_processes_is_the_same_in_each_run(seed):
    def run():
        with simclock.Simulation(seed, processes="simulated") as sim:
            with multiprocessing.Pool(3) as pool:
                log = pool.map(draw, range(20), chunksize=1)
            with concurrent.futures.ProcessPoolExecutor(3) as pool:
                log += pool.map(draw, range(20))
        return log, sim.trace.digest

    assert run() == run()


def draw(number):
    time.sleep(random.random())
    return number, os.getpid(), random.random(), threading.current_thread().name


# ------------------------------------------------------------------------------ in pytest


@pytest.mark.parametrize("way", ["marker", "command line", "ini file"])
def test_pytest_is_told_by(pytester, way):
    marker = "simclock(processes='simulated')" if way == "marker" else "simclock"
    pytester.makepyfile(
        f"""
        import multiprocessing, time, pytest

        @pytest.mark.{marker}
        def test_a_pool(sim):
            process = multiprocessing.Process(target=time.sleep, args=(3600,))
            process.start()
            process.join()
            assert (process.exitcode, sim.elapsed) == (0, 3600.0)
        """
    )
    if way == "ini file":
        pytester.makeini("[pytest]\nsimclock_processes = simulated")
    arguments = ["--simclock-processes=simulated"] if way == "command line" else []

    result = pytester.runpytest_subprocess("-p", "no:xdist", "-W", "error", *arguments)

    result.assert_outcomes(passed=1)


def test_a_whole_suite_has_simulated_processes(pytester):
    pytester.makepyfile(
        """
        import concurrent.futures, multiprocessing, time, pytest

        @pytest.fixture(scope="module")
        def pool():
            with concurrent.futures.ProcessPoolExecutor(2) as pool:
                yield pool

        @pytest.mark.parametrize("number", range(3))
        def test_a_pool_of_several_tests(pool, number):
            assert pool.submit(pow, number, 2).result() == number ** 2

        def test_another():
            process = multiprocessing.Process(target=time.sleep, args=(3600,))
            process.start()
            process.join(60)
            assert process.is_alive()
            process.kill()
            process.join()
        """
    )

    result = pytester.runpytest_subprocess(
        "-p", "no:xdist", "-W", "error", "--simclock", "--simclock-processes=simulated"
    )

    result.assert_outcomes(passed=4)


def test_a_pool_that_imports_multiprocessing_inside(pytester):
    """`concurrent.futures` does so when its executor is first asked for."""
    program = pytester.makepyfile(
        program="""
        import concurrent.futures
        import simclock

        def work(number):
            return number * number

        if __name__ == "__main__":
            with simclock.Simulation(processes="simulated"):
                with concurrent.futures.ProcessPoolExecutor(2) as pool:
                    print(pool.submit(work, 3).result())
        """
    )
    done = pytester.runpython(program)

    assert (done.ret, done.outlines) == (0, ["9"])


# ---------------------------------------------------------------------------------- hosts


counted = []


def count():
    for number in range(50, 99):
        counted.append((simclock.active().elapsed, number))
        time.sleep(1)


def spread():
    child = multiprocessing.Process(target=count)
    child.start()
    child.join()


@pytest.mark.parametrize(
    ("change", "more"),
    [("kill", []), ("pause", [(5.5, 53), (6.5, 54)])],
)
def test_what_happens_to_a_host_happens_to_children_of_its_processes(modelled, change, more):
    def program():
        sim = simclock.active()
        host = sim.host("a")
        host.start(spread)
        sim.sleep(2.5)
        getattr(host, change)()
        sim.sleep(3)
        host.resume()
        sim.sleep(1.5)
        host.kill()
        sim.sleep(9)

    counted.clear()
    modelled(program)

    assert counted == [(0.0, 50), (1.0, 51), (2.0, 52), *more]


# --------------------------------------------------------------------------------- signals


def waits_for_a_thread():
    threading.Thread(target=time.sleep, args=(9,)).start()


def test_an_interrupt_at_the_end_of_a_process_ends_it(modelled, capsys):
    def program():
        process = multiprocessing.Process(target=waits_for_a_thread)
        process.start()
        time.sleep(1)
        os.kill(process.pid, signal.SIGINT)
        process.join()
        return process.exitcode, simclock.active().elapsed

    assert modelled(program)[0] == (1, 1.0)
    assert "KeyboardInterrupt" in capsys.readouterr().err


rung = []


def rings():
    signal.signal(signal.SIGALRM, lambda *_: rung.append(simclock.active().elapsed))
    signal.setitimer(signal.ITIMER_REAL, 1, 1)
    signal.pause()
    time.sleep(1.5)


def test_timers_of_processes_that_are_left_at_the_end_ring(modelled):
    rung.clear()

    modelled(lambda: multiprocessing.Process(target=rings).start())

    assert rung == [1.0, 2.0]
