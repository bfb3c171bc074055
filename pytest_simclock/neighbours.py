"""What we know of the plugins that run coroutines: what is theirs, and which event loop they use.

Each of them has names of its own for that, and other ones in other versions.
"""

from __future__ import annotations

import inspect
import re
import signal
import sys
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_simclock.closure import requested_fixtures, used_fixtures

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping

    import pytest

# Where pytest-asyncio keeps an event loop, by the names of its versions.
_LOOP = re.compile(r"_(class|module|package|session)_(event_loop|scoped_runner)|event_loop")
# A loop for all of a class, module, package: that of the versions 0.23 to 0.26.
_LOOP_OF_NODE = re.compile(r".*::<event_loop>")
# Where anyio's plugin keeps the runner that all tests use while a fixture keeps it alive.
ANYIO = "anyio.pytest_plugin"
ANYIO_KEEPS: dict[str, int | None] = {
    "_current_runner": None,
    "_runner_stack": None,
    "_runner_leases": 0,
}
TRIO = "trio._core._run"


def is_coroutine_test(item: pytest.Item) -> bool:
    """Return whether *item* is a function that nobody can run without an event loop."""
    test: Any = getattr(item, "obj", None)
    handle = getattr(test, "hypothesis", None)
    return inspect.iscoroutinefunction(getattr(handle, "inner_test", test))


def runner_of(item: pytest.Item) -> str | None:
    """Return the plugin that runs *item*, if it is a coroutine, by its name, or None."""
    has = item.config.pluginmanager.has_plugin
    if has("anyio") and "anyio_backend" in getattr(item, "fixturenames", ()):
        return "anyio"
    for name in ("asyncio", "trio"):
        if has(name) and item.get_closest_marker(name) is not None:
            return name
    return None


def is_async(function: Any) -> bool:
    """Return whether a fixture's *function* needs an event loop, also when a plugin wraps it."""
    inner = inspect.unwrap(function)
    return (
        inspect.iscoroutinefunction(inner)
        or inspect.isasyncgenfunction(inner)
        or getattr(function, "_force_asyncio_fixture", False)  # by pytest_asyncio.fixture
    )


def keeps_loop(definition: Any) -> bool:
    """Return whether a fixture keeps an event loop, or lives on one, from test to test."""
    name = definition.argname
    return definition.scope != "function" and (
        _LOOP.fullmatch(name) is not None
        or _LOOP_OF_NODE.fullmatch(name) is not None
        or is_async(definition.func)
    )


def kept_loops(item: pytest.Item) -> dict[str, Any]:
    """Return what keeps an event loop from test to test and is used by *item*.

    By what a user calls it, the definition of the fixture, or None if that is
    not known before the test. A plugin has a loop for each scope, so what an
    autouse fixture keeps is another one than the test's; we have one.
    """
    kept: dict[str, Any] = {}
    is_coroutine = is_coroutine_test(item)
    by_us = is_coroutine and runner_of(item) is None
    for found in used_fixtures(item) if by_us else requested_fixtures(item):
        # What is not a coroutine runs no loop, if it does not ask for one.
        if keeps_loop(found) and (is_coroutine or not is_async(found.func)):
            kept[f"the fixture {found.argname!r} of {found.scope} scope"] = found
    for said, scope in _scopes_of_asyncio(item) if is_coroutine else ():
        if scope != "function":
            kept[said] = _runner_fixture(item, scope)
    return kept


def _scopes_of_asyncio(item: pytest.Item) -> Iterable[tuple[str, str]]:
    """Yield the scopes of the loops of pytest-asyncio that *item* uses, each with who says so."""
    if not item.config.pluginmanager.has_plugin("asyncio"):
        return
    marker = item.get_closest_marker("asyncio")
    if marker is not None:
        for word in ("loop_scope", "scope"):
            if marker.kwargs.get(word):
                yield f"the marker asyncio({word}={marker.kwargs[word]!r})", marker.kwargs[word]
                break
        else:
            yield _default_scope(item, "asyncio_default_test_loop_scope")
    for found in requested_fixtures(item):
        if is_async(found.func) and runner_of(item) not in ("anyio", "trio"):
            scope = getattr(found.func, "_loop_scope", None)
            if scope:
                yield f"the fixture {found.argname!r} with loop_scope={scope!r}", scope
            else:
                yield _default_scope(item, "asyncio_default_fixture_loop_scope")


