"""A Redis server: a pool of connections, scripts that are atomic, plain errors."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from simclock.systems._shared.stores.interfaces import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import redis
    from redis.commands.core import Script

SCHEMES = ("redis", "rediss", "unix")
# By what the server's message begins with; those of the client have classes.
_REMEDIES = {
    "WRONGTYPE": "its keys are used by something else: give another prefix",
    "NOAUTH": "put the right user and password into the URL",
    # To a command with more than ten parts, as scripts are.
    "Protocol error: unauthenticated": "put the right user and password into the URL",
    "NOPERM": "let this user run scripts on the keys of the prefix",
    "OOM": "give it more memory, or remove what has expired",
    "READONLY": "it is a replica: name its primary",
    "LOADING": "it is reading its data: repeat the operation when it has",
    "MISCONF": "it cannot save its data: see its log",
}


class Server:
    """A Redis server that several stores and threads use. It is connected to when it is needed.

    What finds its connection broken is done once more, with new ones: each
    operation may be repeated.

    Args:
        url: ``redis://user:password@host:port/database``, ``rediss://`` for
            TLS, or ``unix:///path``.
        max_connections: How many are open at once. Who needs one more waits.
        socket_timeout: For how many seconds an answer, a connection, or one
            that others use is waited for.
        retry_on_timeout: Whether what got no answer is done once more, too.

    Raises:
        ValueError: *url* is none, or a number has no meaning.
        ModuleNotFoundError: The package ``redis`` is not installed.
    """

    def __init__(
        self,
        url: str,
        *,
        max_connections: int = 8,
        socket_timeout: float = 5.0,
        retry_on_timeout: bool = False,
    ) -> None:
        self.where = _shown(url)
        if max_connections < 1 or not socket_timeout > 0:
            raise ValueError(
                f"no connections can be made: max_connections={max_connections!r}, "
                f"socket_timeout={socket_timeout!r}\ngive positive numbers"
            )
        self._timeout = socket_timeout
        # The client's own pools refuse who comes too late, or cannot close what is idle only. Of
        # each process one: a child that was forked may find it in any state.
        self._free: dict[int, threading.BoundedSemaphore] = {}
        self._connections = max_connections
        self._retries_timeouts = retry_on_timeout
        self._client = _client(url, self.where, socket_timeout)

    def script(self, text: str) -> Script:
        """Return what `run` takes: a script in Lua."""
        return self._client.register_script(text)

    def run(self, script: Script, keys: Sequence[str], *arguments: str) -> Any:
        """Run *script* and return its answer.

        Raises:
            StoreError: The server cannot be reached, or refuses. It may have run.
        """
        import redis

        free = self._free.setdefault(os.getpid(), threading.BoundedSemaphore(self._connections))
        if not free.acquire(timeout=self._timeout):
            raise StoreError(
                f"all connections to the Redis server at {self.where} have been in use for "
                f"{self._timeout:g} s\nallow more of them: max_connections"
            )
        try:
            return self._run(script, keys, arguments)
        except redis.RedisError as error:
            raise self._failure(error) from error
        finally:
            free.release()

    def _run(self, script: Script, keys: Sequence[str], arguments: Sequence[str]) -> Any:
        import redis

        try:
            return script(keys, arguments)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            if isinstance(error, redis.TimeoutError) and not self._retries_timeouts:
                raise
        # If one is broken, so are those that have been idle: the server was started again.
        self._client.connection_pool.disconnect(inuse_connections=False)
        return script(keys, arguments)

    def close(self) -> None:
        """Close all connections, which nobody should be using. The next use makes others."""
        self._client.connection_pool.disconnect()

    def _failure(self, error: redis.RedisError) -> StoreError:
        return StoreError(
            f"the Redis server at {self.where} cannot be used: {error}\n{self._remedy(error)}"
        )

    def _remedy(self, error: redis.RedisError) -> str:
        import redis

        for beginning, remedy in _REMEDIES.items():
            if str(error).startswith(beginning):
                return remedy
        if isinstance(error, redis.AuthenticationError):
            return "put the right user and password into the URL"
        if isinstance(error, redis.BusyLoadingError):
            return _REMEDIES["LOADING"]
        if isinstance(error, redis.TimeoutError):
            return f"it has not answered for {self._timeout:g} s: see what it does, or wait longer"
        if isinstance(error, redis.ConnectionError):
            return "see that it runs, and that this machine may connect to it"
        return "see what the server says; the operation can be repeated"


def connected(server: str | Server, **settings: Any) -> Server:
    """Return *server*, or a `Server` at this URL, with these settings."""
    if not isinstance(server, Server):
        return Server(server, **settings)
    if settings:
        raise TypeError(
            f"a Server has its settings already: {', '.join(settings)}\n"
            "give them to it, or give a URL"
        )
    return server


def _shown(url: str) -> str:
    """Return *url* without user, password and options, one of which may be a password, too."""
    is_good = False
    with contextlib.suppress(ValueError):
        # What is no port raises when it is asked for.
        is_good = urlsplit(url).scheme in SCHEMES and urlsplit(url).port != 0
    if not is_good:
        # Not the URL itself: there may be a password in it.
        raise ValueError(
            "this is no URL of a Redis server\n"
            "give redis://host:port/database, rediss://host:port/database or unix:///path"
        )
    parts = urlsplit(url)
    # A password with a slash that was not quoted reaches into the path.
    host, path = (each.rpartition("@")[2] for each in (parts.netloc, parts.path))
    return f"{parts.scheme}://{host}{path}"


def _client(url: str, where: str, timeout: float) -> redis.Redis:
    try:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "stores in Redis need a package that is not installed: redis\n"
            "install it: pip install 'simclock[redis]'",
            name=error.name,
        ) from error
    try:
        pool = redis.ConnectionPool.from_url(
            url,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            # Newer ones of these clients would try again and sleep in between.
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError as error:
        raise ValueError(
            f"this URL of a Redis server has an option of no meaning: {where}\n  {error}"
        ) from None
    return redis.Redis(connection_pool=pool)
