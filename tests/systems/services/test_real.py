"""A short set in real time, with tolerances: the same program that simulations run."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time

import pytest
import trio

from simclock.systems.services import BackgroundFailure, ServiceRunner, service, stop_token

pytestmark = pytest.mark.real
# Seconds by which a machine that does other things may be late.
LATE = 5.0


class Beats:
    def __init__(self):
        self.times = []

    def note(self):
        self.times.append(time.monotonic())


@service(flavour=asyncio)
class OfAsyncio(Beats):
    async def run(self):
        while True:
            self.note()
            await asyncio.sleep(0.05)


@service(flavour=trio)
class OfTrio(Beats):
    async def run(self):
        while True:
            self.note()
            await trio.sleep(0.05)


@service(flavour=threading)
class OfThreads(Beats):
    def run(self):
        while not stop_token().wait(0.05):
            self.note()


def test_services_of_all_flavours_run_and_stop(accepting):
    made = [OfAsyncio(), OfTrio(), OfThreads()]
    with accepting() as runner:
        began = time.monotonic()
        while any(len(each.times) < 3 for each in made):
            assert time.monotonic() < began + LATE
            time.sleep(0.01)
        report = runner.shutdown()
    counts = [len(each.times) for each in made]
    time.sleep(0.2)

    assert report.abandoned == ()
    assert report.seconds < LATE
    assert [len(each.times) for each in made] == counts
    assert all(each.times[2] - each.times[0] >= 0.1 for each in made[:2])


def test_a_stop_is_not_polled(accepting):
    async def forever():
        await asyncio.sleep(1e6)

    taken = []
    for _ in range(5):
        with accepting() as runner:
            runner.adopt(forever, flavour=asyncio)
            runner.execute(asyncio.sleep, 0, flavour=asyncio)
            taken.append(runner.shutdown().seconds)

    # The original takes 0.1 to 0.3 s.
    assert min(taken) < 0.05


def test_a_service_that_is_made_later_is_started_at_once(accepting):
    began = threading.Event()

    @service(flavour=threading)
    class Late:
        def run(self):
            began.set()

    with accepting():
        time.sleep(0.1)
        made = Late()
        assert began.wait(LATE)
    assert made


def test_a_thread_that_does_not_stop_is_abandoned_in_bounded_time(accepting):
    go_on = threading.Event()
    with accepting(grace=0.1) as runner:
        runner.adopt(go_on.wait, flavour=threading)
        report = runner.shutdown()
    go_on.set()

    assert len(report.abandoned) == 1
    assert 1.0 <= report.seconds < 1.1 + LATE


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it(number):
    before = signal.getsignal(number)
    runner = ServiceRunner()
    runner.adopt(asyncio.Event().wait, flavour=asyncio)
    runner.adopt(lambda: os.kill(os.getpid(), number), flavour=threading)
    runner.accept()

    assert signal.getsignal(number) is before


def test_a_failure_ends_it():
    runner = ServiceRunner()
    runner.adopt(lambda: 7, flavour=threading)
    runner.adopt(asyncio.Event().wait, flavour=asyncio)
    with pytest.raises(BackgroundFailure):
        runner.accept()
