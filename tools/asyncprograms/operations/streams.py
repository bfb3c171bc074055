"""Streams, datagrams and bare sockets, all within the program."""

# ruff: noqa: D103 - each operation's name says what it does

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

from tools.asyncprograms.actors import Actor, operation

if TYPE_CHECKING:
    from tools.asyncprograms.drawing import Drawing
    from tools.asyncprograms.world import World

SOCKETS = ("sockets",)
KINDS = ("unix", "tcp")
LARGE = 300_000
SIZES = (1, 10, 70_000, LARGE)


def _kind(drawing: Drawing) -> str:
    return drawing.random.choice(KINDS)


def _size(drawing: Drawing) -> int:
    return drawing.random.choice(SIZES)


# ---------------------------------------------------------------------- the server


async def _serve(world: World, kind: str) -> Any:
    """Return where the echo server of this kind listens; start it if need be."""
    if kind not in world.servers:

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _answer(world, kind, reader, writer)

        started = (
            await asyncio.start_unix_server(answer, world.folder / f"socket{world.count()}")
            if kind == "unix"
            else await asyncio.start_server(answer, "127.0.0.1", 0)
        )
        world.opened.append(started)
        world.servers[kind] = started
    server: Any = world.servers[kind]
    return server.sockets[0].getsockname()


async def _answer(
    world: World, kind: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Echo; what begins with a digit after as many eighths of a second, with x never."""
    me = Actor(world, f"{kind} server {world.count()}")
    task = asyncio.current_task()
    assert task is not None
    world.register(task)
    me.say("connected")
    try:
        while data := await reader.read(50_000):
            me.say(f"received {len(data)} {data[:1]!r}")
            if data[:1].isdigit():
                await asyncio.sleep(int(data[:1]) / 8)
            if data[:1] == b"x":
                break
            writer.write(data)
            await writer.drain()
    except ConnectionError as error:
        me.say(f"lost: {type(error).__name__}")
    finally:
        me.say("closes")
        writer.close()


async def _connect(world: World, kind: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    address = await _serve(world, kind)
    if kind == "unix":
        return await asyncio.open_unix_connection(address)
    return await asyncio.open_connection(*address)


@operation(
    lambda d: (_kind(d), d.random.choice("02468xa"), _size(d), d.timeout(), d.duration()),
    weight=4,
    traits=SOCKETS,
)
async def converse(  # noqa: PLR0917 - drawn all at once
    me: Actor, kind: str, first: str, size: int, patience: float | None, pause: float
) -> object:
    """Send, read the answer with a timeout for each piece, pause, close."""
    reader, writer = await _connect(me.world, kind)
    received = 0
    try:
        writer.write(first.encode() + b"a" * (size - 1))
        while received < size:
            data = await asyncio.wait_for(reader.read(100_000), patience)
            if not data:
                break
            received += len(data)
        await asyncio.sleep(pause)
        me.say(f"converse: received {received}")
        if writer.can_write_eof():
            writer.write_eof()
        return len(await asyncio.wait_for(reader.read(), 3))
    finally:
        writer.close()
        await writer.wait_closed()


@operation(lambda d: (_kind(d), d.chance(), d.duration()), weight=2, traits=SOCKETS)
async def connect_and_leave(me: Actor, kind: str, aborts: bool, pause: float) -> object:
    _, writer = await _connect(me.world, kind)
    await asyncio.sleep(pause)
    if aborts:
        writer.transport.abort()
    writer.close()
    return "left"


@operation(lambda d: (_kind(d), d.duration()), weight=2, traits=SOCKETS)
async def read_lines(me: Actor, kind: str, pause: float) -> object:
    reader, writer = await _connect(me.world, kind)
    try:
        writer.writelines([b"a line\n", b"another\n", b"end"])
        lines = [await reader.readline()]
        await asyncio.sleep(pause)
        lines.append(await reader.readuntil(b"\n"))
        writer.write_eof()
        lines.append(await reader.read())
        return lines
    finally:
        writer.close()


@operation(lambda d: (_kind(d),), weight=1, traits=SOCKETS)
async def close_server(me: Actor, kind: str) -> object:
    server = me.world.servers.pop(kind, None)
    if server is None:
        return "none"
    return server.close()


# ---------------------------------------------------------------------- bare sockets


@operation(lambda d: (d.index(4), d.timeout()), weight=4, traits=SOCKETS)
async def receive(me: Actor, index: int, patience: float | None) -> object:
    data = await asyncio.wait_for(me.world.loop.sock_recv(me.world.ends[index], 100_000), patience)
    return len(data)


@operation(lambda d: (d.index(4), _size(d), d.timeout()), weight=4, traits=SOCKETS)
async def send(me: Actor, index: int, size: int, patience: float | None) -> object:
    sending = me.world.loop.sock_sendall(me.world.ends[index], b"x" * size)
    return await asyncio.wait_for(sending, patience)


@operation(lambda d: (d.index(4), d.duration(), d.chance()), weight=3, traits=SOCKETS)
async def watch_readable(me: Actor, index: int, seconds: float, reads: bool) -> object:
    """Count the calls; whoever does not read is called again and again, so only a few times."""
    end, loop, calls = me.world.ends[index], me.world.loop, []

    def readable() -> None:
        calls.append(len(end.recv(100)) if reads else 0)
        me.say(f"readable: {calls[-1]}")
        if len(calls) == 5:
            loop.remove_reader(end)

    loop.add_reader(end, readable)
    try:
        await asyncio.sleep(seconds)
    finally:
        removed = loop.remove_reader(end)
    return removed, calls


@operation(lambda d: (d.index(4), d.duration()), weight=2, traits=SOCKETS)
async def watch_writable(me: Actor, index: int, seconds: float) -> object:
    end, loop, calls = me.world.ends[index], me.world.loop, []

    def writable() -> None:
        me.say("writable")
        calls.append(1)
        if len(calls) == 3:
            loop.remove_writer(end)

    loop.add_writer(end, writable)
    try:
        await asyncio.sleep(seconds)
    finally:
        removed = loop.remove_writer(end)
    return removed, len(calls)


@operation(lambda d: (d.duration(), d.duration()), weight=2, traits=SOCKETS)
async def send_datagrams(me: Actor, pause: float, patience: float) -> object:
    """From one endpoint to another."""
    got: list[bytes] = []
    received = asyncio.Event()

    class Protocol(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, _address: object) -> None:
            me.say(f"datagram {data!r}")
            got.append(data)
            received.set()

    loop = me.world.loop
    address = ("127.0.0.1", 0)
    one, _ = await loop.create_datagram_endpoint(Protocol, address)
    try:
        await asyncio.sleep(pause)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.sendto(b"hello", one.get_extra_info("sockname"))
            loop.call_later(0.25, one.abort)
            await asyncio.wait_for(received.wait(), patience)
    finally:
        one.close()
    return got
