"""Run the tests of one module of ``test.test_asyncio``, each in a world of its own.

A script, started with a world, a module's name, a file to report to and the tests to leave alone
(none: all are run; ``-`` before names: all but these). Each test, from its setUp to its last
cleanup, is in a simulation of its own; fixtures of classes and modules are not.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import importlib
import json
import sys
import time
import traceback
import types
import unittest
from pathlib import Path
from typing import TYPE_CHECKING, Any

# The folder of this script must not offer its neighbours to the tests.
sys.path[:] = [entry for entry in sys.path if entry != str(Path(__file__).parent)]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PACKAGE = "test.test_asyncio."
LONGEST_TEST_S = 90.0
# From good to bad: of what is said about one test, the worst counts.
OUTCOMES = ("passed", "skipped", "failed")


# ------------------------------------------------------------------ the three worlds


def for_real() -> contextlib.AbstractContextManager[object]:
    """Leave everything as it is."""
    return contextlib.nullcontext()


@contextlib.contextmanager
def on_stock_loop() -> Iterator[None]:
    """Be in a simulation in which asyncio makes its own loops, which run on the boundary."""
    import simclock  # noqa: PLC0415

    policy: Any = asyncio.unix_events._UnixDefaultEventLoopPolicy
    stock = policy.__dict__["_loop_factory"]
    with simclock.Simulation():
        given = policy.__dict__["_loop_factory"]
        policy._loop_factory = stock
        try:
            yield
        finally:
            policy._loop_factory = given


def on_sim_event_loop() -> contextlib.AbstractContextManager[object]:
    """Be in a simulation as it is; see `substitute` for loops that tests make themselves."""
    import simclock  # noqa: PLC0415

    return simclock.Simulation()


WORLDS: dict[str, Callable[[], contextlib.AbstractContextManager[object]]] = {
    "real": for_real,
    "stock": on_stock_loop,
    "simulated": on_sim_event_loop,
}


def substitute() -> None:
    """Let tests that name a class of stock loops make a `SimEventLoop` instead."""
    import simclock  # noqa: PLC0415

    loop: Any = simclock.SimEventLoop
    make = loop.__init__

    # Tests give it selectors to choose from; it waits in its own way.
    def __init__(self: Any, selector: object = None) -> None:  # noqa: ARG001, N807
        make(self)

    loop.__init__ = __init__
    for module in (asyncio, asyncio.unix_events):
        for name in ("SelectorEventLoop", "EventLoop"):
            if name in vars(module):
                setattr(module, name, loop)
    asyncio.BaseEventLoop = base_loop()  # type: ignore[misc]


def base_loop() -> Any:
    """Return what takes the place of `BaseEventLoop`: a `SimEventLoop` without a self-pipe.

    Tests that make one give it a mock for a selector, with which no selector loop has a pipe.
    """
    import simclock  # noqa: PLC0415

    return type("BaseEventLoop", (simclock.SimEventLoop,), {"_open_self_pipe": lambda _: None})


def selector_loop() -> Any:
    """Return what takes the place of `BaseSelectorEventLoop`: it has the selector it is given."""
    base = base_loop()

    def __init__(self: Any, selector: Any = None) -> None:  # noqa: N807
        base.__init__(self)
        if selector is not None:
            self._selector.close()
            self._selector = selector
            self._make_self_pipe()  # which the tests override, and look at

    return type("BaseSelectorEventLoop", (base,), {"__init__": __init__})


def load(world: str, module: str) -> unittest.TestSuite:
    """Import the tests, with what some of them alone must find in place of the stock loops.

    `SimEventLoop` and the loops of other tests are made from the real base classes.
    """
    name = PACKAGE + module
    if world == "simulated":
        substitute()
        if module == "test_selector_events":
            asyncio.selector_events.BaseSelectorEventLoop = selector_loop()  # type: ignore[misc]
    suite = unittest.defaultTestLoader.loadTestsFromName(name)
    if world == "simulated" and module == "test_base_events":
        tests: Any = sys.modules[name]
        view = types.ModuleType(tests.base_events.__name__)
        vars(view).update(vars(tests.base_events))
        view.BaseEventLoop = base_loop()  # type: ignore[attr-defined]
        tests.base_events = view
    return suite


# ------------------------------------------------------------------ running and reporting


class Result(unittest.TestResult):
    """Collects what is said about each test, and why."""

    def __init__(self) -> None:
        super().__init__()
        self.said: dict[str, tuple[str, str]] = {}

    def say(self, test: Any, outcome: str, why: str = "") -> None:
        """Note an outcome, unless a worse one is known."""
        name = short_name(test)
        known = self.said.get(name, (OUTCOMES[0], ""))
        if OUTCOMES.index(outcome) >= OUTCOMES.index(known[0]):
            separator = "\n" if known[1] and why else ""
            self.said[name] = (outcome, known[1] + separator + why)

    def addSuccess(self, test: Any) -> None:  # noqa: D102, N802
        self.say(test, "passed")

    def addSkip(self, test: Any, reason: str) -> None:  # noqa: D102, N802
        self.say(test, "skipped", reason)

    def addExpectedFailure(self, test: Any, err: Any) -> None:  # noqa: ARG002, D102, N802
        self.say(test, "passed")

    def addUnexpectedSuccess(self, test: Any) -> None:  # noqa: D102, N802
        self.say(test, "failed", "unexpected success")

    def addError(self, test: Any, err: Any) -> None:  # noqa: D102, N802
        self.say(test, "failed", "".join(traceback.format_exception(*err)))

    def addFailure(self, test: Any, err: Any) -> None:  # noqa: D102, N802
        self.addError(test, err)

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:  # noqa: D102, N802
        if err is not None:
            self.say(test, "failed", f"{subtest}\n{''.join(traceback.format_exception(*err))}")


def short_name(test: Any) -> str:
    """Return a test's module, class and name."""
    return str(test.id()).replace(PACKAGE, "")


