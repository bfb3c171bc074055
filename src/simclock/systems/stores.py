"""What stores are made of: where the task executors, and the runners, keep what is to be done.

A store is two classes, `Jobs` and `Records`, which say what is promised; any
class that has their methods is one. ``MemoryJobs`` and ``MemoryRecords`` are
the shortest that there are. `encode` makes texts of values, the ``check_...``
functions refuse what no store takes, and whatever else goes wrong is a
`StoreError`. `simclock.systems.testing` has the tests that all of them pass.

``StoreBroker``, ``StoreBackend`` and ``StoreSchedulerBackend`` of
`simclock.systems.taskqueue` take them, and the ``Storage`` of
`simclock.systems.runners`.
"""

from simclock.systems._shared.codecs import NotSerialisable, Undecodable, decode, encode
from simclock.systems._shared.stores.arguments import (
    check_expiry,
    check_instant,
    check_page,
    check_priority,
)
from simclock.systems._shared.stores.interfaces import (
    Counts,
    Damaged,
    DamagedRecord,
    Job,
    Jobs,
    Records,
    StoredRecord,
    StoreError,
)
from simclock.systems._shared.stores.memory import MemoryJobs, MemoryRecords

__all__ = [
    "Counts",
    "Damaged",
    "DamagedRecord",
    "Job",
    "Jobs",
    "MemoryJobs",
    "MemoryRecords",
    "NotSerialisable",
    "Records",
    "StoreError",
    "StoredRecord",
    "Undecodable",
    "check_expiry",
    "check_instant",
    "check_page",
    "check_priority",
    "decode",
    "encode",
]
