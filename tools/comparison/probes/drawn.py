"""What goes wrong with some data, and under some schedules."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

Main = Callable[[int], Coroutine[Any, Any, None]]


def jobs() -> Main:
    """Have two jobs done in threads: from 100 on, the second has to end after the first."""

    async def program(number: int) -> None:
        ended: list[str] = []
        await asyncio.gather(
            asyncio.to_thread(ended.append, "first"), asyncio.to_thread(ended.append, "second")
        )
        assert number < 100 or ended == ["first", "second"]

    return program
