"""The evidence in the kernel's errors: who waits for what, since when, and where."""

from __future__ import annotations

import ast
import inspect
import itertools
import linecache
import sys
from pathlib import Path
from types import BuiltinFunctionType, MethodDescriptorType
from typing import TYPE_CHECKING, Any

from simclock._core.instants import START_NS, shown_seconds, to_seconds
from simclock._core.places import is_users
from simclock._core.waits import FOREIGN
from simclock.errors import Deadlock, Livelock

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import FrameType

    from simclock._core.kernel import Kernel
    from simclock._core.threads import SimThread
    from simclock._core.waits import Alarm, Wait

PACKAGE = str(Path(__file__).parent.parent)
STACK_LINES = 6
STACKS = 20
NAMES = 10


def threads(chosen: Iterable[SimThread], origin_ns: int = START_NS) -> list[str]:
    """Return one line about each of *chosen*; their times count from *origin_ns*."""
    return [_line(thread, origin_ns) for thread in chosen]


def _line(thread: SimThread, origin_ns: int) -> str:
    return f"{_who(thread)}, {_waits_for(thread, origin_ns)}"


def _who(thread: SimThread) -> str:
    started = f", started in {thread.stretch}" if thread.stretch else ""
    return f"{thread.name} ({thread.path}){started}"


def deadlock(kernel: Kernel, *, potential: bool) -> Deadlock:
    """Return the error that describes a state in which nobody can ever run again."""
    blocked = [thread for thread in kernel.living.values() if thread.wait is not None]
    kind = "potential deadlock" if potential else "deadlock"
    fresh = [thread for thread in blocked if not _waits_since_before(thread, kernel)]
    cycle = find_cycle([*fresh, *(thread for thread in blocked if thread not in fresh)])
    involved = {*fresh, *cycle, *(owner for thread in fresh for owner in _owners(thread))}
    shown = [thread for thread in blocked if thread in involved]
    lines = [f"{kind}: {_count(shown)} can never run again, at {_instant(kernel)}"]
    lines += _blocked(kernel, shown)
    if cycle:
        lines.append("  cycle: " + " -> ".join(thread.name for thread in [*cycle, cycle[0]]))
    lines += [
        f"  process {group.name} stands still: resume() lets it go on"
        for group in kernel.groups.values()
        if group.paused
    ]
    lines += [f"  {line}" for line in kernel.describe_deadlock(blocked)]
    others = [_who(thread) for thread in blocked if thread not in involved]
    if others:
        lines.append(f"  also waiting, since before: {'; '.join(others)}")
    if potential:
        lines.append(
            f"  foreign threads might still help: {', '.join(kernel.port.foreign_threads())}"
        )
        lines.append(
            "  if one of them does real work for this simulation, wrap the wait in sim.hold(...)"
        )
    advice = "break the cycle, notify the waiter, or give the wait a timeout"
    if any(_is_polled(thread) for thread in shown):
        lines.append(
            f"{advice}; if something outside is to answer that simclock does not know of, "
            "hold the clock with sim.hold(...)"
        )
    else:
        # Under another schedule it may not.
        lines.append(advice if kernel.source.interested else f"{advice}; each run ends here again")
    error = Deadlock("\n".join(lines))
    error.where = tuple(sorted(map(_where, shown)))
    return error


def _where(thread: SimThread) -> str:
    """Return what *thread* waits for, and the innermost line of the user's that does."""
    place = _line_of(thread)
    return f"{thread.waiting_for} at {place}" if place else f"{thread.waiting_for}"


def _line_of(thread: SimThread) -> str:
    """Return the innermost line of the user's that *thread* is in, or nothing."""
    mine = (frame for frame in _frames(thread) if is_users(frame.f_code.co_filename))
    frame = next(mine, None)
    return "" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _waits_since_before(thread: SimThread, kernel: Kernel) -> bool:
    return thread.wait is not None and thread.wait.since_ns < kernel.origin_ns


def _owners(thread: SimThread) -> list[SimThread]:
    """Return who owns what *thread* waits for, who owns what that one waits for, and so on."""
    owners: list[SimThread] = []
    owner = _owner(thread)
    while owner is not None and owner is not FOREIGN and owner not in owners:
        owners.append(owner)
        owner = _owner(owner)
    return owners


