"""Checkpoints at each line or instruction of chosen modules."""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import functools
import gc
import importlib
import itertools
import os
import random
import sys
import textwrap
import threading
import time

import pytest

import simclock
from simclock._boundary import _native
from simclock._core.kernel import Kernel

MONITORED = sys.version_info >= (3, 12)
traced_only = pytest.mark.skipif(MONITORED, reason="sys.settrace is used up to 3.11")
monitored_only = pytest.mark.skipif(not MONITORED, reason="sys.monitoring is used from 3.12 on")


class First:
    """Always the first choice, but asked at each checkpoint."""

    interested = True
    latency_ns = 0
    chaos = False

    def choose(self, point):
        return 0


class Dice(First):
    def __init__(self, seed):
        self.random = random.Random(seed)

    def choose(self, point):
        stays = self.random.random() < 0.7
        return 0 if stays else self.random.randrange(point.bound)


class Others(First):
    """Never lets the running thread go on where another one can."""

    def choose(self, point):
        return 1 if point.preempts else 0


numbers = itertools.count()


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Import a program as a module that has never run."""
    monkeypatch.syspath_prepend(tmp_path)
    names = []

    def make(program, *, imported=True):
        name = f"searched_{next(numbers)}"
        names.append(name)
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(program))
        importlib.invalidate_caches()
        return importlib.import_module(name) if imported else name

    yield make
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture
def places(monkeypatch):
    """Note where checkpoints are offered: function and line within it."""
    seen = []
    checkpoint = Kernel.checkpoint

    def noting(kernel, label, *subject):
        if label in ("line", "opcode"):
            frame = sys._getframe(1)
            while frame.f_globals["__name__"].startswith("simclock."):
                frame = frame.f_back
            seen.append((frame.f_code.co_name, frame.f_lineno))
        return checkpoint(kernel, label, *subject)

    monkeypatch.setattr(Kernel, "checkpoint", noting)
    return seen


def in_two_threads(function):
    threads = [threading.Thread(target=function) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


COUNTER = """
    class Counter:
        def __init__(self):
            self.value = 0

        def in_two_lines(self):
            value = self.value
            self.value = value + 1

        def in_one_line(self):
            self.value += 1
