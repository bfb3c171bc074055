"""A task looks whether there is enough money, waits for something, and spends it.

Fails: the second task looks at the instant at which the first one is about to spend.
"""

from __future__ import annotations

import asyncio
import contextlib


async def bug():
    """Look, wait and spend."""
    await _run(contextlib.nullcontext)


async def fixed():
    """Let one task after the other do so."""
    lock = asyncio.Lock()
    await _run(lambda: lock)


async def _run(guard):
    balance = 100

    async def spend(amount):
        nonlocal balance
        async with guard():
            if balance >= amount:
                await asyncio.sleep(1)
                balance -= amount

    async def spend_later(amount):
        # Due when the other's is; armed later, it may still come first: timers have no order then.
        await asyncio.sleep(0.5)
        await asyncio.sleep(0.5)
        await spend(amount)

    await asyncio.gather(spend(80), spend_later(80))
    assert balance == 20
