"""Who is cut off hears nothing until it is healed; streams lose nothing, datagrams do."""

from __future__ import annotations

import asyncio
import errno
import functools
import socket
import time

import pytest
import trio


def sink(log, *, size=100):
    with socket.create_server(("", 8080)) as listener:
        sock, _ = listener.accept()
        log("accepted")
        with sock:
            while data := sock.recv(size):
                log(data)
        log("end")


def send_each_second(pieces):
    with socket.create_connection(("b", 8080)) as sock:
        for piece in pieces:
            sock.sendall(piece)
            time.sleep(1)


def test_a_stream_waits_and_goes_on_where_it_was_after_heal(logged):
    def program(sim, log):
        sim.network.set(latency=0.25)
        b = sim.host("b").start(sink, log)
        sim.host("a").start(send_each_second, [b"0", b"1", b"2", b"3"])
        sim.sleep(1.6)
        sim.network.partition("a", "b")  # 1 is under way since 1.5
        sim.sleep(8.4)
        sim.network.heal()
        b.join()

    assert logged(program) == [
        (0.5, "accepted"),
        (0.75, b"0"),
        (10.25, b"123"),
        (10.25, "end"),
    ]


def test_one_way_only_one_way_is_cut(logged):
    def answer(log):
        with socket.create_server(("", 8080)) as listener:
            sock, _ = listener.accept()
            with sock:
                log(sock.recv(10))
                sock.sendall(b"pong")

    def ask(sim, log):
        with socket.create_connection(("b", 8080)) as sock:
            sim.network.partition("b", "a", one_way=True)
            sock.sendall(b"ping")
            sock.settimeout(5)
            with pytest.raises(TimeoutError):
                sock.recv(10)
            log("nothing came")
            sim.network.heal("a", "b")
            log(sock.recv(10))

    def program(sim, log):
        b = sim.host("b").start(answer, log)
        sim.host("a").start(ask, sim, log).join()
        b.join()

    assert logged(program) == [(0.0, b"ping"), (5.0, "nothing came"), (5.0, b"pong")]


def test_groups_are_cut_from_each_other_but_not_inside(logged):
    def listen(name, log):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("", 9999))
            while True:
                log(f"{name}: {sock.recv(10).decode()}")

    def tell(name):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for other in "abc":
                sock.sendto(name.encode(), (other, 9999))

    def tell_all(sim):
        for name in "abc":
            sim.host(name).start(tell, name)
        sim.sleep(1)

    def program(sim, log):
        for name in "abc":
            sim.host(name).start(listen, name, log)
        sim.settle()
        sim.network.partition(["a", sim.host("b")], "c")
        tell_all(sim)
        sim.network.heal()
        sim.network.partition("a")
        tell_all(sim)
        for name in "abc":
            sim.host(name).kill()

    log = logged(program)

    assert sorted(what for time, what in log if time == 0) == [
        "a: a",
        "a: b",
        "b: a",
        "b: b",
        "c: c",
    ]
    assert sorted(what for time, what in log if time == 1) == [
        "a: a",
        "b: b",
        "b: c",
        "c: b",
        "c: c",
    ]


# ----------------------------------------------------------------------- connecting


def connect_threads(timeout):
    socket.create_connection(("b", 8080), timeout).close()


async def _connect(timeout):
    _, writer = await asyncio.wait_for(asyncio.open_connection("b", 8080), timeout)
    writer.close()


def connect_asyncio(timeout, run):
    run(_connect(timeout))


def connect_trio(timeout):
    async def connect():
        with trio.fail_after(timeout):
            stream = await trio.open_tcp_stream("b", 8080, happy_eyeballs_delay=1000)
            await stream.aclose()

    trio.run(connect)


@pytest.fixture(params=["threads", "asyncio", "trio"])
def connect(request, run):
    if request.param == "asyncio":
        return functools.partial(connect_asyncio, run=run)
    return {"threads": connect_threads, "trio": connect_trio}[request.param]


def test_who_connects_under_a_partition_runs_into_the_timeout(logged, connect):
    def client(log):
        try:
            connect(3)
        except (TimeoutError, asyncio.TimeoutError, trio.TooSlowError):
            log("timeout")

    def program(sim, log):
        b = sim.host("b").start(sink, log)
        sim.host("a")
        sim.network.partition("a", "b")
        sim.host("a").start(client, log).join()
        sim.network.heal()
        sim.sleep(10)
        b.kill()

    assert logged(program) == [(3.0, "timeout")]


def test_who_connects_under_a_partition_gets_through_when_it_is_healed(logged, connect):
    def client(log):
        connect(60)
        log("connected")

    def program(sim, log):
        sim.network.set(latency=0.5)
        b = sim.host("b").start(sink, log)
        sim.host("a")
        sim.network.partition("a", "b")
        a = sim.host("a").start(client, log)
        sim.sleep(10)
        sim.network.heal()
        a.join(), b.join()

    assert sorted(logged(program)) == [
        (11.0, "accepted"),
        (11.0, "connected"),
        (11.5, "end"),
    ]


def test_a_socket_that_polls_sees_nothing_until_it_is_connected(logged):
    import select

    def client(log):
        with socket.socket() as sock:
            sock.setblocking(False)
            assert sock.connect_ex(("b", 8080)) == errno.EINPROGRESS
            assert sock.connect_ex(("b", 8080)) == errno.EALREADY
            poller = select.poll()
            poller.register(sock, select.POLLIN | select.POLLOUT)
            log(poller.poll(100))
            with pytest.raises(OSError, match="not connected"):
                sock.getpeername()
            log([mask for _, mask in poller.poll()])
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
            log(sock.getpeername()[0])

    def program(sim, log):
        sim.network.set(latency=0.5)
        b = sim.host("b").start(sink, log)
        sim.host("a").start(client, log).join()
        b.join()

    assert [(t, w) for t, w in logged(program) if w not in ("accepted", "end")] == [
        (0.1, []),
        (1.0, [4]),
        (1.0, "127.1.0.1"),
    ]


def test_a_full_queue_is_waited_for(logged):
    """The listener has room for one; whom it has no room for is connected when it accepts."""

    def listen(sim, log):
        with socket.socket() as listener:
            listener.bind(("", 8080))
            listener.listen(0)
            sim.sleep(10)
            for _ in range(3):
                sock, _ = listener.accept()
                sock.close()

    def client(log):
        with socket.create_connection(("b", 8080)):
            log("connected")

    def program(sim, log):
        sim.network.set(latency=0.5)
        b = sim.host("b").start(listen, sim, log)
        clients = [sim.host("a").start(client, log) for _ in range(3)]
        for each in (b, *clients):
            each.join()

    assert logged(program) == [(1.0, "connected"), (10.0, "connected"), (10.0, "connected")]
