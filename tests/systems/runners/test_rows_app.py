"""One test for each oddity of the original's application: each fails on how that behaves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from simclock.systems.runners.app import Pynenc
from simclock.systems.runners.config import Config

# What the original does, and what is done instead. Others have theirs beside other parts.
ROWS = {
    "p8": "development mode runs a task when its result is read, a failed one each time: once, at the call",
    "env": "the text False of a variable is true: it is false",
}

pytestmark = pytest.mark.simclock
app = Pynenc({"dev_mode_force_sync_tasks": True})
calls = []


def test_every_row_has_a_test():
    names = re.findall(r"def test_(p\d+|env)_", Path(__file__).read_text(), re.MULTILINE)

    assert list(dict.fromkeys(names)) == list(ROWS)


@app.task(retry_for=(OSError,), max_retries=3)
def fails_always():
    calls.append("ran")
    raise OSError("of the task")


@app.task
def succeeds():
    calls.append("ran")
    return len(calls)


def test_p8_development_mode_runs_a_task_when_it_is_called():
    calls.clear()
    invocation = succeeds()
    calls.append("called")
    results = [invocation.result, invocation.result]

    assert calls == ["ran", "called"]
    assert results == [1, 1]


def test_p8_a_failure_is_kept_like_a_result():
    calls.clear()
    invocation = fails_always()
    errors = []
    for _ in range(2):
        with pytest.raises(OSError, match="of the task") as caught:
            _ = invocation.result
        errors.append(caught.value)

    assert len(calls) == 4  # and not 5: once, and 3 retries
    assert errors[0] is errors[1]


@pytest.mark.parametrize(("text", "value"), [("False", False), ("True", True)])
def test_env_the_text_false_is_false(monkeypatch, tmp_path, text, value):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYNENC__DEV_MODE_FORCE_SYNC_TASKS", text)

    assert Config.read().dev_mode_force_sync_tasks is value
