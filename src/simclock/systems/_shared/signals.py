"""The signals that ask a process to end, for as long as a system runs."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Ends the thread that reads: no signal has this number.
_END = b"\0"


@contextlib.contextmanager
def on_signals(
    call: Callable[[int], object], wake: Callable[[], object] | None = None
) -> Iterator[None]:
    """In a block, call *call* with the number of each SIGINT and SIGTERM, and do nothing else.

    Only in the main thread, where Python runs handlers; elsewhere the signals
    do what they did. So does one that is ignored, as SIGINT is in what a shell
    starts by ``program &``. At the end all is put back.

    Args:
        call: Is called between any two instructions of the main thread: it
            must own no lock, and may put into a ``queue.SimpleQueue``.
        wake: Is called in another thread after a signal of whatever number
            has come, perhaps for nothing: it is to wake the main thread from
            a wait that signals do not end, and *call* is called then.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with contextlib.ExitStack() as before:
        for number in SIGNALS:
            handler = signal.getsignal(number)
            # None is one that was not written in Python: it could not be put back.
            if handler not in (None, signal.SIG_IGN):
                # The stack puts SIGINT's back last: its own may raise KeyboardInterrupt at once.
                before.callback(signal.signal, number, handler)
                signal.signal(number, lambda received, _: call(received))
        if wake is not None:
            before.enter_context(woken_by_signals(wake))
        yield


@contextlib.contextmanager
def woken_by_signals(wake: Callable[[], object]) -> Iterator[None]:
    """In a block, call *wake* in another thread after each signal; handlers stay as they are.

    The kernel gives a signal to any thread. Unless that is the main thread,
    this goes on to wait for a lock, and Python runs no handler. But Python
    writes a byte into the wakeup descriptor, whichever thread it is.

    Nothing is done outside of the main thread, and where somebody else has the
    wakeup descriptor, such as an event loop.

    Args:
        wake: Wakes the main thread from its wait, perhaps for nothing: whatever
            handlers there are, Python's own too, are run then.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    thread = threading.Thread(
        target=lambda: _read(reader, wake), name="simclock-signals", daemon=True
    )
    reader, writer = os.pipe()
    # A handler may raise an exception anywhere.
    try:
        os.set_blocking(writer, False)  # as Python demands
        if _take_wakeup(writer):
            thread.start()
        yield
    finally:
        # In this order: if this is interrupted, signals go to a pipe that is still there.
        _give_back(writer)
        _end(thread, writer)
        os.close(reader)
        os.close(writer)


def _take_wakeup(writer: int) -> bool:
    """Make *writer* the wakeup descriptor; return False if that is not ours to take."""
    try:
        owner = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    except ValueError:  # this is not what Python takes for its main thread
        return False
    if owner != -1:
        signal.set_wakeup_fd(owner)  # of a loop below us, which would miss its signals
    return owner == -1


def _give_back(writer: int) -> None:
    """See to it that *writer* is no longer the wakeup descriptor, nor anybody else's less."""
    try:
        owner = signal.set_wakeup_fd(-1)
    except ValueError:  # it never was
        return
    if owner not in (-1, writer):
        signal.set_wakeup_fd(owner)


def _read(reader: int, wake: Callable[[], object]) -> None:
    # A byte of a signal is written after Python has noted that its handler is to run.
    while _END not in os.read(reader, 512):
        wake()


def _end(thread: threading.Thread, writer: int) -> None:
    if thread.ident is not None:  # it was started
        os.set_blocking(writer, True)  # the end must not be lost if there is no room
        os.write(writer, _END)
        thread.join()
