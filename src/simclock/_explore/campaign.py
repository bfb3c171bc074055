"""A search in parts: which there are, what one has found, and the folder where that is kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from simclock._explore import files
from simclock._explore.program import loaded_files, surroundings, unchanged
from simclock._explore.report import Failure, Report, ScheduleFailure, worded
from simclock._explore.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from simclock._explore.search import Search

# Runs of a part, each with a strategy of its own, which learns from them. Part of the result: who
# makes how many of them is not.
PART = 100
# Of the files; a folder is recognised by the first.
MARK = "simclock-campaigns.json"
FORMAT = 1


class Part(NamedTuple):
    """A part of a search.

    Attributes:
        first: How many runs the parts before it have.
        runs: How many it has at most.
    """

    first: int
    runs: int

    @property
    def name(self) -> str:
        """The runs, counted from 1, in words."""
        return f"runs {self.first + 1}-{self.first + self.runs}"

    def seed(self, seed: int | str) -> int | str:
        """Return the seed of its strategy, from that of the search."""
        # The first part makes the runs that a search which is not in parts begins with.
        return f"{seed}:{self.first}" if self.first else seed


def parts_of(search: Search) -> list[Part]:
    """Return the parts of a search.

    Of a strategy that rests on all the runs before there is one: it would begin anew with each.
    """
    runs = search.runs
    size = PART if search.strategy.divisible else runs
    return [Part(first, min(size, runs - first)) for first in range(0, runs, size)]


class Made(NamedTuple):
    """What a part has found.

    Attributes:
        tally: What its runs add up to.
        failure: The run that failed, its last one, or None. Its error is in words: what was raised
            might not come through to another process.
        finished: Whether its strategy has no other run to make.
        seconds: Of real time, until the failure, if there is one.
    """

    tally: Tally
    failure: Failure | None
    finished: bool
    seconds: float

    @classmethod
    def of(cls, search: Search) -> Made:
        """Return what *search*, that of one part, has found."""
        failure, failed = search.failure, search.failed
        if failed is not None and failed.error is not None:
            said = ScheduleFailure(f"{failed.signature}: {worded(failed.error)}")
            failure = (failure or search.unrepeated(failed))._replace(error=said)
        return cls(search.tally, failure, search.strategy.finished, search.searching)

    @property
    def ends(self) -> bool:
        """Whether the parts after it do not count: one run has failed, or there is no other."""
        return self.failure is not None or self.finished

    def is_whole(self, part: Part) -> bool:
        """Return whether it has all that *part* can have: neither budget nor limit has cut it."""
        return self.ends or (self.tally.runs >= part.runs and not self.tally.is_cut)

    def data(self) -> dict[str, Any]:
        """Return it as data that JSON has words for."""
        failure = self.failure
        return {
            "tally": self.tally.data(),
            "failure": failure and {**failure._asdict(), "error": worded(failure.error)},
            "finished": self.finished,
            "seconds": self.seconds,
        }

    @classmethod
    def of_data(cls, data: Mapping[str, Any]) -> Made:
        """Return what `data` was made of.

        Raises:
            KeyError, TypeError, ValueError: It was not.
        """
        failure = data["failure"]
        if failure is not None:
            failure = Failure(**{**failure, "error": ScheduleFailure(failure["error"])})
        return cls(Tally.of_data(data["tally"]), failure, data["finished"], data["seconds"])


class Campaign:
    """Where the parts of one search are kept, with what they depend on.

    That is the identity of the search, the Python and what is installed, and the program: each
    file that was loaded when the part was over. A part of which one of these has changed is not
    found again.

    Args:
        folder: Where those of all searches are. Several processes may use it.
        test: Names the program.
        identity: What else tells one search from another. Not how many runs it has.
        complain: Is told of what cannot be read or written.
    """

    def __init__(
        self,
        folder: Path,
        test: str,
        identity: Mapping[str, object],
        complain: Callable[[str], None],
    ) -> None:
        said = {name: repr(value) for name, value in sorted(identity.items())}
        self._identity = {"test": test, **said, **surroundings()}
        self._folder = folder / files.file_name(test)
        self._complain = complain

    def get(self, part: Part) -> Made | None:
        """Return what *part* has found, if it is kept and still true."""
        path = self._path(part)
        try:
            data = files.read(path)
            if data is None:
                return None
            if data["depends on"] != self._identity:
                raise files.Damaged("it has another name than it was written with")
            return Made.of_data(data["made"]) if unchanged(data["program"]) else None
        except (files.Damaged, KeyError, TypeError, ValueError, AttributeError) as error:
            self._set_aside(path, error)
            return None

    def keep(self, part: Part, made: Made, program: Mapping[str, str]) -> None:
        """Keep what *part* has found, if it was made to its end, of files with these digests."""
        if not made.is_whole(part):
            return
        data = {
            "format": FORMAT,
            "part": part.name,
            "depends on": self._identity,
            "program": dict(program),
            "made": made.data(),
        }
        path = self._path(part)
        try:
            files.write(path, data)
        except OSError as error:
            self._complain(f"{part.name} cannot be kept for another time: {error}")

    def _path(self, part: Part) -> Path:
        which = files.digest(json.dumps(self._identity))
        return self._folder / f"{part.name.replace(' ', '-')}-{which}.json"

    def _set_aside(self, path: Path, error: Exception) -> None:
        try:
            aside = files.set_aside(path)
        except OSError:
            return  # another process has just done it
        self._complain(f"a part is made again, its file is damaged: {error!r}\nit is now {aside}")


def prepare_folder(folder: Path) -> None:
    """Make a folder for campaigns, unless it is one.

    Raises:
        ValueError: There is something else, or it cannot be made.
    """
    mark = folder / MARK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Whoever else makes it now has the mark there first, or nothing.
        if not mark.exists() and any(not each.name.startswith(MARK) for each in folder.iterdir()):
            raise ValueError(
                f"this is no folder of campaigns, and there is something in it: {folder}\n"
                "give one that is empty or not there"
            )
        files.write(mark, {"format": FORMAT})
    except OSError as error:
        raise ValueError(
            f"campaigns cannot be kept in {folder}: {error}\ngive a folder that can be written to"
        ) from None


def program_of(*more: Mapping[str, str], paths: Iterable[str | Path] = ()) -> dict[str, str]:
    """Return the digests of what is loaded here, of *paths*, and of what other processes have."""
    found = loaded_files(paths)
    for each in more:
        for path, digest in each.items():
            # Two processes had different files: no one has both.
            found[path] = digest if found.get(path, digest) == digest else "different"
    return found


def merged(
    found: Mapping[Part, Made], parts: Sequence[Part], *, strategy: str, fidelity: str
) -> tuple[Report, int]:
    """Return what the parts of one search have found together, and how many of them count.

    Those after the first that ends the search do not: whether they were made is chance. Where one
    before it is missing, the evidence says so.
    """
    tally, failure = Tally(), None
    seconds, counted = 0.0, 0
    missing = []
    for part in parts:
        made = found.get(part)
        if made is None:
            missing.append(f"{part.name} were not made")
            continue
        tally.merge(made.tally)
        seconds += made.seconds
        counted += 1
        if made.ends:
            failure = made.failure and made.failure._replace(run=part.first + made.failure.run)
            break
    evidence = tally.evidence(seconds=seconds, strategy=strategy, fidelity=fidelity)
    if missing:
        evidence = evidence._replace(limits=(*evidence.limits, *missing))
    if missing or failure is not None:
        evidence = evidence._replace(exhausted=False, is_cut=True)
    return Report(failure, evidence), counted
