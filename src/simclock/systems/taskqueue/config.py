"""What executors, brokers and backends are told: checked, and from wherever it comes."""

from __future__ import annotations

import dataclasses
import importlib
import multiprocessing
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from simclock.systems._shared.cron import zone
from simclock.systems._shared.retry import LONGEST_DELAY, check_count, check_number
from simclock.systems._shared.urls import without_password
from simclock.systems.taskqueue.urls import MEMORY, check_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from simclock.systems.taskqueue.backends import BaseResultBackend
    from simclock.systems.taskqueue.brokers import BaseBroker
    from simclock.systems.taskqueue.events import EventBus
    from simclock.systems.taskqueue.executors import CPUExecutor, IOExecutor
    from simclock.systems.taskqueue.registry import TaskRegistry


@dataclass(frozen=True)
class BrokerConfig:
    """Where tasks wait for workers, perhaps of other processes.

    Attributes:
        url: Where that is: ``redis://host:port/number`` (also ``rediss``, and ``unix`` with a
            path), ``sqlite:///relative/path``, ``sqlite:////absolute/path``, ``memory://``.
        max_connections: How many connections, and threads that use them, at most.
        socket_timeout: Seconds after which a server that says nothing is not there, and a
            file that others have locked is given up. A stop, too, waits so long for what is
            under way then.
        retry_on_timeout: Whether an operation that timed out is done once more.
        queue_key: The queue's name, to which the executor adds its suffix. None: ``flowrra:queue``.
        poll_interval: Seconds between two looks for tasks of other processes.
        lease: For how many seconds a worker has a task, unless it says in time
            that it still runs it: after that another one may.
    """

    url: str
    max_connections: int = 50
    socket_timeout: float = 5.0
    retry_on_timeout: bool = True
    queue_key: str | None = None
    poll_interval: float = field(default=0.1, kw_only=True)
    lease: float = field(default=30.0, kw_only=True)

    def __repr__(self) -> str:
        return _shown(self)

    def __post_init__(self) -> None:
        _check_connection(self)
        if self.queue_key is not None:
            _check_text("queue_key", self.queue_key)
        check_number("lease", self.lease, zero=False, most=LONGEST_DELAY)
        if self.lease <= self.poll_interval:
            raise ValueError(
                f"lease is too short: {self.lease!r}\n"
                f"give more than poll_interval, which is {self.poll_interval!r}"
            )


@dataclass(frozen=True)
class BackendConfig:
    """Where the records of tasks are kept.

    Attributes:
        url: See `BrokerConfig`, also for what is not said here.
        ttl: How many seconds a record is kept after its task has ended; None: for ever.
            When the record is gone, nobody knows that it has: who runs it may be killed
            before it tells the broker, so this has to be more than the broker's lease.
        poll_interval: Seconds between two looks whether a task has ended in another process.
    """

    url: str
    ttl: float | None = None
    max_connections: int = 50
    socket_timeout: float = 5.0
    retry_on_timeout: bool = True
    poll_interval: float = field(default=0.1, kw_only=True)

    def __repr__(self) -> str:
        return _shown(self)

    def __post_init__(self) -> None:
        _check_connection(self)
        if self.ttl is not None:
            check_number("ttl", self.ttl, zero=False, most=LONGEST_DELAY)


@dataclass(frozen=True)
class ExecutorConfig:
    """How tasks are run.

    Attributes:
        io_workers: How many tasks an `IOExecutor` runs at the same time; 0: none, it only
            submits them for others.
        cpu_workers: How many processes a `CPUExecutor` has.
        max_queue_size: How many tasks may wait in an executor without broker.
        max_retries: Of tasks that do not say how often they are retried.
        retry_delay: Of tasks that do not say how long to wait before a retry.
        submit_timeout: How many seconds `submit` waits for room in a full
            queue, before `QueueFullError`; None: as long as it takes.
        max_losses: How often who runs a task may be lost, before it has failed.
        requeue_interrupted: Whether tasks that are interrupted by `stop` are
            run again later, or are cancelled. None: run again with a broker.
        grace: How many seconds an interrupted task has to end.
        start_method: How processes are started: see ``multiprocessing``; but not ``"fork"``.
    """

    io_workers: int = 4
    cpu_workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    max_queue_size: int = 1000
    max_retries: int = 3
    retry_delay: float = 1.0
    submit_timeout: float | None = field(default=None, kw_only=True)
    max_losses: int = field(default=3, kw_only=True)
    requeue_interrupted: bool | None = field(default=None, kw_only=True)
    grace: float = field(default=5.0, kw_only=True)
    # Not a fork, whatever the platform's default: see `_check_start_method`.
    start_method: str = field(default="spawn", kw_only=True)

    def __post_init__(self) -> None:
        check_count("io_workers", self.io_workers)
        check_count("cpu_workers", self.cpu_workers, least=1)
        check_count("max_queue_size", self.max_queue_size, least=1)
        check_count("max_retries", self.max_retries)
        check_number("retry_delay", self.retry_delay, most=LONGEST_DELAY)
        if self.submit_timeout is not None:
            check_number("submit_timeout", self.submit_timeout)
        check_count("max_losses", self.max_losses)
        if self.requeue_interrupted is not None:
            _check_bool("requeue_interrupted", self.requeue_interrupted)
        check_number("grace", self.grace)
        _check_start_method(self.start_method)


