"""Where a run has more than one legal way to go on, and who says which."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

# What is chosen: the labels of the kernel's own choice points. Plugins have others.
THREAD = "thread"  # who runs next: a thread, or the clock
COST = "cost"  # how much time a reading of the clock has taken
EVENTS = "events"  # which of several descriptors that are ready is told first
TIMERS = "timers"  # which of several timers of a loop that are due at one instant is first
TASKS = "tasks"  # which of an event loop's tasks that could go on is first; only in chaos
SPURIOUS = "spurious"  # whether a condition wakes one more than it was told to; only in chaos

# What the label of a fault begins with: one that happens to hosts, processes and links, and one at
# a place of the program.
FAULT = "fault: "
SITE = "site: "

# The path of the candidate that is no thread.
CLOCK = "clock"


class Candidate(NamedTuple):
    """Who may go on at a choice point.

    Attributes:
        path: Of the thread, such as ``0.2``; `CLOCK` for the clock, which would move to the next
            deadline although somebody could run.
        operation: What it is about to do: a checkpoint's label, or the reason of its wait.
        subject: The number of the object that this is about, in order of appearance in the run;
            0 where there is none.
        step: How many operations the thread has come to in this run, this one included.
    """

    path: str
    operation: str
    subject: int
    step: int = 0


class ChoicePoint(NamedTuple):
    """More than one legal way to go on.

    Attributes:
        label: What is chosen: `THREAD`, `COST`, `EVENTS`, `TIMERS`, `TASKS`,
            `SPURIOUS`, what begins with `FAULT` or `SITE`, or a plugin's word.
        bound: How many ways there are, at least 2. 0 is the canonical one.
        candidates: Who may go on, in the order of the choices, where threads are chosen; the
            clock, if it may move, is the last.
        preempts: Whether every choice but 0 keeps the running thread from going on.
        odds: How likely it is to be another one than 0, where that is drawn; None: no preference.
        words: What each choice from 1 on does, where that can be said.
        tunes: Whether it only rules later choices out, or says how likely they are: none of its
            choices leads to what 0 does not lead to as well, so who enumerates passes it by.
    """

    label: str
    bound: int
    candidates: tuple[Candidate, ...] = ()
    preempts: bool = False
    odds: float | None = None
    words: tuple[str, ...] = ()
    tunes: bool = False

    @property
    def is_fault(self) -> bool:
        """Whether every choice but 0 is a fault."""
        return self.label.startswith((FAULT, SITE))

    def said(self, choice: int) -> str:
        """Return *choice*, which is not 0, in words."""
        if self.words:
            return self.words[choice - 1]
        return f"{self.label}: number {choice + 1} of {self.bound} comes first"


class Witness(Protocol):
    """Is told what threads are about to do."""

    def sees(self, trace: Any, thread: Any, subject: object, *, waits: bool) -> None:
        """Be told that *thread*, a `SimThread`, has come to an operation.

        Called in that thread, with the baton, in the kernel: see `ChoiceSource.choose`.

        Args:
            trace: Of the run so far, a `Trace`.
            thread: Its ``operation`` says what.
            subject: What that is about, if that is known, or None.
            waits: Whether it waits there.
        """


class ChoiceSource(Protocol):
    """Answers the choice points of one run.

    Attributes:
        interested: Whether it wants to be asked at every checkpoint. If not, uncontended
            operations stay in C and the kernel takes choice 0.
        latency_ns: For how long, in virtual nanoseconds, threads that could run may be kept from
            it while the clock moves; 0: the clock only moves when nobody can run.
        chaos: Whether choices are offered, too, that reality does not have.

    If it is interested and has an attribute ``witness``, a `Witness`, that is told what threads do.
    """

    interested: bool
    latency_ns: int
    chaos: bool

    def choose(self, point: ChoicePoint) -> int:
        """Return a number below the point's bound; 0 is canonical.

        Called with the baton, in the kernel: it must not wait, nor touch
        anything that a simulated thread uses.
        """


class Canonical:
    """Always 0: keep the current thread, else first come first served."""

    interested = False
    latency_ns = 0
    chaos = False

    def choose(self, point: ChoicePoint) -> int:  # noqa: ARG002 - the protocol's signature
        """Return 0."""
        return 0
