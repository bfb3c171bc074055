"""Coroutine tests and async fixtures that no other plugin takes: run by ours, with asyncio.

What a test and its fixtures await runs in one task of one loop, so a task
group, a timeout or a context variable of a fixture holds for its test.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.fixtures import resolve_fixture_function
from _pytest.unittest import TestCaseFunction

from pytest_simclock.closure import used_fixtures
from pytest_simclock.collecting import Kind, kind_of
from pytest_simclock.neighbours import (
    is_coroutine_test,
    is_on_loop_of_fixtures,
    keeps_loop,
    runner_of,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

_loop_of = pytest.StashKey["Loop"]()
_NOTHING = object()


def is_ours(item: pytest.Item) -> bool:
    """Return whether *item* is a simulated coroutine test that no other plugin runs."""
    return (
        isinstance(item, pytest.Function)
        and not isinstance(item, TestCaseFunction)
        and kind_of(item) is not Kind.REAL
        and is_coroutine_test(item)
        and runner_of(item) is None
    )


class Loop:
    """An event loop with a task that runs what it is given, one by one.

    It is opened when it is first used. Not `asyncio.Runner`, which has a task
    for each, changes the thread's current loop, and is not in Python 3.10.

    Args:
        name: That of the task.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_closing = False
        # By variable, what it was before: in the thread, and in the task.
        self._of_thread: dict[contextvars.ContextVar[Any], contextvars.Token[Any]] = {}
        self._of_task: dict[contextvars.ContextVar[Any], contextvars.Token[Any]] = {}

    def run(self, awaitable: Awaitable[Any], *, keep_context: bool = False) -> Any:
        """Await *awaitable*; return what it returns, or raise what it raises.

        With *keep_context*, the context variables that it sets stay set in
        the thread until the loop is closed.
        """
        __tracebackhide__ = True
        loop = self._opened()
        if loop.is_running():
            getattr(awaitable, "close", bool)()
            raise RuntimeError(
                "an async fixture cannot be set up while a coroutine runs on its loop\n"
                "name it as an argument, not by getfixturevalue"
            )
        done: asyncio.Future[tuple[Any, BaseException | None, contextvars.Context]]
        done = loop.create_future()
        self._given.put_nowait((awaitable, contextvars.copy_context(), done))
        try:
            result, error, context = loop.run_until_complete(done)
        except BaseException:
            if not done.done():
                self._cut_off(done)
            raise
        if keep_context:
            _take_over(context, self._of_thread)
        if error is not None:
            raise error
        return result

    def _opened(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._given: asyncio.Queue[Any] = asyncio.Queue()
            self._start(self._loop)
        return self._loop

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._task = loop.create_task(self._serve())
        self._task.set_name(self._name)

    async def _serve(self) -> None:
        while not self._is_closing and self._task is asyncio.current_task():
            try:
                given = await self._given.get()
            except asyncio.CancelledError:
                # For what was awaited last, and came too late.
                self._forget_cancellation()
                continue
            await self._serve_one(*given)

    async def _serve_one(
        self, awaitable: Awaitable[Any], context: contextvars.Context, done: asyncio.Future[Any]
    ) -> None:
        _take_over(context, self._of_task)
        result = error = None
        try:
            result = await awaitable
        except BaseException as found:  # noqa: BLE001 - raised where it is asked for
            self._forget_cancellation()
            error = found
        if not done.done():
            done.set_result((result, error, contextvars.copy_context()))

    def _forget_cancellation(self) -> None:
        task: Any = self._task
        # Python 3.10 keeps no account of it.
        while getattr(task, "cancelling", int)():
            task.uncancel()

    def _cut_off(self, done: asyncio.Future[Any]) -> None:
        """End what the loop was left in the middle of: the kernel, or a signal, has raised."""
        assert self._loop is not None
        assert self._task is not None
        self._task.cancel()
        try:
            self._loop.run_until_complete(done)
        except BaseException:  # noqa: BLE001 - the first one is raised
            done.cancel()
            # That one may never come back.
            self._start(self._loop)

    def close(self) -> None:
        """End what runs still, and close the loop, as `asyncio.run` does."""
        loop, self._loop = self._loop, None
        if loop is None:
            return
        runners: Any = asyncio.runners
        self._is_closing = True
        try:
            runners._cancel_all_tasks(loop)
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            loop.close()
            _take_over(contextvars.Context(), self._of_thread)


def _take_over(
    context: contextvars.Context,
    taken: dict[contextvars.ContextVar[Any], contextvars.Token[Any]],
) -> None:
    """Set each variable that is other in *context*; put back those *taken* that are gone there."""
    for variable in [each for each in taken if each not in context]:
        variable.reset(taken.pop(variable))
    for variable, value in context.items():
        if variable.get(_NOTHING) is not value:
            taken.setdefault(variable, variable.set(value))


def in_loop_of_its_own(function: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
    """Return a function that runs *function*, a coroutine one, in a new loop each time."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        loop = Loop(function.__name__)
        try:
            return loop.run(function(*args, **kwargs))
        finally:
            loop.close()

    return run


class Coroutines:
    """The hooks that run what no other plugin does."""

    def __init__(self) -> None:
        # That of the wide fixtures of a whole suite, and of the tests that use these.
        self._shared: Loop | None = None
        self._leases = 0

    # ---------------------------------------------------------------------- loops

    def loop_of(self, item: pytest.Item) -> Loop:
        """Return the loop that *item* and its fixtures of function scope run on."""
        if self._uses_wide(item):
            return self._shared_loop()
        found = item.stash.get(_loop_of, None)
        if found is None:
            found = item.stash[_loop_of] = Loop(item.name)
        return found

    @staticmethod
    def _uses_wide(item: pytest.Item) -> bool:
        return any(keeps_loop(found) for found in used_fixtures(item))

    def _shared_loop(self) -> Loop:
        if self._shared is None:
            self._shared = Loop("the whole suite")
        return self._shared

    def begin(self, item: pytest.Item) -> None:
        """See to it that the loop of *item* is closed after its fixtures are torn down."""
        # Now, before they are set up: what is added first is called last.
        if is_ours(item):
            item.addfinalizer(lambda: self._close(item))

    @staticmethod
    def _close(item: pytest.Item) -> None:
        __tracebackhide__ = True
        loop = item.stash.get(_loop_of, None)
        if loop is not None:
            del item.stash[_loop_of]
            loop.close()

    def _release(self) -> None:
        self._leases -= 1
        if not self._leases and self._shared is not None:
            loop, self._shared = self._shared, None
            loop.close()

    # ---------------------------------------------------------------------- hooks

    # The innermost: what other plugins make of an async fixture is done when it is called.
    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_fixture_setup(
        self, fixturedef: Any, request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        """Let pytest set up an async fixture as if it were an ordinary one."""
        item: Any = getattr(request, "_pyfuncitem", None)
        function = fixturedef.func
        is_coroutine = inspect.iscoroutinefunction(function)
        if not (is_coroutine or inspect.isasyncgenfunction(function)) or not is_ours(item):
            return (yield)
        if fixturedef.scope == "function":
            loop = self.loop_of(item)
        else:
            loop = self._shared_loop()
            self._leases += 1
            fixturedef.addfinalizer(self._release)
        make = _coroutine_fixture if is_coroutine else _generator_fixture
        fixturedef.func = make(resolve_fixture_function(fixturedef, request), loop)
        try:
            return (yield)
        finally:
            fixturedef.func = function

    @pytest.hookimpl
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> object | None:
        """Run a coroutine test that nobody else runs."""
        __tracebackhide__ = True
        if not is_ours(pyfuncitem) or hasattr(pyfuncitem.obj, "hypothesis"):
            return None
        taken = self._offered_to_others(pyfuncitem)
        if taken is None:
            names = pyfuncitem._fixtureinfo.argnames
            arguments = {name: pyfuncitem.funcargs[name] for name in names}
            self.loop_of(pyfuncitem).run(pyfuncitem.obj(**arguments))
            taken = True
        return taken

    def _offered_to_others(self, item: pytest.Function) -> object | None:
        """Ask those that pytest would ask after us: we are registered last, so it asks us first."""
        for other in reversed(item.ihook.pytest_pyfunc_call.get_hookimpls()):
            if other.wrapper or other.hookwrapper or other.tryfirst or other.trylast:
                continue
            if other.plugin is not self:
                taken: object | None = other.function(*(item for _ in other.argnames))
                if taken is not None:
                    return taken
        return None

    # ------------------------------------------------------------------ for examples

    def synchronous(self, item: pytest.Item, inner: Any) -> tuple[Any, bool] | None:
        """Return how to run an example of *item*, and whether it can be in a simulation of its own.

        *inner* is what Hypothesis would call: a function of whichever plugin
        runs *item*, or a coroutine function that nobody has taken. None if
        nobody takes it.
        """
        on_loop_of_fixtures = is_on_loop_of_fixtures(item)
        if inspect.iscoroutinefunction(inner):
            if not is_ours(item):
                return None
            if on_loop_of_fixtures:
                return self._on_loop_of(item, inner), False
            return in_loop_of_its_own(inner), True
        plain = getattr(inner, "__wrapped__", None)
        if (
            runner_of(item) == "asyncio"
            and inspect.iscoroutinefunction(plain)
            and not on_loop_of_fixtures
        ):
            # pytest-asyncio has one loop for all examples.
            return in_loop_of_its_own(plain), True
        return inner, not on_loop_of_fixtures

    def _on_loop_of(self, item: pytest.Item, function: Any) -> Any:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            return self.loop_of(item).run(function(*args, **kwargs))

        return run


def _coroutine_fixture(function: Any, loop: Loop) -> Any:
    @functools.wraps(function)
    def fixture(**kwargs: Any) -> Any:
        __tracebackhide__ = True
        return loop.run(function(**kwargs), keep_context=True)

    return fixture


def _generator_fixture(function: Any, loop: Loop) -> Any:
    @functools.wraps(function)
    def fixture(**kwargs: Any) -> Any:
        __tracebackhide__ = True
        generator = function(**kwargs)
        yield loop.run(generator.__anext__(), keep_context=True)
        try:
            loop.run(generator.__anext__(), keep_context=True)
        except StopAsyncIteration:
            return
        loop.run(generator.aclose())
        pytest.fail(f"the fixture {function.__name__!r} has more than one 'yield'", pytrace=False)

    return fixture
