"""Servers and clients outside, in real time: requests in flight hold the clock, nothing else does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import select
import selectors
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import trio

from simclock import Escape, Simulation, Stalled
from simclock._boundary import outside

PROGRAM = Path(__file__).parent / "server.py"


@pytest.fixture(scope="module")
def server():
    """The address of ``server.py``, which runs in a process of its own."""
    with subprocess.Popen([sys.executable, PROGRAM], stdout=subprocess.PIPE, text=True) as process:
        port = int(process.stdout.readline())
        # A module's fixture keeps no descriptor.
        process.stdout.close()
        yield "127.0.0.1", port
        process.kill()


@pytest.fixture
def connected(server):
    """Return a function that connects, with a timeout."""
    with contextlib.ExitStack() as stack:

        def connect(timeout=5.0):
            return stack.enter_context(socket.create_connection(server, timeout=timeout))

        yield connect


@pytest.fixture
def in_a_foreign_thread(real):
    """Return a function: the address of a server in a foreign thread, which answers one client."""
    with contextlib.ExitStack() as stack:

        def serve(handle):
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def run():
                conn, _ = listener.accept()
                with conn:
                    handle(conn)

            real(run)
            return listener.getsockname()

        yield serve


def without_ports(lines):
    return [re.sub(r"127\.0\.0\.1:\d+", "SERVER", line) for line in lines]


# ----------------------------------------------------------------- requests and answers


def test_an_answer_after_real_time_arrives_at_once(log, connected, spent):
    with Simulation() as sim:
        sock = connected()
        for _ in range(2):
            sock.sendall(b"slow word\n")
            log(sock.recv(100))

    assert log == [(0.0, b"word\n")] * 2
    assert spent() >= 0.6
    assert without_ports(sim.escapes) == [
        "root (0) waited for an answer from SERVER, in recv",
    ]


def test_a_server_in_a_foreign_thread(log, in_a_foreign_thread):
    def handle(conn):
        time.sleep(0.3)
        conn.sendall(conn.recv(100).upper())

    address = in_a_foreign_thread(handle)
    with Simulation(), socket.create_connection(address, timeout=5) as sock:
        sock.sendall(b"word")
        log(sock.recv(100))

    assert log == [(0.0, b"WORD")]


def test_how_long_a_greeting_is_waited_for_is_no_matter_of_later_answers(log, in_a_foreign_thread):
    def handle(conn):
        data = conn.recv(100)
        time.sleep(0.3)
        conn.sendall(data.upper())

    def listen(wait, sock):
        log((wait(sock), sock.recv(100)))

    for wait in (lambda _: None, lambda sock: len(select.select([sock], [], [], 60.0)[0])):
        address = in_a_foreign_thread(handle)
        with Simulation(), socket.create_connection(address, timeout=60) as sock:
            thread = threading.Thread(target=listen, args=(wait, sock))
            thread.start()
            time.sleep(3)
            sock.sendall(b"word")
            thread.join()

    assert log == [(3.0, (None, b"WORD")), (3.0, (1, b"WORD"))]


def test_a_mask_may_have_bits_that_mean_nothing(log, connected):
    with Simulation():
        sock = connected()
        sock.sendall(b"slow word\n")
        poll = select.poll()
        poll.register(sock, select.POLLIN | 0x8000)
        log(len(poll.poll(5000)))

    assert log == [(0.0, 1)]


def test_a_unix_listener_outside_whose_queue_is_full(log, real, tmp_path):
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as stack:
        listener.bind(path)
        listener.listen(0)

        def accept():
            time.sleep(0.3)
            listener.accept()[0].close()

        real(accept)
        with Simulation() as sim:
            for _ in range(2):
                client = stack.enter_context(socket.socket(socket.AF_UNIX))
                client.settimeout(5)
                client.connect(path)
                log("connected")

    assert log == [(0.0, "connected")] * 2
    assert sim.escapes == (f"root (0) waited for a place in the queue of {path!r}, in connect",)


def test_others_go_on_only_when_the_answer_is_there(log, connected):
    def tick():
        for number in range(3):
            time.sleep(1)
            log(number)

    with Simulation():
        thread = threading.Thread(target=tick)
        thread.start()
        sock = connected()
        sock.sendall(b"slow word\n")
        log(sock.recv(100))
        thread.join()

    assert log == [(0.0, b"word\n"), (1.0, 0), (2.0, 1), (3.0, 2)]


def test_an_idle_connection_does_not_hold_the_clock(log, connected, spent):
    def listen(sock):
        with contextlib.suppress(TimeoutError):
            sock.recv(100)
        log("nothing came")

    with Simulation():
        sock = connected(timeout=3600.0)
        sock.sendall(b"echo word\n")
        log(sock.recv(100))
        thread = threading.Thread(target=listen, args=(sock,))
        thread.start()
        for hour in (1, 2):
            time.sleep(3600)
            log(hour)
        thread.join()

    assert sorted(log, key=str) == [
        (0.0, b"word\n"),
        (3600.0, "nothing came"),
        (3600.0, 1),
        (7200.0, 2),
    ]
    assert spent() < 10


def test_more_connections_than_are_remembered(log, connected, monkeypatch):
    monkeypatch.setattr(outside, "MOST", 3)
    with Simulation():
        socks = [connected() for _ in range(10)]
        for number, sock in enumerate(socks):
            sock.sendall(b"slow %d\n" % number if number == 7 else b"echo %d\n" % number)
            log(sock.recv(100))

    assert log == [(0.0, b"%d\n" % number) for number in range(10)]


def test_many_megabytes_come_in_no_time(log, connected):
    with Simulation():
        sock = connected()
        sock.sendall(b"big\n")
        missing = 8 << 20
        while missing:
            missing -= len(sock.recv(1 << 20))
        log("all")

    assert log == [(0.0, "all")]


def test_a_connection_from_before_the_simulation(log, connected):
    sock = connected()
    with Simulation():
        sock.sendall(b"slow word\n")
        log(sock.recv(100))

    assert log == [(0.0, b"word\n")]


@pytest.mark.parametrize(
    "selector",
    [selectors.SelectSelector, selectors.PollSelector, selectors.EpollSelector],
)
def test_a_loop_of_selectors(log, connected, selector):
    with Simulation(), selector() as loop:
        sock = connected()
        loop.register(sock, selectors.EVENT_READ)
        sock.sendall(b"slow word\n")
        log(len(loop.select(5)))
        log(sock.recv(100))
        log(len(loop.select(5)))

    assert log == [(0.0, 1), (0.0, b"word\n"), (5.0, 0)]


def test_an_asyncio_client(log, server):
    async def main():
        reader, writer = await asyncio.open_connection(*server)
        writer.write(b"slow word\n")
        log(await asyncio.wait_for(reader.readline(), 5))
        await asyncio.sleep(3600)
        log("idle")
        writer.close()
        await writer.wait_closed()

    with Simulation():
        asyncio.run(main())

    assert log == [(0.0, b"word\n"), (3600.0, "idle")]


def test_a_trio_client(log, server):
    async def main():
        async with await trio.open_tcp_stream(*server) as stream:
            with trio.fail_after(5):
                await stream.send_all(b"slow word\n")
                log(await stream.receive_some())
            await trio.sleep(3600)
            log("idle")

    with Simulation():
        trio.run(main)

    assert log == [(0.0, b"word\n"), (3600.0, "idle")]


def test_a_client_outside_of_a_server_inside(log, real):
    """The server waits for the client's next request: nobody owes it one."""
    answers = []
    ready = threading.Event()

    def ask(port):
        ready.wait(10)
        with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
            for _ in range(2):
                sock.sendall(b"word")
                answers.append(sock.recv(100))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        real(ask, listener.getsockname()[1])
        with Simulation() as sim:
            with sim.hold("the client outside"):
                ready.set()
                conn, _ = listener.accept()
                with conn:
                    while data := conn.recv(100):
                        conn.sendall(data.upper())
            log("over")

    assert answers == [b"WORD"] * 2
    assert log == [(0.0, "over")]


