"""What happens at the edges: who has gone meanwhile, and what is asked for twice."""

from __future__ import annotations

import socket
import time

import pytest

from simclock import Simulation
from simclock._boundary.network import lanes


def sink(log):
    with socket.create_server(("", 8080)) as listener:
        sock, _ = listener.accept()
        with sock:
            while data := sock.recv(100):
                log(data)


def test_bytes_for_who_has_gone_are_an_error_for_who_sends_on(logged):
    def leave():
        with socket.create_server(("", 8080)) as listener:
            listener.accept()[0].close()

    def send(sim, log):
        with socket.create_connection(("b", 8080)) as sock:
            sock.sendall(b"one")
            time.sleep(0.125)
            sock.sendall(b"on its way when it turns out that nobody is there")
            time.sleep(1)
            assert sim.network.in_flight() == ()
            with pytest.raises(BrokenPipeError):
                sock.sendall(b"three")
            log("told")

    def program(sim, log):
        sim.network.set(latency=0.25)
        sim.host("b").start(leave)
        sim.settle()
        sim.host("a").start(send, sim, log).join()

    assert logged(program) == [(1.625, "told")]


def test_who_gives_up_before_a_full_queue_has_room_is_forgotten(logged):
    def listen():
        with socket.socket() as listener:
            listener.bind(("", 8080))
            listener.listen(0)
            time.sleep(10)

    def client(log, timeout):
        try:
            with socket.create_connection(("b", 8080), timeout):
                time.sleep(5)
        except TimeoutError:
            log("gave up")
            time.sleep(1)

    def program(sim, log):
        sim.network.set(latency=0.5)
        b = sim.host("b").start(listen)
        clients = [sim.host("a").start(client, log, 3) for _ in range(2)]
        for each in (*clients, b):
            each.join()
        assert sim.network.in_flight() == ()

    assert logged(program) == [(3.0, "gave up")]


def test_others_are_not_concerned(logged, power):
    """Of three hosts, two are cut, reset, without power: the third one's traffic goes on."""

    def tell(host):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for number in range(3):
                sock.sendto(b"%d" % number, (host, 9999))
                time.sleep(1)

    def hear(log):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("", 9999))
            for _ in range(3):
                log(sock.recv(10))

    def talk():
        with socket.create_connection(("c", 8080)) as sock:
            sock.sendall(b"stream")
            time.sleep(3)

    def program(sim, log):
        for name in "abc":
            sim.host(name)
        sim.network.set(latency=0.75)
        hearing = [sim.host("c").start(hear, log), sim.host("c").start(sink, log)]
        sim.settle()
        telling = [sim.host("a").start(tell, "c"), sim.host("a").start(talk)]
        sim.sleep(0.25)
        sim.network.partition("a", "b")
        sim.network.heal()
        sim.sleep(1.5)
        sim.network.partition("a", "b")
        sim.network.heal()
        sim.network.reset("a", "b")
        power.cut(sim.host("b"))
        power.boot(sim.host("b"))
        for each in (*hearing, *telling):
            each.join()

    assert logged(program) == [
        (0.75, b"0"),
        (1.75, b"1"),
        (2.25, b"stream"),
        (2.75, b"2"),
    ]


def test_a_heal_does_not_concern_a_connection_whose_answer_is_under_way(logged):
    def client(log):
        with socket.create_connection(("b", 8080)):
            log("connected")

    def program(sim, log):
        sim.network.set(latency=0.5)
        b = sim.host("b").start(sink, log)
        sim.settle()
        a = sim.host("a").start(client, log)
        sim.sleep(0.2)
        sim.network.partition("a", "b")
        sim.network.heal("a", "b")
        a.join(), b.join()

    assert logged(program) == [(1.0, "connected")]


def test_a_reset_of_a_connection_that_nobody_waits_for_any_more(logged):
    def client(log):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(("b", 8080))
        sock.close()

    def program(sim, log):
        sim.host("b")
        sim.network.set(latency=0.5)
        sim.host("c")
        sim.host("a").start(client, log).join()
        sim.network.reset("a", "c")
        assert len(sim.network.in_flight()) == 1
        sim.network.reset("a", "b")
        assert sim.network.in_flight() == ()

    assert logged(program) == []


