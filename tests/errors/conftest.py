"""What tests about errors share: their texts without places, and threads outside."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

HERE = str(Path(__file__).parent)
_PLACE = re.compile(r"    (\S.*):\d+ in (.+)")


@pytest.fixture
def normal():
    """Return a function: an error's text without line numbers and frames of other files."""

    def normal(error: BaseException) -> str:
        lines = []
        ours = True
        for line in str(error).splitlines():
            place = _PLACE.fullmatch(line)
            if place is not None:
                ours = place[1].startswith(HERE)
            elif not line.startswith("      "):
                ours = True
            if ours:
                lines.append(f"    in {place[2]}" if place else line)
        return "\n".join(lines)

    return normal


@pytest.fixture
def foreign():
    """Return a function that starts a foreign thread, joined after the test."""
    threads = []

    def foreign(function, *args, name="foreigner"):
        thread = threading.Thread(target=function, args=args, name=name)
        thread.start()
        threads.append(thread)
        return thread

    yield foreign
    for thread in threads:
        thread.join()
