"""URLs of stores, as they may be shown."""

from __future__ import annotations


def without_password(url: str) -> str:
    """Return *url* as it may be shown to anybody."""
    before, separator, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    if not separator or not at:
        return url
    return f"{before}://{user.partition(':')[0]}:***@{place}"
