"""For those who run tests: search the schedules of what they run, replay one, and compare runs.

The pytest plugin is made with it, and so can the runner of another framework be. Who has a
function to call uses `simclock.explore`.

`Search` says which run is to follow and keeps the evidence; a `Recorder` asks for the choices
of one run (``Simulation(choices=recorder)``), of the search's strategy or of `Follow`, which
makes those of a `Schedule` again; `Played` is a run that is over. A `Corpus` keeps schedules that
fail, a `Campaign` the parts of a search, which `merged` puts together.
"""

from simclock._core.recording import Follow, Given, Recorder
from simclock._explore.campaign import (
    Campaign,
    Made,
    Part,
    merged,
    parts_of,
    prepare_folder,
    program_of,
)
from simclock._explore.catalogue import statements_in, statements_of
from simclock._explore.choosing import chosen, settings_of
from simclock._explore.corpus import Corpus
from simclock._explore.files import file_name
from simclock._explore.playing import Played, Settings, noting_unhandled
from simclock._explore.progress import Progress
from simclock._explore.report import evidence_lines, reproduction, unmet
from simclock._explore.search import Search, differing

__all__ = [
    "Campaign",
    "Corpus",
    "Follow",
    "Given",
    "Made",
    "Part",
    "Played",
    "Progress",
    "Recorder",
    "Search",
    "Settings",
    "chosen",
    "differing",
    "evidence_lines",
    "file_name",
    "merged",
    "noting_unhandled",
    "parts_of",
    "prepare_folder",
    "program_of",
    "reproduction",
    "settings_of",
    "statements_in",
    "statements_of",
    "unmet",
]
