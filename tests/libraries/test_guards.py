"""How libraries that wait in C are guarded, on made-up ones of the same names."""

from __future__ import annotations

import threading
import types
from types import SimpleNamespace

import pytest

import simclock
from simclock._boundary import _native, libraries
from simclock._boundary.active import kernels

PREPARED = """
import math, sys, types
import simclock
from simclock._boundary import _native

def module(name, **parts):
    found = sys.modules[name] = types.ModuleType(name)
    vars(found).update(parts)
    return found

class BaseLoop:
    def run_forever(self):
        return "forever"

class Loop(BaseLoop):
    def run_until_complete(self, future):
        return "complete", future

def told(function, **options):
    try:
        with simclock.Simulation(**options) as sim:
            print(function(), sim.elapsed)
            for line in sim.escapes:
                print(line.partition(" at ")[0])
    except simclock.Escape as error:
        print(str(error).partition(" at ")[0])
"""
REFUSED = "escape: root (0), calls uvloop.Loop.run_forever"


@pytest.fixture
def prepared(child):
    """Return a function that runs a program beside made-up libraries."""
    return lambda program, *flags: child(PREPARED + program, *flags)


def test_a_guard_is_up_while_a_simulation_is_open(prepared):
    lines = prepared("""
module("uvloop", Loop=Loop)
before = dict(vars(Loop))
for _ in range(2):
    told(lambda: Loop().run_forever())
    print(Loop().run_forever(), dict(vars(Loop)) == before)
with simclock.Simulation():
    with simclock.Simulation():
        pass
    print(Loop.run_forever is BaseLoop.run_forever)
print(dict(vars(Loop)) == before)
""")

    assert lines == [REFUSED, "forever True"] * 2 + ["False", "True"]


def test_a_guard_is_put_up_at_once_when_its_module_is_loaded_inside(prepared, tmp_path):
    (tmp_path / "uvloop.py").write_text("""
import colorsys  # at the end of which this one is still being loaded

class Loop:
    def run_forever(self):
        return "forever"
""")
    lines = prepared(f"""
sys.path.insert(0, {str(tmp_path)!r})

def use():
    import uvloop
    return uvloop.Loop().run_forever()

told(use)
print(use())
""")

    assert lines == [REFUSED, "forever"]


def test_what_is_refused_fails_the_run_even_if_that_is_swallowed(prepared):
    lines = prepared("""
module("uvloop", Loop=Loop)

def use():
    try:
        Loop().run_forever()
    except simclock.Escape:
        return "swallowed"

told(use)
""")

    assert lines == ["swallowed 0.0", REFUSED]


def test_in_real_time_nothing_is_refused(prepared):
    lines = prepared("""
module("uvloop", Loop=Loop)

def use():
    with simclock.active().real_time():
        return Loop().run_forever()

told(use)
""")

    assert lines == ["forever 0.0"]


def test_a_listed_library_is_called_in_real_time_and_that_is_told(prepared):
    lines = prepared("""
module("uvloop", Loop=Loop)
Loop.run_forever = lambda self: ("real", simclock.active())

told(lambda: Loop().run_forever(), real_packages=["uvloop"])
told(lambda: Loop().run_forever(), real_packages=["uvloop"], external="strict")
told(lambda: Loop().run_forever(), real_packages=["other"])
""")

    assert lines == [
        "('real', None) 0.0",
        "root (0), calls uvloop.Loop.run_forever",
        "escape: root (0), calls uvloop.Loop.run_forever",
        REFUSED,
    ]


def test_a_listed_library_that_switches_stacks_is_called_as_it_is(prepared):
    lines = prepared("""
class Hub:
    def switch(self):
        return simclock.active() is not None

module("gevent", hub=module("gevent.hub", Hub=Hub))
told(lambda: Hub().switch(), real_packages=["gevent"])
told(lambda: Hub().switch())
""")

    assert lines == [
        "True 0.0",
        "root (0), calls gevent.hub.Hub.switch",
        "escape: root (0), calls gevent.hub.Hub.switch",
    ]


def test_what_waits_in_python_is_called_instead(prepared):
    lines = prepared("""
waiting = module("psycopg.waiting", wait=lambda *call: ("C", call), wait_selector=lambda *call: ("Python", call))
told(lambda: waiting.wait(1, 2))
told(lambda: waiting.wait(1, 2), real_packages=["psycopg"])
print(waiting.wait(1, 2))
""")

    assert lines == [
        "('Python', (1, 2)) 0.0",
        "('C', (1, 2)) 0.0",
        "root (0), calls psycopg.waiting.wait",
        "('C', (1, 2))",
    ]


