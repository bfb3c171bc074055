"""The choices of one run, as data: only those that differ from the canonical ones."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import Any, NamedTuple

# What a token begins with: its version.
PREFIX = "s1."
FIDELITIES = ("legal", "chaos")
WRONG = "copy the whole token, as the failure has printed it, or give the file that has it"


class Deviation(NamedTuple):
    """A choice that was not the canonical one.

    Attributes:
        position: How many choice points the run has had before.
        choice: What was chosen, not 0.
        bound: How many choices there were.
        label: What was chosen; see `simclock._core.choices`.
    """

    position: int
    choice: int
    bound: int
    label: str


class Schedule(NamedTuple):
    """What a run can be repeated by, with the same program and the same Python.

    Attributes:
        seed: Of the random numbers inside.
        fidelity: ``"legal"`` or ``"chaos"``: which choices were offered.
        latency_ns: For how long the clock could move while threads could run.
        deviations: In the order of their positions.
        points: How many choice points the run had.
    """

    seed: int
    fidelity: str
    latency_ns: int
    deviations: tuple[Deviation, ...]
    points: int

    @property
    def token(self) -> str:
        """The schedule as text of letters, digits, dots, dashes and underscores."""
        labels = sorted({each.label for each in self.deviations})
        numbers: list[int] = []
        before = 0
        for position, choice, bound, label in self.deviations:
            numbers += [position - before, choice, bound, labels.index(label)]
            before = position
        data = [self.seed, self.fidelity, self.latency_ns, self.points, labels, numbers]
        packed = zlib.compress(json.dumps(data, separators=(",", ":")).encode(), 9)
        return PREFIX + base64.urlsafe_b64encode(packed).decode().rstrip("=")

    @classmethod
    def from_token(cls, text: str) -> Schedule:
        """Return the schedule that *text* is the token of.

        Raises:
            TypeError, ValueError: It is no token, or not a whole one.
        """
        if not isinstance(text, str):
            raise TypeError(f"this is no token of a schedule: {text!r}\n{WRONG}")
        text = text.strip()
        if not text.startswith(PREFIX):
            raise ValueError(f"this is no token of a schedule: {text[:40]!r}\n{WRONG}")
        body = text[len(PREFIX) :]
        try:
            packed = base64.b64decode(body + "=" * (-len(body) % 4), altchars="-_", validate=True)
            return cls._from_data(json.loads(zlib.decompress(packed)))
        except (binascii.Error, zlib.error, ValueError, TypeError, IndexError) as error:
            raise ValueError(
                f"this token of a schedule is damaged: {text[:40]!r}..., {len(text)} letters\n"
                f"{WRONG}"
            ) from error

    @classmethod
    def _from_data(cls, data: list[Any]) -> Schedule:
        seed, fidelity, latency_ns, points, labels, numbers = data
        _check(all(isinstance(each, int) for each in (seed, latency_ns, points, *numbers)))
        _check(fidelity in FIDELITIES and latency_ns >= 0)
        deviations = []
        position = 0
        for index in range(0, len(numbers), 4):
            gap, choice, bound, label = numbers[index : index + 4]
            position += gap
            _check(0 < choice < bound)
            deviations.append(Deviation(position, choice, bound, labels[label]))
        return cls(seed, fidelity, latency_ns, tuple(deviations), points)


def _check(makes_sense: bool) -> None:
    if not makes_sense:
        raise ValueError("no schedule has this")
