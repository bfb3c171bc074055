"""Where brokers and backends are: the kinds of URLs, and what they say."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from simclock.systems._shared.urls import without_password

MEMORY, SQLITE, REDIS = "memory", "sqlite", "redis"
_KINDS = {
    "memory": MEMORY,
    "sqlite": SQLITE,
    "redis": REDIS,
    "rediss": REDIS,
    "unix": REDIS,
}
_REMEDY = (
    "give redis://host:port/number, rediss://..., unix:///path, sqlite:///relative/path, "
    "sqlite:////absolute/path or memory://"
)


def check_url(url: Any) -> str:
    """Return which kind of place a URL names: `MEMORY`, `SQLITE` or `REDIS`.

    Raises:
        ValueError: It names none.
    """
    if not isinstance(url, str) or not url:
        raise ValueError(f"url has no meaning: {url!r}\n{_REMEDY}")
    try:
        parts = urlsplit(url)
        _ = parts.port  # refuses what is no number
    except ValueError as error:
        raise ValueError(
            f"url has no meaning: {without_password(url)!r}: {error}\n{_REMEDY}"
        ) from None
    kind = _KINDS.get(parts.scheme)
    if kind is None:
        raise ValueError(f"url is of no known kind: {without_password(url)!r}\n{_REMEDY}")
    if kind == SQLITE:
        sqlite_path(url)
    number = parts.path.strip("/")
    if kind == REDIS and parts.scheme != "unix" and number and not number.isdecimal():
        raise ValueError(
            f"url has no meaning: {without_password(url)!r}: {number!r} is no number of a database"
            f"\n{_REMEDY}"
        )
    if kind == MEMORY and url != "memory://":
        raise ValueError(f"memory has no places: {url!r}\ngive memory://")
    return kind


def sqlite_path(url: str) -> str:
    """Return the path that a URL of SQLite names: what comes after three slashes.

    So a fourth one makes it absolute.

    Raises:
        ValueError: It names no file.
    """
    path = url.partition("sqlite:///")[2]
    if not path or path == ":memory:":
        raise ValueError(
            f"url names no file: {url!r}\n"
            "give sqlite:///relative/path or sqlite:////absolute/path; memory:// is in memory"
        )
    return path
