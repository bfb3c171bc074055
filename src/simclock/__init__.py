"""Run ordinary Python threads in simulated time: one clock, one scheduler, one schedule.

General layout: `errors` at the bottom; `_core` is the kernel, which knows no
operating system; `_boundary` redirects built-ins to it; `hookspecs` says what
plugins may add, with `lowlevel` as their tools, and `plugins` manages them;
`simulation` puts all of it together. This module only re-exports.
"""

from simclock._core.threads import SimThread as SimThread
from simclock._core.threads import ThreadState as ThreadState
from simclock._core.trace import Record as Record
from simclock._core.trace import Trace as Trace
from simclock.errors import Deadlock as Deadlock
from simclock.errors import Escape as Escape
from simclock.errors import Leak as Leak
from simclock.errors import LimitReached as LimitReached
from simclock.errors import Livelock as Livelock
from simclock.errors import PluginError as PluginError
from simclock.errors import SimclockError as SimclockError
from simclock.errors import Stalled as Stalled
from simclock.errors import Unsupported as Unsupported
from simclock.hookspecs import hookimpl as hookimpl
from simclock.plugins import register as register
from simclock.plugins import unregister as unregister
from simclock.simulation import Simulation as Simulation
from simclock.simulation import active as active
from simclock.simulation import run as run
