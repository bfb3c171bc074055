"""The kernel that redirected calls go to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simclock._core.groups import Group
    from simclock._core.kernel import Kernel

# Innermost last. Only threads of the last one can run: the others stand still inside the call
# that opened it.
kernels: list[Kernel] = []


def kernel() -> Kernel:
    """Return the kernel of the innermost simulation. To be called in a simulated thread."""
    return kernels[-1]


def own_group() -> Group:
    """Return the process of the calling thread. For rows that only are for threads of one."""
    group = kernels[-1].group
    assert group is not None
    return group
