"""The timelines of tests: which are written, where, and what is said of them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from pytest_simclock import reporting
from pytest_simclock.folders import cached, folder_of
from pytest_simclock.options import ALL, FAILED, OFF, timelines

if TYPE_CHECKING:
    import pytest

    from pytest_simclock.testrun import TestRun
    from simclock import Simulation

FOLDER = "simclock-timelines"


def is_on(config: pytest.Config, *, is_seen: bool = True) -> bool:
    """Return whether a simulation has to note what a timeline shows.

    One that only is looked at if all are need not, unless it *is_seen*.
    """
    which = timelines(config)
    return which == ALL or (which == FAILED and is_seen)


def write(
    item: pytest.Item,
    simulation: Simulation,
    error: BaseException | None,
    *,
    again: str,
    is_failure: bool,
) -> str | None:
    """Write the timeline of *item*, if it is wanted; return what to say of it.

    Args:
        item: The test.
        simulation: The one that it was run in.
        error: What it ended with.
        again: What to type to run it again.
        is_failure: Whether it has failed.
    """
    which = timelines(item.config)
    if which == OFF or (which == FAILED and not is_failure):
        return None
    folder = folder_of(item.config, "timeline_dir") or cached(item.config, FOLDER)
    if folder is None:
        return None
    from simclock import Timeline
    from simclock.searching import file_name

    timeline = Timeline(simulation, title=item.nodeid, error=error, details={"again": again})
    path = folder / f"{file_name(item.nodeid)}.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        timeline.write(path)
    except OSError as problem:
        return f"no timeline: {problem}"
    with contextlib.suppress(ValueError):
        path = path.relative_to(item.config.invocation_params.dir)
    return f"timeline: {path}"


def lines(item: pytest.Item, report: pytest.TestReport, run: TestRun) -> list[str]:
    """Write the timeline of a test that is run once; return what to say of it in *report*.

    A test that passes has its when it is torn down.
    """
    is_over = report.when == "teardown" and run.raised is None
    if run.last is None or run.is_chosen or not (report.failed or is_over):
        return []
    again = reporting.command(item)
    said = write(item, run.last, run.raised, again=again, is_failure=report.failed)
    return [] if said is None else [said]
