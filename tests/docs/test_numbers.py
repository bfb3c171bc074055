"""The numbers that pages give are those of the code.

That the code does by these numbers what the pages say is shown where it is
tested, mostly with smaller ones.
"""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import simclock
from pytest_simclock import clusters, options, searching
from simclock import hosts
from simclock._boundary import outside
from simclock._core import instants, kernel, recording
from simclock._explore import campaign, choosing, progress, search, shrinking
from simclock._faults import agenda, driving, swarm
from simclock._strategies import pct, randomised
from simclock.flavours.aio import drivers

DOCS = Path(__file__).parents[2] / "docs"
DEFAULT = {
    name: parameter.default
    for function in (simclock.Simulation, clusters.Cluster)
    for name, parameter in inspect.signature(function).parameters.items()
}
YEAR = 366 * 86400

# The page, what it says, what the code has, and what that is if the page is right.
NUMBERS = [
    ("../README.md", "after 30 real seconds that is an error", DEFAULT["watchdog"], 30),
    ("explanation/boundary.md", "the watchdog's 30 real seconds", DEFAULT["watchdog"], 30),
    ("explanation/event-loop.md", "(and at least 1 real second)", drivers.LEAST_HOLD, 1),
    ("explanation/event-loop.md", "A million turns at one instant", drivers.TURNS_PER_INSTANT, 10**6),
    ("explanation/hosts.md", "somewhere between 1 s and 10,000 s", hosts.LONGEST_UPTIME, 10_000),
    ("explanation/kernel.md", "After 1,000 uncontended operations", kernel.FAIR_STEPS, 1000),
    ("explanation/kernel.md", "The monotonic clock starts at 1000 s", instants.START_NS, 1000 * 10**9),
    ("explanation/kernel.md", "reads the clock 1,000 times at one instant", kernel.FREE_READS, 1000),
    ("explanation/kernel.md", "from then on every 100 readings", kernel.FREE_READS_AGAIN, 100),
    ("explanation/kernel.md", "1,000,000 steps at one instant", DEFAULT["max_steps_per_instant"], 10**6),
    ("explanation/kernel.md", "ten years of virtual time", DEFAULT["max_time"], 10 * YEAR),
    ("explanation/kernel.md", "or 10,000,000 steps", DEFAULT["max_steps"], 10**7),
    ("explanation/kernel.md", "30 real seconds without any progress", DEFAULT["watchdog"], 30),
    ("explanation/kernel.md", "get 60 virtual seconds", DEFAULT["drain"], 60),
    ("explanation/outside.md", "since answers come in pieces: 0.1 real seconds", outside.LULL, 0.1),
    ("explanation/outside.md", "or 1 s if the call has a timeout", outside.EXPECTING_LULL, 1),
    ("explanation/outside.md", "for one real second: the other end may speak", outside.GREETING, 1),
    ("explanation/outside.md", "for five real seconds from its start", outside.STARTING, 5),
    ("explanation/outside.md", "but at least for one real second", kernel.LEAST_HOLD, 1),
    ("explanation/outside.md", "(`watchdog=`, 30 real seconds)", DEFAULT["watchdog"], 30),
    ("explanation/schedules.md", "one of sixteen sequences of moments", agenda.RHYTHMS, 16),
    ("explanation/schedules.md", "ten in a hundred moments", (swarm.USUAL, swarm.MOST), (10, 100)),
    ("explanation/schedules.md", "is the *latency*, 0.1 virtual seconds", choosing.LATENCY, 0.1),
    ("explanation/schedules.md", "takes 1,000 steps at one instant", kernel.FAIR_STEPS, 1000),
    ("explanation/schedules.md", "After 10,000 choice points", recording.FAIR_AFTER, 10_000),
    ("explanation/schedules.md", "chosen 1,000 times in a row", pct.SPINNING, 1000),
    ("explanation/schedules.md", "(0, 1/64, 1/16 or 1/4)", randomised.RATES, (0, 1 / 64, 1 / 16, 1 / 4)),
    ("explanation/uncontrolled.md", "for 30 real seconds", DEFAULT["watchdog"], 30),
    ("explanation/uncontrolled.md", "a failure ten times", search.REPETITIONS, 10),
    ("explanation/uncontrolled.md", "more than 10,000 choice points", recording.FAIR_AFTER, 10_000),
    ("reference/options.md", "(default: ten years)", DEFAULT["max_time"], 10 * YEAR),
    ("reference/options.md", "(default: 10 million;", DEFAULT["max_steps"], 10**7),
    ("reference/options.md", "with --simclock 1 million)", options.SUITE_MAX_STEPS, 10**6),
    ("reference/options.md", "(default: 1 million)", DEFAULT["max_steps_per_instant"], 10**6),
    ("reference/options.md", "that fail a test (default: 30)", DEFAULT["watchdog"], 30),
    ("reference/options.md", "threads to end (default: 60)", DEFAULT["drain"], 60),
    ("reference/options.md", "with --simclock 1e-6)", options.SUITE_STEP_COST, 1e-6),
    ("reference/options.md", "exact times (default: 0.1)", choosing.LATENCY, 0.1),
    ("reference/options.md", "(default: 1000; 0: none)", shrinking.RUNS, 1000),
    ("reference/options.md", "in parts of 100 runs", campaign.PART, 100),
    ("reference/options.md", "three times under one schedule", 1 + searching.CHECKS, 3),
    ("reference/pytest.md", "A failure is repeated ten times", search.REPETITIONS, 10),
    ("reference/pytest.md", "A line every ten seconds", progress.EVERY, 10),
    ("reference/pytest.md", "such as 60 s between heartbeats", clusters.PATIENT["heartbeat_interval"], 60),
    ("reference/pytest.md", "| `runners` | 3 |", DEFAULT["runners"], 3),
    ("decisions/0001-gc-freeze.md", "every 10,000 steps", kernel.COLLECT_EVERY, 10_000),
    ("decisions/0007-further-errors-and-limits.md", "100 of these count as one", kernel.CHEAP_STEPS, 100),
    ("decisions/0009-grace-for-foreign-threads.md", "for one second", kernel.GRACE, 1),
    ("decisions/0025-choices-are-shrunk-by-what-they-are-about.md", "30 real seconds", shrinking.SECONDS, 30),
    ("decisions/0028-a-fault-is-one-choice.md", "for fifty moments", driving.IDLE, 50),
]  # fmt: skip


@pytest.mark.parametrize(("page", "said", "found", "meant"), NUMBERS)
def test_the_number_of_a_page_is_that_of_the_code(page, said, found, meant):
    assert said in " ".join((DOCS / page).read_text("utf-8").split())
    assert found == meant