def _default_scope(item: pytest.Item, option: str) -> tuple[str, str]:
    try:
        scope = item.config.getini(option)
    except (KeyError, ValueError):  # older versions do not have it
        scope = None
    # "fixture-scope" and nothing mean that of the fixture, which is asked about by itself.
    known = scope in ("class", "module", "package", "session")
    return f"the option {option}={scope}", str(scope) if known else "function"


def _runner_fixture(item: pytest.Item, scope: str) -> Any:
    for found in used_fixtures(item):
        if found.scope == scope and _LOOP_OF_NODE.fullmatch(found.argname):
            return found
    for name in (f"_{scope}_scoped_runner", f"_{scope}_event_loop"):
        known = item.session._fixturemanager.getfixturedefs(name, item)
        if known:
            return known[-1]
    return None


def is_timeout(error: BaseException | None) -> bool:
    """Return whether *error* was raised by pytest-timeout, which is in the middle of anything."""
    entry = None if error is None else error.__traceback__
    name = ""
    while entry is not None:
        name = entry.tb_frame.f_globals.get("__name__", "")
        if name == "pytest_timeout":
            return True
        entry = entry.tb_next
    return False


def is_on_loop_of_fixtures(item: pytest.Item) -> bool:
    """Return whether *item* must run on the loop on which its fixtures live, or that it chose."""
    if runner_of(item) == "trio":
        return False  # its fixtures are part of each run
    callspec = getattr(item, "callspec", None)
    if kept_loops(item) or "_asyncio_loop_factory" in getattr(callspec, "params", ()):
        return True
    names = getattr(getattr(item, "_fixtureinfo", None), "argnames", ())
    return "event_loop" in names or any(
        is_async(found.func) or "event_loop" in found.argnames for found in used_fixtures(item)
    )


class Globals:
    """What other plugins and libraries keep in globals: each world has its own.

    To be used in real time, by the thread that runs the tests.
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, _Kept] = {}

    def move(self, before: Hashable, after: Hashable) -> None:
        """Put away what is of the world *before*, and put in what is of *after*."""
        if ANYIO not in sys.modules and TRIO not in sys.modules:
            return
        found = _Kept(_runner_of_anyio(), _run_of_trio())
        if found.run:
            # A run expects that no other one listens to signals.
            found = found._replace(wakeup=signal.set_wakeup_fd(-1))
        if found.runner or found.run:
            self._kept[before] = found
        put = self._kept.pop(after, _Kept())
        _put(put)
        if put.wakeup != -1:
            signal.set_wakeup_fd(put.wakeup, warn_on_full_buffer=False)

    def forget(self, world: Hashable) -> None:
        """Forget what is of *world*, which is no more."""
        self._kept.pop(world, None)

    @staticmethod
    def mend() -> None:
        """Take away what a test has left that was cut off in the middle of its clean-up."""
        if not _runner_of_anyio().get("_runner_leases"):
            _put(_Kept())


class _Kept(NamedTuple):
    """Of one world: anyio's runner, trio's run in this thread, and where that hears of signals."""

    runner: Mapping[str, Any] = MappingProxyType({})
    run: Mapping[str, Any] = MappingProxyType({})
    wakeup: int = -1


def _runner_of_anyio() -> dict[str, Any]:
    module = sys.modules.get(ANYIO)
    found = {name: getattr(module, name) for name in ANYIO_KEEPS if hasattr(module, name)}
    return found if any(found.values()) else {}


def _run_of_trio() -> dict[str, Any]:
    # A run in guest mode is one of its thread between its turns, too.
    context = getattr(sys.modules.get(TRIO), "GLOBAL_RUN_CONTEXT", None)
    return {} if context is None else dict(vars(context))


def _put(kept: _Kept) -> None:
    module = sys.modules.get(ANYIO)
    for name, nothing in ANYIO_KEEPS.items():
        if hasattr(module, name):
            setattr(module, name, kept.runner.get(name, nothing))
    context = getattr(sys.modules.get(TRIO), "GLOBAL_RUN_CONTEXT", None)
    if context is not None:
        vars(context).clear()
        vars(context).update(kept.run)
