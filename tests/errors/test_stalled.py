"""The watchdog: what makes no progress is named in its time, what computes is let alone."""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import sys
import threading
import time

import pytest

import simclock
from simclock import Stalled

WATCHDOG = 0.4
ADVICE = "make it wait through something that simclock sees, or give a longer watchdog="
ADVICE_IN_C = [
    "  it waits in C by itself: no row of the table (python -m simclock rows) simulates it",
    (
        "run it in real time: `with sim.real_time(): ...` or @pytest.mark.simclock(False); "
        "or give a longer watchdog="
    ),
]
SPINS = "spins without reaching anything that simclock sees"
STUCK = "stuck in C code"


@pytest.fixture
def counter():
    """Return a descriptor whose reading waits in C, and is no row of the boundary."""
    descriptor = os.eventfd(0)
    yield descriptor
    os.close(descriptor)


def real_seconds(function):
    """Return how long a simulation of *function* takes; it must end as stalled."""
    before = time.monotonic()
    with pytest.raises(Stalled) as caught:
        simclock.run(function, watchdog=WATCHDOG)
    return time.monotonic() - before, caught.value


def in_time(seconds):
    # It is found between one and two of its periods, then the thread must get to run.
    return WATCHDOG <= seconds < 10 * WATCHDOG


def spin():
    while True:
        pass


def spin_on_a_flag():
    class Flags:
        done = False

    flags = Flags()
    while not flags.done:
        pass


def spin_through_calls():
    def ready():
        return False

    while not ready():
        continue


@pytest.mark.parametrize("function", [spin, spin_on_a_flag, spin_through_calls])
def test_a_spin_in_the_root_thread(function, normal):
    seconds, error = real_seconds(function)
    lines = normal(error).splitlines()
    assert lines[0] == f"stalled: root made no progress for {WATCHDOG} real seconds: {SPINS}"
    assert f"    in {function.__name__}" in lines[1:4]
    assert lines[-1] == ADVICE
    assert in_time(seconds)


def test_a_spin_in_a_thread(normal, capsys):
    reports = []

    def program():
        threading.Thread(target=spin, name="spinner").start()
        time.sleep(1)

    before, threading.excepthook = threading.excepthook, reports.append
    try:
        seconds, error = real_seconds(program)
    finally:
        threading.excepthook = before
    lines = normal(error).splitlines()
    assert lines[0] == f"stalled: spinner made no progress for {WATCHDOG} real seconds: {SPINS}"
    assert lines[1] == "    in spin"
    assert "  root (0), waits for a notification in Thread.start, since +0 s" in lines
    assert lines[-1] == ADVICE
    assert in_time(seconds)
    assert reports == []  # the simulation raises it; once is enough


def test_the_root_thread_stuck_in_c(counter, normal):
    def read():
        os.eventfd_read(counter)

    seconds, error = real_seconds(read)
    lines = normal(error).splitlines()
    stalled = f"stalled: root made no progress for {WATCHDOG} real seconds: {STUCK}"
    assert lines[0] == f"{stalled}, in posix.eventfd_read"
    assert lines[1] == "    in read"
    assert lines[-2:] == ADVICE_IN_C
    assert in_time(seconds)


class Reader:
    read = staticmethod(os.eventfd_read)


def stuck_in_a_method(counter):
    Reader().read(counter)


def stuck_through_a_name(counter):
    read = os.eventfd_read
    read(*[counter][: len("x")])


def stuck_without_a_name(counter):
    [os.eventfd_read][0](counter)


@pytest.mark.parametrize(
    ("function", "called", "called_3_10"),
    [
        (stuck_in_a_method, ", in Reader().read", ""),
        (stuck_through_a_name, ", in posix.eventfd_read", ""),
        (stuck_without_a_name, ", in [os.eventfd_read][0]", ", in [os.eventfd_read][0]"),
    ],
)
def test_the_call_in_c_is_named_if_it_is_known(counter, function, called, called_3_10):
    """Python 3.10 does not tell in which of several calls in a line it is."""
    called = called_3_10 if sys.version_info < (3, 11) else called
    _, error = real_seconds(lambda: function(counter))
    assert str(error).splitlines()[0].endswith(f": {STUCK}{called}")


