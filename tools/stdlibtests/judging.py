"""Say which outcomes are as they must be."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tools.stdlibtests.listed import Listed
    from tools.stdlibtests.running import Outcome

BAD = frozenset({"failed", "hung", "crashed"})


@dataclass
class Verdict:
    """What is wrong with a run."""

    counts: Counter[str] = field(default_factory=Counter)
    #: Tests that failed and are not listed.
    failures: list[Outcome] = field(default_factory=list)
    #: Entries of the list whose tests passed, or that name no test at all.
    needless: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return not self.failures and not self.needless


def judge(outcomes: Iterable[Outcome], listed: Iterable[Listed]) -> Verdict:
    """Compare what came of the tests with the list of those that need not pass."""
    entries = list(listed)
    verdict = Verdict()
    used = set()
    for outcome in outcomes:
        entry = next((entry for entry in entries if entry.names(outcome.test)), None)
        used.add(entry)
        bad = outcome.outcome in BAD
        verdict.counts["listed" if bad and entry else outcome.outcome] += 1
        if bad and entry is None:
            verdict.failures.append(outcome)
        elif not bad and entry is not None:
            verdict.needless.append(f"{outcome.test}: {outcome.outcome}")
    verdict.needless += [
        f"{entry.test}: no such test was run" for entry in entries if entry not in used
    ]
    return verdict
