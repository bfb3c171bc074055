"""A run as a picture: threads and tasks as lanes over virtual time, in a file to look at."""

from __future__ import annotations

import json
import linecache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from simclock._core.choices import CLOCK
from simclock._core.instants import to_seconds
from simclock._core.notes import Notes, line_of
from simclock._core.places import raised_in
from simclock._core.trace import Record
from simclock._report import chrome, page
from simclock._report.lanes import Lane, Lanes, numbers

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping
    from types import CodeType

    from simclock._core.choices import Candidate
    from simclock._core.notes import LogLine
    from simclock.simulation import Simulation


class Place(NamedTuple):
    """A line of the program.

    Attributes:
        file: The file's name, without its folder.
        line: The line's number.
        function: What it is part of.
        source: What it says, if the file is there.
    """

    file: str
    line: int
    function: str
    source: str


class Noted(NamedTuple):
    """A log line.

    Attributes:
        number: Of the record that was the next one.
        lane: The index of the lane of the thread or task that has logged it.
        time_ns: Virtual nanoseconds since the start.
        line: What was logged.
    """

    number: int
    lane: int
    time_ns: int
    line: LogLine


class Timeline:
    """What a simulation did, as lanes, to be looked at in a browser or in Perfetto.

    Of a run that is longer than its trace, the end. In a test of a whole suite, the test. What the
    simulation notes when it was made with ``timeline=True`` is shown too: the lines of the program,
    the choices in words, log lines.

    Args:
        simulation: Open or closed. What it does later is not shown.
        title: What was run.
        error: What it ended with; by default, what the kernel has found.
        details: What else to say of it, by name, such as the command that repeats it.

    Attributes:
        title: What was run.
        verdict: ``failed`` or ``passed``.
        error: The error, in words; empty if there is none.
        raised: The innermost line of the program that the error has come through, if there is one.
        seed: The simulation's.
        elapsed_ns: Virtual nanoseconds that are shown, from the start.
        first: The number of the first record that is shown; others were before if it is not 0.
        records: What happened, their instants since the start.
        lanes: Threads in order of their paths, each followed by its tasks.
        names: Of threads, by path.
        lane_of: The index of each record's lane; -1 for those of the clock.
        ending: The number of the record from which on the simulation ends what is left, or None.
        places: Lines of the program, by the number of the record that was made there.
        deviations: Which thread was chosen, other than canonically: the number of the next
            record, the path, or `CLOCK`, and words.
        logs: Log lines.
        details: What else there is to say.
    """

    def __init__(
        self,
        simulation: Simulation,
        *,
        title: str = "",
        error: BaseException | None = None,
        details: Mapping[str, str] | None = None,
    ) -> None:
        kernel = simulation._known()
        error = error or simulation.failure
        origin_ns = kernel.origin_ns
        self.title: str = title or "a simulation"
        self.verdict = "passed" if error is None else "failed"
        self.error: str = "" if error is None else _worded(error)
        self.raised: Place | None = None if error is None else _raised(error)
        self.seed: int = simulation.seed
        self.details: dict[str, str] = dict(details or {})
        trace = kernel.trace
        kept = list(trace)[-trace.KEPT :]
        before = len(trace) - len(kept)
        # Of a run in several stretches, this one.
        skipped = max(0, kernel.first_record - before)
        kept = kept[skipped:]
        self.first: int = before + skipped
        self.records: list[Record] = [Record(at - origin_ns, *rest) for at, *rest in kept]
        self.elapsed_ns: int = simulation.elapsed_ns
        notes: Notes = simulation._notes or Notes()
        logs = [each for each in notes.logs if each.number >= self.first]
        lanes = Lanes(kept, self.first, [(each.number, each.path) for each in logs])
        self.lanes: list[Lane] = lanes.in_order()
        index = {id(lane): number for number, lane in enumerate(self.lanes)}
        self.lane_of: list[int] = [
            -1 if lane is None else index[id(lane)] for lane in lanes.of_records
        ]
        self.names: dict[str, str] = self._named(simulation.thread_names)
        self.ending: int | None = lanes.ending
        self.logs: list[Noted] = [
            Noted(each.number, index[id(lane)], each.time_ns - origin_ns, each)
            for each, lane in zip(logs, lanes.of_asked, strict=True)
        ]
        self.deviations: list[tuple[int, str, str]] = [
            (each.number, each.chosen.path, self._said(each.chosen, each.canonical))
            for each in notes.deviations
            if each.number >= self.first
        ]
        self.places: dict[int, Place] = _places(
            each for each in notes.callers if each[0] >= self.first
        )

    def _said(self, chosen: Candidate, canonical: Candidate) -> str:
        instead = self._about(canonical)
        if chosen.path == CLOCK:
            return f"the clock moves on before {instead} runs"
        return f"{self._about(chosen)} runs before {instead}"

    def _about(self, candidate: Candidate) -> str:
        name = self.names.get(candidate.path, f"thread {candidate.path}")
        return f"{name} ({candidate.operation})"

    def _named(self, known: dict[str, str]) -> dict[str, str]:
        paths = sorted({lane.path for lane in self.lanes}, key=numbers)
        return {path: known.get(path, f"thread {path}") for path in paths}

    def name_of(self, lane: Lane) -> str:
        """Return what *lane* is called."""
        return lane.task or f"{self.names[lane.path]} ({lane.path})"

    def html(self) -> str:
        """Return a page of HTML that needs nothing else, and no network."""
        return page.render(self)

    def chrome_trace(self) -> dict[str, Any]:
        """Return the same as a Chrome trace, which Perfetto (ui.perfetto.dev) opens."""
        return chrome.events(self)

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write it to *path*: a page if that ends in ``.html``, a Chrome trace for ``.json``.

        Returns:
            The path.

        Raises:
            ValueError: It ends in something else.
            OSError: It cannot be written.
        """
        target = Path(path)
        if target.suffix == ".html":
            text = self.html()
        elif target.suffix == ".json":
            text = json.dumps(self.chrome_trace(), separators=(",", ":")) + "\n"
        else:
            raise ValueError(
                f"no kind of timeline ends so: {str(path)!r}\n"
                "give a name that ends in .html, for a browser, or in .json, for Perfetto"
            )
        target.write_text(text, encoding="utf-8")
        return target

    def __repr__(self) -> str:
        return (
            f"<Timeline of {self.title}: {self.verdict}, {len(self.records)} records,"
            f" {len(self.lanes)} lanes, {to_seconds(self.elapsed_ns):g} s>"
        )


def _worded(error: BaseException) -> str:
    """Return the error's type and text; its text is the program's, and may fail."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - whatever it is, the timeline is of something else
        text = "(no text: its __str__ failed)"
    name = type(error).__name__
    # An error of simclock's begins with its name.
    text = text.removeprefix(f"{name.lower()}: ")
    return f"{name}: {text}" if text else name


def _raised(error: BaseException) -> Place | None:
    found = raised_in(error)
    return None if found is None else _place(found.tb_frame.f_code, found.tb_lineno)


def _place(code: CodeType, line: int) -> Place:
    source = linecache.getline(code.co_filename, line).strip()
    # Only from 3.11 on the whole name is there.
    name = getattr(code, "co_qualname", code.co_name)
    return Place(Path(code.co_filename).name, line, name, source)


def _places(callers: Iterable[tuple[int, CodeType, int]]) -> dict[int, Place]:
    # Not by the code itself: to hash that is to hash all of it.
    known: dict[tuple[int, int], Place] = {}
    places = {}
    for number, code, instruction in callers:
        place = known.get((id(code), instruction))
        if place is None:
            place = known[id(code), instruction] = _place(code, line_of(code, instruction))
        places[number] = place
    return places
