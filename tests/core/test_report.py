"""The pure part of the reports; whole texts are pinned where the errors are raised."""

from __future__ import annotations

import sys
import threading
import time
from types import SimpleNamespace

import pytest

from simclock._core import report
from simclock._core.instants import SECOND, START_NS
from simclock._core.threads import SimThread
from simclock._core.waits import FOREIGN, Wait
from simclock.errors import Deadlock


class OwnedBy:
    def __init__(self, owner):
        self._owner = owner

    def owner(self):
        return self._owner


def threads(**owned_by):
    """Return threads by name, each waiting for what the named one owns (None: for nothing)."""
    made = {name: SimThread(name, None, name, daemon=False) for name in owned_by}
    for name, owner in owned_by.items():
        resource = OwnedBy(made.get(owner, owner))
        made[name].wait = Wait(made[name], "lock", resource, None, START_NS)
    return made


@pytest.mark.parametrize(
    ("owned_by", "cycle"),
    [
        ({"a": "b", "b": "a"}, ["a", "b"]),
        ({"a": "b", "b": "c", "c": "a"}, ["a", "b", "c"]),
        ({"a": "a"}, ["a"]),
        ({"a": "b", "b": "c", "c": "b"}, ["b", "c"]),
        ({"a": "b", "b": None}, []),
        ({"a": None}, []),
        ({"a": "b", "b": FOREIGN}, []),
        ({}, []),
    ],
)
def test_a_cycle_is_found_wherever_it_starts(owned_by, cycle):
    made = threads(**owned_by)

    assert [thread.name for thread in report.find_cycle(made.values())] == cycle


def test_a_wait_without_a_resource_ends_a_chain():
    made = threads(a="b", b=None)
    made["b"].wait = Wait(made["b"], "sleep", None, 5, 0)

    assert report.find_cycle(made.values()) == []


def test_a_line_about_a_thread_says_what_for_whose_until_when_and_since():
    made = threads(a="b", b=FOREIGN, c="c", d=None, e=None)
    made["a"].wait.deadline_ns = START_NS + 5 * SECOND
    made["d"].wait = None
    made["e"].wait = None
    made["e"].started = True
    made["b"].wait.since_ns = START_NS + SECOND // 2

    assert report.threads(made.values()) == [
        "a (a), waits for lock, owned by b (b), until +5 s, since +0 s",
        "b (b), waits for lock, owned by a foreign thread, since +0.5 s",
        "c (c), waits for lock, owned by itself, since +0 s",
        "d (d), started, never run",
        "e (e), runnable",
    ]


def test_an_owner_that_has_ended_is_said_to():
    made = threads(a="b", b=None)
    made["b"].finished = True

    assert report.threads([made["a"]]) == [
        "a (a), waits for lock, owned by b (b, which has ended), since +0 s"
    ]


def test_what_was_before_the_stretch_is_said_so():
    made = threads(a=None)
    made["a"].wait.deadline_ns = START_NS + SECOND

    assert report.threads(made.values(), START_NS + 2 * SECOND) == [
        "a (a), waits for lock, due since before, since before"
    ]


def test_who_waits_since_before_the_stretch_gets_one_line_unless_it_matters(bench):
    b = bench()
    gates = {name: b.gate() for name in ("left", "right", "lost", "mine")}
    b.join(b.spawn("gone", gates["lost"].take))

    def take(*names):
        for name in names:
            gates[name].acquire()
            b.sleep(1)

    b.kernel.stretch = "fixture 'x'"
    b.spawn("a", take, "lost")
    b.spawn("b", take, "lost")
    b.spawn("c", take, "left", "right")
    b.spawn("d", take, "right", "left")
    b.spawn("e", take, "mine", "lost")
    b.sleep(3)
    b.kernel.begin_stretch("test")

    with pytest.raises(Deadlock) as found:
        gates["mine"].acquire()
    lines = str(found.value).splitlines()

    assert lines[0] == "deadlock: 4 threads can never run again, at virtual +0 s"
    assert [line.partition(",")[0] for line in lines if ", waits for " in line] == [
        "  root (0)",
        "  c (0.4)",
        "  d (0.5)",
        "  e (0.6)",
    ]
    assert lines[-3:-1] == [
        "  cycle: c -> d -> c",
        (
            "  also waiting, since before: "
            "a (0.2), started in fixture 'x'; b (0.3), started in fixture 'x'"
        ),
    ]
    b.kernel.failure = None


def test_a_stack_without_source_has_its_lines_all_the_same(bench):
    b = bench()
    namespace = {"wait": b.sleep}
    program = compile("def body():\n    wait(100)", "made-up.py", "exec")
    exec(program, namespace)
    b.spawn("nowhere", namespace["body"], daemon=True)
    b.kernel.settle()

    text = str(report.deadlock(b.kernel, potential=False))

    assert "    made-up.py:2 in body\n    " in text


def test_a_stall_names_the_owner_of_the_baton_and_those_who_wait(bench):
    b = bench(stall=2.5)
    b.spawn("waiter", b.sleep, 100, daemon=True)
    b.kernel.settle()

    lines = report.stall(b.kernel, "stuck in C code").splitlines()

    assert lines[0] == "stalled: root made no progress for 2.5 real seconds: stuck in C code"
    assert "  waiter (0.1), waits for sleep, until +100 s, since +0 s" in lines
    assert lines[-1] == (
        "make it wait through something that simclock sees, or give a longer watchdog="
    )


# ------------------------------------------------------- what a thread calls in C


def frame_of_a_call_on_several_lines():
    return dict(  # noqa: C408 - a call is what is wanted
        frame=sys._getframe(),
    )["frame"]


def test_of_an_expression_on_several_lines_the_first_is_read():
    assert (
        report._expression(frame_of_a_call_on_several_lines()).partition("  #")[0].endswith("dict(")
    )


def test_without_columns_there_is_no_expression():
    code = SimpleNamespace(co_filename=__file__, co_positions=lambda: iter(()))
    frame = SimpleNamespace(f_code=code, f_lineno=1, f_lasti=0)

    assert report._expression(frame) in {"", "from __future__ import annotations\n"} or (
        sys.version_info < (3, 11)
    )


def test_of_what_cannot_be_parsed_no_call_is_known(monkeypatch):
    thread = SimThread("0", None, "main", daemon=False)
    assert report.c_call(thread) == ""  # it has no frame

    stop = threading.Event()
    waits = threading.Thread(target=stop.wait)
    waits.start()
    thread.ident = waits.ident
    monkeypatch.setattr(report, "_expression", lambda _: "dict(")
    found = report.c_call(thread)
    stop.set()
    waits.join()
    assert found == ""


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("sleep", "time.sleep"),
        ("lock.acquire", "_thread.lock.acquire"),
        ("there_is_none", ""),
        ("mine", ""),
        ("lock.there_is_none", ""),
    ],
)
def test_only_built_ins_have_a_name(call, name):
    frame = SimpleNamespace(
        f_locals={"sleep": time.sleep, "lock": threading.Lock(), "mine": lambda: None}, f_globals={}
    )

    assert report._name_of(frame, call) == name
