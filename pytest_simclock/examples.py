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

import pytest

from pytest_simclock.options import STRICT, draws_schedules, replayed, search_options
from pytest_simclock.reporting import our_folders

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

    from pytest_simclock.testrun import TestRun
    from simclock import Simulation


@contextlib.contextmanager
def apart(item: pytest.Item, run: TestRun) -> Generator[None, None, None]:
    """For a block, separate the engine from the examples, if *item* is a test with ``@given``."""
    test: Any = getattr(item, "obj", None)
    if not has_examples(item):
        yield
        return
    handle = test.hypothesis
    _explain_without_ours()
    item.obj = _engine(test, handle, run)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        item.obj = test  # type: ignore[attr-defined]
    _check_replayed(item, run)


def has_examples(item: pytest.Item) -> bool:
    """Return whether *item* is a test with ``@given``."""
    handle = getattr(getattr(item, "obj", None), "hypothesis", None)
    return getattr(handle, "inner_test", None) is not None


def simulation(
    item: pytest.Item, options: dict[str, Any], run: TestRun
) -> tuple[AbstractContextManager[Simulation], Callable[[], str | None]]:
    """Return a block in a simulation for one example of *item*, to be entered in that example.

    Under a schedule that is drawn, if *item* asks for it; but not for an explicit example, which
    has the one that is to be replayed, or else the canonical one. And what tells the token of the
    schedule, if it has another one than the canonical.
    """
    from simclock import Simulation

    if not draws_schedules(item):
        return Simulation(**options), _no_token
    from simclock import hypothesis

    chosen = search_options(item)
    settings = {name: chosen[name] for name in ("fidelity", "latency") if name in chosen}
    drawn = hypothesis.drawn(**settings)
    if drawn is not None:
        block, schedule = drawn.recording(**options)
        return block, lambda: schedule().token
    given = replayed(item.config)
    if given is None:
        return Simulation(**options), _no_token
    run.has_replayed = True
    strict = item.config.getoption("simclock_replay_mode") == STRICT
    return hypothesis.following(given, strict=strict, **options), lambda: given.token


def _no_token() -> None:
    pass


def is_failure(error: BaseException) -> bool:
    """Return whether an example that raises *error* has failed, and has not been given up."""
    from hypothesis.errors import HypothesisException, StopTest

    return not isinstance(error, (HypothesisException, StopTest))


def check_not_drawn(item: pytest.Item) -> None:
    """Fail a test that asks for schedules, and whose examples share a simulation."""
    if draws_schedules(item):
        pytest.fail(
            "the examples share the event loop of an async fixture, and so one simulation, which"
            " has one schedule\nmake in the test what the fixture makes, or leave out schedules",
            pytrace=False,
        )


def _check_replayed(item: pytest.Item, run: TestRun) -> None:
    """Fail a test that has passed without the schedule that was to be replayed."""
    if draws_schedules(item) and replayed(item.config) is not None and not run.has_replayed:
        pytest.fail(
            "the schedule that is to be replayed is for an explicit example, and there was none\n"
            "add @example with the data of the failure",
            pytrace=False,
        )


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
