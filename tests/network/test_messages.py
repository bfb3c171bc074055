"""What is on its way can be looked at, held, released, and lost with its connection."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from simclock import Simulation


def sink(log):
    with socket.create_server(("", 8080)) as listener:
        sock, _ = listener.accept()
        with sock:
            try:
                while data := sock.recv(100):
                    log(data)
            except OSError as error:
                log(repr(error))


def hear(log, count):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("", 9999))
        for _ in range(count):
            data, (host, _) = sock.recvfrom(100)
            log((data, socket.gethostbyaddr(host)[0]))


def test_held_messages_are_released_in_the_order_in_which_they_were_sent(logged):
    def send():
        with (
            socket.create_connection(("b", 8080)) as stream,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
        ):
            time.sleep(1)
            stream.sendall(b"one")
            sock.sendto(b"first", ("b", 9999))
            time.sleep(1)
            stream.sendall(b"two")
            sock.sendto(b"second", ("b", 9999))

    def program(sim, log):
        processes = [sim.host("b").start(hear, log, 2), sim.host("b").start(sink, log)]
        sim.host("a").start(send)
        sim.sleep(0.5)
        sim.network.hold("a", "b")
        sim.sleep(10)
        log([(m.kind, m.data, m.sent, m.due) for m in sim.network.in_flight()])
        sim.network.release("a", "b")
        for each in processes:
            each.join()
        assert sim.network.in_flight() == ()

    assert logged(program) == [
        (
            10.5,
            [
                ("stream", b"one", 1.0, None),
                ("datagram", b"first", 1.0, None),
                ("stream", b"two", 2.0, None),
                ("end", b"", 2.0, None),
                ("datagram", b"second", 2.0, None),
            ],
        ),
        (10.5, (b"first", "a")),
        (10.5, (b"second", "a")),
        (10.5, b"onetwo"),
    ]


def test_messages_tell_who_sends_what_to_whom_and_when_it_arrives():
    with Simulation() as sim:
        sim.network.set(latency=0.25)
        sim.host("b").start(sink, lambda _: None)
        sim.host("a").start(lambda: socket.create_connection(("b", 8080)).close())
        sim.settle()
        [message] = sim.network.in_flight()
        assert message == ("a", "b", "connect", b"", 0.0, 0.5)
        sim.sleep(1)
        assert sim.network.in_flight() == ()


def test_a_reset_is_seen_at_both_ends_and_what_was_under_way_is_lost(logged):
    def send(log):
        with socket.create_connection(("b", 8080)) as sock:
            sock.sendall(b"lost")
            try:
                sock.recv(10)
            except OSError as error:
                log(repr(error))

    def program(sim, log):
        sim.network.set(latency=1)
        processes = [sim.host("b").start(sink, log), sim.host("a").start(send, log)]
        sim.sleep(2.5)
        sim.network.reset("b", "a")
        for each in processes:
            each.join()

    error = "ConnectionResetError(104, 'Connection reset by peer')"
    assert logged(program) == [(2.5, error), (2.5, error)]


def test_a_reset_of_a_pending_connection_fails_it_in_each_flavour(logged, each_loop):
    def threads(log):
        try:
            socket.create_connection(("b", 8080))
        except OSError as error:
            log(repr(error))

    async def tasks(log):
        try:
            await asyncio.open_connection("b", 8080)
        except OSError as error:
            log(type(error).__name__)

    def program(sim, log):
        sim.host("b")
        sim.network.set(latency=1)
        processes = [
            sim.host("a").start(threads, log),
            sim.host("a").start(lambda: asyncio.run(tasks(log))),
        ]
        sim.sleep(1)
        sim.network.reset("a", "b")
        for each in processes:
            each.join()

    assert logged(program) == [
        (1.0, "ConnectionResetError(104, 'Connection reset by peer')"),
        (1.0, "ConnectionResetError"),
    ]


def test_a_reset_concerns_nobody_else(logged):
    def talk(log, name):
        with socket.create_connection(("b", 8080)) as sock:
            sock.sendall(name)
            time.sleep(1)
            sock.sendall(name)

    def program(sim, log):
        sim.host("a")
        b = sim.host("b").start(sink, log)
        sim.settle()
        c = sim.host("c").start(talk, log, b"c")
        sim.sleep(0.5)
        sim.network.reset("a", "b")
        c.join(), b.join()

    assert logged(program) == [(0.0, b"c"), (1.0, b"c")]


def test_what_happens_is_in_the_trace(marks):
    with Simulation() as sim:
        sim.network.set(latency=0.5)
        b = sim.host("b").start(sink, lambda _: None)

        def send():
            with socket.create_connection(("b", 8080)) as sock:
                sock.sendall(b"hello")

        sim.host("a").start(send)
        b.join()
        sim.network.partition("a", "b")
        sim.network.heal()
        sim.network.hold("a", "b", one_way=True)
        sim.network.release()
        sim.network.reset("a", "b")

    assert marks(sim) == [
        (1.0, "a -> b: a connection"),
        (1.5, "a -> b: 5 bytes"),
        (1.5, "a -> b: the end of a stream"),
        (1.5, "a -> b: cut"),
        (1.5, "b -> a: cut"),
        (1.5, "a -> b: healed"),
        (1.5, "b -> a: healed"),
        (1.5, "a -> b: held"),
        (1.5, "a -> b: released"),
        (1.5, "a <-> b: connections are reset"),
    ]


def test_after_shutdown_nothing_can_be_sent_although_the_end_is_still_under_way(logged):
    def send(log):
        with socket.create_connection(("b", 8080)) as sock:
            sock.sendall(b"last")
            sock.shutdown(socket.SHUT_WR)
            with pytest.raises(BrokenPipeError):
                sock.sendall(b"more")
            log("refused")

    def program(sim, log):
        sim.network.set(latency=1)
        b = sim.host("b").start(sink, log)
        sim.host("a").start(send, log).join()
        b.join()

    assert logged(program) == [(2.0, "refused"), (3.0, b"last")]
