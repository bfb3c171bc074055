"""What is registered does what a hook asks, or is refused by name."""

from __future__ import annotations

import types

import pytest

import simclock

HOOKS = (
    "simclock_boundary_rows, simclock_wall_clocks, simclock_process_models, simclock_flavours, "
    "simclock_strategies, simclock_simulate, simclock_trace_observers, simclock_waiting_tasks, "
    "simclock_tell_task, simclock_describe_deadlock"
)


def nothing():
    return None


def test_a_plugin_may_be_a_module_called_by_its_name():
    module = types.ModuleType("slow_disk")
    module.simclock_boundary_rows = simclock.hookimpl(lambda: None)

    assert simclock.register(module) == "slow_disk"
    simclock.unregister(module)


def test_a_plugin_may_be_an_instance_called_by_its_class():
    class SlowDisk:
        @simclock.hookimpl
        def simclock_boundary_rows(self):
            return []

    plugin = SlowDisk()

    assert simclock.register(plugin) == "SlowDisk"
    simclock.unregister(plugin)


def test_none_is_no_answer(plug_in):
    for number, hook in enumerate(HOOKS.split(", ")):
        plug_in(f"{number}", **{hook: nothing})

    with pytest.raises(simclock.Deadlock), simclock.Simulation():
        deadlock()


def deadlock():
    import threading

    threading.Event().wait()


@pytest.mark.parametrize(
    ("attributes", "text"),
    [
        (
            {"simclock_boundary_row": simclock.hookimpl(lambda: None)},
            (
                "plugin 'wrong' implements an unknown hook: simclock_boundary_row\n"
                "meant is perhaps simclock_boundary_rows"
            ),
        ),
        (
            {"simclock_wall_clocks": lambda: None},
            (
                "plugin 'wrong' has a simclock_wall_clocks that is not marked\n"
                "put @simclock.hookimpl above it"
            ),
        ),
        ({"other": 1}, f"plugin 'wrong' implements no hook\nimplement one of {HOOKS}"),
        (
            {"simclock_wall_clocks": simclock.hookimpl(lambda: (yield), wrapper=True)},
            (
                "plugin 'wrong' wraps simclock_wall_clocks: wrappers are not called\n"
                "implement the hook without wrapper=True"
            ),
        ),
    ],
)
def test_what_is_not_as_specified_is_refused_and_not_kept(attributes, text):
    plugin = types.SimpleNamespace(**attributes)

    for _ in range(2):
        with pytest.raises(simclock.PluginError) as caught:
            simclock.register(plugin, "wrong")
        assert str(caught.value) == text


def test_an_argument_that_the_hook_does_not_have_is_refused():
    plugin = types.SimpleNamespace(
        simclock_describe_deadlock=simclock.hookimpl(lambda simulation, colour: [])
    )

    for _ in range(2):
        with pytest.raises(
            simclock.PluginError,
            match=r"(?s)^plugin 'wrong' is not as specified: .*colour.*\nsee help\('simclock.hookspecs'\)$",
        ):
            simclock.register(plugin, "wrong")


def test_a_plugin_is_registered_once(plug_in):
    plugin = plug_in("first", simclock_wall_clocks=nothing)

    with pytest.raises(simclock.PluginError) as caught:
        simclock.register(plugin, "second")
    assert str(caught.value) == (
        "plugin 'second' is registered already\nregister it once, or give it another name"
    )
    with pytest.raises(simclock.PluginError, match=r"^plugin 'first' is registered already\n"):
        plug_in("first", simclock_wall_clocks=nothing)
    simclock.unregister(plugin)
    assert simclock.register(plugin, "second") == "second"


def test_what_is_not_registered_cannot_be_unregistered():
    with pytest.raises(simclock.PluginError) as caught:
        simclock.unregister("stranger")

    assert str(caught.value) == (
        "this plugin is not registered: 'stranger'\ngive the object that was registered"
    )


@pytest.mark.parametrize(
    "hook", ["simclock_boundary_rows", "simclock_wall_clocks", "simclock_process_models"]
)
def test_a_plugin_that_fails_or_returns_no_list_is_named_at_each_opening(plug_in, hook):
    def fails():
        raise ZeroDivisionError("by design")

    plugin = plug_in("failing", **{hook: fails})
    for _ in range(2):
        with pytest.raises(simclock.PluginError) as caught, simclock.Simulation():
            pass
        assert str(caught.value) == (
            f"plugin 'failing' failed in {hook}: ZeroDivisionError('by design')\n"
            "mend it, or unregister it"
        )
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
    simclock.unregister(plugin)
    plugin = plug_in("stingy", **{hook: lambda: 7})
    with pytest.raises(simclock.PluginError) as caught, simclock.Simulation():
        pass
    assert str(caught.value) == f"plugin 'stingy' returned 7 from {hook}\nreturn a list"
    simclock.unregister(plugin)
    assert simclock.run(int) == 0
