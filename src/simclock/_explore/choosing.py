"""What a search is made with: the strategies that there are, and what is the same in each run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simclock import registry
from simclock._core.instants import to_ns
from simclock._core.schedule import FIDELITIES
from simclock._explore.playing import Settings
from simclock._strategies.base import Strategy
from simclock._strategies.naming import BUILT_IN, find
from simclock.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Virtual seconds for which a busy machine may keep threads from running.
LATENCY = 0.1
# The virtual seconds above which a latency is a mistake.
LONGEST_LATENCY = 3600.0


def strategies() -> Mapping[str, type[Strategy]]:
    """Return the strategies that may be chosen by name, those of plugins among them."""
    known = dict(BUILT_IN)
    registry.load()
    for plugin, made in registry.answers("simclock_strategies"):
        if not (isinstance(made, type) and issubclass(made, Strategy) and "name" in vars(made)):
            raise PluginError(
                f"plugin {plugin!r} returned {made!r} from simclock_strategies\n"
                "return a list of subclasses of simclock.Strategy, each with a name"
            )
        if made.name in known:
            raise PluginError(
                f"plugin {plugin!r} has a strategy with a name that is taken: {made.name!r}\n"
                "give it another one"
            )
        known[made.name] = made
    return known


def chosen(strategy: str | Strategy, seed: int | str) -> Strategy:
    """Return the strategy that *strategy* is or names.

    Raises:
        TypeError, ValueError: It is none.
    """
    if isinstance(strategy, Strategy):
        return strategy
    if not isinstance(strategy, str):
        raise TypeError(
            f"this is no strategy: {strategy!r}\n"
            "give the name of one, such as 'pct', or an instance"
        )
    return find(strategy, seed, strategies())


def settings_of(
    fidelity: str = "legal", latency: float = LATENCY, options: dict[str, Any] | None = None
) -> Settings:
    """Return what is the same in each run.

    Raises:
        TypeError, ValueError: An argument has no meaning.
    """
    if fidelity not in FIDELITIES:
        raise ValueError(f"unknown fidelity: {fidelity!r}\nchoose one of {', '.join(FIDELITIES)}")
    if not isinstance(latency, (int, float)):
        raise TypeError(f"latency must be a number: {latency!r}\ngive virtual seconds, or 0")
    if not 0 <= latency <= LONGEST_LATENCY:
        raise ValueError(
            f"latency is out of range: {latency!r}\ngive 0 to {LONGEST_LATENCY:g} virtual seconds"
        )
    return Settings(fidelity, to_ns(latency) if latency else 0, options or {})
