"""Python may import simclock again in one process; pytester does so, and brings the first back."""

from __future__ import annotations

PREPARED = """
import os, sys, time
import simclock as first
from simclock.lowlevel import Row

def forget():
    names = [name for name in sys.modules if name.partition(".")[0] == "simclock"]
    return {name: sys.modules.pop(name) for name in names}

def two_seconds(simclock):
    with simclock.Simulation() as sim:
        time.sleep(2)
    return sim.elapsed

class Plugin:
    @first.hookimpl
    def simclock_boundary_rows(self):
        return [Row("posix.getuid", "simulated", "", lambda: 42)]
"""


def test_each_import_simulates_whenever_it_opens(child):
    lines = child(
        PREPARED
        + """
modules = forget()
import simclock as second
print(second is first)
print([two_seconds(which) for which in (second, first, first, second, first)])
from simclock._boundary import _native
print(_native.redirected())
"""
    )

    assert lines == ["False", "[2.0, 2.0, 2.0, 2.0, 2.0]", "[]"]


def test_a_plugin_is_one_import_s(child):
    lines = child(
        PREPARED
        + """
forget()
import simclock as second
first.register(Plugin())
with first.Simulation():
    print(os.getuid())
with second.Simulation():
    print(os.getuid() != 42)
with first.Simulation():
    print(os.getuid())
"""
    )

    assert lines == ["42", "True", "42"]


def test_what_fails_after_a_change_of_imports_fails_again(child):
    """It must not be taken for done: nothing would be redirected."""
    lines = child(
        PREPARED
        + """
class Moody:
    @first.hookimpl
    def simclock_boundary_rows(self):
        if wrong:
            raise ValueError("not today")

wrong = False
first.register(Moody())
print(two_seconds(first))
forget()
import simclock as second
print(two_seconds(second))
wrong = True
for _ in range(2):
    try:
        two_seconds(first)
    except first.PluginError as error:
        print(str(error).splitlines()[0])
wrong = False
print(two_seconds(first))
"""
    )

    failure = "plugin 'Moody' failed in simclock_boundary_rows: ValueError('not today')"
    assert lines == ["2.0", "2.0", failure, failure, "2.0"]


def test_one_does_not_open_a_simulation_inside_the_other_s(child):
    lines = child(
        PREPARED
        + """
forget()
import simclock as second
with first.Simulation() as sim:
    try:
        second.run(int)
    except second.Unsupported as error:
        print(error)
    time.sleep(1)
    print(sim.elapsed)
print(two_seconds(second))
"""
    )

    assert lines == [
        "cannot simulate: another import of simclock in this process has a simulation open",
        "close that one first",
        "1.0",
        "2.0",
    ]


def test_a_further_import_takes_no_further_slots(child):
    """There are 64; imports that kept theirs would have used them up by the second."""
    lines = child(
        PREPARED
        + """
from simclock._boundary import _native
for _ in range(5):
    forget()
    import simclock
    with simclock.Simulation():
        count = len(_native.redirected())
    with first.Simulation():
        print(len(_native.redirected()) == count)
"""
    )

    assert lines == ["True"] * 5
