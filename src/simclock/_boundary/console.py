"""``input``: who types is outside."""

from __future__ import annotations

import sys
from typing import Any

from simclock._boundary import _native
from simclock._boundary.held import held
from simclock._boundary.rows import Row, originals


def _input(*args: Any) -> Any:
    original = originals["builtins.input"]
    try:
        descriptor = sys.stdin.fileno()
    except Exception:  # noqa: BLE001 - whatever stands in for it may raise anything
        descriptor = -1
    if descriptor == 0:
        return held("input()", original, *args)
    # What stands in for the standard input is the user's, and may wait in virtual time.
    return _native.call_user(original, *args)


ROWS = [
    Row(
        "builtins.input",
        "held",
        "runs for real while the clock stands still, unless sys.stdin was replaced",
        _input,
    )
]
