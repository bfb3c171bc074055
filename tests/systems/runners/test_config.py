"""Settings: who says them, who wins, and what they may be."""

from __future__ import annotations

import dataclasses
import json
import sys
import textwrap

import pytest

from simclock.systems.runners.app import Pynenc
from simclock.systems.runners.config import GENERAL, SECTIONS, Config
from simclock.systems.runners.failures import ConfigError, InvalidTaskOptionsError
from simclock.systems.runners.options import ConcurrencyControlType

pytestmark = pytest.mark.simclock
app = Pynenc()
NEEDS_TOML = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="3.10 reads TOML by tomli, which need not be there"
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder, name, data):
    path = folder / name
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


def test_defaults():
    config = Config.read()

    assert config == Config()
    assert (config.app_id, config.storage_url, config.runner_cls) == (
        "pynenc",
        "memory://",
        "DummyRunner",
    )
    assert (config.thread_runner.min_threads, config.thread_runner.max_threads) == (1, 0)
    assert config.multi_thread_runner.idle_timeout_process_sec == 4.0


def test_each_source_wins_over_the_next_one(folder, monkeypatch):
    """Each time the most important one is taken away."""
    named = write(folder, "named.json", {"stop_grace": 4})
    given = write(folder, "given.json", {"stop_grace": 5})
    write(folder, "of_runners.json", {"stop_grace": 3})
    project = write(folder, "pyproject.toml", "[tool.pynenc]\nstop_grace = 6\n")
    variables = {
        "PYNENC__RUNNER__STOP_GRACE": "1",
        "PYNENC__STOP_GRACE": "2",
        "PYNENC__RUNNER__FILEPATH": "of_runners.json",
        "PYNENC__FILEPATH": str(named),
    }
    for name, text in variables.items():
        monkeypatch.setenv(name, text)

    def read(file=given):
        return Config.read({"stop_grace": 7}, file).runner.stop_grace

    graces = [read()]
    for name in variables:
        monkeypatch.delenv(name)
        graces.append(read())
    graces.append(read(file=None))
    project.unlink()
    graces.append(read(file=None))

    assert graces == [1, 2, 3, 4, 5, 6, 7]


test_each_source_wins_over_the_next_one = NEEDS_TOML(test_each_source_wins_over_the_next_one)


def test_a_section_says_more_than_what_is_said_of_all():
    config = Config.read({"stop_grace": 2.0, "runner": {"stop_grace": 1.0}, "app_id": "shop"})

    assert config.runner.stop_grace == 1.0
    assert config.app_id == "shop"


def test_a_kind_of_runners_has_what_is_said_of_all_runners():
    config = Config.read(
        {"runner": {"stop_grace": 2, "min_parallel_slots": 3}, "thread_runner": {"stop_grace": 1}}
    )

    assert config.thread_runner.stop_grace == 1
    assert config.thread_runner.min_parallel_slots == 3
    assert config.async_runner.stop_grace == 2


@pytest.mark.parametrize("section", ["THREADRUNNER", "CONFIGTHREADRUNNER", "THREAD_RUNNER"])
def test_a_section_may_be_named_as_its_class(monkeypatch, section):
    monkeypatch.setenv(f"PYNENC__{section}__MAX_THREADS", "3")

    assert Config.read().thread_runner.max_threads == 3


@pytest.mark.parametrize(
    ("text", "value"),
    [("False", False), ("false", False), ("0", False), ("no", False), ("True", True), ("on", True)],
)
def test_the_text_false_is_false(monkeypatch, text, value):
    monkeypatch.setenv("PYNENC__DEV_MODE_FORCE_SYNC_TASKS", text)

    assert Config.read().dev_mode_force_sync_tasks is value


def test_texts_become_what_the_setting_is(monkeypatch):
    monkeypatch.setenv("PYNENC__TRIGGER_TASK_MODULES", "shop.orders, shop.bills")
    monkeypatch.setenv("PYNENC__ORCHESTRATOR__HEARTBEAT_INTERVAL", "0.5")

    config = Config.read({"max_threads": "7"})

    assert config.trigger_task_modules == ("shop.orders", "shop.bills")
    assert config.orchestrator.heartbeat_interval == 0.5
    assert config.thread_runner.max_threads == 7


