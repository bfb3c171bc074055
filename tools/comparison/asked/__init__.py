"""What is asked, of which tools, and how their answers are judged."""

from __future__ import annotations

from tools.comparison.asked.coroutines import COROUTINES
from tools.comparison.asked.races import DRAWN, RACES, TASKS
from tools.comparison.asked.suites import SUITES
from tools.comparison.asked.threads import THREADS
from tools.comparison.asked.trios import TRIO
from tools.comparison.asked.walls import COSTS, WALLS

GROUPS = (THREADS, COROUTINES, TRIO, WALLS, COSTS, RACES, TASKS, DRAWN, SUITES)