class Slow(BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0.3)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"slow")

    def log_message(self, *args):
        pass


def test_urllib_and_a_server_in_a_foreign_thread(log, real):
    with HTTPServer(("127.0.0.1", 0), Slow) as http:
        real(http.handle_request)
        with Simulation():
            url = f"http://127.0.0.1:{http.server_address[1]}"
            with urllib.request.urlopen(url, timeout=5) as answer:
                log(answer.read())

    assert log == [(0.0, b"slow")]


def test_datagrams_to_the_outside(log, real):
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        server.bind(("127.0.0.1", 0))

        def answer():
            data, address = server.recvfrom(100)
            time.sleep(0.3)
            server.sendto(data.upper(), address)

        real(answer)
        with Simulation():
            client.settimeout(5)
            client.sendto(b"word", server.getsockname())
            log(client.recvfrom(100)[0])

    assert log == [(0.0, b"WORD")]


def test_a_server_that_speaks_first(log, in_a_foreign_thread, outcome):
    def greet(conn):
        time.sleep(0.2)
        conn.sendall(b"220 hello")
        conn.recv(100)

    address = in_a_foreign_thread(greet)
    with Simulation(), socket.create_connection(address, timeout=5) as sock:
        log(sock.recv(100))
        log(outcome(sock.recv, 100)[0])

    assert log == [(0.0, b"220 hello"), (5.0, TimeoutError)]


