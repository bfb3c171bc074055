"""What of a URL may be shown."""

from __future__ import annotations

import pytest

from simclock.systems._shared.urls import without_password


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("store://me:secret@host:1/0", "store://me:***@host:1/0"),
        ("store://:secret@host", "store://:***@host"),
        ("store://host:1/0", "store://host:1/0"),
        ("memory", "memory"),
        ("me:secret@host", "me:secret@host"),
    ],
)
def test_passwords_are_not_shown(url, shown):
    assert without_password(url) == shown
