"""The projects whose tests are run.

Chosen for threads, timeouts and waiting, and for needing no server. Every distribution is pinned by
its hash (see ``requirements/``), so that the same bytes are run everywhere.
"""

from __future__ import annotations

from tools.compat.project import Project

# Why an option is set or a test is left out, where several share the reason.
COVERAGE = "its own options measure coverage"
SPINS = "its emitters spin on a flag and reach nothing that simclock sees: time cannot pass"
PROCESSES = "its child processes run in real time, and so does their clock"

PROJECTS = [
    Project(
        name="APScheduler",
        version="3.11.0",
        license="MIT",
        archive="apscheduler-3.11.0.tar.gz",
        sha256="4c622d250b0955a65d5d0eb91c33e6d43fd879834bf541e0a18661ae60460133",
        files=(
            "tests/test_executors.py",
            "tests/test_schedulers.py",
            "tests/test_job.py",
            "tests/test_util.py",
            "tests/test_expressions.py",
            "tests/triggers",
        ),
        about="A scheduler of jobs on threads and event loops",
        options={"-knot processpool and not broken_pool": PROCESSES},
        left_out={
            "tests/test_job.py::test_private_modify_bad_func": (
                "it fails in real time too: this pytest takes its argument *func* for its own"
            ),
        },
    ),
    Project(
        name="cachetools",
        version="8.0.0",
        license="MIT",
        archive="cachetools-8.0.0.tar.gz",
        sha256="5ed01bd676800d51f0025605e4fd8ad0891550513e7b0a4c3da478463764e5c3",
        files=("tests",),
        about="Caches with expiry, and decorators with locks and conditions",
        since=(3, 11),
    ),
    Project(
        name="DBUtils",
        version="3.2.0",
        license="MIT",
        archive="dbutils-3.2.0.tar.gz",
        sha256="dfe3f5eb6e383042d68ad07e4e9778b2abbcc4627a283f85efc8210319c075d2",
        files=("tests",),
        about="Pools of database connections, shared by threads",
    ),
    Project(
        name="dogpile.cache",
        version="1.5.0",
        license="MIT",
        archive="dogpile_cache-1.5.0.tar.gz",
        sha256="849c5573c9a38f155cd4173103c702b637ede0361c12e864876877d0cd125eec",
        files=(
            "tests/test_lock.py",
            "tests/test_backgrounding.py",
            "tests/test_utils.py",
            "tests/util/test_nameregistry.py",
            "tests/cache/test_decorator.py",
            "tests/cache/test_memory_backend.py",
            "tests/cache/test_null_backend.py",
            "tests/cache/test_region.py",
        ),
        about="Caching in which many threads ask and only one computes",
    ),
    Project(
        name="huey",
        version="3.5.4",
        license="MIT",
        archive="huey-3.5.4.tar.gz",
        sha256="328f5a2dd1406621e5edb17d45655ae232ad9f32c0795ca8dc0bfc121dd7b30c",
        files=(
            "huey/tests/test_api.py",
            "huey/tests/test_consumer.py",
            "huey/tests/test_crontab.py",
            "huey/tests/test_helpers.py",
            "huey/tests/test_immediate.py",
            "huey/tests/test_priority.py",
            "huey/tests/test_signals.py",
            "huey/tests/test_stats.py",
            "huey/tests/test_storage.py",
        ),
        about="A task queue with worker threads and a scheduler",
        left_out={
            "huey/tests/test_consumer.py::TestProcessTimeout::test_subsecond_timeout": (
                "it expects a signal from `setitimer`, which counts real time"
            ),
        },
    ),
    Project(
        name="janus",
        version="2.0.0",
        license="Apache-2.0",
        archive="janus-2.0.0.tar.gz",
        sha256="0970f38e0e725400496c834a368a67ee551dc3b5ad0a257e132f5b46f2e77770",
        files=("tests/test_async.py", "tests/test_mixed.py", "tests/test_sync.py"),
        about="A queue between threads and asyncio",
        options={"--override-ini=addopts=": COVERAGE},
    ),
    Project(
        name="persist-queue",
        version="1.1.0",
        license="BSD-3-Clause",
        archive="persist_queue-1.1.0.tar.gz",
        sha256="4c042a3d39c9af4fa24497da76697fb4fff7abe6af04bcf55f099e0c23bc2c67",
        files=(
            "persistqueue/tests/test_async_edge_cases.py",
            "persistqueue/tests/test_async_queue.py",
            "persistqueue/tests/test_pdict.py",
            "persistqueue/tests/test_priorityqueue.py",
            "persistqueue/tests/test_queue.py",
            "persistqueue/tests/test_sqlackqueue.py",
            "persistqueue/tests/test_sqlqueue.py",
        ),
        about="Queues in files and in SQLite, used by many threads at once",
    ),
    Project(
        name="schedule",
        version="1.2.2",
        license="MIT",
        archive="schedule-1.2.2.tar.gz",
        sha256="15fe9c75fe5fd9b9627f3f19cc0ef1420508f9f9a46f45cd0769ef75ede5f0b7",
        files=("test_schedule.py",),
        about="Jobs by the wall clock, with time zones and daylight saving",
    ),
    Project(
        name="tenacity",
        version="9.2.1",
        license="Apache-2.0",
        archive="tenacity-9.2.1.tar.gz",
        sha256="a606b5c808d0cded4a359d5b9932d867ff2a6a6b64d37350260fd01bbdf83839",
        files=("tests",),
        about="Retries with back-off, for threads, asyncio, tornado and trio",
    ),
    Project(
        name="transitions",
        version="0.9.3",
        license="MIT",
        archive="transitions-0.9.3.tar.gz",
        sha256="881fb75bb1654ed55d86060bb067f2c716f8e155f57bb73fd444e53713aafec8",
        files=("tests/test_states.py", "tests/test_threading.py"),
        about="State machines with locks, and states that time out",
    ),
    Project(
        name="watchdog",
        version="7.1.0",
        license="Apache-2.0",
        archive="watchdog-7.1.0.tar.gz",
        sha256="d3861e255416f49a1384474cb2efa097de165fb330d4c5432ce6708b509ed922",
        files=("tests",),
        about="Observers of the file system, each with threads of its own",
        since=(3, 11),
        left_out={
            "tests/test_0_watchmedo.py": PROCESSES,
            "tests/test_examples.py": "it needs PyYAML",
            "tests/test_observer.py": SPINS,
            "tests/test_observers_api.py": SPINS,
            "tests/test_inotify_c.py::test_import_with_exhausted_inotify_instances": PROCESSES,
        },
    ),
]
