"""Runs that are told: of a scenario, as it is chosen."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from simclock._core.recording import Follow
from simclock._core.schedule import Deviation, Schedule
from simclock._explain.narrator import Narrator
from simclock._explore.choosing import settings_of
from simclock._explore.playing import play


def told(scenario, deviations=(), latency=0.1, *, traced=True, **options):
    """Return the narrative of a run with these choices, and what it ended with.

    Without its lines, if it is not to be *traced*.

    Each is a position and a choice, perhaps with a label and a bound; what does not fit is left out.
    """
    settings = settings_of(latency=latency, options={"seed": 0, **options})
    chosen = tuple(Deviation(*each, *(2, "thread")[len(each) - 2 :]) for each in deviations)
    schedule = Schedule(0, "legal", settings.latency_ns, chosen, 0)
    narrator = Narrator(Follow(schedule, strict=False))
    if traced:
        played = narrator.traced(lambda: play(scenario, narrator, settings))
    else:
        played = play(scenario, narrator, settings)
    return narrator.narrative, played.error


def together(*functions):
    threads = [
        threading.Thread(target=function, name=name)
        for function, name in zip(functions, "abcdefgh", strict=False)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.fixture
def telling():
    return SimpleNamespace(told=told, together=together)
