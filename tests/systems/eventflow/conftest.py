"""What the tests of event processors share: both kinds of event loops, and a log with instants."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    """The event loop that tests marked ``anyio`` are run on: one after the other, on each."""
    return request.param


@pytest.fixture
def note(sim):
    """Return a function that notes something with the instant; its ``log`` has all of it."""

    def note(*what):
        # In microseconds: instants of event loops are floats.
        note.log.append((round(sim.elapsed, 6), *what))

    note.log = []
    return note
