"""Functions for processes, which import them from here."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

from simclock.systems.taskqueue import progress


def square(number, seconds=0.0):
    time.sleep(seconds)
    return number * number


def span(seconds):
    """Return when it began and ended, by the clock that all processes share."""
    began = time.monotonic()
    time.sleep(seconds)
    return began, time.monotonic()


def crash(path=None):
    """End the process, but for the second time that it is called with that path."""
    if path is not None and os.path.exists(path):
        return "survived"
    if path is not None:
        with open(path, "w"):
            pass
    time.sleep(1)
    os._exit(3)


def fail(text):
    raise LookupError(text)


def leave():
    raise SystemExit(3)


def unsendable():
    return lambda: None


def long(path=None):
    if path is not None:
        with open(path, "w") as file:
            file.write(str(os.getpid()))
    time.sleep(1000)


def steps(count):
    for number in range(count):
        progress(number, f"step {number}")
        time.sleep(1)
    return count


def start_a_process(with_multiprocessing):
    if with_multiprocessing:
        multiprocessing.get_context("spawn").Process(target=print).start()
    else:
        subprocess.run([sys.executable, "-c", ""], check=True)


def pid():
    return os.getpid()


def interrupt_us():
    """Do to the process what Ctrl-C does to all of them."""
    os.kill(os.getpid(), signal.SIGINT)
    return "survived"


def fork(path, seconds):
    """Start a process that has all that this one has, and end after some seconds, unlike it."""
    child = os.fork()
    if not child:
        time.sleep(1000)
        os._exit(0)
    with open(path, "w") as file:
        file.write(str(child))
    time.sleep(seconds)
    os._exit(3)


class Mute(Exception):
    """It cannot say what it is."""

    def __str__(self):
        raise RuntimeError("no words")


def fail_mutely():
    raise Mute


def interrupt():
    raise KeyboardInterrupt("enough")


class Gone:
    """It is sent, and cannot be received."""

    def __reduce__(self):
        return _gone, ()


def _gone():
    raise OSError("it is gone")


def unloadable():
    return Gone()


def say(what):
    """Say what cannot be sent, or not be received."""
    progress(threading.Lock() if what == "unsendable" else Gone())
    return "done"
