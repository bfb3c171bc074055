"""Stores on another machine: what is done when it, or the network, fails."""

from __future__ import annotations

import contextlib
import socket
import sqlite3
import threading
import time

import pytest

from simclock.systems._shared.codecs import encode
from simclock.systems._shared.stores import serving, wire
from simclock.systems._shared.stores.interfaces import (
    Counts,
    Damaged,
    DamagedRecord,
    Job,
    StoreError,
)
from simclock.systems._shared.stores.memory import MemoryJobs, MemoryRecords
from simclock.systems._shared.stores.served import ServedJobs, ServedRecords, StoreClient
from simclock.systems._shared.stores.serving import StoreServer
from simclock.systems._shared.stores.sqlite import SqliteJobs, SqliteRecords

pytestmark = pytest.mark.simclock

PORT = 7200


def serve(jobs=None, records=None, port=0):
    return StoreServer(
        {"one": jobs or MemoryJobs()}, {"one": records or MemoryRecords()}, port=port
    )


@pytest.fixture
def log(sim):
    """Return a function that notes something with the instant; its ``log`` has all of it."""

    def note(*what):
        note.log.append((round(sim.elapsed, 3), *what))

    note.log = []
    return note


@pytest.fixture
def opened():
    """Return a function that returns a client; all are closed when the test ends."""
    with contextlib.ExitStack() as stack:

        def open_client(url, timeout=5.0):
            return stack.enter_context(contextlib.closing(StoreClient(url, timeout=timeout)))

        yield open_client