def test_a_server_that_might_have_spoken_first(log, connected, outcome, spent, monkeypatch):
    """Whoever has just connected waits a moment for that."""
    monkeypatch.setattr(outside, "GREETING", 0.3)
    with Simulation():
        sock = connected(timeout=None)
        sock.settimeout(60)
        log(outcome(sock.recv, 100)[0])

    assert log == [(60.0, TimeoutError)]
    assert 0.3 <= spent() < 10


def test_a_loop_whose_server_might_have_spoken_first(log, server, spent, monkeypatch):
    monkeypatch.setattr(outside, "GREETING", 0.3)

    async def main():
        _, writer = await asyncio.open_connection(*server)
        await asyncio.sleep(3600)
        log("idle")
        writer.close()
        await writer.wait_closed()

    with Simulation():
        asyncio.run(main())

    assert log == [(3600.0, "idle")]
    assert 0.3 <= spent() < 10


def test_a_server_that_takes_its_time_to_take(log, in_a_foreign_thread):
    def swallow(conn):
        time.sleep(0.3)
        while conn.recv(1 << 20):
            pass

    address = in_a_foreign_thread(swallow)
    with Simulation(), socket.create_connection(address, timeout=5) as sock:
        sock.sendall(bytes(32 << 20))
        log("sent")

    assert log == [(0.0, "sent")]


def test_a_server_that_takes_nothing(log, in_a_foreign_thread, outcome):
    over = threading.Event()
    address = in_a_foreign_thread(lambda conn: over.wait(10))
    with Simulation() as sim, socket.create_connection(address, timeout=0.5) as sock:
        log(outcome(sock.sendall, bytes(32 << 20))[0])
        log(outcome(sock.sendall, bytes(32 << 20))[0])  # nothing new: no real seconds
        over.set()

    assert log == [(0.5, TimeoutError), (1.0, TimeoutError)]
    assert without_ports(sim.escapes) == [
        "root (0) waited for SERVER, which takes nothing, in sendall",
        "SERVER, which takes nothing: nothing came in 0.5 real seconds",
    ]


def test_tls_to_the_outside(log, in_a_foreign_thread, certificates):
    authority, certificate = certificates
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(theirs)
    ours = ssl.create_default_context()
    authority.configure_trust(ours)

    def serve(conn):
        time.sleep(0.2)
        with theirs.wrap_socket(conn, server_side=True) as tls:
            data = tls.recv(100)
            time.sleep(0.2)
            tls.sendall(data.upper())
            tls.recv(100)

    address = in_a_foreign_thread(serve)
    with (
        Simulation(),
        socket.create_connection(address, timeout=5) as sock,
        ours.wrap_socket(sock, server_hostname="localhost") as tls,
    ):
        log("shaken")
        tls.sendall(b"word")
        log(tls.recv(100))
        time.sleep(3600)
        tls.settimeout(60)
        with pytest.raises(TimeoutError):
            tls.recv(100)
        log("idle")

    assert log == [(0.0, "shaken"), (0.0, b"WORD"), (3660.0, "idle")]


# ------------------------------------------------------------------- what goes wrong


def test_a_dead_server_gives_the_clients_own_error(log, connected, outcome, free_port):
    with Simulation():
        log(outcome(socket.create_connection, ("127.0.0.1", free_port), 5)[0])
        sock = connected()
        sock.sendall(b"reset\n")
        log(outcome(sock.recv, 100)[0])
        sock = connected()
        sock.sendall(b"close\n")
        log(outcome(sock.recv, 100))

    assert log == [
        (0.0, ConnectionRefusedError),
        (0.0, ConnectionResetError),
        (0.0, ("returned", b"")),
    ]


def test_a_server_that_never_answers_gives_the_clients_own_timeout(log, connected, outcome, spent):
    """It is waited for as long as in reality, then the timeout strikes, at its virtual instant."""
    with Simulation() as sim:
        sock = connected(timeout=0.5)
        sock.sendall(b"silent\n")
        log(outcome(sock.recv, 100))
        log(outcome(sock.recv, 100))  # nothing new was asked: no real seconds

    assert log == [
        (0.5, (TimeoutError, ("timed out",))),
        (1.0, (TimeoutError, ("timed out",))),
    ]
    assert 0.5 <= spent() < 10
    assert without_ports(sim.escapes) == [
        "root (0) waited for an answer from SERVER, in recv",
        "an answer from SERVER: nothing came in 0.5 real seconds",
    ]


