"""Hypothesis: its engine in real time, each of its examples in simulated time.

The engine times itself and judges an example that takes long; virtual seconds
would mislead it.
"""

from __future__ import annotations

import contextlib
import functools
import random
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
    if getattr(handle, "inner_test", None) is None:
        yield
        return
    _explain_without_ours()
    item.obj = _engine(test, handle, run)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        item.obj = test  # type: ignore[attr-defined]


def _explain_without_ours() -> None:
    """Keep our lines out of what Hypothesis says that only failing examples run."""
    scrutineer: Any = sys.modules.get("hypothesis.internal.scrutineer")
    known = getattr(scrutineer, "UNHELPFUL_LOCATIONS", None)
    if isinstance(known, tuple):
        ours = (f"{folder}/**" for folder in our_folders())
        scrutineer.UNHELPFUL_LOCATIONS = tuple(dict.fromkeys([*known, *ours]))


def _engine(test: Any, handle: Any, run: TestRun) -> Any:
    @functools.wraps(test)
    def engine(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        # Not before: what runs coroutines puts in its own function when the test is called.
        inner = handle.inner_test
        found = run.synchronous(inner)
        if found is None:
            return test(*args, **kwargs)
        handle.inner_test = _example(inner, *found, run)
        try:
            with run.worlds.inside(None):
                return test(*args, **kwargs)
        finally:
            handle.inner_test = inner

    return engine


def _example(inner: Any, call: Any, alone: bool, run: TestRun) -> Any:
    # By *inner* Hypothesis knows the test again, and its failures.
    @functools.wraps(inner)
    def example(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        of_test = run.simulation
        seeded = random.getstate()  # by Hypothesis, the same for each example or as it was drawn
        with run.example(seeded, alone=alone) as simulation:
            # The fixture `sim` was set up once; each example gets its own.
            kwargs = {
                name: simulation if value is of_test else value for name, value in kwargs.items()
            }
            return call(*args, **kwargs)

    return example
