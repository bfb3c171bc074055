"""SQLite waits by its own back-off, in milliseconds 1 2 5 10 15 20 25 25 25 50 50 100 100 ..."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import simclock
from simclock import Escape, Simulation
from simclock._boundary import databases, realtime
from simclock.errors import LimitReached, Unwind

# Long enough for another process to do something, and more than any of these tests takes.
REAL = 10.0


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "data.db"
    with contextlib.closing(sqlite3.connect(path)) as made, made:
        made.execute("CREATE TABLE t (x)")
    return path


@pytest.fixture
def stack():
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def opened(path):
    """Open the database; close it at the end of the test."""
    connections = []

    def connect(**options):
        connections.append(sqlite3.connect(path, **options))
        return connections[-1]

    yield connect
    for connection in connections:
        connection.close()


def start(*targets):
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    return threads


def join(threads):
    for thread in threads:
        thread.join()


def hold(path, seconds, kind="EXCLUSIVE"):
    """Return what locks the database from now on for virtual *seconds*."""

    def run():
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as owner:
            owner.execute(f"BEGIN {kind}")
            time.sleep(seconds)
            owner.execute("COMMIT")

    return run


def call(function, *args):
    try:
        return function(*args)
    except sqlite3.Error as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.hang_limit(REAL)
def test_contending_threads_take_turns_in_virtual_time(path, log):
    def writer(name):
        def run():
            with contextlib.closing(sqlite3.connect(path, timeout=5)) as connection:
                connection.isolation_level = None
                for _ in range(2):
                    connection.execute("BEGIN IMMEDIATE")
                    connection.execute("INSERT INTO t VALUES (?)", (name,))
                    time.sleep(1)
                    connection.execute("COMMIT")
                    log(name)
                    time.sleep(0.45)

        return run

    with Simulation() as sim:
        join(start(writer("a"), writer("b")))

        assert sim.escapes == ()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        rows = [row for (row,) in connection.execute("SELECT x FROM t")]

    assert log == [(1.0, "a"), (2.028, "b"), (3.078, "a"), (4.106, "b")]
    assert rows == ["a", "b", "a", "b"]


@pytest.mark.parametrize(
    ("timeout", "expected"),
    [
        (5.0, (5.5, "OperationalError: database is locked")),
        (0.004, (0.504, "OperationalError: database is locked")),
        (0, (0.5, "OperationalError: database is locked")),
        (60, (20.028, None)),
    ],
)
@pytest.mark.hang_limit(REAL)
def test_a_timeout_counts_in_virtual_time(path, log, timeout, expected):
    with Simulation():
        holders = start(hold(path, 20))
        time.sleep(0.5)
        with contextlib.closing(sqlite3.connect(path, timeout=timeout)) as connection:
            done = call(connection.execute, "SELECT * FROM t")
            log(done if isinstance(done, str) else None)
        join(holders)

    assert log == [expected]


def test_the_users_own_busy_timeout_counts_and_stays(path, log):
    statements = []
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA busy_timeout = 300")
        connection.set_trace_callback(statements.append)
        with Simulation():
            holders = start(hold(path, 20))
            time.sleep(0)
            log(call(connection.execute, "INSERT INTO t VALUES (1)"))
            join(holders)
        connection.set_trace_callback(None)

        assert connection.execute("PRAGMA busy_timeout").fetchall() == [(300,)]
    assert log == [(0.3, "OperationalError: database is locked")]
    # Nothing but what the user asked for; 3.10 also tells of it again when it is run.
    assert set(statements) <= {"BEGIN ", "INSERT INTO t VALUES (1)"}


def insert(connection):
    connection.execute("INSERT INTO t VALUES (1)")
    connection.commit()


def insert_by_with(connection):
    with connection:
        connection.execute("INSERT INTO t VALUES (1)")


def insert_many(connection):
    connection.cursor().executemany("INSERT INTO t VALUES (?)", [(1,)])
    connection.commit()


def insert_by_script(connection):
    connection.executescript("INSERT INTO t VALUES (1);")


def fetch(connection):
    connection.execute("SELECT * FROM t").fetchall()


def iterate(connection):
    list(connection.execute("SELECT * FROM t"))


def back_up(connection):
    with contextlib.closing(sqlite3.connect(":memory:")) as target:
        connection.backup(target, sleep=0.25)


@pytest.mark.parametrize(
    ("use", "waited"),
    [
        (insert, 1.028),
        (insert_by_with, 1.028),
        (insert_many, 1.028),
        (insert_by_script, 1.028),
        (fetch, 1.028),
        (iterate, 1.028),
        (back_up, 1.028),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
@pytest.mark.hang_limit(REAL)
def test_whatever_waits_in_sqlite_waits_in_virtual_time(path, opened, use, waited):
    connection = opened(timeout=5)
    with Simulation() as sim:
        holders = start(hold(path, 1))
        time.sleep(0)
        use(connection)

        assert sim.elapsed == waited
        join(holders)


@pytest.mark.hang_limit(REAL)
def test_a_commit_waits_for_readers(path, opened, log):
    reader = opened(isolation_level=None, check_same_thread=False)
    writer = opened(isolation_level=None)

    def read():
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM t").fetchall()
        time.sleep(1)
        reader.execute("COMMIT")
        log("read")

    with Simulation():
        readers = start(read)
        time.sleep(0)
        writer.execute("BEGIN")
        writer.execute("INSERT INTO t VALUES (1)")
        writer.execute("COMMIT")
        log("written")
        join(readers)

    assert log == [(1.0, "read"), (1.028, "written")]


def deadlocked(opened):
    """Let two transactions each read, then write: SQLite asks nobody to wait for the second."""
    one, other = opened(isolation_level=None), opened(isolation_level=None)
    for connection in (one, other):
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("BEGIN")
        connection.execute("SELECT * FROM t").fetchall()
    one.execute("INSERT INTO t VALUES (1)")
    one.execute("COMMIT")
    told = call(other.execute, "INSERT INTO t VALUES (2)")
    other.execute("ROLLBACK")
    return told


def test_what_cannot_get_better_by_waiting_fails_at_once_as_in_reality(opened):
    real = deadlocked(opened)

    with Simulation() as sim:
        assert deadlocked(opened) == real == "OperationalError: database is locked"
        assert sim.elapsed == 0.0


def test_a_users_function_that_sleeps_sleeps_in_virtual_time(opened):
    connection = opened(check_same_thread=False)
    connection.create_function("nap", 1, time.sleep)
    with Simulation() as sim:
        connection.execute("SELECT nap(3)").fetchall()

        assert sim.elapsed == 3.0


def test_errors_are_those_of_the_original(opened):
    connection, closed = opened(), opened()
    closed.close()
    told = []

    def elsewhere():
        told.append(call(connection.execute, "SELECT 1").partition("SQLite objects")[1])

    with Simulation():
        join(start(elsewhere))
        told.append(call(closed.execute, "SELECT 1"))
        told.append(call(connection.execute, "SELECT * FROM missing"))

    assert told == [
        "SQLite objects",
        "ProgrammingError: Cannot operate on a closed database.",
        "OperationalError: no such table: missing",
    ]


OWNER = """
    import sqlite3, sys, time
    connection = sqlite3.connect(sys.argv[1], isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    print("locked", flush=True)
    time.sleep(float(sys.argv[2]))
    connection.execute("COMMIT")
    connection.close()
"""


@contextlib.contextmanager
def other_process(path, seconds):
    """Run another process that locks the database for real *seconds*."""
    command = [sys.executable, "-c", textwrap.dedent(OWNER), str(path), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "locked\n"
        yield process


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_the_clock_is_held_for_another_process_and_for_no_longer_than_that(path, opened, log, mode):
    opened().execute(f"PRAGMA journal_mode = {mode}").fetchall()
    connection = opened(timeout=60)
    # In WAL mode the file that locks are in is opened by the first use.
    connection.execute("SELECT * FROM t").fetchall()
    with other_process(path, 0.2) as process, Simulation() as sim:
        threading.Timer(0.5, log, ["timer"]).start()
        with connection:
            connection.execute("INSERT INTO t VALUES (1)")
        assert sim.elapsed < 0.4
        escapes = sim.escapes

    # Its own sleeps are as long as they are; the timer that is due among them is served.
    assert any(f"process {process.pid}, which locks data.db" in line for line in escapes)
    assert log == [(0.5, "timer")]


def test_another_process_that_does_not_let_go_is_waited_for_as_long_as_in_reality(path, stack):
    # Among the open files there may be some that cannot be locked.
    stack.callback(os.close, os.open(path.parent, os.O_PATH))
    with other_process(path, REAL) as process, Simulation() as sim:
        began = realtime.now()
        with contextlib.closing(sqlite3.connect(path, timeout=0.3)) as connection:
            told = call(connection.execute, "SELECT * FROM t")
        process.kill()

        assert (told, sim.elapsed) == ("OperationalError: database is locked", 0.3)
        assert realtime.now() - began >= 0.25


def test_strict_mode_refuses_to_wait_for_another_process(path):
    def program():
        with contextlib.closing(sqlite3.connect(path)) as connection:
            call(connection.execute, "SELECT * FROM t")

    with other_process(path, REAL) as process:
        with pytest.raises(Escape, match="waits for SQLite"):
            simclock.run(program, external="strict")
        process.kill()


def test_the_error_of_a_failed_simulation_is_raised_after_the_wait(path):
    def program():
        holders = start(hold(path, 100))
        time.sleep(0)
        with contextlib.closing(sqlite3.connect(path, timeout=50)) as connection:
            told = call(connection.execute, "SELECT * FROM t")
        join(holders)
        return told

    with pytest.raises(LimitReached, match="10 virtual seconds"):
        simclock.run(program, max_time=10)


def test_a_handler_that_raises_ends_the_wait_and_is_heard_at_the_next_one(path, log):
    def interrupt(signum, frame):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with Simulation():
            holders = start(hold(path, 100))
            time.sleep(0)
            signal.alarm(2)
            with contextlib.closing(sqlite3.connect(path, timeout=50)) as connection:
                log(call(connection.execute, "SELECT * FROM t"))
            with pytest.raises(TimeoutError):
                time.sleep(1)
            log("interrupted")
            join(holders)
    finally:
        signal.signal(signal.SIGALRM, before)

    # SQLite cannot be interrupted: it goes through the rest of its back-off, which takes no time.
    assert log == [(2.0, "OperationalError: database is locked"), (2.0, "interrupted")]


def test_without_ctypes_the_wait_is_real(path, opened, monkeypatch):
    monkeypatch.setattr(databases, "_sleeps", [])
    monkeypatch.setitem(sys.modules, "ctypes", None)
    owner = opened(isolation_level=None)
    owner.execute("BEGIN EXCLUSIVE")
    with Simulation() as sim, contextlib.closing(sqlite3.connect(path, timeout=0.05)) as other:
        assert call(other.execute, "SELECT * FROM t") == "OperationalError: database is locked"
        assert sim.elapsed == 0.0


def test_a_leftover_that_waits_for_a_lock_is_unwound(path, opened):
    ended = []

    def waiter():
        try:
            with contextlib.closing(sqlite3.connect(path, timeout=1e6)) as connection:
                while True:
                    call(connection.execute, "SELECT * FROM t")
                    time.sleep(1)
        except Unwind:
            ended.append("unwound")

    owner = opened(isolation_level=None)
    owner.execute("BEGIN EXCLUSIVE")
    with Simulation(drain=1):
        threading.Thread(target=waiter, daemon=True).start()
        time.sleep(1)

    assert ended == ["unwound"]


def test_a_foreign_thread_waits_for_real(path, opened):
    owner = opened(isolation_level=None, check_same_thread=False)
    owner.execute("BEGIN EXCLUSIVE")
    waited = []

    def foreign():
        began = time.monotonic()
        with contextlib.closing(sqlite3.connect(path, timeout=0.1)) as connection:
            waited.append(call(connection.execute, "SELECT * FROM t"))
        waited.append(time.monotonic() - began >= 0.1)

    with Simulation() as sim, sim.real_time():
        thread = threading.Thread(target=foreign)
        thread.start()
        thread.join()

    assert waited == ["OperationalError: database is locked", True]


def address():
    """Return what SQLite would call to sleep."""
    owner = databases._sleeps[0]._owners[0]
    return ctypes.cast(owner.sleep, ctypes.c_void_p).value


def test_sqlite_is_left_as_it_was_found():
    with Simulation():
        inside = address()
    outside = address()

    assert inside != outside == databases._sleeps[0]._real_address
    with pytest.raises(KeyError), Simulation():
        raise KeyError
    assert address() == outside


def test_a_program_that_does_not_use_sqlite_does_not_load_it(child):
    program = """
        import sys
        before = "_sqlite3" in sys.modules
        import simclock
        with simclock.Simulation():
            print(("_sqlite3" in sys.modules) == before)
    """

    assert child(program) == ["True"]


def test_sqlite_that_is_loaded_inside_waits_in_virtual_time_too(child, path):
    program = f"""
        import threading, time, simclock
        with simclock.Simulation() as sim:
            import sqlite3
            owner = sqlite3.connect({str(path)!r}, isolation_level=None)
            owner.execute("BEGIN EXCLUSIVE")
            other = sqlite3.connect({str(path)!r}, timeout=7)
            try:
                other.execute("SELECT * FROM t")
            except sqlite3.OperationalError as error:
                print(error, sim.elapsed)
            other.close()
            owner.close()
    """

    assert child(program) == ["database is locked 7.0"]
