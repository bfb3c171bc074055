"""Every public exception: what happened, the evidence, and what to do next."""

from __future__ import annotations

__all__ = [
    "Deadlock",
    "Divergence",
    "Escape",
    "Leak",
    "LimitReached",
    "Livelock",
    "PluginError",
    "SimclockError",
    "Stalled",
    "Unsupported",
    "Unwind",
    "Violation",
]


class SimclockError(Exception):
    """Anything that simclock reports about a simulation.

    Attributes:
        where: Where the threads are that it is about, one text each, if it is about some: what
            tells it from another error of this type.
    """

    where: tuple[str, ...] = ()


class Deadlock(SimclockError, RuntimeError):
    """Every simulated thread is durably blocked and no timer is armed.

    Raised at the wait of the thread that opened the simulation, and again at
    the simulation's end if that was swallowed.
    """


class Livelock(SimclockError, RuntimeError):
    """Threads keep taking steps while virtual time stands still."""


class LimitReached(SimclockError, TimeoutError):
    """A simulation went past its limit of virtual time or of steps."""


class Stalled(SimclockError, TimeoutError):
    """The running thread made no progress for the watchdog's real time."""


class Escape(SimclockError, RuntimeError):
    """A simulation touched something that it does not control."""


class Leak(SimclockError, ResourceWarning):
    """A simulation left something behind that would outlive it.

    A thread or a simulated process that never ends and is no daemon, a thread
    that refused to be unwound, or a hold that nobody released. Also a warning's
    category, for suites that only want to be told.
    """


class Unsupported(SimclockError, RuntimeError):
    """This interpreter, platform or state of the process cannot be simulated."""


class Divergence(SimclockError, RuntimeError):
    """A run did not come to the choices of the schedule that it was to follow."""


class Violation(SimclockError, AssertionError):
    """What a program states to hold does not hold; see `simclock.predicates`.

    Attributes:
        site: File and line of the statement.
    """

    def __init__(self, text: str, site: str = "") -> None:
        super().__init__(text)
        self.site = site
        self.where: tuple[str, ...] = (site, text.partition("\n")[0])


class PluginError(SimclockError, RuntimeError):
    """A plugin does not do what the specification of a hook asks, or fails in it."""


class Unwind(SystemExit):
    """Unwinds the stack of a thread that its simulation leaves behind.

    A ``SystemExit``: threads end silently on it and event loops stop. Do not
    catch it.
    """
