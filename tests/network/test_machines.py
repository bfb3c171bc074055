"""What becomes of connections when a process or a whole machine ends."""

from __future__ import annotations

import os
import socket
import sys
import time

import pytest


def serve_for_ever(log):
    kept.append(open(os.devnull))  # noqa: SIM115 - it is the end of the process that closes it
    with socket.create_server(("", 8080)) as listener:
        while True:
            sock, _ = listener.accept()
            log("accepted")
            kept.append(sock)
            sock.sendall(b"hello")


kept = []


@pytest.fixture(autouse=True)
def nothing_kept():
    yield
    while kept:
        kept.pop().close()


def talk(log, timeout=None):
    # Not `create_connection`: unwound while it waits, that leaves the socket open.
    with socket.socket() as sock:
        sock.connect(("b", 8080))
        sock.settimeout(timeout)
        try:
            while data := sock.recv(100):
                log(data)
            log("end")
        except OSError as error:
            log(type(error).__name__)


def test_the_end_of_a_killed_process_arrives_after_what_it_has_sent(logged):
    def program(sim, log):
        sim.network.set(latency=0.5)
        b = sim.host("b").start(serve_for_ever, log)
        a = sim.host("a").start(talk, log)
        sim.sleep(1)
        b.kill()
        a.join()

    # In flight when it was killed; the end is as long under way.
    assert logged(program) == [(1.0, "accepted"), (1.5, b"hello"), (1.5, "end")]


@pytest.mark.parametrize("leave", [lambda: None, lambda: os._exit(0), lambda: sys.exit(3)])
def test_the_end_of_a_process_that_ends_by_itself_is_as_long_under_way(logged, leave):
    def serve():
        listener = socket.create_server(("", 8080))
        kept.extend([listener, listener.accept()[0]])
        time.sleep(5)
        leave()

    def program(sim, log):
        sim.network.set(latency=1)
        sim.host("b").start(serve)
        sim.host("a").start(talk, log).join()

    # Accepted at 2, ended at 7.
    assert logged(program) == [(8.0, "end")]


def test_peers_of_a_machine_without_power_hear_nothing_until_it_boots(logged, power):
    def program(sim, log):
        b = sim.host("b").start(serve_for_ever, log)
        a = sim.host("a").start(talk, log)
        sim.sleep(1)
        power.cut(sim.host("b"))
        b.kill()
        sim.sleep(10)
        power.boot(sim.host("b"))
        a.join()

    assert logged(program) == [
        (0.0, "accepted"),
        (0.0, b"hello"),
        (11.0, "ConnectionResetError"),
    ]


def test_who_connects_to_a_machine_without_power_gets_through_when_it_has_booted(logged, power):
    def program(sim, log):
        sim.network.set(latency=0.25)
        b = sim.host("b").start(serve_for_ever, log)
        sim.settle()
        power.cut(sim.host("b"))
        b.kill()
        a = sim.host("a").start(talk, log)
        sim.sleep(10)
        log("boot")
        power.boot(sim.host("b"))
        again = sim.host("b").start(serve_for_ever, log)
        sim.sleep(10)
        again.kill()
        a.join()

    assert logged(program) == [
        (10.0, "boot"),
        (10.5, "accepted"),
        (10.75, b"hello"),
        (20.25, "end"),
    ]


def test_datagrams_to_a_machine_without_power_are_lost_without_an_error(logged, power):
    def send(log):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect(("b", 9999))
            for _ in range(3):
                log(sock.send(b"x"))
                time.sleep(1)

    def program(sim, log):
        sim.host("a"), sim.host("b")
        power.cut(sim.host("b"))
        sim.host("a").start(send, log).join()

    assert logged(program) == [(0.0, 1), (1.0, 1), (2.0, 1)]


def test_what_the_simulation_leaves_under_way_is_closed(logged):
    """`logged` looks for descriptors that stay."""

    def send():
        with socket.socket() as stream, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            stream.connect(("b", 8080))
            stream.sendall(b"late")
            sock.sendto(b"late", ("b", 9999))

    def program(sim, log):
        sim.host("b").start(serve_for_ever, log)
        sim.settle()
        sim.host("a").start(talk, log)
        sim.settle()
        sim.network.set(latency=5)
        sim.network.hold("a", "b")
        sim.host("a").start(talk, log)
        sim.host("a").start(send)
        sim.settle()
        assert len(sim.network.in_flight()) == 2
        sim.host("a").kill(), sim.host("b").kill()
        while kept:
            kept.pop().close()

    assert logged(program) == [(0.0, "accepted"), (0.0, b"hello")]


def test_files_are_sent_and_descriptors_written_as_slowly_as_all_else(logged, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"from a file")

    def send():
        with socket.create_connection(("b", 8080)) as sock, path.open("rb") as file:
            os.sendfile(sock.fileno(), file.fileno(), 5, 6)
            os.write(sock.fileno(), b", written")
            sock.sendmsg([b", in ", b"pieces"])
            sock.sendfile(file, 0, 4)

    def receive(log):
        with socket.create_server(("", 8080)) as listener:
            sock, _ = listener.accept()
            with sock:
                log(sock.recv(100))

    def program(sim, log):
        sim.network.set(latency=0.5)
        b = sim.host("b").start(receive, log)
        sim.host("a").start(send).join()
        b.join()

    assert logged(program) == [(1.5, b"a file, written, in piecesfrom")]
