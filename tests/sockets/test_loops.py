"""What asyncio, trio and anyio offer over sockets, in virtual time."""

from __future__ import annotations

import asyncio
import functools
import os
import socket
import threading
import time

import anyio
import pytest
import trio

pytestmark = pytest.mark.usefixtures("each_loop")

# ---------------------------------------------------------------------------- asyncio


def test_streams_and_their_timeouts(logged):
    async def handle(reader, writer):
        while line := await reader.readline():
            await asyncio.sleep(float(line))
            writer.write(b"slept " + line)
            await writer.drain()
        writer.close()

    async def main(log):
        async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"1.5\n")
            log(await asyncio.wait_for(reader.readline(), 5))
            writer.write(b"3\n")
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(reader.readline(), 2)
            log("timed out")
            log(await reader.readline())
            writer.close()
            await writer.wait_closed()

    assert logged(lambda log: asyncio.run(main(log))) == [
        (1.5, b"slept 1.5\n"),
        (3.5, "timed out"),
        (4.5, b"slept 3\n"),
    ]


def test_datagram_endpoints(logged):
    class Server(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, address):
            loop = asyncio.get_running_loop()
            loop.call_later(1, self.transport.sendto, data.upper(), address)

    class Client(asyncio.DatagramProtocol):
        def __init__(self):
            self.received = asyncio.Queue()

        def datagram_received(self, data, address):
            self.received.put_nowait(data)

    async def main(log):
        loop = asyncio.get_running_loop()
        serving, _ = await loop.create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
        address = serving.get_extra_info("sockname")
        asking, client = await loop.create_datagram_endpoint(Client, remote_addr=address)
        for word in (b"one", b"two"):
            asking.sendto(word)
            log(await asyncio.wait_for(client.received.get(), 5))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.received.get(), 3)
        log("timed out")
        asking.close()
        serving.close()

    assert logged(lambda log: asyncio.run(main(log))) == [
        (1.0, b"ONE"),
        (2.0, b"TWO"),
        (5.0, "timed out"),
    ]


def test_the_socket_methods_of_a_loop(logged):
    async def main(log):
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as sock:
            listener.setblocking(False)
            sock.setblocking(False)

            async def serve():
                conn, _ = await loop.sock_accept(listener)
                with conn:
                    while data := await loop.sock_recv(conn, 100):
                        await asyncio.sleep(1)
                        await loop.sock_sendall(conn, data.upper())

            task = asyncio.create_task(serve())
            await asyncio.sleep(0.5)
            await loop.sock_connect(sock, listener.getsockname())
            for word in (b"one", b"two"):
                await loop.sock_sendall(sock, word)
                buffer = bytearray(10)
                count = await loop.sock_recv_into(sock, buffer)
                log(bytes(buffer[:count]))
            sock.shutdown(socket.SHUT_WR)
            await task

    assert logged(lambda log: asyncio.run(main(log))) == [(1.5, b"ONE"), (2.5, b"TWO")]


def test_a_loop_sends_a_file(logged, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(os.urandom(1000) * 2000)

    async def main(log):
        loop = asyncio.get_running_loop()
        one, other = socket.socketpair()
        with one, other, path.open("rb") as file:
            one.setblocking(False)

            def receive():
                time.sleep(1)
                data = b""
                while piece := other.recv(1 << 20):
                    data += piece
                return data

            task = loop.run_in_executor(None, receive)
            log(await loop.sock_sendfile(one, file))
            one.shutdown(socket.SHUT_WR)
            log(await task == path.read_bytes())

    found = logged(lambda log: asyncio.run(main(log)), times=1)

    assert found == [(1.0, 2_000_000), (1.0, True)]


def test_a_server_of_unix_sockets(logged, tmp_path):
    async def handle(reader, writer):
        await asyncio.sleep(2)
        writer.write((await reader.readline()).upper())
        writer.close()

    async def main(log):
        path = tmp_path / "socket"
        path.unlink(missing_ok=True)
        async with await asyncio.start_unix_server(handle, path):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b"word\n")
            log(await reader.read())
            writer.close()
            await writer.wait_closed()

    assert logged(lambda log: asyncio.run(main(log))) == [(2.0, b"WORD\n")]