def test_a_thread_stuck_in_c_loses_its_turn_and_ends_when_it_comes_back(counter, normal):
    threads = []

    def program():
        threads.append(threading.Thread(target=os.eventfd_read, args=(counter,), name="reader"))
        try:
            threads[0].start()
            time.sleep(1)
        finally:
            os.eventfd_write(counter, 1)

    seconds, error = real_seconds(program)
    lines = normal(error).splitlines()
    stalled = f"stalled: reader made no progress for {WATCHDOG} real seconds: {STUCK}"
    assert lines[0] == f"{stalled}, in posix.eventfd_read"
    assert "  root (0), waits for a notification in Thread.start, since +0 s" in lines
    assert lines[-2:] == ADVICE_IN_C
    assert in_time(seconds)
    threads[0].join(10)
    assert not threads[0].is_alive()
    assert simclock.run(lambda: time.sleep(1) or time.monotonic()) == 1001.0


def test_whoever_swallows_it_and_hangs_again_is_told_again(counter):
    log = []

    def program():
        for _ in range(3):
            try:
                os.eventfd_read(counter)
            except TimeoutError:
                log.append("stalled")

    with pytest.raises(Stalled):
        simclock.run(program, watchdog=0.2)
    assert log == ["stalled"] * 3


class Counter:
    n = 0


def compute_in_variables(steps):
    total = 0
    for number in range(steps):
        total += number


def compute_in_attributes(steps):
    counter = Counter()
    while counter.n < steps:
        counter.n += 1


def compute_in_a_list(steps):
    cells = [0]
    while cells[0] < steps:
        cells[0] += 1


def compute_in_a_dict(steps):
    cells = {"n": 0}
    while cells["n"] < steps:
        cells["n"] += 1


def compute_in_a_global(steps):
    global done  # noqa: PLW0603
    done = 0
    while done < steps:
        done += 1


def compute_in_a_generator(steps):
    def count():
        number = 0
        while number < steps:
            number += 1
            yield number

    for _ in count():
        pass


def compute_in_c(steps):
    hashlib.pbkdf2_hmac("sha256", b"x", b"y", steps)


def compute_in_python_and_then_in_c(steps):
    compute_in_variables(200_000)
    compute_in_c(steps)


def compute_in_c_with_the_gil(steps):
    sum(range(steps))


done = 0
COMPUTE = [
    (compute_in_variables, "root"),
    (compute_in_variables, "thread"),
    (compute_in_attributes, "root"),
    (compute_in_a_list, "root"),
    (compute_in_a_dict, "root"),
    (compute_in_a_global, "root"),
    (compute_in_a_generator, "root"),
    (compute_in_c, "root"),
    (compute_in_c, "thread"),
    (compute_in_python_and_then_in_c, "root"),
    (compute_in_c_with_the_gil, "root"),
]


@pytest.mark.parametrize(("compute", "where"), COMPUTE)
def test_a_long_honest_computation_passes(compute, where):
    patience = 0.1
    compute(1000)
    before = time.thread_time()
    compute(50_000)
    steps = int(50_000 * 3 * patience / (time.thread_time() - before))

    def program():
        if where == "root":
            compute(steps)
        else:
            thread = threading.Thread(target=compute, args=(steps,))
            thread.start()
            thread.join()
        return simclock.active().elapsed

    before = time.process_time()
    assert simclock.run(program, watchdog=patience) == 0.0
    assert time.process_time() - before > patience


