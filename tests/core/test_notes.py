"""What is noted beside a trace."""

from __future__ import annotations

import sysconfig
import threading

import simclock._core.notes as notes_module
from simclock._core.choices import Candidate, ChoicePoint
from simclock._core.notes import NotedChoices, NotedTrace, Notes, Said, line_of


def compiled(source, name):
    """Return the names that *source* defines, as the code of a file called *name*."""
    names = {}
    exec(compile(source, name, "exec"), names)
    return names


CALL = "def call(function):\n    function()\n"
ROOT, WORKER = Candidate("0", "acquire", 1), Candidate("0.1", "begin", 0)


def noted(*names):
    """Return what is noted of a record that is added below functions of these files."""
    notes = Notes()
    trace = NotedTrace(notes, print)
    call = lambda: trace.add(0, "0", "park", "lock x.py:1")  # noqa: E731
    for name in reversed(names):
        inner, outer = call, compiled(CALL, name)["call"]
        call = lambda inner=inner, outer=outer: outer(inner)  # noqa: E731
    call()
    return [(number, code.co_filename, line_of(code, at)) for number, code, at in notes.callers]


def test_the_innermost_line_of_the_program_is_noted():
    # The calls in between are of this file, which is the program's.
    ((number, name, _),) = noted("program.py")

    assert (number, name) == (0, __file__)


def frames(*names):
    """The same, without anything of this file in between: outermost first."""
    notes = Notes()
    trace = NotedTrace(notes, print)
    source = "def call(functions, add):\n    functions[0](functions[1:], add) if functions else add(0, '0', 'park', 'lock x.py:1')\n"
    functions = [compiled(source, name)["call"] for name in names]
    functions[0](functions[1:], trace.add)
    return [(code.co_filename, line_of(code, at)) for _, code, at in notes.callers]


def test_the_standard_library_is_passed_over():
    paths = sysconfig.get_paths()

    assert frames("program.py", f"{paths['stdlib']}/threading.py") == [("program.py", 2)]


def test_a_library_is_told_only_where_there_is_no_program(monkeypatch):
    paths = sysconfig.get_paths()
    library, other = f"{paths['purelib']}/lib.py", f"{paths['purelib']}/other.py"
    monkeypatch.setattr(notes_module, "owners", _Without(notes_module.owners))

    assert frames("program.py", library) == [("program.py", 2)]
    assert frames(other, library) == [(library, 2)]


def test_where_there_is_neither_nothing_is_noted(monkeypatch):
    monkeypatch.setattr(notes_module, "owners", _Without(notes_module.owners))
    found = []
    # A thread has no frame of pytest below it.
    thread = threading.Thread(target=lambda: found.append(frames("<frozen runpy>")))
    thread.start()
    thread.join()

    assert found == [[]]


class _Without(dict):
    """Knows of no program but ``program.py``."""

    def __init__(self, owners):
        self._owners = owners

    def __missing__(self, name):
        whose = self._owners[name]
        return "" if whose == "program" and name != "program.py" else whose


def test_only_what_a_thread_does_itself_is_noted():
    notes = Notes()
    trace = NotedTrace(notes, print)

    trace.add(0, "0.1", "run")
    trace.add(0, "0", "park", "drain ")
    trace.add(0, "0", "mark", "here")

    assert [number for number, _, _ in notes.callers] == [2]
    assert [record.kind for record in trace.records] == ["run", "park", "mark"]


def test_observers_see_each_record():
    seen = []
    trace = NotedTrace(Notes(), print)
    trace.observers.append(("seen", seen.append))

    trace.add(0, "0", "mark", "here")

    assert [record.detail for record in seen] == ["here"]
    assert len(trace) == 1


class Fixed:
    interested = True
    latency_ns = 5
    chaos = True

    def __init__(self, choice):
        self._choice = choice

    def choose(self, point):
        return self._choice


def choices_of(choice, point):
    notes = Notes()
    source = NotedChoices(Fixed(choice), notes, lambda: 7)
    assert (source.interested, source.latency_ns, source.chaos) == (True, 5, True)
    assert source.choose(point) == choice
    return list(notes.deviations)


def test_which_thread_was_chosen_instead_of_which():
    point = ChoicePoint("thread", 2, (ROOT, WORKER))

    assert choices_of(1, point) == [Said(7, WORKER, ROOT)]
    assert choices_of(0, point) == []


def test_a_wrong_choice_and_other_choices_are_not_noted():
    assert choices_of(2, ChoicePoint("thread", 2, (ROOT, WORKER))) == []
    assert choices_of("x", ChoicePoint("thread", 2, (ROOT, WORKER))) == []
    assert choices_of(1, ChoicePoint("timers", 2)) == []


def test_the_first_and_the_last_instruction_of_a_line_are_of_it():
    code = compile("a = 1\nb = 2\n", "made up", "exec")
    ranges = [each for each in code.co_lines() if each[2] is not None]

    assert {line for _, _, line in ranges} >= {1, 2}
    for begin, end, line in ranges:
        assert [line_of(code, begin), line_of(code, end - 1)] == [line, line]


def test_an_instruction_without_a_line_is_told_by_its_function():
    code = compiled("def f():\n    pass\n", "a.py")["f"].__code__

    assert line_of(code, 10**6) == 1
