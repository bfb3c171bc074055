"""A plugin's models of processes can be chosen like the built-in ones."""

from __future__ import annotations

import subprocess
import sys
from multiprocessing import context

import pytest

import simclock

LOG = []


class Refused:
    """No process can be started."""

    name = "refused"

    def __init__(self):
        LOG.append("made")

    def change(self, overlay):
        def refuse(process):
            raise PermissionError(process.name)

        overlay.replace(context.ForkProcess, "_Popen", staticmethod(refuse))
        overlay.at_end(lambda: LOG.append("ended"))
        LOG.append("changed")


def test_it_is_made_and_asked_for_each_simulation_that_chose_it(plug_in):
    plug_in(simclock_process_models=lambda: [Refused])
    LOG.clear()

    for choice in ("refused", "real", "simulated", "refused"):
        with simclock.Simulation(processes=choice):
            LOG.append(choice)

    once = ["made", "changed", "refused", "ended"]
    assert [*once, "real", "simulated", *once] == LOG


def test_what_it_changes_is_what_programs_see(plug_in):
    plug_in(simclock_process_models=lambda: [Refused])
    process = context.ForkProcess(target=print, name="Bob")

    with (
        simclock.Simulation(processes="refused"),
        pytest.raises(PermissionError, match="Bob"),
    ):
        process.start()


def test_an_unknown_name_is_told_the_known_ones(plug_in):
    plug_in(simclock_process_models=lambda: [Refused])

    with (
        pytest.raises(ValueError, match="process model") as caught,
        simclock.Simulation(processes="x"),
    ):
        pass

    assert str(caught.value) == (
        "unknown process model: 'x'\nchoose one of real, simulated, refused"
    )


@pytest.mark.parametrize("wrong", [None, True, Refused])
def test_what_is_no_name_is_refused_when_the_simulation_is_made(wrong):
    with pytest.raises(TypeError) as caught:
        simclock.Simulation(processes=wrong)

    assert str(caught.value) == (
        f"processes must be a name: {wrong!r}\ngive one such as 'real' or 'simulated'"
    )


def test_a_model_that_lacks_something_names_its_plugin(plug_in):
    plug_in(simclock_process_models=lambda: [int])

    with pytest.raises(simclock.PluginError) as caught, simclock.Simulation():
        pass

    assert str(caught.value) == (
        "plugin 'made up' returned <class 'int'> from simclock_process_models\n"
        "return a list of classes with name, change"
    )


def test_a_name_that_is_taken_names_both_plugins(plug_in):
    plug_in("first", simclock_process_models=lambda: [Refused])
    plug_in("second", simclock_process_models=lambda: [Refused])

    with pytest.raises(simclock.PluginError) as caught, simclock.Simulation():
        pass

    assert str(caught.value) == (
        "plugin 'second' has a process model 'refused': plugin 'first' has one already\n"
        "give it another name"
    )


def test_a_program_without_multiprocessing_does_not_load_it_by_default():
    program = (
        "import sys, simclock\n"
        "before = 'multiprocessing' in sys.modules\n"  # coverage does
        "with simclock.Simulation(): pass\n"
        "loaded = ('multiprocessing', 'simclock._processes.changes')\n"
        "print([(name in sys.modules) == before for name in loaded[:1]], loaded[1] in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert done.stdout == b"[True] False\n"
