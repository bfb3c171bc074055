"""What a run does at its beginning, or once in a process, makes no other run of what follows."""

from __future__ import annotations

import queue
import socket
import tempfile
import threading

import pytest

import simclock
from simclock import Simulation


def busy_sockets():
    """Two threads that are at work while a third one gets bytes from a real socket: in words."""
    log = []
    one, other = socket.socketpair()

    def receives():
        while data := other.recv(1):
            log.append(("got", data))

    def works(name, mine, others):
        for number in range(300):
            mine.get()
            log.append((name, number))
            if number % 50 == 0 and name == "a":
                one.send(b"%d" % (number // 50))
            others.put(number)

    a, b = queue.Queue(), queue.Queue()
    a.put("begin")
    threads = [threading.Thread(target=receives)]
    threads += [threading.Thread(target=works, args=args) for args in (("a", a, b), ("b", b, a))]
    for each in threads:
        each.start()
    for each in threads[1:]:
        each.join()
    one.close()
    threads[0].join()
    other.close()
    return log


@pytest.mark.parametrize("steps", [1, 17, 50])
def test_steps_at_the_beginning_do_not_decide_when_what_happened_outside_is_seen(steps):
    logs = []
    for before in (0, steps):
        with Simulation() as sim:
            for _ in range(before):
                sim.settle()
            logs.append(busy_sockets())
    assert logs[0] == logs[1]
    assert ("got", b"3") in logs[0][:-10]  # not only when all else had ended


def test_temporary_files_are_made_in_the_same_steps_each_time(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_name_sequence", None)
    names = []

    def program():
        def makes():
            with tempfile.TemporaryDirectory() as name:
                names.append(name)

        threads = [threading.Thread(target=makes) for _ in range(2)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

    report = simclock.explore(program, runs=5, strategy="random", seed=1, shrink=0)
    assert report.verdict == "passed"
    ends = []
    for _ in range(2):
        with Simulation() as sim:
            program()
        ends.append((sim.trace.digest, len(sim.trace.records)))
    assert ends[0] == ends[1]
    assert len(set(names)) == len(names)
    assert tempfile.tempdir is None
    assert tempfile._name_sequence is None


def test_a_directory_for_temporary_files_that_was_chosen_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Simulation():
        assert tempfile.gettempdir() == str(tmp_path)
    assert tempfile.tempdir == str(tmp_path)
