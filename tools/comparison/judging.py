"""What becomes of a sample: a few words for a cell of a table."""

from __future__ import annotations

from typing import Any

Sample = dict[str, Any]
# How tools say that a program does what they have drawn a line at.
REFUSALS = (
    "BoundaryError",
    "EscapedSimulationError",
    "SimulationFenceError",
    "SolipsismError",
)
YES = "yes"


def plainly(sample: Sample) -> str:
    """Return in words how a program ended that did not answer; empty if it did."""
    if sample.get("hangs"):
        return "no: no end"
    error = str(sample.get("error", ""))
    if error.startswith(REFUSALS) or any(f"{name}(" in error for name in REFUSALS):
        return "refused"
    if "inconclusive" in error:
        return "inconclusive"
    if error.startswith("Refused: "):
        error = error.rpartition(": ")[2]
    return f"no: {error.partition(':')[0]}" if error else ""


class Equals:
    """Judges by what a program has to answer."""

    def __init__(self, expected: object, hangs: str = "no: really waits", unit: str = "") -> None:
        self.expected = expected
        self.hangs = hangs
        self.unit = unit

    def __call__(self, sample: Sample) -> str:
        """Return the words."""
        if sample.get("hangs"):
            return self.hangs
        if words := plainly(sample):
            return words
        answer = sample["answer"]
        if answer is None:
            return "no"
        return YES if answer == self.expected else f"no: {self._said(answer)}"

    def _said(self, answer: Any) -> str:
        if isinstance(answer, list):
            return ", ".join(map(self._said, answer))
        if isinstance(answer, float) and abs(answer - round(answer)) >= 0.5e-12 and answer > 50:
            return f"{answer!r}{self.unit}"
        if isinstance(answer, float) and abs(answer) < 1e-2:
            return f"0{self.unit}"  # what the computer took, each time something else
        return f"{answer:.3g}{self.unit}" if isinstance(answer, float) else f"{answer}{self.unit}"


def ends_in_an_error(sample: Sample) -> str:
    """Judge a program that can only end by an error of the tool."""
    if sample.get("hangs"):
        return "no: hangs"
    words = plainly(sample)
    return YES if words.startswith("no: ") else words or "no"


def is_found(sample: Sample) -> str:
    """Judge a search: it is to find that the program may be wrong."""
    return plainly(sample) or (YES if sample["answer"] else "no")


def is_left_alone(sample: Sample) -> str:
    """Judge a search: what cannot happen in reality is not to be found."""
    return plainly(sample) or ("no" if sample["answer"] else YES)


def is_shrunk(sample: Sample) -> str:
    """Judge a search: what it found is to be made smaller."""
    if words := plainly(sample):
        return words
    return (sample["answer"] or {}).get("shrunk") or "no"


class Names:
    """Judges a search: its report is to have some words."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def __call__(self, sample: Sample) -> str:
        """Return the words of the cell."""
        if words := plainly(sample):
            return words
        said = (sample["answer"] or {}).get("said", "")
        return YES if all(word in said for word in self.words) else "no"


def is_the_same(sample: Sample) -> str:
    """Judge two samples, of which the second is in the first: they are to answer the same."""
    if words := plainly(sample):
        return words
    return YES if sample["answer"] == sample["again"].get("answer") else "no"


def is_as_before(sample: Sample) -> str:
    """Judge what the process is like after a program: as it was found."""
    if sample.get("hangs"):
        return "no: no end"
    left = sample["left"]
    return "no: " + ", ".join(left) if left else YES


def costs(sample: Sample) -> str:
    """Return a figure, as it was measured."""
    return plainly(sample) or str(sample["answer"])


class Real(Equals):
    """Judges a reading of the wall clock."""

    def __init__(self, expected: float) -> None:
        super().__init__(expected)

    def _said(self, answer: Any) -> str:
        return "the real time" if answer > self.expected else f"{answer}"


def is_again(sample: Sample) -> str:
    """Judge a replay: what was found is to fail again."""
    if words := plainly(sample):
        return words
    if not sample["answer"]:
        return "nothing found"
    again = sample["again"]
    return plainly(again) or (YES if again["answer"] else "no")
