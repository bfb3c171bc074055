"""The application: tasks, where they are kept, and who runs them."""

from __future__ import annotations

import inspect
import logging
import os
import threading
from typing import TYPE_CHECKING, Any, TypeVar, overload
from weakref import WeakValueDictionary

from simclock.systems.runners.config import Config
from simclock.systems.runners.config_sources import Sources
from simclock.systems.runners.context import current_runner
from simclock.systems.runners.declaring import (
    OPTIONS_BY_TEXT,
    check_triggers,
    checked_task_id,
    checked_texts,
)
from simclock.systems.runners.direct import Spread, direct
from simclock.systems.runners.failures import TaskNotFoundError
from simclock.systems.runners.finding import found_task, runner_class
from simclock.systems.runners.options import TaskOptions, make_options
from simclock.systems.runners.orchestrator import Orchestrator
from simclock.systems.runners.serializers import make_serializer
from simclock.systems.runners.storage import Storage, open_storage
from simclock.systems.runners.tasks import Definition, Task
from simclock.systems.runners.triggers import TriggerEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from simclock.systems.runners.base import BaseRunner
    from simclock.systems.runners.identifiers import TaskId
    from simclock.systems.runners.serializers import BaseSerializer
    from simclock.systems.runners.stored import StoredInvocation

Component = TypeVar("Component")


