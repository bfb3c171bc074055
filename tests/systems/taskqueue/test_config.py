"""Settings: checked, from the environment, from files."""

from __future__ import annotations

import dataclasses
import math

import pytest

from simclock.systems.taskqueue import (
    BackendConfig,
    BackendError,
    BaseBroker,
    BrokerConfig,
    BrokerError,
    Config,
    CPUExecutor,
    ExecutorConfig,
    InMemoryBackend,
    InMemoryBroker,
    IOExecutor,
    RedisBackend,
    RedisBroker,
    SchedulerConfig,
    SQLiteBackend,
    SQLiteBroker,
    TaskRegistry,
    get_backend,
    get_broker,
)

REDIS = "redis://localhost:6379/0"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BrokerConfig(""), r"url has no meaning: ''\ngive redis://"),
        (lambda: BrokerConfig(None), "url has no meaning: None"),
        (lambda: BrokerConfig("amqp://host"), "url is of no known kind: 'amqp://host'"),
        (lambda: BrokerConfig("amqp://me:secret@host"), r"kind: 'amqp://me:\*\*\*@host'"),
        (lambda: BrokerConfig("redis://host:port"), "url has no meaning: .*port"),
        (lambda: BrokerConfig("sqlite://"), "url names no file: 'sqlite://'"),
        (lambda: BrokerConfig("sqlite:///:memory:"), "url names no file"),
        (lambda: BrokerConfig("memory://here"), "memory has no places: 'memory://here'"),
        (lambda: BrokerConfig(REDIS, max_connections=0), "max_connections has no meaning: 0"),
        (lambda: BrokerConfig(REDIS, socket_timeout=0), "socket_timeout has no meaning: 0"),
        (lambda: BrokerConfig(REDIS, retry_on_timeout=1), "retry_on_timeout has no meaning: 1"),
        (lambda: BrokerConfig(REDIS, queue_key=""), "queue_key has no meaning: ''"),
        (lambda: BrokerConfig(REDIS, poll_interval=0), "poll_interval has no meaning: 0"),
        (lambda: BrokerConfig(REDIS, lease=0.1), r"lease is too short: 0.1\ngive more than poll"),
        (lambda: BackendConfig(REDIS, ttl=0), r"ttl has no meaning: 0\ngive a number above 0"),
        (lambda: BackendConfig("nothing"), "url is of no known kind: 'nothing'"),
        (lambda: ExecutorConfig(io_workers=-1), r"io_workers has no meaning: -1\ngive a whole"),
        (lambda: ExecutorConfig(cpu_workers=1.5), "cpu_workers has no meaning: 1.5"),
        (lambda: ExecutorConfig(max_queue_size=0), "max_queue_size has no meaning: 0"),
        (lambda: ExecutorConfig(max_retries=-1), "max_retries has no meaning: -1"),
        (lambda: ExecutorConfig(retry_delay=math.nan), "retry_delay has no meaning: nan"),
        (lambda: ExecutorConfig(submit_timeout=-1), "submit_timeout has no meaning: -1"),
        (lambda: ExecutorConfig(max_losses=-1), "max_losses has no meaning: -1"),
        (lambda: ExecutorConfig(requeue_interrupted=1), "requeue_interrupted has no meaning"),
        (lambda: ExecutorConfig(grace=-1), "grace has no meaning: -1"),
        (lambda: ExecutorConfig(start_method="magic"), "start_method is none of this platform"),
        (lambda: ExecutorConfig(start_method="fork"), "start_method is not for workers: 'fork'"),
        (lambda: SchedulerConfig(check_interval=0), "check_interval has no meaning: 0"),
        (lambda: SchedulerConfig(enabled="yes"), "enabled has no meaning: 'yes'"),
        (lambda: SchedulerConfig(database_url=""), "url has no meaning: ''"),
        (lambda: Config(broker=REDIS), "broker of Config is no BrokerConfig"),
        (
            lambda: Config(BrokerConfig(REDIS, lease=9), BackendConfig(REDIS, ttl=9)),
            r"ttl of backend is too short: 9\ngive more than lease of broker, which is 9: or a",
        ),
        (lambda: Config(executor={}), "executor of Config is no ExecutorConfig"),
    ],
)
def test_what_has_no_meaning_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_record_outlives_the_lease_of_a_broker_that_outlives_its_workers():
    for broker in (None, BrokerConfig("memory://"), BrokerConfig(REDIS, lease=0.5)):
        assert Config(broker, BackendConfig("memory://", ttl=1)).backend.ttl == 1


def test_settings_do_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ExecutorConfig().io_workers = 3


# ----------------------------------------------------------------------------- environment


@pytest.fixture
def environment(monkeypatch):
    def set_all(prefix, variables):
        for name, text in variables.items():
            monkeypatch.setenv(f"{prefix}{name}", text)

    return set_all


def test_an_empty_environment_says_nothing():
    assert Config.from_env("SIMCLOCK_TEST_") == Config()


