"""The published cobald daemon, unmodified: its three flavours on one clock."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
import trio

import simclock

ServiceRunner = pytest.importorskip("cobald.daemon.runners.service").ServiceRunner
service = pytest.importorskip("cobald.daemon.runners.service").service


def daemon():  # noqa: C901 - a program with three services
    """Return what a daemon with a service of each flavour does in ten seconds."""
    log = []
    runtime = ServiceRunner(accept_delay=0.5)

    def note(what):
        log.append((round(time.monotonic() - start, 9), what))

    @service(flavour=asyncio)
    class Asyncio:
        async def run(self):
            while True:
                await asyncio.sleep(2)
                note("asyncio service")

    @service(flavour=trio)
    class Trio:
        async def run(self):
            try:
                while True:
                    await trio.sleep(3)
                    note("trio service")
            finally:
                note("trio service is cancelled")

    @service(flavour=threading)
    class Thread:
        def run(self):
            for _ in range(2):  # nothing would stop it
                time.sleep(4)
                note("thread service")

    async def in_asyncio(seconds):
        await asyncio.sleep(seconds)
        return f"asyncio returned after {seconds}"

    async def in_trio(seconds):
        await trio.sleep(seconds)
        return f"trio returned after {seconds}"

    def client():
        runtime.running.wait()
        note(runtime.execute(in_asyncio, 1.5, flavour=asyncio))
        note(runtime.execute(in_trio, 1.5, flavour=trio))
        runtime.adopt(time.sleep, 0.5, flavour=threading)
        time.sleep(10 - (time.monotonic() - start))
        runtime.shutdown()

    start = time.monotonic()
    services = [Asyncio(), Trio(), Thread()]
    helper = threading.Thread(target=client)
    helper.start()
    runtime.accept()
    helper.join()
    assert services
    return log


def test_it_runs_with_its_three_flavours_the_same_each_time():
    first = simclock.run(daemon)

    assert simclock.run(daemon) == first
    assert first == [
        (1.5, "asyncio returned after 1.5"),
        (2.0, "asyncio service"),
        (3.0, "trio service"),
        (3.0, "trio returned after 1.5"),
        (4.0, "thread service"),
        (4.0, "asyncio service"),
        (6.0, "asyncio service"),
        (6.0, "trio service"),
        (8.0, "thread service"),
        (8.0, "asyncio service"),
        (9.0, "trio service"),
        (10.0, "asyncio service"),
        (10.25, "trio service is cancelled"),
    ]
