"""The kernel: exactly one simulated thread runs at a time, and this says which.

There is no controller thread. The thread that yields runs the scheduler and
hands its baton to the thread that was picked; if that is itself, nothing is
switched. Everything here runs with the baton and *in the kernel*: redirected
calls made from here, by whomever, are the original ones.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simclock._core import report, stopping
from simclock._core.choices import CLOCK, COST, THREAD, Candidate, ChoicePoint
from simclock._core.groups import Group
from simclock._core.instants import LAST_NS, MICROSECOND, MILLISECOND, SECOND, START_NS
from simclock._core.interludes import MOST
from simclock._core.scheduler import Scheduler
from simclock._core.threads import SimThread
from simclock._core.trace import Trace
from simclock._core.waits import FOREIGN, InPackage, Polled, RealSleep, Resource, Wait
from simclock.errors import (
    Escape,
    LimitReached,
    PluginError,
    SimclockError,
    Stalled,
    Unwind,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from simclock._core.choices import ChoiceSource
    from simclock._core.ports import Limits, Port, World
    from simclock._core.waits import Alarm
    from simclock._core.watching import Watch

PACKAGE = str(Path(__file__).parent.parent)

# Steps that one thread may take at one instant before it goes last.
FAIR_STEPS = 1000
# Clock reads at one instant before a read parks: a busy wait must end. Fewer when it has parked
# just before: what is between two of its reads may take long in real time.
FREE_READS = 1000
FREE_READS_AGAIN = 100
# The same for each of very many calls by an event loop, as long as the thread has not taken that
# many steps at this instant: who reads the clock turn after turn is waiting.
READS_EACH = 8
EARLY_STEPS = 200
# Uncontended steps are cheap and honest programs take many: up to 3.12, `threading` itself asks the
# lock of every living thread whenever it starts one, 50 million times for 10,000. This many count
# as one towards the limit of steps at one instant.
CHEAP_STEPS = 100
# Kernel steps between two collections of cyclic garbage.
COLLECT_EVERY = 10_000
# Calls by an event loop that make as much of it as a step.
CALLS_A_STEP = 10
# Exceptions that a thread may swallow while it is unwound, and the root while it has failed.
PATIENCE = 100
# Real seconds that foreign threads get to release something before that is called a deadlock.
GRACE = 1.0
# Real seconds between two looks for what a foreign thread did without our noticing, and for what
# another process did to something that is no descriptor.
GLANCE = 0.02
SHORT_GLANCE = 0.002
# Real seconds for which the clock is held before a deadline at least, however near that is: an
# answer is to come before it, as long as that is nobody's own timeout.
LEAST_HOLD = 1.0
FINISHED_KEPT = 10_000
# What a run gets beyond a limit that it has passed, before it is told again.
LEASH_STEPS = 10_000
LEASH_NS = 3600 * SECOND
# Steps that leftovers get to end by themselves, so that a ticker among them costs little.
DRAIN_STEPS = 20_000
# What a reading of the clock may take, besides nothing and all that may pass.
SHORT_COST_NS = MICROSECOND
# Objects that operations are told apart by. Each is kept alive for the run: an address that is
# used again would be taken for the object that was there before.
SUBJECTS = 100_000
# What is said where nobody knows which foreign thread it was.
BY_FOREIGN = "a foreign thread ended the wait of a simulated one"
# No real process has a pid as large.
FIRST_PID = 2**22 + 1
# Decisions between two looks at polled waits, or a thread that never idles would starve the others.
POLL_EVERY = 64


class Kernel:
    """One simulation's threads, clock and schedule."""

    # What is to hold at each step, if somebody has said so.
    watch: Watch | None = None
    # The real process' interval timer, once one was armed.
    itimer: Alarm | None = None
    # The simulated process whose environment and clocks are in place.
    group: Group | None = None
    # Decisions since polled waits were looked at. Not by the number of steps so far: what a run
    # does once in a process, at its beginning, would make another run of it.
    _unpolled = 0
    # How many interludes there were since another thread ran, or time passed.
    _interludes = 0
    root: SimThread
    current: SimThread

    def __init__(self, port: Port, source: ChoiceSource, limits: Limits, external: str) -> None:
        self.port = port
        self.source = source
        self.limits = limits
        self.external = external
        self.scheduler: Scheduler = Scheduler()
        self.trace: Trace = Trace()
        self.world: World = port.world
        self.world.now_ns = START_NS
        # Whether the source is asked at all, not any more when the result of the run is fixed; and
        # who is told what threads do, if anybody is.
        self._choosing, self._witness = source.interested, getattr(source, "witness", None)
        # Virtual time that has passed by choice since all threads waited, out of the latency.
        self._hurried_ns = 0
        self._let_read(FREE_READS)
        # What operations are about, by address: a number, and the object.
        self._subjects: dict[int, tuple[int, Any]] = {}
        # Objects that no program sees, by address: what is done to them is nothing to choose at.
        self._quiet: dict[int, Any] = {}
        # The lock around the list of threads: to acquire it may be seen, to release it may not.
        self._register: object = None
        self.world.step_ns = limits.step_ns
        self.world.steps_left = FAIR_STEPS
        self.world.interested = source.interested
        self.world.waiting = self.scheduler.waiting
        self.world.hot = self.scheduler.hot
        self.world.exit_hook = self.exited
        self.world.read_hook = self.read_clock
        # Owners by number and stretch.
        self.holds: dict[tuple[int, str], str] = {}
        self.failure: BaseException | None = None
        # Set in this order, never back: no new threads; every park of a leftover raises.
        self.ending: bool = False
        self.unwinding: bool = False
        # The thread that owns the baton, while it is in real time; the watchdog lets it.
        self.outside = 0
        self.steps: int = 0
        self._instant_ns = START_NS
        self._next_collection = COLLECT_EVERY
        self._read_step_ns = MICROSECOND
        self._settlers: deque[Wait] = deque()
        self._foreign_steps = self._first_foreign_steps = port.foreign_steps()
        # The names of the foreign threads that there were at the end, if one of them has used a
        # lock or a queue meanwhile.
        self.foreign: tuple[str, ...] = ()
        # Waits on something that a foreign thread owns: they hold the clock.
        self._outside: list[Wait] = []
        # Waits that nobody hints at, so they are asked before each jump.
        self._polled: deque[Wait] = deque()
        # Threads that lost the baton without giving it: stuck when the watchdog took it over,
        # or running when the user pressed Ctrl-C twice.
        self._strays: set[SimThread] = set()
        self.living: dict[int, SimThread] = {}
        # Threads of killed processes, in the order in which they were stopped.
        self.dead: list[SimThread] = []
        self.started_threads: int = 1
        self.by_ident: dict[int, SimThread] = {}
        self._finished: dict[int, SimThread] = {}
        # Invariant of `current`: the owner of the baton.
        self.root = self.current = SimThread("0", port.new_baton(), "root", daemon=False)
        self.root.started = True
        self.living[self.root.baton.serial] = self.root
        # Simulated processes, by their pids.
        self.groups: dict[int, Group] = {}
        self._all_ended = _AllEnded(self.living)
        # What others have to say about a deadlock; raises only what is to end the program.
        self.describe_deadlock: Callable[[list[SimThread]], list[str]] = _nothing_to_say
        # What else waits in a thread: an event loop's tasks, a line each.
        self.describe_thread: Callable[[SimThread], list[str]] = _nothing_to_say
        # Lets a task in the current thread raise an error instead; returns whether one does.
        self.tell_task: Callable[[BaseException], bool] = _tell_nobody
        self.begin_stretch("")

    # --------------------------------------------------------------- stretches

    def begin_stretch(self, name: str) -> None:
        """Count time, steps and errors from here on: a run may be used in several stretches.

        The clock goes on. *name* is said of the threads that are started now.
        """
        self.stretch = name
        self.origin_ns: int = self.world.now_ns
        if self.watch is not None:
            self.watch.close()
        # The number of its first record.
        self.first_record: int = len(self.trace)
        self.failure = None
        self.root.error = None
        # What threads waited for outside, in real time, one line for each.
        self.escapes: dict[str, None] = {}
        self._deliveries = 0
        self.steps_at_instant: int = 0
        self._step_limit = self.steps + self.limits.steps
        self._instant_limit = self.limits.steps_per_instant
        self._latest_ns = min(self.origin_ns + self.limits.time_ns, LAST_NS)

    # ---------------------------------------------------------------- threads

    def start_thread(
        self, thread: SimThread, function: Any, args: tuple[Any, ...], kwargs: Any
    ) -> int:
        """Start *thread*, made by `new_thread`; return its ident."""
        thread.ident = self.port.start(thread, function, args, kwargs)
        self.living[thread.baton.serial] = thread
        self.started_threads += 1
        self.by_ident[thread.ident] = thread
        if thread.group is not None:
            thread.group.enters(thread)
        self.scheduler.ready.append(thread)
        self.trace.add(self.world.now_ns, thread.path, "start", self.site())
        return thread.ident

    def adopt_root(self, ident: int) -> None:
        """Note what ``threading.get_ident()`` returns in the root thread."""
        self.root.ident = ident
        self.by_ident[ident] = self.root

    def new_thread(self, name: str, *, daemon: bool, group: Group | None = None) -> SimThread:
        """Return a thread that is the next child of the current one, the first one of *group*.

        Without a group it belongs to that of the current thread.
        """
        if self.ending:
            raise RuntimeError("can't start new thread: the simulation is ending")
        parent = self.current
        self._end_interlude(parent)
        parent.children += 1
        path = f"{parent.path}.{parent.children}"
        thread = SimThread(path, self.port.new_baton(), name, daemon=daemon)
        thread.stretch = self.stretch
        thread.group = group or parent.group
        return thread

    def thread_of(self, serial: int) -> SimThread | None:
        """Return the thread whose baton has this serial, also if it has ended lately."""
        return self.living.get(serial) or self._finished.get(serial)

    def finished_by_ident(self, ident: int) -> SimThread | None:
        """Return the last thread with this ident that has ended, if that was lately."""
        return next((t for t in reversed(self._finished.values()) if t.ident == ident), None)

    def thread_names(self) -> dict[str, str]:
        """Return the names of threads by path; of those that have ended, of the last."""
        return {each.path: each.name for each in (*self._finished.values(), *self.living.values())}

    def exited(self, baton: Any) -> Any:
        """Note that the thread of *baton* has ended; return the baton to hand over to."""
        thread = self.living[baton.serial]
        thread.finished = True
        self._take_leave(thread)
        for key in self.port.ended(thread):
            self.scheduler.hint(key)
        if thread.doomed is not None:
            stopping.let_go(self, thread)  # pragma: no cover - no tracer is left by then
        if thread in self._strays:
            self._strays.discard(thread)
            return None
        self.trace.add(self.world.now_ns, thread.path, "end")
        following = self._next(None)
        self._gives_way(following)
        return following.baton

    def new_group(self, name: str, parent: int, host: Any = None, skew_ns: int = 0) -> Group:
        """Return a simulated process, to be begun by its first thread."""
        number = FIRST_PID + len(self.groups)
        made = self.groups[number] = Group(name, number, parent, host, skew_ns)
        return made

    def bury(self, thread: SimThread) -> None:
        """Let *thread*, which stands still, never run again in this run."""
        thread.killed = True
        self.dead.append(thread)
        self._take_leave(thread)

    def _take_leave(self, thread: SimThread) -> None:
        """Take *thread* off the lists of those that there are."""
        serial = thread.baton.serial
        del self.living[serial]
        self.by_ident.pop(thread.ident, None)
        if thread.group is not None:
            del thread.group.threads[serial]
        thread.keep_name()
        self._finished[serial] = thread
        if len(self._finished) > FINISHED_KEPT:
            del self._finished[next(iter(self._finished))]
        self.scheduler.hint(self._all_ended.key)

    def stand_aside(self, group: Group) -> None:
        """Let others run as long as the current thread stands still with *group*, its process."""
        thread = self.current
        if thread.group is not group or not (thread.killed or thread in group.stopped):
            return
        following = self._next(None)
        if following is not thread:  # pragma: no branch - it was resumed
            self._hand_over(thread, following)
        self._deliver(thread)

    def relax(self) -> None:
        """Let operations be answered in C again, if nobody has to see each of them any more."""
        watched = any(each.owed or each.doomed is not None for each in self.living.values())
        self.world.interested = watched or self.source.interested

    # ------------------------------------------------------------------ waits

    def wait(
        self,
        reason: str,
        resource: Resource | None = None,
        deadline_ns: int | None = None,
        listed: deque[Wait] | None = None,
    ) -> bool:
        """Park the current thread; return whether it got what it waits for.

        With a *resource*: until it could be taken (True) or the deadline came
        (False). Without: until the deadline came or the wait was made due.
        """
        if reason != "clock read":
            self._read_step_ns = MICROSECOND
        thread = self._entering()
        self._end_interlude(thread)
        if self._choosing:
            self._about(thread, reason, None if resource is None else resource.key, waits=True)
        package = "" if resource is None else self.port.real_package()
        if resource is not None and package:
            resource = InPackage(resource, package, self._seconds_until(deadline_ns))
            listed = self._polled
        wait = Wait(thread, reason, resource, deadline_ns, self.world.now_ns)
        # At the end the root waits at no place of the program.
        place = "" if self.ending and thread is self.root else self.site()
        self.trace.add(self.world.now_ns, thread.path, "park", f"{reason} {place}")
        wait.listed = listed
        self._note(wait)
        try:
            while True:
                following = self._next(None)
                if following is not thread:
                    self._hand_over(thread, following)
                self._deliver(thread)
                if resource is not None and resource.take():
                    return True
                if wait.due:
                    return resource is None
        except BaseException:
            if wait.due:
                self.forced(thread)
            raise
        finally:
            self._forget(wait)

    def _seconds_until(self, deadline_ns: int | None) -> float | None:
        return None if deadline_ns is None else (deadline_ns - self.world.now_ns) / SECOND

    def _note(self, wait: Wait) -> None:
        self.scheduler.park(wait)
        self.list_again(wait)

    def _forget(self, wait: Wait) -> None:
        self.scheduler.unpark(wait)
        self.unlist(wait)

    def list_again(self, wait: Wait) -> None:
        """Put *wait* on the lists of those that are looked after while they are parked."""
        if wait.resource is not None and wait.resource.owner() is FOREIGN:
            self._outside.append(wait)
        if wait.listed is not None:
            wait.listed.append(wait)

    def unlist(self, wait: Wait) -> None:
        """Undo `list_again`."""
        if wait.listed is not None and wait in wait.listed:
            wait.listed.remove(wait)
        if self._outside and wait in self._outside:
            self._outside.remove(wait)

    def wait_polled(self, reason: str, resource: Polled, deadline_ns: int | None) -> bool:
        """Park the current thread on something that nobody hints at; see `wait`."""
        return self.wait(reason, resource, deadline_ns, self._polled)

    def leap(self, deadline_ns: int) -> bool:
        """Move the clock if the current thread would be the only one to wake then, else do nothing.

        Returns whether it moved. What this saves is the parking: an event loop
        alone does nothing else.
        """
        if (
            # Others come first, and what is outside.
            (len(self.living) > 1 and self._is_busy())
            or self.holds
            or self.port.disturbed()
            # There is something to choose, to raise, to collect, or to fail for.
            or self.world.interested
            or self.root.error is not None
            or self.current.interlude is not None
            or self.steps >= self._next_collection
            or self.steps >= self._step_limit
            or deadline_ns > self._latest_ns
            or self.ending
        ):
            return False
        first_ns = self.scheduler.timers.next_deadline_ns()
        if first_ns is not None and first_ns <= deadline_ns:
            return False
        self.steps += 1
        self._read_step_ns = MICROSECOND
        if deadline_ns > self.world.now_ns:
            self._move_to(deadline_ns)
        return True

    def _is_busy(self) -> bool:
        """Return whether another thread might run, or wait for something outside."""
        scheduler = self.scheduler
        if self._foreign_moved():
            scheduler.look_again()
        return bool(
            scheduler.ready
            or scheduler.hot
            or self._polled
            or self._settlers
            or self._outside
            or self._strays
        )

    def expect(self, calls: int) -> None:
        """Be told that the current thread goes on to make very many calls at this instant.

        Each may read the clock a few times, but not again and again; and each
        may leave garbage.
        """
        if self.current.interlude is None and self.world.steps_left > FAIR_STEPS - EARLY_STEPS:
            self._let_read(max(self.world.reads_left, self._reads_left, READS_EACH * calls))
        self._next_collection -= calls // CALLS_A_STEP

    def sleep_until(self, deadline_ns: int) -> None:
        """Park the current thread until an instant."""
        if self.port.real_package():
            # There it takes as long in reality, before the clock moves.
            seconds = self._seconds_until(deadline_ns) or 0.0
            self.wait("sleep", RealSleep(self.port.real_seconds, seconds))
        self.wait("sleep", None, deadline_ns)

    def settle(self) -> None:
        """Run until every other thread is durably blocked, without moving time."""
        self.wait("settle", listed=self._settlers)

    def read_clock(self) -> int:
        """Return what a reading of the clock shows that was not answered in C."""
        world = self.world
        self._end_interlude(self.current)
        if self._has_costs():
            world.reads_left = 0
            self._reads_left -= 1
            if self._reads_left >= 0:
                world.now_ns += world.step_ns + self._cost_ns()
                return world.now_ns
        return self._busy_read()

    def _busy_read(self) -> int:
        """Let the others run, or time pass, for a thread that keeps reading the clock.

        Alone, it sees the clock move to the next deadline or by a step that
        doubles up to 1 ms; so a busy wait ends, and soon.
        """
        self._let_read(FREE_READS)
        step_ns = self._read_step_ns
        self.wait("clock read", None, self.world.now_ns + step_ns)
        self._let_read(FREE_READS_AGAIN)
        self._read_step_ns = min(step_ns * 2, MILLISECOND)
        return self.world.now_ns

    def _let_read(self, times: int) -> None:
        """Let the clock be read so many times at this instant before a reading parks."""
        # Where each takes some time by choice, none is answered in C.
        self._reads_left, self.world.reads_left = (times, 0) if self._has_costs() else (0, times)

    def _has_costs(self) -> bool:
        return self._choosing and self.source.latency_ns > 0

    def count_step(self) -> None:
        """Count a step that changed nothing: a try that failed, a sleep of 0."""
        self.world.steps_left -= 1
        self.steps_at_instant += 1

    def step(self, label: str, subject: object = None) -> None:
        """Count a step that went well, and offer the other threads to run here."""
        self.world.steps_left -= 1
        self.checkpoint(label, subject)

    def checkpoint(self, label: str, subject: object = None) -> None:
        """Offer the other threads to run here.

        *subject* is the object that the operation called *label* is about, if there is one.
        """
        if self.watch is not None and self.watch.step():
            return
        world = self.world
        undisturbed = world.steps_left >= 0 and not world.interested
        is_quiet = not undisturbed and self._is_quiet(label, subject)
        if (undisturbed or is_quiet) and not self.port.signals_wanted():
            world.steps_left -= is_quiet
            return
        thread = self._entering(parking=False)
        self._end_interlude(thread)
        if self.unwinding or thread in self._strays:
            world.steps_left -= 1
            return
        current: SimThread | None = thread
        if self._choosing:
            # In C it was not counted.
            world.steps_left -= 1
            if subject is not None and subject is thread.begins_at:
                label, subject, thread.begins_at = "begin", None, None
            self._about(thread, label, None if subject is None else id(subject), subject)
        if self.world.steps_left < 0:
            self.world.steps_left = FAIR_STEPS
            self.world.now_ns += FAIR_STEPS * self.world.step_ns
            self.steps_at_instant += FAIR_STEPS // CHEAP_STEPS
            self.scheduler.ready.append(thread)
            current = None
        following = self._next(current, fair=current is None)
        if following is not thread:
            if current is not None:
                self.scheduler.ready.appendleft(thread)
            self.trace.add(self.world.now_ns, thread.path, "choice", f"{label} {self.site()}")
            self._hand_over(thread, following)
        self._deliver(thread)

    def checkpoint_before(self, resource: Resource, label: str, subject: object) -> None:
        """Offer the others to run before *resource* is taken; who must wait offers that anyway."""
        if self._choosing and self.current.begins_at is None and not resource.free():
            self._number(id(subject), subject)
        else:
            self.checkpoint(label, subject)

    def _is_quiet(self, label: str, subject: object) -> bool:
        """Return whether there is nothing to choose where the current thread touches *subject*."""
        if self._strays or self.world.steps_left <= 0 or self.current.doomed is not None:
            return False
        if self.current.interlude is not None:
            return True
        if not self._choosing:
            return False
        if self.current.begins_at is not None:
            return subject is not self.current.begins_at
        if subject is None:
            return False
        if subject is self._register:
            return label == "release"
        return id(subject) in self._quiet

    def hush(self, objects: Iterable[object]) -> None:
        """Let there be nothing to choose where a thread touches one of *objects*."""
        self._quiet.update((id(each), each) for each in objects)

    def introduce(self, thread: SimThread, register: object, quiet: Iterable[object]) -> None:
        """Let *thread*, which was just started, come to its first checkpoint.

        That is where it puts itself on the list of threads, which is guarded by
        the lock *register*. Who starts it waits for it until then, so there is
        nothing to choose before; nor later where any thread uses one of
        *quiet*, locks that no program sees, or releases *register*.
        """
        mine = self.current
        if not self._choosing or self._strays:
            self.checkpoint("start")
            return
        self._register = thread.begins_at = register
        self.hush(quiet)
        self._about(mine, "start", None)
        self.scheduler.ready.remove(thread)
        self.scheduler.ready.appendleft(mine)
        self._hand_over(mine, thread)
        # An error would be taken for one of the start, which has gone well; it is told at the next
        # wait or checkpoint.
        if mine.error is None:
            self._deliver(mine)

    def turn(self, deadline_ns: int | None) -> None:
        """Offer the others to run between two turns of an event loop in the current thread.

        *deadline_ns* is when the first of its timers is due, which the clock
        may come to although the loop has something to do.
        """
        thread = self.current
        thread.deadline_ns = deadline_ns
        try:
            self.checkpoint("turn")
        finally:
            thread.deadline_ns = None

    def hint(self, key: int) -> None:
        """Note that what threads wait for under *key* may be free."""
        self.scheduler.hint(key)

    # --------------------------------------------------------------- the baton

    def _entering(self, *, parking: bool = True) -> SimThread:
        """Return the current thread, or end it if the simulation is over for it."""
        if parking and self.watch is not None:
            self.watch.before_wait()
        thread = self.current
        if thread.doomed is not None:
            stopping.strike(self, thread)
        if self._strays:
            thread = self._myself()
            # Only where it would wait: what it does on its way out has to succeed.
            if parking and thread in self._strays:
                self._unwind(thread)
        if self.unwinding and thread is not self.root:
            if parking or self.world.steps_left < 0:
                self.world.steps_left = FAIR_STEPS
                self._unwind(thread)
        elif self.steps >= self._next_collection and not self.ending:
            self._next_collection = self.steps + COLLECT_EVERY
            self.port.collect()
        return thread

    def _myself(self) -> SimThread:
        baton = self.port.current()
        return self.current if baton is None else self.living[baton.serial]

    def _hand_over(self, mine: SimThread, following: SimThread) -> None:
        self._end_interlude(mine)
        self._gives_way(following)
        if self.port.switch(mine.baton, following.baton):
            self._take_over(mine)
            self.failure = KeyboardInterrupt("the simulation was aborted by a second interrupt")
            self._drop_interrupts()
            raise self.failure

    def _drop_interrupts(self) -> None:
        """Forget the interrupts that ended the run: one is raised already.

        Raised again at its way out, they would hit where `threading` takes locks again.
        """
        for _ in range(PATIENCE):
            with contextlib.suppress(BaseException):
                if not self.port.signals_wanted():
                    return
                self.port.check_signals()

    def _gives_way(self, following: SimThread) -> None:
        following.started = True
        self.current = following
        self._interludes = 0
        if following.group is not self.group:
            self._enter(following.group)
        self.world.steps_left = FAIR_STEPS
        self.trace.add(self.world.now_ns, following.path, "run")

    def _enter(self, group: Group | None) -> None:
        """Put in place what the process of the thread has that goes on."""
        self.group = group
        self.port.enter(group)

    def _take_over(self, thread: SimThread) -> None:
        """Make *thread* the owner of the baton without the owner's consent."""
        self._strays.add(self.current)
        self._end_interlude(self.current)
        self.current = thread
        if self.group is not thread.group:
            self._enter(thread.group)  # pragma: no cover - a stray of another process

    def _deliver(self, thread: SimThread) -> None:
        """Raise what *thread* has to be told, and run its signal handlers."""
        if self.watch is not None:
            self.watch.after_turn()
        if thread.error is not None:
            error, thread.error = thread.error, None
            self._deliveries += 1
            if self._deliveries > PATIENCE:
                raise Unwind(
                    "the simulation has failed and its error was swallowed again and again"
                )
            # Once: who has swallowed it there gets it here.
            if self._deliveries > 1 or not self.tell_task(error):
                raise error
        if self.unwinding and thread is not self.root:
            self._unwind(thread)
        if thread.group is not None and thread.group.pending and thread is thread.group.main:
            self.forced(thread)
            stopping.deliver(self, thread.group)
        if thread is self.root and self.port.signals_wanted():
            self.port.check_signals()

    def _end_interlude(self, thread: SimThread) -> None:
        if thread.interlude is not None:
            thread.interlude.end()

    # --------------------------------------------------------------- who is next

    def _next(self, current: SimThread | None, *, fair: bool = False) -> SimThread:
        """Return the thread to run next. The idle rule is in the order of its lines."""
        if self.unwinding:
            return current or self.root
        while True:
            if self.root.error is not None or self.port.signals_wanted():
                return self.forced(self.root)
            if self._polled:
                self._unpolled += 1
                if self._unpolled >= POLL_EVERY:
                    self._poll()
            if self._instant_ns != self.world.now_ns:
                self._wake_due()
            pick = self._choose_next if self._choosing else self.scheduler.pick
            following = pick(current, fair=fair)
            if following is not None:
                if self._within_limits():
                    return following
                if following is not current:
                    self._put_back(following)
                continue
            self._idle()

    def may_begin_interlude(self) -> bool:
        """Return whether what the current thread does next may be an `Interlude`; count it."""
        # Who has lost its turn is not the current thread. And modules import others: it is all one.
        if self._strays or self.current.interlude is not None:
            return False
        self._interludes += 1
        return self._interludes <= MOST

    def is_stray(self, thread: SimThread) -> bool:
        """Return whether *thread* has lost the baton without giving it."""
        return thread in self._strays

    def forced(self, thread: SimThread) -> SimThread:
        """Return *thread*, which runs now although it was not picked."""
        if thread in self.scheduler.ready:
            self.scheduler.ready.remove(thread)
        return thread

    def _within_limits(self) -> bool:
        """Count a step; return whether it may be taken."""
        self.steps += 1
        self.steps_at_instant += 1
        if self.ending:
            # Both are counted: a spinner makes few decisions, each after many steps.
            over = self.steps > self._step_limit or self.steps_at_instant > DRAIN_STEPS
            if over and self.root.wait is not None:
                self.scheduler.make_due(self.root.wait)
        elif self.steps_at_instant > self._instant_limit:
            self.steps_at_instant = 0
            self._instant_limit = min(self._instant_limit, LEASH_STEPS)
            self.fail(report.livelock(self))
            return False
        elif self.steps > self._step_limit:
            self._step_limit = self.steps + LEASH_STEPS
            self.fail(LimitReached(report.limit(self, f"{self.limits.steps} steps", "max_steps")))
            return False
        return True

    def _put_back(self, thread: SimThread) -> None:
        if thread.wait is None or thread.wait.due:
            self.scheduler.ready.appendleft(thread)

    def _idle(self) -> None:
        """Nobody is runnable: make somebody so, by the first rule that applies."""
        scheduler = self.scheduler
        # First who owes, then what there is: what comes in between is found, or still owed.
        owed = self._owed()
        if self._polled and self._poll():
            return
        if self._foreign_moved() and (found := scheduler.look_again()):
            # What is polled may have come from elsewhere since it was asked.
            if any(wait.listed is not self._polled for wait in found):
                self.escapes[BY_FOREIGN] = None
            return
        if self.external != "ignore" and self._is_held(owed):
            self._wait_outside(owed)
            return
        if self._settlers:
            # It stays among them until it runs, so that the clock does not move before.
            scheduler.make_due(self._settlers[0])
            return
        deadline_ns = scheduler.timers.next_deadline_ns()
        if deadline_ns is not None:
            self._jump(deadline_ns)
            return
        if scheduler.look_again() or self._given_grace():
            return
        if owed:
            self._wait_outside(owed)  # nothing else is left to do
            return
        try:
            self.fail(report.deadlock(self, potential=bool(self.port.foreign_threads())))
        except (KeyboardInterrupt, SystemExit) as error:
            self.fail(error)  # out of a describer: this may be any thread, or one that ends

    def _poll(self) -> bool:
        """Find parked polls that would return now; return whether there are any."""
        self._unpolled = 0
        found = False
        for wait in self._polled:
            if wait.resource is not None and wait.resource.free():
                self.scheduler.hint(wait.resource.key)
                found = True
        return found

    def _jump(self, deadline_ns: int) -> None:
        if deadline_ns > self._latest_ns and not self.ending:
            self._latest_ns = deadline_ns + LEASH_NS
            limit = f"{self.limits.time_ns / 1e9:g} virtual seconds"
            self.fail(LimitReached(report.limit(self, limit, "max_time")))
            return
        self._hurried_ns = 0
        if deadline_ns > self.world.now_ns:
            self._move_to(deadline_ns)
        self._wake_due()

    def _move_to(self, instant_ns: int) -> None:
        world = self.world
        world.now_ns = self._instant_ns = instant_ns
        self._let_read(FREE_READS)
        world.steps_left = FAIR_STEPS
        self.steps_at_instant = self._interludes = 0
        self.trace.add(instant_ns, "", "jump")

    def _wake_due(self) -> None:
        """Wake what is due now; time may have passed by a jump, or by reading the clock."""
        now_ns = self.world.now_ns
        if now_ns != self._instant_ns:
            self._instant_ns = now_ns
            self.steps_at_instant = 0
        self.scheduler.wake_due(now_ns)

    # --------------------------------------------------------------- what is chosen

    def choose(self, bound: int, label: str, **more: Any) -> int:
        """Return a number below *bound* from the schedule; 0 is canonical. See `ChoicePoint`."""
        if bound < 2 or not self._choosing or self.current.interlude is not None:
            return 0
        return self._ask(ChoicePoint(label, bound, **more))

    def merged(self, groups: Iterable[Sequence[Any]], label: str) -> list[Any]:
        """Return the items of all *groups* in the order that the schedule has for them.

        Each group's keep the order that they have; canonical is group after group.
        """
        left = [deque(group) for group in groups if group]
        merged = []
        while left:
            index = self.choose(len(left), label)
            merged.append(left[index].popleft())
            if not left[index]:
                del left[index]
        return merged

    def _ask(self, point: ChoicePoint) -> int:
        try:
            choice = self.source.choose(point)
        except SimclockError as error:
            self.fail(error)
            return 0
        except Exception as error:  # noqa: BLE001 - who asks may be a thread that ends
            failure = PluginError(f"what answers the choice points failed: {error!r}\n  at {point}")
            failure.__cause__ = error
            self.fail(failure)
            return 0
        if choice and point.label != THREAD:
            # Who runs is seen by what runs; nothing else tells of this.
            said = f"{point.label} {choice} of {point.bound}"
            self.trace.add(self.world.now_ns, self.current.path, "deviation", said)
        return choice

    def _choose_next(self, current: SimThread | None, *, fair: bool) -> SimThread | None:
        """Return the thread that is chosen to run next, or None if nobody can run."""
        while candidates := self.scheduler.candidates(current, fair=fair):
            if fair and len(candidates) > 1 and self.current in candidates:
                candidates.remove(self.current)
            deadline_ns = self._early_deadline_ns(candidates)
            chosen = self._ask_for_thread(candidates, deadline_ns, preempts=current is not None)
            if deadline_ns is None or chosen < len(candidates):
                return self.scheduler.take(candidates[chosen])
            self._hurried_ns += deadline_ns - self.world.now_ns
            self.world.now_ns = deadline_ns
            self.trace.add(deadline_ns, "", "jump", "early")
            self._wake_due()
        return None

    def _ask_for_thread(
        self, candidates: list[SimThread], deadline_ns: int | None, *, preempts: bool
    ) -> int:
        """Return which of *candidates* is chosen; their number stands for the clock, if it may."""
        if deadline_ns is None and len(candidates) == 1:
            return 0
        about = [
            Candidate(each.path, each.operation, each.subject, each.step) for each in candidates
        ]
        if deadline_ns is not None:
            about.append(Candidate(CLOCK, "jump", 0))
        return self._ask(ChoicePoint(THREAD, len(about), tuple(about), preempts))

    def _early_deadline_ns(self, candidates: list[SimThread]) -> int | None:
        """Return the deadline that may come before threads that could run, if there is one.

        As when a machine is busy: for a bounded time, they do not get to run.
        """
        left_ns = self.source.latency_ns - self._hurried_ns
        if left_ns <= 0:
            return None
        now_ns = self.world.now_ns
        first_ns = self.scheduler.timers.next_deadline_ns()
        for each in candidates:
            # A loop's timer that is due already is seen in its next turn.
            if each.deadline_ns is not None and each.deadline_ns > now_ns:
                first_ns = min(first_ns or each.deadline_ns, each.deadline_ns)
        if first_ns is None or first_ns - now_ns > left_ns or not self._may_hurry():
            return None
        # It may have come between the call and the wait.
        return max(first_ns, now_ns)

    def _cost_ns(self) -> int:
        """Return how long the current thread has taken since it read the clock last."""
        left_ns = self.source.latency_ns - self._hurried_ns
        if left_ns <= SHORT_COST_NS or not self._may_hurry():
            return 0
        cost_ns = (0, SHORT_COST_NS, left_ns)[self._ask(ChoicePoint(COST, 3))]
        self._hurried_ns += cost_ns
        return cost_ns

    def _may_hurry(self) -> bool:
        """Return whether the clock may move although threads could run.

        Not while it stands still for somebody: who settles, who holds it, who
        waits for an answer from outside.
        """
        if self._settlers or self.holds or self._outside:
            return False
        if self.external == "ignore":
            return True
        return not (self.port.working() or (self._polled and self._owed()))

    def _about(
        self,
        thread: SimThread,
        operation: str,
        key: int | None,
        subject: object = None,
        *,
        waits: bool = False,
    ) -> None:
        """Note what *thread* is about to do, for who chooses."""
        thread.operation = operation
        thread.subject = 0 if key is None else self._number(key, subject)
        thread.step += 1
        if self._witness is not None:
            known = None if key is None else self._subjects.get(key, (0, None))[1]
            self._witness.sees(self.trace, thread, known, waits=waits)

    def _number(self, key: int, subject: object = None) -> int:
        """Return the number of what has this key; 0 for what is not known."""
        found = self._subjects.get(key)
        if found is None:
            if subject is None or len(self._subjects) >= SUBJECTS:
                return 0
            found = self._subjects[key] = len(self._subjects) + 1, subject
        return found[0]

    # ------------------------------------------------------- the world outside

    def _foreign_moved(self) -> bool:
        """Return whether a foreign thread touched anything since the last look."""
        steps = self.port.foreign_steps()
        if steps == self._foreign_steps:
            return False
        self._foreign_steps = steps
        self._outside = [
            wait
            for waits in self.scheduler.waiting.values()
            for wait in waits
            if wait.resource is not None and wait.resource.owner() is FOREIGN
        ]
        return True

    def _owed(self) -> list[tuple[Wait, Polled, str]]:
        """Return the waits whose end something outside owes, and what that is."""
        owed = []
        for wait in self._polled:
            resource: Any = wait.resource
            text = resource.outside()
            if text:
                owed.append((wait, resource, text))
            else:
                wait.held_since = None
        return owed

    def _is_held(self, owed: list[tuple[Wait, Polled, str]]) -> bool:
        """Return whether the clock must not move yet."""
        if self.holds or self._outside:
            return True
        return bool(owed or self.port.working()) and not self._is_overdue(owed)

    def _is_overdue(self, owed: list[tuple[Wait, Polled, str]]) -> bool:
        """Return whether the first deadline would have come in reality by now.

        So virtual time is never slower than real time, but for `LEAST_HOLD`,
        although answer after answer may be waited for.
        """
        first = self.scheduler.timers.first()
        if first is None or self._settlers:
            return False
        now = self.port.real_seconds()
        if first.first_since is None:
            first.first_since = now
        seconds = max(LEAST_HOLD, self._seconds_until(first.deadline_ns) or 0.0)
        if now - first.first_since < seconds:
            return False
        for _, _, text in owed:
            self.escapes[f"{text}: the clock went on after {seconds:g} real seconds"] = None
        return True

    def _wait_outside(self, owed: list[tuple[Wait, Polled, str]]) -> None:
        """Wait in real time for what is outside, bounded: a hold, a foreign thread, an answer."""
        if self.external == "strict" and (self._outside or owed):
            waits = [*self._outside, *(wait for wait, _, _ in owed)]
            self.fail(Escape(report.escape(self, waits)))
            return
        waiting = [wait.thread for wait in self._outside]
        self.escapes.update(dict.fromkeys(report.threads(waiting, self.origin_ns)))
        # Without times: a connection may answer many times.
        self.escapes.update(dict.fromkeys(report.owed(wait, text) for wait, _, text in owed))
        end = self.port.real_seconds() + self.limits.stall
        while self.holds or self._outside or owed or self.port.working():
            descriptors = [resource.descriptors() for _, resource, _ in owed]
            seconds = GLANCE if owed and all(descriptors) else SHORT_GLANCE
            self.port.wait_kick(seconds, list(itertools.chain.from_iterable(descriptors)))
            # Polled waits among them.
            if self.port.signals_wanted() or self.scheduler.look_again():
                return
            self._foreign_moved()
            owed = self._within_patience(self._owed())
            if not (self.holds or self._outside) and self._is_overdue(owed):
                return
            if (self.holds or self._outside) and self.port.real_seconds() > end:
                error = Stalled(report.outside(self, self._outside))
                self.holds.clear()
                self._outside.clear()
                self.fail(error)
                return

    def _within_patience(
        self, owed: list[tuple[Wait, Polled, str]]
    ) -> list[tuple[Wait, Polled, str]]:
        """Give up what has been owed for too long; return the rest."""
        now = self.port.real_seconds()
        rest = []
        for wait, resource, text in owed:
            if wait.held_since is None:
                wait.held_since = now
            stall = self.limits.stall
            patience = stall if resource.patience is None else min(resource.patience, stall)
            if now - wait.held_since < patience:
                rest.append((wait, resource, text))
                continue
            line = f"{text}: nothing came in {round(patience, 3):g} real seconds"
            self.escapes[line] = None
            self.trace.add(self.world.now_ns, wait.thread.path, "mark", "gave up")
            if self.scheduler.timers.next_deadline_ns() is None and not self._settlers:
                self.fail(Stalled(report.outside(self, [wait])))
            resource.give_up()
        return rest

    def _given_grace(self) -> bool:
        """Let foreign threads, if any, release what is waited for; return whether one did."""
        done = self.external == "ignore" or self.failure is not None
        if done or not self.port.foreign_threads():
            return False
        end = self.port.real_seconds() + min(GRACE, self.limits.stall)
        while self.port.real_seconds() < end:
            self.port.wait_kick(GLANCE)
            found = self.scheduler.look_again()
            if found:
                self.escapes[BY_FOREIGN] = None
            if found or self.port.signals_wanted():
                return True
        return False

    # -------------------------------------------------------------------- errors

    def fail(self, error: BaseException) -> None:
        """Record *error* and have the root thread raise it at its wait."""
        if self.failure is None:
            self.failure = error
            self.trace.add(self.world.now_ns, self.current.path, "fail", type(error).__name__)
        self.root.error = error

    def stall(self, error: BaseException, *, stuck: bool) -> None:
        """Record *error*, found by the watchdog; take the baton from a *stuck* owner.

        Called from a foreign thread. A stuck owner is inside C code, so it is
        not inside the kernel, and nobody else is without the baton.
        """
        self.fail(error)
        if stuck and self.current is not self.root:
            self._take_over(self.root)
            self.forced(self.root)
            self.port.give_turn(self.root.baton)

    def site(self) -> str:
        """Return file and line of the innermost frame outside simclock."""
        frame = sys._getframe(1)
        while not (name := _shown[frame.f_code.co_filename]) and frame.f_back is not None:
            frame = frame.f_back
        return f"{name}:{frame.f_lineno}"

    # ----------------------------------------------------------------------- end

    def end(self) -> list[str]:
        """Bring every other thread to its end; return what leaks, described.

        In this order: simulated processes are killed; other leftovers get time to
        end by themselves; pools are shut down by their own protocol; the rest is
        unwound; what resists stays on its parked OS thread for ever.
        """
        self.ending = True
        stopping.switch_off(self, awaited=False)
        if self.port.foreign_steps() != self._first_foreign_steps:
            self.foreign = tuple(self.port.foreign_threads())
        self._choosing = False
        self._let_read(FREE_READS)
        leaks = [f"a hold that was never released: {owner}" for owner in self.holds.values()]
        self.holds.clear()
        interrupt: BaseException | None = None
        for phase in (self._drain, self._retire):
            self._step_limit = self.steps + DRAIN_STEPS
            self.steps_at_instant = 0
            try:
                phase()
            except BaseException as error:  # noqa: BLE001 - raised again when all is tidy
                interrupt = interrupt or error
        if interrupt is not None and self.failure is None:
            self.failure = interrupt
        leaks += self._unwind_all()
        return leaks

    def forget(self) -> None:
        """Let go what refers to this in turn: who makes thousands of runs waits for no collection.

        Only what is left of a run that has ended can be asked for then.
        """
        if len(self.living) == 1:
            self.world.exit_hook = self.world.read_hook = _ended
        self.describe_deadlock = self.describe_thread = _nothing_to_say
        self._subjects.clear()
        self._quiet.clear()
        self._register = None

    def all_threads(self) -> Iterator[SimThread]:
        """Return the threads that have not ended, also those of killed processes."""
        return itertools.chain(self.living.values(), self.dead)

    def others(self) -> list[SimThread]:
        """Return the living threads besides the root, in order of their start."""
        return [thread for thread in self.living.values() if thread is not self.root]

    def _drain(self) -> None:
        if self.failure is None and self.others():
            self.wait("drain", self._all_ended, self.world.now_ns + self.limits.drain_ns)

    def _retire(self) -> None:
        if self.others():
            self.root.error = None
            self.port.retire(self.others())
            self.settle()

    def _unwind_all(self) -> list[str]:
        self.root.error = None
        leftovers = [thread for thread in self.others() if thread not in self._strays]
        lines = report.threads(leftovers, self.origin_ns)
        leaks = [
            f"a non-daemon thread that would never have ended: {line}"
            for thread, line in zip(leftovers, lines, strict=True)
            if not thread.daemon
        ]
        self.unwinding = True
        # From here on the boundary is lenient: nothing may be answered on the fast paths.
        self.world.interested = 1
        stopping.switch_off(self, awaited=True)
        for thread in [each for each in leftovers if not each.killed]:
            self.forced(thread)
            self._unwind_other(thread)
        if self.groups:
            self.port.mourn(self._unwind_dead)
        self._await_strays()
        leaks += [
            f"a thread that refused to end and stays parked: {thread.name}"
            for thread in self.others()
        ]
        for thread in self.others():
            self.port.abandon(thread)
        return leaks

    def _unwind_other(self, thread: SimThread) -> None:
        if not thread.started:
            self.port.cancel(thread)
        self.port.silence(thread)
        self._gives_way(thread)
        self.port.switch(self.root.baton, thread.baton)

    def _unwind_dead(self) -> None:
        """Let the threads of killed processes end: now nobody sees what they do on their way."""
        for thread in self.dead:
            thread.killed = False
            self.living[thread.baton.serial] = thread
            assert thread.group is not None
            thread.group.threads[thread.baton.serial] = thread
            self._unwind_other(thread)
        self.dead.clear()
        # Event loops among it, whose tasks complain when they are collected: that is now.
        self.scheduler.timers.sweep()

    def _await_strays(self) -> None:
        """Give threads that run without the baton a moment to come by and be unwound."""
        end = self.port.real_seconds() + GRACE
        while self._strays and self.port.real_seconds() < end:
            self.port.wait_kick(GLANCE)

    def _unwind(self, thread: SimThread) -> None:
        thread.unwinds += 1
        if thread.unwinds > PATIENCE and thread not in self._strays:
            thread.abandoned = True
            self._gives_way(self.root)
            while True:
                self.port.switch(thread.baton, self.root.baton)
        raise Unwind("the simulation that this thread belongs to has ended")


def _tell_nobody(_error: BaseException) -> bool:
    return False


def _ended(*_: Any) -> Any:  # pragma: no cover - nobody is left who could call it
    raise RuntimeError("the simulation has ended")


def _nothing_to_say(_subject: Any) -> list[str]:
    return []


class _ShownNames(dict[str, str]):
    """What the trace calls a file, by its path; nothing for simclock's own."""

    def __missing__(self, path: str) -> str:
        name = "" if path.startswith(PACKAGE) else path[path.rfind("/") + 1 :]
        self[path] = name
        return name


_shown = _ShownNames()


class _AllEnded:
    """The resource that is free when no other thread is left."""

    def __init__(self, living: dict[int, SimThread]) -> None:
        self._living = living
        self.key = id(self)

    def free(self) -> bool:
        return len(self._living) == 1

    def take(self) -> bool:
        return self.free()

    def owner(self) -> None:
        return None
