"""The defaults, bounds and names that the pages have are those of the code."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path

import pytest

import simclock
from pytest_simclock.options import SUITE_MAX_STEPS
from simclock import faults, hookspecs, hypothesis, predicates
from simclock._core.recording import FAIR_AFTER
from simclock._core.trace import Trace
from simclock._explore import corpus, shrinking
from simclock._faults.control import Faults
from simclock.systems import eventflow, runners, services, taskqueue

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "how-to"
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
        ("inject-faults", "`enabled=0.25`, and then", parameters_of(faults.buggify)["enabled"]),
        ("inject-faults", "fires with one of `p=0.25`", parameters_of(faults.buggify)["p"]),
        ("inject-faults", "goes wrong with a probability of `p=0.1`", parameters_of(Faults.at)["p"]),
        ("inject-faults", "After 10,000 choice points", FAIR_AFTER),
        ("write-a-strategy", "After 10,000 choice points", FAIR_AFTER),
        ("search-schedules", "After 10,000 choice points", FAIR_AFTER),
        ("search-schedules", "for up to 0.1 virtual seconds", parameters_of(simclock.explore)["latency"]),
        ("search-schedules", "how many runs that may take (1000)", shrinking.RUNS),
        ("search-schedules", "after 30 seconds it ends anyway", shrinking.SECONDS),
        ("property-test-schedules", "reaches 16 threads", hypothesis.THREADS),
        ("property-test-schedules", "1024 choice points of each", hypothesis.POINTS),
        ("property-test-schedules", "up to 64 deviations", hypothesis.MOST_DEVIATIONS),
        ("read-a-timeline", "keeps its last 100,000 records", Trace.KEPT),
        ("run-an-existing-suite", "limit of 1,000,000 steps", SUITE_MAX_STEPS),
    ],
)  # fmt: skip
def test_what_a_page_says_by_the_way_is_the_default(page, words, value):
    text = " ".join((PAGES / f"{page}.md").read_text("utf-8").split())

    assert words in text
    numbers = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", words.replace(",", ""))]
    # A tenth of a second, in words.
    assert value in numbers or (not numbers and value == 0.1)


@pytest.mark.parametrize(
    ("page", "words", "value"),
    [
        ("inject-faults", "`every=(0.1, 1.0)`", parameters_of(Faults.phase)["every"]),
        ("inject-faults", "`lasting=(0.1, 5.0)`", parameters_of(Faults.phase)["lasting"]),
        ("search-for-long", "Of one test five are kept", corpus.MOST),
        ("state-what-must-hold", "A search keeps a thousand messages", predicates.MOST),
    ],
)
def test_numbers_in_words(page, words, value):
    text = " ".join((PAGES / f"{page}.md").read_text("utf-8").split())
    numbers = {"five": 5, "a thousand": 1000, "(0.1, 1.0)": (0.1, 1.0), "(0.1, 5.0)": (0.1, 5.0)}

    assert words in text
    assert [number for shown, number in numbers.items() if shown in words] == [value]


def first_column(page, heading):
    text = (PAGES / f"{page}.md").read_text("utf-8")
    table = text.partition(f"\n{heading}\n|")[2].partition("\n\n")[0]
    return re.findall(r"^\| `(\w+)`", table, re.MULTILINE)


def test_each_hook_is_in_the_table_of_plugins():
    hooks = {name for name in vars(hookspecs) if name.startswith("simclock_")}
    text = (PAGES / "write-a-plugin.md").read_text("utf-8")

    assert set(first_column("write-a-plugin", "| hook | adds | asked |")) == hooks
    assert len(hooks) == 10
    assert "There are ten hooks" in text


def test_each_strategy_is_in_the_table_of_strategies():
    with pytest.raises(ValueError, match="unknown strategy") as caught:
        simclock.explore(lambda: None, strategy="what there is")

    known = str(caught.value).partition("choose one of ")[2].split(", ")
    # Those of other tests of this process are no built-in ones.
    assert set(first_column("search-schedules", "| name | when |")) <= set(known)
    files = {path.stem for path in (ROOT / "src" / "simclock" / "_strategies").glob("[!_]*.py")}
    assert {*known} & {*files, "canonical"} <= {
        *first_column("search-schedules", "| name | when |")
    }
