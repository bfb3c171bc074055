"""A real Redis server for the tests of the systems; CI must have one."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

LIMIT = 20.0  # real seconds that a server may take to start


class RedisServer:
    """A ``redis-server`` that runs in real time, on a Unix socket, and keeps nothing."""

    def __init__(self, folder):
        self.path = Path(folder) / "socket"
        self.url = f"unix://{self.path}"
        self._process = None

    def start(self, *options):
        program = shutil.which("redis-server")
        arguments = ["--port", "0", "--unixsocket", str(self.path), "--dir", str(self.path.parent)]
        arguments += ["--save", "", "--appendonly", "no", *options]
        self._process = subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL)
        end = time.monotonic() + LIMIT
        # It is bound a moment before it listens.
        while not self._answers():
            assert time.monotonic() < end
            time.sleep(0.005)

    def _answers(self):
        import redis

        with redis.Redis(unix_socket_path=str(self.path)) as client:
            try:
                return client.ping()
            except redis.AuthenticationError:
                return True
            except redis.ConnectionError:
                return False

    def send_signal(self, number):
        self._process.send_signal(number)

    def kill(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _needs_redis_server():
    if shutil.which("redis-server") is not None:
        return
    reason = "there is no redis-server on this machine: apt-get install redis-server"
    if os.environ.get("SIMCLOCK_REDIS_REQUIRED"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def redis_server():
    """A server for all tests of this process, which use prefixes of their own."""
    _needs_redis_server()
    # Not pytest's folder: paths of sockets are short.
    with tempfile.TemporaryDirectory(prefix="simclock-") as folder:
        server = RedisServer(folder)
        try:
            server.start()
            yield server
        finally:
            server.kill()


@pytest.fixture(scope="session")
def redis_url(redis_server):
    """The URL of a server for all tests of this process, which use prefixes of their own."""
    return redis_server.url


_numbers = itertools.count()


@pytest.fixture
def redis_prefix(redis_url):
    """A prefix for keys that no other test uses."""
    return f"test {next(_numbers)}"


@pytest.fixture
def own_redis():
    """A server for one test, which may start and kill it; it does not run yet."""
    _needs_redis_server()
    with tempfile.TemporaryDirectory(prefix="simclock-") as folder:
        server = RedisServer(folder)
        try:
            yield server
        finally:
            server.kill()
