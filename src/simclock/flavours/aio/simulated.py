"""asyncio, and anyio on it, in a simulation: what goes by addresses, and which loop they get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simclock.flavours.aio.loop import NAMED, new_event_loop
from simclock.flavours.aio.telling import tell
from simclock.flavours.aio.waiting import waiting
from simclock.flavours.spurious import wake_more
from simclock.hookspecs import hookimpl
from simclock.lowlevel import counter

if TYPE_CHECKING:
    from simclock.flavours import WaitingTask
    from simclock.lowlevel import Overlay


class Asyncio:
    """The plugin."""

    @hookimpl
    def simclock_simulate(self, overlay: Overlay) -> None:
        """Let order be the same in each run, and the default event loop be ours."""
        package = overlay.module("asyncio")
        tasks = overlay.module("asyncio.tasks")
        futures = overlay.module("asyncio.futures")
        task = overlay.numbered(tasks.Task, _default_name)
        future = overlay.numbered(futures.Future)
        wake_more(overlay, package.Condition)
        for module in (package, tasks):
            overlay.replace(module, "Task", task)
        for module in (package, futures):
            overlay.replace(module, "Future", future)
        policy = overlay.module("asyncio.unix_events")._UnixDefaultEventLoopPolicy
        overlay.replace(policy, "_loop_factory", staticmethod(new_event_loop))
        events = overlay.module("asyncio.events")
        # It is made when first asked for, under a lock: in the first run of a process only. What
        # the program puts in its place is gone with the simulation.
        overlay.replace(events, "_event_loop_policy", events._event_loop_policy or policy())
        overlay.when_loaded("anyio._backends._asyncio", lambda anyio: _put_anyio(overlay, anyio))

    @hookimpl
    def simclock_waiting_tasks(self, ident: int) -> list[WaitingTask]:
        """Return the tasks of the loop that runs in a thread."""
        return waiting(ident)

    @hookimpl
    def simclock_tell_task(self, error: BaseException, ident: int) -> bool:
        """Let a task raise *error*, if who runs its loop would leave it behind."""
        return tell(error, ident)


def _default_name() -> str:
    return f"Task-{counter(NAMED)()}"


def _put_anyio(overlay: Overlay, backend: Any) -> None:
    # Whom a cancellation reaches first follows a set of these.
    overlay.replace(backend, "CancelScope", overlay.numbered(backend.CancelScope))
