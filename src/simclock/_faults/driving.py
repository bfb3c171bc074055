"""A phase in which faults happen: the thread that brings them, and the end of them all."""

from __future__ import annotations

import heapq
import itertools
import threading
from typing import TYPE_CHECKING, NamedTuple, Protocol

from simclock._core.instants import to_ns
from simclock._faults.agenda import DOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from simclock._faults.injecting import Injector
    from simclock._faults.kinds import Targets
    from simclock._faults.plans import Fault

# Moments in a row at which nobody else had anything to do. After these nobody will, whatever
# breaks: the driver waits, so that a deadlock is found.
IDLE = 50


class Agenda(Protocol):
    """What says when which fault comes."""

    @property
    def next_ns(self) -> int | None:
        """The next instant at which one may come; None if none will."""

    def due(self, now_ns: int, active: Iterable[Fault]) -> Iterator[Fault]:
        """Yield those that come now; *active* are those that last."""


class _Active(NamedTuple):
    """A fault that lasts."""

    fault: Fault
    undo: Callable[[], object]


class Phase:
    """A block in which faults happen. Leaving it ends them: what is broken is put right.

    See `Faults.phase` and `Faults.follow`, which make it. To be used once.

    Args:
        injector: Of the run.
        targets: Whom the faults happen to.
        agenda: Makes what says when which comes, when the block is entered.
    """

    def __init__(self, injector: Injector, targets: Targets, agenda: Callable[[], Agenda]) -> None:
        self._injector = injector
        self._targets = targets
        self._make_agenda = agenda
        self._was_entered = False
        self._over = _Over()
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._active: dict[tuple[str, str], _Active] = {}
        # Those that end by themselves, by when: the instant, and a number to tell them apart.
        self._ends: list[tuple[int, int, tuple[str, str], _Active]] = []
        self._numbers = itertools.count()
        self._idle = 0

    def __enter__(self) -> Phase:
        if self._was_entered:
            raise RuntimeError("this phase was used already\nmake another one for each block")
        self._was_entered = True
        if not self._injector.is_off:
            self._injector.begin(self)
            self._agenda = self._make_agenda()
            self._thread = threading.Thread(target=self._drive, name="faults", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if self._thread is None:
            return
        self._over.is_set = True
        try:
            self._injector.hint(self._over.key)
            self._thread.join()
            self._put_right()
        except Exception:
            # What the block has raised came first, and may be what this comes from.
            if error is None:
                raise
        finally:
            self._injector.end()
        if self._error is not None and error is None:
            raise self._error

    # ------------------------------------------------------------------ the driver

    def _drive(self) -> None:
        try:
            while not self._over.is_set:
                self._do_due()
                self._injector.wait(self._over, self._next_ns())
        except Exception as error:  # noqa: BLE001 - raised where the block is left
            self._error = error

    def _do_due(self) -> None:
        now_ns = self._injector.now_ns
        while self._ends and self._ends[0][0] <= now_ns:
            *_, key, ending = heapq.heappop(self._ends)
            # It may have ended otherwise, and begun again.
            if self._active.get(key) is ending and not self._is_postponed(key, ending):
                self._end(key)
        for fault in self._agenda.due(now_ns, [each.fault for each in self._active.values()]):
            if self._over.is_set:
                return
            self._begin(fault, now_ns)

    def _next_ns(self) -> int | None:
        """Return when there is to be done something next; None if nothing ever is."""
        others = self._ends[0][0] if self._ends else None
        self._idle = 0 if self._injector.is_busy or self._ends else self._idle + 1
        if self._idle > IDLE:
            return None
        instants = [each for each in (self._agenda.next_ns, others) if each is not None]
        return min(instants, default=None)

    def _begin(self, fault: Fault, now_ns: int) -> None:
        if fault.what == "fire":
            self._injector.plan_site(fault)
            return
        key = (fault.what, fault.target)
        is_down = fault.what in DOWN and ("kill", fault.target) in self._active
        # What is broken so already is not broken once more.
        if key in self._active or is_down:
            return
        self._injector.note(fault)
        undo = self._targets.begin(fault)
        if fault.what == "kill":
            # What boots again is not paused.
            self._active.pop(("pause", fault.target), None)
        if undo is None:
            return
        active = self._active[key] = _Active(fault, undo)
        if fault.lasts is not None:
            end_ns = now_ns + to_ns(fault.lasts)
            heapq.heappush(self._ends, (end_ns, next(self._numbers), key, active))

    def _is_postponed(self, key: tuple[str, str], ending: _Active) -> bool:
        """Let a process stay down as long as its host is; return whether that is so."""
        machine = self._targets.machine_of(key[1])
        faults = (self._active.get((what, machine)) for what in DOWN)
        down = next((each for each in faults if each is not None), None)
        if down is None or key[0] not in DOWN:
            return False
        later = [(when, each) for when, _, _, each in self._ends if each is down]
        if later:
            heapq.heappush(self._ends, (later[0][0], next(self._numbers), key, ending))
        return True

    def _end(self, key: tuple[str, str]) -> None:
        ending = self._active.pop(key)
        self._injector.mark(f"fault over: {ending.fault.said}")
        ending.undo()

    def _put_right(self) -> None:
        """End what lasts: links first, so that who boots again finds the others."""
        for what in ("partition", "slow", "pause", "kill", "skew", "drift"):
            keys = [each for each in self._active if each[0] == what]
            # Machines before what runs on them.
            for key in sorted(keys, key=lambda each: self._targets.machine_of(each[1]) != ""):
                self._end(key)
        self._targets.set_clocks_right()


class _Over:
    """The resource that is free when a phase is over."""

    def __init__(self) -> None:
        self.is_set = False
        self.key = id(self)

    def free(self) -> bool:
        return self.is_set

    def take(self) -> bool:
        return self.is_set

    def owner(self) -> None:
        return None
