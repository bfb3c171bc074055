"""All that tasks and threads of a program can do. Each module puts its part into the table."""

from tools.asyncprograms.actors import OPERATIONS
from tools.asyncprograms.operations import (
    callbacks,
    gatherings,
    primitives,
    streams,
    tasks,
    threads,
    timeouts,
)

__all__ = [
    "OPERATIONS",
    "callbacks",
    "gatherings",
    "primitives",
    "streams",
    "tasks",
    "threads",
    "timeouts",
]