def test_all_settings_from_the_environment(environment):
    environment(
        "FLOWRRA_",
        {
            "BROKER_URL": "redis://here:1/2",
            "BROKER_MAX_CONNECTIONS": "3",
            "BROKER_SOCKET_TIMEOUT": "1.5",
            "BROKER_RETRY_ON_TIMEOUT": "no",
            "BROKER_QUEUE_KEY": "mine",
            "BROKER_LEASE": "60",
            "BACKEND_URL": "sqlite:////there",
            "BACKEND_TTL": "3600",
            "EXECUTOR_IO_WORKERS": "7",
            "EXECUTOR_CPU_WORKERS": "2",
            "EXECUTOR_MAX_QUEUE_SIZE": "10",
            "EXECUTOR_MAX_RETRIES": "0",
            "EXECUTOR_RETRY_DELAY": "0.5",
            "EXECUTOR_REQUEUE_INTERRUPTED": "On",
            "SCHEDULER_ENABLED": "TRUE",
            "SCHEDULER_DATABASE_URL": "sqlite:///s.db",
            "SCHEDULER_CHECK_INTERVAL": "5",
        },
    )

    assert Config.from_env() == Config(
        BrokerConfig("redis://here:1/2", 3, 1.5, False, "mine", lease=60.0),
        BackendConfig("sqlite:////there", 3600.0),
        ExecutorConfig(7, 2, 10, 0, 0.5, requeue_interrupted=True),
        SchedulerConfig("sqlite:///s.db", 5.0, True),
    )


def test_what_has_no_place_or_is_not_enabled_is_none(environment):
    environment(
        "MINE_",
        {
            "BROKER_MAX_CONNECTIONS": "3",
            "BACKEND_URL": " ",
            "SCHEDULER_CHECK_INTERVAL": "5",
            "SCHEDULER_ENABLED": "off",
            "HOME": "something else",
        },
    )

    assert Config.from_env("MINE_") == Config()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "EXECUTOR_IO_WORKERS",
            "many",
            "MINE_EXECUTOR_IO_WORKERS has no meaning: 'many'\ngive a whole",
        ),
        (
            "EXECUTOR_RETRY_DELAY",
            "soon",
            "MINE_EXECUTOR_RETRY_DELAY has no meaning: 'soon'\ngive a number",
        ),
        ("SCHEDULER_ENABLED", "maybe", "MINE_SCHEDULER_ENABLED has no meaning: 'maybe'\ngive true"),
        ("EXECUTOR_IO_WORKERS", "-1", r"MINE_\*, executor: io_workers has no meaning: -1"),
        ("BROKER_URL", "amqp://x", r"MINE_\*, broker: url is of no known kind: 'amqp://x'"),
    ],
)
def test_variables_without_meaning(environment, name, text, message):
    environment("MINE_", {name: text})
    with pytest.raises(ValueError, match=message):
        Config.from_env("MINE_")


# ----------------------------------------------------------------------------- files

TOML = """
[broker]
url = "redis://here:1/2"
max_connections = 3

[backend]
url = "memory://"
ttl = 60

[executor]
io_workers = 2

[scheduler]
enabled = true
"""
SAME = Config(
    BrokerConfig("redis://here:1/2", 3),
    BackendConfig("memory://", 60),
    ExecutorConfig(2),
    SchedulerConfig(enabled=True),
)


@pytest.fixture
def toml(tmp_path):
    """Return a function that writes a file, and returns what is read from it."""

    def read(text):
        path = tmp_path / "settings.toml"
        path.write_text(text)
        return Config.from_toml(path)

    return read


def test_all_settings_from_a_file(toml):
    assert toml(TOML) == SAME
    assert toml("") == Config()


def test_settings_of_a_project(toml):
    assert toml(TOML.replace("[", "[tool.flowrra.") + "[tool.other]\nx = 1") == SAME
    assert toml("[tool.other]\nx = 1") == Config()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[worker]",
            r"settings.toml: there are no such tables: worker\nthere are: backend, broker",
        ),
        ("[executor]\nworkers = 1", r"no such settings of \[executor\]: workers\nthere are: cpu_w"),
        ("[broker]\nmax_connections = 1", r"\[broker\] has no url"),
        ("[executor]\nio_workers = '1'", "settings.toml, executor: io_workers has no meaning: '1'"),
        ("executor = 1", "executor is no table: 1"),
        ("[executor", "settings.toml is no TOML"),
    ],
)
def test_files_without_meaning(toml, text, message):
    with pytest.raises(ValueError, match=message):
        toml(text)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        Config.from_toml(tmp_path / "nothing")


# ----------------------------------------------------------------------------- what is made


@pytest.mark.parametrize(
    ("url", "broker", "backend"),
    [
        ("memory://", InMemoryBroker, InMemoryBackend),
        ("sqlite:///file", SQLiteBroker, SQLiteBackend),
        (REDIS, RedisBroker, RedisBackend),
        ("rediss://host", RedisBroker, RedisBackend),
        ("unix:///socket", RedisBroker, RedisBackend),
    ],
)
def test_brokers_and_backends_by_their_urls(url, broker, backend):
    config = Config(BrokerConfig(url), BackendConfig(url))

    assert type(get_broker(url)) is type(config.create_broker(":io")) is broker
    assert type(get_backend(url)) is type(config.create_backend()) is backend


def test_nothing_and_what_there_is():
    broker, backend = InMemoryBroker(), InMemoryBackend()

    assert get_broker(None) is Config().create_broker() is None
    assert isinstance(get_backend(None), InMemoryBackend)
    assert get_broker(broker) is broker
    assert get_backend(backend) is backend


@pytest.mark.parametrize(("get", "error"), [(get_broker, BrokerError), (get_backend, BackendError)])
@pytest.mark.parametrize("url", ["amqp://host", "nothing", "", 3])
def test_what_is_no_place(get, error, url):
    with pytest.raises(error, match="url "):
        get(url)


def test_executors_of_a_config():
    registry = TaskRegistry()
    config = Config(backend=BackendConfig("memory://"))

    assert isinstance(config.create_io_executor(registry), IOExecutor)
    assert isinstance(config.create_cpu_executor(registry), CPUExecutor)
    assert config.create_cpu_executor(registry).registry is registry


def test_a_broker_has_all_that_the_base_class_promises():
    assert not BaseBroker.__abstractmethods__ - set(dir(InMemoryBroker))
