"""Races, and what is found of them."""

from __future__ import annotations

from tools.comparison import judging
from tools.comparison.judging import Equals
from tools.comparison.wants import Group, Want

RACES = Group(
    "Races of threads",
    "Up to 500 schedules by each strategy that a tool has, one strategy after the other. simclock is given `lines=`, its\n"
    "option for choice points between lines, as without it an unlocked variable is none. Hypothesis runs 500 examples.",
    ("simclock", "frontrun", "interleave_test", "hypothesis"),
    "they do not choose which thread runs",
    (
        Want(
            "a lost update, without a lock, is found",
            "races",
            "lost_update",
            judging.is_found,
            ("hypothesis",),
            limit=60,
        ),
        Want(
            "check, then act, each with the lock held, is found",
            "races",
            "check_then_act",
            judging.is_found,
            ("hypothesis",),
            limit=60,
        ),
        Want(
            "the same by jobs of a `ThreadPoolExecutor`",
            "races",
            "pooled",
            judging.is_found,
            ("frontrun", "interleave_test", "hypothesis"),
            limit=60,
        ),
        Want(
            "what was found fails again in another process",
            "races",
            "lost_update",
            judging.is_again,
            ("hypothesis",),
            "again",
            limit=60,
        ),
        Want(
            "choices are shrunk to those that matter",
            "races",
            "pooled",
            judging.is_shrunk,
            ("frontrun", "interleave_test", "hypothesis"),
            limit=60,
        ),
        Want(
            "the report names the variable and the lines",
            "races",
            "lost_update",
            judging.Names("Counter.value", "seen = self.value", "self.value = seen + 1"),
            ("interleave_test", "hypothesis"),
            limit=60,
        ),
    ),
)

TASKS = Group(
    "Races of tasks",
    "Up to 500 seeds or schedules, likewise. simclock and seedloop keep the order in which asyncio runs what is ready;\n"
    'simclock chooses where reality may differ (`fidelity="chaos"` gives that up), seedloop in its network only. In simloop,\n'
    "simloom and frontrun what is ready may run in any order.",
    ("simclock", "seedloop", "simloop", "simloom", "frontrun"),
    "they do not choose which task runs",
    (
        Want(
            "jobs in threads that end in another order",
            "races",
            "jobs",
            judging.is_found,
            ("seedloop",),
            limit=60,
        ),
        Want(
            "tasks that wake at the same instant, after different sleeps",
            "races",
            "same_instant",
            judging.is_found,
            ("seedloop",),
            limit=60,
        ),
        Want(
            "equal sleeps end as they began, as asyncio has it",
            "races",
            "same_sleep",
            judging.is_left_alone,
            ("simloop", "simloom", "frontrun"),
            limit=60,
        ),
        Want(
            "what was found fails again in another process",
            "races",
            "jobs",
            judging.is_again,
            ("seedloop",),
            "again",
            limit=60,
        ),
        Want(
            "choices are shrunk to those that matter",
            "races",
            "jobs",
            judging.is_shrunk,
            ("seedloop", "frontrun"),
            limit=60,
        ),
    ),
)

DRAWN = Group(
    "Data and schedules together, by Hypothesis",
    "300 examples of a race of two jobs that needs a number from 100 on; simclock's schedules and seedloop's seeds are drawn\n"
    "by Hypothesis, simloop has a recipe that runs each example under some seeds.",
    ("simclock", "seedloop", "simloop", "hypothesis"),
    "they say nothing of it",
    (
        Want(
            "found, and its data shrunk to 100",
            "drawn",
            "jobs",
            Equals(100),
            ("seedloop", "hypothesis"),
            limit=60,
        ),
    ),
)
