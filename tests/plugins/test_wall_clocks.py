"""A plugin's wall clocks can be chosen like the built-in ones."""

from __future__ import annotations

import time

import pytest

import simclock
from simclock import plugins

LOG = []


class Sundial:
    """Shows what time-machine shows, and tells what is done to it."""

    name = "sundial"

    def __init__(self):
        self._inner = plugins.wall_clock("time-machine")()
        LOG.append("made")

    def start(self):
        LOG.append("start")
        self._inner.start()

    def stop(self):
        LOG.append("stop")
        self._inner.stop()

    def read_ns(self):
        return self._inner.read_ns()


def test_it_is_made_started_and_stopped_for_each_simulation_that_chose_it(plug_in):
    plug_in(simclock_wall_clocks=lambda: [Sundial])
    LOG.clear()

    for choice in ("sundial", None, "time-machine", "sundial"):
        with simclock.Simulation(wall_clock=choice):
            LOG.append(time.time())

    epoch = 946_684_800.0  # 2000-01-01T00:00:00Z
    once = ["made", "start", epoch, "stop"]
    assert [*once, epoch, epoch, *once] == LOG


def test_an_unknown_name_is_told_the_known_ones(plug_in):
    plug_in(simclock_wall_clocks=lambda: [Sundial])

    with (
        pytest.raises(ValueError, match="wall clock") as caught,
        simclock.Simulation(wall_clock="x"),
    ):
        pass

    assert str(caught.value) == (
        "unknown wall clock: 'x'\nchoose one of time-machine, freezegun, sundial"
    )
    assert simclock.active() is None


@pytest.mark.parametrize("name", ["time-machine", "freezegun", "sundial"])
def test_a_name_is_given_once(plug_in, name):
    first, second = (type("Clock", (Sundial,), {"name": name}) for _ in range(2))
    owner = "first" if name == "sundial" else "boundary"
    if owner == "first":
        plug_in("first", simclock_wall_clocks=lambda: [first])
    plug_in("second", simclock_wall_clocks=lambda: [second])

    for _ in range(2):
        with pytest.raises(simclock.PluginError) as caught, simclock.Simulation():
            pass
        assert str(caught.value) == (
            f"plugin 'second' has a wall clock {name!r}: plugin {owner!r} has one already\n"
            "give it another name"
        )


def test_what_is_no_wall_clock_is_refused(plug_in):
    class Broken:
        name = "broken"
        start = stop = None

    plug_in("careless", simclock_wall_clocks=lambda: [Broken])

    with pytest.raises(simclock.PluginError) as caught, simclock.Simulation():
        pass

    assert str(caught.value) == (
        f"plugin 'careless' returned {Broken!r} from simclock_wall_clocks\n"
        "return a list of classes with name, start, stop, read_ns"
    )


def test_a_wall_clock_goes_with_its_plugin(plug_in):
    plugin = plug_in(simclock_wall_clocks=lambda: [Sundial])
    simclock.run(int, wall_clock="sundial")
    simclock.unregister(plugin)

    with pytest.raises(ValueError, match="unknown wall clock: 'sundial'"):
        simclock.run(int, wall_clock="sundial")
