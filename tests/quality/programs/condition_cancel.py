"""Two tasks wait for an item; the one that is woken for it is cancelled before it runs.

asyncio's conditions lost that wake-up until 3.12 (CPython's gh-112202), although the program is
right: from 3.13 on it never fails. Fails: at one instant an item is put, which wakes the first
task, then that task is cancelled; nobody wakes the second one.
"""

from __future__ import annotations

import asyncio
import contextlib


async def bug():
    """Leave it to the condition."""

    async def wait(changed):
        await changed.wait()

    await _run(wait)


async def fixed():
    """Hand the wake-up on."""

    async def wait(changed):
        try:
            await changed.wait()
        except asyncio.CancelledError:
            changed.notify()
            raise

    await _run(wait)


async def _run(wait):
    changed = asyncio.Condition()
    items = []
    taken = []

    async def take():
        async with changed:
            while not items:
                await wait(changed)
            taken.append(items.pop())

    async def cancel(task):
        await asyncio.sleep(1)
        task.cancel()

    async def put():
        # Due when `cancel` is; armed later, it may still come first: timers have no order then.
        await asyncio.sleep(0.5)
        await asyncio.sleep(0.5)
        async with changed:
            items.append("item")
            changed.notify()

    first, second = asyncio.create_task(take()), asyncio.create_task(take())
    await asyncio.sleep(0)
    await asyncio.gather(cancel(first), put())
    with contextlib.suppress(asyncio.CancelledError):
        await first
    if not taken:
        await asyncio.wait_for(second, 60)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert taken == ["item"]
