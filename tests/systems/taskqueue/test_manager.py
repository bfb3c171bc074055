"""What an application shows of itself."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone

import pytest

from simclock.systems.taskqueue import (
    BackendConfig,
    BackendError,
    Config,
    ExecutorConfig,
    Flowrra,
    FlowrraManager,
)

START = datetime(2000, 1, 1, tzinfo=timezone.utc)
pytestmark = pytest.mark.simclock(processes="simulated")


@pytest.fixture
def app(functions):
    app = Flowrra(
        Config(
            backend=BackendConfig("memory://"),
            executor=ExecutorConfig(io_workers=2, cpu_workers=3, retry_delay=0.5),
        )
    )
    app.task("square", cpu_bound=True, max_retries=0)(functions.square)

    @app.task()
    async def nap(seconds):
        await asyncio.sleep(seconds)
        return seconds

    @app.task(max_retries=0)
    async def fail():
        raise LookupError("nothing there")

    return app


async def test_functions(app):
    manager = FlowrraManager(app)

    assert await manager.list_registered_tasks() == [
        {"name": "square", "cpu_bound": True, "max_retries": 0, "retry_delay": 0.5},
        {"name": "nap", "cpu_bound": False, "max_retries": 3, "retry_delay": 0.5},
        {"name": "fail", "cpu_bound": False, "max_retries": 0, "retry_delay": 0.5},
    ]
    assert await manager.get_task_info("square") == {
        "name": "square",
        "cpu_bound": True,
        "max_retries": 0,
        "retry_delay": 0.5,
        "module": "taskqueue_functions",
        "qualname": "square",
    }
    assert await manager.get_task_info("nobody") is None


async def test_tasks_by_what_became_of_them(app):
    manager = FlowrraManager(app)
    nap, fail = app.registry.get("nap"), app.registry.get("fail")
    async with app:
        done = await app.submit(nap, 1)
        failed = await app.submit(fail)
        await asyncio.sleep(2)
        for seconds in (10, 20, 30, 40):
            await app.submit(nap, seconds)
            await asyncio.sleep(0.1)
        seen = {
            "pending": await manager.list_pending_tasks(),
            "one": await manager.list_pending_tasks(limit=1),
            "running": await manager.list_running_tasks(),
            "completed": await manager.list_completed_tasks(),
            "failed": await manager.list_failed_tasks(),
        }
        stats = await manager.get_stats()
        await app.stop(wait=False)

    assert {what: [each["args"] for each in views] for what, views in seen.items()} == {
        "pending": [(40,), (30,)],
        "one": [(40,)],
        "running": [(20,), (10,)],
        "completed": [(1,)],
        "failed": [()],
    }
    view = await manager.get_task_result(done)
    assert view == {**seen["completed"][0], "completed_at": START + timedelta(seconds=1)}
    assert (view["status"], view["result"], view["task_name"]) == ("success", 1, "nap")
    assert view["submitted_at"] == START
    assert (await manager.get_task_result(failed))["error"] == "nothing there"
    assert await manager.get_task_result("nobody") is None
    assert stats == {
        "app": {"running": True},
        "executors": {
            "io": {"running": True, "workers": 2},
            "cpu": {"running": True, "workers": 3},
        },
        "tasks": {"registered": 3, "pending": 2},
        "scheduler": None,
    }


async def test_schedules(app):
    manager = FlowrraManager(app)
    assert await manager.list_schedules() == []
    assert await manager.get_schedule("one") is await manager.get_scheduler_stats() is None

    scheduler = app.create_scheduler()
    await scheduler.schedule_interval("nap", 60, [1], task_id="one", description="why")
    await asyncio.sleep(1)
    await scheduler.schedule_cron("nap", "0 0 * * *", [2], enabled=False, task_id="two", priority=7)

    one, two = await manager.list_schedules()
    assert one == {
        "id": "one",
        "task_name": "nap",
        "schedule_type": "interval",
        "schedule": "60.0",
        "enabled": True,
        "next_run_at": START + timedelta(seconds=60),
        "last_run_at": None,
        "priority": 0,
        "description": "why",
        "created_at": START,
        "updated_at": START,
        "timezone": "UTC",
        "catch_up": "coalesce",
        "runs": 0,
    }
    assert (two["id"], two["priority"], two["enabled"]) == ("two", 7, False)
    assert await manager.list_schedules(enabled_only=True) == [one]
    details = {"args": (1,), "kwargs": {}, "max_retries": None, "retry_delay": None}
    assert await manager.get_schedule("one") == {**one, **details}
    assert await manager.get_schedule("three") is None
    assert (
        await manager.get_scheduler_stats()
        == (await manager.get_stats())["scheduler"]
        == {
            "running": False,
            "check_interval": 60.0,
            "total_schedules": 2,
            "enabled_schedules": 1,
            "disabled_schedules": 1,
        }
    )


async def test_health(monkeypatch):
    app = Flowrra()
    manager = FlowrraManager(app)
    runs, idle = (
        {"healthy": True, "message": "running"},
        {"healthy": False, "message": "not running"},
    )

    assert await manager.health_check() == {
        "healthy": False,
        "timestamp": START,
        "components": {
            "app": idle,
            "io_executor": None,
            "cpu_executor": None,
            "scheduler": None,
            "backend": idle,
        },
    }

    @app.task()
    async def work(): ...

    scheduler = app.create_scheduler()
    async with app:
        assert await manager.health_check() == {
            "healthy": True,
            "timestamp": START,
            "components": {
                "app": runs,
                "io_executor": runs,
                "cpu_executor": None,
                "scheduler": runs,
                "backend": runs,
            },
        }

        async def gone():
            raise BackendError("it is gone")

        monkeypatch.setattr(scheduler.backend, "list_all", gone)
        health = await manager.health_check()
    assert not health["healthy"]
    assert health["components"]["scheduler"] == {"healthy": False, "message": "it is gone"}
