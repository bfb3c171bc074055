"""The strategy that chooses anew, uniformly, at each point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simclock._strategies.randomised import Randomised

if TYPE_CHECKING:
    from simclock._core.choices import Candidate


class RandomWalk(Randomised):
    """Each thread that could run is as likely as any other to go on.

    Finds what needs many switches; what needs one thread to be held up for long is exponentially
    unlikely. That it is hard to beat on small programs is shown by Paul Thomson, Alastair F.
    Donaldson, Adam Betts: Concurrency Testing Using Controlled Schedulers: An Empirical Study. ACM
    Transactions on Parallel Computing 2(4), 2016.
    """

    name = "random"

    def choose_thread(self, threads: tuple[Candidate, ...]) -> int:
        """Return any of them."""
        return self.random.randrange(len(threads))
