"""A failure told: the run that fails and the one that passes are made again, line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simclock._core.recording import Follow
from simclock._explain.narrator import LINES, Narrator
from simclock._explain.story import Story, choices, story

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock._core.recording import Given
    from simclock._explain.narrative import Narrative
    from simclock._explore.playing import Played


def explain(failed: Played, passing: Played | None, repeat: Callable[[Given], Played]) -> Story:
    """Return the story of a run that failed, or why there is none.

    Args:
        failed: The run. It is made again.
        passing: One that is as similar as can be and passes, if there is one.
        repeat: Makes a run.
    """
    here = _narrative(failed, repeat)
    if isinstance(here, str):
        plain = Narrator(Follow(failed.schedule, strict=True))
        repeat(plain)
        return Story((*choices(plain.narrative), f"not told line by line: {here}"), ())
    there = None if passing is None else _narrative(passing, repeat)
    assert failed.error is not None
    return story(here, None if isinstance(there, str) else there, failed.error)


def _narrative(played: Played, repeat: Callable[[Given], Played]) -> Narrative | str:
    """Return what a run does, or why that is not known."""
    narrator = Narrator(Follow(played.schedule, strict=True))
    again = narrator.traced(lambda: repeat(narrator))
    if narrator.lines >= LINES:
        return f"it runs more than {LINES} lines"
    if again.trace.digest != played.trace.digest:
        return "when it is traced, it goes another way"
    return narrator.narrative
