"""What is rare about child processes and pipes: odd arguments, odd descriptors, what is gone."""

from __future__ import annotations

import _thread
import os
import select
import signal
import subprocess
import sys
import threading
import time
from fractions import Fraction

import pytest

import simclock
from simclock._boundary import children, outside, processes
from simclock._boundary.semaphores import SemaphoreGate
from simclock._boundary.sockets import RoomGate

SLEEPS = ["sleep", "100"]
GONE = 2**22 + 1  # more than any process is numbered


def test_a_group_of_processes_gets_a_signal(simulated):
    def body():
        process = subprocess.Popen(SLEEPS, start_new_session=True)
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait()

    assert simulated(body) == (-signal.SIGKILL, 0.0)


def test_a_process_gets_a_signal_by_its_descriptor(simulated):
    def body():
        process = subprocess.Popen(SLEEPS)
        descriptor = os.pidfd_open(process.pid)
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        os.close(descriptor)
        return process.wait()

    assert simulated(body) == (-signal.SIGKILL, 0.0)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_with_a_terminal_of_its_own(simulated):
    def body():
        pid, terminal = os.forkpty()
        if not pid:
            os._exit(7)
        status = os.waitpid(pid, 0)[1]
        os.close(terminal)
        return os.waitstatus_to_exitcode(status)

    assert simulated(body) == (7, 0.0)


def test_wrong_arguments_are_the_original_s_to_refuse():
    with simclock.Simulation():
        with pytest.raises(TypeError, match=r"takes no arguments|takes 0 positional"):
            os.wait(1)
        with pytest.raises(TypeError):
            os.writev("x", [b"x"])
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.sendfile(GONE, 0, 0, 1)


def test_where_there_are_no_descriptors_of_processes_a_wait_is_asked_again(simulated, monkeypatch):
    def no_such(pid):
        raise OSError(38, "not here")

    monkeypatch.setattr(os, "pidfd_open", no_such)

    assert simulated(lambda: subprocess.Popen(["sleep", "0.1"]).wait()) == (0, 0.0)


def test_a_timeout_that_is_a_fraction(simulated):
    def body():
        return subprocess.Popen(["sleep", "0.1"]).wait(timeout=Fraction(60))

    result, elapsed = simulated(body)
    assert result == 0
    assert elapsed < 1


def test_a_poll_without_a_python_frame_around_it(simulated):
    assert processes._end_of_popen_wait(None) is None

    def body():
        process = subprocess.Popen(["sleep", "0.2"])
        _thread.start_new_thread(os.waitpid, (process.pid, os.WNOHANG))
        return process.wait()

    assert simulated(body) == (0, 0.0)


def test_the_sleep_after_a_poll_for_any_child_waits_for_all(simulated):
    def body():
        process = subprocess.Popen(["sleep", "0.2"])
        assert os.waitpid(-1, os.WNOHANG) == (0, 0)
        time.sleep(50)
        return process.wait()

    assert simulated(body) == (0, 50.0)


def test_buffers_for_a_regular_file(simulated, tmp_path):
    def body():
        descriptor = os.open(tmp_path / "file", os.O_CREAT | os.O_WRONLY)
        written = os.writev(descriptor, [b"ab", b"c"])
        os.close(descriptor)
        return written

    assert simulated(body) == (3, 0.0)


def test_a_reader_that_goes_in_the_middle_of_a_large_write(simulated):
    def body():
        reader, writer = os.pipe()

        def read():
            os.read(reader, 4096)
            time.sleep(1)
            os.close(reader)

        thread = threading.Thread(target=read)
        thread.start()
        written = os.write(writer, bytes(500_000))
        thread.join()
        os.close(writer)
        return 0 < written < 500_000

    assert simulated(body) == (True, 1.0)


def test_a_large_write_that_nobody_reads():
    reader, writer = os.pipe()
    os.close(reader)
    with simclock.Simulation(), pytest.raises(BrokenPipeError):
        os.write(writer, bytes(500_000))
    os.close(writer)


class Number:
    """Stands for an integer, as numpy's do."""

    def __init__(self, number):
        self.number = number

    def __index__(self):
        return self.number


def test_descriptors_and_processes_that_only_stand_for_integers_wait_like_others(simulated):
    def body():
        reader, writer = map(Number, os.pipe())
        threading.Timer(1, os.write, (writer, b"x")).start()
        read = os.read(reader, 5)
        threading.Timer(1, os.writev, (writer, [b"y"])).start()
        buffer = bytearray(1)
        os.readv(reader, [buffer])
        os.close(reader)
        os.close(writer)
        process = subprocess.Popen(["sleep", "0.1"])
        status = os.waitpid(Number(process.pid), 0)[1]
        process.returncode = status
        return read, bytes(buffer), status

    assert simulated(body) == ((b"x", b"y", 0), 2.0)


def test_reading_nothing_from_a_raw_file(simulated):
    def body():
        reader, writer = os.pipe()
        with open(reader, "rb", 0) as file:
            read = file.read(0)
        os.close(writer)
        return read

    assert simulated(body) == (b"", 0.0)


def test_a_child_that_keeps_a_reader_waiting_for_too_long_is_given_up(simulated):
    def body():
        process = subprocess.Popen(SLEEPS, stdout=subprocess.PIPE)
        timer = threading.Timer(50, process.kill)
        timer.start()
        with process.stdout:
            read = process.stdout.read()
        timer.join()
        return read, process.wait()

    assert simulated(body, watchdog=0.3) == ((b"", -signal.SIGKILL), 50.0)


def test_bytes_for_a_child_that_was_given_up_make_it_owe_again():
    with simclock.Simulation():
        process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        child = outside.outside().children[process.pid]
        child.give_up()
        os.write(process.stdin.fileno(), b"x")
        assert child.owes
        process.communicate()


def test_who_owes_what_no_descriptor_tells():
    known = outside.Outside()
    counter = os.eventfd(0)
    known.starts(os.getpid(), "this one")

    assert list(known.debtors(GONE, select.POLLIN)) == []
    assert list(known.debtors(counter, select.POLLIN)) == []
    assert outside.pid_of(counter) == 0
    os.close(counter)


def test_an_end_of_a_connection_that_is_closed_is_not_there():
    assert not outside._is_there((GONE, 1))


def test_a_semaphore_that_is_given_up_is_owed_by_nobody():
    gate = SemaphoreGate.__new__(SemaphoreGate)
    gate.give_up()

    assert gate.outside() == ""


def test_at_the_other_end_of_a_terminal_is_the_terminal():
    master, slave = os.openpty()

    assert outside.Outside().stranger(slave, select.POLLIN) == "the terminal"
    os.close(master)
    os.close(slave)


def test_what_is_gone_has_no_name_and_is_not_at_rest():
    assert children.name_of(GONE) == "gone"
    assert not children.at_rest([children.Child(GONE, "gone", 0.0)], [])


def test_a_process_with_a_connection_of_its_own_is_not_at_rest(ended):
    program = "import socket; l = socket.create_server(('127.0.0.1', 0)); print(1, flush=True); l.accept()"
    process = ended(
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    )
    with process.stdout:
        assert process.stdout.readline() == "1\n"

    assert not children.at_rest([children.Child(process.pid, "server", 0.0)], [])


def test_room_that_is_given_up_is_owed_by_nobody():
    gate = RoomGate(lambda: None, "a server", None)
    gate.give_up()

    assert gate.outside() == ""
