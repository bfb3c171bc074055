"""What is not as with real processes, as docs/explanation/hosts.md says it."""

from __future__ import annotations

import fcntl
import logging
import os
import subprocess
import time

import simclock


def test_record_locks_do_not_exclude_processes_from_each_other(logged, tmp_path):
    def own():
        with (tmp_path / "file").open("w") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            it.note("locked")
            time.sleep(5)

    with logged() as it:
        processes = [it.sim.host("db").start(own) for _ in range(2)]
        for process in processes:
            process.join()

    assert it.log == [(0.0, "locked"), (0.0, "locked")]


def test_arguments_are_the_objects_themselves():
    given = []
    with simclock.Simulation() as sim:
        sim.host("db").start(given.append, "by a process").join()

    assert given == ["by a process"]


def test_the_environment_of_real_child_processes_is_that_of_the_test(monkeypatch):
    monkeypatch.setenv("ROLE", "test")
    seen = []

    def look():
        seen.append(os.environ["ROLE"])
        seen.append(subprocess.check_output(["sh", "-c", "echo $ROLE"], text=True))

    with simclock.Simulation() as sim:
        sim.host("db").start(look, environ={"ROLE": "primary"}).join()

    assert seen == ["primary", "test\n"]


def test_a_file_in_a_module_is_closed_with_the_process_that_has_opened_it(tmp_path):
    path = tmp_path / "log"
    logger = logging.getLogger("of a process")

    def serve():
        logger.addHandler(logging.FileHandler(path))
        logger.warning("up")
        time.sleep(100)

    with simclock.Simulation() as sim:
        server = sim.host("db").start(serve)
        sim.sleep(1)
        server.kill()
        logger.warning("by the test")
    for handler in logger.handlers[:]:
        logger.removeHandler(handler)
        handler.close()

    assert path.read_text() == "up\n"


def test_monotonic_clocks_begin_between_one_second_and_ten_thousand():
    seen = []
    with simclock.Simulation() as sim:
        host = sim.host("db")
        for _ in range(100):
            host.start(lambda: seen.append(time.monotonic())).join()

    assert 1 <= min(seen) < 1_000
    assert 9_000 < max(seen) <= 10_000
    assert len(set(seen)) > 50