@contextlib.contextmanager
def answering(answer):
    """A server that calls *answer* with the connections, one after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        is_over = threading.Event()

        def accept():
            while True:
                sock, _ = listener.accept()
                with sock:
                    if is_over.is_set():
                        return
                    answer(sock)

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"served://127.0.0.1:{listener.getsockname()[1]}"
        is_over.set()
        socket.create_connection(listener.getsockname()).close()
        thread.join()


def test_a_name_is_a_store_of_its_own(opened):
    jobs = {name: MemoryJobs() for name in "ab"}
    with StoreServer(jobs, {"a": MemoryRecords()}) as server:
        client = opened(server.url)
        ServedJobs(client, "a").push("x", 1)
        ServedRecords(client, "a").create("x", "new", 2, at=0)

        assert ServedJobs(client, "b").counts(0) == Counts(0, 0, 0)
        assert jobs["a"].claim("one", now=0, until=1) == Job("x", 1, 0, 1)
        with pytest.raises(StoreError, match=r"no such thing: \['jobs c', 'counts'"):
            ServedJobs(client, "c").counts(0)


@pytest.mark.parametrize(
    "request_", [None, [1, 2], ["jobs one", "close", [], {}], [[], "get", [], {}]]
)
def test_what_clients_do_not_ask_is_refused(request_, opened):
    with serve() as server:
        assert server.answer(request_)[0] == "StoreError"
        assert ServedJobs(opened(server.url), "one").counts(0) == Counts(0, 0, 0)


def test_where_nobody_listens_it_fails_at_once(sim):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

    with pytest.raises(StoreError, match=f"served://127.0.0.1:{port} cannot be used: .*refused"):
        ServedJobs(f"served://127.0.0.1:{port}", "one").counts(0)
    assert sim.elapsed < 1


def test_a_server_that_says_nothing_is_waited_for_so_long(log, opened):
    with answering(lambda sock: time.sleep(4)) as url:
        jobs = ServedJobs(opened(url, timeout=2.5), "one")
        for _ in range(2):
            with pytest.raises(StoreError, match="timed out"):
                jobs.counts(0)
            log("failed")

    assert log.log == [(2.5, "failed"), (5.0, "failed")]


def test_a_server_that_speaks_slowly_gets_no_more_time(log, opened):
    def trickle(sock):
        with contextlib.suppress(OSError):
            while True:
                time.sleep(0.9)
                sock.sendall(b"[")

    with answering(trickle) as url:
        with pytest.raises(StoreError, match="timed out"):
            ServedJobs(opened(url, timeout=2), "one").counts(0)
        log("failed")

    assert log.log == [(2.0, "failed")]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "the other side has closed"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "no encoded value"),
        (b"\xff\xfe\n", "utf-8"),
        (b"7\n", "this is no answer: 7"),
        (b'["value"]\n', r"this is no answer: \[.value.\]"),
    ],
)
def test_a_server_of_something_else_is_a_failure(answer, why, opened):
    def say(sock):
        sock.recv(1000)
        sock.sendall(answer)

    with answering(say) as url, pytest.raises(StoreError, match=why):
        ServedJobs(opened(url), "one").counts(0)


def test_lines_have_a_longest(monkeypatch, opened):
    monkeypatch.setattr(wire, "LONGEST", 1000)
    with serve() as server:
        jobs = ServedJobs(opened(server.url), "one")
        assert jobs.push("a", "x" * 800)
        with pytest.raises(StoreError):
            jobs.push("b", "x" * 100_000)
        assert jobs.counts(0).ready == 1


def test_long_values_come_whole(opened):
    with serve() as server:
        records, value = ServedRecords(opened(server.url), "one"), ["ä😀" * 300_000]
        records.create("a", "new", value, at=0)

        assert records.get("a").value == value


def test_values_may_be_as_deep_as_elsewhere(opened):
    value = None
    for _ in range(100):
        value = [value]
    with serve() as server:
        records = ServedRecords(opened(server.url), "one")
        records.create("a", "new", value, at=0)

        assert records.get("a").value == value


def test_who_speaks_something_else_is_hung_up_on_and_others_are_served(opened):
    with serve() as server:
        jobs = ServedJobs(opened(server.url), "one")
        jobs.push("a", 1)
        with socket.create_connection((server.host, server.port)) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert sock.recv(100) == b""

        assert jobs.counts(0).ready == 1


def test_a_connection_is_used_again_and_one_that_ended_meanwhile_is_not(opened):
    kept = MemoryJobs()
    server = serve(kept).start()
    jobs = ServedJobs(opened(server.url), "one")
    for number in range(5):
        jobs.push(str(number), number)
    assert len(server._open) == 1

    server.close()
    with serve(kept, port=server.port) as server:
        assert jobs.counts(0).ready == 5
        assert len(server._open) == 1


def test_a_connection_on_which_nothing_is_asked_is_closed(monkeypatch, opened):
    with serve() as server:
        jobs = ServedJobs(opened(server.url), "one")
        jobs.counts(0)
        time.sleep(serving.IDLE - 1)
        assert len(server._open) == 1
        time.sleep(2)
        assert not server._open
        assert jobs.push("a", 1)


def test_threads_have_connections_of_their_own(opened):
    class Slow(MemoryJobs):
        def counts(self, now):
            time.sleep(1)
            return super().counts(now)

    with serve(Slow()) as server:
        jobs = ServedJobs(opened(server.url), "one")
        began = time.monotonic()
        threads = [threading.Thread(target=jobs.counts, args=(0,)) for _ in range(5)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

        assert time.monotonic() - began == pytest.approx(1, abs=0.1)
        assert len(server._open) == 5
        jobs.close()
        assert jobs.counts(0) == Counts(0, 0, 0)


def test_errors_of_the_store_are_told(opened):
    class Broken(MemoryJobs):
        def counts(self, now):
            raise StoreError("the disk is full")

        def clear(self):
            raise RuntimeError("a mistake")

        def next_instant(self, now):
            raise ValueError("no instant")

    with serve(Broken()) as server:
        jobs = ServedJobs(opened(server.url), "one")
        with pytest.raises(StoreError, match=r"^the disk is full$"):
            jobs.counts(0)
        with pytest.raises(StoreError, match="the server failed: RuntimeError: a mistake"):
            jobs.clear()
        with pytest.raises(ValueError, match="no instant"):
            jobs.next_instant(0)
        assert jobs.push("a", 1)


def test_what_is_in_the_store_but_no_text_can_stand_for_is_an_error_of_the_store(opened):
    kept = MemoryRecords()
    kept.create("a", "new", object(), at=0)
    with serve(records=kept) as server, pytest.raises(StoreError, match="cannot be serialised"):
        ServedRecords(opened(server.url), "one").get("a")


def test_a_damaged_payload_stays_one(tmp_path, opened):
    with contextlib.closing(SqliteJobs(tmp_path / "db", durable=False)) as kept:
        kept.push("a", 1)
        with contextlib.closing(sqlite3.connect(tmp_path / "db")) as database:
            tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master")]
            (table,) = [name for name in tables if name.endswith("jobs")]
            database.execute(f'UPDATE "{table}" SET payload = "["')
            database.commit()
        with serve(kept) as server:
            jobs = ServedJobs(opened(server.url), "one")
            found = jobs.claim("one", now=0, until=1)

            assert isinstance(found.payload, Damaged)
            assert "is damaged" in found.payload.why
            assert jobs.acknowledge("a", "one")


def test_a_damaged_record_is_told_with_its_version(tmp_path, opened):
    with contextlib.closing(SqliteRecords(tmp_path / "db", durable=False)) as kept:
        kept.create("a", "new", 1, at=0)
        assert kept.swap("a", 1, "old", 2)
        with contextlib.closing(sqlite3.connect(tmp_path / "db")) as database:
            tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master")]
            (table,) = [name for name in tables if name.endswith("records")]
            database.execute(f'UPDATE "{table}" SET value = "["')
            database.commit()
        with serve(records=kept) as server:
            records = ServedRecords(opened(server.url), "one")
            with pytest.raises(DamagedRecord, match="is damaged") as raised:
                records.get("a")

            assert raised.value.version == 2
            assert records.swap("a", raised.value.version, "mended", 3)


@pytest.mark.parametrize(
    "url", ["redis://host:1", "served://host", "served://:1", "served://host:x", "host:1", ""]
)
def test_other_urls_are_refused(url):
    with pytest.raises(ValueError, match="this is no URL of a store server"):
        StoreClient(url)


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_timeout_that_has_no_meaning_is_refused(timeout):
    with pytest.raises(ValueError, match="no answer can be in time"):
        StoreClient("served://host:1", timeout=timeout)


def test_a_server_that_was_closed_does_not_answer(sim, opened):
    server = serve().start()
    jobs = ServedJobs(opened(server.url), "one")
    jobs.counts(0)
    server.close()
    server.close()

    with pytest.raises(StoreError):
        jobs.counts(0)
    assert sim.elapsed < 1


@pytest.mark.parametrize("error", [BlockingIOError(), OSError(24, "Too many open files")])
def test_a_connection_that_cannot_be_had_is_had_later(error, opened):
    """Who has asked has gone, or there are no descriptors for a moment."""
    server = serve()
    listener, errors = server._listener, [error] * 3

    class Listener:
        def accept(self):
            if errors:
                raise errors.pop()
            return listener.accept()

        def __getattr__(self, name):
            return getattr(listener, name)

    server._listener = Listener()
    with server:
        assert ServedJobs(opened(server.url), "one").push("a", 1)
    assert not errors


def test_a_server_that_gets_no_thread_serves_the_next_one(monkeypatch, opened):
    with serve() as server:
        jobs = ServedJobs(opened(server.url), "one")
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", no_more_threads)
            with pytest.raises(StoreError):
                jobs.counts(0)
        assert jobs.push("a", 1)


def no_more_threads(thread):
    raise RuntimeError("can't start new thread")


def test_a_connection_on_which_something_comes_unasked_is_not_used_again(opened):
    lines = [b'["value",true]\n["value",false]\n', b'["value",true]\n']

    def say(sock):
        sock.recv(1000)
        sock.sendall(lines.pop(0))

    with answering(say) as url:
        jobs = ServedJobs(opened(url), "one")
        assert jobs.push("a", 1)
        time.sleep(0.1)
        assert jobs.push("b", 1)


def test_a_server_runs_in_the_thread_that_says_so(opened):
    server = serve()
    thread = threading.Thread(target=server.run)
    thread.start()
    assert ServedJobs(opened(server.url), "one").push("a", 1)
    server.close()
    thread.join(1)

    assert not thread.is_alive()


# ----------------------------------------------------------------- machines


def test_who_is_cut_off_is_told_in_time_and_goes_on_when_it_is_healed(sim, log, opened):
    server, client = sim.host("store"), sim.host("client")
    kept = MemoryJobs()
    sim.network.set(latency=0.01)

    def run():
        with contextlib.closing(StoreServer({"one": kept}, {}, host="", port=PORT)) as server:
            server.run()

    def ask():
        jobs = ServedJobs(opened(f"served://{server.address}:{PORT}", timeout=2), "one")
        for number in range(4):
            try:
                log(jobs.push(str(number), number))
            except StoreError:
                log("failed")
            time.sleep(3)
        jobs.close()

    server.start(run)
    time.sleep(0.5)
    with sim.faults.follow("at 2 s partition client | store for 4 s"):
        client.start(ask)
        time.sleep(15)
    server.kill()

    assert [what for _, what in log.log] == [True, "failed", True, True]
    assert log.log[1][0] == pytest.approx(3.5 + 2, abs=0.2)


def test_what_was_done_although_no_answer_came_can_be_done_again(sim, opened):
    class Late(MemoryRecords):
        def create(self, *arguments, **options):
            found = super().create(*arguments, **options)
            time.sleep(3)
            return found

    with serve(records=Late()) as server:
        records = ServedRecords(opened(server.url, timeout=1), "one")
        with pytest.raises(StoreError, match="timed out"):
            records.create("a", "new", 1, at=0)
        assert records.get("a").value == 1


def test_a_text_is_what_a_line_is_of():
    """No byte of a value ends a line."""
    assert "\n" not in encode({"a\n": "b\r\n\0\x85\u2028"})


@pytest.mark.real
def test_in_real_time(opened):
    with serve() as server:
        jobs, records = (
            ServedJobs(opened(server.url), "one"),
            ServedRecords(opened(server.url), "one"),
        )
        jobs.push("a", {"x": (1, b"2")})
        records.create("a", "new", 1, at=0)

        assert jobs.claim("one", now=0, until=1).payload == {"x": (1, b"2")}
        assert records.swap("a", 1, "done", 2)
        assert not records.swap("a", 1, "done", 3)


def test_a_server_that_is_interrupted_has_closed_its_socket(monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    server = StoreServer({}, {})
    monkeypatch.setattr(server, "_accept", interrupted)

    client = socket.create_connection((server.host, server.port), timeout=10)
    with client, pytest.raises(KeyboardInterrupt):
        server.run()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((server.host, server.port), timeout=10)
