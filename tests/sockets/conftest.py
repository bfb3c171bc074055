"""What tests of sockets share: logs of runs that are the same each time, and servers outside."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import threading
import time

import pytest
import trustme

from simclock import Simulation

# Real seconds: far above what any server here takes, far below the suite's watchdog.
LIMIT = 20.0


@pytest.fixture
def logged(new_log):
    """Return a function that runs a program with a log several times and returns that log.

    Its trace must be the same each time, and nothing may be waited for outside.
    """

    def run(program, *args, times=3, **options):
        found = []
        for _ in range(times):
            log = new_log()
            with Simulation(**options) as sim:
                program(log, *args)
            assert sim.escapes == ()
            found.append((log, sim.trace.digest))
        for other in found[1:]:
            assert other == found[0]
        return found[0][0]

    return run


@pytest.fixture
def together():
    """Return a function that runs functions as threads, named as they are, and joins them."""

    def run(*functions):
        threads = [threading.Thread(target=each) for each in functions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return run


@pytest.fixture
def outcome():
    """Return a function that calls another and says what came of it, errors included."""

    def call(function, *args, **kwargs):
        try:
            return ("returned", function(*args, **kwargs))
        except Exception as error:
            return (type(error), error.args)

    return call


@pytest.fixture
def pair():
    """Two connected Unix sockets."""
    one, other = socket.socketpair()
    with one, other:
        yield one, other


@pytest.fixture
def real():
    """Return a function that runs a function in a foreign thread, joined after the test.

    It starts before the simulation, in real time.
    """
    with contextlib.ExitStack() as stack:

        def start(function, *args):
            thread = threading.Thread(target=function, args=args, name="foreigner")
            thread.start()
            stack.callback(thread.join, LIMIT)
            return thread

        yield start


@pytest.fixture
def spent():
    """Return a function that says how many real seconds have passed since the test began."""
    began = time.perf_counter()
    return lambda: time.perf_counter() - began


@pytest.fixture(scope="session")
def certificates():
    """A certificate authority and a certificate of ``localhost``, made for this session."""
    authority = trustme.CA()
    return authority, authority.issue_cert("localhost", "127.0.0.1")


@pytest.fixture
def free_port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory):
    """The port of a Redis server that runs in real time, on loopback, as long as the module."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("there is no redis-server on this machine: apt-get install redis-server")
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    folder = tmp_path_factory.mktemp("redis")
    arguments = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL) as server:
        try:
            _await_connection(port)
            yield port
        finally:
            server.kill()


def _await_connection(port):
    end = time.monotonic() + LIMIT
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert time.monotonic() < end
            time.sleep(0.01)
        else:
            return
