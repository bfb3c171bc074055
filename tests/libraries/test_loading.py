"""A row waits for its module, which is loaded by the program or not at all."""

from __future__ import annotations

import pytest

# In a child process: nothing has loaded `syslog`, which is written in C, there.
PREPARED = """
import sys, threading, time
import simclock
from simclock._boundary import _native
from simclock.lowlevel import Row, originals

NAME = "syslog.LOG_MASK"

def ask(priority):
    return "simulated", originals[NAME](priority)

class Plugin:
    rows = [Row(NAME, "simulated", "says who answered", ask)]

    @simclock.hookimpl
    def simclock_boundary_rows(self):
        return self.rows

plugin = Plugin()
simclock.register(plugin)

def mask():
    import syslog
    return syslog.LOG_MASK(3)

def redirected():
    return "LOG_MASK" in _native.redirected()
"""


@pytest.fixture
def prepared(child):
    """Return a function that runs a program and returns its lines."""
    return lambda program: child(PREPARED + program)


def test_no_module_is_loaded_for_its_row(child):
    lines = child("""
        import sys, importlib
        importlib.import_module("asyncio")
        importlib.import_module("time_machine")
        before = set(sys.modules)
        import simclock
        simclock.run(int)
        new = set(sys.modules) - before
        print(sorted(name for name in new & {"_ssl", "_sqlite3", "_multiprocessing", "fcntl", "curses"}))
    """)

    assert lines == ["[]"]


def test_a_row_is_redirected_at_once_when_its_module_is_loaded_inside(prepared):
    lines = prepared("""
with simclock.Simulation():
    print("syslog" in sys.modules, redirected())
    print(mask(), redirected())
print(mask(), redirected())
with simclock.Simulation():
    print(mask(), redirected())
print(_native.redirected())
""")

    assert lines == [
        "False False",
        "('simulated', 8) True",
        "8 False",
        "('simulated', 8) True",
        "[]",
    ]


def test_a_row_is_redirected_at_the_next_opening_when_its_module_was_loaded_outside(prepared):
    lines = prepared("""
simclock.run(int)
print(mask())
print(simclock.run(mask))
print(mask(), _native.redirected())
""")

    assert lines == ["8", "('simulated', 8)", "8 []"]


def test_a_module_may_be_loaded_in_any_simulated_thread_and_in_an_inner_simulation(prepared):
    lines = prepared("""
def inner():
    with simclock.Simulation():
        print(mask())

with simclock.Simulation():
    thread = threading.Thread(target=inner)
    thread.start()
    thread.join()
    print(mask())
print(mask(), _native.redirected())
""")

    assert lines == ["('simulated', 8)", "('simulated', 8)", "8 []"]


def test_what_is_loaded_in_real_time_is_redirected_at_the_next_import_or_opening(prepared):
    lines = prepared("""
with simclock.Simulation() as sim:
    with sim.real_time():
        print(mask())
    import colorsys
    print(mask())
""")

    assert lines == ["8", "('simulated', 8)"]


def test_a_row_of_a_plugin_that_has_gone_waits_no_more(prepared):
    lines = prepared("""
simclock.run(int)
simclock.unregister(plugin)
with simclock.Simulation():
    print(mask())
simclock.register(plugin)
print(simclock.run(mask))
""")

    assert lines == ["8", "('simulated', 8)"]


def test_a_row_that_turns_out_to_be_none_fails_the_run_and_each_opening(prepared):
    lines = prepared("""
plugin.rows = [Row("syslog.nonesuch", "simulated", "", ask)]

def told(function):
    try:
        function()
    except simclock.Unsupported as error:
        print(str(error).partition(" of Python")[0])

def load():
    with simclock.Simulation():
        mask()

told(load)
told(load)
simclock.unregister(plugin)
told(load)
print(_native.redirected())
""")

    assert lines == ["cannot redirect syslog.nonesuch", "cannot redirect syslog.nonesuch", "[]"]


def test_loading_changes_no_run(prepared):
    lines = prepared("""
def run():
    with simclock.Simulation() as sim:
        threads = [threading.Thread(target=time.sleep, args=(1,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        mask()
        for thread in threads:
            thread.join()
    return sim.trace.digest

print(run() == run())
""")

    assert lines == ["True"]


def test_an_import_that_fails_is_the_importer_s_error(prepared):
    lines = prepared("""
with simclock.Simulation():
    try:
        import no_such_module
    except ImportError as error:
        print(error)
    print(mask())
""")

    assert lines == ["No module named 'no_such_module'", "('simulated', 8)"]


def test_a_module_that_is_being_loaded_is_not_loaded_yet(prepared, tmp_path):
    (tmp_path / "late.py").write_text("""
import colorsys
first = colorsys and __import__("math").gcd(4, 6)
from math import gcd
second = gcd(4, 6)
""")
    lines = prepared(f"""
sys.path.insert(0, {str(tmp_path)!r})
plugin.rows = [Row("late.gcd", "simulated", "", lambda *numbers: "simulated")]
with simclock.Simulation():
    import late
    print(late.first, late.second, late.gcd(4, 6))
print(late.gcd(4, 6), _native.redirected())
""")

    assert lines == ["2 2 simulated", "2 []"]
