"""What plugins use to redirect a built-in or to provide a wall clock.

`now_ns` and `park_until` are for replacements only: they are called in a
simulated thread, in the kernel. `originals` maps the name of each row to the
built-in as it was.
"""

from simclock._boundary.replacements import now_ns, park_until
from simclock._boundary.rows import Row, originals
from simclock._boundary.wallclock import WallClock

__all__ = ["Row", "WallClock", "now_ns", "originals", "park_until"]
