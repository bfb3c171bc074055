"""The models of processes that simclock comes with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from simclock._boundary.overlays import Overlay

REAL = "real"


class ProcessModel(Protocol):
    """What ``Simulation(processes=name)`` chooses by name.

    It is made without arguments, once for each simulation that uses it.

    Attributes:
        name: What it is chosen by.
    """

    name: str

    def change(self, overlay: Overlay) -> None:
        """Let `multiprocessing` start such processes while a simulation is open.

        Called while that is being opened, after ``simclock_simulate`` of all
        plugins, by the same thread; *overlay* is theirs.
        """


class RealProcesses:
    """Processes of the operating system: nothing is changed."""

    name = REAL

    def change(self, overlay: Overlay) -> None:
        """Do nothing."""


class SimulatedProcesses:
    """Groups of simulated threads of this process."""

    name = "simulated"

    def change(self, overlay: Overlay) -> None:
        """See `ProcessModel.change`."""
        # It imports `multiprocessing`, and whole: to wait for its being imported inside would be to
        # change a package that is half there.
        from simclock._processes import changes  # noqa: PLC0415

        changes.change(overlay)
