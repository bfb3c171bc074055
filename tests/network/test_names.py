"""Each host has an address, listens at it, is known by name, and asks no name server."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading

import pytest

from simclock import Simulation

GAIERROR = (socket.gaierror, "[Errno -2] Name or service not known")


@pytest.fixture
def on():
    """Return a function that calls a function in a process of a host and returns its result."""

    def call(host, function, *args):
        found = []
        process = host.start(lambda: found.append(function(*args)))
        process.join()
        assert process.error is None
        return found[0]

    return call


@pytest.fixture
def hosts():
    with Simulation() as sim:
        yield sim.host("web-1"), sim.host("db-1")


def bound(address, kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(address)
        return sock.getsockname()


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
@pytest.mark.parametrize("given", ["", "0.0.0.0", "localhost", "127.0.0.1", "web-1", "127.1.0.1"])
def test_a_host_binds_its_own_address(hosts, on, given, kind):
    assert on(hosts[0], bound, (given, 8080), kind) == ("127.1.0.1", 8080)


@pytest.mark.parametrize("given", ["db-1", "127.1.0.2"])
def test_a_host_cannot_bind_another_ones_address(hosts, on, outcome, given):
    error = f"[Errno {errno.EADDRNOTAVAIL}] Cannot assign requested address"

    assert on(hosts[0], outcome, bound, (given, 8080)) == (OSError, error)


def test_all_hosts_may_listen_on_the_same_port_and_reach_their_own():
    def serve(name):
        with socket.create_server(("", 8080)) as listener:
            while True:
                sock, _ = listener.accept()
                with sock:
                    sock.sendall(name.encode())

    def ask(host):
        with socket.create_connection((host, 8080)) as sock:
            return sock.recv(10)

    with Simulation() as sim:
        servers = [sim.host(name).start(serve, name) for name in ("a", "b")]
        sim.settle()
        found = {}
        for name in ("a", "b"):
            for other in ("localhost", "127.0.0.1", "a", "b"):
                sim.host(name).start(lambda n=name, o=other: found.update({(n, o): ask(o)})).join()
        # So does the test, which is no host.
        assert ask("a") == b"a"
        assert ask("127.1.0.2") == b"b"
        for server in servers:
            server.kill()

    assert found == {
        (name, other): (name if "l" in other or "0" in other else other).encode()
        for name in ("a", "b")
        for other in ("localhost", "127.0.0.1", "a", "b")
    }


def test_a_server_sees_which_host_connects():
    def serve(seen):
        with socket.create_server(("", 8080)) as listener:
            sock, (host, _) = listener.accept()
            with sock:
                seen.append((host, sock.getpeername()[0], sock.getsockname()))

    def connect():
        with socket.create_connection(("db-1", 8080)) as sock:
            return sock.getsockname()[0], sock.getpeername()

    with Simulation() as sim:
        seen, mine = [], []
        server = sim.host("db-1").start(serve, seen)
        sim.host("web-1").start(lambda: mine.append(connect())).join()
        server.join()

    assert seen == [("127.1.0.2", "127.1.0.2", ("127.1.0.1", 8080))]
    assert mine == [("127.1.0.2", ("127.1.0.1", 8080))]


# Calls, and what they return in a process of web-1.
RESOLVED = [
    (socket.gethostbyname, ("db-1",), "127.1.0.2"),
    (socket.gethostbyname, ("DB-1",), "127.1.0.2"),
    (socket.gethostbyname, ("localhost",), "127.0.0.1"),
    (socket.gethostbyname_ex, ("db-1",), ("db-1", [], ["127.1.0.2"])),
    (socket.gethostbyaddr, ("127.1.0.2",), ("db-1", [], ["127.1.0.2"])),
    (socket.gethostbyaddr, ("db-1",), ("db-1", [], ["127.1.0.2"])),
    (socket.getnameinfo, (("127.1.0.2", 8080), socket.NI_NUMERICSERV), ("db-1", "8080")),
    (
        socket.getnameinfo,
        (("127.1.0.2", 8080), socket.NI_NUMERICSERV | socket.NI_NUMERICHOST),
        ("127.1.0.2", "8080"),
    ),
    (
        socket.getaddrinfo,
        ("db-1", 8080, 0, socket.SOCK_STREAM),
        [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.1.0.2", 8080))],
    ),
    (
        socket.getaddrinfo,
        ("db-1", 8080, 0, socket.SOCK_STREAM, 0, socket.AI_CANONNAME),
        [(socket.AF_INET, socket.SOCK_STREAM, 6, "db-1", ("127.1.0.2", 8080))],
    ),
    (
        socket.getaddrinfo,
        (None, 8080, 0, socket.SOCK_STREAM, 0, socket.AI_PASSIVE),
        [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("0.0.0.0", 8080))],
    ),
    (
        socket.getaddrinfo,
        ("::1", 8080, 0, socket.SOCK_STREAM),
        [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 8080, 0, 0))],
    ),
]


@pytest.mark.parametrize(("resolve", "args", "expected"), RESOLVED)
def test_names_of_hosts_are_known_to_hosts(hosts, on, resolve, args, expected):
    assert on(hosts[0], resolve, *args) == expected


@pytest.mark.parametrize(
    ("resolve", "args", "expected"), [case for case in RESOLVED if "db-1" in repr(case)]
)
def test_names_of_hosts_are_known_to_the_test(hosts, resolve, args, expected):
    assert resolve(*args) == expected


def test_a_family_that_hosts_do_not_have(hosts, on, outcome):
    found = on(hosts[0], outcome, socket.getaddrinfo, "db-1", 8080, socket.AF_INET6)

    assert found == (socket.gaierror, "[Errno -9] Address family for hostname not supported")


@pytest.mark.parametrize(
    ("resolve", "args"),
    [
        (socket.gethostbyname, ("nowhere.example",)),
        (socket.gethostbyname_ex, ("nowhere.example",)),
        (socket.gethostbyaddr, ("nowhere.example",)),
        (socket.getaddrinfo, ("nowhere.example", 8080)),
        (socket.create_connection, (("nowhere.example", 8080),)),
        (bound, (("nowhere.example", 8080),)),
    ],
)
def test_nobody_is_asked_for_an_unknown_name(hosts, on, outcome, resolve, args):
    assert on(hosts[0], outcome, resolve, *args) == GAIERROR


@pytest.mark.parametrize(
    ("resolve", "args"),
    [
        (socket.getaddrinfo, ()),
        (socket.getaddrinfo, ("db-1", 8080, "family")),
        (socket.getaddrinfo, (7, 8080)),
        (socket.gethostbyname, (7,)),
        (socket.getnameinfo, ("db-1", 0)),
        (socket.getnameinfo, (("db-1", 8080), "flags")),
        (socket.socket().bind, ("db-1",)),
        (socket.socket().bind, (("db-1", "port"),)),
        (socket.socket().connect, (("db-1", -1),)),
        (socket.socket().connect, ("db-1",)),
    ],
)
def test_what_is_wrong_is_said_as_always(hosts, on, outcome, resolve, args):
    here = outcome(resolve, *[_without_hosts(each) for each in args])

    kind, said = on(hosts[0], outcome, resolve, *args)

    assert kind is here[0]
    assert issubclass(kind, Exception)
    if kind is not socket.gaierror:
        assert said == here[1]


def _without_hosts(arg):
    if arg == "db-1":
        return "127.0.0.1"
    return tuple(map(_without_hosts, arg)) if isinstance(arg, tuple) else arg


def test_asyncio_finds_hosts_by_name_and_a_server_at_no_address_listens(hosts, on):
    async def both():
        async def handle(_, writer):
            writer.write(writer.get_extra_info("peername")[0].encode())
            writer.close()

        async with await asyncio.start_server(handle, None, 8080) as server:
            reader, writer = await asyncio.open_connection("web-1", 8080)
            said = await reader.read()
            writer.close()
            return [sock.getsockname() for sock in server.sockets], said

    assert on(hosts[0], asyncio.run, both()) == ([("127.1.0.1", 8080)], b"127.1.0.1")


def test_threads_of_no_host_bind_what_they_always_did(hosts):
    assert bound(("127.0.0.1", 0))[0] == "127.0.0.1"


def test_simulations_at_the_same_time_do_not_meet():
    """Inside each other here; in several processes it is the same."""

    def serve(name, number):
        with socket.create_server(("", 8080)) as listener:
            for _ in range(number):
                sock, (host, _) = listener.accept()
                with sock:
                    sock.sendall(f"{name} {host} {sock.getsockname()}".encode())

    def ask():
        with socket.create_connection(("b", 8080)) as sock:
            said.append(sock.recv(100).decode())
            said.append(str(sock.getpeername()))

    said = []
    with Simulation() as outer:
        outer.host("a")
        first = outer.host("b").start(serve, "outer", 2)
        outer.host("a").start(ask).join()
        with Simulation() as inner:
            inner.host("a")
            second = inner.host("b").start(serve, "inner", 1)
            inner.host("a").start(ask).join()
            second.join()
        outer.host("a").start(ask).join()
        first.join()

    name = "127.1.0.1 ('127.1.0.2', 8080)"
    peer = "('127.1.0.2', 8080)"
    assert said == [f"outer {name}", peer, f"inner {name}", peer, f"outer {name}", peer]


def test_a_pooled_thread_belongs_to_its_host(hosts, on):
    def in_thread():
        found = []
        thread = threading.Thread(target=lambda: found.append(bound(("", 8080))))
        thread.start()
        thread.join()
        return found

    assert on(hosts[1], in_thread) == [("127.1.0.2", 8080)]
