"""What a killed process leaves behind: what the operating system would, and nothing of its own."""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import fcntl
import gc
import importlib
import logging
import os
import resource
import socket
import sqlite3
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from queue import Queue

import pytest
import trio

import simclock

LOCK_OF_A_MODULE = threading.Lock()
ANOTHER = threading.RLock()


def waits(it, ready):
    """Wait in every way there is, each noting how it ends: as nobody is to see."""

    def blocks(what, wait, *args):
        try:
            wait(*args)
        finally:
            it.note(what, "ended")

    owned, event, queue = threading.Lock(), threading.Event(), Queue()
    owned.acquire()
    one, other = socket.socketpair()
    reading, writing = os.pipe()
    for what, wait, *args in (
        ("lock", owned.acquire),
        ("event", event.wait, 1000),
        ("queue", queue.get),
        ("socket", one.recv, 1),
        ("pipe", os.read, reading, 1),
        ("asyncio", asyncio.run, forever(it, asyncio.sleep)),
        ("trio", trio.run, forever, it, trio.sleep),
    ):
        threading.Thread(target=blocks, args=(what, wait, *args)).start()
    with ThreadPoolExecutor(2) as pool, other, contextlib.ExitStack() as stack:
        stack.callback(os.close, writing)
        pool.submit(blocks, "pool", time.sleep, 1000)
        ready.set()
        blocks("main", time.sleep, 1000)


async def forever(it, sleep):
    try:
        while True:
            await sleep(1)
    finally:
        it.note("task ended")


def test_nothing_runs_any_more_and_no_finally_is_seen(logged):
    with logged() as it:
        ready = threading.Event()
        process = it.sim.host("a").start(waits, it, ready)
        ready.wait()
        time.sleep(5)
        threads = process.threads
        it.note("threads", len(threads) > 8)
        process.kill()
        assert {each.state for each in threads} == {simclock.ThreadState.KILLED}
        it.note("killed", process.exitcode, process.threads, len(it.sim.threads))
        time.sleep(5000)

    assert it.log == [(5.0, "threads", True), (5.0, "killed", -9, (), 1)]


def test_a_killed_process_is_the_same_in_each_run(logged):
    def run():
        with logged(seed=2) as it:
            ready = threading.Event()
            process = it.sim.host("a").start(waits, it, ready)
            ready.wait()
            time.sleep(5)
            process.kill()
            process.restart()
            time.sleep(5)
        return it.sim.trace.digest

    assert run() == run()


