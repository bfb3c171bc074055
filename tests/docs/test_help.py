"""What ``python -m pydoc simclock`` shows to somebody who has just installed it."""

from __future__ import annotations

import pydoc
from pathlib import Path

import simclock

ROOT = Path(__file__).parents[2]


def test_help_shows_what_there_is_most_used_first():
    text = pydoc.plain(pydoc.render_doc(simclock))

    for name in simclock.__all__:
        assert f"\n    class {name}(" in text or f"\n    {name}(" in text or f"{name} = <" in text
    assert simclock.__all__[:4] == ["Simulation", "run", "active", "explore"]


def test_the_docstring_says_where_to_go_on():
    assert simclock.__doc__ is not None
    for place in ("docs/index.md", "docs/reference/pytest.md"):
        assert place in simclock.__doc__
        assert (ROOT / place).is_file()
