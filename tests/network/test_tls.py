"""TLS is as slow as the bytes that it consists of, also where C code reads and writes them."""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import ssl

import pytest
import trustme


@pytest.fixture(scope="module")
def contexts():
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("b").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


def serve(log, context, *, count=1):
    with socket.create_server(("", 8080)) as listener:
        for _ in range(count):
            sock, _ = listener.accept()
            with context.wrap_socket(sock, server_side=True) as tls:
                log("shaken")
                while data := tls.recv(100_000):
                    tls.sendall(data.upper())
                log("end")
                with contextlib.suppress(OSError):
                    tls.unwrap()


def ask(log, context):
    with socket.create_connection(("b", 8080)) as sock:
        log("connected")
        with context.wrap_socket(sock, server_hostname="b") as tls:
            log("secure")
            tls.sendall(b"hello")
            log(tls.recv(100))
            tls.unwrap().close()
            log("closed")


def test_a_handshake_takes_its_round_trips(logged, contexts):
    def program(sim, log):
        sim.network.set(latency=0.25)
        b = sim.host("b").start(serve, log, contexts[0])
        sim.host("a").start(ask, log, contexts[1]).join()
        b.join()

    assert logged(program) == [
        (0.5, "connected"),
        (1.0, "secure"),
        (1.25, "shaken"),
        (1.5, b"HELLO"),
        (1.75, "end"),
        (2.0, "closed"),
    ]


def test_without_any_change_all_is_at_once(logged, contexts):
    def program(sim, log):
        b = sim.host("b").start(serve, log, contexts[0])
        sim.host("a").start(ask, log, contexts[1]).join()
        b.join()

    assert {time for time, _ in logged(program)} == {0.0}


def test_under_a_partition_it_waits(logged, contexts):
    def client(sim, log):
        with (
            socket.create_connection(("b", 8080)) as sock,
            contexts[1].wrap_socket(sock, server_hostname="b") as tls,
        ):
            sim.network.partition("a", "b")
            tls.sendall(b"hello")
            tls.settimeout(3)
            with pytest.raises(TimeoutError):
                tls.recv(100)
            log("timeout")
            sim.network.heal()
            log(tls.recv(100))

    def program(sim, log):
        b = sim.host("b").start(serve, log, contexts[0])
        sim.host("a").start(client, sim, log).join()
        b.join()

    assert logged(program) == [
        (0.0, "shaken"),
        (3.0, "timeout"),
        (3.0, b"HELLO"),
        (3.0, "end"),
    ]


def test_much_goes_through_complete_and_polls_see_it(logged, contexts):
    size = 300_000

    def client(sim, log):
        with (
            socket.create_connection(("b", 8080)) as sock,
            contexts[1].wrap_socket(sock, server_hostname="b") as tls,
        ):
            poller = select.poll()
            poller.register(tls, select.POLLIN)
            tls.sendall(bytes(range(256)) * (size // 256))
            got = b""
            while len(got) < size // 256 * 256:
                if not tls.pending():
                    assert poller.poll()
                got += tls.recv(100_000)
            assert got == (bytes(range(256)) * (size // 256)).upper()
            log(len(got))

    def program(sim, log):
        sim.network.set(latency=0.125)
        b = sim.host("b").start(serve, lambda _: None, contexts[0])
        sim.host("a").start(client, sim, log).join()
        b.join()

    # Once: how much is there at a time depends on the buffers of the real sockets.
    assert logged(program, times=1) == [(0.75, size // 256 * 256)]


def test_asyncio_talks_to_a_thread(logged, contexts, run):
    async def talk(log):
        reader, writer = await asyncio.open_connection(
            "b", 8080, ssl=contexts[1], server_hostname="b"
        )
        log("secure")
        writer.write(b"hello")
        log(await reader.read(100))
        writer.close()
        await writer.wait_closed()

    def program(sim, log):
        sim.network.set(latency=0.25)
        b = sim.host("b").start(serve, lambda _: None, contexts[0])
        sim.host("a").start(lambda: run(talk(log))).join()
        b.join()

    assert logged(program) == [(1.0, "secure"), (1.5, b"HELLO")]
