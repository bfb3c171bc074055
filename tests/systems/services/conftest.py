"""A runner that accepts while a test does something else; and no service outlives its test."""

from __future__ import annotations

import gc
import threading

import pytest

from simclock.systems.services import ServiceRunner, units


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown():
    """Let no test run the services of another: any runner would, and a class is garbage for long.

    A hook and not a fixture: that would be torn down in the simulation of its test, in which no
    garbage is collected.
    """
    result = yield
    if units._units:
        gc.collect()
    assert not list(units._units.values()), "services were left"
    return result


class Accepting:
    """A runner that accepts in another thread, in a block, at the end of which it is shut down.

    `error` is what `accept` has raised.
    """

    def __init__(self, runner=None, **options):
        self.runner = runner or ServiceRunner(**options)
        self.error = None
        self.thread = threading.Thread(target=self._accept, name="accept")

    def _accept(self):
        try:
            self.runner.accept()
        except Exception as error:
            self.error = error

    def __enter__(self):
        self.thread.start()
        self.runner.running.wait()
        return self.runner

    def __exit__(self, *_):
        self.runner.shutdown()
        self.thread.join()


@pytest.fixture
def accepting():
    return Accepting
