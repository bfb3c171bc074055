"""Threads of a simulated process that stand still: for a while, or for ever.

All of it is called in the kernel, with the baton. A thread that stands still
is taken out of the scheduler, so whoever runs pays nothing for it.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from simclock._core.instants import to_ns

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock._core.groups import Group
    from simclock._core.kernel import Kernel
    from simclock._core.threads import SimThread
    from simclock._core.waits import Foreign

# What those have ended with that the end of the simulation has ended: SIGKILL.
KILLED = -9


def pause(kernel: Kernel, group: Group) -> None:
    """Let every thread of *group* stand still; a caller that is one of them too, at its end."""
    if group.paused or group.ended:
        return
    group.paused = True
    _mark(kernel, group, "pause")
    for thread in list(group.threads.values()):
        _stop(kernel, thread)
    kernel.stand_aside(group)


def resume(kernel: Kernel, group: Group) -> None:
    """Let the threads of a paused *group* go on, in the order in which they were started."""
    if not group.paused or group.ended:
        return
    group.paused = False
    _mark(kernel, group, "resume")
    stopped, group.stopped = group.stopped, {}
    for thread, wait in stopped.items():
        if wait is None:
            kernel.scheduler.ready.append(thread)
        else:
            kernel.scheduler.restore(wait)
            kernel.list_again(wait)
    wake(kernel, group)


def kill(kernel: Kernel, group: Group, exitcode: int, shared: Callable[[SimThread], bool]) -> None:
    """Let no thread of *group* run again: a power cut, none of its ``finally`` is ever seen.

    *shared* says whether a thread owns a lock that other processes use, too,
    as this is one real process: then all go on until none does.
    """
    if not (group.ended or group.doomed):
        group.exitcode = exitcode
        _forget_signals(kernel, group)
        if not _is_put_off(kernel, group, shared):
            _cut_off(kernel, group)
    mine = kernel.current
    if mine.group is group and not mine.killed and not shared(mine):
        bury(kernel, mine)  # who ends itself does not go on, whoever has to
        kernel.stand_aside(group)


def _forget_signals(kernel: Kernel, group: Group) -> None:
    group.pending.clear()
    if group.itimer is not None:
        kernel.scheduler.disarm(group.itimer)


def _is_put_off(kernel: Kernel, group: Group, shared: Callable[[SimThread], bool]) -> bool:
    owners = [each for each in group.threads.values() if shared(each)]
    for thread in owners:
        group.doomed.add(thread)
        thread.doomed = functools.partial(shared, thread)
    if owners:
        resume(kernel, group)
        kernel.world.interested = 1  # the owners are asked at each of their operations
    return bool(owners)


def _cut_off(kernel: Kernel, group: Group) -> None:
    bury_all(kernel, group)
    end(kernel, group)
    kernel.stand_aside(group)


def switch_off(kernel: Kernel, *, awaited: bool) -> None:
    """Let no simulated process run on: the simulation is over.

    Those that are to have time to end by themselves only if *awaited*.
    """
    for group in kernel.groups.values():
        if not group.ended and (awaited or not group.awaited):
            bury_all(kernel, group)
            group.exitcode = KILLED
            _tell_of_end(kernel, group)


def strike(kernel: Kernel, thread: SimThread) -> None:
    """Kill the process of *thread*, the current one, if that no longer stands in the way."""
    if thread.doomed is not None and not thread.doomed():
        let_go(kernel, thread)


def let_go(kernel: Kernel, thread: SimThread) -> None:
    """Note that *thread*, for which the kill of its process was put off, is no reason any more."""
    group, shared = thread.group, thread.doomed
    assert group is not None
    assert shared is not None
    thread.doomed = None
    group.doomed.discard(thread)
    if not group.doomed and not _is_put_off(kernel, group, shared.func):
        kernel.relax()
        _cut_off(kernel, group)


def deliver(kernel: Kernel, group: Group) -> None:
    """Run, in the main thread of *group*, what is pending for it."""
    thread = kernel.current
    # What a handler waits for takes its place meanwhile: a thread is in one wait.
    wait, thread.wait = thread.wait, None
    if wait is not None:
        kernel.scheduler.withdraw(wait)
        kernel.unlist(wait)
    try:
        while group.pending:
            kernel.port.call_user(group.pending.pop(next(iter(group.pending))))
    finally:
        if wait is not None and not thread.killed:
            thread.wait = wait
            kernel.scheduler.restore(wait)
            kernel.list_again(wait)
            kernel.forced(thread)


def bury_all(kernel: Kernel, group: Group) -> None:
    """Take the threads of *group* out of the simulation, but those that run without the baton."""
    for thread in list(group.threads.values()):
        if not kernel.is_stray(thread):  # pragma: no branch - after two interrupts, or the watchdog
            bury(kernel, thread)


def bury(kernel: Kernel, thread: SimThread) -> None:
    """Take *thread* out of the simulation, for ever; it is unwound when that is over."""
    _stop(kernel, thread)
    wait = thread.wait
    if wait is not None and wait.armed:
        wait.armed = False
        kernel.scheduler.timers.disarm()
    if wait is not None:
        wait.resource = None  # kept alive as long as the simulation, else
    assert thread.group is not None
    del thread.group.stopped[thread]
    kernel.bury(thread)


def finish(kernel: Kernel, group: Group, exitcode: int) -> None:
    """Let *group* end by itself: of its threads only the current one goes on."""
    if group.ended or group.doomed:
        return
    group.exitcode = exitcode
    for thread in list(group.threads.values()):
        if thread is not kernel.current:
            bury(kernel, thread)
    end(kernel, group)


def end(kernel: Kernel, group: Group) -> None:
    """Note that *group* has come to its end; tell those who are to know."""
    group.paused = False
    _mark(kernel, group, f"exit {group.exitcode}")
    _tell_of_end(kernel, group)


def _tell_of_end(kernel: Kernel, group: Group) -> None:
    group.ended = True
    _forget_signals(kernel, group)
    kernel.port.let_go(group)
    kernel.hint(id(group))
    at_end, group.at_end = group.at_end, []
    for tell in at_end:
        tell()


class _Ended:
    """What the wait for the end of a process is for."""

    __slots__ = ("_group", "key")

    def __init__(self, group: Group) -> None:
        self._group = group
        self.key = id(group)

    def free(self) -> bool:
        return self._group.ended

    def take(self) -> bool:
        return self._group.ended

    def owner(self) -> SimThread | Foreign | None:
        return self._group.main


def join(kernel: Kernel, group: Group, timeout: float | None) -> None:
    """Wait until *group* has ended, *timeout* seconds at most."""
    kernel.checkpoint("join")
    if not group.ended:
        deadline_ns = None if timeout is None else kernel.world.now_ns + to_ns(max(timeout, 0.0))
        kernel.wait(f"process {group.name}", _Ended(group), deadline_ns)


def wake(kernel: Kernel, group: Group) -> None:
    """Let the main thread of *group* see what is pending for it."""
    thread = group.main
    if not group.pending or thread is None or group.paused or group.ended:
        return
    parked = thread.wait is not None and not thread.wait.due
    if parked and thread not in kernel.scheduler.ready:
        kernel.scheduler.ready.append(thread)


def _stop(kernel: Kernel, thread: SimThread) -> None:
    group, wait = thread.group, thread.wait
    assert group is not None
    if thread in group.stopped:
        return
    if thread in kernel.scheduler.ready:
        kernel.scheduler.ready.remove(thread)
    if wait is not None:
        kernel.scheduler.withdraw(wait)
        kernel.unlist(wait)
    group.stopped[thread] = wait


def _mark(kernel: Kernel, group: Group, what: str) -> None:
    kernel.trace.add(kernel.world.now_ns, kernel.current.path, "mark", f"{what} {group.name}")