def test_a_loop_whose_server_never_answers(log, server):
    """A loop's timeouts are its own, so its patience is the watchdog's."""

    async def main():
        reader, writer = await asyncio.open_connection(*server)
        writer.write(b"silent\n")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(reader.readline(), 2)
        log("timed out")
        writer.close()

    with Simulation(watchdog=0.5):
        asyncio.run(main())

    assert log == [(2.0, "timed out")]


def test_a_server_that_never_answers_is_named_if_nothing_else_can_happen(connected, spent):
    with pytest.raises(Stalled, match=r"an answer from 127\.0\.0\.1:\d+"), Simulation(watchdog=0.5):
        sock = connected(timeout=None)
        sock.sendall(b"silent\n")
        sock.recv(100)

    assert spent() < 10


def test_an_interrupt_ends_the_wait_for_an_answer(log, connected, real):
    def interrupt():
        asked.wait(10)
        time.sleep(0.1)
        signal.raise_signal(signal.SIGINT)

    asked = threading.Event()
    real(interrupt)
    with Simulation():
        sock = connected()
        sock.sendall(b"silent\n")
        asked.set()
        with pytest.raises(KeyboardInterrupt):
            sock.recv(100)
        log("interrupted")

    assert log == [(0.0, "interrupted")]


def test_an_answer_in_pieces_is_waited_for_to_its_end(connected):
    with Simulation() as sim, connected(30.0) as client, client.makefile("rw") as file:
        file.write("pieces hello\n")
        file.flush()
        assert (file.readline(), sim.elapsed) == ("hello\n", 0.0)


def test_a_connection_may_be_used_by_its_descriptor(connected):
    with Simulation() as sim, connected(None) as client:
        os.write(client.fileno(), b"slow hello\n")
        assert (os.read(client.fileno(), 100), sim.elapsed) == (b"hello\n", 0.0)


def test_strict_lets_an_answer_pass_that_is_there_when_it_is_asked_for(log, connected):
    with Simulation(external="strict") as sim:
        sock = connected()
        sock.sendall(b"echo word\n")
        with sim.real_time():
            select.select([sock], [], [], 10)
        log(sock.recv(100))

    assert log == [(0.0, b"word\n")]
    assert sim.escapes == ()


def test_who_waits_for_a_pool_that_waits_for_a_silent_server_has_its_own_timeout(log, connected):
    def ask(sock):
        sock.sendall(b"silent\n")
        return sock.recv(100)

    with Simulation(), ThreadPoolExecutor(1) as pool:
        sock = connected(timeout=60)
        future = pool.submit(ask, sock)
        with pytest.raises(FutureTimeoutError):
            future.result(timeout=0.5)
        log("given up")
        sock.shutdown(socket.SHUT_RD)
        log(future.result())

    assert log == [(0.5, "given up"), (0.5, b"")]


def test_strict_names_the_peer_and_the_place(connected, server):
    with pytest.raises(Escape) as found, Simulation(external="strict"):
        sock = connected()
        sock.sendall(b"slow word\n")
        sock.recv(100)

    text = str(found.value)
    assert f"an answer from 127.0.0.1:{server[1]}" in text
    assert "sock.recv(100)" in text
    assert "test_outside.py" in text


def test_ignore_lets_the_clock_run(log, connected, outcome, spent):
    with Simulation(external="ignore"):
        sock = connected(timeout=60)
        sock.sendall(b"silent\n")
        log(outcome(sock.recv, 100))

    assert log == [(60.0, (TimeoutError, ("timed out",)))]
    assert spent() < 10


# -------------------------------------------------------------- who is inside, after all


def test_a_listener_from_before_the_simulation_is_inside(logged, together):
    def program(log):
        def serve():
            conn, _ = listener.accept()
            with conn:
                time.sleep(2)
                conn.sendall(conn.recv(100))

        def ask():
            with socket.create_connection(listener.getsockname(), timeout=5) as sock:
                sock.sendall(b"word")
                log(sock.recv(100))

        together(ask, serve)
        together(serve, ask)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert logged(program) == [(2.0, b"word"), (4.0, b"word")]


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_connections_from_before_the_simulation_are_inside(logged, together, kind):
    def program(log):
        def serve():
            data = server.recv(100)
            time.sleep(2)
            server.sendall(data)

        def ask():
            client.sendall(b"word")
            log(client.recv(100))

        together(ask, serve)

    if kind == "tcp":
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = socket.create_connection(listener.getsockname())
            server, _ = listener.accept()
    else:
        client, server = socket.socketpair()
    with client, server:
        client.settimeout(5)
        assert logged(program) == [(2.0, b"word")]
