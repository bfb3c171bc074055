"""The evidence in the kernel's errors: who waits for what, since when, and where."""

from __future__ import annotations

import linecache
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simclock._core.instants import START_NS, to_seconds
from simclock._core.waits import FOREIGN

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType

    from simclock._core.kernel import Kernel
    from simclock._core.threads import SimThread
    from simclock._core.waits import Wait

PACKAGE = str(Path(__file__).parent.parent)
STACK_LINES = 6
STACKS = 20


def threads(chosen: Iterable[SimThread], origin_ns: int = START_NS) -> list[str]:
    """Return one line about each of *chosen*; their times count from *origin_ns*."""
    return [_line(thread, origin_ns) for thread in chosen]


def _line(thread: SimThread, origin_ns: int) -> str:
    started = f", started in {thread.stretch}" if thread.stretch else ""
    return f"{thread.name} ({thread.path}){started}, {_waits_for(thread, origin_ns)}"


def deadlock(kernel: Kernel, *, potential: bool) -> str:
    """Describe a state in which nobody can ever run again."""
    blocked = [thread for thread in kernel.living.values() if thread.wait is not None]
    kind = "potential deadlock" if potential else "deadlock"
    lines = [f"{kind}: {_count(blocked)} can never run again, at {_instant(kernel)}"]
    lines += _blocked(kernel, blocked)
    cycle = find_cycle(blocked)
    if cycle:
        lines.append("  cycle: " + " -> ".join(thread.name for thread in [*cycle, cycle[0]]))
    lines += [f"  {line}" for line in kernel.describe_deadlock(blocked)]
    if potential:
        lines.append(
            f"  foreign threads might still help: {', '.join(kernel.port.foreign_threads())}"
        )
        lines.append(
            "  if one of them does real work for this simulation, wrap the wait in sim.hold(...)"
        )
    lines.append(
        "break the cycle, notify the waiter, or give the wait a timeout; each run ends here again"
    )
    return "\n".join(lines)


def livelock(kernel: Kernel) -> str:
    """Describe threads that keep running while time stands still."""
    limit = kernel.limits.steps_per_instant
    culprit = kernel.current
    lines = [f"livelock: more than {limit} steps at {_instant(kernel)}, running {culprit.name}"]
    lines += _stack(culprit)
    lines += _blocked(kernel, [t for t in kernel.living.values() if t.wait is not None])
    lines.append("let it wait for something, or raise max_steps_per_instant")
    return "\n".join(lines)


def limit(kernel: Kernel, reached: str, option: str) -> str:
    """Describe a run that went too far."""
    lines = [f"limit reached: {reached}, at {_instant(kernel)}"]
    lines += _blocked(kernel, kernel.living.values())
    lines.append(f"end what keeps the clock going, or raise {option}")
    return "\n".join(lines)


def outside(kernel: Kernel, waits: Iterable[Wait]) -> str:
    """Describe a clock that was held for too long."""
    seconds = kernel.limits.stall
    lines = [f"stalled: the clock was held for {seconds:g} real seconds at {_instant(kernel)}"]
    lines += [f"  held by: {owner}" for owner in kernel.holds.values()]
    lines += _blocked(kernel, [wait.thread for wait in waits])
    lines.append("release what is named above, or give a longer watchdog=")
    return "\n".join(lines)


def escape(kernel: Kernel, waits: Iterable[Wait]) -> str:
    """Describe a wait on something outside, where that is forbidden."""
    lines = [f"escape: a simulated thread waits on something outside, at {_instant(kernel)}"]
    lines += _blocked(kernel, [wait.thread for wait in waits])
    lines.append('allow it with external="hold" (the clock waits) or external="ignore"')
    return "\n".join(lines)


def stall(kernel: Kernel, what: str) -> str:
    """Describe the owner of the baton, which makes no progress."""
    owner = kernel.current
    lines = [
        f"stalled: {owner.name} made no progress for {kernel.limits.stall:g} real seconds: {what}"
    ]
    lines += _stack(owner)
    lines += _blocked(kernel, [t for t in kernel.living.values() if t.wait is not None])
    lines.append("make it wait through something that simclock sees, or give a longer watchdog=")
    return "\n".join(lines)


