"""The signals that ask a process to end, for as long as a system runs."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def on_signals(call: Callable[[int], object]) -> Iterator[None]:
    """In a block, call *call* with the number of each SIGINT and SIGTERM, and do nothing else.

    Only in the main thread, where Python runs handlers; elsewhere the signals
    do what they did. *call* is called between any two instructions of that
    thread: it must own no lock, and may put into a ``queue.SimpleQueue``. At
    the end the handlers are put back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with contextlib.ExitStack() as before:
        for number in SIGNALS:
            handler = signal.getsignal(number)
            # None is one that was not written in Python: it could not be put back.
            if handler is not None:
                # The stack puts SIGINT's back last: its own may raise KeyboardInterrupt at once.
                before.callback(signal.signal, number, handler)
                signal.signal(number, lambda received, _: call(received))
        yield
