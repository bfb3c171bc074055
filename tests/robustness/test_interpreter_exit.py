"""The interpreter's exit is healthy, whatever a simulation left."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("flags", [(), ("-X", "dev")])
def test_with_a_simulation_that_was_never_closed(child, flags):
    program = """
        import threading, time
        import simclock
        sim = simclock.Simulation()
        sim.__enter__()
        threading.Thread(target=time.sleep, args=(3600,)).start()
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        print("last line")
        """
    assert child(program, *flags) == ["last line"]


@pytest.mark.parametrize("flags", [(), ("-X", "dev")])
def test_with_a_pool_in_a_global_and_threads_unwound(child, flags):
    program = """
        import threading, time
        from concurrent.futures import ThreadPoolExecutor
        import simclock
        pool = ThreadPoolExecutor(3)
        with simclock.Simulation() as sim:
            assert list(pool.map(str, range(5))) == list("01234")
            threading.Thread(target=threading.Event().wait, daemon=True).start()
            time.sleep(1)
        try:
            pool.submit(print)
        except RuntimeError as error:
            print(error)
        """
    assert child(program, *flags) == ["cannot schedule new futures after shutdown"]


def test_with_a_destructor_that_waits_at_exit(child):
    program = """
        import threading, time
        import simclock

        class Late:
            def __del__(self):
                lock = threading.Lock()
                with lock:
                    time.sleep(0.001)
                print("deleted")

        with simclock.Simulation():
            late = Late()
            late.me = late
        """
    assert child(program) == ["deleted"]


def test_with_the_debug_allocator(child):
    program = """
        import queue, threading, time
        import simclock

        def work(inbox):
            while inbox.get(timeout=10) is not None:
                time.sleep(1)

        for _ in range(20):
            with simclock.Simulation() as sim:
                inbox = queue.SimpleQueue()
                threads = [threading.Thread(target=work, args=(inbox,)) for _ in range(5)]
                for thread in threads:
                    thread.start()
                for item in [*range(20), *[None] * 5]:
                    inbox.put(item)
                for thread in threads:
                    thread.join()
        print(sim.elapsed)
        """
    assert child(program, PYTHONMALLOC="debug") == ["4.0"]
