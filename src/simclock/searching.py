"""For those who run tests: search the schedules of what they run, replay one, and compare runs.

The pytest plugin is made with it, and so can the runner of another framework be. Who has a
function to call uses `simclock.explore`.

`Search` says which run is to follow and keeps the evidence; a `Recorder` asks for the choices
of one run (``Simulation(choices=recorder)``), of the search's strategy or of `Follow`, which
makes those of a `Schedule` again; `Played` is a run that is over.
"""

from simclock._core.recording import Follow, Recorder
from simclock._explore.choosing import chosen, settings_of
from simclock._explore.playing import Played, Settings, noting_unhandled
from simclock._explore.progress import Progress
from simclock._explore.report import evidence_lines
from simclock._explore.search import Search, compared, repeated

__all__ = [
    "Follow",
    "Played",
    "Progress",
    "Recorder",
    "Search",
    "Settings",
    "chosen",
    "compared",
    "evidence_lines",
    "noting_unhandled",
    "repeated",
    "settings_of",
]