def livelock(kernel: Kernel) -> Livelock:
    """Return the error that describes threads that keep running while time stands still."""
    limit = kernel.limits.steps_per_instant
    culprit = kernel.current
    lines = [f"livelock: more than {limit} steps at {_instant(kernel)}, running {culprit.name}"]
    lines += _stack(kernel, culprit)
    lines += _blocked(kernel, [t for t in kernel.living.values() if t.wait is not None])
    lines.append("let it wait for something, or raise max_steps_per_instant")
    error = Livelock("\n".join(lines))
    error.where = (_line_of(culprit),)
    return error


def limit(kernel: Kernel, reached: str, option: str) -> str:
    """Describe a run that went too far."""
    lines = [f"limit reached: {reached}, at {_instant(kernel)}"]
    lines += _looks_like_a_deadlock(kernel)
    lines += _blocked(kernel, kernel.living.values())
    for timer in _armed(kernel):
        due_ns = timer.deadline_ns - kernel.origin_ns
        lines.append(f"  {timer.name}, due at {_relative(due_ns)}")
    lines.append(f"end what keeps the clock going, or raise {option}")
    return "\n".join(lines)


def _armed(kernel: Kernel) -> list[Alarm]:
    """Return the interval timers that have yet to ring, those of simulated processes too."""
    timers = [kernel.itimer, *(group.itimer for group in kernel.groups.values())]
    return [timer for timer in timers if timer is not None and timer.armed]


def _looks_like_a_deadlock(kernel: Kernel) -> list[str]:
    """Say so if the root thread waits for ever, and for nothing that a thread that runs owns."""
    root = kernel.root
    wait = root.wait
    if wait is None or wait.resource is None or wait.deadline_ns is not None:
        return []
    running = [t for t in kernel.living.values() if t.wait is None or t.wait.deadline_ns]
    if any(owner in running for owner in _owners(root)):
        return []
    names = [thread.name for thread in running]
    if _armed(kernel):
        names.append("a timer")
    if len(names) > NAMES:
        names[NAMES:] = [f"{len(names) - NAMES} more"]
    return [
        (
            f"  root waits without a timeout {_since(wait, kernel.origin_ns)}; "
            f"only {', '.join(names)} {'runs' if len(names) == 1 else 'run'}: "
            "this looks like a deadlock"
        )
    ]


def owed(wait: Wait, text: str) -> str:
    """Describe, in one line, who waited in real time for what outside owed."""
    return f"{_who(wait.thread)} waited for {text}, in {wait.reason}"


def outside(kernel: Kernel, waits: Iterable[Wait]) -> str:
    """Describe a clock that was held for too long."""
    seconds = kernel.limits.stall
    lines = [f"stalled: the clock was held for {seconds:g} real seconds at {_instant(kernel)}"]
    lines += [f"  held by: {owner}" for owner in kernel.holds.values()]
    lines += _blocked(kernel, [wait.thread for wait in waits])
    lines.append(
        "release what is named above, give the wait a timeout if nothing has to come, "
        "or give a longer watchdog="
    )
    return "\n".join(lines)


def escape(kernel: Kernel, waits: Iterable[Wait]) -> str:
    """Describe a wait on something outside, where that is forbidden."""
    lines = [f"escape: a simulated thread waits on something outside, at {_instant(kernel)}"]
    lines += _blocked(kernel, [wait.thread for wait in waits])
    lines.append('allow it with external="hold" (the clock waits) or external="ignore"')
    return "\n".join(lines)


def held_call(kernel: Kernel, what: str) -> str:
    """Describe, in one line, what the owner of the baton calls for real."""
    return f"{_who(kernel.current)}, calls {what} at {kernel.site()}, at {_instant(kernel)}"


def escaped_call(kernel: Kernel, what: str) -> str:
    """Describe a call that would run for real, where that is forbidden."""
    lines = [f"escape: {held_call(kernel, what)}, which runs in real time"]
    lines += _stack(kernel, kernel.current)
    lines.append(
        'allow it with external="hold" (the clock waits), or only here: `with sim.real_time(): ...`'
    )
    return "\n".join(lines)


def refused_call(kernel: Kernel, what: str, advice: Iterable[str]) -> str:
    """Describe a call that would wait where nobody sees it."""
    lines = [f"escape: {held_call(kernel, what)}, which waits in C, outside the simulated clock"]
    lines += _stack(kernel, kernel.current)
    return "\n".join([*lines, *advice])