def test_slow_consumers_hold_a_writer_up(logged):
    async def handle(over, reader, writer):
        await asyncio.sleep(3)
        while await reader.read(1 << 20):
            pass
        writer.close()
        await writer.wait_closed()
        over.set()

    async def main(log):
        over = asyncio.Event()
        serve = functools.partial(handle, over)
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(bytes(32 << 20))
            await writer.drain()
            log("drained")
            writer.close()
            await writer.wait_closed()
            await over.wait()

    [(when, what)] = logged(lambda log: asyncio.run(main(log)), times=1)

    assert what == "drained"
    assert 3.0 <= when < 3.001


@pytest.mark.parametrize("backlog", [5, None])
def test_more_clients_at_once_than_a_queue_has_room_for(logged, backlog):
    clients = 300

    def serve(listener):
        for _ in range(clients):
            conn, _ = listener.accept()
            with conn:
                time.sleep(0.01)
                conn.sendall(b"x")

    async def ask(address):
        reader, writer = await asyncio.open_connection(*address)
        data = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        await writer.wait_closed()
        return data

    async def main(log, address):
        log(set(await asyncio.gather(*[ask(address) for _ in range(clients)])))

    def program(log):
        with socket.create_server(("127.0.0.1", 0), backlog=backlog) as listener:
            thread = threading.Thread(target=serve, args=(listener,))
            thread.start()
            asyncio.run(main(log, listener.getsockname()))
            thread.join()

    [(when, what)] = logged(program, times=2)

    assert what == {b"x"}
    assert 3.0 <= when < 3.01


def test_nobody_listens(logged, free_port):
    async def main(log):
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", free_port)
        log("refused")

    assert logged(lambda log: asyncio.run(main(log))) == [(0.0, "refused")]


# ------------------------------------------------------------------------------- trio


def test_serve_tcp_and_open_tcp_stream(logged):
    async def handle(stream):
        async for data in stream:
            await trio.sleep(1.25)
            await stream.send_all(data.upper())

    async def main(log):
        async with trio.open_nursery() as nursery:
            serve = trio.serve_tcp
            [listener] = await nursery.start(
                lambda task_status: serve(handle, 0, host="127.0.0.1", task_status=task_status)
            )
            port = listener.socket.getsockname()[1]
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                for word in (b"one", b"two"):
                    await stream.send_all(word)
                    log(await stream.receive_some())
                with trio.move_on_after(2) as scope:
                    await stream.receive_some()
                log(scope.cancelled_caught)
            nursery.cancel_scope.cancel()

    assert logged(lambda log: trio.run(main, log)) == [
        (1.25, b"ONE"),
        (2.5, b"TWO"),
        (4.5, True),
    ]


def test_datagrams_of_trio(logged):
    async def serve(sock):
        while True:
            data, address = await sock.recvfrom(100)
            await trio.sleep(1)
            await sock.sendto(data.upper(), address)

    async def main(log):
        server = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
        client = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
        with server, client:
            await server.bind(("127.0.0.1", 0))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(serve, server)
                await client.sendto(b"word", server.getsockname())
                log((await client.recvfrom(100))[0])
                nursery.cancel_scope.cancel()

    assert logged(lambda log: trio.run(main, log)) == [(1.0, b"WORD")]


# ------------------------------------------------------------------------------ anyio


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_anyio(logged, backend):
    async def handle(stream):
        async with stream:
            async for data in stream:
                await anyio.sleep(1.5)
                await stream.send(data.upper())

    async def main(log):
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with listener, anyio.create_task_group() as group:
            group.start_soon(listener.serve, handle)
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                for word in (b"one", b"two"):
                    await stream.send(word)
                    log(await stream.receive())
                with anyio.move_on_after(2) as scope:
                    await stream.receive()
                log(scope.cancelled_caught)
            group.cancel_scope.cancel()

    assert logged(lambda log: anyio.run(main, log, backend=backend)) == [
        (1.5, b"ONE"),
        (3.0, b"TWO"),
        (5.0, True),
    ]


# ------------------------------------------------------------------------------ mixed


def test_a_loop_and_blocking_threads_that_it_serves(logged):
    async def handle(reader, writer):
        line = await reader.readline()
        await asyncio.sleep(float(line))
        writer.write(line)
        await writer.drain()
        writer.close()

    async def main(log):
        def ask(seconds):
            with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
                sock.sendall(b"%g\n" % seconds)
                log(sock.recv(100))

        async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            threads = [threading.Thread(target=ask, args=(s,)) for s in (3, 1, 2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                await asyncio.to_thread(thread.join)

    assert logged(lambda log: asyncio.run(main(log))) == [
        (1.0, b"1\n"),
        (2.0, b"2\n"),
        (3.0, b"3\n"),
    ]
