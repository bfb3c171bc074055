"""What is not shaped, and other limits that docs/explanation/network.md states."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time

import pytest

import simclock

FAMILIES = {"unix": socket.AF_UNIX, "IPv6": socket.AF_INET6}


@pytest.mark.parametrize("family", FAMILIES)
def test_only_ipv4_is_shaped(logged, tmp_path, family):
    address = str(tmp_path / "socket") if family == "unix" else ("::1", 0)

    def program(sim, log):
        made = threading.Event()
        listener = socket.socket(FAMILIES[family])

        def serve():
            listener.bind(address)
            listener.listen()
            made.set()
            sock, _ = listener.accept()
            with sock:
                log(sock.recv(100))

        def ask():
            with socket.socket(FAMILIES[family]) as sock:
                sock.connect(listener.getsockname())
                sock.sendall(b"at once")

        with listener:
            db, web = sim.host("db"), sim.host("web")
            sim.network.set(latency=1)
            server = db.start(serve)
            made.wait()
            web.start(ask).join()
            server.join()

    times = 1 if family == "unix" else 2  # a path can be bound once
    assert logged(program, times=times) == [(0.0, b"at once")]


def test_what_threads_of_the_test_send_is_not_shaped(logged):
    def program(sim, log):
        def serve():
            with socket.create_server(("", 8080)) as listener:
                sock, _ = listener.accept()
                with sock:
                    log(sock.recv(100))

        db = sim.host("db")
        sim.network.set(latency=1)
        server = db.start(serve)
        sim.settle()
        with socket.create_connection(("db", 8080)) as sock:
            sock.sendall(b"at once")
        server.join()

    assert logged(program) == [(0.0, b"at once")]


def test_a_link_takes_everything_at_once_however_slow_it_is(logged):
    size = 10_000_000

    def program(sim, log):
        def serve():
            with socket.create_server(("", 8080)) as listener:
                sock, _ = listener.accept()
                left = size
                with sock:
                    while left:
                        left -= len(sock.recv(1 << 20))
                log("received")

        def send():
            with socket.create_connection(("db", 8080)) as sock:
                sock.sendall(bytes(size))
                log("sent")
                time.sleep(60)

        db, web = sim.host("db"), sim.host("web")
        sim.network.set(bandwidth=1e6)
        server = db.start(serve)
        sim.settle()
        client = web.start(send)
        server.join()
        client.join()

    assert logged(program) == [(0.0, "sent"), (10.0, "received")]


def test_a_stream_on_a_link_that_loses_is_as_if_it_lost_nothing(logged):
    def program(sim, log):
        def serve():
            with socket.create_server(("", 8080)) as listener:
                sock, _ = listener.accept()
                with sock:
                    while data := sock.recv(100):
                        log(data)

        def send():
            with socket.create_connection(("db", 8080)) as sock:
                for number in range(3):
                    sock.sendall(b"%d" % number)
                    time.sleep(1)

        db, web = sim.host("db"), sim.host("web")
        sim.network.set(latency=0.25, loss=0.9)
        server = db.start(serve)
        sim.settle()
        web.start(send).join()
        server.join()

    assert logged(program) == [(0.75, b"0"), (1.75, b"1"), (2.75, b"2")]


LISTENS = """
import socket
with socket.create_server(("127.0.0.1", 0)) as listener:
    print(listener.getsockname()[1], flush=True)
    listener.accept()
"""


def test_servers_of_other_processes_are_not_reached():
    def ask(port):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("localhost", port), timeout=5)

    with subprocess.Popen([sys.executable, "-c", LISTENS], stdout=subprocess.PIPE) as outside:
        try:
            port = int(outside.stdout.readline())
            with simclock.Simulation() as sim:
                asking = sim.host("web").start(ask, port)
                asking.join()
        finally:
            outside.kill()

    assert asking.exitcode == 0


def test_listeners_of_hosts_use_addresses_again():
    seen = []

    def serve():
        with socket.socket() as listener:
            listener.bind(("", 8080))
            listener.listen()
            seen.append(listener.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR))

    with simclock.Simulation() as sim:
        sim.host("db").start(serve).join()

    assert seen == [1]