def test_an_empty_variable_says_nothing(monkeypatch):
    monkeypatch.setenv("PYNENC__APP_ID", " ")

    assert Config.read({"app_id": "shop"}).app_id == "shop"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"stop_grace": "soon"}, "config_values, stop_grace has no meaning: 'soon'\ngive a number"),
        ({"stop_grace": -1}, "stop_grace has no meaning: -1.0\ngive a number from 0"),
        ({"stop_grace": True}, "stop_grace has no meaning: True"),
        ({"heartbeat_interval": 0}, "heartbeat_interval has no meaning: 0.0\ngive a number above 0"),
        ({"heartbeat_interval": float("nan")}, "heartbeat_interval has no meaning: nan"),
        ({"heartbeat_interval": 60}, "runner_considered_dead_after is too short: 60.0\ngive more than"),
        ({"lease_duration": 1.9}, "lease_duration is too short: 1.9\ngive at least twice check_interval"),
        ({"max_threads": 1.5}, "max_threads has no meaning: 1.5\ngive a whole number"),
        ({"min_threads": 0}, "min_threads has no meaning: 0\ngive a whole number from 1 on"),
        ({"dev_mode_force_sync_tasks": "perhaps"}, "'perhaps'\ngive true, 1, yes or on; or false"),
        ({"dev_mode_force_sync_tasks": 1}, "dev_mode_force_sync_tasks has no meaning: 1"),
        ({"app_id": ""}, "app_id has no meaning: ''\ngive some text"),
        ({"app_id": 7}, "app_id has no meaning: 7\ngive some text"),
        ({"logging_level": "loud"}, "'loud'\ngive one of debug, info"),
        ({"trigger_task_modules": 3}, "trigger_task_modules has no meaning: 3\ngive texts"),
        ({"trigger_task_modules": [3]}, "trigger_task_modules has no meaning: [3]\ngive texts"),
        ({"stop_graze": 1}, "config_values: there are no such settings: stop_graze\nthere are: app_id"),
        ({"runner": {"stop_graze": 1}}, "there are no such settings of runner: stop_graze"),
        ({"jumper": {"stop_grace": 1}}, "there are no such settings: jumper"),
    ],
)  # fmt: skip
def test_what_has_no_meaning_is_refused(values, said):
    with pytest.raises(ConfigError) as caught:
        Config.read(values)

    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("PYNENC__STOP_GRAZE", "the environment: there are no such settings: stop_graze"),
        ("PYNENC__JUMPER__STOP_GRACE", "there is no such section: PYNENC__JUMPER__STOP_GRACE"),
        ("PYNENC__STOP_GRACE", "PYNENC__STOP_GRACE, stop_grace has no meaning: 'x'\ngive a number"),
    ],
)
def test_a_variable_that_has_no_meaning_is_named(monkeypatch, name, said):
    monkeypatch.setenv(name, "x")

    with pytest.raises(ConfigError) as caught:
        Config.read()

    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("c.yaml", "", "unknown kind of configuration: c.yaml\ngive a file .toml or .json"),
        ("c.json", "{", "c.json is no json: "),
        ("c.json", "[]", "c.json has no table: []"),
        ("missing.json", None, "missing.json cannot be read: "),
    ],
)
def test_a_file_that_cannot_be_read_is_named(folder, name, text, said):
    if text is not None:
        write(folder, name, text)

    with pytest.raises(ConfigError) as caught:
        Config.read(file=name)

    assert said in str(caught.value)


@NEEDS_TOML
def test_a_file_may_be_toml(folder):
    text = """
        app_id = "shop"
        [thread_runner]
        max_threads = 2
    """
    config = Config.read(file=write(folder, "shop.toml", textwrap.dedent(text)))

    assert (config.app_id, config.thread_runner.max_threads) == ("shop", 2)


@pytest.mark.parametrize("text", ["this is no TOML", "[tool.other]\nstop_graze = 1\n"])
def test_a_project_that_does_not_speak_of_it_is_not_read(folder, text):
    write(folder, "pyproject.toml", text)

    assert Config.read() == Config()


