"""Hypothesis: its engine in real time, each of its examples in simulated time.

The engine times itself and judges an example that takes long; virtual seconds
would mislead it.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from typing import TYPE_CHECKING, Any

from pytest_simclock.reporting import our_folders

if TYPE_CHECKING:
    from collections.abc import Generator

    import pytest

    from pytest_simclock.testrun import TestRun


@contextlib.contextmanager
def apart(item: pytest.Item, run: TestRun) -> Generator[None, None, None]:
    """For a block, separate the engine from the examples, if *item* is a test with ``@given``."""
    test: Any = getattr(item, "obj", None)
    handle = getattr(test, "hypothesis", None)
    inner = getattr(handle, "inner_test", None)
    if handle is None or inner is None or inspect.iscoroutinefunction(inner):
        yield
        return
    _explain_without_ours()
    handle.inner_test = _example(inner, run)
    item.obj = _engine(test, run)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        handle.inner_test = inner
        item.obj = test  # type: ignore[attr-defined]


def _explain_without_ours() -> None:
    """Keep our lines out of what Hypothesis says that only failing examples run."""
    scrutineer: Any = sys.modules.get("hypothesis.internal.scrutineer")
    known = getattr(scrutineer, "UNHELPFUL_LOCATIONS", None)
    if isinstance(known, tuple):
        ours = (f"{folder}/**" for folder in our_folders())
        scrutineer.UNHELPFUL_LOCATIONS = tuple(dict.fromkeys([*known, *ours]))


def _engine(test: Any, run: TestRun) -> Any:
    @functools.wraps(test)
    def engine(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        with run.worlds.inside(None):
            return test(*args, **kwargs)

    return engine


def _example(inner: Any, run: TestRun) -> Any:
    @functools.wraps(inner)
    def example(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        of_test = run.simulation
        with run.example() as simulation:
            # The fixture `sim` was set up once; each example gets its own.
            kwargs = {
                name: simulation if value is of_test else value for name, value in kwargs.items()
            }
            return inner(*args, **kwargs)

    return example