"""


def count(module, method, source, **options):
    counter = module.Counter()
    with simclock.Simulation(choices=source, **options) as sim:
        in_two_threads(getattr(counter, method))
    return counter.value, sim.trace.digest


# ------------------------------------------------------------------ what is found


@pytest.mark.parametrize(
    ("option", "method"), [("lines", "in_two_lines"), ("opcodes", "in_one_line")]
)
def test_a_lost_update_is_found(module, option, method):
    counters = module(COUNTER)
    options = {option: [counters.__name__]}

    searched = {count(counters, method, Dice(seed), **options)[0] for seed in range(100)}
    without = {count(counters, method, Dice(seed))[0] for seed in range(100)}

    assert (searched, without) == ({1, 2}, {2})


def test_an_update_in_one_line_is_not_torn_by_lines(module):
    counters = module(COUNTER)
    options = {"lines": [counters.__name__]}

    assert {count(counters, "in_one_line", Dice(seed), **options)[0] for seed in range(50)} == {2}


def test_who_waits_in_a_loop_of_its_own_gets_what_it_waits_for(module):
    spinning = module("""
        flag = []

        def wait():
            while not flag:
                pass

        def wait_in_one_line():
            while not flag: pass
    """)
    for wait in (spinning.wait, spinning.wait_in_one_line):
        spinning.flag.clear()
        with simclock.Simulation(choices=First(), lines=[spinning.__name__]):
            thread = threading.Thread(target=spinning.flag.append, args=(1,))
            thread.start()
            wait()
            thread.join()


# --------------------------------------------------------------- always the same


@pytest.mark.parametrize("option", ["lines", "opcodes"])
@pytest.mark.parametrize("source", [lambda: Dice(1), Others], ids=["dice", "others"])
def test_the_same_schedule_gives_the_same_trace_from_the_first_run_on(module, option, source):
    program = module("""
        def work():
            items = []
            for number in range(3):
                items.append(number)
                (items
                    .append(number))
                total = sum(each for each in items)
            return [each + total for each in items]
    """)

    def run():
        with simclock.Simulation(choices=source(), **{option: [program.__name__]}) as sim:
            in_two_threads(program.work)
        return sim.trace.digest

    runs = [run() for _ in range(20)]
    for _ in range(3000):
        program.work()  # adapted by now
    runs.append(run())

    assert len(set(runs)) == 1


PROGRAM = """
    import random, sys, threading
    import simclock

    class Dice:
        interested, latency_ns, chaos = True, 0, False

        def __init__(self):
            self.random = random.Random(7)

        def choose(self, point):
            return self.random.randrange(point.bound)

    class Counter:
        value = 0

        def add(self):
            value = self.value
            self.value = value + 1

    def work():
        for _ in range(5):
            counter.add()

    counter = Counter()
    Dice().choose(simclock.ChoicePoint("any", 2))  # measured with and without something to choose
    with simclock.Simulation(choices=Dice(), {option}=["__main__"]) as sim:
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print(counter.value, sim.trace.digest)
"""


@pytest.mark.parametrize("option", ["lines", "opcodes"])
def test_another_process_with_another_hash_seed_gives_the_same_trace(child, option):
    program = PROGRAM.format(option=option)

    runs = [child(program, "-X", "dev", "-W", "error", PYTHONHASHSEED=seed) for seed in "12"]

    assert runs[0] == runs[1]


CORES = ["ctrace", "pytrace", pytest.param("sysmon", marks=monitored_only)]


@pytest.mark.parametrize("option", ["lines", "opcodes"])
@pytest.mark.parametrize("core", CORES)
def test_coverage_changes_nothing_and_is_not_changed(child, tmp_path, core, option, monkeypatch):
    for name in ("COVERAGE_PROCESS_CONFIG", "COVERAGE_FILE"):  # one measurement is enough
        monkeypatch.delenv(name, raising=False)
    program = tmp_path / "program.py"
    settings = tmp_path / "settings"
    settings.write_text(f"[run]\ncore = {core}\ndata_file = {tmp_path}/data\n")

    def measure(text):
        program.write_text(text)
        *printed, lines = child(f"""
            import coverage, sys
            sys.argv = ["coverage", "run", "--rcfile={settings}", {str(program)!r}]
            from coverage.cmdline import main
            main()
            data = coverage.CoverageData({str(tmp_path / "data")!r})
            data.read()
            print(sorted(data.lines({str(program)!r})))
        """)
        return printed, lines

    given = textwrap.dedent(PROGRAM).format(option=option)
    printed, lines = measure(given)
    plain = child(f"import runpy; runpy.run_path({str(program)!r}, run_name='__main__')")
    _, expected = measure(given.replace(f', {option}=["__main__"]', ""))

    assert (printed, lines) == (plain, expected)


# ------------------------------------------------------------------ what is reached

REACHED = """
    import functools

    def decorated(function):
        @functools.wraps(function)
        def wrapper(*args):
            return function(*args)
        return wrapper

    def plain():
        return 1

    class Class:
        @decorated
        def method(self):
            return 2

        @staticmethod
        def static():
            return 3

        value = property(lambda self: 4)

    hidden = functools.partial(lambda: 5)

    def generator():
        yield 6
        yield 7

    async def coroutine():
        return 8

    def outer():
        def inner():
            return 9
        return inner

    def one_line(): return 10

    before = outer()
    suspended = generator()
    next(suspended)