def test_a_password_is_not_shown():
    config = Config.read({"storage_url": "redis://user:secret@host/0"})

    assert "storage_url='redis://user:***@host/0'" in repr(config)
    assert "secret" not in repr(config)
    assert config.storage_url == "redis://user:secret@host/0"


def test_every_section_is_checked_when_it_is_made():
    for kind in SECTIONS.values():
        name = dataclasses.fields(kind)[0].name
        with pytest.raises(ConfigError, match=f"{name} has no meaning: 'x'"):
            kind(**{name: "x"})


OTHERS = {bool: lambda it: not it, int: lambda it: it + 1, float: lambda it: 2 * it or 1.0}
TEXTS = {"argument_print_mode": "KEYS", "logging_level": "debug"}
SETTINGS = [("", name) for name in GENERAL] + [
    (section, each.name) for section, kind in SECTIONS.items() for each in dataclasses.fields(kind)
]


def other_value(name, default):
    if isinstance(default, tuple):
        return ("one", "two")
    if isinstance(default, str):
        return TEXTS.get(name, f"other of {default}")
    return OTHERS[type(default)](default)


def as_text(value):
    return ",".join(value) if isinstance(value, tuple) else str(value)


@pytest.mark.parametrize(("section", "name"), SETTINGS, ids=[".".join(each) for each in SETTINGS])
def test_each_setting_can_be_said_by_the_program_and_by_the_environment(monkeypatch, section, name):
    def value_of(config):
        return getattr(getattr(config, section) if section else config, name)

    value = other_value(name, value_of(Config()))
    said = value_of(Config.read({section: {name: value}} if section else {name: value}))
    monkeypatch.setenv("PYNENC__" + f"{section}__{name}".lstrip("_").upper(), as_text(value))
    text = value_of(Config.read())

    assert said == text == value
    assert type(said) is type(text) is type(value)
    assert value != value_of(Config())


# ----------------------------------------------------------------------- options of tasks


def double(number):
    return 2 * number


KEY = f"{__name__}.double"
VARIABLE = f"{__name__.upper()}#DOUBLE"


def test_what_is_said_of_a_task_wins_over_its_decorator(folder, monkeypatch):
    """Each time the most important one is taken away."""
    file = write(folder, "tasks.json", {"task": {KEY: {"max_retries": 3}, "max_retries": 4}})
    monkeypatch.setenv(f"PYNENC__CONFIGTASK__{VARIABLE}__MAX_RETRIES", "1")
    monkeypatch.setenv("PYNENC__TASK__MAX_RETRIES", "2")

    def retries():
        return Pynenc(config_filepath=file).task(max_retries=5)(double).options.max_retries

    found = [retries()]
    monkeypatch.delenv(f"PYNENC__CONFIGTASK__{VARIABLE}__MAX_RETRIES")
    found.append(retries())
    monkeypatch.delenv("PYNENC__TASK__MAX_RETRIES")
    found.append(retries())
    write(folder, "tasks.json", {"task": {"max_retries": 4}})
    found.append(retries())
    write(folder, "tasks.json", {})
    found.append(retries())

    assert found == [1, 2, 3, 4, 5]


def test_a_configuration_names_kinds_of_concurrency_control():
    app = Pynenc({"task": {KEY: {"running_concurrency": "task", "key_arguments": ["number"]}}})
    options = app.task(double).options

    assert options.running_concurrency is ConcurrencyControlType.TASK
    assert options.key_arguments == ("number",)


@pytest.mark.parametrize(
    ("option", "error", "said"),
    [
        ({"max_retries": "x"}, ConfigError, "max_retries has no meaning: 'x'"),
        ({"max_tries": 1}, ConfigError, "there are no such options of tasks: max_tries"),
        ({"max_retries": -1}, InvalidTaskOptionsError, "max_retries has no meaning: -1"),
        ({"running_concurrency": "some"}, InvalidTaskOptionsError, "'some'\ngive DISABLED, TASK"),
    ],
)
def test_an_option_that_has_no_meaning_is_refused(option, error, said):
    with pytest.raises(error) as caught:
        Pynenc({"task": {KEY: option}}).task(double)

    assert said in str(caught.value)
