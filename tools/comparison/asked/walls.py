"""The wall clock, and what moving it costs."""

from __future__ import annotations

from tools.comparison import judging
from tools.comparison.judging import Equals
from tools.comparison.wants import Group, Want

HOUR = 3600.0

DATE = 1_078_056_000.0
WALLS = Group(
    "The wall clock, set to a date",
    "By each tool's own call for it.",
    ("simclock", "freezegun", "time_machine", "simloom"),
    "they leave the wall clock alone, or let nobody choose its date",
    (
        Want("`time.time()`", "walls", "module", Equals(DATE)),
        Want("`datetime.now()`", "walls", "now", judging.Real(DATE), ("simloom",)),
        Want("`from time import time`, before", "walls", "early", judging.Real(DATE), ("simloom",)),
        Want("a default argument", "walls", "argument", judging.Real(DATE), ("simloom",)),
        Want("a function kept in a dictionary", "walls", "kept", judging.Real(DATE), ("simloom",)),
        Want("in a thread", "walls", "thread", judging.Real(DATE), ("simloom",)),
        Want(
            "the process is afterwards as it was",
            "walls",
            "module",
            judging.is_as_before,
            how="after",
        ),
        Want(
            "moves along with `time.sleep(3600)`, at once",
            "walls",
            "asleep",
            Equals(HOUR, unit=" s"),
            ("freezegun", "time_machine", "simloom"),
        ),
    ),
)

COSTS = Group(
    "What moving the wall clock costs",
    "In one process, the best of five rounds; absolute figures drift with the machine.",
    ("simclock", "freezegun", "time_machine"),
    "they are for something else",
    (
        Want("one `time.time()`, more than outside", "costs", "reading", judging.costs, limit=60),
        Want("entering and leaving the context", "costs", "entering", judging.costs, limit=60),
    ),
)
