"""How coroutines use a store, which is synchronous and may be far away."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from simclock.systems._shared.stores.interfaces import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from simclock.systems.taskqueue.failures import FlowrraError


class Closable(Protocol):
    """What can be closed."""

    def close(self) -> None:
        """Let go of what is open."""


Store = TypeVar("Store", bound=Closable)
Result = TypeVar("Result")


class Near(Generic[Store]):
    """A store in memory, which answers at once."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def do(self, operation: Callable[[Store], Result]) -> Result:
        """Return what *operation* does with the store. It never lets others take their turn."""
        return operation(self._store)

    async def close(self) -> None:
        """Do nothing: what it has must not be lost."""


class Far(Generic[Store]):
    """A store that is used in threads, as it waits for files or a server.

    It is opened by the first operation, also by one after `close`.

    Args:
        make: Opens it.
        threads: How many operations are under way at once, at most.
        error: What is raised if the store cannot be used.
        name: Of the store, for that error.
    """

    def __init__(
        self,
        make: Callable[[], Store],
        threads: int,
        error: type[FlowrraError],
        name: str,
    ) -> None:
        self._make = make
        self._count = threads
        self._error = error
        self._name = name
        self._threads: ThreadPoolExecutor | None = None
        # Nothing here belongs to an event loop: one may be closed while an operation is under
        # way, and the next one goes on with what there is.
        self._opening = threading.Lock()
        self._store: Store | None = None
        self._under_way: set[Future[Any]] = set()

    async def do(self, operation: Callable[[Store], Result]) -> Result:
        """Return what *operation* does with the store.

        Cancellation waits for its end: what was begun has been done, or has failed.

        Raises:
            FlowrraError: The store cannot be used; of the type that was given.
        """
        try:
            return await self._in_thread(lambda: operation(self._opened()))
        except StoreError as error:
            raise self._error(f"{self._name}: {error}") from error

    def _opened(self) -> Store:
        with self._opening:
            if self._store is None:
                self._store = self._make()
            return self._store

    async def _in_thread(self, call: Callable[[], Result]) -> Result:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._count, thread_name_prefix=self._name)
        under_way = self._threads.submit(call)
        self._under_way.add(under_way)
        under_way.add_done_callback(self._under_way.discard)
        future = asyncio.wrap_future(under_way, loop=asyncio.get_running_loop())
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await ended(future)
            raise

    async def close(self) -> None:
        """Wait for what is under way, and let go of the store. Idempotent."""
        loop = asyncio.get_running_loop()
        while self._under_way:
            under_way = tuple(self._under_way)
            await asyncio.wait({asyncio.wrap_future(each, loop=loop) for each in under_way})
        store, self._store = self._store, None
        threads, self._threads = self._threads, None
        if threads is not None:
            if store is not None:
                threads.submit(store.close)
            # Soon: it does nothing else.
            threads.shutdown()


async def ended(future: asyncio.Future[Any]) -> None:
    """Return when *future* has ended, however often this is cancelled; drop what it raises."""
    while not future.done():
        try:
            await asyncio.wait({future})
        except asyncio.CancelledError:
            continue  # who calls is about to raise the first one
    if not future.cancelled():
        future.exception()  # or asyncio says that nobody has seen it
