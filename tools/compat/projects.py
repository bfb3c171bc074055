"""The projects whose tests are run.

Chosen for threads, coroutines, timeouts and waiting, and for needing no server. Every distribution
is pinned by its hash (see ``requirements/``), so that the same bytes are run everywhere.
"""

from __future__ import annotations

from tools.compat.project import Project

# Why an option is set or a test is left out, where several share the reason.
COVERAGE = "its own options measure coverage"
UNPACKED = "its source distribution lacks the file that sets it"
TOO_LATE = "in real time 10 ms decide how it ends, and a busy machine is later than that"
SPINS = "its emitters spin on a flag and reach nothing that simclock sees: time cannot pass"
HTTPBIN = "it needs the server of pytest-httpbin"
PROCESSES = "its child processes run in real time, and so does their clock"

PROJECTS = [
    Project(
        name="aiojobs",
        version="1.4.0",
        license="Apache-2.0",
        archive="aiojobs-1.4.0.tar.gz",
        sha256="463665c75d1fcc46c78d44375c1034abf5e3f087894b0fc5ec4dd16ef90fdc98",
        files=("tests/test_job.py", "tests/test_scheduler.py"),
        about="Jobs in the background of asyncio, with limits and timeouts",
        kind="pytest-asyncio",
        options={"--override-ini=asyncio_mode=auto": UNPACKED},
        left_out={"tests/test_scheduler.py::test_shielded_task_continues": TOO_LATE},
    ),
    Project(
        name="aiosqlite",
        version="0.22.1",
        license="MIT",
        archive="aiosqlite-0.22.1.tar.gz",
        sha256="043e0bd78d32888c0a9ca90fc788b38796843360c855a7262a532813133a0650",
        files=("aiosqlite/tests/smoke.py",),
        about="SQLite for asyncio, each connection in a thread of its own",
        kind="unittest's asyncio, threads",
    ),
    Project(
        name="anyio",
        version="4.16.0",
        license="MIT",
        archive="anyio-4.16.0.tar.gz",
        sha256="59bb03251907983d1603d27c3087ddb1e93299ea2163adcdba37899a4fb12ffb",
        files=(
            "tests/test_from_thread.py",
            "tests/test_synchronization.py",
            "tests/test_taskgroups.py",
            "tests/test_to_thread.py",
        ),
        about="Structured concurrency for asyncio and trio, and threads beside them",
        kind="anyio on asyncio and trio, threads",
        left_out={
            "tests/test_taskgroups.py::test_nested_task_group_filtering[trio]": (
                "it expects two sleeps begun microseconds apart to end together, as they do where "
                "`epoll` rounds their ends up to a millisecond"
            ),
            "tests/test_to_thread.py::test_asyncio_run_does_not_leak_event_loop": (
                "it expects a worker thread that was told to stop to have ended, and waits for "
                "nothing"
            ),
        },
    ),
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
        kind="threads, anyio on asyncio",
        options={"-knot processpool and not broken_pool": PROCESSES},
        left_out={
            "tests/test_job.py::test_private_modify_bad_func": (
                "it fails in real time too: this pytest takes its argument *func* for its own"
            ),
        },
    ),
    Project(
        name="asgiref",
        version="3.13.0",
        license="BSD-3-Clause",
        archive="asgiref-3.13.0.tar.gz",
        sha256="034cc8cbf72d00553b4be256703ac545120b4e50af13b49dec99da899aeeecb4",
        files=("tests",),
        about="Threads that call into asyncio, and asyncio that calls into threads",
        kind="pytest-asyncio, threads",
        since=(3, 11),
    ),
    Project(
        name="async-lru",
        version="2.4.0",
        license="MIT",
        archive="async_lru-2.4.0.tar.gz",
        sha256="b0b0077d9b7596615b3c12d0aad4f6aeccaaa0ac75ceae472608ede89e764c08",
        files=("tests",),
        about="A cache of what coroutines return, with expiry",
        kind="pytest-asyncio",
        options={
            "--override-ini=addopts=": COVERAGE,
            "--override-ini=asyncio_default_fixture_loop_scope=function": (
                "pytest-asyncio warns where it is not set, and its warnings are errors"
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
        name="culsans",
        version="0.11.0",
        license="ISC",
        archive="culsans-0.11.0.tar.gz",
        sha256="0b43d0d05dce6106293d114c86e3fb4bfc63088cfe8ff08ed3fe36891447fe33",
        files=("tests",),
        about="A queue between threads and event loops, also across several loops",
        kind="unittest's asyncio, pytest-asyncio, threads",
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
        name="httpcore",
        version="1.0.9",
        license="BSD-3-Clause",
        archive="httpcore-1.0.9.tar.gz",
        sha256="6e34463af53fd2ab5d807f399a9b45ea31c3dfa2276f15a2c3f00afff6e176e8",
        files=("tests",),
        about="An HTTP client and its pool of connections, for asyncio, trio and threads",
        kind="anyio on asyncio and trio, pytest-trio, threads",
        left_out={
            "tests/_async/test_integration.py": HTTPBIN,
            "tests/_sync/test_integration.py": HTTPBIN,
            "tests/test_api.py": HTTPBIN,
            "tests/test_cancellations.py::test_h2_timeout_during_response": TOO_LATE,
        },
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
        kind="pytest-asyncio, threads",
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
        kind="threads, pytest-asyncio",
    ),
    Project(
        name="schedule",
        version="1.2.2",
        license="MIT",
        archive="schedule-1.2.2.tar.gz",
        sha256="15fe9c75fe5fd9b9627f3f19cc0ef1420508f9f9a46f45cd0769ef75ede5f0b7",
        files=("test_schedule.py",),
        about="Jobs by the wall clock, with time zones and daylight saving",
        kind="plain",
    ),
    Project(
        name="tenacity",
        version="9.2.1",
        license="Apache-2.0",
        archive="tenacity-9.2.1.tar.gz",
        sha256="a606b5c808d0cded4a359d5b9932d867ff2a6a6b64d37350260fd01bbdf83839",
        files=("tests",),
        about="Retries with back-off, for threads, asyncio, tornado and trio",
        kind="asyncio, tornado, trio, threads",
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
        name="trio-util",
        version="0.8.0",
        license="MIT",
        archive="trio_util-0.8.0.tar.gz",
        sha256="b95030a9976a7a8ed8f61c24cafbc682ecdde76d1bca1b8b42c74df074adc16d",
        files=("tests",),
        about="Values to wait for, events and periodic loops for trio, by its `MockClock`",
        kind="pytest-trio",
        options={
            "--override-ini=trio_mode=true": UNPACKED,
            "--ignore=tests/test_exceptions.py": "it needs `trio.MultiError`, which is gone",
        },
    ),
    Project(
        name="trio-websocket",
        version="0.12.2",
        license="MIT",
        archive="trio_websocket-0.12.2.tar.gz",
        sha256="22c72c436f3d1e264d0910a3951934798dcc5b00ae56fc4ee079d46c7cf20fae",
        files=("tests",),
        about="Clients and servers of WebSockets for trio, over sockets and by its `MockClock`",
        kind="pytest-trio",
        options={"--override-ini=trio_mode=true": UNPACKED},
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
