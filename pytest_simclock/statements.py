"""The statements of `simclock.predicates` in what is tested, over all the searches of a session.

A test's own statements are part of its verdict. Those of a program may each be there for another
test: only all the searches together tell which of them nobody has come to.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# Statements that the summary shows.
SHOWN = 5


class Statements:
    """What the searches of a session have seen."""

    def __init__(self) -> None:
        # As `simclock.predicates.Predicate` has it, for `simclock.predicates.Ledger`.
        self._seen: list[list[object]] = []
        # The ends of the names of the files with the tests.
        self._tests: set[str] = set()

    def add(self, test: str, found: str) -> None:
        """Add what the search of a test has seen; the path of its file ends in *test*."""
        self._tests.add(f"/{test}")
        self._seen += json.loads(found)

    def lines(self) -> Iterable[str]:
        """Return what there is to say."""
        missed = self._missed() if self._seen else []
        if missed:
            yield "simclock: stated, and not seen in any of these searches"
        for line in missed[:SHOWN]:
            yield f"  {line}"
        if len(missed) > SHOWN:
            yield f"  and {len(missed) - SHOWN} more"

    def _missed(self) -> list[str]:
        from simclock.predicates import Ledger, Predicate
        from simclock.searching import statements_in, unmet

        tests = tuple(self._tests)
        seen = Ledger(Predicate(*each) for each in self._seen)  # type: ignore[arg-type]
        # Not of the modules of the tests: others of their tests may not have been run.
        files = dict.fromkeys(each.file for each in seen if not each.file.endswith(tests))
        for file in files:
            seen.update(statements_in(file))
        return [text for each in seen if each.file in files and (text := unmet(each))]
