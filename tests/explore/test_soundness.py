"""What a search leaves out is nothing that a program could see; what it offers can happen."""

from __future__ import annotations

import _thread
import socket
import threading
import time

import pytest

import simclock
from simclock.searching import noting_unhandled


def joined_before_it_is_started():
    box = {}
    late = threading.Thread(target=time.sleep, args=[0])

    def start():
        box["starts"] = True
        late.start()

    def join():
        if "starts" in box:
            late.join()

    threads = [threading.Thread(target=each) for each in (start, join)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def alive_when_it_is_done():
    box = {}
    thread = threading.Thread(target=box.setdefault, args=("done", True))
    thread.start()
    if "done" in box:
        assert not thread.is_alive()
    thread.join()


@pytest.mark.parametrize(
    ("scenario", "error"),
    [(joined_before_it_is_started, RuntimeError), (alive_when_it_is_done, AssertionError)],
)
def test_threads_that_are_not_started_or_not_ended_yet_are_seen(scenario, error):
    report = simclock.explore(scenario, strategy="dfs")

    assert isinstance(report.failure.error, error)


def test_a_method_of_a_thread_may_be_started_below_threading():
    outcomes = set()

    class Helper(threading.Thread):
        def help(self):
            self.log.append("a")
            time.sleep(0)
            self.log.append("b")
            self.done.release()

    def scenario():
        helper = Helper()
        helper.log, helper.done = [], _thread.allocate_lock()
        helper.done.acquire()
        _thread.start_new_thread(helper.help, ())
        helper.log.append("x")
        helper.done.acquire()
        outcomes.add("".join(helper.log))

    report = simclock.explore(scenario, strategy="dfs")

    assert report.exhausted
    assert outcomes == {"abx", "axb", "xab"}


def test_the_clock_stands_for_an_answer_from_outside():
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            connection, _ = server.accept()
            with connection:
                if connection.recv(10) == b"end":
                    return
                time.sleep(0.005)
                connection.sendall(b"answer")

    outside = threading.Thread(target=serve)
    outside.start()

    def work():
        for _ in range(10):
            time.sleep(0)

    def scenario():
        thread = threading.Thread(target=work)
        with socket.create_connection(server.getsockname()) as client:
            client.settimeout(0.05)
            client.sendall(b"ask")
            thread.start()
            assert client.recv(10) == b"answer"
        thread.join()

    try:
        report = simclock.explore(scenario, runs=30, strategy="clock")
    finally:
        with socket.create_connection(server.getsockname()) as client:
            client.sendall(b"end")
        outside.join()
        server.close()

    assert report.failure is None
    assert report.verdict == "inconclusive"  # a real thread took part


def test_what_a_thread_has_raised_is_the_cause_of_a_deadlock():
    def scenario():
        ready = threading.Semaphore(0)

        def work():
            raise ValueError("root cause")

        threading.Thread(target=work).start()
        ready.acquire()

    report = simclock.explore(scenario, runs=1)
    failure = report.failure

    assert "  caused by ValueError: root cause" in str(report).splitlines()
    assert isinstance(failure.error, simclock.Deadlock)
    assert repr(failure.error.__cause__) == "ValueError('root cause')"


@pytest.mark.parametrize("path", ["0", "0.1"])
def test_what_answers_the_choice_points_may_fail_in_any_thread(choosing, path):
    def choose(point):
        if point.candidates[0].path == path:
            raise ZeroDivisionError
        return 1

    with (
        pytest.raises(simclock.PluginError, match="what answers the choice points failed"),
        simclock.Simulation(choices=choosing(choose)),
    ):
        threads = [threading.Thread(target=time.sleep, args=[1]) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("scenario", [3, (number for number in range(3))])
def test_what_cannot_be_run_is_refused(scenario):
    for use in (simclock.explore, simclock.check, lambda each: simclock.replay(each, "s1.")):
        with pytest.raises(TypeError, match="this is no scenario: "):
            use(scenario)


def test_who_listens_to_threads_too_hears_of_what_they_raise(monkeypatch):
    heard, found = [], []
    monkeypatch.setattr(threading, "excepthook", lambda args: heard.append(args.exc_value))

    def work():
        raise ValueError

    names = []
    with noting_unhandled(found, quietly=False, threads=names), simclock.Simulation():
        thread = threading.Thread(target=work, name="worker")
        thread.start()
        thread.join()
        threading.excepthook(threading.ExceptHookArgs((ValueError, ValueError(), None, None)))

    assert heard == found
    assert names == ["worker", ""]
