"""Links: what is between two hosts, one way."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from simclock._core.instants import SECOND

if TYPE_CHECKING:
    import random
    from collections.abc import Collection

# What a datagram that is overtaken is late at least: where nothing takes time, nothing overtakes.
LEAST_DELAY_NS = 1_000_000
# Through a link with a bandwidth a stream arrives piece by piece: of so many bytes, or a hundredth
# of what goes through in a second.
PIECE = 16_384


class Traits(NamedTuple):
    """What a link is like.

    Attributes:
        latency: Seconds that everything takes.
        jitter: Seconds that it takes in addition at most.
        bandwidth: Bytes that go through in a second; None for any number of them.
        loss: The share of datagrams that never arrive.
        duplicate: The share of datagrams that arrive twice.
        reorder: The share of datagrams that take as long again, so that others overtake them.
    """

    latency: float = 0.0
    jitter: float = 0.0
    bandwidth: float | None = None
    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0

    @property
    def piece(self) -> int:
        """How many bytes of a stream arrive together at most; 0 for all of them."""
        if self.bandwidth is None:
            return 0
        return max(1, min(PIECE, int(self.bandwidth / 100)))


PLAIN = Traits()


class Link:
    """The way from one host to another.

    Attributes:
        source: The host's name.
        target: The other one's.
        traits: What it is like.
        cut: Whether nothing arrives: a partition.
        held: Whether what is sent waits to be released.
    """

    __slots__ = ("_dark", "_free_ns", "_random", "cut", "held", "source", "target", "traits")

    def __init__(
        self,
        source: str,
        target: str,
        traits: Traits,
        dark: Collection[str],
        stream: random.Random,
    ) -> None:
        self.source = source
        self.target = target
        self.traits = traits
        self.cut = self.held = False
        # Hosts without power.
        self._dark = dark
        # Of its own: what is drawn for one link does not move the others.
        self._random = stream
        # When the last byte is through that was sent so far.
        self._free_ns = 0

    @property
    def is_plain(self) -> bool:
        """Whether all arrives at once."""
        return self.traits == PLAIN and not self.is_stopped

    @property
    def is_stopped(self) -> bool:
        """Whether nothing arrives now."""
        return self.held or self.is_cut_off

    @property
    def is_cut_off(self) -> bool:
        """Whether what is sent cannot come to where it is for."""
        return self.cut or self.target in self._dark

    def arrival_ns(self, now_ns: int, size: int) -> int:
        """Return when *size* bytes are there that are sent now."""
        traits = self.traits
        start_ns = now_ns
        if traits.bandwidth is not None:
            # One after the other, whatever connection they belong to.
            start_ns = max(now_ns, self._free_ns) + round(size / traits.bandwidth * SECOND)
            self._free_ns = start_ns
        seconds = traits.latency
        if traits.jitter:
            seconds += self._random.uniform(0.0, traits.jitter)
        return start_ns + round(seconds * SECOND)

    def draws(self, share: float) -> bool:
        """Return whether this one is among that *share* of all."""
        return share > 0 and self._random.random() < share

    def detour_ns(self) -> int:
        """Return how much longer what is overtaken takes."""
        traits = self.traits
        return max(round((traits.latency + traits.jitter) * SECOND), LEAST_DELAY_NS)

    def __str__(self) -> str:
        return f"{self.source} -> {self.target}"
