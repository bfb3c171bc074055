"""`ServiceRunner` passes the suite for flavours, for each flavour: also one of a user.

Its payloads are units of a runner that accepts in another thread.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import wait
from pathlib import Path

import pytest
import trio

import simclock
from simclock import flavours
from simclock.systems.services import ServiceRunner, ServiceUnit
from simclock.testing import FlavourContract

TINYLOOP = Path(__file__).parents[3] / "examples" / "own_flavour"


class OneFlavour(flavours.Runner):
    """A `ServiceRunner` as a runner of one flavour."""

    def __init__(self, flavour):
        super().__init__(flavour)
        self.services = ServiceRunner(grace=1e9)
        self.thread = threading.Thread(target=self.services.accept, daemon=True)
        self.pending = {}
        self.thread.start()
        self.services.running.wait()

    def adopt(self, payload):
        self.check(payload)
        name = flavours.name_of(payload)
        future = flavours.PayloadFuture(name, lambda _: unit.cancel())
        service = Service(self.flavour.inner, payload, future)
        unit = Unit(service, self.flavour.inner.name, future)
        self.pending[future] = service
        try:
            unit.start(self.services)
        except RuntimeError as error:
            raise RuntimeError("closed") from error
        return future

    def execute(self, payload):
        self.check(payload)
        inner = self.flavour.inner.name
        try:
            return self.services.execute(payload, flavour=inner)
        except RuntimeError as error:
            text = str(error).replace(repr(inner), repr(self.flavour.name))
            raise RuntimeError("closed" if "no payloads" in text else text) from error

    def is_inside(self):
        return self.flavour.inner.is_running()

    def close(self, timeout=None):
        # How long it waits is a matter of the runner, not of a call.
        self.services.grace = 1e9 if timeout is None else timeout
        report = self.services.shutdown()
        if self.services._run.is_inside():
            return
        self.thread.join()
        if report.abandoned and timeout is not None:
            raise TimeoutError(str(report))
        wait(self.pending)


class Service:
    """A payload whose outcome is a future's."""

    def __init__(self, flavour, payload, future):
        async def coroutine():
            try:
                future.set_result(await payload())
            except (Exception, KeyboardInterrupt) as error:
                future.set_exception(error)

        def function():
            try:
                future.set_result(payload())
            except (Exception, KeyboardInterrupt) as error:
                future.set_exception(error)

        self.run = coroutine if flavour.is_async else function
        self.run.__qualname__ = flavours.name_of(payload)


class Unit(ServiceUnit):
    """Of a payload: what has not come to its outcome was cancelled."""

    def __init__(self, service, flavour, future):
        super().__init__(service, flavour)
        self.future = future

    def ended(self, *, failed):
        super().ended(failed=failed)
        if not self.future.done():
            self.future.end_cancelled()


class Services(flavours.Flavour):
    """A flavour as `ServiceRunner` has it."""

    def __init__(self, inner):
        self.inner = inner
        self.name = f"services of {inner.name}"
        self.is_async = inner.is_async

    def start(self):
        return OneFlavour(self)

    def sleep(self, seconds):
        return self.inner.sleep(seconds)

    def is_running(self):
        return self.inner.is_running()

    async def in_thread(self, function):
        return await self.inner.in_thread(function)


class Contract(FlavourContract):
    @pytest.fixture
    def library(self):
        """Register what is not built in."""

    @pytest.fixture(autouse=True)
    def plugin(self, library, world):
        del library, world  # first
        inner = flavours.get(self.flavour.rpartition(" ")[2])
        made = Services(inner)

        class Plugin:
            @simclock.hookimpl
            def simclock_flavours(self):
                return [made]

        plugin = Plugin()
        simclock.register(plugin, "services")
        yield
        simclock.unregister(plugin)

    def test_a_payload_knows_its_flavour_and_may_wait_for_a_thread(self, runner):
        if not runner.flavour.is_async:
            pytest.skip("a plain function needs nobody to wait for a thread")

        async def payload():
            here = threading.get_ident()
            there = await runner.flavour.in_thread(threading.get_ident)
            return flavours.running(), there != here

        assert runner.execute(payload) == (runner.flavour.inner, True)


async def in_asyncio():
    await asyncio.Event().wait()


async def in_trio():
    await trio.Event().wait()


class TestAsyncio(Contract):
    flavour = "services of asyncio"
    waits_forever = in_asyncio, "in_asyncio"


class TestTrio(Contract):
    flavour = "services of trio"
    waits_forever = in_trio, "in_trio"


class TestThreading(Contract):
    flavour = "services of threading"


async def in_tinyloop():
    import tinyloop

    await tinyloop.Event().wait()


class TestOneOfAUser(Contract):
    flavour = "services of tinyloop"
    waits_forever = in_tinyloop, "in_tinyloop"

    @pytest.fixture
    def library(self, monkeypatch):
        monkeypatch.syspath_prepend(str(TINYLOOP))
        import tinyloop
        import tinyloop_simclock

        monkeypatch.setattr(tinyloop, "IDLE_S", 0.01)  # its threads are gone when the test is
        simclock.register(tinyloop_simclock, "tinyloop")
        yield
        simclock.unregister(tinyloop_simclock)
