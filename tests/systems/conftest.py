"""A real Redis server for the tests of the systems; CI must have one."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

LIMIT = 20.0  # real seconds that a server may take to start


class RedisServer:
    """A ``redis-server`` that runs in real time, on a Unix socket, and keeps nothing.

    It is no child of this process: tests of children would find it, or wait for it.
    """

    def __init__(self, folder):
        self.path = Path(folder) / "socket"
        self.url = f"unix://{self.path}"
        self._pid = None

    def start(self, *options):
        program, pidfile = shutil.which("redis-server"), self.path.parent / "pid"
        pidfile.unlink(missing_ok=True)
        arguments = ["--port", "0", "--unixsocket", str(self.path), "--dir", str(self.path.parent)]
        arguments += ["--daemonize", "yes", "--pidfile", str(pidfile)]
        arguments += ["--save", "", "--appendonly", "no", *options]
        subprocess.run([program, *arguments], stdout=subprocess.DEVNULL, check=True)
        # It is bound a moment before it listens.
        self._wait(lambda: self._answers() and pidfile.exists() and pidfile.read_text())
        self._pid = int(pidfile.read_text())

    def _answers(self):
        import redis

        with redis.Redis(unix_socket_path=str(self.path)) as client:
            try:
                return client.ping()
            except redis.AuthenticationError:
                return True
            except redis.ConnectionError:
                return False

    def _wait(self, condition):
        end = time.monotonic() + LIMIT
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.005)

    def send_signal(self, number):
        os.kill(self._pid, number)

    def kill(self):
        if self._pid is not None:
            os.kill(self._pid, signal.SIGKILL)
            self._wait(lambda: not self._answers())
            self._pid = None


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


@pytest.fixture(autouse=True)
def no_process_of_multiprocessing():
    """Afterwards end those that it keeps: tests of children would find them."""
    yield
    for name, keeper in (("forkserver", "_forkserver"), ("resource_tracker", "_resource_tracker")):
        module = sys.modules.get(f"multiprocessing.{name}")
        if module is not None:
            getattr(module, keeper)._stop()
