"""The strategy that keeps to the canonical schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simclock._strategies.base import Strategy

if TYPE_CHECKING:
    from simclock._core.choices import ChoicePoint


class Canonical(Strategy):
    """Always 0: the run that there is without a search. It is made once."""

    name = "canonical"

    def __init__(self, seed: int | str = 0) -> None:
        super().__init__(seed)
        self._asked = False

    def choose(self, point: ChoicePoint) -> int:  # noqa: ARG002 - one answer to each point
        """Return 0."""
        self._asked = True
        return 0

    def end(self, *, complete: bool) -> None:
        """End the run. It was the only one there is if nothing was to be chosen."""
        self.finished = True
        self.exhausted = complete and not self._asked
