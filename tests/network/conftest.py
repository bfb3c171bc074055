"""What tests of the network share: logs that are the same each time, programs of each flavour."""

from __future__ import annotations

import asyncio
import functools
import os
import socket
import types

import pytest
import trio

from simclock import Simulation
from simclock._boundary import _native
from simclock._boundary.network import state


class Log(list):
    """What happened when: `log(what)` appends ``(virtual seconds since the start, what)``.

    Not by a clock that a program reads: each simulated process has one of its own.
    """

    def __init__(self, sim):
        self._sim = sim

    def __call__(self, what):
        self.append((self._sim.elapsed, what))


@pytest.fixture
def logged():
    """Return a function that runs a program with a simulation and a log, twice; returns the log.

    Its trace must be the same each time, nothing may be waited for outside, and no
    descriptor stay behind.
    """

    def run(program, *args, times=2, **options):
        found = []
        for _ in range(times):
            with Simulation(**options) as sim:
                before = descriptors()
                log = Log(sim)
                program(sim, log, *args)
            assert sim.escapes == ()
            assert descriptors() <= before
            found.append((list(log), sim.trace.digest))
        for other in found[1:]:
            assert other == found[0]
        return found[0][0]

    return run


def descriptors():
    # Those of sockets: a log file of another test's may be open.
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            link = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            continue
        if link.startswith("socket:"):
            found.add((name, link))
    return found


@pytest.fixture
def marks():
    """Return a function that says what the network noted in a simulation's trace, and when."""

    def told(sim):
        return [
            ((time_ns - 1000 * 10**9) / 1e9, text.removeprefix("network: "))
            for time_ns, _, kind, text in sim.trace.records
            if kind == "mark" and text.startswith("network: ")
        ]

    return told


@pytest.fixture
def power():
    """Functions that cut a host's power and boot it, as far as its connections go."""

    def call(function, host):
        _native.call_kernel(function, host._kernel, host)

    return types.SimpleNamespace(
        cut=functools.partial(call, state.cut), boot=functools.partial(call, state.boot)
    )


# ------------------------------------------------------------------ echoes in each flavour
#
# A server answers one connection with what it gets, in upper case, until the end. A client sends
# pieces, each when the one before has come back, and ends its half.


def threads_server(log, port):
    with socket.create_server(("", port)) as listener:
        sock, _ = listener.accept()
        with sock:
            log("accepted")
            while data := sock.recv(100):
                log(f"server got {data.decode()}")
                sock.sendall(data.upper())
            log("server got the end")


def threads_client(log, address, pieces):
    with socket.create_connection(address) as sock:
        log("connected")
        for piece in pieces:
            sock.sendall(piece)
            log(f"client got {sock.recv(100).decode()}")
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(100) == b""
        log("client got the end")


async def _serve(log, port):
    done = asyncio.Event()

    async def handle(reader, writer):
        log("accepted")
        while data := await reader.read(100):
            log(f"server got {data.decode()}")
            writer.write(data.upper())
            await writer.drain()
        log("server got the end")
        writer.close()
        await writer.wait_closed()
        done.set()

    async with await asyncio.start_server(handle, "", port):
        await done.wait()


async def _ask(log, address, pieces):
    reader, writer = await asyncio.open_connection(*address)
    log("connected")
    for piece in pieces:
        writer.write(piece)
        log(f"client got {(await reader.read(100)).decode()}")
    writer.write_eof()
    assert await reader.read(100) == b""
    log("client got the end")
    writer.close()
    await writer.wait_closed()


def asyncio_server(log, port):
    asyncio.run(_serve(log, port))


def asyncio_client(log, address, pieces):
    asyncio.run(_ask(log, address, pieces))


def run_stock(coroutine):
    loop = asyncio.SelectorEventLoop()
    try:
        loop.run_until_complete(coroutine)
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


def stock_server(log, port):
    run_stock(_serve(log, port))


def stock_client(log, address, pieces):
    run_stock(_ask(log, address, pieces))


async def _serve_trio(log, port):
    [listener] = await trio.open_tcp_listeners(port)
    async with listener:
        stream = await listener.accept()
        async with stream:
            log("accepted")
            async for data in stream:
                log(f"server got {bytes(data).decode()}")
                await stream.send_all(bytes(data).upper())
            log("server got the end")


async def _ask_trio(log, address, pieces):
    stream = await trio.open_tcp_stream(*address)
    async with stream:
        log("connected")
        for piece in pieces:
            await stream.send_all(piece)
            log(f"client got {(await stream.receive_some(100)).decode()}")
        await stream.send_eof()
        assert await stream.receive_some(100) == b""
        log("client got the end")


def trio_server(log, port):
    trio.run(_serve_trio, log, port)


def trio_client(log, address, pieces):
    trio.run(_ask_trio, log, address, pieces)


SERVERS = {
    "threads": threads_server,
    "asyncio": asyncio_server,
    "stock": stock_server,
    "trio": trio_server,
}
CLIENTS = {
    "threads": threads_client,
    "asyncio": asyncio_client,
    "stock": stock_client,
    "trio": trio_client,
}
FLAVOURS = tuple(SERVERS)


@pytest.fixture(params=["SimEventLoop", "the stock loop"])
def run(request):
    """Return what runs a coroutine."""
    return asyncio.run if request.param == "SimEventLoop" else run_stock


@pytest.fixture(params=FLAVOURS)
def server(request):
    return SERVERS[request.param]


@pytest.fixture(params=FLAVOURS)
def client(request):
    return CLIENTS[request.param]
