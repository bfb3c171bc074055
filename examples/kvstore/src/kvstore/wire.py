"""Requests and answers: one JSON object each, a line, over a connection of their own."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Message = dict[str, Any]
    Handler = Callable[[Message], Awaitable[Message]]

PORT = 7000


async def call(address: str, message: Message, timeout: float) -> Message:
    """Return what *address* answers; an empty message if it does not within *timeout* seconds."""
    with contextlib.suppress(OSError, ValueError, asyncio.TimeoutError):
        return await asyncio.wait_for(_ask(address, message), timeout)
    return {}


async def _ask(address: str, message: Message) -> Message:
    reader, writer = await asyncio.open_connection(address, PORT)
    try:
        writer.write(json.dumps(message).encode() + b"\n")
        answer: Message = json.loads(await reader.readline())
        return answer
    finally:
        writer.close()


async def serve(handle: Handler) -> None:
    """Answer each request with what *handle* makes of it, for ever."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError):
            answer = await handle(json.loads(await reader.readline()))
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(connected, "", PORT)
    async with server:
        await server.serve_forever()