def test_both_halves_are_shut_down_at_once(logged):
    def client(log):
        with socket.create_connection(("b", 8080)) as sock:
            sock.sendall(b"last")
            sock.shutdown(socket.SHUT_RDWR)
            log(sock.recv(10))

    def program(sim, log):
        sim.network.set(latency=0.5)
        b = sim.host("b").start(sink, log)
        sim.host("a").start(client, log).join()
        b.join()

    assert logged(program) == [(1.0, b""), (1.5, b"last")]


def test_power_is_cut_once_and_comes_back_once(logged, power, marks):
    def keep(log):
        with socket.create_connection(("b", 8080)) as sock:
            sock.sendall(b"one")
            time.sleep(2)
            sock.sendall(b"never")
            try:
                sock.recv(10)
            except ConnectionResetError:
                log("reset")

    def program(sim, log):
        sim.host("c")
        b = sim.host("b").start(sink, log)
        sim.settle()
        a = sim.host("a").start(keep, log)
        sim.sleep(1)
        power.boot(sim.host("b"))
        for _ in range(2):
            power.cut(sim.host("b"))
        b.kill()
        sim.sleep(2)
        [waiting] = sim.network.in_flight()
        assert waiting[:4] == ("a", "b", "stream", b"never")
        for _ in range(2):
            power.boot(sim.host("b"))
        a.join()
        assert [what for _, what in marks(sim)] == ["b: no power", "b: boots"]

    assert logged(program) == [(0.0, b"one"), (3.0, "reset")]


def test_a_message_to_an_address_is_as_slow(logged):
    def hear(log):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("", 9999))
            log(sock.recvmsg(100)[0])
            log(sock.recvfrom(100)[0])

    def send():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendmsg([b"in ", b"pieces"], [], 0, ("b", 9999))
            sock.sendmsg([b"to an address"], [], 0, ("127.1.0.1", 9999))

    def program(sim, log):
        sim.network.set(latency=0.5)
        b = sim.host("b").start(hear, log)
        sim.settle()
        sim.host("a").start(send).join()
        b.join()

    assert logged(program) == [(0.5, b"in pieces"), (0.5, b"to an address")]


def test_there_are_not_endlessly_many_simulations_at_a_time(monkeypatch):
    monkeypatch.setattr(lanes, "LAST", 0)

    with (
        Simulation() as sim,
        pytest.raises(RuntimeError, match="0 simulations with hosts are open"),
    ):
        sim.host("a")


def test_names_may_be_bytes_and_addresses_need_no_host(logged):
    def resolve(log):
        log(socket.gethostbyname(b"b"))
        log(socket.gethostbyaddr("127.0.0.1"))
        log(socket.getnameinfo(("10.0.0.1", 80), socket.NI_NUMERICSERV))
        for wrong in (
            lambda: socket.gethostbyaddr("10.0.0.1"),
            lambda: socket.getnameinfo(("10.0.0.1", 80), socket.NI_NAMEREQD),
        ):
            with pytest.raises((socket.herror, socket.gaierror)) as caught:
                wrong()
            log(str(caught.value))
        with socket.socket() as sock:
            sock.bind(("127.0.0.9", 0))
            log(sock.getsockname()[0])
        with socket.socket() as sock, pytest.raises(TypeError):
            sock.bind((7, 80))
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
            with pytest.raises(OSError, match="refused"):
                sock.connect(("::1", 1))
            log(sock.family.name)

    def program(sim, log):
        sim.host("b")
        sim.host("a").start(resolve, log).join()
        log(socket.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV))

    assert [what for _, what in logged(program)] == [
        "127.1.0.1",
        ("localhost", [], ["127.0.0.1"]),
        ("10.0.0.1", "80"),
        "[Errno 1] Unknown host",
        "[Errno -2] Name or service not known",
        "127.0.0.9",
        "AF_INET6",
        ("127.0.0.1", "80"),
    ]
