"""Tasks of a cluster, which note what they do; to be run in a simulation."""

from __future__ import annotations

import socket
import time

import simclock
from simclock.systems.runners import Pynenc, RetryError, current_invocation
from simclock.systems.runners.options import ConcurrencyControlType

app = Pynenc({"app_id": "cluster"})
# What bodies have begun and ended: (instant, what, task, invocation, machine). One test at a time
# empties it. Machines that are killed do not lose it, as it is the test's.
journal = []


def note(what, task):
    current = current_invocation(app.app_id)
    where = socket.gethostname()
    journal.append((round(simclock.active().elapsed, 6), what, task, str(current.id), where))


@app.task
def where():
    """Return the name of the machine."""
    return socket.gethostname()


@app.task
def nap(seconds):
    """Sleep for so long."""
    time.sleep(seconds)
    return seconds


@app.task
def work(seconds):
    """Work for so long."""
    note("begins", "work")
    time.sleep(seconds)
    note("ends", "work")
    return seconds


@app.task(max_retries=2, retry_delay=20.0)
def flaky(seconds):
    """Fail twice."""
    note("begins", "flaky")
    time.sleep(seconds)
    if current_invocation(app.app_id).retries < 2:
        raise RetryError("once more")
    return seconds


@app.task(running_concurrency=ConcurrencyControlType.TASK, reroute_on_concurrency_control=True)
def alone(seconds):
    """Work for so long, with no other invocation of this task beside."""
    note("begins", "alone")
    time.sleep(seconds)
    note("ends", "alone")
    return seconds


@app.task
def family(seconds):
    """Have others work, and wait for them."""
    note("begins", "family")
    return sum(each.get_result() for each in [work(seconds), work(seconds)])


@app.task
def on_the_hour(instant):
    """Is run by a cron line."""
    note("begins", "on_the_hour")
    return instant


@app.task
def on_order(number):
    """Is run by an event."""
    note("begins", "on_order")
    return number


def instant_of(context):
    return {"instant": context.timestamp.isoformat()}


def number_of(context):
    return {"number": context.payload["number"]}
