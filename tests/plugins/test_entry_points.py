"""Installed distributions announce plugins; they are loaded when the first simulation opens."""

from __future__ import annotations

import os
import textwrap

import pytest

PLUGIN = """
import simclock
from simclock.lowlevel import Row

print("imported")

@simclock.hookimpl
def simclock_boundary_rows():
    print("asked")
    return [Row("posix.getuid", "simulated", "made up", lambda: 42)]
"""


@pytest.fixture
def installed(tmp_path, child):
    """Install a distribution with a plugin; return a function that runs a program beside it."""

    def install(text, value="made_up_plugin"):
        (tmp_path / "made_up_plugin.py").write_text(textwrap.dedent(text))
        info = tmp_path / "made_up-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: made-up\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[simclock]\nmade-up = {value}\n")

        def run(program):
            paths = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
            return child(program, PYTHONPATH=os.pathsep.join(filter(None, paths)))

        return run

    return install


def test_it_is_loaded_once_at_the_first_opening(installed):
    lines = installed(PLUGIN)("""
        import os, simclock
        print("not before")
        for _ in range(2):
            with simclock.Simulation():
                with simclock.Simulation():
                    print(os.getuid())
        print(os.getuid() != 42)
    """)

    assert lines == ["not before", "imported", "asked", "42", "42", "True"]


def test_one_that_is_registered_already_is_not_loaded_again(installed):
    lines = installed(PLUGIN)("""
        import made_up_plugin, simclock
        print(simclock.register(made_up_plugin))
        simclock.run(int)
    """)

    assert lines == ["imported", "made_up_plugin", "asked"]


def test_one_that_cannot_be_imported_is_named_at_each_opening(installed):
    lines = installed("import nonesuch")("""
        import simclock
        for _ in range(2):
            try:
                simclock.run(int)
            except simclock.PluginError as error:
                print(error)
    """)

    assert lines == 2 * [
        (
            "plugin 'made-up' (made_up_plugin) cannot be loaded: "
            "ModuleNotFoundError(\"No module named 'nonesuch'\")"
        ),
        "mend or uninstall the distribution that announces it",
    ]


def test_one_that_is_not_as_specified_is_named(installed):
    lines = installed("def simclock_boundary_rows(): return []")("""
        import simclock
        try:
            simclock.run(int)
        except simclock.PluginError as error:
            print(error)
    """)

    assert lines == [
        "plugin 'made-up' has a simclock_boundary_rows that is not marked",
        "put @simclock.hookimpl above it",
    ]
