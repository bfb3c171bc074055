"""What authors of stores test them with; needs pytest. See `simclock.systems.stores`."""

from simclock.systems.testing.jobs import JobsContract
from simclock.systems.testing.records import RecordsContract

__all__ = ["JobsContract", "RecordsContract"]
