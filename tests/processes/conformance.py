"""Programs with processes of `multiprocessing`, each with its result, whatever the processes are.

Run as a script: ``conformance.py MODEL METHOD [NAME ...]`` prints a line for each. With the model
``plain`` they run without a simulation; else their virtual seconds, and the digest of the trace,
are printed too.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
import warnings
from multiprocessing import connection, util
from typing import NamedTuple

import simclock


class Case(NamedTuple):
    """A program: takes a context, returns *result*, in virtual *seconds* if they are told."""

    function: object
    result: object
    seconds: float | None
    methods: tuple[str, ...]
    since: tuple[int, int]


CASES: dict[str, Case] = {}
EVERYWHERE = ("fork", "spawn", "forkserver")
PICKLING = ("spawn", "forkserver")
# A server of forks has the standard error of when it was started, and is no child of ours.
OWN = ("fork", "spawn")


def gives(result, seconds=None, methods=EVERYWHERE, since=(3, 10)):
    """Say what the decorated program returns."""

    def note(function):
        CASES[function.__name__] = Case(function, result, seconds, methods, since)
        return function

    return note


def ended(ctx, target, *args, **options):
    """Run *target* in a process; return its exit code."""
    process = ctx.Process(target=target, args=args, **options)
    process.start()
    process.join()
    return process.exitcode


@contextlib.contextmanager
def stderr():
    """Yield a list that gets what is written to the standard error, by whichever process."""
    written: list[str] = []
    with tempfile.TemporaryFile() as file:
        sys.stderr.flush()
        kept = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield written
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            written += file.read().decode().splitlines()


def raised(function, *args, **kwargs):
    """Return the name of what *function* raises."""
    try:
        function(*args, **kwargs)
    except BaseException as error:
        return type(error).__name__
    return None


# ------------------------------------------------------------------------- what is run


def nothing():
    pass


def returns_something():
    return "something"


def fails():
    raise ValueError("wrong")


def fails_at_the_base():
    raise KeyboardInterrupt


def exits(code):
    sys.exit(code)


def exits_without_a_word():
    sys.exit()


def exits_at_once(code):
    try:
        os._exit(code)
    finally:
        sys.stderr.write("never seen\n")
        sys.stderr.flush()


def exits_without_more_ado(code):
    os._exit(code)


def signals_itself(signum):
    os.kill(os.getpid(), signum)
    time.sleep(100)


def sleeps(seconds=100):
    time.sleep(seconds)


def sleeps_and_tidies(sender):
    try:
        sender.send("begun")
        time.sleep(100)
    finally:
        sender.send("tidied")


def square(number):
    return number * number


def slow_square(number):
    time.sleep(1)
    return number * number


def inverse(number):
    return 1 / number


def pid(_=None):
    return os.getpid()


# ----------------------------------------------------------------------------- the end


@gives([0, 0, 1, 1])
def exit_codes_of_functions(ctx):
    with stderr():
        targets = nothing, returns_something, fails, fails_at_the_base
        return [ended(ctx, target) for target in targets]


@gives([0, 0, 3, 1, 255, 44, 1])
def exit_codes_of_sys_exit(ctx):
    with stderr():
        return [ended(ctx, exits, code) for code in (0, None, 3, True, -1, 300, "a text")]


@gives([0, 7, 255])
def exit_codes_of_exits_at_once(ctx):
    with stderr() as written:
        codes = [ended(ctx, exits_at_once, code) for code in (0, 7, 255)]
    assert written == []
    return codes


@gives(0)
def exit_code_of_an_exit_without_a_word(ctx):
    return ended(ctx, exits_without_a_word)


@gives([-15, -9])
def exit_codes_of_signals_to_itself(ctx):
    return [ended(ctx, signals_itself, each) for each in (signal.SIGTERM, signal.SIGKILL)]


@gives(["Process Bob:", "Traceback (most recent call last):", "ValueError: wrong"], methods=OWN)
def an_exception_is_told(ctx):
    with stderr() as written:
        ended(ctx, fails, name="Bob")
    assert any("in fails" in line for line in written)
    assert any("in run" in line for line in written)
    return [line for line in written if not line.startswith(" ")]


@gives(["a text"], methods=OWN)
def the_text_of_an_exit_is_told(ctx):
    with stderr() as written:
        ended(ctx, exits, "a text")
    return written


@gives([None, None, -15, -9], 0.0)
def ended_from_outside(ctx):
    processes = [ctx.Process(target=sleeps) for _ in range(2)]
    for process in processes:
        process.start()
    before = [process.exitcode for process in processes]
    processes[0].terminate()
    processes[1].kill()
    for process in processes:
        process.join()
    return before + [process.exitcode for process in processes]


@gives(["begun", "EOFError"], 0.0)
def what_is_killed_does_not_tidy(ctx):
    receiver, sender = ctx.Pipe(duplex=False)
    process = ctx.Process(target=sleeps_and_tidies, args=(sender,))
    process.start()
    sender.close()
    first = receiver.recv()
    process.kill()
    process.join()
    return [first, raised(receiver.recv)]


@gives(["begun", "EOFError"], 0.0)
def what_is_terminated_does_not_tidy(ctx):
    receiver, sender = ctx.Pipe(duplex=False)
    process = ctx.Process(target=sleeps_and_tidies, args=(sender,))
    process.start()
    sender.close()
    first = receiver.recv()
    process.terminate()
    process.join()
    return [first, raised(receiver.recv)]


@gives([0, 0])
def who_has_ended_can_be_ended_again(ctx):
    process = ctx.Process(target=nothing)
    process.start()
    process.join()
    codes = [process.exitcode]
    process.terminate()
    process.kill()
    process.join()
    return [*codes, process.exitcode]


def handles(sender):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
    sender.send("ready")
    time.sleep(100)


@gives(5, 0.0)
def a_handler_of_a_process_is_its_own(ctx):
    before = signal.getsignal(signal.SIGTERM)
    receiver, sender = ctx.Pipe(duplex=False)
    process = ctx.Process(target=handles, args=(sender,))
    process.start()
    receiver.recv()
    process.terminate()
    process.join()
    assert signal.getsignal(signal.SIGTERM) == before
    return process.exitcode


# ---------------------------------------------------------------------------- its life


@gives([False, True, True, False])
def alive(ctx):
    receiver, sender = ctx.Pipe(duplex=False)
    process = ctx.Process(target=receiver.recv)
    seen = [process.is_alive()]
    process.start()
    seen.append(process.is_alive())
    process.join(0.25)
    seen.append(process.is_alive())
    sender.send(None)
    process.join(50)
    seen.append(process.is_alive())
    return seen


@gives([True, None, None, 0], 2.0, methods=OWN)
def a_join_that_times_out(ctx):
    process = ctx.Process(target=sleeps, args=(2,))
    process.start()
    codes = [process.exitcode is None, process.join(0), process.join(0.25)]
    process.join()
    return [*codes, process.exitcode]


@gives([[], True, 0])
def a_sentinel_is_ready_at_the_end(ctx):
    receiver, sender = ctx.Pipe(duplex=False)
    process = ctx.Process(target=receiver.recv)
    process.start()
    early = connection.wait([process.sentinel], timeout=0.25)
    sender.send(None)
    late = connection.wait([process.sentinel], timeout=50) == [process.sentinel]
    process.join()
    return [early, late, process.exitcode]


@gives(["ValueError", None, "ValueError", "ValueError", "ValueError"])
def closing(ctx):
    process = ctx.Process(target=sleeps)
    process.start()
    seen = [raised(process.close)]
    process.kill()
    process.join()
    process.close()
    seen.append(raised(process.close))
    return seen + [raised(each) for each in (process.is_alive, process.join, process.start)]


@gives(["AssertionError", "AssertionError", "ValueError", "AssertionError"])
def misuse(ctx):
    process = ctx.Process(target=nothing)
    seen = [raised(process.join)]
    process.start()
    seen.append(raised(process.start))
    other = ctx.Process(target=nothing)
    seen.append(raised(lambda: other.sentinel))
    seen.append(raised(setattr, process, "daemon", True))
    process.join()
    return seen


@gives([["one", "two"], ["two"], []])
def active_children(ctx):
    one, two = (ctx.Process(target=sleeps, name=name) for name in ("one", "two"))
    one.start()
    two.start()
    names = lambda: sorted(child.name for child in multiprocessing.active_children())  # noqa: E731
    seen = [names()]
    one.kill()
    one.join()
    seen.append(names())
    two.kill()
    two.join()
    return [*seen, names()]


def tell_names(sender):
    current, parent = multiprocessing.current_process(), multiprocessing.parent_process()
    inner = multiprocessing.Process(target=nothing)
    told = [
        current.name,
        current.daemon,
        parent.name,
        parent.is_alive(),
        inner.name.replace(current.name, "NAME"),
        current.is_alive(),
        current.pid == os.getpid(),
        [child.name for child in multiprocessing.active_children()],
        threading.current_thread().name,
        threading.current_thread() is threading.main_thread(),
    ]
    sender.send((told, os.getpid(), parent.pid))


@gives(
    ["Bob", False, "MainProcess", True, "Process-N:1", True, True, [], "MainThread", True],
)
def names_in_a_process(ctx):
    receiver, sender = ctx.Pipe(duplex=False)
    process = ctx.Process(target=tell_names, args=(sender,), name="Bob")
    process.start()
    told, pid, parent = receiver.recv()
    process.join()
    assert pid == process.pid != os.getpid()
    assert parent == os.getpid()
    told[4] = "Process-N:1" if told[4].endswith(":1") else told[4]
    return told


@gives([True, True, "MainProcess", None])
def names_count_from_one_in_each_process(ctx):
    first, second = ctx.Process(), ctx.Process()
    number = int(first.name.rpartition("-")[2])
    return [
        first.name.partition("Process-")[2] == str(number),
        second.name.endswith(f"Process-{number + 1}"),
        multiprocessing.current_process().name,
        multiprocessing.parent_process(),
    ]


def change_environment(sender):
    os.environ["SIMCLOCK_CASE"] = "changed"
    sender.send(os.environ["SIMCLOCK_CASE"])


@gives(["changed", "kept"])
def the_environment_is_its_own(ctx):
    os.environ["SIMCLOCK_CASE"] = "kept"
    receiver, sender = ctx.Pipe(duplex=False)
    ended(ctx, change_environment, sender)
    return [receiver.recv(), os.environ.pop("SIMCLOCK_CASE")]


def change(items, sender):
    items.append("changed")
    sender.send(items)


@gives([["kept", "changed"], ["kept"]])
def arguments_are_copies(ctx):
    items = ["kept"]
    receiver, sender = ctx.Pipe(duplex=False)
    ended(ctx, change, items, sender)
    return [receiver.recv(), items]


class Counter(multiprocessing.get_context("spawn").Process):
    """A process with attributes of its own."""

    def __init__(self, sender):
        super().__init__(name="counter")
        self.sender = sender
        self.number = 1

    def run(self):
        """Send what came along."""
        self.number += 1
        self.sender.send((self.number, self.name))


@gives([(2, "counter"), 1], methods=("spawn",))
def a_subclass_takes_its_attributes_along(ctx):
    receiver, sender = ctx.Pipe(duplex=False)
    process = Counter(sender)
    process.start()
    process.join()
    return [receiver.recv(), process.number]


# ------------------------------------------------------------- what ends with a process


def starts_a_child():
    multiprocessing.Process(target=nothing).start()


@gives([1, "AssertionError: daemonic processes are not allowed to have children"], methods=OWN)
def a_daemon_has_no_children(ctx):
    with stderr() as written:
        code = ended(ctx, starts_a_child, daemon=True)
    return [code, written[-1]]


def leaves_children(sender, method):
    ctx = multiprocessing.get_context(method)
    ctx.Process(target=sleeps, args=(100,), daemon=True).start()
    ctx.Process(target=slow_send, args=(sender, "child")).start()


def slow_send(sender, text):
    time.sleep(1)
    sender.send(text)


@gives([0, "child"], 1.0)
def daemons_are_ended_and_others_are_joined(ctx):
    receiver, sender = ctx.Pipe(duplex=False)
    code = ended(ctx, leaves_children, sender, ctx.get_start_method())
    return [code, receiver.recv()]


def leaves_threads(sender):
    threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
    threading.Thread(target=slow_send, args=(sender, "thread")).start()


@gives([0, "thread"], 1.0)
def threads_are_joined_unless_they_are_daemons(ctx):
    receiver, sender = ctx.Pipe(duplex=False)
    code = ended(ctx, leaves_threads, sender)
    return [code, receiver.recv()]


def leaves_a_pool_of_threads(sender):
    for kept in (True, False):
        pool = concurrent.futures.ThreadPoolExecutor(2)
        pool.submit(slow_send, sender, "pooled")
        if kept:
            leaves_a_pool_of_threads.pool = pool


@gives([0, "pooled", "pooled"], 1.0)
def pools_of_threads_are_waited_for(ctx):
    receiver, sender = ctx.Pipe(duplex=False)
    code = ended(ctx, leaves_a_pool_of_threads, sender)
    return [code, receiver.recv(), receiver.recv()]


def registers(sender, code):
    import atexit

    atexit.register(sender.send, "at exit")
    if code is not None:
        os._exit(code)


def fails_at_exit():
    import atexit

    atexit.register(fails)
    util.Finalize(None, fails, exitpriority=1)


@gives([0, 2], methods=OWN, since=(3, 13))
def what_fails_at_the_end_is_told(ctx):
    with stderr() as written:
        code = ended(ctx, fails_at_exit)
    return [code, written.count("ValueError: wrong")]


def interrupted(sender):
    sender.send("begun")
    time.sleep(100)


@gives([1, "KeyboardInterrupt"], methods=OWN)
def what_is_interrupted_says_so(ctx):
    receiver, sender = ctx.Pipe(duplex=False)
    with stderr() as written:
        process = ctx.Process(target=interrupted, args=(sender,))
        process.start()
        receiver.recv()
        os.kill(process.pid, signal.SIGINT)
        process.join()
    return [process.exitcode, written[-1]]


@gives(["at exit", "EOFError"], since=(3, 13))
def functions_at_exit(ctx):
    told = []
    for code in (None, 0):
        receiver, sender = ctx.Pipe(duplex=False)
        process = ctx.Process(target=registers, args=(sender, code))
        process.start()
        sender.close()
        try:
            told.append(receiver.recv())
        except EOFError:
            told.append("EOFError")
        process.join()
    return told


def has_finalizers(sender):
    for priority in (1, None, 3, 2):
        target = util if priority is None else None
        util.Finalize(target, sender.send, (priority,), exitpriority=priority)
    sender.send("run")


@gives(["run", 3, 2, 1, "EOFError"])
def finalizers_run_by_priority(ctx):
    util.Finalize(None, print, ("never seen",), exitpriority=5).cancel()
    receiver, sender = ctx.Pipe(duplex=False)
    process = ctx.Process(target=has_finalizers, args=(sender,))
    process.start()
    sender.close()
    process.join()
    told = []
    with contextlib.suppress(EOFError):
        while True:
            told.append(receiver.recv())
    return [*told, "EOFError"]


# ----------------------------------------------------------------------- pipes and queues


def echo(conn, times):
    for _ in range(times):
        conn.send(conn.recv())
    conn.close()


@gives(["text", 300_000, "EOFError"])
def a_duplex_pipe(ctx):
    ours, theirs = ctx.Pipe()
    process = ctx.Process(target=echo, args=(theirs, 2))
    process.start()
    theirs.close()
    ours.send("text")
    seen = [ours.recv()]
    ours.send(b"x" * 300_000)
    seen += [len(ours.recv()), raised(ours.recv)]
    process.join()
    return seen


@gives([False, True, "text"], 0.25)
def polling_a_pipe(ctx):
    ours, theirs = ctx.Pipe()
    process = ctx.Process(target=echo, args=(theirs, 1))
    process.start()
    theirs.close()
    seen = [ours.poll(0.25)]
    ours.send("text")
    seen += [ours.poll(50), ours.recv()]
    process.join()
    return seen


def put_all(items, target):
    for item in items:
        target.put(item)


@gives([[0, 1, 2, 3], 0])
def a_queue(ctx):
    items = ctx.Queue()
    process = ctx.Process(target=put_all, args=(range(4), items))
    process.start()
    found = [items.get() for _ in range(4)]
    process.join()
    items.close()
    items.join_thread()
    return [found, process.exitcode]


@gives([200, 0])
def what_was_put_is_flushed_at_the_end_of_a_process(ctx):
    items = ctx.Queue()
    process = ctx.Process(target=put_all, args=(["x" * 5000] * 200, items))
    process.start()
    found = [items.get() for _ in range(200)]
    process.join()
    items.close()
    items.join_thread()
    return [len(found), process.exitcode]


@gives(["Empty", "Empty", "Full", "Full"], 0.5)
def a_queue_that_is_empty_or_full(ctx):
    items = ctx.Queue(1)
    seen = [raised(items.get_nowait), raised(items.get, timeout=0.25)]
    items.put(1)
    seen += [raised(items.put_nowait, 2), raised(items.put, 2, timeout=0.25)]
    items.get()
    items.close()
    items.join_thread()
    return seen


@gives(["first", "second"])
def a_simple_queue(ctx):
    items = ctx.SimpleQueue()
    ended(ctx, put_all, ["first", "second"], items)
    found = [items.get(), items.get()]
    items.close()
    return found


def work_off(items, results):
    while (item := items.get()) is not None:
        results.put(item * item)
        items.task_done()
    items.task_done()


@gives([1, 4, 9])
def a_joinable_queue(ctx):
    items, results = ctx.JoinableQueue(), ctx.SimpleQueue()
    process = ctx.Process(target=work_off, args=(items, results))
    process.start()
    put_all([1, 2, 3, None], items)
    items.join()
    process.join()
    items.close()
    items.join_thread()
    return [results.get() for _ in range(3)]


# ----------------------------------------------------------------------------------- locks


def count_up(lock, counter, times):
    for _ in range(times):
        with lock:
            before = counter.value
            time.sleep(0.001)
            counter.value = before + 1


@gives(15, 0.015)
def a_lock_keeps_others_out(ctx):
    lock, counter = ctx.Lock(), ctx.Value("i", 0, lock=False)
    processes = [ctx.Process(target=count_up, args=(lock, counter, 5)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return counter.value


def try_lock(lock, sender):
    sender.send((lock.acquire(False), lock.acquire(timeout=0.25)))


@gives([(False, False), (True, True)])
def who_has_a_lock(ctx):
    lock = ctx.RLock()
    receiver, sender = ctx.Pipe(duplex=False)
    with lock, lock:
        ended(ctx, try_lock, lock, sender)
        seen = [receiver.recv()]
    ended(ctx, try_lock, lock, sender)
    return [*seen, receiver.recv()]


@gives(["AssertionError", "ValueError"])
def releasing_too_often(ctx):
    return [raised(ctx.RLock().release), raised(ctx.BoundedSemaphore(2).release)]


def hold(semaphore, sender):
    with semaphore:
        sender.send("in")
        time.sleep(1)


@gives([["in"] * 5, 2], 3.0)
def a_semaphore(ctx):
    semaphore = ctx.Semaphore(2)
    receiver, sender = ctx.Pipe(duplex=False)
    processes = [ctx.Process(target=hold, args=(semaphore, sender)) for _ in range(5)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [[receiver.recv() for _ in range(5)], semaphore.get_value()]


def wait_for(event, sender):
    sender.send(event.wait(0.25))
    sender.send(event.wait(50))


@gives([False, True, True], 1.0)
def an_event(ctx):
    event = ctx.Event()
    receiver, sender = ctx.Pipe(duplex=False)
    process = ctx.Process(target=wait_for, args=(event, sender))
    process.start()
    time.sleep(1)
    seen = [receiver.recv()]
    event.set()
    process.join()
    return [*seen, receiver.recv(), event.is_set()]


def wait_in(condition, ready, sender):
    with condition:
        ready.release()
        sender.send(condition.wait(50))


@gives([True, True, True])
def a_condition(ctx):
    condition, ready = ctx.Condition(), ctx.Semaphore(0)
    receiver, sender = ctx.Pipe(duplex=False)
    processes = [ctx.Process(target=wait_in, args=(condition, ready, sender)) for _ in range(3)]
    for process in processes:
        process.start()
    for _ in processes:
        ready.acquire()
    with condition:
        condition.notify()
    with condition:
        condition.notify_all()
    for process in processes:
        process.join()
    return [receiver.recv() for _ in processes]


def meet(barrier, sender):
    try:
        barrier.wait()
        sender.send("met")
    except threading.BrokenBarrierError:
        sender.send("broken")


@gives([["met", "met"], ["broken"]])
def a_barrier(ctx):
    barrier = ctx.Barrier(3)
    receiver, sender = ctx.Pipe(duplex=False)
    processes = [ctx.Process(target=meet, args=(barrier, sender)) for _ in range(2)]
    for process in processes:
        process.start()
    barrier.wait()
    for process in processes:
        process.join()
    met = [receiver.recv() for _ in processes]
    barrier.abort()
    ended(ctx, meet, barrier, sender)
    return [met, [receiver.recv()]]


class Point(ctypes.Structure):
    """Shared in memory."""

    _fields_ = [("x", ctypes.c_int), ("y", ctypes.c_double)]


def write(value, array, point):
    value.value += 1
    array[1] = 7
    with point.get_lock():
        point.y = 0.5
    own = multiprocessing.Value("i", 3)
    own.value = 4


@gives([4, [0, 7, 0], (2, 0.5), 5])
def values_and_arrays(ctx):
    value, array = ctx.Value("i", 3), ctx.Array("h", 3)
    point = ctx.Value(Point, 2, 0.0)
    ended(ctx, write, value, array, point)
    other = ctx.Value("i", 5)  # the memory of the first is still there
    return [value.value, array[:], (point.x, point.y), other.value]


def die_with(lock):
    lock.acquire()
    os._exit(0)


@gives(False)
def a_lock_of_who_has_died_is_never_free(ctx):
    lock = ctx.Lock()
    ended(ctx, die_with, lock)
    return lock.acquire(timeout=0.25)


@gives("RuntimeError", methods=PICKLING, since=(3, 12))
def a_lock_of_another_context(ctx):
    lock = multiprocessing.get_context("fork").Lock()
    return raised(ctx.Process(target=die_with, args=(lock,)).start)


# --------------------------------------------------------------------------------- pickling


@gives([True, False, []], methods=PICKLING)
def what_cannot_be_pickled(ctx):
    process = ctx.Process(target=lambda: None)
    name = raised(process.start)
    return [
        name in ("PicklingError", "AttributeError"),
        process.is_alive(),
        multiprocessing.active_children(),
    ]


class Unwilling:
    """Can be pickled, but not back."""

    def __getstate__(self):
        return 1

    def __setstate__(self, state):
        raise ValueError("will not")


@gives([1, "ValueError: will not"], methods=("spawn",))
def what_cannot_be_unpickled(ctx):
    with stderr() as written:
        code = ended(ctx, nothing_with, Unwilling())
    return [code, written[-1]]


def nothing_with(_):
    pass


@gives("RuntimeError")
def a_lock_outside_of_a_start(ctx):
    import pickle

    return raised(pickle.dumps, ctx.Lock())


def pass_on(conn, other):
    conn.send(other)
    conn.recv()


@gives("through")
def a_connection_through_a_connection(ctx):
    ours, theirs = ctx.Pipe()
    receiver, sender = ctx.Pipe(duplex=False)
    process = ctx.Process(target=pass_on, args=(theirs, sender))
    process.start()
    with ours.recv() as passed:
        passed.send("through")
    ours.send(None)
    process.join()
    return receiver.recv()


# ------------------------------------------------------------------------------------ pools


@gives([[0, 1, 4, 9], [0, 1, 4], [0, 1, 4], 25, 36, [8, 9]])
def a_pool(ctx):
    with ctx.Pool(2) as pool:
        return [
            pool.map(square, range(4)),
            list(pool.imap(square, range(3))),
            sorted(pool.imap_unordered(square, range(3))),
            pool.apply(square, (5,)),
            pool.apply_async(square, (6,)).get(50),
            pool.starmap(pow, [(2, 3), (3, 2)]),
        ]


@gives([0, 1, 4, 9], 2.0)
def a_pool_of_two_works_on_four(ctx):
    with ctx.Pool(2) as pool:
        return pool.map(slow_square, range(4), chunksize=1)


@gives(["ZeroDivisionError", True, "TimeoutError", ["error", 4]])
def errors_of_a_pool(ctx):
    called = []
    with ctx.Pool(1) as pool:
        try:
            pool.map(inverse, [0])
        except ZeroDivisionError as error:
            seen = [type(error).__name__, "in inverse" in str(error.__cause__)]
        late = pool.apply_async(sleeps, (2,))
        seen.append(raised(late.get, 0.25))
        late.get()
        failed = pool.apply_async(
            inverse, (0,), callback=called.append, error_callback=lambda _: called.append("error")
        )
        failed.wait()
        pool.apply_async(square, (2,), callback=called.append).wait()
        pool.close()
        pool.join()
    return [*seen, called]


@gives("MaybeEncodingError")
def a_result_that_cannot_be_pickled(ctx):
    with ctx.Pool(1) as pool:
        return raised(pool.apply, make_lambda)


def make_lambda():
    return lambda: None


@gives([4, 1])
def workers_of_a_pool_are_replaced(ctx):
    with ctx.Pool(1, maxtasksperchild=1) as pool:
        several = len(set(pool.map(pid, range(4), chunksize=1)))
    with ctx.Pool(1) as pool:
        one = len(set(pool.map(pid, range(4), chunksize=1)))
    return [several, one]


def initialize(value):
    os.environ["SIMCLOCK_CASE"] = value


def initialized(_):
    return os.environ.get("SIMCLOCK_CASE")


@gives(["set", "set"])
def workers_of_a_pool_are_initialized(ctx):
    with ctx.Pool(1, initialize, ("set",)) as pool:
        return pool.map(initialized, range(2))


@gives([[0, 1], [0, 1, 4]])
def a_worker_of_a_pool_that_is_killed_is_replaced(ctx):
    with ctx.Pool(1) as pool:
        first = pool.map(square, range(2))
        # One that waits for work has the lock of the queue: so it is one that works.
        pool.apply_async(sleeps)
        time.sleep(0.5)
        pool._pool[0].kill()
        return [first, pool.map(square, range(3))]


@gives([0, 0])
def a_pool_that_is_closed_ends_its_workers(ctx):
    pool = ctx.Pool(2)
    workers = pool._pool[:]
    pool.close()
    pool.join()
    return [worker.exitcode for worker in workers]


# ------------------------------------------------------------------------------- executors


def executor(ctx, workers=2, **options):
    return concurrent.futures.ProcessPoolExecutor(workers, mp_context=ctx, **options)


@gives([4, [0, 1, 4, 9], "ZeroDivisionError", True])
def an_executor(ctx):
    with executor(ctx) as pool:
        seen = [pool.submit(square, 2).result(), list(pool.map(square, range(4), chunksize=3))]
        error = pool.submit(inverse, 0).exception()
    return [*seen, type(error).__name__, "in inverse" in str(error.__cause__)]


@gives([0, 1, 4, 9], 2.0)
def an_executor_of_two_works_on_four(ctx):
    with executor(ctx) as pool:
        return list(pool.map(slow_square, range(4)))


@gives(["BrokenProcessPool", "BrokenProcessPool"])
def an_executor_whose_worker_exits_is_broken(ctx):
    with executor(ctx) as pool:
        return [
            raised(pool.submit(exits_without_more_ado, 3).result),
            raised(pool.submit, square, 2),
        ]


@gives(["BrokenProcessPool", "BrokenProcessPool"])
def an_executor_whose_worker_is_killed_is_broken(ctx):
    with executor(ctx) as pool:
        future = pool.submit(sleeps)
        time.sleep(0.5)
        next(iter(pool._processes.values())).kill()
        return [raised(future.result), raised(pool.submit, square, 2)]


@gives(["BrokenProcessPool", True], methods=OWN)
def an_executor_whose_workers_cannot_be_initialized_is_broken(ctx):
    with stderr() as written, executor(ctx, 1, initializer=fails) as pool:
        error = raised(pool.submit(square, 2).result)
    return [error, "ValueError: wrong" in written]


@gives([True, 4])
def a_call_that_cannot_be_pickled(ctx):
    with executor(ctx, 1) as pool:
        name = raised(pool.submit(lambda: None).result)
        return [name in ("PicklingError", "AttributeError"), pool.submit(square, 2).result()]


@gives([None, True, "RuntimeError"])
def an_executor_that_is_shut_down(ctx):
    pool = executor(ctx, 1)
    futures = [pool.submit(sleeps, 1) for _ in range(6)]
    time.sleep(0.25)
    pool.shutdown(cancel_futures=True)
    return [futures[0].result(), futures[-1].cancelled(), raised(pool.submit, square, 2)]


@gives([4, 2], methods=PICKLING, since=(3, 11))
def workers_of_an_executor_are_replaced(ctx):
    numbers = []
    for tasks in (1, 2):
        with executor(ctx, 1, max_tasks_per_child=tasks) as pool:
            numbers.append(len({pool.submit(pid).result() for _ in range(4)}))
    return numbers


# ---------------------------------------------------------------------------------- script


def main(model, method, *names):
    """Run the cases called *names*, or all."""
    warnings.simplefilter("ignore")
    ctx = multiprocessing.get_context(method)
    # Pools ask for the default, too.
    multiprocessing.set_start_method(method)
    for name in names or CASES:
        case = CASES[name]
        if method in case.methods and sys.version_info >= case.since:
            try:
                told = run(case.function, ctx, model)
            except BaseException:
                told = (traceback.format_exc(), None, None)
            sys.stdout.write(f"{(name, *told)!r}\n")
            sys.stdout.flush()


def run(function, ctx, model):
    """Return what *function* returns, the virtual seconds, and the digest of the trace."""
    if model == "plain":
        return function(ctx), None, None
    with simclock.Simulation(processes=model) as sim:
        result = function(ctx)
        elapsed = round(sim.elapsed, 6)
    return result, elapsed, sim.trace.digest


if __name__ == "__main__":
    main(*sys.argv[1:])
