"""Failing schedules that are kept, to be run first the next time."""

from __future__ import annotations

import contextlib
import platform
from importlib.metadata import version
from typing import TYPE_CHECKING

from simclock._core.recording import Follow
from simclock._core.schedule import FIDELITIES, Schedule
from simclock._explore import files
from simclock._explore.playing import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from simclock._core.recording import Given
    from simclock._explore.playing import Played
    from simclock._explore.search import Search

    # Makes a run; returns it and whether it fails, or None where it is none that counts.
    Play = Callable[[Given, Settings], tuple[Played, bool] | None]

# Schedules of one program: a new one takes the place of the one that has failed longest ago.
MOST = 5


class Corpus:
    """The failing schedules of many programs, in a folder: a file each.

    One that passes now stays, for the next change of the program, until others have taken its
    place. Several processes may use a folder.

    Args:
        folder: Where they are; made when there is one to keep.
        complain: Is told of a file that cannot be read. It stays, and is left out.
    """

    def __init__(self, folder: Path, complain: Callable[[str], None]) -> None:
        self._folder = folder
        self._complain = complain

    def schedules(self, test: str) -> list[Schedule]:
        """Return those of a program, the one that has failed last first."""
        return [schedule for _, schedule in self._readable(test)]

    def run_first(self, test: str, search: Search, play: Play) -> Settings | None:
        """Run the schedules of a program that *search* might choose too, before it begins.

        Of another fidelity, or a longer latency, a failure would be none of this search.

        Returns:
            The settings of the one that fails again, which ends this; None if none does.
        """
        for schedule in self.schedules(test):
            if not _is_within(schedule, search.settings):
                continue
            options = {**search.settings.options, "seed": schedule.seed}
            settings = Settings(schedule.fidelity, schedule.latency_ns, options)
            found = play(Follow(schedule, strict=False), settings)
            if found is None:
                return None
            played, fails = found
            if played.verdict == "inconclusive" and not fails:
                search.tally.add(played)  # a limit has ended it: that it passes nobody knows
                continue
            search.note_kept(played, fails=fails)
            if fails:
                return settings
        return None

    def keep(self, test: str, token: str) -> Path | None:
        """Keep a schedule that has failed, with where it comes from; return the file, if it can."""
        path = self._folder / f"{files.file_name(test)}-{files.digest(token)}.json"
        provenance = {
            "token": token,
            "test": test,
            "python": platform.python_version(),
            "simclock": version("simclock"),
        }
        try:
            files.write(path, provenance)
        except OSError:
            return None
        others = [each for each, _ in self._readable(test) if each != path]
        for each in others[MOST - 1 :]:
            with contextlib.suppress(OSError):
                each.unlink()
        return path

    def _readable(self, test: str) -> Iterator[tuple[Path, Schedule]]:
        for path in self._paths(test):
            try:
                data = files.read(path)
                # None: another process has just dropped it.
                if data is not None:
                    yield path, Schedule.from_token(str(data["token"]))
            except (ValueError, KeyError) as error:
                self._complain(
                    f"a kept schedule is left out, its file is damaged: {error!r}\n{path}"
                )

    def _paths(self, test: str) -> list[Path]:
        found = []
        with contextlib.suppress(OSError):
            for path in self._folder.glob(f"{files.file_name(test)}-*.json"):
                # Another process may have just dropped it.
                with contextlib.suppress(OSError):
                    found.append((-path.stat().st_mtime_ns, path.name, path))
        return [path for _, _, path in sorted(found)]


def _is_within(schedule: Schedule, settings: Settings) -> bool:
    """Return whether a search with these settings might choose *schedule*."""
    is_as_legal = FIDELITIES.index(schedule.fidelity) <= FIDELITIES.index(settings.fidelity)
    return is_as_legal and schedule.latency_ns <= settings.latency_ns
