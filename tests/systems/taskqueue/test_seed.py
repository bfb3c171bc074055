"""The page that the executors were specified by: its names, signatures, defaults, promises."""

from __future__ import annotations

import inspect

import pytest

from simclock.systems import taskqueue
from simclock.systems.taskqueue import (
    BackendConfig,
    BaseTaskExecutor,
    Config,
    CPUExecutor,
    ExecutorNotRunningError,
    IOExecutor,
    TaskNotFoundError,
    TaskResult,
)

# Each class of the page: its bases, how it is made, its attributes, its methods; as on the page.
PAGE = {
    "BaseTaskExecutor": {
        "bases": ["ABC"],
        "__init__": "(self, config, registry=None, queue_suffix='')",
        "is_running": "property",
        "task": "(self, *args, **kwargs)",
        "submit": "async (self, task_func, *args, priority=0, **kwargs)",
        "start": "async (self)",
        "stop": "async (self, wait=True, timeout=30.0)",
        "wait_for_result": "async (self, task_id, timeout=None)",
        "get_result": "async (self, task_id)",
        "__aenter__": "async (self)",
        "__aexit__": "async (self, exc_type, exc_val, exc_tb)",
    },
    "CPUExecutor": {
        "bases": ["BaseTaskExecutor"],
        "__init__": "(self, config, registry=None)",
        "task": "(self, name=None, max_retries=3, retry_delay=1.0, **options)",
        "start": "async (self)",
        "stop": "async (self, wait=True, timeout=30.0)",
    },
    "IOExecutor": {
        "bases": ["BaseTaskExecutor"],
        # The page says that it is optional, and shows `IOExecutor()`.
        "__init__": "(self, config=None, registry=None)",
        "is_broker": "(self)",
        "task": "(self, name=None, max_retries=3, retry_delay=1.0, **options)",
        "start": "async (self)",
        "stop": "async (self, wait=True, timeout=30.0)",
    },
}
# What the page uses, and the rest of the original, as far as others may build on it.
SURROUNDINGS = {
    "Config": "(self, broker=None, backend=None, executor=None, scheduler=None)",
    "Config.from_env": "(prefix='FLOWRRA_')",
    "BrokerConfig": "(self, url, max_connections=50, socket_timeout=5.0, retry_on_timeout=True, queue_key=None)",
    "BackendConfig": "(self, url, ttl=None, max_connections=50, socket_timeout=5.0, retry_on_timeout=True)",
    "SchedulerConfig": "(self, database_url=None, check_interval=60.0, enabled=False)",
    "TaskRegistry": "(self, strict_cpu_checks=True)",
    "TaskRegistry.task": "(self, name=None, cpu_bound=False, max_retries=3, retry_delay=1.0)",
    "TaskRegistry.get": "(self, name)",
    "TaskRegistry.get_or_raise": "(self, name)",
    "TaskRegistry.list_tasks": "(self)",
    "TaskRegistry.is_registered": "(self, name)",
    "TaskRegistry.unregister": "(self, name)",
    "Task": "(self, id, name, args, kwargs, max_retries=3, retry_delay=1.0, current_retry=0, priority=0, cpu_bound=False)",
    "BaseBroker.push": "async (self, task)",
    "BaseBroker.pop": "async (self, timeout=None)",
    "BaseBroker.size": "async (self)",
    "BaseBroker.close": "async (self)",
    "BaseResultBackend.store": "async (self, task_id, result)",
    "BaseResultBackend.get": "async (self, task_id)",
    "BaseResultBackend.delete": "async (self, task_id)",
    "BaseResultBackend.clear": "async (self)",
    "BaseResultBackend.list_by_status": "async (self, status, limit=None, offset=0)",
    "EventBus.subscribe": "(self, fn)",
    "EventBus.async_subscribe": "async (self, fn)",
    "EventBus.unsubscribe": "async (self, fn)",
    "EventBus.emit": "async (self, event)",
    "TaskNotFoundError": "(self, task_name)",
    "TaskTimeoutError": "(self, task_id, timeout)",
}


