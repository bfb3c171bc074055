"""Checkpoints at lines and instructions by ``sys.settrace``, up to Python 3.11.

A thread has one trace function. Where there is one already, a debugger's or
coverage's, ours stands before it and calls it.
"""

from __future__ import annotations

import functools
import sys
import threading
from typing import TYPE_CHECKING, Any

from simclock._boundary import _native
from simclock._boundary.lines import OPCODE, Offers, stack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType

    from simclock._boundary.overlays import Overlay
    from simclock._core.kernel import Kernel
    from simclock._core.threads import SimThread

    # Not typeshed's, which knows the events' names: we pass on whatever comes.
    TraceFunction = Callable[[FrameType, str, Any], Any]


class Tracing:
    """What `simclock._boundary.lines.Checkpoints` asks for."""

    def __init__(self, kernel: Kernel, labels: Mapping[str, str]) -> None:
        self._kernel = kernel
        self._offers = Offers(kernel)
        # What to look for in a module, and what to do there.
        self._steps = {
            name: (label, self._offers.offering(label)) for name, label in labels.items()
        }
        self._root: _ThreadTracer | None = None
        self._threads_before: TraceFunction | None = None
        self._threads_during: TraceFunction | None = None
        self.open = False

    def watch(self, overlay: Overlay) -> None:
        """Do nothing: code is known by its module's name, whenever that is imported."""

    def start(self) -> None:
        """Offer checkpoints from now on."""
        self.open = True
        port: Any = self._kernel.port
        port.start = functools.partial(self._start_thread, port.start)
        self._threads_before = threading.gettrace()  # type: ignore[assignment]
        if self._threads_before is not None:
            # Else `threading` would have the new threads traced by that one alone.
            self._threads_during = functools.partial(self._begin_thread, self._threads_before)
            threading.settrace(self._threads_during)
        self._root = _ThreadTracer(self, _gettrace())
        for frame in stack():
            tracer = self.frame_tracer(self._root, frame, frame.f_trace)
            if tracer is not None:
                frame.f_trace = tracer
                self._offers.open([frame])
        sys.settrace(self._root)

    def stop(self) -> None:
        """Undo `start`."""
        # In a forked child this may be another thread than the root.
        tracer = _gettrace()
        self.open = False
        if tracer is None and self._root is not None and self._root.failed:
            # Python has taken it away since it raised.
            tracer = self._root  # pragma: no cover - so nobody traces this
        if isinstance(tracer, _ThreadTracer) and tracer.tracing is self:
            sys.settrace(tracer.before)
        if self._threads_before is not None and threading.gettrace() is self._threads_during:
            threading.settrace(self._threads_before)
        for frame in stack():
            if isinstance(frame.f_trace, _FrameTracer) and frame.f_trace.thread.tracing is self:
                frame.f_trace.leave(frame)
        self._offers.close()

    def frame_tracer(
        self, thread: _ThreadTracer, frame: FrameType, before: TraceFunction | None
    ) -> _FrameTracer | None:
        """Return the trace function of a frame that is to be traced, or None.

        *before* is the one that it would have.
        """
        label, offer = self._steps.get(str(frame.f_globals.get("__name__")), ("", None))
        if offer is None:
            return None
        return _FrameTracer(thread, frame, label, offer, before)

    def _start_thread(
        self,
        start: Callable[..., int],
        thread: SimThread,
        function: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None,
    ) -> int:
        return start(thread, _Traced(self, function), args, kwargs)

    def _begin_thread(  # pragma: no cover - tracers are not traced
        self, before: TraceFunction, frame: FrameType, event: str, arg: Any
    ) -> Any:
        """Begin to trace a thread that `threading` started, with *before* in second place."""
        tracer = before if _native.current() is None else _ThreadTracer(self, before)
        sys.settrace(tracer)
        return tracer(frame, event, arg)


class _Traced:
    """A function to be run in a new thread, traced."""

    def __init__(self, tracing: Tracing, function: Callable[..., Any]) -> None:
        self._tracing = tracing
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # pragma: no cover - it begins to trace
        sys.settrace(_ThreadTracer(self._tracing, None))
        return self._function(*args, **kwargs)

    def __repr__(self) -> str:  # pragma: no cover - asked in C, where that has failed
        return repr(self._function)


class _ThreadTracer:
    """The trace function of one thread: called at each call, for what will trace the frame."""

    def __init__(self, tracing: Tracing, before: TraceFunction | None) -> None:
        self.tracing = tracing
        # The trace function that the thread would have without us.
        self.before = before
        self.failed = False

    def __call__(
        self, frame: FrameType, event: str, arg: Any
    ) -> Any:  # pragma: no cover - tracers are not traced
        inner = None if self.before is None else self.forward(self.before, frame, event, arg)
        if not self.tracing.open:
            sys.settrace(self.before)
            return inner
        if frame.f_code.co_name == "<module>":
            return inner  # an import: as `monitoring`, which does not reach it
        return self.tracing.frame_tracer(self, frame, inner) or inner

    def forward(  # pragma: no cover - tracers are not traced
        self, function: TraceFunction, frame: FrameType, event: str, arg: Any
    ) -> Any:
        """Call a trace function that is not ours, and stay where we are.

        Coverage puts itself, in C, into our place when it is called; a
        debugger that has nothing more to do takes itself off.
        """
        ours = _gettrace()
        result = function(frame, event, arg)
        now = _gettrace()
        if now is not ours:
            self.before = now
            sys.settrace(ours)
        return result


class _FrameTracer:
    """The trace function of one frame of a module with checkpoints."""

    def __init__(
        self,
        thread: _ThreadTracer,
        frame: FrameType,
        label: str,
        offer: Callable[[FrameType], None],
        before: TraceFunction | None,
    ) -> None:
        self.thread = thread
        self._label = label
        self._offer = offer
        self._before = before
        # Whether *before* wants instructions: it may not know what they are.
        self._forwards_opcodes = frame.f_trace_opcodes
        if label == OPCODE:
            frame.f_trace_opcodes = True

    def __call__(
        self, frame: FrameType, event: str, arg: Any
    ) -> Any:  # pragma: no cover - tracers are not traced
        if self._before is not None and (event != OPCODE or self._forwards_opcodes):
            self._before = self.thread.forward(self._before, frame, event, arg) or self._before
        if event == self._label and self.thread.tracing.open:
            self._step(frame)
        elif event == "return" or not self.thread.tracing.open:
            # A generator's frame may go on under another trace function.
            self.leave(frame)
            return None
        return self

    def leave(self, frame: FrameType) -> None:
        """Leave *frame* to who traced it before."""
        frame.f_trace = self._before
        frame.f_trace_opcodes = self._forwards_opcodes

    def _step(self, frame: FrameType) -> None:  # pragma: no cover - tracers are not traced
        # The kernel need not be traced, and takes several times as long if it is.
        tracer = _gettrace()
        sys.settrace(None)
        try:
            self._offer(frame)
        except BaseException:
            self.thread.failed = True
            raise
        finally:
            sys.settrace(tracer)


def _gettrace() -> TraceFunction | None:
    return sys.gettrace()  # type: ignore[return-value]
