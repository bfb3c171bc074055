"""What ``valgrind.sh`` runs: each function of the C part, errors and a fork included."""

from __future__ import annotations

import _thread
import contextlib
import os
import queue
import signal
import threading
import time

import simclock
from simclock._boundary import _native


def threads_and_queues() -> None:
    """Start, hand over, join, end; with thread-locals whose destructors wait."""
    local, items = threading.local(), queue.SimpleQueue()

    class Late:
        def __del__(self) -> None:
            time.sleep(1)

    def work(number: int) -> None:
        local.late = Late()
        time.sleep(number)
        items.put(number)

    with simclock.Simulation() as sim:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
        for thread in threads:
            thread.start()
        assert [items.get(timeout=10) for _ in threads] == list(range(5))
        for thread in threads:
            thread.join()
        assert sim.elapsed == 5.0


def locks() -> None:
    """Each convention, keywords and many arguments; wrong ones too."""
    with simclock.Simulation():
        owned = [threading.Lock() for _ in range(1000)]
        for lock in owned:
            lock.acquire(blocking=True, timeout=1)
        for lock in owned:
            lock.release()
        rlock = threading.RLock()
        with rlock:
            assert rlock.acquire(blocking=False)
            rlock.release()
        with contextlib.suppress(TypeError):
            owned[0].acquire(nonsense=1)
        with contextlib.suppress(TypeError):
            time.sleep(*range(20))
        condition = threading.Condition()
        with condition:
            condition.wait(3)


def signals_and_leftovers() -> None:
    """A handler in the main thread's turn, and threads that have to be unwound."""
    handled = []
    before = signal.signal(signal.SIGUSR1, lambda *_: handled.append(time.monotonic()))
    with simclock.Simulation(drain=0):
        threading.Timer(5, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        for _ in range(3):
            _thread.start_new_thread(time.sleep, (1e6,))
        time.sleep(10)
    signal.signal(signal.SIGUSR1, before)
    assert handled == [1005.0]


def failures() -> None:
    """A deadlock, and a nested simulation that raises."""
    with contextlib.suppress(simclock.errors.Deadlock), simclock.Simulation():
        threading.Event().wait()
    with simclock.Simulation():
        with contextlib.suppress(ZeroDivisionError), simclock.Simulation():
            raise ZeroDivisionError
        time.sleep(1)


def fork() -> None:
    """A child that simulates and ends."""
    with simclock.Simulation():
        pid = os.fork()
        if pid == 0:
            with simclock.Simulation():
                time.sleep(1)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0


def main() -> None:
    """Run everything a few times."""
    for _ in range(3):
        threads_and_queues()
        locks()
        signals_and_leftovers()
        failures()
        fork()
    assert _native.redirected() == []


if __name__ == "__main__":
    main()
