"""Where every choice of a run is answered."""

from __future__ import annotations

from typing import Protocol


class ChoiceSource(Protocol):
    """Answers the choice points of one run.

    ``interested`` says whether it wants to be asked at every checkpoint. If
    not, uncontended operations stay in C and the kernel takes choice 0.
    """

    interested: bool

    def choose(self, bound: int, label: str) -> int:
        """Return a number below *bound*, which is at least 2; 0 is canonical.

        Called with the baton, in the kernel: it must not wait, nor touch
        anything that a simulated thread uses.
        """


class Canonical:
    """Always 0: keep the current thread, else first come first served."""

    interested = False

    def choose(self, bound: int, label: str) -> int:  # noqa: ARG002 - the protocol's signature
        """Return 0."""
        return 0
