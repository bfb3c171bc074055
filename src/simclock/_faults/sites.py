"""Sites: named places of a program that fail by choice."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from simclock._core.choices import SITE
from simclock._faults.plans import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Names that a run has: more are made of values, and would be as many as there are values.
MOST = 1000


class SeenSite(NamedTuple):
    """What was seen of a site in a run.

    Attributes:
        asked: How often somebody has come there.
        fired: How often it has failed.
        is_enabled: Whether it could.
    """

    asked: int
    fired: int
    is_enabled: bool

    @property
    def state(self) -> str:
        """Whether it has failed, could have, or could not, in words."""
        if self.fired:
            return "fired"
        return "on" if self.is_enabled else "off"


class _Site:
    """A site in a run."""

    def __init__(self, *, is_enabled: bool) -> None:
        self.is_enabled = is_enabled
        self.asked = self.fired = 0
        # What a plan has for the next that come there.
        self.planned: deque[int] = deque()


class Sites:
    """The sites of a run.

    Args:
        choose: Makes a choice of the schedule, as ``Kernel.choose`` does.
        note: Is told what a site does, and the way.
    """

    def __init__(self, choose: Callable[..., int], note: Callable[[str, int], None]) -> None:
        self._choose = choose
        self._note = note
        self._known: dict[str, _Site] = {}
        # What plans have for sites that nobody has come to yet.
        self._planned: dict[str, list[int]] = {}

    @property
    def seen(self) -> dict[str, SeenSite]:
        """What was seen of each."""
        return {
            name: SeenSite(each.asked, each.fired, each.is_enabled)
            for name, each in self._known.items()
        }

    def plan(self, name: str, way: int) -> None:
        """Let the site fail, in this way, the next time that somebody comes there."""
        if name in self._known:
            self._known[name].planned.append(way)
        else:
            self._planned.setdefault(name, []).append(way)

    def forget_plans(self) -> None:
        """Let no site fail that has not yet."""
        self._planned.clear()
        for each in self._known.values():
            each.planned.clear()

    def come_to(
        self, name: str, words: Sequence[str], odds: float, enabled: float, *, is_on: bool
    ) -> int:
        """Return in which way the site fails now, from 1 on; 0: it does not."""
        site = self._known.get(name)
        if site is None:
            site = self._known[name] = self._first(name, odds, enabled)
        site.asked += 1
        way = self._way(site, name, words, odds) if is_on else 0
        if way:
            site.fired += 1
            self._note(name, way)
        return way

    def _way(self, site: _Site, name: str, words: Sequence[str], odds: float) -> int:
        if site.planned:
            return min(site.planned.popleft(), len(words))
        if not (site.is_enabled and odds):
            return 0
        said = tuple(f"{name} {each}" for each in words)
        return self._choose(1 + len(words), f"{SITE}{name}", odds=odds, words=said)

    def _first(self, name: str, odds: float, enabled: float) -> _Site:
        _check(name, odds, enabled)
        if len(self._known) >= MOST:
            raise ValueError(f"more than {MOST} sites, such as {name!r}\nlet the name be a literal")
        is_off = not enabled
        # Where it is certain there is nothing to choose.
        if 0 < enabled < 1:
            words = (f"{name} is not enabled",)
            is_off = bool(
                self._choose(2, f"sites: {name}", odds=1.0 - enabled, words=words, tunes=True)
            )
        site = _Site(is_enabled=not is_off)
        site.planned.extend(self._planned.pop(name, []))
        return site


def _check(name: Any, odds: Any, enabled: Any) -> None:
    if not isinstance(name, str):
        raise TypeError(f"this is no name of a site: {name!r}\ngive a text such as 'disk.full'")
    Fault(0.0, "fire", name)  # so that a plan can have it
    check_probability("p", odds)
    check_probability("enabled", enabled)


def check_probability(name: str, value: Any) -> None:
    """Raise an error if *value* is no probability."""
    if not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ValueError(f"{name} is no probability: {value!r}\ngive a number from 0 to 1")
