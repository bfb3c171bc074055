"""When a scheduler submits, and what becomes of runs that it cannot submit in time."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest

from simclock.systems.taskqueue.failures import BackendError, TaskArgumentError
from simclock.systems.taskqueue.registry import TaskRegistry
from simclock.systems.taskqueue.schedule_backends import InMemorySchedulerBackend
from simclock.systems.taskqueue.scheduler import Scheduler
from simclock.systems.taskqueue.schedules import ScheduleType

UTC = timezone.utc
START = datetime(2000, 1, 1, tzinfo=UTC)
pytestmark = pytest.mark.simclock(max_time=10**8)


def registry(*names):
    async def task(*args, **kwargs): ...

    found = TaskRegistry()
    for name in names or ("tick", "tock"):
        found.task(name)(task)
    return found


class Log:
    """What was submitted, and when. Its `submit` is a callback of schedulers."""

    def __init__(self, sim):
        self.sim = sim
        self.runs = []
        self.ids = []
        # What a submission does, by its number.
        self.effects = {}

    async def submit(self, func, *args, task_id, **kwargs):
        number = len(self.runs)
        self.runs.append((round(self.sim.elapsed, 6), *args, *kwargs.items()))
        self.ids.append(task_id)
        await self.effects.get(number, asyncio.sleep)(0)

    def scheduler(self, backend=None, **options):
        found = Scheduler(backend, registry(), **options)
        found.set_submit_callback(self.submit)
        return found


@pytest.fixture
def log(sim):
    return Log(sim)


# ------------------------------------------------------------------------------ timetables


def test_an_interval_is_exact_from_when_it_was_scheduled(log):
    async def main():
        async with log.scheduler() as scheduler:
            await scheduler.schedule_interval("tick", 2.5)
            await asyncio.sleep(1)
            await scheduler.schedule_interval("tick", timedelta(seconds=1), ["more often"])
            await asyncio.sleep(3.1)

    asyncio.run(main())

    assert log.runs == [(2.0, "more often"), (2.5,), (3.0, "more often"), (4.0, "more often")]


def test_a_third_of_a_second_does_not_drift(log):
    async def main():
        async with log.scheduler() as scheduler:
            await scheduler.schedule_interval("tick", 1 / 3)
            await asyncio.sleep(1000.1)

    asyncio.run(main())

    assert log.runs[:3] == [(0.333333,), (0.666666,), (1.0,)]
    assert log.runs[-2:] == [(999.666666,), (1000.0,)]
    assert len(log.runs) == 3000


def test_a_cron_line_is_due_by_the_clock_of_its_zone(log):
    async def main():
        async with log.scheduler(timezone="Asia/Kathmandu") as scheduler:  # 5:45 ahead of UTC
            await scheduler.schedule_cron("tick", "0 6 * * *", ["Kathmandu"])
            await scheduler.schedule_cron("tick", "0 6 * * *", ["Berlin"], timezone="Europe/Berlin")
            await asyncio.sleep(86400)

    asyncio.run(main())

    assert log.runs == [(900.0, "Kathmandu"), (5 * 3600.0, "Berlin")]


@pytest.mark.simclock(epoch=datetime(2024, 3, 30, 0, tzinfo=UTC).timestamp())
def test_a_run_in_the_hour_that_spring_takes_comes_when_the_clock_is_put_forward(log):
    async def main():
        async with log.scheduler(timezone="Europe/Berlin") as scheduler:
            await scheduler.schedule_cron("tick", "30 2 * * *")
            await asyncio.sleep(2.5 * 86400)

    asyncio.run(main())

    # At 02:30 (+1), at 03:00 (+2) in place of 02:30, and at 02:30 (+2).
    assert log.runs == [(1.5 * 3600,), (25 * 3600.0,), (48.5 * 3600,)]


@pytest.mark.simclock(epoch=datetime(2024, 10, 26, 0, tzinfo=UTC).timestamp())
def test_a_run_in_the_hour_that_autumn_repeats_comes_once(log):
    async def main():
        async with log.scheduler(timezone="Europe/Berlin") as scheduler:
            await scheduler.schedule_cron("tick", "30 2 * * *", ["daily"])
            await asyncio.sleep(86400)
            await scheduler.schedule_cron("tick", "30 * * * *", ["hourly"])
            await asyncio.sleep(86400)

    asyncio.run(main())

    daily = [at for at, what in log.runs if what == "daily"]
    hourly = [at for at, what in log.runs if what == "hourly"]
    # At 02:30 (+2), on both days. Then at 02:30 (+2), 02:30 (+1), 03:30 (+1).
    assert daily == [0.5 * 3600, 24.5 * 3600]
    assert hourly[:3] == [24.5 * 3600, 25.5 * 3600, 26.5 * 3600]


def test_once_is_once(log):
    async def main():
        async with log.scheduler() as scheduler:
            later = await scheduler.schedule_once(
                "tick", START + timedelta(seconds=1.25), ["later"]
            )
            over = await scheduler.schedule_once("tick", START - timedelta(days=1), ["over"])
            await asyncio.sleep(100)
            for task_id in (later, over):
                task = await scheduler.get_scheduled_task(task_id)
                assert (task.enabled, task.next_run_at, task.runs) == (False, None, 1)
            with pytest.raises(ValueError, match="never due again"):
                await scheduler.enable_task(later)
            assert (
                await scheduler.schedule_once("tick", START - timedelta(days=1), ["over"]) == over
            )

    asyncio.run(main())

    assert log.runs == [(0.0, "over"), (1.25, "later")]


def test_of_what_is_due_lower_priorities_are_first_then_what_was_due_first(log):
    async def main():
        scheduler = log.scheduler()
        for priority, seconds in [(0, 3), (5, 1), (-1, 4), (0, 2), (5, 0.5)]:
            await scheduler.schedule_once(
                "tick", START + timedelta(seconds=seconds), [priority, seconds], priority=priority
            )
        await asyncio.sleep(10)
        async with scheduler:
            await asyncio.sleep(1)

    asyncio.run(main())

    assert log.runs == [(10.0, -1, 4), (10.0, 0, 2), (10.0, 0, 3), (10.0, 5, 0.5), (10.0, 5, 1)]


# ------------------------------------------------------------------------------ the record


def test_the_record_says_when_it_ran_and_is_due(log):
    async def main():
        async with log.scheduler() as scheduler:
            task_id = await scheduler.schedule_interval(
                "tick", 10, [1], {"a": 2}, description="why", priority=3, task_id="mine"
            )
            assert task_id == "mine"
            await asyncio.sleep(25)
            return await scheduler.get_scheduled_task("mine")

    task = asyncio.run(main())

    assert (task.schedule_type, task.schedule) == (ScheduleType.INTERVAL, "10.0")
    assert (task.args, task.kwargs, task.description, task.priority) == ((1,), {"a": 2}, "why", 3)
    assert task.last_run_at == START + timedelta(seconds=20)
    assert task.next_run_at == START + timedelta(seconds=30)
    assert task.created_at == START
    assert (task.runs, task.claim, task.enabled) == (2, None, True)
    assert (task.max_retries, task.retry_delay) == (None, None)
    assert log.ids == [f"{task.series}-0", f"{task.series}-1"]


def test_each_run_has_arguments_of_its_own(log):
    seen = []

    async def submit(func, items):
        items.append(len(items))
        seen.append(items)

    async def main():
        scheduler = log.scheduler()
        scheduler.set_submit_callback(submit)
        async with scheduler:
            items = []
            await scheduler.schedule_interval("tick", 1, [items])
            items.append("the caller's")
            await asyncio.sleep(3.5)

    asyncio.run(main())

    assert seen == [[0], [0], [0]]


def test_what_is_disabled_is_not_made_up_for(log):
    async def main():
        async with log.scheduler() as scheduler:
            task_id = await scheduler.schedule_interval("tick", 10)
            await asyncio.sleep(15)
            await scheduler.disable_task(task_id)
            await asyncio.sleep(30)
            await scheduler.enable_task(task_id)
            await scheduler.enable_task(task_id)
            await asyncio.sleep(10)
            assert await scheduler.unschedule(task_id)
            assert not await scheduler.unschedule(task_id)
            await asyncio.sleep(100)
            assert await scheduler.list_scheduled_tasks() == []

    asyncio.run(main())

    assert log.runs == [(10.0,), (50.0,)]


def test_a_schedule_may_begin_disabled(log):
    async def main():
        async with log.scheduler() as scheduler:
            task_id = await scheduler.schedule_once("tick", START, enabled=False)
            await asyncio.sleep(5)
            await scheduler.enable_task(task_id)
            await asyncio.sleep(5)

    asyncio.run(main())

    assert log.runs == [(5.0,)]


def test_what_was_unscheduled_and_is_scheduled_again_has_other_runs(log):
    async def main():
        async with log.scheduler() as scheduler:
            for _ in range(2):
                task_id = await scheduler.schedule_once("tick", START)
                await asyncio.sleep(0)
                await asyncio.sleep(1)
                await scheduler.unschedule(task_id)

    asyncio.run(main())

    assert log.runs == [(0.0,), (1.0,)]
    assert len(set(log.ids)) == 2


# ---------------------------------------------------------------------------- missed runs


@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [
        # Runs at 10 to 50 were missed.
        ("coalesce", [(55.0,), (60.0,), (70.0,)]),
        ("burst", [(55.0,)] * 5 + [(60.0,), (70.0,)]),
        ("skip", [(60.0,), (70.0,)]),
    ],
)
def test_missed_runs_are_made_up_for_as_was_said(log, catch_up, expected):
    async def main():
        scheduler = log.scheduler()
        await scheduler.schedule_interval("tick", 10, catch_up=catch_up)
        await asyncio.sleep(55)
        async with scheduler:
            await asyncio.sleep(20)

    asyncio.run(main())

    assert log.runs == expected


def test_a_single_run_that_was_missed_is_skipped_or_not(log):
    async def main():
        scheduler = log.scheduler()
        skipped = await scheduler.schedule_once("tick", START, ["skip"], catch_up="skip")
        await scheduler.schedule_once("tick", START, ["coalesce"])
        await asyncio.sleep(1.5)
        async with scheduler:
            await asyncio.sleep(20)
            assert not (await scheduler.get_scheduled_task(skipped)).enabled

    asyncio.run(main())

    assert log.runs == [(1.5, "coalesce")]


def test_what_is_late_by_no_more_than_a_second_is_not_skipped(log):
    async def main():
        scheduler = log.scheduler()
        await scheduler.schedule_interval("tick", 0.4, catch_up="skip")
        await asyncio.sleep(1.5)
        async with scheduler:
            await asyncio.sleep(0.2)

    asyncio.run(main())

    assert log.runs == [(1.5,), (1.6,)]


def test_a_year_of_each_minute_is_made_up_for_at_once(log):
    async def main():
        scheduler = log.scheduler()
        await scheduler.schedule_cron("tick", "* * * * *")
        await asyncio.sleep(366 * 86400 + 30)
        async with scheduler:
            began = time.process_time()
            await asyncio.sleep(1)
            assert time.process_time() - began < 1

    asyncio.run(main())

    assert len(log.runs) == 1


# ------------------------------------------------------------------------- the wall clock


def test_a_clock_that_is_put_forward_is_noticed_within_the_check_interval(log):
    async def main():
        async with log.scheduler() as scheduler:
            await scheduler.schedule_cron("tick", "0 12 * * *")
            await asyncio.sleep(30)
            log.sim.move_wall(timedelta(hours=12))
            await asyncio.sleep(100)

    asyncio.run(main())

    assert log.runs == [(60.0,)]


def test_a_clock_that_is_put_back_a_little_makes_nothing_happen_twice(log):
    async def main():
        async with log.scheduler() as scheduler:
            await scheduler.schedule_cron("tick", "*/10 * * * *", ["cron"])
            await scheduler.schedule_interval("tick", 600, ["interval"])
            await asyncio.sleep(610)
            log.sim.move_wall(timedelta(seconds=-30))
            await asyncio.sleep(630)

    asyncio.run(main())

    assert log.runs == [
        (600.0, "cron"),
        (600.0, "interval"),
        (1230.0, "cron"),
        (1230.0, "interval"),
    ]


def test_after_a_clock_was_a_year_ahead_schedules_go_on_from_what_it_shows(log):
    async def main():
        log.sim.move_wall(timedelta(days=366))
        async with log.scheduler() as scheduler:
            await scheduler.schedule_cron("tick", "*/10 * * * *", ["cron"])
            await scheduler.schedule_interval("tick", 600, ["interval"])
            await asyncio.sleep(610)
            log.sim.move_wall(timedelta(days=-366))
            await asyncio.sleep(1200)

    asyncio.run(main())

    assert log.runs == [
        (600.0, "cron"),
        (600.0, "interval"),
        (1200.0, "cron"),
        (1200.0, "interval"),
        (1800.0, "cron"),
        (1800.0, "interval"),
    ]


@pytest.mark.parametrize(("check_interval", "expected"), [(60, 60.0), (7, 7.0), (0.5, 3.0)])
def test_what_others_change_is_noticed_within_the_check_interval(log, check_interval, expected):
    backend = InMemorySchedulerBackend()

    async def main():
        async with log.scheduler(backend, check_interval=check_interval) as scheduler:
            await scheduler.schedule_interval("tick", 0.9, ["own"])
            await asyncio.sleep(1.25)
            other = log.scheduler(backend)
            await other.schedule_once("tick", START + timedelta(seconds=3), ["other's"])
            await asyncio.sleep(60)

    asyncio.run(main())

    assert [at for at, what in log.runs if what == "other's"] == [expected]


def test_what_others_have_scheduled_is_known_at_once_to_who_schedules_the_same(log):
    backend = InMemorySchedulerBackend()

    async def main():
        async with log.scheduler(backend) as scheduler:
            await asyncio.sleep(1)
            other = log.scheduler(backend)
            task_id = await other.schedule_interval("tick", 10)
            assert await scheduler.schedule_interval("tick", 10) == task_id
            await asyncio.sleep(15)

    asyncio.run(main())

    assert log.runs == [(11.0,)]


# --------------------------------------------------------------------------- what goes wrong


def fail(_):
    raise OSError("no route")


def test_a_run_that_cannot_be_submitted_is_tried_again_by_the_same_id(log, caplog):
    log.effects = dict.fromkeys(range(3), fail)

    async def main():
        async with log.scheduler() as scheduler:
            await scheduler.schedule_once("tick", START, ["fails"])
            await scheduler.schedule_interval("tock", 5, ["goes on"])
            await asyncio.sleep(12)

    asyncio.run(main())

    assert log.runs == [
        (0.0, "fails"),
        (1.0, "fails"),
        (3.0, "fails"),
        (5.0, "goes on"),
        (7.0, "fails"),
        (10.0, "goes on"),
    ]
    assert len({log.ids[0], log.ids[1], log.ids[2], log.ids[4]}) == 1
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 3


def test_a_submission_that_takes_for_ever_is_given_up_and_keeps_nobody_up(log, caplog):
    log.effects = {0: lambda _: asyncio.sleep(1e6)}

    async def main():
        async with log.scheduler() as scheduler:
            await scheduler.schedule_once("tick", START, ["slow"])
            await scheduler.schedule_interval("tock", 15, ["goes on"])
            await asyncio.sleep(32)

    asyncio.run(main())

    assert log.runs == [(0.0, "slow"), (15.0, "goes on"), (21.0, "slow"), (30.0, "goes on")]


def test_a_task_that_is_not_registered_here_stays_due(log, caplog):
    async def main():
        async with log.scheduler() as scheduler:
            await scheduler.schedule_once("tick", START + timedelta(seconds=1))
            scheduler.registry.unregister("tick")
            await asyncio.sleep(10)
            scheduler.registry.task("tick")(asyncio.sleep)
            await asyncio.sleep(10)

    asyncio.run(main())

    assert log.runs == [(16.0,)]
    assert [record.getMessage() for record in caplog.records] == [
        "a task is due that is not registered here: tick"
    ]


class Broken(InMemorySchedulerBackend):
    """A backend that fails for a while."""

    until = 0.0

    async def list_enabled(self):
        if time.monotonic() < self.until:
            raise BackendError("gone")
        return await super().list_enabled()

    async def change(self, task_id, change):
        if time.monotonic() < self.until:
            raise BackendError("gone")
        return await super().change(task_id, change)


def test_a_backend_that_fails_is_asked_again(log, caplog):
    backend = Broken()

    async def main():
        async with log.scheduler(backend) as scheduler:
            await scheduler.schedule_interval("tick", 10)
            await asyncio.sleep(9)
            backend.until = time.monotonic() + 2.5
            await asyncio.sleep(20)

    asyncio.run(main())

    # At 10 and at 11 it fails.
    assert log.runs == [(13.0,), (20.0,)]
    assert [record.getMessage() for record in caplog.records] == [
        "the schedules cannot be looked at"
    ] * 2


def test_a_run_that_cannot_be_written_down_is_submitted_again_by_the_same_id(log, caplog):
    backend = Broken()

    async def breaks(_):
        backend.until = time.monotonic() + 0.5

    log.effects = {0: breaks}

    async def main():
        async with log.scheduler(backend) as scheduler:
            await scheduler.schedule_interval("tick", 10)
            await asyncio.sleep(25)

    asyncio.run(main())

    assert log.runs == [(10.0,), (11.0,), (20.0,)]
    assert log.ids[0] == log.ids[1] != log.ids[2]
    assert "it cannot be written down" in caplog.text


def test_a_schedule_that_has_no_meaning_here_keeps_nobody_up(log, caplog):
    backend = InMemorySchedulerBackend()

    async def main():
        async with log.scheduler(backend) as scheduler:
            task_id = await scheduler.schedule_cron("tick", "* * * * *", ["bad"])
            await scheduler.schedule_cron("tick", "* * * * *", ["good"])
            task = await backend.get(task_id)
            # As a newer version may write it.
            await backend.update(dataclasses.replace(task, schedule="@daily"))
            await asyncio.sleep(125)

    asyncio.run(main())

    assert log.runs == [(60.0, "good"), (120.0, "good")]
    assert [record.levelname for record in caplog.records] == ["ERROR"]


@pytest.mark.parametrize(
    ("how", "arguments", "message"),
    [
        ("cron", ("nobody", "* * * * *"), "what is not registered cannot be scheduled: 'nobody'"),
        ("cron", ("tick", "61 * * * *"), "this is no minute of a cron line: '61'"),
        ("cron", ("tick", "0 0 30 2 *"), "this cron line is never due"),
        ("interval", ("tick", 0), "this is no interval: 0"),
        ("interval", ("tick", float("nan")), "this is no interval: nan"),
        ("interval", ("tick", 0.0001), "this interval is too short: 0.0001"),
        ("once", ("tick", datetime(2000, 1, 1)), "run_at is no datetime with a time zone"),
    ],
)
def test_what_has_no_meaning_is_refused_at_once(log, how, arguments, message):
    scheduler = log.scheduler()

    with pytest.raises(ValueError, match=f"^{message}"):
        asyncio.run(getattr(scheduler, f"schedule_{how}")(*arguments))
    assert asyncio.run(scheduler.list_scheduled_tasks()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"catch_up": "later"}, "this is no way to catch up: 'later'"),
        ({"max_retries": -1}, "max_retries has no meaning: -1"),
        ({"priority": 0.5}, "a priority that a queue cannot keep: 0.5"),
    ],
)
def test_options_that_have_no_meaning_are_refused(log, options, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        asyncio.run(log.scheduler().schedule_interval("tick", 1, **options))


def test_arguments_that_cannot_be_kept_are_refused(log):
    with pytest.raises(TaskArgumentError, match=r"^task 'tick' cannot be scheduled: "):
        asyncio.run(log.scheduler().schedule_interval("tick", 1, [object()]))


def test_ids_are_unique_and_unknown_ones_an_error(log):
    async def main():
        scheduler = log.scheduler()
        await scheduler.schedule_interval("tick", 1, task_id="one")
        with pytest.raises(ValueError, match="there is a schedule of this id: 'one'"):
            await scheduler.schedule_interval("tick", 2, task_id="one")
        for change in (scheduler.enable_task, scheduler.disable_task):
            with pytest.raises(ValueError, match="there is no schedule of this id: 'two'"):
                await change("two")
        assert await scheduler.get_scheduled_task("two") is None

    asyncio.run(main())


def test_a_scheduler_needs_somewhere_to_submit_to():
    with pytest.raises(ValueError, match="a scheduler has nothing to submit to"):
        asyncio.run(Scheduler(None, registry()).start())
    with pytest.raises(ValueError, match="check_interval has no meaning: 0"):
        Scheduler(None, registry(), 0)
    with pytest.raises(ValueError, match="there is no time zone of this name here: 'Mars'"):
        Scheduler(None, registry(), timezone="Mars")


# ------------------------------------------------------------------------- start and stop


def test_it_may_be_started_and_stopped_again_and_again(log):
    scheduler = log.scheduler()

    async def main():
        await scheduler.start()
        await scheduler.start()
        assert scheduler.is_running
        await asyncio.sleep(10)
        await scheduler.stop()
        await scheduler.stop()
        assert not scheduler.is_running

    async def begin():
        await scheduler.schedule_interval("tick", 4)
        await main()

    asyncio.run(begin())
    time.sleep(10)
    asyncio.run(main())

    assert log.runs == [(4.0,), (8.0,), (20.0,), (24.0,), (28.0,)]


def test_what_is_being_submitted_when_it_stops_is_submitted_after_the_next_start(log):
    log.effects = {0: lambda _: asyncio.sleep(5)}

    async def main():
        scheduler = log.scheduler()
        await scheduler.schedule_once("tick", START)
        for _ in range(2):
            async with scheduler:
                await asyncio.sleep(1)

    asyncio.run(main())

    assert log.runs == [(0.0,), (1.0,)]
    assert log.ids[0] == log.ids[1]


def test_a_stop_does_not_wait_for_ever_for_who_refuses_to_be_cancelled(log, caplog):
    async def refuse(_):
        end = time.monotonic() + 1000
        while time.monotonic() < end:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                continue

    log.effects = {0: refuse}

    async def main():
        scheduler = log.scheduler()
        await scheduler.schedule_once("tick", START)
        await scheduler.start()
        await asyncio.sleep(1)
        await scheduler.stop(timeout=2.0)
        log.runs.append(log.sim.elapsed)

    asyncio.run(main())

    assert log.runs == [(0.0,), 3.0]
    assert "is still being submitted, and is left" in caplog.text


def test_a_stop_in_the_instant_of_a_run_gives_it_back(log):
    async def main():
        scheduler = log.scheduler()
        await scheduler.schedule_once("tick", START + timedelta(seconds=1))
        for _ in range(3):
            await scheduler.start()
            await asyncio.sleep(0.5)
            await scheduler.stop()
        await asyncio.sleep(0)

    asyncio.run(main())

    assert log.runs == [(1.0,)]


# --------------------------------------------------------------------- several schedulers


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_of_schedulers_that_share_a_backend_one_submits_each_run(log, kind, tmp_path):
    backend = InMemorySchedulerBackend()

    def node():
        async def main():
            url = f"sqlite:///{tmp_path}/schedules.db"
            async with log.scheduler(backend if kind == "memory" else url) as scheduler:
                await scheduler.schedule_interval("tick", 1)
                await asyncio.sleep(10.5)

        asyncio.run(main())

    nodes = [threading.Thread(target=node) for _ in range(2)]
    for each in nodes:
        each.start()
    for each in nodes:
        each.join()

    assert [at for at, *_ in log.runs] == [float(second) for second in range(1, 11)]
    assert len(set(log.ids)) == 10


def test_the_next_run_of_a_scheduler_that_ends_is_submitted_by_another_in_time(log):
    backend = InMemorySchedulerBackend()

    async def slow(_):
        await asyncio.sleep(0.5)

    # So that the other one sees its claims.
    log.effects = dict.fromkeys(range(2), slow)

    async def main():
        async with log.scheduler(backend) as one:
            await one.schedule_interval("tick", 5)
            async with log.scheduler(backend):
                await asyncio.sleep(11)
                await one.stop()
                await asyncio.sleep(10)

    asyncio.run(main())

    assert log.runs == [(5.0,), (10.0,), (15.0,), (20.0,)]


def test_a_run_whose_scheduler_is_lost_is_submitted_by_another_one(log):
    backend = InMemorySchedulerBackend()

    log.effects = {0: lambda _: asyncio.sleep(1e6)}

    async def lost():
        scheduler = log.scheduler(backend)
        await scheduler.schedule_interval("tick", 10)
        await scheduler.start()
        await asyncio.sleep(11)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    asyncio.run(lost())

    async def main():
        async with log.scheduler(backend):
            await asyncio.sleep(60)

    asyncio.run(main())

    # Claimed at 10 for 30 s; what was missed until then is one run.
    assert [at for at, *_ in log.runs][:4] == [10.0, 40.0, 50.0, 60.0]
    assert log.ids[0] == log.ids[1] != log.ids[2]
