"""Judges the samples: figures, ratios to the fastest rival, ends, and targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.measure import Table, median, nanoseconds, rounded
from benchmarks.rivals.subjects import RIVAL

if TYPE_CHECKING:
    from benchmarks.rivals.cases import Case, Size
    from benchmarks.rivals.sampling import Outcome
    from benchmarks.rivals.subjects import Subject

# What ends that far from where it has to has not run the program.
WRONG = 0.01
# Within the nearest nanosecond.
EXACT = 0.5e-9
MIB = 2**20
# By case: against whom, how many times as fast, and the design's words for it (its §13).
TARGETS = {
    "sleeps": (None, 2.0, "at least 2x the fastest rival"),
    "queue": ("seedloop", 2.0, "at least 2x seedloop"),
}
# Not the stock loop: it is there for programs that ask for it.
JUDGED = ("simclock", "alone")


@dataclass(frozen=True)
class Row:
    """What one subject came to.

    Attributes:
        subject: Which.
        value: The median with its unit; empty if there is none.
        ratio: The median of the turns' ratios to the fastest rival.
        note: How exact its end was, or why there is no figure.
        target: What the design asks for.
        met: Whether that holds; None without a target.
    """

    subject: Subject
    value: str = ""
    ratio: float | None = None
    note: str = ""
    target: str = ""
    met: bool | None = None


def rows(case: Case, size: Size, outcomes: list[Outcome]) -> list[Row]:
    """Return one row for each subject, in their order."""
    for one in outcomes:
        one.failure = one.failure or _wrong(case, size, one)
    ran = [one for one in outcomes if not one.failure]
    rivals = [one for one in ran if one.subject.kind == RIVAL]
    fastest = min(rivals, key=lambda one: median(one.figures), default=None)
    named = {one.subject.name: one for one in ran}
    found = []
    for one in outcomes:
        if one.failure:
            words = TARGETS[case.name][2] if _is_judged(case, one) else ""
            found.append(
                Row(one.subject, note=one.failure, target=words, met=False if words else None)
            )
            continue
        ratio = compare(case, one, fastest) if fastest else None
        target, met = _judge(case, one, fastest, named)
        value = _value(case, size, median(one.figures))
        note = _remark(case, size, one)
        found.append(Row(one.subject, value, ratio, note, target, met))
    return found


def compare(case: Case, one: Outcome, base: Outcome) -> float:
    """Return the median of the turns' ratios: of rates, or else of sizes."""
    # A slow subject has been in the first turn only.
    turns = zip(one.figures, base.figures, strict=False)
    return median([b / a if case.more_is_better else a / b for a, b in turns])


def _is_judged(case: Case, one: Outcome) -> bool:
    return case.name in TARGETS and one.subject.name in JUDGED


def _judge(
    case: Case, one: Outcome, fastest: Outcome | None, named: dict[str, Outcome]
) -> tuple[str, bool | None]:
    if not _is_judged(case, one):
        return "", None
    against, least, words = TARGETS[case.name]
    base = named.get(against) if against else fastest
    if base is None:
        return f"{words}, which did not run", None
    found = compare(case, one, base)
    return (words if against is None else f"{words}, is {found:.2f}x"), found >= least


def _value(case: Case, size: Size, figure: float) -> str:
    if case.amount is not None:
        return f"{rounded(case.amount(size) / figure)} {case.unit}"
    return f"{figure / MIB:.1f} MiB" if case.unit == "MiB" else f"{figure * 1e3:.1f} ms"


def _error(case: Case, size: Size, outcome: Outcome) -> float | None:
    """Return by how many seconds the worst end was late, or None where that means nothing."""
    if case.ends is None or outcome.subject.name == "stock":
        return None
    due = case.ends(size)
    return max((end - due for end in outcome.ended), key=abs)


def _wrong(case: Case, size: Size, outcome: Outcome) -> str:
    error = _error(case, size, outcome)
    if error is None or case.ends is None:
        return ""
    due = case.ends(size)
    if abs(error) <= WRONG * max(due, 1.0):
        return ""
    return f"{due + error:.3g} s pass in it instead of {due:.3g} s"


def _remark(case: Case, size: Size, outcome: Outcome) -> str:
    if case.name == "executor":
        return "" if outcome.ended == {0} else "jobs run in the loop's own thread"
    if outcome.subject.name == "stock":
        return "in real time" if case.ends is not None else ""
    error = _error(case, size, outcome)
    if error is None:
        return ""
    if abs(error) < EXACT:
        return "ends exactly"
    return f"ends {nanoseconds(round(abs(error) * 1e9))} {'late' if error > 0 else 'early'}"


def method(case: Case, size: Size) -> str:
    """Return what the program does and what the ratios mean."""
    better = "fastest rival" if case.more_is_better else "rival with the least; less is better"
    return f"{case.method.format(*size)}; ratio to the {better}"


def table(case: Case, size: Size, found: list[Row]) -> Table:
    """Return it as every benchmark shows its figures."""
    made = Table(case.title, method(case, size))
    for row in found:
        made.add(
            row.subject.label,
            row.value or "-",
            row.ratio,
            row.target,
            met=row.met,
            note=row.note,
        )
    return made
