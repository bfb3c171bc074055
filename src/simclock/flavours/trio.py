"""The flavour ``trio``. The library is imported when it is needed: it may not be installed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from simclock.flavours.contract import Flavour, awaited
from simclock.flavours.loops import LoopRunner

if TYPE_CHECKING:
    from collections.abc import Callable

    import trio

    from simclock.flavours.contract import PayloadFuture


class Trio(Flavour):
    """Tasks of trio's loops."""

    name = "trio"

    def start(self) -> TrioRunner:
        """See `Flavour.start`."""
        return TrioRunner(self)

    async def sleep(self, seconds: float) -> None:
        """See `Flavour.sleep`."""
        import trio

        await trio.sleep(seconds)

    def is_running(self) -> bool:
        """See `Flavour.is_running`."""
        # It may be half imported by another thread.
        lowlevel: Any = getattr(sys.modules.get("trio"), "lowlevel", None)
        return lowlevel is not None and bool(lowlevel.in_trio_task())

    async def in_thread(self, function: Callable[[], Any]) -> Any:
        """See `Flavour.in_thread`."""
        import trio

        # Not the loop's own limiter: all its threads may be at work.
        value = await trio.to_thread.run_sync(function, limiter=trio.CapacityLimiter(1))
        await trio.lowlevel.checkpoint_if_cancelled()
        return value


class TrioRunner(LoopRunner):
    """Runs payloads as tasks of a loop that ``trio.run`` makes."""

    _token: trio.lowlevel.TrioToken
    _nursery: trio.Nursery
    _scopes: dict[PayloadFuture, trio.CancelScope]

    def run_loop(self) -> None:
        """See `LoopRunner.run_loop`."""
        import trio

        trio.run(self._serve)

    async def _serve(self) -> None:
        import trio

        self._token, self._scopes = trio.lowlevel.current_trio_token(), {}
        async with trio.open_nursery() as self._nursery:
            self.began()
            try:
                await trio.sleep_forever()
            finally:
                for scope in self._scopes.values():
                    scope.cancel()

    def call_soon(self, function: Callable[..., object], *args: Any) -> None:
        """See `LoopRunner.call_soon`."""
        self._token.run_sync_soon(function, *args)

    def spawn(self, payload: Callable[[], Any], future: PayloadFuture) -> None:
        """See `LoopRunner.spawn`."""
        import trio

        # Shielded, and cancelled by itself: it is its own scope that takes the Cancelled away, and
        # leaves what else a payload raises.
        scope = self._scopes[future] = trio.CancelScope(shield=True)
        self._nursery.start_soon(self._payload, payload, future, scope, name=future.name)

    async def _payload(
        self, payload: Callable[[], Any], future: PayloadFuture, scope: trio.CancelScope
    ) -> None:
        try:
            with scope:
                value = await awaited(payload)
        except BaseException as error:  # noqa: BLE001 - it is the caller's
            future.set_exception(error)
        else:
            if scope.cancelled_caught:
                future.end_cancelled()
            else:
                future.set_result(value)
        finally:
            del self._scopes[future]
            self.ended(future)
            del future  # it has the error, whose traceback has this frame

    def cancel(self, future: PayloadFuture) -> None:
        """See `LoopRunner.cancel`."""
        scope = self._scopes.get(future)
        if scope is not None:
            scope.cancel()

    def stop(self) -> None:
        """See `LoopRunner.stop`."""
        self._nursery.cancel_scope.cancel()