def child(program: str, *, stdin: str = "", watchdog: float = WATCHDOG):
    return subprocess.run(
        [sys.executable, "-c", program.replace("WATCHDOG", str(watchdog))],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


DEBUGGED = """
import os, sys, threading, time
import simclock

def program():
    answer = 41
    breakpoint()
    time.sleep(1)
    print("answer", answer, simclock.active().elapsed)

simclock.run(PROGRAM, watchdog=WATCHDOG)
print("done")
"""
IN_A_THREAD = "lambda: (t := threading.Thread(target=program), t.start(), t.join())"


@pytest.mark.parametrize("where", ["program", IN_A_THREAD], ids=["root", "thread"])
def test_the_watchdog_steps_aside_for_a_debugger(where):
    """Pdb waits for its input for several times the watchdog's time."""
    source = DEBUGGED.replace("PROGRAM", where).replace("WATCHDOG", "0.2")
    with subprocess.Popen(
        [sys.executable, "-c", source],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        for line in ("p answer", "!answer = 42", "c"):
            time.sleep(0.5)
            process.stdin.write(line + "\n")
            process.stdin.flush()
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "(Pdb) 41" in out
    assert "answer 42 1.0" in out
    assert out.endswith("done\n")


def test_a_stall_prints_every_stack_for_the_record():
    result = child(
        "import simclock\ndef spin():\n    while True: pass\nsimclock.run(spin, watchdog=WATCHDOG)"
    )
    assert result.returncode == 1
    assert 'File "<string>", line 3 in spin' in result.stderr
    assert "simclock.errors.Stalled: stalled: root made no progress for" in result.stderr
    assert "direct cause" not in result.stderr


def test_a_process_with_a_thread_stuck_for_ever_still_ends():
    result = child(
        "import os, threading, time, simclock\n"
        "counter = os.eventfd(0)\n"
        "def program():\n"
        "    threading.Thread(target=os.eventfd_read, args=(counter,), name='reader').start()\n"
        "    time.sleep(1)\n"
        "try:\n"
        "    simclock.run(program, watchdog=WATCHDOG)\n"
        "except simclock.Stalled as error:\n"
        "    print(str(error).splitlines()[0])\n"
        "print(simclock.run(lambda: time.sleep(1) or time.monotonic()))\n"
    )
    assert result.returncode == 0
    assert result.stdout.splitlines() == [
        f"stalled: reader made no progress for {WATCHDOG} real seconds: {STUCK}, in posix.eventfd_read",
        "1001.0",
    ]


def test_faulthandler_works_inside(tmp_path):
    program = f"""
import faulthandler, sys, threading, time
import simclock

def work():
    time.sleep(3)

def program():
    threading.Thread(target=work).start()
    time.sleep(1)
    with open({str(tmp_path / "dump")!r}, "w") as file:
        faulthandler.dump_traceback(file)
        faulthandler.dump_traceback_later(0.2, file=file)
        with simclock.active().real_time():
            time.sleep(0.6)
        faulthandler.cancel_dump_traceback_later()
    time.sleep(5)
    return simclock.active().elapsed

faulthandler.enable()
print(simclock.run(program))
"""
    result = child(program)
    assert (result.stdout, result.stderr) == ("6.0\n", "")
    dump = (tmp_path / "dump").read_text()
    assert dump.count("in work") == 2
    assert dump.count("in program") == 2
    assert "Timeout (" in dump


def test_a_thread_that_has_lost_its_turn_logs_on_its_way_out(counter, caplog):
    threads = []

    def reads():
        try:
            os.eventfd_read(counter)
        finally:
            logging.getLogger("tests").error("back")

    def program():
        threads.append(threading.Thread(target=reads, name="reader"))
        try:
            threads[0].start()
            time.sleep(1)
        finally:
            os.eventfd_write(counter, 1)

    _, error = real_seconds(program)
    threads[0].join(10)
    assert isinstance(error, Stalled)
    assert [each.getMessage() for each in caplog.records if each.name == "tests"] == ["back"]