def find_cycle(blocked: Iterable[SimThread]) -> list[SimThread]:
    """Return threads each of which waits for what the next one owns, or nothing."""
    for start in blocked:
        seen: list[SimThread] = []
        thread: Any = start
        while thread is not None and thread not in seen:
            seen.append(thread)
            thread = _owner(thread)
            thread = None if thread is FOREIGN else thread
        if thread is start:
            return seen
    return []


def _owner(thread: SimThread) -> Any:
    """Return who owns what *thread* waits for, or None."""
    wait = thread.wait
    if wait is None or wait.resource is None:
        return None
    owner = wait.resource.owner()
    if owner is thread and _is_notification(thread):
        return None  # a waiter's lock: owned by the waiter until somebody notifies it
    return owner


def _is_notification(thread: SimThread) -> bool:
    frames = _frames(thread)
    return bool(frames) and frames[0].f_code.co_name == "wait" and _is(frames[0], "threading")


def _waits_for(thread: SimThread, origin_ns: int) -> str:
    wait = thread.wait
    if wait is None:
        return "runnable" if thread.started else "started, never run"
    text = f"waits for {wait.reason}"
    if _is_notification(thread):
        text = "waits for a notification"
    through = _through(thread)
    if through:
        text += f" in {through}"
    owner = _owner(thread)
    if owner is thread:
        text += ", owned by itself"
    elif owner is FOREIGN:
        text += ", owned by a foreign thread"
    elif owner is not None:
        text += (
            f", owned by {owner.name} ({owner.path}{', which has ended' if owner.finished else ''})"
        )
    if wait.deadline_ns is not None:
        text += f", until {_relative(wait.deadline_ns - origin_ns)}"
    return f"{text}, since {_relative(wait.since_ns - origin_ns)}"


def _blocked(kernel: Kernel, chosen: Iterable[SimThread]) -> list[str]:
    lines = []
    for number, thread in enumerate(chosen):
        lines += [f"  {line}" for line in threads([thread], kernel.origin_ns)]
        # Every thread is named; stacks beyond these say the same again.
        if number < STACKS:
            lines += _stack(thread)
    return lines


def _stack(thread: SimThread) -> list[str]:
    lines = []
    for frame in _frames(thread)[:STACK_LINES]:
        code = frame.f_code
        lines.append(f"    {code.co_filename}:{frame.f_lineno} in {code.co_name}")
        source = linecache.getline(code.co_filename, frame.f_lineno).strip()
        if source:
            lines.append(f"      {source}")
    return lines


def _frames(thread: SimThread) -> list[FrameType]:
    """Return the frames of *thread* that its reader wrote or called, innermost first."""
    frame = sys._current_frames().get(thread.ident)
    frames = []
    while frame is not None:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            frames.append(frame)
        frame = frame.f_back
    runs = (i for i, frame in enumerate(frames) if i and any(_is(frame, r) for r in _RUNNERS))
    frames = frames[: next(runs, None)]
    while len(frames) > 1 and _starts_a_thread(frames[-1]):
        frames.pop()
    return frames


def _starts_a_thread(frame: FrameType) -> bool:
    names = ("_bootstrap", "_bootstrap_inner", "run")
    return frame.f_code.co_name in names and _is(frame, "threading")


def _through(thread: SimThread) -> str:
    """Return the function of the standard library that the user's code called, if any."""
    outermost = None
    for frame in _frames(thread):
        if _starts_a_thread(frame) or not any(_is(frame, module) for module in _LIBRARY):
            break
        outermost = frame
    if outermost is None:
        return ""
    subject = outermost.f_locals.get("self")
    prefix = f"{type(subject).__name__}." if subject is not None else ""
    return f"{prefix}{outermost.f_code.co_name}"


# Beyond these a stack says nothing: who runs the test.
_RUNNERS = ("_pytest", "pytest_simclock", "runpy")
_LIBRARY = ("threading", "queue", "concurrent.futures", "asyncio", "sched", "logging")


def _is(frame: FrameType, module: str) -> bool:
    name = str(frame.f_globals.get("__name__"))
    return name == module or name.startswith(module + ".")


def _count(blocked: list[SimThread]) -> str:
    return f"{len(blocked)} thread{'' if len(blocked) == 1 else 's'}"


def _relative(duration_ns: int) -> str:
    return f"{to_seconds(duration_ns):+g} s"


def _instant(kernel: Kernel) -> str:
    return f"virtual {_relative(kernel.world.now_ns - kernel.origin_ns)}"
