"""What the tests of this folder share: how Hypothesis says what it has found."""

from __future__ import annotations

import pytest


@pytest.fixture
def failure_of():
    """Return a function that runs a test, and returns what it raises and what was told with that."""

    def run(test):
        try:
            test()
        except Exception as error:
            return error, "\n".join(getattr(error, "__notes__", []))
        pytest.fail("nothing was found")

    return run
