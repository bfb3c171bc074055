"""The built-in flavours, by the suite that authors of others use."""

from __future__ import annotations

import asyncio

import trio

from simclock.testing import FlavourContract


async def in_asyncio():
    await asyncio.Event().wait()


async def in_trio():
    await trio.Event().wait()


class TestAsyncio(FlavourContract):
    flavour = "asyncio"
    waits_forever = in_asyncio, "in_asyncio"


class TestTrio(FlavourContract):
    flavour = "trio"
    waits_forever = in_trio, "in_trio"


class TestThreading(FlavourContract):
    flavour = "threading"
