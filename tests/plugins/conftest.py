"""Plugins that are gone when their test is over."""

from __future__ import annotations

import contextlib

import pytest

import simclock


class Plugin:
    """A plugin of the hooks that its test gives, with the text by which errors name it."""

    def __init__(self, **hooks):
        for name, function in hooks.items():
            setattr(self, name, simclock.hookimpl(function))


@pytest.fixture
def plug_in():
    """Register a plugin of the given hooks, called "made up" unless named; return it."""
    plugins = []

    def register(name="made up", **hooks):
        plugins.append(Plugin(**hooks))
        simclock.register(plugins[-1], name)
        return plugins[-1]

    yield register
    for plugin in plugins:
        with contextlib.suppress(simclock.PluginError):
            simclock.unregister(plugin)
    simclock.run(int)  # rows go when the next simulation opens
