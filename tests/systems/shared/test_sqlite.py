"""Stores in SQLite files: what can be wrong with a file, and who else has it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from simclock.systems._shared.stores import databases
from simclock.systems._shared.stores.databases import Database
from simclock.systems._shared.stores.interfaces import Counts, Damaged, StoredRecord, StoreError
from simclock.systems._shared.stores.sqlite import SqliteJobs, SqliteRecords


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.db"


@pytest.fixture
def database(path):
    with contextlib.closing(Database(path, patience=0.05, durable=False)) as database:
        yield database


@pytest.fixture
def jobs(database):
    return SqliteJobs(database)


@pytest.fixture
def other(path):
    """A connection of somebody else."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


# -------------------------------------------------------------------- settings


@pytest.mark.parametrize("path", ["", ":memory:"])
def test_a_file_is_needed(path):
    with pytest.raises(ValueError, match="a store in SQLite needs a file: "):
        SqliteJobs(path)


@pytest.mark.parametrize("patience", [-1, float("nan")])
def test_patience_is_a_number_of_seconds(path, patience):
    with pytest.raises(ValueError, match="patience of no meaning"):
        Database(path, patience=patience)


@pytest.mark.parametrize("prefix", ["a\0", "sqlite_x", "SQLITE_x"])
def test_names_that_sqlite_does_not_have_are_refused(path, prefix):
    with pytest.raises(ValueError, match="no table of SQLite can be called "):
        SqliteRecords(path, prefix)


def test_settings_are_those_of_a_database(path, database):
    with pytest.raises(TypeError, match="a Database has its settings already: patience\n"):
        SqliteJobs(database, patience=1)
    with pytest.raises(TypeError, match="patients"):
        SqliteJobs(path, patients=1)


@pytest.mark.parametrize(("durable", "level"), [(True, 2), (False, 1)])
def test_a_durable_one_waits_for_the_disk(path, durable, level):
    with contextlib.closing(Database(path, durable=durable)) as database:
        jobs = SqliteJobs(database)
        jobs.push("a", 1)
        connection = database._own().connection

        assert connection.execute("PRAGMA synchronous").fetchone() == (level,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA busy_timeout").fetchone() == (0,)


def test_several_stores_share_a_file_and_do_not_see_each_other(database):
    stores = [
        SqliteJobs(database, prefix) for prefix in ("", "a", 'x"; DROP TABLE y', "flowrra:queue")
    ]
    for number, store in enumerate(stores):
        store.push("a", number)
    records = SqliteRecords(database, "a")
    records.create("a", "new", 5, at=1)

    assert [store.claim("one", now=0, until=1).payload for store in stores] == [0, 1, 2, 3]
    assert records.get("a").value == 5


def test_a_path_is_that_of_the_folder_at_the_time(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = SqliteJobs("here.db")
    monkeypatch.chdir("/")
    with contextlib.closing(store):
        store.push("a", 1)

    assert (tmp_path / "here.db").exists()


# ---------------------------------------------------------------- what is wrong


def refused(store, match):
    with pytest.raises(StoreError, match=match) as caught:
        store.counts(0)
    return caught.value


def test_a_file_that_is_no_database_is_left_as_it_is(path, jobs):
    content = b"something else's, and longer than the head of a database: " + bytes(200)
    path.write_bytes(content)
    error = refused(jobs, "is something else's: name another file")

    assert str(path) in str(error)
    assert isinstance(error.__cause__, sqlite3.DatabaseError)
    assert path.read_bytes() == content
    assert os.listdir(path.parent) == [path.name]


def test_it_works_once_the_file_is_right(path, jobs):
    path.write_bytes(b"not a database, but something else" * 9)
    refused(jobs, "store.db")
    path.unlink()

    assert jobs.counts(0) == Counts(0, 0, 0)


def test_a_damaged_database_is_an_error_with_a_remedy(path, jobs):
    for number in range(200):
        jobs.push(f"key {number}", "x" * 100)
    jobs.close()
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    refused(jobs, "it is damaged: move it away and restore a copy")

    assert path.read_bytes()[:100] == content[:100]


def test_a_folder_is_no_file(tmp_path):
    refused(SqliteJobs(tmp_path), "name a file, not a folder")


@pytest.mark.parametrize("path", ["missing/store.db", "/proc/store.db"])
def test_the_folder_must_be_there_and_be_writable(tmp_path, path):
    refused(SqliteJobs(tmp_path / path), "unable to open database file\nname a file")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anything")
def test_the_file_must_be_writable(path, jobs):
    jobs.push("a", 1)
    jobs.close()
    path.chmod(0o400)
    with pytest.raises(StoreError, match="let this user write"):
        jobs.push("a", 1)


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("attempt to write a readonly database", "let this user write the file and its folder"),
        ("database or disk is full", "make room on its disk"),
        ("disk I/O error", "see what SQLite says; the operation can be repeated"),
    ],
)
def test_each_error_has_a_remedy(database, jobs, text, remedy):
    def fail(connection):
        raise sqlite3.OperationalError(text)

    jobs.push("a", 1)
    with pytest.raises(StoreError, match=f"cannot be used: {text}\n{remedy}"):
        database.write(jobs._table, fail)
    assert jobs.counts(0) == Counts(1, 0, 0)


