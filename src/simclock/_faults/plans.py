"""Faults as data: what happens to whom at which instant, with a text that can be pasted."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, overload

from simclock._core import instants

# In seconds: as far as the clock of a simulation goes.
LATEST = instants.LAST_NS / instants.SECOND


class Shape(NamedTuple):
    """What a step of one kind looks like.

    Attributes:
        sides: 2 if it is about what is between two groups of hosts.
        lasts: Whether it may end by itself.
        by: What its number means, or nothing if it has none.
        most: How large that may be, with either sign.
    """

    sides: int = 1
    lasts: bool = False
    by: str = ""
    most: float = math.inf


SHAPES = {
    "kill": Shape(lasts=True),
    "pause": Shape(lasts=True),
    "skew": Shape(
        lasts=True, by="the seconds by which the wall clock is moved", most=instants.FARTHEST
    ),
    "drift": Shape(
        lasts=True,
        by="how many seconds more a second has by the wall clock",
        most=instants.FASTEST,
    ),
    "partition": Shape(sides=2, lasts=True),
    "reset": Shape(sides=2),
    "slow": Shape(sides=2, lasts=True, by="the seconds that everything takes longer", most=LATEST),
    "fire": Shape(),
}
# What stands over a plan in a report.
HEADING = "faults, as a plan:"
# Of a line of a plan.
FORM = "at 1.25 s kill db-1 for 0.5 s"
_NUMBER = r"[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?"
_LINE = re.compile(rf"at +(?P<at>{_NUMBER}) +s +(?P<what>\S+) +(?P<rest>.+)")
_MARK = re.compile(r"^E\s+(?=at |#|faults)")
# What may follow the target, in any order.
_MORE = re.compile(
    rf"(?P<target>.+) +(?:for +(?P<lasts>{_NUMBER}) +s|by +(?P<by>{_NUMBER})|way +(?P<way>[0-9]+))"
)
_BETWEEN = " | "


@dataclass(frozen=True)
class Fault:
    """A step of a plan: one fault.

    Its text is a line such as ``at 1.25 s kill db-1 for 0.5 s``.

    Args:
        at: Virtual seconds since the start of the simulation. One that is past when the plan is
            begun happens at once.
        what: ``"kill"``, ``"pause"``, ``"skew"``, ``"drift"``, ``"partition"``, ``"reset"``,
            ``"slow"``, or ``"fire"``: a place of the program fails the next time that somebody
            comes there.
        target: To whom: the name of a host or a process; of ``partition``, ``reset`` and ``slow``
            two groups of hosts, ``"db-1 | db-2, db-3"``; of ``fire`` the name of the site.
        lasts: Virtual seconds after which it is over; None: it stays until the faults stop.
        by: Of a skew the seconds by which the wall clock is moved, of a drift its rate, of
            ``slow`` the seconds that everything takes longer.
        way: Which of the ways of a site to fail, from 1 on.

    Raises:
        TypeError, ValueError: It makes no sense.
    """

    at: float
    what: str
    target: str
    lasts: float | None = None
    by: float | None = None
    way: int = 1

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem:
            raise ValueError(f"{problem}: {_shown(self)}\nwrite a fault as {FORM!r}")
        # To the nanosecond, which is what there is: so the text has all of it.
        for name in ("at", "lasts"):
            value = getattr(self, name)
            object.__setattr__(self, name, value if value is None else round(float(value), 9))
        if self.by is not None:
            object.__setattr__(self, "by", round(float(self.by), 9))

    @property
    def sides(self) -> tuple[tuple[str, ...], ...]:
        """The names in the target: one group of hosts, or two."""
        groups = self.target.split(_BETWEEN) if SHAPES[self.what].sides > 1 else [self.target]
        return tuple(tuple(name.strip() for name in group.split(",")) for group in groups)

    @property
    def said(self) -> str:
        """What happens, without the instant."""
        words = [self.what, self.target]
        if self.lasts is not None:
            words.append(f"for {decimal(self.lasts)} s")
        if self.by is not None:
            words.append(f"by {decimal(self.by)}")
        if self.way != 1:
            words.append(f"way {self.way}")
        return " ".join(words)

    def __str__(self) -> str:
        return f"at {decimal(self.at)} s {self.said}"

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Return the fault that *text* says.

        Raises:
            ValueError: It says none.
        """
        match = _LINE.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"this is no fault: {text.strip()!r}\nwrite a fault as {FORM!r}")
        target, more = _parted(match["rest"])
        try:
            numbers: dict[str, Any] = {
                name: int(value) if name == "way" else float(value)
                for name, value in {"at": match["at"], **more}.items()
            }
        except ValueError:
            raise ValueError(
                f"a number is wrong: {text.strip()!r}\nwrite a fault as {FORM!r}"
            ) from None
        return cls(what=match["what"], target=target, **numbers)