def test_a_built_in_is_redirected(prepared):
    lines = prepared("""
callback = None
c = module("psycopg2._psycopg", _connect=math.gcd, get_wait_callback=lambda: callback)
for _ in range(2):
    told(lambda: c._connect(4, 6))
callback = print
told(lambda: c._connect(4, 6))
callback = None
told(lambda: c._connect(4, 6), real_packages=["psycopg2"])
print(c._connect(4, 6), _native.redirected())
""")

    assert lines == [
        "escape: root (0), calls psycopg2._psycopg._connect",
        "escape: root (0), calls psycopg2._psycopg._connect",
        "2 0.0",
        "2 0.0",
        "root (0), calls psycopg2._psycopg._connect",
        "2 []",
    ]


def test_a_built_in_that_is_redirected_already_is_left_alone(prepared):
    lines = prepared("""
import time
c = module("psycopg2._psycopg", _connect=time.monotonic, get_wait_callback=lambda: None)
told(lambda: c._connect())
""")

    assert lines == ["1000.0 0.0"]


def test_a_forked_child_goes_on_in_real_time(prepared):
    lines = prepared(
        """
import os
Loop.run_forever = lambda self: os.fork()
module("uvloop", Loop=Loop)
with simclock.Simulation(real_packages=["uvloop"]):
    child = Loop().run_forever()
    if not child:
        print(simclock.active(), flush=True)
        os._exit(0)
    with simclock.active().real_time():
        os.waitpid(child, 0)
""",
        "-W",
        "ignore::DeprecationWarning",
    )  # what carried a thread goes on beside the fork

    assert lines == ["None"]


def test_a_root_that_is_stuck_in_a_listed_library_is_stalled(prepared):
    lines = prepared("""
import ctypes, os
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # every thread's stack is shown there
usleep = ctypes.CDLL(None).usleep
Loop.run_forever = lambda self: usleep(20_000_000)
module("uvloop", Loop=Loop)
try:
    with simclock.Simulation(real_packages=["uvloop"], watchdog=0.3):
        Loop().run_forever()
except simclock.Stalled as error:
    lines = str(error).splitlines()
    print(lines[0].partition(", in usleep")[0])  # which is not known on every Python
    print(lines[-1])
""")

    assert lines == [
        (
            "stalled: root made no progress for 0.3 real seconds: stuck in C code, "
            "in a call into uvloop"
        ),
        "end the call, or give a longer watchdog=",
    ]


def test_who_is_stuck_in_a_part_that_is_not_guarded_is_told_the_remedies(prepared):
    lines = prepared("""
import ctypes, os
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
grpc = module("grpc")
exec("import ctypes\\ndef new(): ctypes.CDLL(None).usleep(20_000_000)", vars(grpc))
try:
    with simclock.Simulation(watchdog=0.3):
        grpc.new()
except simclock.Stalled as error:
    print(*str(error).splitlines()[-2:], sep="\\n")
""")

    assert lines == [
        "run it in real time: `with sim.real_time(): ...` or @pytest.mark.simclock(False)",
        (
            'or let it hold the clock: Simulation(real_packages=("grpc",)), '
            "or simclock_real_packages = grpc in the ini file"
        ),
    ]


@pytest.mark.parametrize(
    ("package", "listed", "expected"),
    [
        ("mine", ["mine"], ("mine", ["end the call, or give a longer watchdog="])),
        ("grpc", ["grpc"], ("grpc", ["end the call, or give a longer watchdog="])),
        ("gevent", [], ("gevent", libraries.remedies(libraries.LIBRARIES[1]))),
        ("psycopg_binary", [], ("psycopg", libraries.remedies(libraries.LIBRARIES[2]))),
        ("mine", [], ("", [])),
    ],
)
def test_who_is_stuck_in_which_package(package, listed, expected):
    """In this thread: the watchdog's own is not seen by what measures coverage."""
    module = types.ModuleType(f"{package}.part")
    exec("def call(function): return function()", vars(module))
    kernel = SimpleNamespace(port=SimpleNamespace(real_packages=frozenset(listed)))
    owner = SimpleNamespace(ident=threading.get_ident())

    assert module.call(lambda: libraries.stuck_in(kernel, owner)) == expected


def test_a_call_in_real_time_counts_as_one_into_the_package():
    seen = []
    library = libraries.LIBRARIES[0]
    kernel = SimpleNamespace(port=SimpleNamespace(real_packages=frozenset(["uvloop"])))
    owner = SimpleNamespace(ident=threading.get_ident())

    with simclock.Simulation() as sim:
        libraries._in_real_time(
            library, "it", lambda: seen.append(libraries.stuck_in(kernel, owner)[0]), (), {}
        )
        assert [line.partition(" at ")[0] for line in sim.escapes] == ["root (0), calls it"]

    assert seen == ["uvloop"]


def test_a_call_that_ends_in_a_forked_child_goes_on_in_real_time():
    """As above, in this process: in a child nothing measures what was begun before it."""
    found = []

    with simclock.Simulation():
        baton = _native.current()
        library = libraries.LIBRARIES[0]
        libraries._in_real_time(library, "it", lambda: found.append(kernels.pop()), (), {})
        found.append(_native.current())
        kernels.append(found[0])
        _native.resume(baton)

    assert found[1] is None
