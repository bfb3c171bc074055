"""Stores in a Redis server: one that is not there, goes away, refuses, or does not answer."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest
import redis

from simclock.systems._shared.stores.interfaces import Counts, Damaged, StoreError
from simclock.systems._shared.stores.redis import RedisJobs, RedisRecords, _in_order
from simclock.systems._shared.stores.servers import Server


@pytest.fixture
def client(redis_server):
    with redis.Redis(unix_socket_path=str(redis_server.path)) as client:
        yield client


@pytest.fixture
def server(redis_url):
    with contextlib.closing(Server(redis_url)) as server:
        yield server


@pytest.fixture
def jobs(server, redis_prefix):
    return RedisJobs(server, redis_prefix)


def test_instants_become_texts_in_the_same_order():
    instants = [-1e300, -2.5, -2, -1e-300, 0.0, 1e-300, 1, 1.5, 1e9, 1e300]

    assert sorted(instants, key=_in_order) == instants
    assert _in_order(-0.0) == _in_order(0.0)
    assert {len(_in_order(each)) for each in instants} == {16}


# -------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "http://x",
        "redis://:secret/1@host",
        "redis://[:secret@x",
        "unix://:sec/ret@/path",
    ],
)
def test_a_url_that_is_none_is_refused_and_not_shown(url):
    with pytest.raises(ValueError, match=r"^this is no URL of a Redis server\ngive redis://") as e:
        Server(url)
    assert "secret" not in str(e.value)


def test_options_of_no_meaning_are_refused():
    with pytest.raises(
        ValueError, match=r"an option of no meaning: redis://host/0\n  .*db"
    ) as caught:
        Server("redis://:secret@host/0?db=x")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("redis://me:secret@host:1234/5?password=secret", "redis://host:1234/5"),
        ("rediss://host", "rediss://host"),
        ("redis://[::1]:1234", "redis://[::1]:1234"),
        ("unix://:secret@/path/to/it?db=2", "unix:///path/to/it"),
    ],
)
def test_what_is_shown_of_a_url(url, where):
    assert Server(url).where == where


@pytest.mark.parametrize(
    "settings", [{"max_connections": 0}, {"socket_timeout": 0}, {"socket_timeout": float("nan")}]
)
def test_numbers_of_no_meaning_are_refused(settings):
    with pytest.raises(ValueError, match=r"no connections can be made: .*\ngive positive numbers"):
        RedisJobs("redis://host", **settings)


def test_settings_are_those_of_a_server(server):
    with pytest.raises(TypeError, match="a Server has its settings already: max_connections\n"):
        RedisJobs(server, max_connections=1)


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ModuleNotFoundError, match=r"not installed: redis\n.*simclock\[redis\]"):
        Server("redis://host")


# ---------------------------------------------------------------- what is wrong


def refused(store, match):
    began = time.monotonic()
    with pytest.raises(StoreError, match=match) as caught:
        store.counts(0)
    assert time.monotonic() - began < 10
    assert isinstance(caught.value.__cause__, redis.RedisError)
    return str(caught.value)


def test_a_server_that_is_not_there(tmp_path):
    jobs = RedisJobs(f"unix://:secret@{tmp_path}/none")
    text = refused(jobs, "cannot be used: .*\nsee that it runs")

    assert f"the Redis server at unix://{tmp_path}/none" in text
    assert "secret" not in text


def test_a_server_that_was_started_again_is_used_again(own_redis):
    """All connections that were open are broken, and none of them is tried twice."""
    own_redis.start()
    with contextlib.closing(RedisJobs(own_redis.url)) as jobs:
        barrier = threading.Barrier(4)

        def push(number):
            barrier.wait()
            jobs.push(str(number), number)

        threads = [threading.Thread(target=push, args=[number]) for number in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        own_redis.kill()
        refused(jobs, "see that it runs")
        own_redis.start()

        for number in range(4):
            assert jobs.push(f"new {number}", number)
        own_redis.kill()
        own_redis.start()
        assert jobs.counts(0) == Counts(0, 0, 0)


@pytest.mark.parametrize("retries", [False, True])
def test_a_server_that_does_not_answer(own_redis, retries):
    own_redis.start()
    jobs = RedisJobs(own_redis.url, socket_timeout=0.1, retry_on_timeout=retries)
    with contextlib.closing(jobs):
        jobs.push("a", 1)
        own_redis.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        refused(jobs, r"\nit has not answered for 0\.1 s: see what it does, or wait longer")
        spent = time.monotonic() - began
        own_redis.send_signal(signal.SIGCONT)

        assert spent > (0.2 if retries else 0.1)
        assert jobs.counts(0) == Counts(1, 0, 0)


def test_a_password(own_redis):
    own_redis.start("--requirepass", "secret")
    url = own_redis.url.replace("unix://", "unix://:{}@")
    for given, remedy in [
        (own_redis.url, "put the right user and password into the URL"),
        (url.format("wrong-one"), "put the right user and password into the URL"),
    ]:
        with contextlib.closing(RedisJobs(given)) as jobs:
            assert "wrong-one" not in refused(jobs, remedy)
    with contextlib.closing(RedisJobs(url.format("secret"))) as jobs:
        assert jobs.push("a", 1)


def test_keys_of_somebody_else_are_left_as_they_are(jobs, client, redis_prefix):
    key = f"{redis_prefix}:jobs:ready"
    client.set(key, "something else's")
    refused(jobs, "WRONGTYPE.*\nits keys are used by something else: give another prefix")

    assert client.get(key) == b"something else's"


def test_what_somebody_has_changed_is_damaged(jobs, server, client, redis_prefix):
    records = RedisRecords(server, redis_prefix)
    jobs.push("a", 1)
    records.create("b", "new", 1, at=1)
    client.hset(f"{redis_prefix}:jobs:payloads", "a", '{"$":"x","v":1}')
    client.hset(f"{redis_prefix}:records:values", "b", b"nonsense \xff")

    damaged = jobs.claim("one", now=0, until=10).payload
    assert isinstance(damaged, Damaged)
    assert re.match(r"the job 'a' in test .*:jobs of unix:///.* is damaged", damaged.why)
    with pytest.raises(StoreError, match=r"the record 'b' in test .*:records of unix:///"):
        records.get("b")
    assert jobs.acknowledge("a", "one")


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (redis.BusyLoadingError("Redis is loading the dataset"), "it is reading its data: repeat"),
        (redis.ResponseError("LOADING Redis is loading"), "it is reading its data: repeat"),
        (redis.ResponseError("OOM command not allowed"), "give it more memory"),
        (redis.ReadOnlyError("READONLY You can't write"), "it is a replica: name its primary"),
        (redis.ResponseError("MISCONF Redis is configured"), "it cannot save its data"),
        (redis.ResponseError("NOPERM this user has no"), "let this user run scripts"),
        (redis.ResponseError("whatever"), "see what the server says; the operation can be repe"),
        (redis.AuthenticationError("nobody"), "put the right user and password into the URL"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_each_error_has_a_remedy(server, error, remedy):
    def fail(keys, arguments):
        raise error

    with pytest.raises(StoreError, match=f"cannot be used: {error}\n{remedy}") as caught:
        server.run(fail, [])
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    ("error", "retries", "tries"),
    [
        (redis.ConnectionError, False, 2),
        (redis.TimeoutError, False, 1),
        (redis.TimeoutError, True, 2),
        (redis.ResponseError, True, 1),
    ],
)
def test_what_is_done_once_more(redis_url, error, retries, tries):
    tried = []

    def fail(keys, arguments):
        tried.append((keys, arguments))
        raise error("why")

    with contextlib.closing(Server(redis_url, retry_on_timeout=retries)) as server:
        with pytest.raises(StoreError):
            server.run(fail, ["key"], "a", "1")
        assert tried == [(["key"], ("a", "1"))] * tries


# ------------------------------------------------------------------ concurrency


def test_who_needs_one_more_connection_waits(redis_url, redis_prefix):
    jobs = RedisJobs(redis_url, redis_prefix, max_connections=2)
    barrier = threading.Barrier(6)

    def push(name):
        barrier.wait()
        for number in range(20):
            assert jobs.push(f"{name} {number}", number)

    with contextlib.closing(jobs):
        threads = [threading.Thread(target=push, args=[name]) for name in range(6)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

        assert jobs.counts(0).ready == 120
        assert len(jobs._server._client.connection_pool._available_connections) <= 2


def test_who_has_waited_too_long_for_a_connection_is_told(redis_url):
    entered, left = threading.Event(), threading.Event()

    def script(keys, arguments):
        entered.set()
        left.wait()

    with contextlib.closing(Server(redis_url, max_connections=1, socket_timeout=0.01)) as server:
        thread = threading.Thread(target=server.run, args=[script, []])
        thread.start()
        entered.wait()
        with pytest.raises(StoreError, match=r"have been in use for 0\.01 s\nallow more of them"):
            server.run(script, [])
        left.set()
        thread.join()
        server.run(script, [])


def test_a_child_that_was_forked_has_connections_of_its_own(jobs):
    jobs.push("a", 1)
    jobs.push("b", 1)
    pid = os.fork()
    if not pid:
        status = 1
        with contextlib.suppress(BaseException):
            for number in range(50):
                assert jobs.claim("child", now=0, until=10).deliveries == 1, number
            status = 0
        os._exit(status)
    for number in range(50):
        assert jobs.claim("parent", now=0, until=10).deliveries == 1, number

    assert os.waitpid(pid, 0)[1] == 0


PROGRAM = """
    import sys, time
    from simclock.systems._shared.stores.redis import RedisJobs, RedisRecords

    url, prefix, name = sys.argv[1:]
    jobs, records = RedisJobs(url, prefix), RedisRecords(url, prefix)
    if name == "doomed":
        print(jobs.claim(name, now=1, until=10).key, flush=True)
        time.sleep(60)
    count = 0
    while job := jobs.claim(f"{name} {count}", now=1, until=10):
        assert records.create(job.key, name, job.payload, at=1)
        assert jobs.acknowledge(job.key, f"{name} {count}")
        count += 1
    jobs.close()
    records.close()
"""


def started(*arguments):
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.real
def test_processes_claim_each_job_once_and_one_is_killed(jobs, server, redis_url, redis_prefix):
    for number in range(200):
        jobs.push(str(number), number)
    with started(redis_url, redis_prefix, "doomed") as doomed:
        assert doomed.stdout.readline() == "0\n"
        doomed.kill()
    with (
        started(redis_url, redis_prefix, "one") as one,
        started(redis_url, redis_prefix, "two") as two,
    ):
        assert (one.wait(60), two.wait(60)) == (0, 0)

    # `create` would have said that a record is there already.
    assert RedisRecords(server, redis_prefix).count() == 199
    assert jobs.claim("next", now=9, until=20) is None
    job = jobs.claim("next", now=10, until=20)
    assert (job.key, job.deliveries) == ("0", 2)