def test_its_descriptors_are_closed(logged, tmp_path):
    def main(it, server):
        path = (tmp_path / "file").open("w")
        path.write("never flushed")
        locked = (tmp_path / "lock").open("w")
        fcntl.flock(locked, fcntl.LOCK_EX)
        made = socket.create_connection(server.getsockname())
        time.sleep(1000)
        made.sendall(b"never sent")

    with logged() as it, socket.create_server(("127.0.0.1", 0)) as server:
        process = it.sim.host("a").start(main, it, server)
        made, _ = server.accept()
        threading.Timer(3, process.kill).start()
        it.note("received", made.recv(100))
        made.close()
        with (tmp_path / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        it.note("locked")

    assert it.log == [(3.0, "received", b""), (3.0, "locked")]
    assert (tmp_path / "file").read_text() == ""


def test_a_number_that_was_a_dead_one_s_is_closed_with_who_has_it_now(logged):
    kept = []

    def dies():
        kept.extend(socket.socketpair())

    def lives(it):
        while kept:
            kept.pop().close()
        peers.extend(socket.socketpair())
        it.note("the same numbers", [each.fileno() for each in peers] == numbers)
        time.sleep(1000)

    peers = []
    with logged() as it:
        it.sim.host("a").start(dies).join()
        numbers = [each.fileno() for each in kept]
        process = it.sim.host("b").start(lives, it)
        process.kill()
        for each in peers:
            with pytest.raises(OSError, match="socket"):
                each.send(b"x")
            each.close()

    assert it.log == [(0.0, "the same numbers", True)]


def test_a_number_that_somebody_else_has_by_now_is_not_closed(logged, tmp_path):
    def main():
        held.append(os.open(os.devnull, os.O_RDONLY))
        time.sleep(1)
        held.append(os.open(os.devnull, os.O_RDONLY))
        os.close(held[1])
        held[1] = os.open("/", os.O_RDONLY)  # the same number, in the same turn
        time.sleep(1000)

    held = []
    with logged() as it:
        process = it.sim.host("a").start(main)
        time.sleep(2)
        os.close(held[0])
        with (tmp_path / "mine").open("w") as file:
            it.note(file.fileno() == held[0], os.readlink(f"/proc/self/fd/{held[1]}"))
            process.kill()
            file.write("precious")
        it.note(os.readlink(f"/proc/self/fd/{held[1]}") == "/")

    assert it.log == [(2.0, True, "/"), (2.0, False)]
    assert (tmp_path / "mine").read_text() == "precious"


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_a_transaction_is_rolled_back(logged, tmp_path, mode):
    path = tmp_path / "stock.db"

    def main():
        connection = sqlite3.connect(path, timeout=0)
        connection.execute("INSERT INTO stock VALUES ('committed')")
        connection.commit()
        connection.execute("INSERT INTO stock VALUES ('begun')")
        reading = connection.execute("SELECT * FROM stock")
        reading.fetchone()
        time.sleep(1000)
        connection.commit()

    with logged() as it:
        mine = sqlite3.connect(path, timeout=0)
        mine.execute(f"PRAGMA journal_mode={mode}")
        mine.execute("CREATE TABLE stock (item)")
        mine.commit()
        process = it.sim.host("a").start(main)
        time.sleep(1)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            mine.execute("INSERT INTO stock VALUES ('mine')")
        process.kill()
        mine.execute("INSERT INTO stock VALUES ('mine')")
        mine.commit()
        it.note(mine.execute("SELECT item FROM stock").fetchall())
        process.restart()
        time.sleep(1)
        mine.rollback()
        process.kill()
        it.note(mine.execute("SELECT count(*) FROM stock").fetchall())
        mine.close()

    assert it.log == [(1.0, [("committed",), ("mine",)]), (2.0, [(3,)])]
    with contextlib.closing(sqlite3.connect(path)) as after:
        assert after.execute("SELECT count(*) FROM stock").fetchall() == [(3,)]


def test_connections_that_others_have_closed_are_left_alone(logged, tmp_path):
    def main():
        connection = sqlite3.connect(tmp_path / "stock.db")
        time.sleep(1000)
        connection.close()

    with logged() as it:
        closed = sqlite3.connect(tmp_path / "stock.db")
        closed.close()
        process = it.sim.host("a").start(main)
        time.sleep(1)
        process.kill()
        it.note(process.exitcode)

    assert it.log == [(1.0, -9)]


def test_descriptors_that_sqlite_keeps_stay_what_they_are(logged, tmp_path):
    path = tmp_path / "stock.db"

    def main():
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("SELECT count(*) FROM stock").fetchall()

    with logged() as it, contextlib.closing(sqlite3.connect(path)) as mine:
        mine.execute("CREATE TABLE stock (item)")
        # As long as this connection has locked the file, SQLite closes no descriptor of it.
        mine.execute("INSERT INTO stock VALUES ('mine')")
        it.sim.host("a").start(main).join()
        # This one is given the descriptor of the process that has ended.
        with contextlib.closing(sqlite3.connect(path)) as other:
            it.note(other.execute("SELECT count(*) FROM stock").fetchall())
        mine.commit()

    assert it.log == [(0.0, [(0,)])]


def test_locks_of_its_own_stay_owned(logged):
    """As in reality nobody else has them; here somebody may, and is told who owned them."""
    lock = threading.Lock()

    def main():
        with lock:
            time.sleep(1000)

    with pytest.raises(simclock.Deadlock) as told, logged() as it:
        process = it.sim.host("a").start(main)
        process.kill()
        lock.acquire()

    assert "a/main" in str(told.value)


@pytest.mark.parametrize("seed", range(8))
def test_who_owns_a_lock_of_a_module_is_stopped_when_it_has_let_go(logged, seed):
    """All processes share the modules: what such a lock guards is not left half done."""
    steps = []

    def main(it):
        inner = threading.Lock()
        with LOCK_OF_A_MODULE:
            steps.append("begun")
            time.sleep(1)
            for _ in range(3):
                with inner:
                    pass
            steps.append("done")
        it.note("never")

    with logged(seed=seed) as it:
        process = it.sim.host("a").start(main, it)
        process.kill()
        it.note(process.state, process.exitcode)
        with LOCK_OF_A_MODULE:
            it.note(steps)
        it.note(process.state, process.exitcode)

    assert it.log == [
        (0.0, "running", None),
        (1.0, ["begun", "done"]),
        (1.0, "ended", -9),
    ]


def test_a_kill_waits_for_all_owners_and_the_process_may_end_meanwhile(logged):
    def main(it):
        threading.Thread(target=owns, args=(it, LOCK_OF_A_MODULE, 2), daemon=True).start()
        threading.Thread(target=owns, args=(it, ANOTHER, 3), daemon=True).start()
        time.sleep(1)

    def owns(it, lock, seconds):
        with lock:
            time.sleep(seconds)
            it.note("lets go after", seconds)
        time.sleep(5)
        it.note("never")

    with logged() as it:
        process = it.sim.host("a").start(main, it)
        time.sleep(0.5)
        process.kill()
        process.join()
        it.note(process.exitcode)

    assert it.log == [(2.0, "lets go after", 2), (3.0, "lets go after", 3), (3.0, -9)]


def test_who_takes_such_a_lock_while_the_kill_waits_is_waited_for_too(logged):
    def main(it):
        threading.Thread(target=owns, args=(it, ANOTHER, 1.5), daemon=True).start()
        owns(it, LOCK_OF_A_MODULE, 0)

    def owns(it, lock, after):
        time.sleep(after)
        with lock:
            time.sleep(2)
            it.note("lets go")
        time.sleep(5)
        it.note("never")

    with logged() as it:
        process = it.sim.host("a").start(main, it)
        time.sleep(1)
        process.kill()
        process.join()
        it.note(process.exitcode)

    assert it.log == [(2.0, "lets go"), (3.5, "lets go"), (3.5, -9)]


def test_who_stands_still_with_such_a_lock_goes_on_until_it_has_let_go(logged):
    def main(it):
        with LOCK_OF_A_MODULE:
            time.sleep(1)
            it.note("lets go")
        it.note("never")

    with logged() as it:
        process = it.sim.host("a").start(main, it)
        process.pause()
        time.sleep(5)
        process.kill()
        process.join()
        it.note(process.exitcode)

    assert it.log == [(5.0, "lets go"), (5.0, -9)]


def test_an_import_is_not_left_half_done(logged, tmp_path, monkeypatch):
    (tmp_path / "slowly_imported.py").write_text("import time\ntime.sleep(2)\nvalue = 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "slowly_imported", raising=False)

    def main(it):
        importlib.import_module("slowly_imported")
        time.sleep(1)
        it.note("never")

    with logged() as it:
        process = it.sim.host("a").start(main, it)
        time.sleep(1)
        process.kill()
        it.note(process.state)
        it.note(importlib.import_module("slowly_imported").value, process.state)
        process.join()
        it.note(process.exitcode)
    sys.modules.pop("slowly_imported", None)

    assert it.log == [(1.0, "running"), (2.0, 7, "ended"), (2.0, -9)]


def test_whoever_ends_itself_does_not_go_on_where_the_kill_is_put_off(logged):
    def main(it):
        threading.Thread(target=owns, args=(it,)).start()
        time.sleep(1)
        os._exit(0)
        it.note("never")

    def owns(it):
        with LOCK_OF_A_MODULE:
            time.sleep(2)
            it.note("lets go")
        it.note("never")

    with logged() as it:
        process = it.sim.host("a").start(main, it)
        time.sleep(0.5)
        process.kill()
        process.kill()
        process.join()
        it.note(process.exitcode)

    assert it.log == [(2.0, "lets go"), (2.0, -9)]


def test_an_owner_that_ends_while_the_kill_is_put_off(logged):
    def main():
        _thread.start_new_thread(owns, ())
        time.sleep(9)

    def owns():
        LOCK_OF_A_MODULE.acquire()
        time.sleep(2)  # and never releases it: nobody knows that it is free of it

    with logged() as it:
        process = it.sim.host("a").start(main)
        time.sleep(0.5)
        process.kill()
        process.join()
        it.note(process.exitcode)
    LOCK_OF_A_MODULE.release()

    assert it.log == [(2.0, -9)]


def test_a_message_that_is_being_logged_is_logged_whole(logged, caplog):
    class Slow(logging.Handler):
        def emit(self, record):
            time.sleep(1)
            lines.append(record.getMessage())

    lines = []
    logger = logging.getLogger("of a process")
    logger.propagate = False
    handler = Slow()
    logger.addHandler(handler)
    logger.setLevel("INFO")

    def main():
        logger.info("one")
        logger.info("two")

    with logged() as it:
        process = it.sim.host("a").start(main)
        time.sleep(0.5)
        process.kill()
        logger.info("three")
        it.note(lines)
    logger.removeHandler(handler)

    assert it.log == [(2.0, ["one", "three"])]


@pytest.mark.parametrize("strategy", ["random", "pct", "portfolio"])
def test_a_kill_at_any_step_leaves_the_simulation_whole(strategy):
    """Searched: wherever the victim is, others go on, and the end is clean."""
    seen = set()

    def scenario():
        done = []

        def victim():
            pool = ThreadPoolExecutor(2)
            for number in range(3):
                pool.submit(done.append, number)
            with LOCK_OF_A_MODULE:
                logging.getLogger("victim").debug("x")
            threading.Thread(target=done.append, args=("thread",)).start()

        sim = simclock.active()
        process = sim.host("a").start(victim)
        other = threading.Thread(target=process.kill)
        other.start()
        other.join()
        process.join()
        with LOCK_OF_A_MODULE:
            seen.add((process.exitcode, len(done)))

    report = simclock.explore(scenario, runs=150, strategy=strategy)

    assert report.failure is None, str(report)
    assert {code for code, _ in seen} <= {0, -9}
    assert len(seen) > 1


def test_whoever_is_killed_by_itself_does_nothing_after(logged):
    def main(it):
        threading.Thread(target=time.sleep, args=(1000,)).start()
        try:
            os._exit(7)
        finally:
            it.note("never")

    with logged() as it:
        process = it.sim.host("a").start(main, it)
        process.join()
        it.note(process.exitcode)
        time.sleep(1)

    assert it.log == [(0.0, 7)]


def test_a_thread_that_has_not_begun_never_does(logged):
    def main(it):
        time.sleep(1)
        it.note("never")

    def starts_and_kills(it):
        process = it.sim.host("b").start(main, it)
        process.kill()
        it.note(process.exitcode)

    with logged() as it:
        it.sim.host("a").start(starts_and_kills, it).join()
        time.sleep(2)

    assert it.log == [(0.0, -9)]


def test_a_host_that_is_switched_off_and_on(logged):
    def main(it, name):
        it.note(name, "up")
        time.sleep(1000)

    with logged() as it:
        host = it.sim.host("a")
        ended = host.start(lambda: None, name="ended")
        host.start(main, it, "one", name="one")
        host.start(main, it, "two", name="two")
        time.sleep(1)
        host.kill()
        it.note([each.exitcode for each in host.processes])
        time.sleep(1)
        host.restart()
        it.note([each.state for each in host.processes], ended.exitcode)

    assert it.log == [
        (0.0, "one", "up"),
        (0.0, "two", "up"),
        (1.0, [0, -9, -9]),
        (2.0, "one", "up"),
        (2.0, "two", "up"),
        (2.0, ["ended", "running", "running"], 0),
    ]


def test_what_runs_at_the_end_is_switched_off_with_it(logged):
    began = threading.active_count()
    with logged() as it:
        it.sim.host("a").start(waits, it, threading.Event())
        time.sleep(10)

    assert it.log == []
    assert it.sim.elapsed == 10.0
    assert threading.active_count() == began


@pytest.mark.slow
@pytest.mark.skipif(
    bool(threading.gettrace()) or sys.flags.dev_mode, reason="takes minutes where all is watched"
)
@pytest.mark.hang_limit(600)
def test_ten_thousand_kills_leave_nothing_behind():
    def main(number):
        with socket.socket(), LOCK_OF_A_MODULE:
            pass
        reading, writing = os.pipe()
        inner = threading.Thread(target=os.read, args=(reading, 1))
        inner.start()
        time.sleep(1000 + number)
        os.close(writing)

    def descriptors():
        return sorted(os.listdir("/proc/self/fd"))

    before, threads = descriptors(), threading.active_count()
    for _ in range(100):
        with simclock.Simulation() as sim:
            process = sim.host("a").start(main, 0)
            for _ in range(99):
                process.restart()
            process.kill()
            assert not LOCK_OF_A_MODULE.locked()

    gc.collect()
    assert descriptors() == before
    assert threading.active_count() == threads
    assert not LOCK_OF_A_MODULE.locked()


def test_work_that_waits_in_a_killed_pool_is_not_kept_for_ever():
    kept = []

    def main():
        pool = ThreadPoolExecutor(1)
        pool.submit(int).result()
        kept.append(weakref.ref(pool))
        try:
            time.sleep(1000)
        finally:
            # Nobody runs it any more. It knows the pool, which knows its worker.
            pool.submit(pool.submit, int)

    with simclock.Simulation() as sim:
        process = sim.host("a").start(main)
        time.sleep(1)
        process.kill()

    gc.collect()
    assert [each() for each in kept] == [None]


def test_what_a_killed_process_raises_when_it_is_unwound_has_not_ended_it(logged):
    """And it would keep the frames, with an event loop in them, whose tasks complain later."""

    def main():
        try:
            time.sleep(100)
        finally:
            raise OSError

    with logged() as it:
        process = it.sim.host("a").start(main)
        time.sleep(1)
        process.kill()

    assert (process.exitcode, process.error) == (-9, None)


def test_a_killed_event_loop_leaves_nothing_to_be_complained_about(logged):
    loops = []

    async def main():
        loops.append(weakref.ref(asyncio.get_running_loop()))
        async with await asyncio.start_server(print, "", 8080) as server:
            await server.serve_forever()

    with logged() as it:
        process = it.sim.host("a").start(lambda: asyncio.run(main()))
        time.sleep(1)
        process.kill()

    assert [each() for each in loops] == [None]


def test_a_process_that_has_opened_all_that_it_may(logged):
    """The kernel goes on, and so do others."""

    def main(it):
        opened = []
        try:
            while True:
                opened.append(os.open("/", os.O_RDONLY))
        except OSError as error:
            it.note(error.strerror)
        time.sleep(1)
        while opened:
            os.close(opened.pop())
        it.note("closed")

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, limits[1]))
    try:
        with logged() as it:
            process = it.sim.host("a").start(main, it)
            other = it.sim.host("b").start(time.sleep, 0.5)
            process.join()
            it.note(process.exitcode, other.exitcode)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    assert it.log == [(0.0, "Too many open files"), (1.0, "closed"), (1.0, 0, 0)]


def test_pools_outside_are_not_forgotten_with_killed_processes():
    from concurrent.futures import thread

    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        (worker,) = pool._threads
        with simclock.Simulation() as sim:
            process = sim.host("a").start(time.sleep, 1000)
            time.sleep(1)
            process.kill()
        assert worker in thread._threads_queues