@dataclass(frozen=True)
class SchedulerConfig:
    """When tasks are submitted by themselves.

    Attributes:
        database_url: Where schedules are kept; None: in memory.
        check_interval: Seconds between two looks at schedules that others may have changed.
        enabled: Whether an application makes a scheduler.
        timezone: The time zone of cron lines that do not say one.
    """

    database_url: str | None = None
    check_interval: float = 60.0
    enabled: bool = False
    timezone: str = field(default="UTC", kw_only=True)

    def __post_init__(self) -> None:
        if self.database_url is not None:
            check_url(self.database_url)
        check_number("check_interval", self.check_interval, zero=False)
        _check_bool("enabled", self.enabled)
        zone(self.timezone)


@dataclass(frozen=True)
class Config:
    """All of it; what is left out has its defaults, or is not used.

    Attributes:
        broker: None: tasks wait in the executor.
        backend: None: records are kept in memory.
        executor: None: the defaults.
        scheduler: None: there is no scheduler.
    """

    broker: BrokerConfig | None = None
    backend: BackendConfig | None = None
    executor: ExecutorConfig | None = None
    scheduler: SchedulerConfig | None = None

    def __post_init__(self) -> None:
        for name, kind in _SECTIONS.items():
            value = getattr(self, name)
            if value is not None and not isinstance(value, kind):
                raise ValueError(
                    f"{name} of Config is no {kind.__name__}: {value!r}\n"
                    f"give {kind.__name__}(...), or None"
                )
        self._check_ttl()

    def _check_ttl(self) -> None:
        broker, backend = self.broker, self.backend
        if broker is None or backend is None or backend.ttl is None:
            return
        if check_url(broker.url) != MEMORY and backend.ttl <= broker.lease:
            raise ValueError(
                f"ttl of backend is too short: {backend.ttl!r}\n"
                f"give more than lease of broker, which is {broker.lease!r}: "
                "or a task whose record is gone could be run again"
            )

    @classmethod
    def from_env(cls, prefix: str = "FLOWRRA_") -> Config:
        """Return what the environment says, such as ``FLOWRRA_BROKER_URL``.

        Each setting is the prefix, its section, and its name, in capitals:
        ``FLOWRRA_EXECUTOR_IO_WORKERS``. What is not there, or empty, is not
        set. A broker or backend without URL is None, and so is a scheduler
        that is not enabled. Variables without a section are left alone.

        Raises:
            ValueError: A variable has no meaning.
        """
        sections = {
            name: _environment(f"{prefix}{name.upper()}_", kind) for name, kind in _SECTIONS.items()
        }
        return cls._made(sections, f"{prefix}*")

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> Config:
        """Return what a file in TOML says.

        Its tables are ``broker``, ``backend``, ``executor`` and ``scheduler``;
        in a ``pyproject.toml`` they are under ``tool.flowrra``.

        Raises:
            OSError: The file cannot be read.
            ValueError: It is no TOML, or a setting has no meaning.
        """
        data = _read_toml(Path(path))
        if "tool" in data and not _SECTIONS.keys() & data.keys():
            data = data["tool"].get("flowrra", {})
        _check_names("tables", path, data, _SECTIONS)
        for name, table in data.items():
            if not isinstance(table, dict):
                raise ValueError(  # noqa: TRY004 - settings of the wrong type have no meaning either
                    f"{path}: {name} is no table: {table!r}\nwrite [{name}] above it"
                )
            known = {each.name for each in dataclasses.fields(_SECTIONS[name])}
            _check_names(f"settings of [{name}]", path, table, known)
            if "url" in known and "url" not in table:
                raise ValueError(f'{path}: [{name}] has no url\nwrite where it is: url = "..."')
        return cls._made(data, str(path))

    @classmethod
    def _made(cls, sections: Mapping[str, Mapping[str, Any]], where: str) -> Config:
        made: dict[str, Any] = {}
        for name, settings in sections.items():
            kind = _SECTIONS[name]
            is_off = kind is SchedulerConfig and not settings.get("enabled")
            has_no_place = kind in {BrokerConfig, BackendConfig} and "url" not in settings
            if not settings or is_off or has_no_place:
                continue
            try:
                made[name] = kind(**settings)
            except ValueError as error:
                raise ValueError(f"{where}, {name}: {error}") from error
        return cls(**made)

    def create_broker(self, queue_suffix: str = "") -> BaseBroker | None:
        """Make the broker; None if there is none."""
        from simclock.systems.taskqueue.brokers import get_broker

        return get_broker(self.broker, queue_suffix)

    def create_backend(self) -> BaseResultBackend:
        """Make the result backend; one in memory if there is no other."""
        from simclock.systems.taskqueue.backends import get_backend

        return get_backend(self.backend)

    def create_io_executor(
        self, registry: TaskRegistry | None = None, *, events: EventBus | None = None
    ) -> IOExecutor:
        """Make an executor of coroutine functions."""
        from simclock.systems.taskqueue.executors import IOExecutor

        return IOExecutor(self, registry, events=events)

    def create_cpu_executor(
        self, registry: TaskRegistry | None = None, *, events: EventBus | None = None
    ) -> CPUExecutor:
        """Make an executor of plain functions in processes."""
        from simclock.systems.taskqueue.executors import CPUExecutor

        return CPUExecutor(self, registry, events=events)


