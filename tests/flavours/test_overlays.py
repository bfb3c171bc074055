"""What plugins may do to libraries while a simulation is open."""

from __future__ import annotations

import sys
import threading
import types

import pytest

import simclock
from simclock import PluginError, Simulation
from simclock.lowlevel import OrderedSet, counter


class Plugin:
    def __init__(self, change):
        self.change = change

    @simclock.hookimpl
    def simclock_simulate(self, overlay):
        self.change(overlay)


@pytest.fixture
def changing():
    plugins = []

    def register(change):
        plugins.append(Plugin(change))
        simclock.register(plugins[-1], f"changes {len(plugins)}")

    yield register
    for plugin in plugins:
        simclock.unregister(plugin)


@pytest.fixture
def library(monkeypatch):
    found = types.ModuleType("made_up_library")
    found.size = 1
    monkeypatch.setitem(sys.modules, "made_up_library", found)
    return found


def test_what_is_replaced_is_put_back(changing, library):
    seen = []

    def change(overlay):
        overlay.replace(library, "size", overlay.seed)
        overlay.replace(library, "new", "there")
        overlay.at_end(lambda: seen.append((library.size, hasattr(library, "new"))))

    changing(change)
    with Simulation(seed=7):
        assert (library.size, library.new) == (7, "there")
        with Simulation(seed=8):
            assert library.size == 8
        assert library.size == 7

    assert library.size == 1
    assert not hasattr(library, "new")
    assert seen == [(8, True), (7, True)]


def test_the_built_in_changes_come_first(changing):
    seen = []

    changing(lambda overlay: seen.append(threading._counter()))
    simclock.run(int)

    assert seen == [1]


def test_one_that_fails_is_named_and_nothing_is_left(changing, library):
    def change(overlay):
        overlay.replace(library, "size", 2)
        raise ValueError("made up")

    changing(change)

    with pytest.raises(PluginError) as caught:
        Simulation().__enter__()

    assert str(caught.value) == (
        "plugin 'changes 1' failed in simclock_simulate: ValueError('made up')\n"
        "mend it, or unregister it"
    )
    assert library.size == 1
    assert simclock.active() is None


def test_a_library_that_is_loaded_later_is_waited_for(changing, tmp_path, monkeypatch):
    (tmp_path / "late_library.py").write_text("size = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    changing(lambda o: o.when_loaded("late_library", lambda m: o.replace(m, "size", o.seed)))
    with Simulation(seed=5):
        with Simulation(seed=6):
            import late_library

            assert late_library.size == 6
        assert late_library.size == 5

    assert late_library.size == 1
    del sys.modules["late_library"]


def test_a_change_of_a_late_library_that_fails_ends_the_simulation(changing, tmp_path, monkeypatch):
    (tmp_path / "late_library.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)

    def fail(module):
        raise ValueError(module.__name__)

    changing(lambda overlay: overlay.when_loaded("late_library", fail))

    said = "when 'late_library' is loaded failed: ValueError"
    with pytest.raises(PluginError, match=said), Simulation():
        __import__("late_library")
        threading.Event().wait(1)
    del sys.modules["late_library"]


def test_counters_begin_anew_in_each_simulation(changing):
    for _ in range(2):
        with Simulation():
            assert [counter("made up")() for _ in range(3)] == [1, 2, 3]


def test_numbered_classes_stand_for_their_bases(changing):
    class Base:
        def __init__(self, name=None):
            self.name = name

    classes = []
    changing(lambda overlay: classes.append(overlay.numbered(Base, lambda: "by default")))
    with Simulation():
        (numbered,) = classes
        made = [numbered() for _ in range(3)]

    assert numbered.__name__ == "Base"
    assert isinstance(Base(), numbered)
    assert issubclass(Base, numbered)
    assert [one.name for one in made] == ["by default"] * 3
    assert [hash(one) for one in made] == sorted(hash(one) for one in made)
    outside = numbered()
    assert (hash(outside), outside.name) == (id(outside), None)


def test_a_choice_is_the_schedule_s(changing, choosing):
    overlays = []
    changing(overlays.append)

    with Simulation(choices=choosing(lambda point: point.bound - len(point.label))):
        assert overlays[0].choose(7, "ab") == 5
    with Simulation():
        assert overlays[1].choose(7, "ab") == 0


def test_an_ordered_set_is_a_set_in_the_order_of_adding():
    found = OrderedSet("ba")
    found.update("dc", "ae")
    found.add("f")
    found.discard("d")
    found.discard("missing")
    found.remove("e")

    assert list(found) == ["b", "a", "c", "f"]
    assert len(found) == 4
    assert "c" in found
    assert "d" not in found
    assert found == {"a", "b", "c", "f"}


# --------------------------------------------------------------------- telling a task


class Teller:
    def __init__(self, answer):
        self.answer = answer
        self.asked = []

    @simclock.hookimpl
    def simclock_tell_task(self, error, ident):
        self.asked.append((type(error).__name__, ident == threading.get_ident()))
        return self.answer()

    @simclock.hookimpl
    def simclock_waiting_tasks(self, ident):
        return self.answer()


@pytest.mark.parametrize("answer", [lambda: None, lambda: 1 / 0], ids=["nobody", "fails"])
def test_an_error_that_no_task_gets_is_raised_at_the_wait(answer):
    teller = Teller(answer)
    simclock.register(teller)
    try:
        with pytest.raises(simclock.Deadlock), Simulation():
            threading.Event().wait()
    finally:
        simclock.unregister(teller)

    assert teller.asked == [("Deadlock", True)]


def test_the_last_registered_is_asked_first_and_nobody_after_one_who_tells():
    tellers = [Teller(answer) for answer in (lambda: None, lambda: True, lambda: 1 / 0)]
    for number, teller in enumerate(tellers):
        simclock.register(teller, f"teller {number}")
    try:
        with pytest.raises(simclock.Deadlock), Simulation() as sim:
            # A task is told, they say, so the wait goes on; the next one raises.
            with pytest.raises(simclock.Deadlock):
                threading.Event().wait()
            assert sim.failure is not None
    finally:
        for teller in tellers:
            simclock.unregister(teller)

    assert [teller.asked for teller in tellers] == [[], [("Deadlock", True)], [("Deadlock", True)]]


def test_a_plugin_that_cannot_say_what_waits_is_named():
    for answer, said in (
        (lambda: 1 / 0, "plugin 'Teller' failed in simclock_waiting_tasks: ZeroDivisionError"),
        (lambda: ["text"], "plugin 'Teller' returned something else from simclock_waiting_tasks: "),
    ):
        teller = Teller(answer)
        simclock.register(teller)
        try:
            with pytest.raises(simclock.Deadlock, match=said), Simulation():
                threading.Event().wait()
        finally:
            simclock.unregister(teller)
