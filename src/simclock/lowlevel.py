"""What plugins and event loops may use of the kernel.

`now_ns` and `park_until` are for replacements of built-ins only: they are
called in a simulated thread, in the kernel. `originals` maps the name of each
row to the built-in as it was.

For event loops: `LoopKernel`; `TIMERS` and `TASKS`, the labels of what a
schedule orders there, and `SPURIOUS`, that of a waking too many; the kernel's
rules for a busy wait (`FREE_READS`, `READS_EACH`) and for what is real
(`LEAST_HOLD`, `GLANCE`); `simulated` says whether the calling thread is a
simulated one; `monotonic` is the clock that the calling thread has, virtual or
real, whoever has replaced it in ``time``.

For ``simclock_process_models``: `ProcessModel`.

For ``simclock_simulate``: `Overlay` is what it gets; `counter` returns what
counts a kind of thing in the innermost simulation; `OrderedSet` is for modules
that iterate over sets.
"""

from simclock._boundary.loops import LoopKernel, LoopSelector, monotonic, simulated
from simclock._boundary.overlays import OrderedSet, Overlay, counter
from simclock._boundary.replacements import now_ns, park_until
from simclock._boundary.rows import Row, originals
from simclock._boundary.wallclock import WallClock
from simclock._core.choices import SPURIOUS, TASKS, TIMERS
from simclock._core.instants import (
    MICROSECOND,
    MILLISECOND,
    NOISE_NS,
    SECOND,
    START_NS,
    shown_seconds,
    to_ns,
)
from simclock._core.kernel import FREE_READS, GLANCE, LEAST_HOLD, READS_EACH
from simclock._processes.models import ProcessModel

__all__ = [
    "FREE_READS",
    "GLANCE",
    "LEAST_HOLD",
    "MICROSECOND",
    "MILLISECOND",
    "NOISE_NS",
    "READS_EACH",
    "SECOND",
    "SPURIOUS",
    "START_NS",
    "TASKS",
    "TIMERS",
    "LoopKernel",
    "LoopSelector",
    "OrderedSet",
    "Overlay",
    "ProcessModel",
    "Row",
    "WallClock",
    "counter",
    "monotonic",
    "now_ns",
    "originals",
    "park_until",
    "shown_seconds",
    "simulated",
    "to_ns",
]
