"""A job in a pool is given up at a deadline, and done anew.

Fails: the job ends 50 ms late, after the deadline: it is running, so it is not cancelled, and is
done twice.
"""

from __future__ import annotations

import concurrent.futures
import time

TIMEOUT = 1.0
DURATION = 0.95


def bug():
    """Take it for cancelled."""

    def give_up(future, again):
        future.cancel()
        return again()

    _run(give_up)


def fixed():
    """Ask whether it was cancelled, and wait for it if not."""

    def give_up(future, again):
        return again() if future.cancel() else future.result()

    _run(give_up)


def _run(give_up):
    done = []

    def job():
        time.sleep(DURATION)
        done.append("job")
        return "result"

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        future = pool.submit(job)
        try:
            result = future.result(TIMEOUT)
        except concurrent.futures.TimeoutError:
            result = give_up(future, lambda: pool.submit(job).result())
    assert (result, done) == ("result", ["job"])
