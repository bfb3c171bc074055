"""Small programs of threads, for explorers of their schedules.

Written once: each makes its state, has workers that get it, and a condition
that holds at the end of every right run. Locks are made by what `threading` has
when the state is made, as explorers replace that.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

ITEMS = 4
CAPACITY = 1
FUNDS = 100


class Program(NamedTuple):
    """One program.

    Attributes:
        state: Makes what the workers share.
        workers: What the threads run, each with the state.
        holds: Whether the state is right, when all have ended.
        marked: The same workers with a `checkpoint` wherever others are to get a turn although
            nothing is locked there; for explorers that see operations only.
        is_right: Whether it holds under each schedule.
    """

    state: Callable[[], Any]
    workers: tuple[Callable[[Any], None], ...]
    holds: Callable[[Any], bool]
    marked: tuple[Callable[[Any], None], ...] = ()
    is_right: bool = True


def checkpoint() -> None:
    """Offer the other threads to run here; see `Program.marked`."""
    import simclock  # noqa: PLC0415 - the rivals run without it

    simulation = simclock.active()
    assert simulation is not None
    simulation.checkpoint()


def in_threads(program: Program, workers: tuple[Callable[[Any], None], ...]) -> Any:
    """Run *workers* in threads of their own to their end, and return the state."""
    state = program.state()
    threads = [threading.Thread(target=worker, args=(state,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return state


# ----------------------------------------------------------------- lost update


class Counter:
    """Counts, without a lock."""

    def __init__(self) -> None:
        self.value = 0


def increment(counter: Counter) -> None:
    """Add one, unless another thread comes in between."""
    seen = counter.value
    counter.value = seen + 1


def increment_marked(counter: Counter) -> None:
    """Do the same with a checkpoint in between."""
    seen = counter.value
    checkpoint()
    counter.value = seen + 1


# -------------------------------------------------------------- bounded buffer


class Buffer:
    """A queue of few places."""

    def __init__(self) -> None:
        self.items: list[int] = []
        self.taken: list[int] = []
        self.changed = threading.Condition()

    def put(self, item: int) -> None:
        """Add an item, when there is room."""
        with self.changed:
            while len(self.items) >= CAPACITY:
                self.changed.wait()
            self.items.append(item)
            self.changed.notify_all()

    def take(self) -> None:
        """Take an item, when there is one."""
        with self.changed:
            while not self.items:
                self.changed.wait()
            self.taken.append(self.items.pop(0))
            self.changed.notify_all()


def produce(buffer: Buffer) -> None:
    """Put all items."""
    for item in range(ITEMS):
        buffer.put(item)


def consume(buffer: Buffer) -> None:
    """Take a half of them."""
    for _ in range(ITEMS // 2):
        buffer.take()


# ----------------------------------------------------------- two-lock transfer


class Bank:
    """Two accounts and a lock for each."""

    def __init__(self) -> None:
        self.balances = [FUNDS, FUNDS]
        self.locks = [threading.Lock(), threading.Lock()]

    def transfer(self, source: int, target: int, amount: int) -> None:
        """Move an amount; take both locks in the order of the accounts."""
        first, second = sorted((source, target))
        with self.locks[first], self.locks[second]:
            self.balances[source] -= amount
            self.balances[target] += amount


def to_and_fro() -> tuple[Callable[[Bank], None], Callable[[Bank], None]]:
    """Return two workers that move different amounts in different directions."""
    return lambda bank: bank.transfer(0, 1, 30), lambda bank: bank.transfer(1, 0, 10)


PROGRAMS = {
    "lost_update": Program(
        Counter,
        (increment, increment),
        lambda counter: counter.value == 2,
        marked=(increment_marked, increment_marked),
        is_right=False,
    ),
    "bounded_buffer": Program(
        Buffer,
        (produce, consume, consume),
        lambda buffer: buffer.taken == list(range(ITEMS)),
    ),
    "transfer": Program(
        Bank,
        to_and_fro(),
        lambda bank: bank.balances == [FUNDS - 20, FUNDS + 20],
    ),
}