class Pynenc:
    """An application. It may be used from any thread.

    Its parts are made when they are first needed. Where it is unpickled, in
    processes that runners start, there is one of it for each id and storage.

    Args:
        config_values: Settings: see `Config`.
        config_filepath: A file of settings, ``.toml`` or ``.json``.
        storage: Where everything is kept; None: what the settings say.

    Attributes:
        conf: The settings, from wherever they came.

    Raises:
        ConfigError: A setting is unknown or has no meaning, or a file cannot be read.
    """

    def __init__(
        self,
        config_values: Mapping[str, Any] | None = None,
        config_filepath: str | Path | None = None,
        *,
        storage: Storage | None = None,
    ) -> None:
        sources = Sources(config_values, config_filepath)
        self._set_up(Config.of(sources), sources, {}, storage)

    def _set_up(
        self,
        conf: Config,
        sources: Sources,
        definitions: dict[TaskId, Definition],
        storage: Storage | None,
    ) -> None:
        self.conf = conf
        self._sources = sources
        # Copies have the same dict: what is declared in one is in all.
        self._definitions = definitions
        self._lock = threading.RLock()
        self._tasks: dict[TaskId, Task] = {}
        self._storage = storage
        self._parts: dict[str, Any] = {}
        self._runner: Any = None

    @property
    def app_id(self) -> str:
        """What it is known by, in all processes."""
        return self.conf.app_id

    @property
    def logger(self) -> logging.Logger:
        """What it logs to."""
        return logging.getLogger("simclock.systems.runners")

    # --------------------------------------------------------------------- its parts

    @property
    def storage(self) -> Storage:
        """Where everything is kept.

        Raises:
            ConfigError: ``storage_url`` names no place.
        """
        with self._lock:
            if self._storage is None:
                self._storage = open_storage(self.conf.storage_url, self.app_id)
            return self._storage

    @property
    def serializer(self) -> BaseSerializer:
        """What makes texts of arguments, results and errors."""
        return self._part("serializer", lambda: make_serializer(self.conf.serializer_cls))

    @property
    def orchestrator(self) -> Orchestrator:
        """What decides who may run what."""
        return self._part("orchestrator", self._make_orchestrator)

    def _make_orchestrator(self) -> Orchestrator:
        made = Orchestrator(self.storage, self.conf.orchestrator, self.options_of)
        made.on_change.append(self._report)
        return made

    def _report(self, stored: StoredInvocation) -> None:
        # Not before it is needed: the engine has use for the orchestrator.
        self.trigger.report(stored)

    @property
    def trigger(self) -> TriggerEngine:
        """What has tasks run by themselves."""
        return self._part("trigger", self._make_trigger)

    def _make_trigger(self) -> TriggerEngine:
        return TriggerEngine(self)

    def _part(self, name: str, make: Callable[[], Component]) -> Component:
        with self._lock:
            if name not in self._parts:
                self._parts[name] = make()
            made: Component = self._parts[name]
            return made

    @property
    def runner(self) -> BaseRunner:
        """Who runs this code; elsewhere the application's runner.

        That is the one that was made last, or else one of ``runner_cls``.

        Raises:
            ConfigError: There is no such class.
        """
        found: BaseRunner | None = current_runner(self.app_id) or self._runner
        if found is not None:
            return found
        with self._lock:
            return self._runner or runner_class(self.conf.runner_cls)(self)

    @runner.setter
    def runner(self, runner: BaseRunner) -> None:
        self._runner = runner

    # --------------------------------------------------------------------- its tasks

    @property
    def tasks(self) -> Mapping[TaskId, Task]:
        """The tasks that were declared, or found, so far."""
        with self._lock:
            return {each: self._bound(self._definitions[each]) for each in self._definitions}

    @overload
    def task(self, func: Callable[..., Any]) -> Task: ...

    @overload
    def task(self, **options: Any) -> Callable[[Callable[..., Any]], Task]: ...

    def task(self, func: Callable[..., Any] | None = None, **options: Any) -> Any:
        """Make a function a task: ``@app.task``, or ``@app.task(max_retries=3)``.

        Options are those of `TaskOptions`; the configuration may say others.

        Raises:
            ValueError: The function is none of a module.
            RuntimeError: It is one of ``__main__``, which other processes cannot import.
            InvalidTaskOptionsError: An option is unknown, or has no meaning.
        """
        if func is None:
            return lambda function: self._declared(function, options)
        return self._declared(func, options)

    def direct_task(
        self,
        func: Callable[..., Any] | None = None,
        *,
        parallel_func: Callable[[dict[str, Any]], Any] | None = None,
        aggregate_func: Callable[[Any], Any] | None = None,
        **options: Any,
    ) -> Any:
        """Make a function a task whose calls return results: they wait, or are awaited.

        Args:
            func: The function.
            parallel_func: Makes many calls of one: see `Spread`.
            aggregate_func: Makes one result of theirs.
            options: See `task`.

        Raises:
            ValueError: As `task`; or one of the two functions is missing.
        """
        spread = Spread(parallel_func, aggregate_func)
        if func is None:
            return lambda function: direct(self._declared(function, options), spread)
        return direct(self._declared(func, options), spread)

    def _declared(self, func: Callable[..., Any], given: dict[str, Any]) -> Task:
        task_id = checked_task_id(func)
        said = self._sources.task_options(task_id.key, OPTIONS_BY_TEXT)
        options = make_options({**given, **checked_texts(said)})
        check_triggers(options.triggers, task_id)
        options.check_arguments(inspect.signature(func).parameters)
        return self._add(Definition(task_id, func, options))

    def _add(self, definition: Definition) -> Task:
        with self._lock:
            # A module that is imported again declares its tasks again.
            self._definitions[definition.task_id] = definition
            return self._bound(definition)

    def _bound(self, definition: Definition) -> Task:
        task = self._tasks.get(definition.task_id)
        if task is None or task.definition is not definition:
            task = self._tasks[definition.task_id] = Task(self, definition)
        return task

    def get_task(self, task_id: TaskId) -> Task:
        """Return a task; its module is imported if it has not been.

        Raises:
            TaskNotFoundError: There is none of that id.
        """
        with self._lock:
            if task_id in self._definitions:
                return self._bound(self._definitions[task_id])
        found = found_task(task_id)  # not under the lock: modules declare tasks
        with self._lock:
            if task_id in self._definitions:
                return self._bound(self._definitions[task_id])
        # Of the same application, which this process has made a second time.
        if found is None or found._app.app_id != self.app_id:
            raise TaskNotFoundError(task_id.key)
        return self._add(found.definition)

    def options_of(self, task_id: TaskId) -> TaskOptions:
        """Return the options of a task; of one that is not here, the defaults."""
        try:
            return self.get_task(task_id).options
        except TaskNotFoundError:
            return TaskOptions()  # whoever runs it is told

    def register_deferred_triggers(self) -> None:
        """Register the triggers of all tasks that were declared so far; runners do it, too.

        Raises:
            StateBackendError: The store cannot be used.
        """
        self.trigger.register_declared()

    # ------------------------------------------------------------------------ itself

    def purge(self) -> None:
        """Remove all invocations, and all that is known of triggers and runners."""
        self.orchestrator.purge()

    def close(self) -> None:
        """Let go of what is open. Idempotent; it may be used again."""
        if self._storage is not None:
            self._storage.close()

    def copy(self, *, storage: Storage | None = None, conf: Config | None = None) -> Pynenc:
        """Return the same application for another machine: the same tasks, another storage.

        Args:
            storage: Where everything is kept; None: what the settings say.
            conf: The settings; None: the same.
        """
        return _made(conf or self.conf, self._sources, self._definitions, storage)

    def __reduce__(self) -> tuple[Any, ...]:
        storage = self.storage
        if storage.url is None or storage.is_shared_memory:
            raise TypeError(
                f"application {self.app_id!r} cannot be pickled: its storage is of this process\n"
                "give storage_url=, such as sqlite:///runners.db"
            )
        return _unpickled, (self.conf, self._sources, *storage.__reduce__())

    def __repr__(self) -> str:
        return f"Pynenc({self.app_id!r})"


def _made(
    conf: Config,
    sources: Sources,
    definitions: dict[TaskId, Definition],
    storage: Storage | None,
) -> Pynenc:
    app = Pynenc.__new__(Pynenc)
    app._set_up(conf, sources, definitions, storage)
    return app


# By process, as a fork has the dict of its parent; application; URL and prefix of the storage.
# Not kept alive: processes of a simulation share this module, and are killed.
_unpickled_apps: WeakValueDictionary[tuple[int, str, str, str], Pynenc] = WeakValueDictionary()
_unpickling = threading.Lock()


def _unpickled(
    conf: Config, sources: Sources, opener: Callable[[str, str], Storage], place: tuple[str, str]
) -> Pynenc:
    """Return the application of that id and storage; make it if this process has none."""
    key = (os.getpid(), conf.app_id, *place)
    with _unpickling:
        app = _unpickled_apps.get(key)
        if app is None:
            app = _unpickled_apps[key] = _made(conf, sources, {}, opener(*place))
        return app