def described(member):
    """Return a member as the page shows it, without annotations and what we have added."""
    if isinstance(member, property):
        return "property"
    member = member.__init__ if inspect.isclass(member) else member
    signature = inspect.signature(member)
    own = [
        parameter.replace(annotation=parameter.empty)
        for parameter in signature.parameters.values()
        # What was added is by keyword only, with a default: whoever calls as on the page can.
        if parameter.kind is not parameter.KEYWORD_ONLY or parameter.name == "priority"
    ]
    text = str(signature.replace(parameters=own, return_annotation=signature.empty))
    return f"async {text}" if inspect.iscoroutinefunction(member) else text


@pytest.mark.parametrize("name", PAGE)
def test_names_signatures_and_defaults_are_those_of_the_page(name):
    kind = getattr(taskqueue, name)
    expected = dict(PAGE[name])

    assert [base.__name__ for base in kind.__bases__] == expected.pop("bases")
    assert {each: described(getattr(kind, each)) for each in expected} == expected


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_names_signatures_and_defaults_of_the_surroundings(name):
    kind, _, method = name.partition(".")
    member = getattr(taskqueue, kind)
    member = getattr(member, method) if method else member

    assert described(member) == SURROUNDINGS[name]


def test_defaults_of_executors_settings():
    settings = taskqueue.ExecutorConfig()

    assert list(vars(settings))[:5] == [
        "io_workers", "cpu_workers", "max_queue_size", "max_retries", "retry_delay",
    ]  # fmt: skip
    assert (settings.io_workers, settings.max_queue_size) == (4, 1000)
    assert (settings.max_retries, settings.retry_delay) == (3, 1.0)
    assert settings.cpu_workers >= 1


def test_the_package_has_what_the_page_has():
    used = {"Config", "BrokerConfig", "BackendConfig", "ExecutorConfig"}

    assert {*PAGE, *used} <= set(taskqueue.__all__)
    assert sorted(taskqueue.__all__) == sorted(set(taskqueue.__all__))
    assert all(hasattr(taskqueue, name) for name in taskqueue.__all__)


def test_the_base_class_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        BaseTaskExecutor(Config())


@pytest.mark.parametrize("config", [None, Config()])
def test_a_cpu_executor_needs_a_backend(config):
    with pytest.raises(ValueError, match="a CPUExecutor has no backend"):
        CPUExecutor(config)


def test_decorators_refuse_the_wrong_kind_of_function():
    async def coroutine(): ...

    def plain(): ...

    with pytest.raises(TypeError):
        IOExecutor().task()(plain)
    with pytest.raises(TypeError):
        CPUExecutor(Config(backend=BackendConfig("memory://"))).task()(coroutine)
    with pytest.raises(TypeError):
        IOExecutor().registry.task(cpu_bound=True)(coroutine)


@pytest.mark.simclock
async def test_life_and_errors_of_the_page():
    executor = IOExecutor()

    @executor.task(name="mine", max_retries=1, retry_delay=0.5)
    async def work(number):
        return number + 1

    async def stranger(): ...

    assert executor.is_running is False
    assert executor.is_broker() is False
    with pytest.raises(ExecutorNotRunningError, match="IOExecutor is not running"):
        await executor.submit(work, 1)
    await executor.start()
    await executor.start()
    assert executor.is_running is True
    with pytest.raises(TaskNotFoundError, match="stranger"):
        await executor.submit(stranger)
    task_id = await executor.submit(work, 1, priority=5)
    record = await executor.wait_for_result(task_id, timeout=10)
    assert isinstance(record, TaskResult)
    assert (record.result, record.task_name, record.args) == (2, "mine", (1,))
    assert await executor.get_result("nobody") is None
    await executor.stop()
    await executor.stop()
    assert executor.is_running is False
    assert await executor.get_result(task_id) == record
