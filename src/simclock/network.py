"""The network between hosts: how long it takes, what it loses, who is cut off from whom."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from simclock._boundary.network.links import Traits

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock._boundary.network.state import Net
    from simclock._boundary.network.wires import Message

    Pairs = list[tuple[str, str]]

_SHARES = ("loss", "duplicate", "reorder")
_SECONDS = ("latency", "jitter")
# Beyond this nobody waits: a century.
_LONGEST = 3e9


class Network:
    """The links between the hosts of a simulation; see ``Simulation.network``.

    Between any two hosts there is a link in each direction. As long as nobody changes one, what
    is sent has arrived. Hosts are given by name, or as what ``Simulation.host`` returns. What goes
    on inside one host, and what threads of no host send, is never delayed.

    Streams lose nothing and keep their order, as TCP sees to it: as if what is lost were sent again
    without delay. What is on its way takes memory without bound, and sends never wait for it.

    Each of these functions may be called in any simulated thread; what they do takes no time.
    """

    # So that ``sim.network.latency = 1`` is an error: that is what `set` is for.
    __slots__ = ("_call", "_net")

    def __init__(self, net: Callable[[], Net], call: Callable[..., Any]) -> None:
        self._net = net
        # Calls a function in the kernel.
        self._call = call

    # ------------------------------------------------------------------ what links are like

    def set(
        self,
        one: Any = None,
        other: Any = None,
        /,
        *,
        one_way: bool = False,
        **traits: float | None,
    ) -> None:
        """Change what the links between two hosts are like, or all links with those to come.

        Traits that are not given stay as they are. What is on its way already is not concerned.

        Args:
            one: A host; without hosts, every link is changed.
            other: Another one.
            one_way: Whether only the link from *one* to *other* is meant.
            traits: Those of `Traits`: ``latency`` and ``jitter`` in seconds, ``bandwidth`` in
                bytes per second (None for no limit), and the shares of datagrams for ``loss``,
                ``duplicate`` and ``reorder``, from 0 to 1.

        Raises:
            TypeError, ValueError: A trait has no meaning, or only one host is given.
            LookupError: There is no such host.
        """
        _check_traits(traits)
        self._call(self._set, one, other, one_way, traits)

    def _set(self, one: Any, other: Any, one_way: bool, traits: dict[str, Any]) -> None:
        pairs = self._both_or_all(one, other, one_way=one_way)
        self._net().shape(pairs, traits)

    def traits(self, one: Any, other: Any, /) -> Traits:
        """Return what the link from *one* to *other* is like."""
        [(source, target)] = self._between(one, other, one_way=True)
        found: Traits = self._call(self._net().traits, source, target)
        return found

    # ------------------------------------------------------------------------- partitions

    def partition(self, *groups: Any, one_way: bool = False) -> None:
        """Cut the links between hosts of different *groups*; those inside a group stay.

        A stream's bytes wait until the link is healed, then they are sent again. Datagrams that
        would arrive meanwhile are lost. Who connects hears nothing until then.

        Args:
            groups: Each a host or several. A single one is cut off from all other hosts.
            one_way: Whether only what is sent from a group to a later one is lost.
        """
        self._call(self._partition, groups, one_way)

    def _partition(self, groups: tuple[Any, ...], one_way: bool) -> None:
        if not groups:
            raise TypeError(
                "partition() needs groups of hosts\ngive them, as in partition(['a', 'b'], 'c')"
            )
        named = [self._names(group) for group in groups]
        if len(named) == 1:
            named.append([n for n in self._net().names.hosts.values() if n not in named[0]])
        pairs: Pairs = []
        for group, later in itertools.combinations(named, 2):
            for one, other in itertools.product(group, later):
                pairs += self._between(one, other, one_way=one_way)
        self._net().stop(pairs, held=False)

    def heal(self, one: Any = None, other: Any = None, /) -> None:
        """End partitions: between two hosts, or all of them."""
        self._call(self._open, one, other, False)

    # ------------------------------------------------------------------ messages by hand

    def hold(self, one: Any, other: Any, /, *, one_way: bool = False) -> None:
        """Let nothing arrive between two hosts until `release`: it waits, also datagrams."""
        self._call(self._hold, one, other, one_way)

    def _hold(self, one: Any, other: Any, one_way: bool) -> None:
        self._net().stop(self._between(one, other, one_way=one_way), held=True)

    def release(self, one: Any = None, other: Any = None, /) -> None:
        """End `hold`: what should be there by now arrives at once, in the order it was sent."""
        self._call(self._open, one, other, True)

    def _open(self, one: Any, other: Any, held: bool) -> None:
        pairs = self._both_or_all(one, other)
        self._net().open(pairs, held=held)

    def in_flight(self) -> tuple[Message, ...]:
        """Return what is on its way: the next to arrive first, then what is held up."""
        return tuple(self._call(self._net().in_flight))

    def reset(self, one: Any, other: Any, /) -> None:
        """Break off all connections between two hosts: both ends find them reset.

        What was on its way through them is lost; connections that are being made fail.
        """
        self._call(self._reset, one, other)

    def _reset(self, one: Any, other: Any) -> None:
        [(source, target)] = self._between(one, other, one_way=True)
        self._net().reset(source, target)

    # ----------------------------------------------------------------------------- hosts

    def _between(self, one: Any, other: Any, *, one_way: bool = False) -> Pairs:
        source, target = self._name(one), self._name(other)
        if source == target:
            raise ValueError(
                f"a link has two ends, both are {source!r}\n"
                "give two hosts: what goes on inside one is never delayed"
            )
        return [(source, target)] if one_way else [(source, target), (target, source)]

    def _both_or_all(self, one: Any, other: Any, *, one_way: bool = False) -> Pairs | None:
        if (one is None) != (other is None):
            raise TypeError(
                f"a link has two ends, only one was given: {one or other!r}\n"
                "give two hosts, or none for every link"
            )
        return None if one is None else self._between(one, other, one_way=one_way)

    def _names(self, group: Any) -> list[str]:
        if isinstance(group, Iterable) and not isinstance(group, str):
            return [self._name(each) for each in group]
        return [self._name(group)]

    def _name(self, host: Any) -> str:
        name = getattr(host, "name", host)
        known = self._net().names
        if not isinstance(name, str):
            raise TypeError(f"this is no host: {host!r}\ngive its name, or what sim.host() returns")
        if name.lower() not in known.addresses:
            raise LookupError(
                f"there is no host {name!r}, only {', '.join(known.hosts.values()) or 'none'}\n"
                f"name a host, or make it first with sim.host()"
            )
        return known.hosts[known.real(name)]


def _check_traits(traits: dict[str, Any]) -> None:
    for name, value in traits.items():
        if name not in Traits._fields:
            raise TypeError(f"links have no {name!r}\nchoose from {', '.join(Traits._fields)}")
        if name == "bandwidth" and value is None:
            continue
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise TypeError(f"{name} must be a number: {value!r}\n{_advice(name)}")
        if not _least(name) <= value <= _most(name):
            raise ValueError(f"{name} is out of range: {value!r}\n{_advice(name)}")


def _least(name: str) -> float:
    return math.ulp(0.0) if name == "bandwidth" else 0.0


def _most(name: str) -> float:
    return 1.0 if name in _SHARES else _LONGEST if name in _SECONDS else math.inf


def _advice(name: str) -> str:
    if name in _SHARES:
        return "give a share, from 0 for none to 1 for all"
    if name in _SECONDS:
        return f"give seconds, from 0 to {_LONGEST:g}"
    return "give bytes per second, more than 0, or None for no limit"