"""
CASES = {
    "plain": (lambda it: it.plain(), [("plain", 11)]),
    "method": (lambda it: it.Class().method(), [("wrapper", 7), ("method", 16)]),
    "static": (lambda it: it.Class.static(), [("static", 20)]),
    "property": (lambda it: it.Class().value, [("<lambda>", 22)]),
    "partial": (lambda it: it.hidden(), [("<lambda>", 24)]),
    "generator": (lambda it: list(it.generator()), [("generator", 27), ("generator", 28)]),
    "suspended": (lambda it: next(it.suspended), [("generator", 28)]),
    "coroutine": (lambda it: asyncio.run(it.coroutine()), [("coroutine", 31)]),
    "nested": (lambda it: it.outer()(), [("outer", 34), ("outer", 36), ("inner", 35)]),
    "closure": (lambda it: it.before(), [("inner", 35)]),
    "in one line": (lambda it: it.one_line(), [("one_line", 38)]),
}


@pytest.mark.parametrize(("call", "expected"), CASES.values(), ids=CASES)
def test_all_functions_of_a_module_are_reached(module, places, call, expected):
    program = module(REACHED)

    with simclock.Simulation(choices=First(), lines=[program.__name__]):
        call(program)

    assert places == expected


def test_the_function_that_opens_the_simulation_is_reached(places):
    first = sys._getframe().f_lineno
    with simclock.Simulation(choices=First(), lines=[__name__]):
        time.sleep(1)
        first += 0
    time.sleep(0)

    name = "test_the_function_that_opens_the_simulation_is_reached"
    assert places[:2] == [(name, first + 2), (name, first + 3)]
    assert (name, first + 4) not in places


@pytest.mark.parametrize("start", ["Thread", "raw"])
@pytest.mark.parametrize("traced", [True, False])
def test_every_simulated_thread_is_reached(module, places, start, traced, monkeypatch):
    program = module("def work():\n    return 1\n")
    tracer = (lambda *_: None) if traced else None
    monkeypatch.setattr(threading, "_trace_hook", tracer)  # as coverage sets it

    with simclock.Simulation(choices=First(), lines=[program.__name__]):
        if start == "raw":
            _thread.start_new_thread(program.work, ())
        else:
            threading.Thread(target=program.work).start()
        time.sleep(1)

    assert places == [("work", 2)]


def test_what_fails_in_a_raw_thread_is_named_as_ever(module, monkeypatch):
    program = module("def work():\n    return 1 / 0\n")
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda error: seen.append(error.exc_type))

    with simclock.Simulation(choices=First(), lines=[program.__name__]):
        _thread.start_new_thread(program.work, ())
        time.sleep(1)

    assert seen == [ZeroDivisionError]


def test_real_time_foreign_threads_and_other_modules_are_left_alone(module, places):
    program = module("def work():\n    return 1\n")
    other = module("def work():\n    return 1\n")

    with simclock.Simulation(choices=First(), lines=[program.__name__]) as sim:
        other.work()
        with sim.real_time():
            program.work()
            foreign = threading.Thread(target=program.work)
            foreign.start()
            foreign.join()

    assert places == []


def test_the_kernel_is_left_alone(module, places):
    sources = module("""
        class Source:
            interested, latency_ns, chaos = True, 0, False

            def choose(self, point):
                return 0
    """)

    with simclock.Simulation(choices=sources.Source(), lines=[sources.__name__]):
        in_two_threads(functools.partial(time.sleep, 1))

    assert places == []


def test_a_module_that_comes_later_is_reached(module, places):
    name = module("def work():\n    return 1\n", imported=False)

    with simclock.Simulation(choices=First(), lines=[name]):
        importlib.import_module(name).work()

    assert places == [("work", 2)]


def test_a_module_that_has_come_anew_is_reached(module, places):
    program = module("def work():\n    return 1\n")

    for _ in range(2):
        with simclock.Simulation(choices=First(), lines=[program.__name__]):
            program.work()
        program = importlib.reload(program)

    assert places == [("work", 2), ("work", 2)]


def test_functions_made_between_two_runs_are_reached(module, places):
    program = module("def make():\n    exec('def work():\\n    return 1\\n', globals())\n")

    for _ in range(2):
        with simclock.Simulation(choices=First(), lines=[program.__name__]):
            if "work" in vars(program):
                program.work()
        if "work" not in vars(program):
            program.make()

    assert places == [("work", 2)]


def test_an_instruction_is_told_of_once_also_at_the_start_of_a_line(module, places):
    program = module("def work():\n    return 1\n")

    with simclock.Simulation(choices=First(), lines=[program.__name__], opcodes=[program.__name__]):
        program.work()

    instructions = {(3, 10): 2, (3, 11): 2, (3, 12): 1, (3, 13): 1}[sys.version_info[:2]]
    assert places == [("work", 2)] * instructions


def test_nobody_is_asked_who_has_no_interest(module, places):
    program = module("def work():\n    return 1\n")

    with simclock.Simulation(lines=[program.__name__]):
        program.work()

    assert places == []


@pytest.mark.parametrize("frozen", [True, False])
def test_nested_simulations_have_checkpoints_of_their_own(module, places, frozen):
    outer, inner = module("def work():\n    return 1\n"), module("def job():\n    return 1\n")
    if frozen:
        gc.freeze()
    try:
        with simclock.Simulation(choices=First(), lines=[outer.__name__]):
            outer.work()
            inner.job()
            with simclock.Simulation(choices=First(), lines=[inner.__name__]):
                outer.work()
                inner.job()
            outer.work()
            inner.job()
    finally:
        gc.unfreeze()

    assert places == [("work", 2), ("job", 2), ("work", 2)]


# ----------------------------------------------------------------- what is raised there


@pytest.mark.parametrize("option", ["lines", "opcodes"])
def test_errors_are_raised_in_the_code_that_runs(module, option):
    program = module("""
        log = []

        def spin():
            try:
                while True:
                    log
            except BaseException as error:
                log.append(type(error).__name__)
                raise
    """)

    before = sys.gettrace()
    with (
        pytest.raises(simclock.Livelock),
        simclock.Simulation(
            choices=First(), max_steps_per_instant=5000, **{option: [program.__name__]}
        ),
    ):
        program.spin()

    assert program.log == ["Livelock"]
    assert sys.gettrace() is before


@pytest.mark.parametrize("option", ["lines", "opcodes"])
@pytest.mark.parametrize("steps", range(20, 60))
def test_an_error_never_keeps_a_simulation_from_being_closed(module, option, steps):
    program = module("""
        import contextlib
        import simclock

        def run(source, **options):
            with (
                simclock.Simulation(choices=source, **options) as sim,
                contextlib.nullcontext(),
            ):
                for number in range(10):
                    sim.checkpoint()
            return number
    """)
    options = {option: [program.__name__]}

    # At each of its steps, those of the block's end among them.
    with contextlib.suppress(simclock.Livelock):
        program.run(First(), max_steps_per_instant=steps, **options)

    assert (_native.redirected(), simclock.active()) == ([], None)


def test_a_leftover_is_unwound_whatever_it_does_on_its_way_out(module):
    program = module("""
        import time
        log = []

        def work():
            try:
                time.sleep(10_000)
            finally:
                for number in range(5000):
                    log.append(number)
    """)

    with simclock.Simulation(choices=First(), lines=[program.__name__], drain=1):
        threading.Thread(target=program.work, daemon=True).start()
        time.sleep(1)

    assert len(program.log) == 5000


def test_what_runs_inside_of_a_checkpoint_is_simulated_as_ever(module):
    """Finalizers: the kernel collects garbage at some checkpoints."""
    program = module("""
        import time
        log = []

        class Node:
            def __init__(self):
                self.me = self

            def __del__(self):
                before = time.monotonic()
                time.sleep(1)
                log.append(time.monotonic() - before)

        def work():
            Node()
            for number in range(6000):
                pass
    """)

    with simclock.Simulation(choices=First(), lines=[program.__name__]):
        in_two_threads(program.work)

    assert program.log == [1.0, 1.0]


# -------------------------------------------------------------------- as it was before


def tools():
    return [sys.monitoring.get_tool(tool) for tool in range(6)]


@monitored_only
def test_nothing_is_left_of_monitoring(module):
    program = module("def work():\n    return 1\n")
    before = tools()

    with simclock.Simulation(choices=First(), lines=[program.__name__]):
        program.work()
        inside = tools()

    assert tools() == before
    (tool,) = (tool for tool in range(6) if inside[tool] != before[tool])
    assert inside[tool] == "simclock"
    sys.monitoring.use_tool_id(tool, "test")
    events = sys.monitoring.get_local_events(tool, program.work.__code__)
    sys.monitoring.free_tool_id(tool)
    assert events == 0


@monitored_only
def test_without_a_free_tool_there_is_an_error_and_no_simulation(module):
    program = module("def work():\n    return 1\n")
    taken = [tool for tool in range(6) if sys.monitoring.get_tool(tool) is None]
    for tool in taken:
        sys.monitoring.use_tool_id(tool, f"tool {tool}")
    try:
        with (
            pytest.raises(simclock.Unsupported, match=r"(?s)all six tools .*tool 4.*end one of"),
            simclock.Simulation(choices=First(), lines=[program.__name__]),
        ):
            pass
    finally:
        for tool in taken:
            sys.monitoring.free_tool_id(tool)

    assert (_native.redirected(), simclock.active()) == ([], None)


class Tracer:
    """Notes the lines of a module."""

    def __init__(self, module):
        self.name = module.__name__
        self.lines = []

    def __call__(self, frame, event, arg):
        if frame.f_globals.get("__name__") == self.name:
            self.lines.append((event, frame.f_code.co_name, frame.f_lineno))
        return self


TRACED = """
    def work():
        total = 0
        for number in range(3):
            total += number
        return total