_SECTIONS: dict[str, type[Any]] = {
    "broker": BrokerConfig,
    "backend": BackendConfig,
    "executor": ExecutorConfig,
    "scheduler": SchedulerConfig,
}


def _shown(config: BrokerConfig | BackendConfig) -> str:
    """Return what may be shown to anybody."""
    values = {each.name: getattr(config, each.name) for each in dataclasses.fields(config)}
    values["url"] = without_password(config.url)
    settings = ", ".join(f"{name}={value!r}" for name, value in values.items())
    return f"{type(config).__name__}({settings})"


def _check_connection(config: BrokerConfig | BackendConfig) -> None:
    check_url(config.url)
    check_count("max_connections", config.max_connections, least=1)
    check_number("socket_timeout", config.socket_timeout, zero=False)
    _check_bool("retry_on_timeout", config.retry_on_timeout)
    check_number("poll_interval", config.poll_interval, zero=False)


def _check_start_method(method: str) -> None:
    if method == "fork":
        raise ValueError(
            f"start_method is not for workers: {method!r}\n"
            "a forked worker has the pipes of the others, whose end is not seen then, and locks\n"
            "that our threads have stay locked in it; leave it out, or give 'forkserver'"
        )
    methods = [each for each in multiprocessing.get_all_start_methods() if each != "fork"]
    if method not in methods:
        raise ValueError(
            f"start_method is none of this platform: {method!r}\n"
            f"give one of {', '.join(map(repr, methods))}"
        )


def _check_bool(setting: str, value: object) -> None:
    if not isinstance(value, bool):
        raise ValueError(  # noqa: TRY004 - one kind of error for settings
            f"{setting} has no meaning: {value!r}\ngive True or False"
        )


def _check_text(setting: str, value: object) -> None:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{setting} has no meaning: {value!r}\ngive some text, or None")


def _check_names(what: str, path: object, given: Iterable[str], known: Iterable[str]) -> None:
    if unknown := sorted(set(given) - set(known)):
        raise ValueError(
            f"{path}: there are no such {what}: {', '.join(unknown)}\n"
            f"there are: {', '.join(sorted(known))}"
        )


def _environment(prefix: str, kind: type[Any]) -> dict[str, Any]:
    """Return the settings of a section that environment variables give."""
    settings = {}
    hints = get_type_hints(kind)
    given = [name for name in os.environ if name.startswith(prefix)]
    _check_names(
        "variables", "the environment", given, [f"{prefix}{name.upper()}" for name in hints]
    )
    for name, hint in hints.items():
        variable = f"{prefix}{name.upper()}"
        text = os.environ.get(variable, "").strip()
        if text:
            settings[name] = _parsed(variable, text, hint)
    return settings


def _parsed(variable: str, text: str, hint: Any) -> Any:
    """Return what a text means as a setting of that type, which may be optional."""
    kind = next(each for each in (*get_args(hint), hint) if each in _PARSERS)
    what, parse = _PARSERS[kind]
    try:
        return parse(text)
    except (ValueError, KeyError):
        raise ValueError(f"{variable} has no meaning: {text!r}\ngive {what}") from None


_BOOLEANS = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}
_PARSERS: dict[Any, tuple[str, Callable[[str], Any]]] = {
    bool: ("true, 1, yes or on; or false, 0, no or off", lambda text: _BOOLEANS[text.lower()]),
    int: ("a whole number", int),
    float: ("a number", float),
    str: ("some text", str),
}


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    except ImportError:
        raise ValueError(
            f"this Python reads no TOML: {path}\ninstall tomli, or use Python 3.11 or newer"
        ) from None
    try:
        data: dict[str, Any] = toml.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # also of text that is no UTF-8
        raise ValueError(f"{path} is no TOML: {error}\nmend that place") from error
    return data
