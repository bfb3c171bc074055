"""TLS over sockets: threads, asyncio and trio, with virtual timeouts.

How many records a handshake takes is the library's, so digests are compared within one session.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trio

from simclock import Simulation

MB = 1 << 20


@pytest.fixture
def contexts(certificates):
    """The contexts of a server and of a client that trusts it."""
    authority, certificate = certificates
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


@pytest.fixture
def ends():
    """Return a function that yields two connected sockets, made over loopback."""

    @contextlib.contextmanager
    def ends():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = socket.create_connection(listener.getsockname(), timeout=5)
            server, _ = listener.accept()
        with client, server:
            yield client, server

    return ends


def in_thread(function, *args):
    thread = threading.Thread(target=function, args=args)
    thread.start()
    return thread


def test_threads_at_both_ends(logged, contexts, ends):
    def serve(sock):
        with contexts[0].wrap_socket(sock, server_side=True) as tls:
            while data := tls.recv(100):
                time.sleep(1)
                tls.sendall(data.upper())

    def program(log):
        with ends() as (client, server):
            thread = in_thread(serve, server)
            with contexts[1].wrap_socket(client, server_hostname="localhost") as tls:
                for word in (b"one", b"two"):
                    tls.sendall(word)
                    log(tls.recv(100))
            thread.join()

    assert logged(program) == [(1.0, b"ONE"), (2.0, b"TWO")]


def test_a_handshake_waits_for_the_other_end(logged, contexts, ends):
    def serve(sock):
        time.sleep(4)
        contexts[0].wrap_socket(sock, server_side=True).close()

    def program(log):
        with ends() as (client, server):
            thread = in_thread(serve, server)
            with contexts[1].wrap_socket(client, server_hostname="localhost") as tls:
                log(tls.getpeercert()["issuer"] is not None)
            thread.join()

    assert logged(program) == [(4.0, True)]


def test_each_wait_ends_at_its_timeout(logged, contexts, ends, outcome):
    def said(function, *args):
        kind, (text, *_) = outcome(function, *args)
        return kind, text.rpartition(": ")[2]  # without a line of the library's source

    def serve(sock, log):
        with contexts[0].wrap_socket(sock, server_side=True) as tls:
            log(tls.recv(10))

    def program(log):
        with ends() as (client, server):
            client.settimeout(1.5)
            log(said(lambda: contexts[1].wrap_socket(client, server_hostname="localhost")))
        with ends() as (client, server):
            thread = in_thread(serve, server, log)
            with contexts[1].wrap_socket(client, server_hostname="localhost") as tls:
                tls.settimeout(2)
                log(said(tls.recv, 10))
                log(said(tls.recv_into, bytearray(10)))
                tls.sendall(b"x")
                thread.join()

    assert logged(program) == [
        (1.5, (TimeoutError, "The handshake operation timed out")),
        (3.5, (TimeoutError, "The read operation timed out")),
        (5.5, (TimeoutError, "The read operation timed out")),
        (5.5, b"x"),
    ]


def test_a_write_waits_for_room_and_times_out(logged, contexts, ends, outcome):
    def serve(sock, closing):
        with contexts[0].wrap_socket(sock, server_side=True):
            closing.wait()

    def program(log):
        closing = threading.Event()
        with ends() as (client, server):
            thread = in_thread(serve, server, closing)
            with contexts[1].wrap_socket(client, server_hostname="localhost") as tls:
                tls.settimeout(1.5)
                log(outcome(tls.sendall, bytes(64 * MB)))
                closing.set()
            thread.join()

    [(when, said)] = logged(program, times=1)

    assert (when, said) == (1.5, (TimeoutError, ("The write operation timed out",)))


def test_a_non_blocking_connection_never_waits(logged, contexts, ends, outcome):
    def program(log):
        with ends() as (client, _):
            client.setblocking(False)
            wrap = contexts[1].wrap_socket
            with wrap(client, server_hostname="localhost", do_handshake_on_connect=False) as tls:
                log(outcome(tls.do_handshake)[0])

    assert logged(program) == [(0.0, ssl.SSLWantReadError)]


def test_a_connection_is_unwrapped(logged, contexts, ends):
    def serve(sock):
        tls = contexts[0].wrap_socket(sock, server_side=True)
        log_of_server.append(tls.recv(10))
        time.sleep(2)
        plain = tls.unwrap()
        plain.sendall(b"plain")
        plain.close()

    log_of_server = []

    def program(log):
        with ends() as (client, server):
            thread = in_thread(serve, server)
            tls = contexts[1].wrap_socket(client, server_hostname="localhost")
            tls.sendall(b"secret")
            with tls.unwrap() as plain:
                log("unwrapped")
                log(plain.recv(10))
            thread.join()

    assert logged(program) == [(2.0, "unwrapped"), (2.0, b"plain")]
    assert log_of_server == [b"secret"] * 3


def test_many_megabytes_both_ways_at_once(logged, contexts, ends):
    data = os.urandom(1000) * 4000

    def program(log):
        received = {}

        def talk(name, sock, wrap, **options):
            with wrap(sock, **options) as tls:

                def receive():
                    pieces = []
                    while sum(map(len, pieces)) < len(data):
                        pieces.append(tls.recv(MB))
                    received[name] = b"".join(pieces)

                reader = in_thread(receive)
                tls.sendall(data)
                reader.join()

        with ends() as (client, server):
            thread = threading.Thread(
                target=talk,
                args=("server", server, contexts[0].wrap_socket),
                kwargs={"server_side": True},
            )
            thread.start()
            talk("client", client, contexts[1].wrap_socket, server_hostname="localhost")
            thread.join()
        log(received == {"client": data, "server": data})

    assert logged(program, times=1) == [(0.0, True)]


def test_a_callback_may_sleep(logged, contexts, ends):
    def program(log):
        def choose(tls, name, context):
            time.sleep(3)
            log(name)

        contexts[0].sni_callback = choose
        with ends() as (client, server):
            thread = in_thread(lambda: contexts[0].wrap_socket(server, server_side=True).close())
            with contexts[1].wrap_socket(client, server_hostname="localhost"):
                log("shaken")
            thread.join()

    assert logged(program) == [(3.0, "localhost"), (3.0, "shaken")]


def test_a_wrong_certificate_is_refused_as_ever(contexts, ends, outcome):
    def program():
        said = []

        def serve(sock):
            with contextlib.suppress(ssl.SSLError), contexts[0].wrap_socket(sock, server_side=True):
                pass

        with ends() as (client, server):
            thread = in_thread(serve, server)
            wrap = ssl.create_default_context().wrap_socket
            kind, (_, text) = outcome(wrap, client, server_hostname="localhost")
            said.append((kind, text))
            client.close()
            thread.join()
        return said

    real = program()
    with Simulation():
        assert program() == real
    assert real[0][0] is ssl.SSLCertVerificationError


class Hello(BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(2)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *args):
        pass


def test_https(logged, contexts):
    def program(log):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Hello)
        server.socket = contexts[0].wrap_socket(server.socket, server_side=True)
        thread = in_thread(server.serve_forever)
        url = f"https://localhost:{server.server_address[1]}/"
        with urllib.request.urlopen(url, timeout=5, context=contexts[1]) as answer:
            log(answer.read())
        with pytest.raises((TimeoutError, urllib.error.URLError), match="timed out"):
            urllib.request.urlopen(url, timeout=1.25, context=contexts[1])
        log("timed out")
        server.shutdown()
        thread.join()
        server.server_close()

    assert logged(program) == [(2.0, b"hello"), (3.25, "timed out")]


# ------------------------------------------------------------------------- event loops


def test_asyncio_at_both_ends(logged, contexts):
    async def handle(reader, writer):
        while line := await reader.readline():
            await asyncio.sleep(1)
            writer.write(line.upper())
            await writer.drain()
        writer.close()

    async def main(log):
        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=contexts[0])
        async with server:
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("localhost", port, ssl=contexts[1])
            for word in (b"one\n", b"two\n"):
                writer.write(word)
                log(await reader.readline())
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(reader.readline(), 2.5)
            log("timed out")
            writer.close()
            await writer.wait_closed()

    found = logged(lambda log: asyncio.run(main(log)))

    assert found == [(1.0, b"ONE\n"), (2.0, b"TWO\n"), (4.5, "timed out")]


def test_trio_at_both_ends(logged, contexts):
    async def handle(stream):
        async for data in stream:
            await trio.sleep(1)
            await stream.send_all(data.upper())

    async def main(log):
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_ssl_over_tcp_listeners(0, contexts[0], host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, handle, listeners)
            port = listeners[0].transport_listener.socket.getsockname()[1]
            stream = await trio.open_ssl_over_tcp_stream("localhost", port, ssl_context=contexts[1])
            async with stream:
                for word in (b"one", b"two"):
                    await stream.send_all(word)
                    log(await stream.receive_some())
            nursery.cancel_scope.cancel()

    assert logged(lambda log: trio.run(main, log)) == [(1.0, b"ONE"), (2.0, b"TWO")]


def test_a_thread_asks_asyncio(logged, contexts):
    async def handle(reader, writer):
        line = await reader.readline()
        await asyncio.sleep(1.5)
        writer.write(line.upper())
        await writer.drain()
        writer.close()

    def ask(port, log):
        with (
            socket.create_connection(("127.0.0.1", port), timeout=5) as sock,
            contexts[1].wrap_socket(sock, server_hostname="localhost") as tls,
        ):
            tls.sendall(b"word\n")
            log(tls.recv(100))

    async def main(log):
        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=contexts[0])
        async with server:
            await asyncio.to_thread(ask, server.sockets[0].getsockname()[1], log)

    assert logged(lambda log: asyncio.run(main(log))) == [(1.5, b"WORD\n")]


def test_a_closed_connection_and_other_errors_are_as_ever(contexts, ends, outcome):
    def program():
        said = []
        with ends() as (client, server):
            thread = in_thread(lambda: contexts[0].wrap_socket(server, server_side=True).close())
            tls = contexts[1].wrap_socket(client, server_hostname="localhost")
            thread.join()
            said += [
                outcome(tls.recv, 10),
                outcome(tls.recv_into, b""),
                outcome(tls.read, "x"),
                outcome(tls.send, "x"),
                outcome(tls.sendall, b"x", 1),
                outcome(tls.recv, 10, 1),
            ]
            tls.close()
            said += [outcome(tls.recv, 10), outcome(tls.send, b"x")]
        return said

    real = program()
    with Simulation():
        assert program() == real
