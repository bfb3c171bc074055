"""Which kinds of faults a run has, and how many of each.

Drawn once for a run: one that has few kinds, and these often, comes to states that one with a bit
of everything does not. (Alex Groce, Chaoqiang Zhang, Eric Eide, Yang Chen, John Regehr: Swarm
Testing. ISSTA 2012; so does TigerBeetle's VOPR.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# Faults of a kind in a hundred moments: where nothing is chosen, and at most.
USUAL = 10
MOST = 100


def drawn(kinds: Iterable[str], choose: Callable[..., int]) -> dict[str, int]:
    """Return the weight of each kind of fault in this run; 0: there is none of it.

    Args:
        kinds: Which there may be.
        choose: Makes a choice of the schedule, as ``Kernel.choose`` does.
    """
    names = list(kinds)
    # With one kind, a run without it would be wasted.
    left_out = 0.5 if len(names) > 1 else 0.0
    return {name: _weight(name, left_out, choose) for name in names}


def _weight(kind: str, left_out: float, choose: Callable[..., int]) -> int:
    if left_out and choose(2, f"swarm: {kind}", odds=left_out, words=(f"no {kind}",), tunes=True):
        return 0
    words = tuple(f"{kind} {weight}" for weight in range(1, MOST + 1))
    return choose(MOST + 1, f"weight: {kind}", odds=1.0, words=words, tunes=True) or USUAL


def said(weights: dict[str, int]) -> str:
    """Return weights in words, such as ``kill 12, pause off``."""
    return ", ".join(f"{kind} {weight or 'off'}" for kind, weight in weights.items())
