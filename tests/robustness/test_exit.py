"""The interpreter ends well, whatever a simulation left."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time

import pytest

ENDS = {
    "a simulation that is never closed": """
        simclock.Simulation().__enter__()
        time.sleep(1)
    """,
    "one with parked daemon threads": """
        simclock.Simulation().__enter__()
        for _ in range(3):
            threading.Thread(target=time.sleep, args=(1e6,), daemon=True).start()
        time.sleep(1)
    """,
    "one with runnable daemon threads": """
        simclock.Simulation().__enter__()
        for _ in range(3):
            threading.Thread(target=time.sleep, args=(1,), daemon=True).start()
    """,
    "one with threads that end by themselves": """
        simclock.Simulation().__enter__()
        for _ in range(3):
            threading.Thread(target=time.sleep, args=(5,)).start()
    """,
    "one with a pool": """
        from concurrent.futures import ThreadPoolExecutor
        simclock.Simulation().__enter__()
        pool = ThreadPoolExecutor()
        pool.submit(time.sleep, 5).result()
    """,
    "a pool kept in a global": """
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor()
        with simclock.Simulation():
            pool.submit(time.sleep, 5).result()
        try:
            pool.submit(int)
        except RuntimeError as error:
            assert "after shutdown" in str(error)
    """,
    "daemon leftovers of a closed one": """
        with simclock.Simulation(drain=0):
            for _ in range(3):
                threading.Thread(target=time.sleep, args=(1e6,), daemon=True).start()
    """,
    "a thread that refused to end": """
        def resist():
            while True:
                try:
                    time.sleep(1)
                except BaseException:
                    pass
        try:
            with simclock.Simulation(drain=0):
                threading.Thread(target=resist, daemon=True).start()
                time.sleep(5)
        except simclock.errors.Leak:
            pass
    """,
    "destructors that wait at exit": """
        class Late:
            def __del__(self):
                lock.acquire()
                lock.release()
                time.sleep(0.001)
        lock = threading.Lock()
        simclock.Simulation().__enter__()
        late = Late()
        late.me = late
    """,
    "atexit handlers that start threads": """
        import atexit
        def last():
            thread = threading.Thread(target=time.sleep, args=(3,))
            try:
                thread.start()
            except RuntimeError:
                return  # from 3.12 on
            thread.join()
        atexit.register(last)
        simclock.Simulation().__enter__()
    """,
    "an exception inside": """
        import sys
        sys.excepthook = lambda *_: None
        with simclock.Simulation():
            threading.Thread(target=time.sleep, args=(3,)).start()
    """,
    "an open asyncio runner": """
        import asyncio
        async def main():
            asyncio.get_running_loop().run_in_executor(None, time.sleep, 3)
            await asyncio.sleep(1)
        with simclock.Simulation():
            asyncio.run(main())
    """,
}


@pytest.mark.parametrize("ends", ENDS)
def test_exits_with_code_0(child, ends):
    """In development mode, which also looks for misused memory."""
    program = "import threading, time, simclock\n" + textwrap.dedent(ENDS[ends]) + "print('end')\n"

    assert child(program, "-X", "dev") == ["end"]


def test_exits_at_once_after_the_first_simulation(child):
    """Threads of ours that have not begun yet must not begin after the interpreter's end."""
    program = "import simclock; simclock.Simulation().__enter__()"

    assert [child(program, "-X", "dev") for _ in range(5)] == [[]] * 5


def test_sys_exit_inside_gives_its_code(child):
    lines = child(
        """
        import sys, threading, time, simclock
        with simclock.Simulation():
            threading.Thread(target=time.sleep, args=(3,)).start()
            sys.exit(5)
        """,
        returncode=5,
    )

    assert lines == []


def test_sys_exit_in_another_thread_ends_that_thread_only(child):
    lines = child("""
        import sys, threading, time, simclock
        with simclock.Simulation() as sim:
            threading.Thread(target=sys.exit, args=(5,)).start()
            time.sleep(3)
        print(sim.elapsed)
    """)

    assert lines == ["3.0"]


SPINNER = """
import threading, time, simclock
def spin():
    print("spinning", flush=True)
    while True:
        pass
with simclock.Simulation(watchdog=1000) as sim:
    threading.Thread(target=spin, daemon=True).start()
    time.sleep(1)
"""
STUCK = """
import os, threading, time, simclock
counter = os.eventfd(0)
def stick():
    print("spinning", flush=True)
    os.eventfd_read(counter)
with simclock.Simulation(watchdog=1000) as sim:
    threading.Thread(target=stick, daemon=True).start()
    time.sleep(1)
"""


TICKER = """
import threading, time, simclock
def tick():
    print("spinning", flush=True)
    while True:
        time.sleep(1)
with simclock.Simulation(drain=0, max_steps=10**12) as sim:
    threading.Thread(target=tick, daemon=True).start()
    threading.Event().wait()
"""


def interrupted(program, times):
    """Run a program that prints once it spins, press Ctrl-C some times; return its last line."""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout.readline() == "spinning\n"
            for _ in range(times):
                time.sleep(0.2)
                process.send_signal(signal.SIGINT)
            # Where coverage is measured, it is saved beside a thread that spins: that takes long.
            _, stderr = process.communicate(timeout=100)
        finally:
            process.kill()
    assert process.returncode == -signal.SIGINT
    return stderr.splitlines()[-1]


@pytest.mark.parametrize("program", [SPINNER, STUCK], ids=["spins", "stuck in C"])
def test_a_second_interrupt_aborts_a_simulation_whose_owner_does_not_yield(program):
    assert interrupted(program, times=2) == (
        "KeyboardInterrupt: the simulation was aborted by a second interrupt"
    )


def test_one_interrupt_is_enough_where_the_owner_yields():
    assert interrupted(TICKER, times=1) == "KeyboardInterrupt"