class Reporter:
    """Writes a line when a test begins and one when it has ended, as a reader after a crash needs.

    Args:
        path: Where to.
        world: Makes the context manager that each test is run in.
    """

    def __init__(self, path: str, world: Callable[[], Any]) -> None:
        self._file = Path(path).open("a", encoding="utf-8")  # noqa: SIM115 - until the end
        self._world = world
        self.result = Result()

    def write(self, **line: object) -> None:
        """Write one line of the report."""
        print(json.dumps(line), file=self._file, flush=True)

    def run(self, test: Any, run: Callable[[], object]) -> None:
        """Run one test."""
        name = short_name(test)
        self.write(test=name)
        began = time.perf_counter()
        faulthandler.dump_traceback_later(LONGEST_TEST_S, exit=True)
        try:
            with self._world():
                run()
        except Exception:  # noqa: BLE001 - what a simulation has found at its end
            self.result.addError(test, sys.exc_info())
        finally:
            faulthandler.cancel_dump_traceback_later()
            # A loop that a failed test left running would fail all others.
            asyncio._set_running_loop(None)
        self._write_outcome(name, time.perf_counter() - began)

    def write_rest(self) -> None:
        """Write what was said of others: fixtures of classes and modules."""
        for name in list(self.result.said):
            self._write_outcome(name, 0.0)

    def _write_outcome(self, name: str, seconds: float) -> None:
        outcome, why = self.result.said.pop(name, ("passed", ""))
        self.write(test=name, outcome=outcome, why=why, seconds=seconds)


def wrap_tests(reporter: Reporter) -> None:
    """Let each test be run by *reporter*, whatever its class does in ``run``."""

    def call(self: unittest.TestCase, result: Any) -> None:
        reporter.run(self, lambda: self.run(result))

    unittest.TestCase.__call__ = call  # type: ignore[method-assign, assignment]


def chosen(suite: Any, names: Sequence[str]) -> Iterator[Any]:
    """Yield the tests of *suite* that *names* choose, in their order."""
    but = names[:1] == ("-",)
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from chosen(test, names)
        elif not names or (short_name(test) in names) != but:
            yield test


def main(world: str, module: str, report: str, *names: str) -> None:
    """Run the tests; what came of them is in the report."""
    support: Any = importlib.import_module("test.support")
    support.use_resources = ()  # as where nothing was asked for
    reporter = Reporter(report, WORLDS[world])
    suite = load(world, module)
    wrap_tests(reporter)
    unittest.TestSuite(chosen(suite, names)).run(reporter.result)
    reporter.write_rest()


if __name__ == "__main__":
    main(*sys.argv[1:])
