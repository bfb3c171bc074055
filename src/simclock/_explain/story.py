"""What is said of a run that failed: how it was chosen, what went wrong, who did what when."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from simclock._core.places import raised_in
from simclock._explain.columns import AT_END, table
from simclock._explain.narrative import Place
from simclock._explain.races import races
from simclock.errors import Deadlock

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simclock._explain.narrative import Moment, Narrative

# Choices and threads of one kind that are named.
SHOWN = 12
# Rows before a deadlock: it has come about by several.
AT_DEADLOCK = 24


class Story(NamedTuple):
    """A failure, told.

    Attributes:
        lines: The text.
        places: The lines of the program that race, if any were found.
    """

    lines: tuple[str, ...]
    places: tuple[Place, ...]

    def __str__(self) -> str:
        return "\n".join(self.lines)


def story(failed: Narrative, passed: Narrative | None, error: BaseException) -> Story:
    """Return the story of a run.

    Args:
        failed: The run.
        passed: The one that passes with the least left out, if there is one.
        error: What it failed with.
    """
    waiting = _waiting(failed) if isinstance(error, Deadlock) else []
    # Who joins others only waits because these do.
    stuck = [each for each in waiting if each.said != "join"] or waiting
    found = races(failed, passed, _places(stuck) or _raised_at(error))
    race = found[0] if found else None
    causes = [f"{each.said}, {each.when}" for each in failed.deviations if each.kind == "fault"]
    causes += [_wait(failed, each) for each in stuck]
    causes += [_wait(failed, each) for each in waiting if each not in stuck]
    places = _places(stuck)
    said, where = _delay(failed)
    if said and (race is None or not race.is_chosen):
        causes.append(said)
        places += where
    if race is not None:
        causes.append(race.said(failed.names))
        places = race.places
    noted = [failed.moments.index(each) for each in stuck]
    noted += [touch.at for touch in race.touches] if race else []
    lines = [*choices(failed), *(f"likely cause: {each}" for each in causes[:1])]
    lines += [f"  and: {each}" for each in causes[1:]]
    raised = () if waiting else _came_to(failed, _raised_at(error))
    rows = table(failed, noted, AT_DEADLOCK if waiting else AT_END, raised)
    for part in (rows, _difference(failed, passed)):
        lines += ["", *part] if part else []
    return Story(tuple(lines), tuple(dict.fromkeys(places)))


def choices(failed: Narrative) -> list[str]:
    """Return what is to be said of the choices of a run."""
    chosen = failed.deviations
    if not chosen:
        return ["it fails in the canonical order: no choice is needed"]
    lines = [f"  {each.when} {each.said}" for each in chosen[:SHOWN]]
    if len(chosen) > SHOWN:
        lines.append(f"  and {len(chosen) - SHOWN} more")
    return ["canonical except:", *lines]


def _delay(failed: Narrative) -> tuple[str, tuple[Place, ...]]:
    """Return what has come of it that time passed while somebody could have gone on; and where."""
    at = max((n for n, each in enumerate(failed.moments) if each.kind == "delay"), default=None)
    if at is None:
        return "", ()
    delay = failed.moments[at]
    kept = [each for each in failed.moments[:at] if each.kind == "line" and each.who == delay.who]
    then = [each for each in failed.moments[at:] if each.kind == "line"][:1]
    said = f"{delay.said}, as on a busy machine"
    if then:
        said += f"; then {failed.names[then[0].who]} goes on at {then[0].place}"
    return said, _places([*kept[-1:], *then])


def _places(moments: Iterable[Moment]) -> tuple[Place, ...]:
    return tuple(each.place for each in moments if each.place is not None)


def _raised_at(error: BaseException) -> tuple[Place, ...]:
    entry = raised_in(error)
    return () if entry is None else (Place(entry.tb_frame.f_code.co_filename, entry.tb_lineno),)


def _came_to(failed: Narrative, places: tuple[Place, ...]) -> list[int]:
    """Return when each thread was last in one of *places*: the one that fails, and those before."""
    last = {
        each.who: at
        for at, each in enumerate(failed.moments)
        if each.kind == "line" and each.place in places
    }
    return list(last.values())


# ------------------------------------------------------------------ a deadlock


def _waiting(failed: Narrative) -> list[Moment]:
    """Return the last moments of the threads that wait at the end."""
    last: dict[str, Moment] = {}
    for moment in failed.moments:
        if moment.place is not None:
            last[moment.who] = moment
    return [each for each in last.values() if each.kind == "wait"]


def _wait(failed: Narrative, wait: Moment) -> str:
    assert wait.place is not None
    said = f"{failed.names[wait.who]} waits for ever in `{wait.place.source}` ({wait.place})"
    owner = None if wait.subject is None else _owner(failed, wait.subject)
    if owner is not None and owner.who != wait.who:
        name = failed.names[owner.who]
        _, is_named, lock = owner.said.partition("acquire ")
        what = f"{lock}, which" if is_named else "what"
        said += f" for {what} {name} has acquired ({owner.place})"
        said += f"; {name} has ended" if owner.who in failed.ended else ""
    return said


def _owner(failed: Narrative, subject: object) -> Moment | None:
    """Return where *subject* was acquired last, if it was not released since."""
    owner = None
    for moment in failed.moments:
        if moment.kind == "operation" and moment.subject is subject:
            owner = moment if moment.operation == "acquire" else None
    return owner


# ------------------------------------------------------------------ the run that passes


def _difference(failed: Narrative, passed: Narrative | None) -> list[str]:
    if passed is None:
        return []
    without = [
        each for each in failed.deviations if _key(each) not in set(map(_key, passed.deviations))
    ]
    left_out = "with other choices"
    if without:
        last = without[-1]
        left_out = f"without the {'fault' if last.kind == 'fault' else 'choice'} {last.when}"
    lines = [f"it passes {left_out}"]
    here, there = _lines(failed), _lines(passed)
    pairs = zip(here, there, strict=False)
    parted = next(((one, other) for one, other in pairs if one[1:] != other[1:]), None)
    if parted is not None:
        one, other = parted
        lines[0] += f"; from step {one[0]} on they differ:"
        lines.append(f"  fails:  {_said(failed, one)}")
        lines.append(f"  passes: {_said(passed, other)}")
    return lines


def _key(moment: Moment) -> tuple[int, str]:
    return moment.step, moment.said


def _lines(narrative: Narrative) -> list[tuple[int, str, Place]]:
    return [
        (each.step, each.who, each.place)
        for each in narrative.moments
        if each.kind == "line" and each.place is not None
    ]


def _said(narrative: Narrative, line: tuple[int, str, Place]) -> str:
    _, who, place = line
    return f"{narrative.names[who]} goes on at {place}: {place.source}"
