"""What is found by its name: classes of runners, and tasks in their modules."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from simclock.systems.runners.failures import ConfigError, TaskNotFoundError
from simclock.systems.runners.tasks import Task

if TYPE_CHECKING:
    from simclock.systems.runners.base import BaseRunner
    from simclock.systems.runners.identifiers import TaskId

# Their modules: each is imported when it is needed, and imports what an application imports.
RUNNERS = {
    "DummyRunner": "dummy",
    "ExternalRunner": "dummy",
    "ThreadRunner": "threads",
    "AsyncRunner": "asynchronous",
    "ProcessRunner": "process_per_task",
    "PersistentProcessRunner": "persistent",
    "MultiThreadRunner": "multithread",
}


def runner_class(name: str) -> type[BaseRunner]:
    """Return the class of runners of that name.

    Raises:
        ConfigError: There is none.
    """
    if name not in RUNNERS:
        raise ConfigError(
            f"there is no such class of runners: {name!r}\ngive one of {', '.join(RUNNERS)}"
        )
    module = importlib.import_module(f"simclock.systems.runners.{RUNNERS[name]}")
    found: type[BaseRunner] = getattr(module, name)
    return found


def found_task(task_id: TaskId) -> Task | None:
    """Return the task that a module has under a name, of whatever application; None: none.

    Raises:
        TaskNotFoundError: The module cannot be imported.
    """
    try:
        module = sys.modules.get(task_id.module) or importlib.import_module(task_id.module)
    except (Exception, SystemExit) as error:  # a module may raise anything
        raise TaskNotFoundError(task_id.key, f"its module cannot be imported: {error!r}") from error
    found: Any = getattr(module, task_id.func_name, None)
    # A direct task is a function that has its task.
    found = found if isinstance(found, Task) else getattr(found, "task", None)
    return found if isinstance(found, Task) else None