def test_a_table_of_another_version_is_left_as_it_is(jobs, other):
    jobs.push("a", 1)
    other.execute("UPDATE simclock_versions SET version = 7")
    jobs.close()
    refused(jobs, "simclock:jobs in .*store.db is of version 7, not 1\nuse the version of simclock")

    assert other.execute('SELECT count(*) FROM "simclock:jobs"').fetchone() == (1,)


def test_a_table_that_was_dropped_is_made_again(jobs, other):
    jobs.push("a", 1)
    other.execute('DROP TABLE "simclock:jobs"')
    refused(jobs, "no such table: simclock:jobs\nsee what SQLite says")

    assert jobs.counts(0) == Counts(0, 0, 0)
    assert jobs.push("a", 1)


@pytest.mark.parametrize("name", ["simclock:jobs", "Simclock:JOBS"])
def test_a_table_of_somebody_else_is_left_as_it_is(jobs, other, name):
    other.execute(f'CREATE TABLE "{name}" (x)')
    refused(jobs, "something else's\nname another file, or give another prefix")

    assert other.execute("SELECT count(*) FROM sqlite_master").fetchone() == (1,)


def test_what_somebody_has_changed_is_damaged(jobs, other, database):
    records = SqliteRecords(database)
    jobs.push("a", 1)
    records.create("b", "new", 1, at=1)
    other.execute('UPDATE "simclock:jobs" SET payload = \'{"$":"x","v":1}\'')
    other.execute("UPDATE \"simclock:records\" SET value = 'nonsense'")

    damaged = jobs.claim("one", now=0, until=10).payload
    assert isinstance(damaged, Damaged)
    assert re.match(r"the job 'a' in the table simclock:jobs of .*store\.db is", damaged.why)
    with pytest.raises(StoreError, match="the record 'b' in the table simclock:records of "):
        records.get("b")
    assert jobs.acknowledge("a", "one")


def test_what_raises_has_written_nothing(database, jobs):
    def fail(connection):
        connection.execute('DELETE FROM "simclock:jobs"')
        raise KeyboardInterrupt

    jobs.push("a", 1)
    with pytest.raises(KeyboardInterrupt):
        database.write(jobs._table, fail)

    assert jobs.counts(0) == Counts(1, 0, 0)


def test_what_has_been_rolled_back_already_is_not_rolled_back_again(database, jobs):
    def fail(connection):
        connection.execute("ROLLBACK")
        raise KeyError

    with pytest.raises(KeyError):
        database.write(jobs._table, fail)


# -------------------------------------------------------------------- locked


def test_a_locked_file_is_an_error_after_some_time(jobs, other):
    jobs.push("a", 1)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(StoreError, match=r"store\.db was locked for 0\.05 s\nend the process"):
        jobs.push("b", 1)

    assert 0.03 < time.monotonic() - began < 5
    assert jobs.counts(0) == Counts(1, 0, 0)
    assert jobs.claim("one", now=-1, until=1) is None
    other.execute("ROLLBACK")
    assert jobs.push("b", 1)


@pytest.mark.simclock
def test_the_wait_for_a_locked_file_takes_simulated_time(sim, path):
    with contextlib.closing(SqliteJobs(path)) as jobs, contextlib.closing(SqliteJobs(path)) as two:
        jobs.push("a", 1)
        locked, release = threading.Event(), threading.Event()

        def lock(connection):
            locked.set()
            release.wait()

        thread = threading.Thread(target=two._database.write, args=[two._table, lock])
        thread.start()
        locked.wait()
        threading.Timer(3, release.set).start()
        assert jobs.push("b", 1)
        assert 3 <= sim.elapsed < 3.1
        thread.join()

        thread = threading.Thread(target=two._database.write, args=[two._table, lock])
        locked.clear()
        release.clear()
        thread.start()
        locked.wait()
        before = sim.elapsed
        with pytest.raises(StoreError, match="was locked for 10 s"):
            jobs.push("c", 1)
        assert 9.9 < sim.elapsed - before <= 10
        release.set()
        thread.join()