class FaultPlan(Sequence[Fault]):
    """Faults in the order of their instants. Immutable; its text can be pasted from a report.

        plan = FaultPlan.parse('''
            at 1.25 s kill db-1 for 0.5 s
            at 2 s partition db-1 | db-2, db-3
        ''')

    Args:
        steps: The faults, in any order.

    Raises:
        TypeError: One of them is none.
    """

    def __init__(self, steps: Iterable[Fault] = ()) -> None:
        found = list(steps)
        for number, each in enumerate(found, 1):
            if not isinstance(each, Fault):
                raise TypeError(
                    f"step {number} of the plan is no fault: {each!r}\n"
                    "give simclock.Fault objects, or use FaultPlan.parse() for a text"
                )
        self._steps = tuple(sorted(found, key=lambda each: each.at))

    @classmethod
    def parse(cls, text: str) -> FaultPlan:
        """Return the plan that *text* says: a fault on each line; # begins a remark.

        Of a report, what follows the line ``faults, as a plan:``, as far as it is faults.

        Raises:
            ValueError: A line says no fault. It is named.
        """
        if not isinstance(text, str):
            raise TypeError(f"this is no text: {text!r}\ngive a fault on each line, as {FORM!r}")
        # Pytest puts an E before each line of an error.
        lines = [_MARK.sub("", line).strip() for line in text.splitlines()]
        begin = lines.index(HEADING) + 1 if HEADING in lines else 0
        found = []
        for number, line in enumerate(lines, 1):
            if number <= begin or not line or line.startswith("#"):
                continue
            if begin and not _LINE.match(line):
                break
            try:
                found.append(Fault.parse(line))
            except ValueError as error:
                raise ValueError(f"line {number} of the plan: {error}") from None
        return cls(found)

    @overload
    def __getitem__(self, index: int) -> Fault: ...

    @overload
    def __getitem__(self, index: slice) -> FaultPlan: ...

    def __getitem__(self, index: int | slice) -> Fault | FaultPlan:
        found = self._steps[index]
        return found if isinstance(found, Fault) else FaultPlan(found)

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._steps)

    def __eq__(self, other: object) -> bool:
        return self._steps == other._steps if isinstance(other, FaultPlan) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._steps)

    def __str__(self) -> str:
        return "\n".join(map(str, self._steps))

    def __repr__(self) -> str:
        return f"FaultPlan.parse({str(self)!r})"


def decimal(number: float) -> str:
    """Return *number* as people write it, to the ninth digit after the point."""
    text = f"{number:.9f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def between(one: Iterable[str], other: Iterable[str]) -> str:
    """Return the target of a fault between two groups of hosts."""
    return _BETWEEN.join(", ".join(group) for group in (one, other))


def _parted(rest: str) -> tuple[str, dict[str, str]]:
    """Return the target that begins *rest*, and what follows it, each once."""
    found: dict[str, str] = {}
    while match := _MORE.fullmatch(rest):
        ((name, value),) = [
            (name, value) for name, value in match.groupdict().items() if name != "target" and value
        ]
        if name in found:
            break
        found[name] = value
        rest = match["target"].rstrip()
    return rest, found


def _problem(fault: Fault) -> str:
    """Return what is wrong with *fault*, or nothing."""
    shape = SHAPES.get(fault.what)
    if shape is None:
        return f"unknown fault {fault.what!r}, not one of {', '.join(SHAPES)}"
    checks = (
        (
            not (_is_number(fault.at) and 0 <= fault.at <= LATEST),
            f"the instant is no number from 0 to {LATEST:g}",
        ),
        (not shape.lasts and fault.lasts is not None, f"a {fault.what} does not last"),
        (
            fault.lasts is not None
            and not (_is_number(fault.lasts) and 1e-9 <= fault.lasts <= LATEST),
            f"it has to last a nanosecond at least and {LATEST:g} s at most",
        ),
        (shape.by != "" and not _is_number(fault.by), f"it needs a number, {shape.by}"),
        (not shape.by and fault.by is not None, f"a {fault.what} has no number"),
        (fault.what == "slow" and not _is_positive(fault.by), "it has to be slow by more than 0"),
        (
            _is_number(fault.by) and abs(fault.by or 0) > shape.most,
            f"it may be {shape.most:g} at most",
        ),
        (type(fault.way) is not int or fault.way < 1, "the ways are counted from 1 on"),
        (fault.what != "fire" and fault.way != 1, f"a {fault.what} has one way"),
    )
    return next((text for is_wrong, text in checks if is_wrong), "") or _problem_of_target(fault)


def _problem_of_target(fault: Fault) -> str:
    target: object = fault.target
    if not isinstance(target, str) or not target.strip() or target.splitlines() != [target]:
        return "the target is no name"
    names = [name for side in fault.sides for name in side]
    if SHAPES[fault.what].sides > 1:
        if len(fault.sides) != 2 or not all(names):
            return f"a {fault.what} is between two groups of hosts, such as 'db-1 | db-2, db-3'"
        if len(set(names)) < len(names):
            return "a host is named twice"
    elif fault.what != "fire" and len(names) > 1:
        return f"a {fault.what} hits one host or process; write a line for each"
    if target != target.strip() or _parted(target)[1]:
        return "the target has words that mean something else in a plan"
    return ""


def _shown(fault: Fault) -> str:
    given = [fault.at, fault.what, fault.target, fault.lasts, fault.by, fault.way]
    names = ("at", "what", "target", "lasts", "by", "way")
    left_out: tuple[object, ...] = (..., ..., ..., None, None, 1)
    return ", ".join(
        f"{name}={value!r}"
        for name, value, usual in zip(names, given, left_out, strict=True)
        if value != usual
    )


def _is_number(value: Any) -> bool:
    is_real = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_real and math.isfinite(value)


def _is_positive(value: Any) -> bool:
    return _is_number(value) and value > 0
