"""What is sent to another host takes as long as the link says, whoever sends and receives."""

from __future__ import annotations

import socket

import pytest


def echo(sim, log, server, client, latency=None):
    if latency is not None:
        sim.network.set(latency=latency)
    serving = sim.host("b").start(server, log, 8080)
    sim.settle()
    asking = sim.host("a").start(client, log, ("b", 8080), [b"one", b"two"])
    assert (asking.join(60), serving.join(60)) == (True, True)
    assert (asking.exitcode, serving.exitcode) == (0, 0)


def test_every_pairing_of_flavours_takes_the_latency(logged, server, client):
    log = logged(echo, server, client, 0.25)

    # What happens to both at one instant is in an order that their flavours have.
    assert sorted(log) == [
        (0.5, "accepted"),
        (0.5, "connected"),
        (0.75, "server got one"),
        (1.0, "client got ONE"),
        (1.25, "server got two"),
        (1.5, "client got TWO"),
        (1.75, "server got the end"),
        (2.0, "client got the end"),
    ]


def test_without_any_change_all_arrives_at_once(logged, server, client):
    log = logged(echo, server, client)

    assert {time for time, _ in log} == {0.0}
    assert len(log) == 8


def test_each_direction_has_a_latency_of_its_own(logged):
    def program(sim, log):
        sim.host("a"), sim.host("b")
        sim.network.set("a", "b", latency=0.1, one_way=True)
        sim.network.set("b", "a", latency=0.3, one_way=True)
        b = sim.host("b").start(answer_once, log)
        a = sim.host("a").start(ask_once, log)
        a.join(), b.join()

    assert logged(program) == [
        (pytest.approx(0.4), "connected"),
        (pytest.approx(0.5), "server got b'hello'"),
        (pytest.approx(0.8), "client got b'HELLO'"),
    ]


def answer_once(log):
    with socket.create_server(("", 8080)) as listener:
        sock, _ = listener.accept()
        with sock:
            data = sock.recv(100)
            log(f"server got {data}")
            sock.sendall(data.upper())


def ask_once(log):
    with socket.create_connection(("b", 8080)) as sock:
        log("connected")
        sock.sendall(b"hello")
        log(f"client got {sock.recv(100)}")


def test_inside_a_host_nothing_takes_time(logged):
    def program(sim, log):
        sim.network.set(latency=1.0)
        b = sim.host("b")
        serving = b.start(answer_once, log)
        b.start(ask_once, log).join()
        serving.join()

    assert logged(program) == [
        (0.0, "connected"),
        (0.0, "server got b'hello'"),
        (0.0, "client got b'HELLO'"),
    ]


def test_a_change_concerns_only_what_is_sent_later_and_overtakes_nothing(logged):
    def receive(log):
        with socket.create_server(("", 8080)) as listener:
            sock, _ = listener.accept()
            with sock:
                while data := sock.recv(100):
                    log(data)

    def send(sim, log):
        with socket.create_connection(("b", 8080)) as sock:
            sim.network.set(latency=2.0)
            sock.sendall(b"slow")
            sim.network.set(latency=0.0)
            sock.sendall(b"fast")
            log("sent")

    def program(sim, log):
        b = sim.host("b").start(receive, log)
        sim.host("a").start(send, sim, log).join()
        b.join()

    assert logged(program) == [(0.0, "sent"), (2.0, b"slowfast")]


def test_jitter_is_drawn_from_the_seed_and_keeps_a_stream_in_order(logged):
    def receive(log):
        with socket.create_server(("", 8080)) as listener:
            sock, _ = listener.accept()
            with sock:
                while data := sock.recv(1):
                    log(data)

    def send():
        with socket.create_connection(("b", 8080)) as sock:
            for number in range(5):
                sock.sendall(b"%d" % number)

    def program(sim, log):
        sim.network.set(latency=1.0, jitter=1.0)
        b = sim.host("b").start(receive, log)
        sim.host("a").start(send).join()
        b.join()

    first, again, other = (logged(program, seed=seed) for seed in (1, 1, 2))

    assert [what for _, what in first] == [b"0", b"1", b"2", b"3", b"4"]
    assert first == again != other
    times = [time for time, _ in first]
    assert times == sorted(times)
    assert all(3.0 <= time <= 6.0 for time in times)


def test_a_slow_link_is_shared_by_those_who_use_it(logged):
    """1,000 bytes a second: 500 bytes take half a second, and others wait until those are through."""

    def receive(log, port):
        with socket.create_server(("", port)) as listener:
            sock, _ = listener.accept()
            with sock:
                got = b""
                while data := sock.recv(1000):
                    got += data
                log(f"{port}: {len(got)} bytes")

    def send(port, size):
        with socket.create_connection(("b", port)) as sock:
            sock.sendall(bytes(size))

    def program(sim, log):
        sim.host("a"), sim.host("b")
        sim.network.set("a", "b", bandwidth=1000)
        receivers = [sim.host("b").start(receive, log, port) for port in (8080, 8081)]
        for port, size in ((8080, 500), (8081, 250)):
            sim.host("a").start(send, port, size)
            sim.settle()
        for each in receivers:
            each.join()

    assert logged(program) == [(0.5, "8080: 500 bytes"), (0.75, "8081: 250 bytes")]


def test_much_arrives_piece_by_piece_on_a_slow_link(logged):
    def receive(log):
        with socket.create_server(("", 8080)) as listener:
            sock, _ = listener.accept()
            with sock:
                while data := sock.recv(1_000_000):
                    log(len(data))

    def send():
        with socket.create_connection(("b", 8080)) as sock:
            sock.sendall(bytes(100_000))

    def program(sim, log):
        sim.network.set(bandwidth=50_000)
        b = sim.host("b").start(receive, log)
        sim.host("a").start(send).join()
        b.join()

    log = logged(program)

    assert (log[0], log[-1]) == ((0.01, 500), (2.0, 500))
    assert len(log) == 200


def test_a_receiver_without_room_gets_the_rest_when_it_reads(logged):
    size = 30_000_000

    def receive(sim, log):
        with socket.create_server(("", 8080)) as listener:
            sock, _ = listener.accept()
            with sock:
                sim.sleep(10)
                got = 0
                while data := sock.recv(1_000_000):
                    got += len(data)
                log(f"{got} bytes")

    def send(log):
        with socket.create_connection(("b", 8080)) as sock:
            sock.sendall(bytes(size))
        log("sent and closed")

    def program(sim, log):
        sim.network.set(latency=0.5)
        b = sim.host("b").start(receive, sim, log)
        sim.host("a").start(send, log).join()
        b.join()

    assert logged(program, times=1) == [(1.0, "sent and closed"), (11.0, f"{size} bytes")]


def test_a_refused_connection_is_refused_after_a_round_trip(logged, outcome):
    def connect(log):
        log(outcome(socket.create_connection, ("b", 8081)))

    def program(sim, log):
        sim.host("b")
        sim.network.set(latency=0.2)
        sim.host("a").start(connect, log).join()

    assert logged(program) == [(0.4, (ConnectionRefusedError, "[Errno 111] Connection refused"))]
