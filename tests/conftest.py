"""Two guards over the whole suite: no test hangs, and none leaves the process changed.

Both are foreign to simclock on purpose: they use none of its code, so they
still work where it does not.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import datetime as dt
import faulthandler
import gc
import importlib
import importlib.util
import os
import select
import signal
import subprocess
import sys
import textwrap
import threading
import time
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

# Machines that run the suite are shared, so how long one example takes says nothing.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

HANG_LIMIT = 120.0  # seconds; far above any test, far below anybody's patience
SETTLING = 1.0  # seconds that a foreign thread may need to be really gone after its join

_terminal = pytest.StashKey[int]()
_as_found = pytest.StashKey[dict[str, object]]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", f"hang_limit(seconds): let the watchdog wait this long, not {HANG_LIMIT:.0f} s"
    )
    config.addinivalue_line(
        "markers", "unclean(reason): the test leaves the process changed, and why it has to"
    )
    # Descriptor 2 is captured while a test runs but not yet while plugins are configured.
    config.stash[_terminal] = os.dup(2)
    if tracer := threading.gettrace():
        _let_coverage_see_the_foreign_threads(tracer)


def pytest_collection_finish() -> None:
    """See that tests find the process as it is elsewhere, and alone."""
    # Trio keeps no thread for the next job.
    if importlib.util.find_spec("trio"):
        importlib.import_module("trio._core._thread_cache").IDLE_TIMEOUT = 0.01
    # What a shell has started by `program &` ignores it, and so would all children.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _let_coverage_see_the_foreign_threads(tracer: Any) -> None:
    """Trace what simclock starts below `threading`, which is where new threads get a tracer."""
    from simclock._boundary import watchdog  # not for plain runs: see the module's docstring

    start_foreign = watchdog.start_foreign

    def start_traced(function: Callable[[], None]) -> None:
        def run() -> None:
            sys.settrace(tracer)
            function()

        start_foreign(run)

    watchdog.start_foreign = start_traced


# ------------------------------------------------------------------ the watchdog
#
# faulthandler's timer is a thread in C: it needs no lock, no GIL and no clock that a
# simulation redirects, so it also ends what pytest-timeout or a Python thread could not.
# It ends the process. Under xdist that is one worker: the test is reported as failed,
# another worker takes its place and the session goes on.
#
# A process has one such timer. simclock's own watchdog must not use it (nothing else may).


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    marker = item.get_closest_marker("hang_limit")
    _arm(item.config, marker.args[0] if marker else HANG_LIMIT)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


def pytest_enter_pdb() -> None:
    """Let a person think as long as they like."""
    faulthandler.cancel_dump_traceback_later()


def pytest_unconfigure(config: pytest.Config) -> None:
    # A thread left behind can also keep the interpreter from ending. Not in xdist's workers:
    # one that is done waits until the slowest of the others is.
    if not hasattr(config, "workerinput"):
        _arm(config, HANG_LIMIT)


def _arm(config: pytest.Config, seconds: float) -> None:
    faulthandler.dump_traceback_later(seconds, exit=True, file=config.stash[_terminal])


# ----------------------------------------------------- the process is as it was found
#
# Hooks and not an autouse fixture: a fixture of a simulated test runs inside its simulation
# and would compare two states of that. These are the outermost, so they look from outside.


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    item.stash[_as_found] = process_state()
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    result = yield
    if item.get_closest_marker("unclean") is None and (changes := _changes(item.stash[_as_found])):
        pytest.fail("the test left the process changed:\n  " + "\n  ".join(changes), pytrace=False)
    return result


def _changes(before: dict[str, object]) -> list[str]:
    """Return how the process differs from *before*, once that is certain."""
    found = _differences(before, process_state())
    if found:
        # Not what the test left is meant but what stays: garbage and dying threads do not.
        gc.collect()
        until = time.monotonic() + SETTLING
        while (found := _differences(before, process_state())) and time.monotonic() < until:
            time.sleep(0.01)
    return found


def _differences(before: dict[str, object], after: dict[str, object]) -> list[str]:
    missing = "(nothing)"
    return [
        f"{what}: {before.get(what, missing)} -> {after.get(what, missing)}"
        for what in sorted(before.keys() | after.keys())
        if before.get(what, missing) != after.get(what, missing)
        # A thread that an earlier test left and that ended by now is no harm.
        and not (what.startswith("thread ") and what not in after)
    ]


def process_state() -> dict[str, object]:
    """Return what every test must leave as it was, by a name to report it under."""
    simclock = sys.modules.get("simclock")
    active = getattr(simclock, "active", None)
    return {
        "active simulation": active() if active else None,
        "gc enabled": gc.isenabled(),
        "gc thresholds": gc.get_threshold(),
        "recursion limit": sys.getrecursionlimit(),
        "switch interval": sys.getswitchinterval(),
        "trace function": sys.gettrace(),
        "profile function": sys.getprofile(),
        **{f"signal {getattr(n, 'name', n)}": signal.getsignal(n) for n in signal.valid_signals()},
        **{f"thread {thread.name} ({id(thread):#x})": "alive" for thread in threading.enumerate()},
        **dict(_descriptors()),
        **{f"built-in {name}": slot.value for name, slot in _SLOTS.items()},
    }


def _descriptors() -> Iterator[tuple[str, object]]:
    with contextlib.suppress(FileNotFoundError):  # not every platform has it
        for number in os.listdir("/proc/self/fd"):
            # The one that lists the directory is gone by now.
            with contextlib.suppress(FileNotFoundError):
                yield f"descriptor {number}", os.readlink(f"/proc/self/fd/{number}")


def _slots() -> Iterator[tuple[str, ctypes.c_void_p]]:
    """Yield each built-in near the boundary with the C pointer that a redirection swaps.

    Read from the interpreter's own structures instead of asked from simclock,
    so that a redirection which simclock itself forgot is found too.
    """
    pointer = ctypes.sizeof(ctypes.c_void_p)
    head = object.__basicsize__
    # Where a PyCFunctionObject and a PyMethodDescrObject keep their PyMethodDef.
    places = {
        types.BuiltinFunctionType: head,
        types.MethodDescriptorType: head + 3 * pointer,
        types.ClassMethodDescriptorType: head + 3 * pointer,
    }
    for owner in _owners():
        for name, value in vars(owner).items():
            if type(value) in places:
                definition = ctypes.c_void_p.from_address(id(value) + places[type(value)]).value
                assert definition is not None
                # ml_meth follows ml_name.
                label = f"{getattr(owner, '__module__', '')}.{owner.__name__}.{name}".lstrip(".")
                yield label, ctypes.c_void_p.from_address(definition + pointer)


def _owners() -> Iterator[Any]:
    """Yield the modules and types whose built-ins simclock may redirect."""
    for name in (
        "time",
        "_thread",
        "_queue",
        "_random",
        "_signal",
        "_socket",
        "_ssl",
        "select",
        "_multiprocessing",
        "fcntl",
    ):
        with contextlib.suppress(ImportError):
            module = importlib.import_module(name)
            yield module
            yield from (value for value in vars(module).values() if isinstance(value, type))
    yield importlib.import_module(os.name)  # posix, where os has its functions from
    yield from (dt.date, dt.datetime)
    yield type(threading.Lock())
    yield type(threading.RLock())
    if hasattr(select, "poll"):
        yield type(select.poll())


_SLOTS = dict(_slots())


# ------------------------------------------------------------------ what several folders share

START_NS = 1000 * 10**9  # where a simulation's monotonic clock begins


class Log(list):
    """What happened when: `log(what)` appends ``(virtual seconds since the start, what)``."""

    def __call__(self, what):
        self.append(((time.monotonic_ns() - START_NS) / 1e9, what))


@pytest.fixture
def new_log():
    """Return the class of logs, for whoever needs several."""
    return Log


@pytest.fixture
def log():
    return Log()


@pytest.fixture(params=["SimEventLoop", "the stock loop"])
def each_loop(request, monkeypatch):
    """Let a test run twice: on what asyncio gives in a simulation, and on its stock loop there."""
    if request.param == "the stock loop":
        monkeypatch.setattr(
            "simclock.flavours.aio.simulated.new_event_loop", asyncio.SelectorEventLoop
        )


@pytest.fixture
def outcome():
    """Return a function that calls another and says what came of it, errors included."""

    def call(function, *args, **kwargs):
        try:
            return ("returned", function(*args, **kwargs))
        except Exception as error:
            return (type(error), str(error))

    return call


@pytest.fixture
def modules_of(monkeypatch):
    """Return a function that imports modules of a package which stands in the checkout only."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1]))

    def load(package, *names):
        found = {name: importlib.import_module(f"{package}.{name}") for name in names}
        return types.SimpleNamespace(**found)

    return load


@pytest.fixture
def frozen_heap() -> Generator[None, None, None]:
    """Let collections look at what the test makes, not at a session's million objects.

    For tests that collect hundreds of times outside of simulations. Opening one counts what is
    frozen, so that it is not for those that open thousands.
    """
    gc.freeze()
    yield
    gc.unfreeze()


CHILD_LIMIT = 60.0  # real seconds after which a child process is taken for hung


@pytest.fixture
def child():
    """Run a program in a process of its own; return its standard output, line by line."""

    def run(program: str, *flags: str, returncode: int = 0, **environment: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, *flags, "-c", textwrap.dedent(program)],
            capture_output=True,
            text=True,
            timeout=CHILD_LIMIT,
            env={**os.environ, **environment},
            check=False,
        )
        assert (done.returncode, done.stderr) == (returncode, ""), done.stderr
        return done.stdout.splitlines()

    return run


class Choosing:
    """A source of choices, for `Simulation(choices=)`: *choose* is asked at each point."""

    interested = True
    chaos = False

    def __init__(self, choose: Any, latency_ns: int = 0) -> None:
        self.choose = choose
        self.latency_ns = latency_ns


@pytest.fixture
def choosing() -> type[Choosing]:
    """Make sources of choices of functions."""
    return Choosing
