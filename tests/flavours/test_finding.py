"""How programs find flavours, and what plugins may get wrong."""

from __future__ import annotations

import asyncio
import queue
import threading

import pytest
import trio

import simclock
from simclock import PluginError, flavours
from simclock.flavours import Flavour, WaitingTask, tree


class Made(Flavour):
    """A flavour that does nothing."""

    def __init__(self, name):
        self.name = name

    def start(self):
        raise NotImplementedError

    def sleep(self, seconds):
        raise NotImplementedError

    def is_running(self):
        return False


class Plugin:
    def __init__(self, *made):
        self.made = list(made)

    @simclock.hookimpl
    def simclock_flavours(self):
        return self.made


@pytest.fixture
def plug_in():
    plugins = []

    def register(*made, name="made up"):
        plugins.append(Plugin(*made))
        simclock.register(plugins[-1], name)

    yield register
    for plugin in plugins:
        simclock.unregister(plugin)


@pytest.mark.parametrize("module", [asyncio, threading, trio])
def test_the_built_in_ones_are_found_by_module_and_by_name(module):
    assert flavours.get(module) is flavours.get(module.__name__)
    assert list(flavours.registered()) == ["asyncio", "threading", "trio"]


def test_one_of_a_plugin_is_there_while_that_is_registered(plug_in):
    plug_in(Made("curio"))

    assert list(flavours.registered()) == ["asyncio", "threading", "trio", "curio"]
    assert flavours.get("curio") is flavours.get("curio")


def test_an_unknown_one_is_named_with_those_that_are_known():
    with pytest.raises(LookupError) as caught:
        flavours.get("curio")

    assert str(caught.value) == (
        "unknown flavour: 'curio'\n"
        "choose one of asyncio, threading, trio, or register a plugin that has it"
    )
    with pytest.raises(LookupError, match="unknown flavour: <module 'queue'"):
        flavours.get(queue)


def test_a_name_that_is_taken_is_refused(plug_in):
    plug_in(Made("trio"))

    with pytest.raises(PluginError) as caught:
        flavours.registered()

    assert str(caught.value) == (
        "plugin 'made up' has a flavour 'trio': there is one already\n"
        "give it the name of its library's module, or unregister one of the two"
    )


def test_what_is_no_flavour_is_refused(plug_in):
    plug_in("curio")

    with pytest.raises(PluginError) as caught:
        flavours.registered()

    assert str(caught.value) == (
        "plugin 'made up' returned 'curio' from simclock_flavours, "
        "which has no name, is_async, start, sleep, is_running, in_thread\n"
        "return a list of objects of simclock.flavours.Flavour"
    )


def test_nobody_runs_in_a_flavour_outside_of_tasks():
    assert flavours.running() is None
    assert not flavours.get(threading).is_running()


def test_one_without_threads_to_wait_for_says_so():
    with pytest.raises(NotImplementedError, match="flavour 'curio' has no in_thread"):
        Made("curio").in_thread(int).send(None)


def test_to_find_them_loads_no_simulator(child):
    lines = child("""
import sys
import simclock
from simclock import flavours
import asyncio, threading

with flavours.get(asyncio).start() as runner:
    async def payload():
        await asyncio.sleep(0)
        return 7
    print(runner.execute(payload))
with flavours.get(threading).start() as runner:
    print(runner.execute(lambda: 7))
simulator = ("simclock._boundary", "simclock._core", "simclock.simulation", "time_machine")
print([name for name in sys.modules if name.startswith(simulator)])
print("trio" in sys.modules)
print(simclock.Simulation.__name__, simclock.SimThread.__name__)
print("simclock._boundary._native" in sys.modules)
""")

    assert lines == ["7", "7", "[]", "False", "Simulation SimThread", "True"]


def test_a_library_that_is_not_installed_is_an_import_error(child):
    lines = child("""
import sys
sys.modules["trio"] = None
from simclock import flavours
try:
    flavours.get("trio").start()
except ImportError as error:
    print(error)
print(flavours.get("trio").is_running())
""")

    assert lines == ["import of trio halted; None in sys.modules", "False"]


def test_the_face_has_the_version_that_is_installed_and_loads_nothing_for_it(child):
    lines = child("""
import sys
from importlib.metadata import version
import simclock
print(simclock.__version__ == version("simclock"), "simclock.simulation" in sys.modules)
""")

    assert lines == ["True False"]


def test_the_face_has_no_other_name():
    with pytest.raises(AttributeError, match="module 'simclock' has no attribute 'Simulator'"):
        simclock.Simulator  # noqa: B018


# ------------------------------------------------------------------------------- trees


def test_a_tree_has_a_line_for_each_task_and_one_for_many_alike():
    leaf = [WaitingTask(f"leaf {number}", "app.py:7 get") for number in range(5)]
    few = [WaitingTask(name, "app.py:9 put") for name in "ab"]

    assert tree(
        [WaitingTask("main", "app.py:1", [*leaf, WaitingTask("inner", "app.py:3", few)])]
    ) == [
        "task main waits at app.py:1",
        "  5 tasks wait at app.py:7 get: leaf 0, leaf 1, leaf 2 and 2 more",
        "  task inner waits at app.py:3",
        "    task a waits at app.py:9 put",
        "    task b waits at app.py:9 put",
    ]


def test_outside_of_a_payload_nobody_asks_to_stop():
    with simclock.Simulation() as sim:
        assert not flavours.stop_requested(3)
        assert sim.elapsed == 3
