"""In which event loop something runs, and what to say to those who use it in another one."""

from __future__ import annotations

import asyncio


def check_loop(what: object, loop: asyncio.AbstractEventLoop) -> None:
    """Raise a `RuntimeError` if *what* runs in another loop than whoever calls this."""
    if loop is not asyncio.get_running_loop():
        raise RuntimeError(
            f"it runs in another event loop: {what!r}\n"
            "use it there, by asyncio.run_coroutine_threadsafe, or make another one"
        )
