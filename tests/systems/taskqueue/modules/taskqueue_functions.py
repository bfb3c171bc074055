"""Functions for processes, which import them from here."""

from __future__ import annotations

import os
import signal
import time

from simclock.systems.taskqueue import progress


def square(number, seconds=0.0):
    time.sleep(seconds)
    return number * number


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


def pid():
    return os.getpid()


def interrupt_us():
    """Do to the process what Ctrl-C does to all of them."""
    os.kill(os.getpid(), signal.SIGINT)
    return "survived"
