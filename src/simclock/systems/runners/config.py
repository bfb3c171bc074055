"""What applications and runners are told: checked, and from wherever it comes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from simclock.systems._shared.retry import LONGEST_DELAY, check_count, check_number
from simclock.systems._shared.urls import without_password
from simclock.systems.runners.config_sources import Sources, plain
from simclock.systems.runners.failures import ConfigError
from simclock.systems.runners.settings import OrchestratorSettings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LEVELS = ("debug", "info", "warning", "error", "critical")
PRINT_MODES = ("FULL", "KEYS", "TRUNCATED", "HIDDEN")


def _count(default: int, least: int = 0) -> Any:
    return field(default=default, metadata={"least": least})


def _seconds(default: float, *, zero: bool = False) -> Any:
    return field(default=default, metadata={"zero": zero})


def _one_of(default: str, choices: tuple[str, ...]) -> Any:
    return field(default=default, metadata={"choices": choices})


def _check(name: str, value: Any, setting: dataclasses.Field[Any]) -> None:
    kind = type(setting.default)
    try:
        if kind is int:
            check_count(name, value, least=setting.metadata["least"])
        elif kind is float:
            check_number(name, value, most=LONGEST_DELAY, zero=setting.metadata["zero"])
        elif value == "":
            raise ValueError(f"{name} has no meaning: ''\ngive some text")
        elif type(value) is not kind:
            raise ValueError(f"{name} has no meaning: {value!r}\ngive a {kind.__name__}")
    except ValueError as error:
        raise ConfigError(str(error)) from None
    choices = setting.metadata.get("choices")
    if choices and value not in choices:
        raise ConfigError(f"{name} has no meaning: {value!r}\ngive one of {', '.join(choices)}")


@dataclass(frozen=True)
class Section:
    """Settings that belong together; each has the type of its default."""

    def __post_init__(self) -> None:
        for each in dataclasses.fields(self):
            if not dataclasses.is_dataclass(getattr(self, each.name)):
                _check(each.name, getattr(self, each.name), each)


@dataclass(frozen=True)
class ServicesConfig(Section):
    """How often what a cluster does once is done.

    Attributes:
        check_interval: Seconds between two looks whether there is something to do.
        lease_duration: For how many seconds one runner does it, unless it renews that.
    """

    check_interval: float = _seconds(1.0)
    lease_duration: float = _seconds(30.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lease_duration < 2 * self.check_interval:
            raise ConfigError(
                f"lease_duration is too short: {self.lease_duration!r}\n"
                f"give at least twice check_interval, which is {self.check_interval!r}"
            )


@dataclass(frozen=True)
class RunnerConfig(Section):
    """How any runner works.

    Attributes:
        runner_loop_sleep_time_sec: Seconds between two looks for work, if nothing wakes it.
        invocation_wait_results_sleep_time_sec: The same for results.
        min_parallel_slots: How many invocations it runs at the same time, at least.
        stop_grace: Seconds that invocations have to end when it is stopped.
    """

    runner_loop_sleep_time_sec: float = _seconds(0.1)
    invocation_wait_results_sleep_time_sec: float = _seconds(0.1)
    min_parallel_slots: int = _count(1, least=1)
    stop_grace: float = _seconds(5.0, zero=True)


@dataclass(frozen=True)
class ThreadRunnerConfig(RunnerConfig):
    """How a `ThreadRunner` works.

    Attributes:
        min_threads: How many threads it has at least.
        max_threads: The same at most; 0: as many as there are processors.
    """

    min_threads: int = _count(1, least=1)
    max_threads: int = _count(0)


@dataclass(frozen=True)
class AsyncRunnerConfig(RunnerConfig):
    """How an `AsyncRunner` works.

    Attributes:
        max_concurrent: How many invocations it runs at the same time.
    """

    max_concurrent: int = _count(100, least=1)


@dataclass(frozen=True)
class ProcessRunnerConfig(RunnerConfig):
    """How a `ProcessRunner` works.

    Attributes:
        max_processes: How many it has at the same time; 0: as many as there are processors.
    """

    max_processes: int = _count(0)


@dataclass(frozen=True)
class PersistentProcessRunnerConfig(RunnerConfig):
    """How a `PersistentProcessRunner` works.

    Attributes:
        num_processes: How many it has; 0: as many as there are processors.
    """

    num_processes: int = _count(0)


@dataclass(frozen=True)
class MultiThreadRunnerConfig(RunnerConfig):
    """How a `MultiThreadRunner` works.

    Attributes:
        min_threads: How many threads each process has at least.
        max_threads: The same at most.
        min_processes: How many processes there are at least.
        max_processes: The same at most; 0: as many as there are processors.
        idle_timeout_process_sec: After how many seconds without work a process ends.
        enforce_max_processes: Whether all processes are there from the start on.
    """

    min_threads: int = _count(1, least=1)
    max_threads: int = _count(1, least=1)
    min_processes: int = _count(1, least=1)
    max_processes: int = _count(0)
    idle_timeout_process_sec: float = _seconds(4.0)
    enforce_max_processes: bool = True


_ORCHESTRATOR = OrchestratorSettings()  # frozen, so all may have the same


@dataclass(frozen=True)
class Config(Section):
    """All of it.

    Attributes:
        app_id: What the application is known by, in all processes; its prefix in stores.
        storage_url: Where everything is kept: see `open_storage`.
        serializer_cls: ``"JsonSerializer"`` or ``"PickleSerializer"``.
        runner_cls: The name of the class of runners that is made if nobody makes one.
        dev_mode_force_sync_tasks: Whether tasks are run when they are called, in that thread.
        logging_level: Of what is logged by the command line.
        argument_print_mode: How arguments are shown: ``"FULL"``, ``"KEYS"``,
            ``"TRUNCATED"`` or ``"HIDDEN"``.
        truncate_arguments_length: After how many characters, then.
        cached_status_time: For how many seconds a status that was read is taken for the current.
        trigger_task_modules: The modules whose tasks have triggers; runners import them.
        orchestrator: See `OrchestratorSettings`; the others as well.
    """

    app_id: str = "pynenc"
    storage_url: str = "memory://"
    serializer_cls: str = "JsonSerializer"
    runner_cls: str = "DummyRunner"
    dev_mode_force_sync_tasks: bool = False
    logging_level: str = _one_of("info", LEVELS)
    argument_print_mode: str = _one_of("TRUNCATED", PRINT_MODES)
    truncate_arguments_length: int = _count(32, least=1)
    cached_status_time: float = _seconds(0.1, zero=True)
    trigger_task_modules: tuple[str, ...] = ()
    orchestrator: OrchestratorSettings = _ORCHESTRATOR
    services: ServicesConfig = ServicesConfig()
    runner: RunnerConfig = RunnerConfig()
    thread_runner: ThreadRunnerConfig = ThreadRunnerConfig()
    async_runner: AsyncRunnerConfig = AsyncRunnerConfig()
    process_runner: ProcessRunnerConfig = ProcessRunnerConfig()
    persistent_process_runner: PersistentProcessRunnerConfig = PersistentProcessRunnerConfig()
    multi_thread_runner: MultiThreadRunnerConfig = MultiThreadRunnerConfig()

    def __repr__(self) -> str:
        values = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        values["storage_url"] = without_password(self.storage_url)
        settings = ", ".join(f"{name}={value!r}" for name, value in values.items())
        return f"Config({settings})"

    @classmethod
    def read(
        cls, values: Mapping[str, Any] | None = None, file: str | Path | None = None
    ) -> Config:
        """Return what is said here and elsewhere, each setting by who says it first.

        That is the environment, as ``PYNENC__RUNNER__STOP_GRACE`` or
        ``PYNENC__STOP_GRACE``; the files that ``PYNENC__RUNNER__FILEPATH`` and
        ``PYNENC__FILEPATH`` name; *file*; ``[tool.pynenc]`` of the
        ``pyproject.toml`` here; *values*; and the defaults.

        Raises:
            ConfigError: A file cannot be read, or a setting is unknown or has no meaning.
        """
        return cls.of(Sources(values, file))

    @classmethod
    def of(cls, sources: Sources) -> Config:
        """Return what those sources say."""
        sources.check(NAMES_OF_SECTIONS)
        sections: dict[str, Any] = {
            name: kind(**sources.settings(_lineage(kind), _defaults(kind)))
            for name, kind in SECTIONS.items()
        }
        return cls(**sources.settings(("pynenc",), GENERAL), **sections)


def _defaults(kind: type[Any]) -> dict[str, Any]:
    """Return the settings of a section."""
    return {
        each.name: each.default
        for each in dataclasses.fields(kind)
        if not dataclasses.is_dataclass(each.default)
    }


SECTIONS: dict[str, type[Any]] = {
    each.name: type(each.default)
    for each in dataclasses.fields(Config)
    if dataclasses.is_dataclass(each.default)
}
GENERAL = _defaults(Config)
_NAMES = {kind: plain(name) for name, kind in SECTIONS.items()}
NAMES_OF_SECTIONS: dict[str, frozenset[str]] = {
    "pynenc": frozenset(GENERAL),
    **{_NAMES[kind]: frozenset(_defaults(kind)) for kind in SECTIONS.values()},
}


def _lineage(kind: type[Any]) -> tuple[str, ...]:
    """Return the names of a section and those it inherits from, the nearest first."""
    return tuple(_NAMES[each] for each in kind.__mro__ if each in _NAMES)
