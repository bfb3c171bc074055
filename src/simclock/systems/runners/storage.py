"""Where everything is kept that runners share: one queue and six tables, by a URL."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from simclock.systems._shared.stores.interfaces import Jobs, Records, StoreError
from simclock.systems._shared.urls import without_password
from simclock.systems.runners.bells import Bell
from simclock.systems.runners.failures import ConfigError, StateBackendError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simclock.systems._shared.stores.serving import StoreServer

    _Stores = tuple[Mapping[str, Records], Jobs]

_KINDS = {
    "memory": "memory",
    "sqlite": "sqlite",
    "redis": "redis",
    "rediss": "redis",
    "unix": "redis",
    "served": "served",
}
_REMEDY = (
    "give memory://, memory://name, sqlite:///relative/path, sqlite:////absolute/path, "
    "redis://host:port/number, rediss://..., unix:///path or served://host:port"
)
_TABLES = ("invocations", "slots", "runners", "leases", "triggers", "occurrences")


class _Typed:
    """A store whose errors are those of this package."""

    def __init__(self, store: object) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self._store, name)

        @functools.wraps(operation)
        def typed(*arguments: Any, **settings: Any) -> Any:
            try:
                return operation(*arguments, **settings)
            except StateBackendError:
                raise
            except StoreError as error:
                raise StateBackendError(str(error)) from error

        # Found without this method from now on.
        self.__dict__[name] = typed
        return typed


@dataclass(eq=False, repr=False)
class Storage:
    """All that runners share. It may be used from any thread.

    Whatever the stores raise, it is a `StateBackendError`.

    Attributes:
        invocations: One record each, by its id.
        slots: Who runs, or is registered, of what may be there only once.
        runners: The heartbeats.
        leases: Who may do what only one may.
        triggers: The definitions of triggers, and what they remember.
        occurrences: What triggers wait for, and has happened.
        queue: Hints at which invocations may be available.
        is_shared_memory: Whether it is of this process only.
        url: What it is opened by elsewhere; None: nothing does.
        prefix: What the names of its tables begin with.
        bell: Is rung when this process has made an invocation available, or final.
        opener: Called elsewhere with URL and prefix; a function of a module. None: `open_storage`.
    """

    invocations: Records
    slots: Records
    runners: Records
    leases: Records
    triggers: Records
    occurrences: Records
    queue: Jobs
    is_shared_memory: bool = True
    url: str | None = None
    prefix: str = "pynenc"
    bell: Bell = field(default_factory=Bell)
    opener: Callable[[str, str], Storage] | None = None

    def __post_init__(self) -> None:
        for name in _TABLES:
            setattr(self, name, cast("Records", _Typed(getattr(self, name))))
        self.queue = cast("Jobs", _Typed(self.queue))

    def clear(self) -> None:
        """Remove everything but the leases: who holds one goes on, and nobody else begins."""
        for store in self._stores():
            if store is not self.leases:
                store.clear()

    def close(self) -> None:
        """Let go of what it has open. Idempotent; it may be used again."""
        for store in self._stores():
            store.close()

    def _stores(self) -> list[Jobs | Records]:
        return [self.queue, *(getattr(self, name) for name in _TABLES)]

    def __repr__(self) -> str:
        where = None if self.url is None else without_password(self.url)
        return f"Storage({where!r}, prefix={self.prefix!r})"

    def __reduce__(self) -> tuple[Callable[[str, str], Storage], tuple[str, str]]:
        if self.url is None or self.is_shared_memory:
            raise TypeError(
                f"a storage in memory cannot leave its process: {self.url or 'made by hand'}\n"
                "use sqlite:/// or redis://"
            )
        return self.opener or open_storage, (self.url, self.prefix)


def open_storage(url: str, prefix: str = "pynenc", *, durable: bool = True) -> Storage:
    """Return the storage that a URL names. Nothing is connected to until it is used.

    ``memory://`` is a new one; ``memory://name`` the same one in all of this process.

    Args:
        url: Where everything is kept.
        prefix: What the names of the tables begin with: several applications can have one place.
        durable: Whether what was written to SQLite has reached the disk.

    Raises:
        ConfigError: The URL names none.
    """
    kind, place = _kind_and_place(url)
    try:
        if kind == "memory":
            return _in_memory(url, place, prefix)
        tables, queue = _OPENERS[kind](url, place, prefix, durable)
    except (ValueError, ModuleNotFoundError) as error:
        raise ConfigError(
            f"no storage can be opened at {without_password(url)}: {error}"
        ) from error
    stores: dict[str, Any] = {**tables, "queue": queue}
    return Storage(**stores, is_shared_memory=False, url=url, prefix=prefix)


def _kind_and_place(url: Any) -> tuple[str, str]:
    scheme, separator, place = url.partition("://") if isinstance(url, str) else ("", "", "")
    kind = _KINDS.get(scheme)
    if kind is None or not separator:
        raise ConfigError(f"this is no URL of a storage: {without_password(str(url))!r}\n{_REMEDY}")
    if kind == "sqlite":
        place = place[1:] if place.startswith("/") else ""
    if kind != "memory" and not place:
        raise ConfigError(f"this URL names no place: {without_password(url)}\n{_REMEDY}")
    return kind, place


# The storages in memory that have names: they live as long as the process, as servers would.
_named: dict[tuple[str, str], Storage] = {}


def _in_memory(url: str, name: str, prefix: str) -> Storage:
    from simclock.systems._shared.stores.memory import MemoryJobs, MemoryRecords

    stores: dict[str, Any] = {each: MemoryRecords() for each in _TABLES}
    made = Storage(**stores, queue=MemoryJobs(), url=url, prefix=prefix)
    return _named.setdefault((name, prefix), made) if name else made


def _in_sqlite(_url: str, path: str, prefix: str, durable: bool) -> _Stores:
    from simclock.systems._shared.stores.databases import Database
    from simclock.systems._shared.stores.sqlite import SqliteJobs, SqliteRecords

    database = Database(path, durable=durable)
    tables = {each: SqliteRecords(database, f"{prefix}:{each}") for each in _TABLES}
    return tables, SqliteJobs(database, prefix)


def _in_redis(url: str, _place: str, prefix: str, _durable: bool) -> _Stores:
    from simclock.systems._shared.stores.redis import RedisJobs, RedisRecords
    from simclock.systems._shared.stores.servers import Server

    server = Server(url)
    tables = {each: RedisRecords(server, f"{prefix}:{each}") for each in _TABLES}
    return tables, RedisJobs(server, prefix)


def _at_server(url: str, _place: str, prefix: str, _durable: bool) -> _Stores:
    from simclock.systems._shared.stores.served import ServedJobs, ServedRecords, StoreClient

    client = StoreClient(url)
    tables = {each: ServedRecords(client, f"{prefix}:{each}") for each in _TABLES}
    return tables, ServedJobs(client, prefix)


_OPENERS: dict[str, Callable[[str, str, str, bool], _Stores]] = {
    "sqlite": _in_sqlite,
    "redis": _in_redis,
    "served": _at_server,
}


def make_server(prefix: str = "pynenc", host: str = "127.0.0.1", port: int = 0) -> StoreServer:
    """Return a server of a new storage in memory: elsewhere it is at ``served://host:port``.

    Args:
        prefix: What `open_storage` is told there.
        host: The address to listen at; ``""`` for all of the machine's.
        port: 0: any that is free.

    Raises:
        OSError: The address cannot be had.
    """
    from simclock.systems._shared.stores.memory import MemoryJobs, MemoryRecords
    from simclock.systems._shared.stores.serving import StoreServer

    tables: dict[str, Records] = {f"{prefix}:{each}": MemoryRecords() for each in _TABLES}
    return StoreServer({prefix: MemoryJobs()}, tables, host, port)