"""


@pytest.mark.parametrize("option", ["lines", "opcodes"])
def test_another_tracer_sees_what_it_would_see_without_us(module, option, places):
    program = module(TRACED)

    def trace(**options):
        tracer = Tracer(program)
        before = sys.gettrace(), threading.gettrace()
        threading.settrace(tracer)
        sys.settrace(tracer)
        try:
            with simclock.Simulation(choices=First(), **options):
                program.work()
                in_two_threads(program.work)
            after = sys.gettrace(), threading.gettrace()
            program.work()
        finally:
            sys.settrace(before[0])
            threading.settrace(before[1])
        assert after == (tracer, tracer)
        return tracer.lines

    expected = trace()
    assert places == []
    assert trace(**{option: [program.__name__]}) == expected
    assert len(places) >= 3 * 9


def test_the_opening_frame_is_traced_as_before(module):
    program = module("""
        import simclock

        def work(source, **options):
            with simclock.Simulation(choices=source, **options):
                one = 1
            return sys_getframe().f_trace

        from sys import _getframe as sys_getframe
    """)
    tracer = Tracer(program)

    def trace(**options):
        tracer.lines.clear()
        before = sys.gettrace()
        sys.settrace(tracer)
        try:
            left = program.work(First(), **options)
        finally:
            sys.settrace(before)
        assert left is tracer
        return list(tracer.lines)

    assert trace(lines=[program.__name__]) == trace()


@traced_only
def test_a_suspended_generator_is_left_to_who_traces_it(module):
    program = module("def generate():\n    yield 1\n    yield 2\n    yield 3\n")
    before = sys.gettrace()

    with simclock.Simulation(choices=First(), opcodes=[program.__name__]):
        generator = program.generate()
        next(generator)
    tracer = Tracer(program)
    sys.settrace(tracer)
    try:
        next(generator)
    finally:
        sys.settrace(before)

    assert tracer.lines == [
        ("call", "generate", 2),
        ("line", "generate", 3),
        ("return", "generate", 3),
    ]


@traced_only
def test_a_tracer_that_takes_itself_off_is_off(module, places):
    program = module(TRACED)
    seen = []

    def once(frame, event, arg):
        seen.append(event)
        sys.settrace(None)

    before = sys.gettrace()
    sys.settrace(once)
    try:
        with simclock.Simulation(choices=First(), lines=[program.__name__]):
            program.work()
        after = sys.gettrace()
    finally:
        sys.settrace(before)

    assert (seen, after) == (["call"], None)
    assert len(places) == 9


@traced_only
def test_a_foreign_thread_is_traced_by_who_traces_threads(module, places):
    program = module(TRACED)
    tracer = Tracer(program)
    before = threading.gettrace()
    threading.settrace(tracer)
    try:
        with simclock.Simulation(choices=First(), lines=[program.__name__]) as sim, sim.real_time():
            foreign = threading.Thread(target=program.work)
            foreign.start()
            foreign.join()
    finally:
        threading.settrace(before)

    assert (len(tracer.lines), places) == (11, [])


def test_a_forked_child_has_no_checkpoints(module, places):
    program = module("def work():\n    return 1\n")

    with simclock.Simulation(choices=First(), lines=[program.__name__]):
        pid = os.fork()
        if pid == 0:  # pragma: no cover - the child
            program.work()
            ours = type(sys.gettrace()).__module__.startswith("simclock")
            os._exit(10 * ours + len(places))
        status = os.waitpid(pid, 0)[1]

    assert os.waitstatus_to_exitcode(status) == 0


# ----------------------------------------------------------------- what is no module


@pytest.mark.parametrize("option", ["lines", "opcodes"])
@pytest.mark.parametrize(
    ("names", "error", "text"),
    [
        ("json", TypeError, r"is no list of modules: 'json'\ngive a list of names"),
        (None, TypeError, "is no list of modules: None"),
        ([importlib], TypeError, r"has what is no name of a module: <module 'importlib'"),
        (
            ["nowhere.to_be"],
            ValueError,
            r"has a module that cannot be found: 'nowhere.to_be'\ngive its full",
        ),
        (["json.nowhere"], ValueError, "has a module that cannot be found: 'json.nowhere'"),
        ([""], ValueError, "has a module that cannot be found: ''"),
        (
            ["simclock._core.kernel"],
            ValueError,
            "has a module of the simulator itself: 'simclock._core.kernel'",
        ),
        (["pytest_simclock"], ValueError, "has a module of the simulator itself"),
    ],
)
def test_what_is_no_module_is_refused(option, names, error, text):
    with pytest.raises(error, match=f"{option} {text}"):
        simclock.Simulation(**{option: names})
