"""How a request gets to an endpoint."""

from __future__ import annotations

import concurrent.futures
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from courier.model import Endpoint


class Transport(Protocol):
    """Anything that takes a request to an endpoint and brings back the status."""

    def send(self, endpoint: Endpoint, body: bytes, headers: dict[str, str]) -> int:
        """Return the HTTP status; raise OSError if there was no answer."""


class HttpTransport:
    """The real thing."""

    def __init__(self, timeout: float = 10.0) -> None:
        # For each step of the request. A receiver that trickles can take longer: see TimeLimited.
        self._timeout = timeout

    def send(self, endpoint: Endpoint, body: bytes, headers: dict[str, str]) -> int:
        """Post *body* and return the status, whatever it is."""
        request = urllib.request.Request(endpoint.url, data=body, headers=headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code


class TimeLimited:
    """Gives up on a request after *limit* seconds, whatever it is doing then.

    It goes on in its thread of the pool until it ends by itself; its answer is thrown away.
    """

    def __init__(self, transport: Transport, limit: float, at_once: int = 16) -> None:
        self._transport = transport
        self._limit = limit
        self._pool = concurrent.futures.ThreadPoolExecutor(at_once, "courier-request")

    def send(self, endpoint: Endpoint, body: bytes, headers: dict[str, str]) -> int:
        """Return the status; raise TimeoutError if it did not come in time."""
        future = self._pool.submit(self._transport.send, endpoint, body, headers)
        try:
            return future.result(self._limit)
        # Before 3.11 it was not the built-in one.
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise TimeoutError(f"no answer from {endpoint.name} in {self._limit:g} s") from None

    def close(self) -> None:
        """Wait for the requests that were given up."""
        self._pool.shutdown()
