"""A wait for a child process: in real time for the child, in no time for the clock."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import threading
import time

import pytest

import simclock
from simclock._boundary import outside
from simclock.errors import Escape, Stalled

SHORT = ["sleep", "0.2"]
LONG = ["sleep", "100"]


def spawn(*argv):
    return os.posix_spawnp(argv[0], argv, os.environ)


# -------------------------------------------------------------------------- the built-ins


WAITS = {
    "waitpid": lambda pid: os.waitpid(pid, 0),
    "waitpid of any": lambda _: os.waitpid(-1, 0),
    "waitpid of the group": lambda _: os.waitpid(0, 0),
    "waitpid of a group": lambda _: os.waitpid(-os.getpgrp(), 0),
    "waitpid with states": lambda pid: os.waitpid(pid, os.WUNTRACED | os.WCONTINUED),
    "wait": lambda _: os.wait(),
    "wait3": lambda _: os.wait3(0)[:2],
    "wait3 by name": lambda _: os.wait3(options=0)[:2],
    "wait4": lambda pid: os.wait4(pid, 0)[:2],
    "wait4 by name": lambda pid: os.wait4(pid=pid, options=0)[:2],
    "wait4 half by name": lambda pid: os.wait4(pid, options=0)[:2],
}


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
def test_a_wait_takes_no_virtual_time(simulated, wait):
    def body():
        pid = spawn("sh", "-c", "sleep 0.05; exit 3")
        found, status = wait(pid)
        return found == pid, os.waitstatus_to_exitcode(status)

    assert simulated(body) == ((True, 3), 0.0)


@pytest.mark.parametrize(
    "which",
    [
        lambda pid: (os.P_PID, pid),
        lambda _: (os.P_ALL, 0),
        lambda _: (os.P_PGID, os.getpgrp()),
    ],
    ids=["P_PID", "P_ALL", "P_PGID"],
)
def test_waitid_tells_and_leaves_the_child_if_it_is_asked_to(simulated, which):
    def body():
        pid = spawn("sh", "-c", "sleep 0.05; exit 3")
        first = os.waitid(*which(pid), os.WEXITED | os.WNOWAIT)
        second = os.waitid(*which(pid), os.WEXITED)
        return [(r.si_pid == pid, r.si_status, r.si_code == os.CLD_EXITED) for r in (first, second)]

    assert simulated(body) == ([(True, 3, True)] * 2, 0.0)


def test_waitid_takes_a_pidfd(simulated):
    def body():
        pid = spawn(*SHORT)
        fd = os.pidfd_open(pid)
        try:
            return os.waitid(os.P_PIDFD, fd, os.WEXITED).si_pid == pid
        finally:
            os.close(fd)

    assert simulated(body) == (True, 0.0)


def test_a_stopped_child_is_told_of_and_is_still_there(simulated):
    def body():
        pid = spawn(*LONG)
        os.kill(pid, signal.SIGSTOP)
        stopped = os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1])
        os.kill(pid, signal.SIGCONT)
        continued = os.WIFCONTINUED(os.waitpid(pid, os.WCONTINUED)[1])
        os.kill(pid, signal.SIGTERM)
        return stopped, continued, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    assert simulated(body) == ((True, True, -15), 0.0)


def test_other_threads_run_while_one_waits_and_the_clock_stands_still(simulated):
    def body():
        log = []

        def ticker():
            for _ in range(3):
                time.sleep(1)
                log.append((time.monotonic() - start, "tick"))

        start = time.monotonic()
        thread = threading.Thread(target=ticker)
        thread.start()
        pid = spawn(*SHORT)
        os.waitpid(pid, 0)
        log.append((time.monotonic() - start, "reaped"))
        thread.join()
        return log

    assert simulated(body) == (
        [(0.0, "reaped"), (1.0, "tick"), (2.0, "tick"), (3.0, "tick")],
        3.0,
    )


def test_a_wait_that_asks_only_once_returns_at_once(simulated):
    def body():
        pid = spawn(*SHORT)
        asked = os.waitpid(pid, os.WNOHANG), os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)
        os.waitpid(pid, 0)
        return asked

    assert simulated(body) == (((0, 0), None), 0.0)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: os.waitpid(os.getpid(), 0), ChildProcessError),
        (lambda: os.waitpid(-1, 0), ChildProcessError),
        (os.wait, ChildProcessError),
        (lambda: os.wait3(0), ChildProcessError),
        (lambda: os.wait4(1, 0), ChildProcessError),
        (lambda: os.waitid(os.P_ALL, 0, os.WEXITED), ChildProcessError),
        (lambda: os.waitid(os.P_ALL, 0, 0), OSError),
        (lambda: os.waitid(77, 0, os.WEXITED), OSError),
        (lambda: os.waitpid(1, 0x40000), OSError),
        (os.waitpid, TypeError),
        (lambda: os.waitpid("1", 0), TypeError),
        (lambda: os.waitpid(1, 2**80), OverflowError),
        (lambda: os.waitpid(pid=1, options=0), TypeError),
        (lambda: os.wait(1), TypeError),
        (os.wait3, TypeError),
        (lambda: os.wait3(flags=0), TypeError),
        (lambda: os.wait4(1), TypeError),
        (lambda: os.wait4(1, 0, 0), TypeError),
        (lambda: os.wait4(1, 0, options=0), TypeError),
        (lambda: os.waitid(os.P_PID, 1), TypeError),
        (lambda: os.waitid(os.P_PID, "1", 0), TypeError),
    ],
)
def test_errors_are_the_original_s(call, error):
    def told():
        with pytest.raises(error) as caught:
            call()
        return type(caught.value), str(caught.value)

    outside = told()
    with simclock.Simulation():
        inside = told()

    assert inside == outside


def test_a_child_that_somebody_else_reaps_is_the_original_s_error(simulated):
    def body():
        def other():
            log.append(os.waitpid(pid, 0)[0] == pid)

        log = []
        pid = spawn(*SHORT)
        threads = [threading.Thread(target=swallow(other, log)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sorted(map(str, log))

    assert simulated(body) == ((["True", f"[Errno {errno.ECHILD}] No child processes"]), 0.0)


def swallow(function, log):
    def run():
        try:
            function()
        except OSError as error:
            log.append(error)

    return run


# ----------------------------------------------------------------------------- subprocess


def test_a_child_that_needs_real_seconds_ends_in_time():
    with simclock.Simulation() as sim:
        code = subprocess.Popen(["sleep", "1"]).wait(timeout=5)

    assert (code, sim.elapsed) == (0, 0.0)


def test_a_child_that_never_ends_costs_the_timeout_in_both_times(simulated):
    def body():
        process = subprocess.Popen(LONG)
        with pytest.raises(subprocess.TimeoutExpired, match=r"timed out after 0.3 seconds"):
            process.wait(timeout=0.3)
        process.kill()
        return process.wait()

    assert simulated(body) == (-9, 0.3)


def test_a_child_may_end_in_a_second_wait_for_it(simulated):
    def body():
        process = subprocess.Popen(["sleep", "0.4"])
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.1)
        return process.wait(timeout=5)

    assert simulated(body) == (0, 0.1)


def test_a_loop_of_polls_and_sleeps_takes_one_sleep(simulated):
    def body():
        process = subprocess.Popen(SHORT)
        sleeps = 0
        while process.poll() is None:
            time.sleep(0.1)
            sleeps += 1
        return sleeps, process.returncode

    assert simulated(body) == ((1, 0), 0.1)


def test_only_the_sleep_at_once_after_a_poll_waits(simulated, monkeypatch):
    monkeypatch.setattr(outside, "STARTING", 0.0)

    def body():
        process = subprocess.Popen(["sleep", "0.5"])
        assert process.poll() is None
        threading.Event().wait(1)
        time.sleep(1)
        alive = process.poll() is None
        process.wait()
        return alive

    assert simulated(body) == (True, 2.0)


def test_run_and_check_output(simulated):
    def body():
        with pytest.raises(subprocess.TimeoutExpired):
            subprocess.run(LONG, timeout=0.2, check=False)
        with pytest.raises(subprocess.CalledProcessError):
            subprocess.run("exit 3", shell=True, check=True)
        return subprocess.check_output("sleep 0.1; echo done", shell=True, text=True)

    assert simulated(body) == ("done\n", 0.2)


def test_what_runs_before_the_program_is_in_real_time(simulated):
    def body():
        started = subprocess.Popen(
            ["sh", "-c", "exit 4"],
            preexec_fn=lambda: time.sleep(0.1),  # noqa: PLW1509
        )
        return started.wait(timeout=5)

    assert simulated(body) == (4, 0.0)


def test_a_program_that_is_not_there_is_the_original_s_error(simulated):
    def body():
        with pytest.raises(FileNotFoundError, match="no-such-program"):
            subprocess.Popen(["no-such-program"])
        with pytest.raises(FileNotFoundError):
            spawn("no-such-program")

    assert simulated(body) == (None, 0.0)


def test_system_is_held(simulated):
    assert simulated(lambda: os.waitstatus_to_exitcode(os.system("sleep 0.1; exit 3"))) == (3, 0.0)


def test_a_fork_is_known_to_its_parent_only(simulated):
    def body():
        pid = os.fork()
        if pid == 0:
            time.sleep(0.1)
            os._exit(simclock.active() is not None)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    assert simulated(body) == (0, 0.0)


@pytest.mark.filterwarnings("default::DeprecationWarning")
def test_a_fork_s_warning_is_the_caller_s(simulated, recwarn):
    def body():
        thread = threading.Thread(target=time.sleep, args=(1,))
        thread.start()
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        thread.join()

    simulated(body)

    assert {warning.filename for warning in recwarn.list} <= {__file__}


def test_children_whom_nobody_reaps_are_forgotten(simulated, monkeypatch):
    """Those of one who ignores SIGCHLD are no more when they have ended."""
    monkeypatch.setattr(outside, "SWEEP", 5)
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    def body():
        for _ in range(20):
            with pytest.raises(ChildProcessError):
                os.waitpid(spawn("true"), 0)
        return len(outside.outside().children) <= 5

    try:
        assert simulated(body) == (True, 0.0)
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_child_of_before_is_waited_for_too(simulated):
    process = subprocess.Popen(SHORT)

    assert simulated(lambda: process.wait(timeout=5)) == (0, 0.0)


def test_a_child_that_starts_is_waited_for_by_a_loop_that_looks_for_what_it_does(
    simulated, tmp_path
):
    made = tmp_path / "made"

    def body():
        process = subprocess.Popen(["sh", "-c", f"sleep 0.3; touch {made}; exec sleep 100"])
        tries = 0
        while not made.exists():
            tries += 1
            time.sleep(0.1)
        process.kill()
        process.wait()
        return tries

    assert simulated(body) == (1, 0.1)


# ----------------------------------------------------------------- what the kernel says


def test_where_nothing_may_be_outside_no_child_is_started():
    with (
        pytest.raises(Escape, match=r"root \(0\), calls fork_exec at "),
        simclock.Simulation(external="strict"),
    ):
        subprocess.Popen(["true"])


def test_where_nothing_may_be_outside_a_wait_for_a_child_is_an_error(ended):
    process = ended(subprocess.Popen(SHORT))
    with (
        pytest.raises(Escape, match=r"waits for waitpid, for child process \d+ \("),
        simclock.Simulation(external="strict"),
    ):
        process.wait()


def test_where_nothing_may_be_outside_a_sleep_between_polls_is_an_error(ended):
    process = ended(subprocess.Popen(SHORT))
    with (
        pytest.raises(Escape, match=r"waits for sleep, for child process \d+"),
        simclock.Simulation(external="strict"),
    ):
        while process.poll() is None:
            time.sleep(0.1)


def test_where_the_clock_does_not_wait_a_child_takes_too_long(simulated):
    def body():
        process = subprocess.Popen(["sleep", "0.5"])
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=5)
        return process.wait()

    assert simulated(body, external="ignore") == (0, 5.0)


def test_a_child_that_never_ends_stalls_a_wait_without_a_timeout(ended):
    with pytest.raises(Stalled, match="waitpid"), simclock.Simulation(watchdog=0.3):
        ended(subprocess.Popen(LONG)).wait()


def test_the_report_names_the_child():
    with simclock.Simulation() as sim:
        subprocess.run(SHORT, check=True)

    assert [line for line in sim.escapes if "['sleep', '0.2']" in line] != []


def test_an_interrupt_ends_the_wait(simulated):
    def body():
        process = subprocess.Popen(
            ["sh", "-c", f"sleep 0.1; kill -INT {os.getpid()}; exec sleep 100"]
        )
        try:
            process.wait()
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            return "interrupted"

    assert simulated(body) == ("interrupted", 0.25)  # that long `Popen` gives it to end


def test_a_handler_of_sigchld_runs_during_the_wait(simulated):
    def body():
        heard = []
        before = signal.signal(signal.SIGCHLD, lambda *_: heard.append("child"))
        try:
            spawned = spawn(*SHORT)
            os.waitpid(spawned, 0)
            time.sleep(1)
        finally:
            signal.signal(signal.SIGCHLD, before)
        return heard

    assert simulated(body) == (["child"], 1.0)


def test_a_leftover_that_waits_for_a_child_is_unwound(ended):
    log = []
    with simclock.Simulation(watchdog=0.3):
        process = ended(subprocess.Popen(LONG))

        def leftover():
            try:
                process.wait()
            finally:
                log.append("unwound")

        threading.Thread(target=leftover, daemon=True).start()
        time.sleep(1)

    assert log == ["unwound"]


def test_the_same_trace_each_time():
    def digest():
        with simclock.Simulation(seed=1) as sim:
            process = subprocess.Popen(SHORT)
            ticker = threading.Thread(target=time.sleep, args=(0.5,))
            ticker.start()
            process.wait(timeout=5)
            subprocess.run(["cat"], input=b"x" * 10_000, capture_output=True, timeout=5, check=True)
            ticker.join()
        return sim.elapsed

    assert [digest() for _ in range(3)] == [0.5] * 3
