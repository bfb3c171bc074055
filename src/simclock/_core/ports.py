"""What the kernel needs from outside: the boundary provides it, tests may play it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock._core.groups import Group
    from simclock._core.threads import SimThread
    from simclock._core.waits import Wait


class World(Protocol):
    """The state that fast paths outside Python read and count down."""

    now_ns: int
    wall_ns: int
    skew_ns: int
    reads_left: int
    step_ns: int
    steps_left: int
    interested: int
    waiting: dict[int, list[Wait]]
    hot: dict[int, None]
    exit_hook: Callable[[Any], Any]
    read_hook: Callable[[], int]


class Port(Protocol):
    """Threads, signals and real time, as the kernel needs them."""

    @property
    def world(self) -> World:
        """The state shared with the fast paths."""

    def new_baton(self) -> Any:
        """Return the outside half of a simulated thread; it has a ``serial``."""

    def start(
        self, thread: SimThread, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None
    ) -> int:
        """Arrange that *function* runs at the thread's first turn; return its ident."""

    def switch(self, mine: Any, following: Any) -> bool:
        """Hand over and wait for the next turn; True if the user aborted instead."""

    def give_turn(self, baton: Any) -> None:
        """Give a turn without having one."""

    def current(self) -> Any:
        """Return the calling thread's baton, or None."""

    def cancel(self, thread: SimThread) -> None:
        """Forget what a thread that never ran was to run."""

    def silence(self, thread: SimThread) -> None:
        """See to it that unwinding *thread* is not reported as an unhandled exception."""

    def abandon(self, thread: SimThread) -> None:
        """Take *thread*, which will never end, off every list of threads to be joined."""

    def ended(self, thread: SimThread) -> list[int]:
        """Publish that *thread* has ended; return the keys of what joins wait for."""

    def call_user(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call as if from outside the kernel."""

    def signals_wanted(self) -> bool:
        """Return whether the main thread has signals to handle."""

    def check_signals(self) -> None:
        """Run the handlers of pending signals as user code."""

    def wait_kick(self, seconds: float, wanted: list[tuple[int, int]] = ..., /) -> bool:
        """Wait in real time until a foreign thread did something, or *seconds* are over.

        Ends too when a descriptor of *wanted* is as its poll mask says.
        """

    def working(self) -> str:
        """Return what outside is at work although nobody waits for it, or nothing."""

    def real_package(self) -> str:
        """Return the package, of those that run in real time, that is being called, or nothing."""

    def disturbed(self) -> bool:
        """Return whether anything from outside is to be looked at before the clock moves.

        A signal, a child process, a terminal, a call that runs in real time.
        """

    def foreign_steps(self) -> int:
        """Return a number that changes when a foreign thread touches a lock or a queue."""

    def foreign_threads(self) -> list[str]:
        """Return the names of the foreign threads that are alive."""

    def real_seconds(self) -> float:
        """Return a reading of the real monotonic clock."""

    def collect(self) -> None:
        """Collect cyclic garbage, as user code."""

    def enter(self, group: Group | None) -> None:
        """Put in place what a simulated process has of its own, None for the test's."""

    def set_wall(self, group: Group) -> None:
        """Let the wall clock be that of the host of *group*, which has changed."""

    def let_go(self, group: Group) -> None:
        """Let go of what the operating system takes from a process that has ended."""

    def mourn(self, unwind: Callable[[], None]) -> None:
        """Call *unwind*, which ends the threads of killed processes, so that nothing is seen."""

    def retire(self, threads: list[SimThread]) -> None:
        """Shut down, as user code, the pools that *threads* work for."""


class Limits(NamedTuple):
    """How far a run may go.

    Attributes:
        time_ns: Virtual nanoseconds.
        steps: Decisions of the kernel.
        steps_per_instant: Steps without virtual time passing.
        stall: Real seconds without progress.
        drain_ns: Virtual nanoseconds that leftovers get to end by themselves.
        step_ns: Virtual nanoseconds that a step without a wait takes.
    """

    time_ns: int
    steps: int
    steps_per_instant: int
    stall: float
    drain_ns: int
    step_ns: int = 0
