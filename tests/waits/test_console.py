from __future__ import annotations

import io
import os
import queue
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from simclock import Simulation
from simclock._boundary import _native, held

LIMIT = 60.0


def converse(program, lines, returncode=0):
    """Run *program*; tell it one more of *lines* whenever it asks, but not at once."""
    with subprocess.Popen(
        [
            sys.executable,
            "-W",
            "ignore:This process:DeprecationWarning",
            "-c",
            textwrap.dedent(program),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        said = []
        for line in lines:
            while not (heard := process.stdout.readline()).startswith("?"):
                said.append(heard.rstrip())
                assert heard
            time.sleep(0.2)
            process.stdin.write(line + "\n")
            process.stdin.flush()
        out, err = process.communicate(timeout=LIMIT)
        assert (process.returncode, err) == (returncode, "")
        return said + out.splitlines()


def test_the_clock_stands_still_while_somebody_types():
    program = """
        import simclock, threading, time
        with simclock.Simulation() as sim:
            threading.Timer(5, lambda: print("timer", sim.elapsed)).start()
            time.sleep(1)
            answer = input("?\\n")
            print(answer, sim.elapsed)
            time.sleep(10)
            print(*sim.escapes)
    """

    assert converse(program, ["hello"]) == [
        "hello 1.0",
        "timer 5.0",
        "root (0), calls input() at <string>:6, at virtual +1 s",
    ]


def test_somebody_may_take_longer_than_the_watchdog_allows():
    program = """
        import simclock
        with simclock.Simulation(watchdog=0.05):
            print(input("?\\n"))
    """

    assert converse(program, ["hello"]) == ["hello"]


def test_input_in_another_thread_holds_everybody():
    program = """
        import simclock, threading, time
        with simclock.Simulation() as sim:
            thread = threading.Thread(target=lambda: print(input("?\\n"), sim.elapsed), name="asker")
            thread.start()
            time.sleep(1)
            print("main", sim.elapsed)
            thread.join()
            print(*sim.escapes)
    """

    assert converse(program, ["hello"]) == [
        "hello 0.0",
        "main 1.0",
        "asker (0.1), calls input() at <string>:4, at virtual +0 s",
    ]


def test_strict_mode_refuses_and_says_where_and_what_to_do():
    program = """
        import simclock
        try:
            with simclock.Simulation(external="strict"):
                try:
                    input("?")
                except simclock.Escape as error:
                    print(error)
        except simclock.Escape:
            print("told again, for it was swallowed")
    """

    said = converse(program, [])
    if '      input("?")' in said:
        said.remove('      input("?")')  # from 3.13 on, such a program's source is known

    assert said == [
        "escape: root (0), calls input() at <string>:6, at virtual +0 s, which runs in real time",
        "    <string>:6 in <module>",
        'allow it with external="hold" (the clock waits), or only here: `with sim.real_time(): ...`',
        "told again, for it was swallowed",
    ]


def test_strict_mode_tells_the_thread_that_asked_and_the_root():
    program = """
        import simclock, threading
        def ask():
            try:
                input("?")
            except simclock.Escape as error:
                print("asker:", str(error).partition(",")[0])
        try:
            with simclock.Simulation(external="strict"):
                thread = threading.Thread(target=ask, name="asker")
                thread.start()
                thread.join()
        except simclock.Escape as error:
            print("root:", str(error).partition(",")[0])
    """

    assert converse(program, []) == ["asker: escape: asker (0.1)", "root: escape: asker (0.1)"]


def test_a_fork_while_it_is_held_leaves_the_child_outside():
    program = """
        import os, simclock
        from simclock._boundary import _native
        from simclock._boundary.held import held
        with simclock.Simulation() as sim:
            pid = _native.call_kernel(held, "fork()", os.fork)
            if pid == 0:
                print(simclock.active(), flush=True)
                os._exit(0)
            os.waitpid(pid, 0)
            print(simclock.active() is sim)
    """

    assert converse(program, []) == ["None", "True"]


def test_an_interrupt_ends_it_at_once():
    program = """
        import os, signal, simclock, threading, time
        os.dup2(os.pipe()[0], 0)
        with simclock.Simulation() as sim:
            def interrupt():
                time.sleep(0.2)
                os.kill(os.getpid(), signal.SIGINT)
            with sim.real_time():
                threading.Thread(target=interrupt).start()
            try:
                input("?")
            except KeyboardInterrupt:
                print("interrupted", sim.elapsed)
    """

    assert converse(program, []) == ["?interrupted 0.0"]


def test_an_interrupt_just_before_it_leaves_the_simulation_as_it_was(monkeypatch):
    """Python runs handlers as soon as a call has returned, before the next instruction."""

    class Interrupted:
        """The C module, in which an interrupt comes right after the thread has left."""

        def __getattr__(self, name):
            return getattr(_native, name)

        def leave(self):
            _native.leave()
            raise KeyboardInterrupt

    with Simulation() as sim:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(held, "_native", Interrupted())
            os.system("true")
        time.sleep(1)
        assert sim.elapsed == 1.0


def test_a_stand_in_for_the_standard_input_is_the_users_and_waits_in_virtual_time(
    monkeypatch, log, capsys
):
    lines = queue.Queue()

    class Typed:
        def readline(self):
            return lines.get()

    monkeypatch.setattr(sys, "stdin", Typed())
    with Simulation() as sim:
        threading.Timer(3, lines.put, ["hello\n"]).start()
        log(input())
        assert sim.escapes == ()
    monkeypatch.setattr(sys, "stdin", io.StringIO("one\n"))
    with Simulation(external="strict"):
        log(input())
        with pytest.raises(EOFError):
            input()

    assert log == [(3.0, "hello"), (0.0, "one")]


def test_errors_are_those_of_the_original(monkeypatch, outcome):
    monkeypatch.setattr(sys, "stdin", None)
    real = outcome(input), outcome(input, 1, 2)

    with Simulation():
        assert (outcome(input), outcome(input, 1, 2)) == real
