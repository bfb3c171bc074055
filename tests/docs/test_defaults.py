"""The defaults that the pages of the systems have in tables are those of the code."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path

import pytest

from simclock.systems import eventflow, runners, services, taskqueue

PAGES = Path(__file__).parents[2] / "docs" / "how-to"
# What a page has in words.
WORDS = {
    "none": None,
    "None": None,
    "needed to start": None,
    "as many as there are CPUs": 0,
    "CPUs": 0,
}


def rows(page, heading):
    """Yield names and defaults of the table that begins with that line."""
    text = (PAGES / f"{page}.md").read_text("utf-8")
    table = text.partition(f"\n{heading}\n|")[2].partition("\n\n")[0]
    for line in table.splitlines()[1:]:
        names, defaults = line.split(" | ")[:2]
        names = re.findall(r"`(\w+)`", names)
        # A comma may be part of a number, or of a tuple.
        parts = re.split(r", ", re.sub(r"\(`?.*`?,\)", "a tuple", defaults))
        yield from zip(names, parts, strict=True)


def value_of(text):
    text = text.strip("`")
    if text in WORDS:
        return WORDS[text]
    number = text.replace(",", "")
    return float(number) if re.fullmatch(r"[\d.]+", number) else text


def settings_of(*kinds):
    """Return the defaults of dataclasses, also of those in their fields."""
    found = {}
    for kind in kinds:
        made = kind() if isinstance(kind, type) else kind
        for field in dataclasses.fields(made):
            value = getattr(made, field.name)
            if dataclasses.is_dataclass(value):
                found |= settings_of(value)
            else:
                found.setdefault(field.name, value)
    return found


def parameters_of(function):
    """Return the defaults of a function's parameters; None for those that have none."""
    found = inspect.signature(function).parameters.values()
    return {each.name: None if each.default is each.empty else each.default for each in found}


def shown(value):
    if isinstance(value, bool):
        return str(value)
    return getattr(value, "name", value)


@pytest.mark.parametrize(
    ("page", "heading", "settings", "but"),
    [
        (
            "run-task-runners",
            "| option | default | |",
            settings_of(runners.TaskOptions),
            # In words.
            {"retry_for", "key_arguments", "triggers"},
        ),
        ("run-task-runners", "| | default | |", settings_of(runners.Config), set()),
        (
            "process-events",
            "| `processor_config` | default | |",
            parameters_of(eventflow.Processor.__init__),
            set(),
        ),
    ],
)
def test_a_table_has_the_defaults_of_the_code(page, heading, settings, but):
    found = {name: value_of(text) for name, text in rows(page, heading) if name not in but}

    assert len(found) > 5
    assert found == {name: shown(settings[name]) for name in found}


@pytest.mark.parametrize(
    ("page", "words", "value"),
    [
        ("run-tasks", "`max_retries=3` and", taskqueue.ExecutorConfig().max_retries),
        ("run-tasks", "`retry_delay=1.0` are what a task", taskqueue.ExecutorConfig().retry_delay),
        ("run-tasks", "after `max_losses=3` the task", taskqueue.ExecutorConfig().max_losses),
        ("run-tasks", "`poll_interval` (0.1 s)", taskqueue.BrokerConfig("memory://").poll_interval),
        ("run-tasks", "`stop(wait=True, timeout=30.0)`", parameters_of(taskqueue.IOExecutor.stop)["timeout"]),
        ("run-services", "`ServiceRunner(grace=10.0)`", parameters_of(services.ServiceRunner)["grace"]),
        ("run-task-runners", "`max_concurrent`, 100", runners.Config().async_runner.max_concurrent),
        ("run-task-runners", "`stop_grace` (5 s)", runners.Config().runner.stop_grace),
        ("run-task-runners", "(`cached_status_time`)", runners.Config().cached_status_time),
    ],
)  # fmt: skip
def test_what_a_page_says_by_the_way_is_the_default(page, words, value):
    text = " ".join((PAGES / f"{page}.md").read_text("utf-8").split())

    assert words in text
    numbers = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", words)]
    # A tenth of a second, in words.
    assert value in numbers or (not numbers and value == 0.1)