def test_the_mode_of_a_locked_file_is_set_later(path, other):
    """Somebody has it, in the mode in which one writer keeps all others away."""
    other.execute("CREATE TABLE x (y)")
    other.execute("BEGIN EXCLUSIVE")
    with contextlib.closing(SqliteJobs(path, patience=0)) as jobs:
        refused(jobs, "was locked for 0 s")
        assert jobs._database._own().connection is None
        other.execute("COMMIT")
        assert jobs.counts(0) == Counts(0, 0, 0)


def test_a_connection_that_cannot_be_set_up_is_closed(path, database, monkeypatch):
    """Warnings are errors here: one that is left open would fail the test."""

    class Broken(sqlite3.Connection):
        def execute(self, *args):
            raise KeyboardInterrupt

    connect = sqlite3.connect
    monkeypatch.setattr(
        databases.sqlite3, "connect", lambda *args, **kw: connect(*args, **kw, factory=Broken)
    )
    with pytest.raises(KeyboardInterrupt):
        SqliteJobs(database).counts(0)


# ------------------------------------------------------------- other processes


def test_one_connection_for_all_threads_is_closed(database, jobs):
    """Whatever threads there were: none leaves a connection behind."""
    threads = [threading.Thread(target=jobs.push, args=[str(number), 1]) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    connection = database._own().connection
    database.close()

    assert database._own().connection is None
    with pytest.raises(sqlite3.ProgrammingError):
        connection.execute("SELECT 1")
    assert jobs.counts(0).ready == 4


def test_a_child_that_was_forked_has_a_connection_of_its_own(database, jobs):
    jobs.push("a", 1)
    before = database._own().connection
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        status = 1
        with contextlib.suppress(BaseException):
            assert database._own().connection is None
            assert jobs.claim("child", now=0, until=10).key == "a"
            assert database._own().connection is not before
            jobs.push("b", 2)
            database.close()
            status = 0
        os.write(writer, bytes([status]))
        os._exit(status)
    os.close(writer)
    with open(reader, "rb") as file:
        assert file.read() == b"\0"
    os.waitpid(pid, 0)

    assert database._own().connection is before
    assert jobs.claim("parent", now=0, until=10).key == "b"


PROGRAM = """
    import sys, time
    from simclock.systems._shared.stores.sqlite import SqliteJobs, SqliteRecords

    path, name, mode = sys.argv[1:]
    jobs = SqliteJobs(path, durable=False)
    records = SqliteRecords(jobs._database)
    if mode == "die":
        job = jobs.claim(name, now=1, until=10)
        print(job.key, flush=True)
        if "transaction" in name:
            def work(connection):
                connection.execute('DELETE FROM "simclock:jobs"')
                print("in it", flush=True)
                time.sleep(60)
            jobs._database.write(jobs._table, work)
        time.sleep(60)
    count = 0
    while job := jobs.claim(f"{name} {count}", now=1, until=10):
        assert records.create(job.key, name, job.payload, at=1)
        assert jobs.acknowledge(job.key, f"{name} {count}")
        count += 1
    jobs.close()
"""


def started(path, name, mode="work"):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), str(path), name, mode],
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.real
def test_two_processes_claim_each_job_once(path, database):
    jobs, records = SqliteJobs(path, durable=False), SqliteRecords(path)
    with contextlib.closing(jobs), contextlib.closing(records):
        for number in range(200):
            jobs.push(str(number), number)
        with started(path, "one") as one, started(path, "two") as two:
            assert (one.wait(60), two.wait(60)) == (0, 0)

        # `create` would have said that a record is there already.
        assert records.count() == 200
        assert jobs.counts(0) == Counts(0, 0, 0)


@pytest.mark.real
@pytest.mark.parametrize("name", ["doomed", "doomed in a transaction"])
def test_no_job_is_lost_with_a_process_that_is_killed(path, name):
    with contextlib.closing(SqliteJobs(path)) as jobs:
        for key in "ab":
            jobs.push(key, key)
        with started(path, name, "die") as child:
            assert child.stdout.readline() == "a\n"
            if "transaction" in name:
                assert child.stdout.readline() == "in it\n"
            child.send_signal(signal.SIGKILL)
        assert jobs.counts(1) == Counts(1, 0, 1)
        assert jobs.claim("next", now=9, until=20).key == "b"

        job = jobs.claim("other", now=10, until=20)
        assert (job.key, job.deliveries) == ("a", 2)


def test_rows_survive_the_process(path):
    with contextlib.closing(SqliteRecords(path)) as records:
        records.create("a", "new", {"x": 1}, at=1, expires=2)
    with contextlib.closing(SqliteRecords(path)) as records:
        assert records.get("a") == StoredRecord(1, "new", {"x": 1}, 2)
