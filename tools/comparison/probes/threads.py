"""What threads wait for."""

from __future__ import annotations

import concurrent.futures
import datetime as dt
import queue
import socket
import socketserver
import threading
import time

from tools.comparison.probes import Program, one_body

HOUR = 3600


def sleep() -> Program:
    """Sleep for an hour; answer how long it was."""

    def body() -> float:
        began = time.monotonic()
        time.sleep(HOUR)
        return time.monotonic() - began

    return one_body(body)


def exact() -> Program:
    """Sleep a tenth of a second, a thousand times; answer how long it was."""

    def body() -> float:
        began = time.monotonic()
        for _ in range(1000):
            time.sleep(0.1)
        return time.monotonic() - began

    return one_body(body)


def timeouts() -> Program:
    """Wait with timeouts of an hour for what never comes; answer how long it was."""

    def body() -> float:
        began = time.monotonic()
        assert not threading.Event().wait(timeout=HOUR)
        try:
            queue.Queue().get(timeout=HOUR)
        except queue.Empty:
            return time.monotonic() - began
        raise AssertionError("there was something in an empty queue")

    return one_body(body)


def order() -> Program:
    """Let two threads sleep; answer which woke first."""

    def sleeper(seconds: int) -> object:
        def body(woke: list[int]) -> None:
            time.sleep(seconds)
            woke.append(seconds)

        return body

    return Program(list, (sleeper(3), sleeper(1)), lambda woke: woke)


def timer() -> Program:
    """Wait for a timer that the thread starts; answer how long it was."""

    def body() -> float:
        began = time.monotonic()
        done = threading.Event()
        threading.Timer(HOUR, done.set).start()
        assert done.wait(timeout=2 * HOUR)
        return time.monotonic() - began

    return one_body(body)


def pool() -> Program:
    """Wait for a job of a pool that the thread makes; answer how long it was."""

    def body() -> float:
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor() as executor:
            executor.submit(time.sleep, HOUR).result(timeout=2 * HOUR)
        return time.monotonic() - began

    return one_body(body)


class SlowHandler(socketserver.BaseRequestHandler):
    """Answers after an hour."""

    def handle(self) -> None:
        """Send back what came."""
        received = self.request.recv(100)
        time.sleep(HOUR)
        self.request.sendall(received)


def server() -> Program:
    """Ask a server of the standard library, in threads of its own; answer what and how long."""

    def body() -> list[object]:
        began = time.monotonic()
        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), SlowHandler) as serving:
            threading.Thread(target=serving.serve_forever).start()
            with socket.create_connection(serving.server_address, timeout=2 * HOUR) as client:
                client.sendall(b"hello")
                received = client.recv(100).decode()
            took = time.monotonic() - began
            serving.shutdown()
        return [received, round(took)]

    return one_body(body)


def wall() -> Program:
    """Sleep for an hour; answer how far the wall clock went."""

    def body() -> float:
        began = dt.datetime.now()
        time.sleep(HOUR)
        return (dt.datetime.now() - began).total_seconds()

    return one_body(body)


def deadlock() -> Program:
    """Take two locks, in either order, after having met."""

    def worker(first: int, second: int) -> object:
        def body(shared: tuple[list[threading.Lock], list[threading.Event]]) -> None:
            locks, taken = shared
            with locks[first]:
                taken[first].set()
                taken[second].wait()
                with locks[second]:
                    pass

        return body

    return Program(
        lambda: ([threading.Lock(), threading.Lock()], [threading.Event(), threading.Event()]),
        (worker(0, 1), worker(1, 0)),
        lambda _: "it ended",
    )


def polling() -> Program:
    """Ask for ever, without a pause, whether something has happened."""

    def body() -> None:
        happened = threading.Event()
        while not happened.is_set():
            time.sleep(0)

    return one_body(body)


def counting() -> Program:
    """Count for ever."""

    def body() -> None:
        number = 0
        while True:
            number += 1

    return one_body(body)