def stall(kernel: Kernel, what: str, *, in_c: bool = False, advice: Sequence[str] = ()) -> str:
    """Describe the owner of the baton, which makes no progress; *in_c*: inside a C call."""
    owner = kernel.current
    called = c_call(owner) if in_c else ""
    lines = [
        (
            f"stalled: {owner.name} made no progress for {kernel.limits.stall:g} real seconds: "
            f"{what}{called and f', in {called}'}"
        )
    ]
    lines += _stack(kernel, owner)
    lines += _blocked(kernel, [t for t in kernel.living.values() if t.wait is not None])
    if advice:
        lines += advice
    elif in_c:
        lines += [
            "  it waits in C by itself: no row of the table (python -m simclock rows) simulates it",
            (
                "run it in real time: `with sim.real_time(): ...` or @pytest.mark.simclock(False); "
                "or give a longer watchdog="
            ),
        ]
    else:
        lines.append(
            "make it wait through something that simclock sees, or give a longer watchdog="
        )
    return "\n".join(lines)


def c_call(thread: SimThread) -> str:
    """Return what *thread* calls in C, as its last line of Python says, or nothing."""
    frame = sys._current_frames().get(thread.ident)
    if frame is None or frame.f_code.co_filename.startswith(PACKAGE):
        return ""
    try:
        tree = ast.parse(_expression(frame).strip())
    except (SyntaxError, ValueError):
        return ""
    # The outermost first. Without columns it is not known which of several calls it is in.
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    if not calls or (len(calls) > 1 and sys.version_info < (3, 11)):
        return ""
    text = ast.unparse(calls[0])
    return _name_of(frame, text) or text


def _expression(frame: FrameType) -> str:
    """Return the source of what *frame* is doing: from 3.11 on the expression, else the line."""
    code = frame.f_code
    line = linecache.getline(code.co_filename, frame.f_lineno)
    if sys.version_info < (3, 11):
        return line
    positions = next(itertools.islice(code.co_positions(), frame.f_lasti // 2, None), None)
    if positions is None:
        return ""
    first, last, start, end = positions
    if first != last or start is None or end is None:
        return line.encode()[start:].decode(errors="replace")
    return line.encode()[start:end].decode(errors="replace")


def _name_of(frame: FrameType, call: str) -> str:
    """Return the full name of the built-in that *call* is, found without running user code."""
    name, *attributes = call.split(".")  # of anything but names and dots, nothing is found
    value = frame.f_locals.get(name, frame.f_globals.get(name))
    for attribute in attributes:
        value = inspect.getattr_static(value, attribute, None)
    if isinstance(value, MethodDescriptorType):
        module = value.__objclass__.__module__
    elif isinstance(value, BuiltinFunctionType):
        # A method that is bound to an object has none, but the object's type has.
        module = value.__module__ or type(value.__self__).__module__
    else:
        return ""
    return f"{module}.{value.__qualname__}"


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
    if _is_polled(thread):
        polled: Any = wait.resource
        owing = polled.outside()
        text += owing and f", for {owing}"
    if wait.deadline_ns is not None and wait.deadline_ns < origin_ns:
        text += ", due since before"
    elif wait.deadline_ns is not None:
        text += f", until {_relative(wait.deadline_ns - origin_ns)}"
    return f"{text}, {_since(wait, origin_ns)}"


def _is_polled(thread: SimThread) -> bool:
    return thread.wait is not None and hasattr(thread.wait.resource, "outside")


def _since(wait: Wait, origin_ns: int) -> str:
    if wait.since_ns < origin_ns:
        return "since before"
    return f"since {_relative(wait.since_ns - origin_ns)}"


def _blocked(kernel: Kernel, chosen: Iterable[SimThread]) -> list[str]:
    lines = []
    for number, thread in enumerate(chosen):
        lines += [f"  {line}" for line in threads([thread], kernel.origin_ns)]
        # Every thread is named; stacks beyond these say the same again.
        if number < STACKS:
            lines += _stack(kernel, thread)
    return lines


def _stack(kernel: Kernel, thread: SimThread) -> list[str]:
    lines = [f"    {line}" for line in kernel.describe_thread(thread)]
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
    sign = "" if duration_ns < 0 else "+"
    return f"{sign}{shown_seconds(to_seconds(duration_ns))} s"


def _instant(kernel: Kernel) -> str:
    return f"virtual {_relative(kernel.world.now_ns - kernel.origin_ns)}"
