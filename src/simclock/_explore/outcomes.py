"""What a scenario may come to: each thing that it returns or raises, under some schedule.

After the sets of results of dejafu (M. Walker, C. Runciman, "Déjà Fu: a concurrency testing library
for Haskell", Haskell 2015).
"""

from __future__ import annotations

import inspect
from collections.abc import Hashable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from simclock._explore.choosing import LATENCY, settings_of
from simclock._explore.exploring import check_scenario, in_real_time
from simclock._explore.playing import play
from simclock._explore.report import evidence_lines
from simclock._explore.search import RUNS, Search
from simclock.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock._explore.playing import Played
    from simclock._explore.report import Evidence
    from simclock._strategies.base import Strategy

PLAIN = (bool, int, float, complex, str, bytes, type(None))


class Outcome(NamedTuple):
    """What is known of one outcome.

    Attributes:
        runs: How many had it.
        token: Of the first of them: see `simclock.replay`.
        first: The number of that, from 1.
        error: What that raised, or None.
    """

    runs: int
    token: str
    first: int
    error: BaseException | None


class Outcomes(Mapping[Hashable, Outcome]):
    """The outcomes of a scenario, in the order in which they were found.

    The keys are what was returned, and the classes of what was raised. Of what
    was returned, a list is a tuple here, a set a frozenset, and a dictionary a
    frozenset of its pairs: the order in which it was filled makes no difference.
    What is equal by ``==`` then is one outcome: 1, 1.0 and True are, and a list
    and a tuple of the same things. A NaN equals nothing, so each is another one.

    Attributes:
        evidence: What was done, as in the report of `simclock.explore`.
    """

    def __init__(self, found: Mapping[Hashable, Outcome], evidence: Evidence) -> None:
        self._found = dict(found)
        self.evidence = evidence

    def __getitem__(self, outcome: Hashable) -> Outcome:
        return self._found[outcome]

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    @property
    def returned(self) -> frozenset[Hashable]:
        """What was returned."""
        return frozenset(key for key, each in self._found.items() if each.error is None)

    @property
    def raised(self) -> frozenset[Hashable]:
        """The classes of what was raised."""
        return frozenset(self._found) - self.returned

    @property
    def exhausted(self) -> bool:
        """Whether every schedule that there is was run, so that there is no other outcome."""
        return self.evidence.exhausted

    def __str__(self) -> str:
        lines = [f"{len(self)} outcome{'' if len(self) == 1 else 's'}:"]
        for key, each in self._found.items():
            said = repr(key) if each.error is None else f"{type(each.error).__name__} was raised"
            lines.append(f"  {said}: {each.runs} times, first in run {each.first}, {each.token}")
        return "\n".join([*lines, *evidence_lines(self.evidence)])

    def __repr__(self) -> str:
        return f"<Outcomes { ({key: each.runs for key, each in self._found.items()})!r}>"


def outcomes(
    scenario: Callable[[], Any],
    *,
    runs: int = RUNS,
    strategy: str | Strategy = "portfolio",
    fidelity: str = "legal",
    seed: int = 0,
    latency: float = LATENCY,
    budget: float | None = None,
    **options: Any,
) -> Outcomes:
    """Run *scenario* under many schedules, and return all that it has come to.

    As `simclock.explore` does; but a run that fails does not end it.

    Args:
        scenario: As for `simclock.explore`. What it returns must be plain data: numbers, texts,
            None, and tuples, lists, sets or dictionaries of these.
        runs: How many there are at most.
        strategy: What chooses the schedules.
        fidelity: ``"legal"`` or ``"chaos"``.
        seed: Of the strategy, and of the random numbers inside.
        latency: Virtual seconds for which threads that could run may be kept from it.
        budget: Real seconds after which no other run is begun.
        options: Of `Simulation`. Not ``shrink``, ``executor``, ``resume`` and ``corpus`` of
            `simclock.explore`: they are for one that ends with its first failure.

    Raises:
        TypeError, ValueError: An argument has no meaning, or what is returned is no plain data.
        PluginError: The strategy has failed.
    """
    check_scenario(scenario)
    _check_options(options)
    settings = settings_of(fidelity, latency, {"seed": seed, **options})
    found: dict[Any, Outcome] = {}
    with in_real_time():
        search = Search(strategy, settings, runs=runs, budget=budget, seed=seed)
        while search.wants_more():
            played = play(scenario, search.begin(), settings)
            search.note(played)
            # A failure is an outcome like others.
            search.failed = None
            _count(found, played, search.count)
            if search.is_sampled:
                search.sample(played, lambda answers: play(scenario, answers, settings))
        return Outcomes(found, search.report().evidence)


def _check_options(options: Mapping[str, Any]) -> None:
    own = [*inspect.signature(outcomes).parameters][1:-1]
    others = [*inspect.signature(Simulation).parameters]
    known = [*own, *(each for each in others if each not in (*own, "choices"))]
    for name in options:
        if name not in known:
            raise TypeError(f"outcomes() has no option {name!r}\nchoose one of {', '.join(known)}")


def _count(found: dict[Any, Outcome], played: Played, run: int) -> None:
    error = played.error
    key = _plain(played.value) if error is None else type(error)
    known = found.get(key)
    if known is None:
        found[key] = Outcome(1, played.schedule.token, run, error)
    else:
        found[key] = known._replace(runs=known.runs + 1)


def _plain(value: Any) -> Hashable:
    """Return *value* as what can be a key."""
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, (list, tuple)):
        return tuple(map(_plain, value))
    if isinstance(value, (set, frozenset)):
        return frozenset(map(_plain, value))
    if isinstance(value, dict):
        return frozenset((_plain(key), _plain(each)) for key, each in value.items())
    raise TypeError(
        f"the scenario returned what is no plain data: {value!r}\n"
        "return numbers or texts, or tuples, lists, sets or dictionaries of these"
    )
