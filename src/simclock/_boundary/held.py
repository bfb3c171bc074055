"""Calls that run for real while the clock, and with it everybody else, stands still."""

from __future__ import annotations

import _thread
from typing import TYPE_CHECKING, Any, NoReturn

from simclock._boundary import _native
from simclock._boundary.active import kernel, kernels
from simclock._core import report
from simclock.errors import Escape

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock._core.kernel import Kernel


def refuse(error: Escape) -> NoReturn:
    """Raise *error* here, and let the run fail by it even if it is swallowed."""
    simulation = kernel()
    simulation.fail(error)
    if simulation.current is simulation.root:
        simulation.root.error = None  # it is raised here
    raise error


def announce(simulation: Kernel, what: str) -> None:
    """Note that *what* is called in real time; raise `Escape` where that is forbidden."""
    if simulation.external == "strict":
        refuse(Escape(report.escaped_call(simulation, what)))
    simulation.escapes[report.held_call(simulation, what)] = None


def held(what: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call *function*, described as *what*, in real time; return what it returns.

    The calling thread keeps its turn. Where nothing may happen outside, the
    call raises `Escape` instead.
    """
    simulation = kernel()
    announce(simulation, what)
    baton = _native.current()
    assert baton is not None
    simulation.outside = _thread.get_ident()
    try:
        # Not only in the kernel: there, signals are noted for later, and Ctrl-C would not end it.
        # In here: an interrupt may be raised as soon as it returns.
        _native.leave()
        return function(*args, **kwargs)
    finally:
        if simulation in kernels:  # else this is a forked child, where there is none
            _native.resume(baton)
            simulation.outside = 0
