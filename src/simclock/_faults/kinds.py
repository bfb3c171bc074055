"""What a fault does to hosts and links, and what puts it right again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from simclock._faults.links import Links
from simclock._faults.plans import FORM, SHAPES, Fault, FaultPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Undo = Callable[[], object]

# What is asked of those that a fault happens to.
_METHODS = {
    "kill": ("kill", "restart"),
    "pause": ("pause", "resume"),
    "skew": ("move_wall", "set_right"),
    "drift": ("drift", "set_right"),
}
_WHOM = {
    **dict.fromkeys(("kill", "pause"), "a host or a process"),
    **dict.fromkeys(("skew", "drift"), "a host: its processes have no wall clock of their own"),
}
# The rest of a line of a plan, from what should have been one of these.
_MEANT = re.compile(r"(?<= )(for|by|way)\b.*")
# What changes a wall clock.
CLOCKS = ("skew", "drift")
ADVICE = "give it in hosts=[...], or mend the plan"


class Targets:
    """Whom faults happen to.

    Args:
        hosts: Hosts and processes: what has a ``name``, and the methods ``kill``, ``restart``,
            ``pause``, ``resume``, ``move_wall``, ``drift``, ``set_right``, as far as needed.
        network: What `Links` needs.

    Raises:
        TypeError: One has no name.
    """

    def __init__(self, hosts: Iterable[Any], network: Any = None) -> None:
        self._hosts: dict[str, Any] = {}
        self._ambiguous: list[str] = []
        self._links = Links(network)
        # Whose wall clock was changed.
        self._wrong: dict[str, Any] = {}
        for host in hosts:
            name = getattr(host, "name", None)
            if not isinstance(name, str):
                raise TypeError(
                    f"this is no host: {host!r}\ngive what sim.host() or host.start() returns"
                )
            if self._hosts.setdefault(name, host) is not host:
                self._ambiguous.append(name)

    def check_kinds(self, kinds: Mapping[str, Iterable[str]]) -> None:
        """Raise an error if the faults of *kinds* cannot happen to those of these names.

        Or if a plan could not tell them apart.
        """
        for name in self._ambiguous:
            raise ValueError(
                f"two hosts or processes have one name: {name!r}\n"
                "give them others: a plan tells them apart by these"
            )
        for name in self._hosts:
            try:
                Fault(0, "kill", name)
            except ValueError:
                raise ValueError(
                    f"a plan cannot name {name!r}\ngive a name of letters and digits"
                ) from None
        for kind, names in kinds.items():
            problem = self._lacking(kind, names)
            if problem:
                raise TypeError(f"{kind}: {problem}")

    def check(self, plan: FaultPlan) -> None:
        """Raise an error if *plan* is about what there is not, or what it does not tell apart."""
        for number, step in enumerate(plan, 1):
            problem = self._problem(step)
            if problem:
                raise ValueError(f"step {number} of the plan: {step}: {problem}")

    def _problem(self, step: Fault) -> str:
        names = [] if step.what == "fire" else [name for side in step.sides for name in side]
        for name in names:
            if name not in self._hosts:
                misspelt = _MEANT.search(name)
                if misspelt:
                    return f"{misspelt[0]!r} is not understood\nwrite a fault as {FORM!r}"
                known = ", ".join(self._hosts) or "none"
                return f"there is no host {name!r}, of: {known}\n{ADVICE}"
            if name in self._ambiguous:
                return f"two hosts or processes are called {name!r}\ngive them other names"
        return "" if step.what == "fire" else self._lacking(step.what, names)

    def _lacking(self, kind: str, names: Iterable[str]) -> str:
        """Return what is wrong if one of *names* is none that a fault of this *kind* happens to."""
        for name in names:
            if SHAPES[kind].sides > 1 and self.machine_of(name):
                return f"{name!r} is a process\ngive its host: what is between hosts is theirs"
            for method in _METHODS.get(kind, ()):
                if not hasattr(self._hosts[name], method):
                    return f"{name!r} has no {method}()\ngive {_WHOM[kind]}"
        return ""

    def machine_of(self, name: str) -> str:
        """Return the name of the host that the process called *name* is on, if it is one."""
        host = getattr(self._hosts.get(name), "host", None)
        return getattr(host, "name", "")

    def begin(self, fault: Fault) -> Undo | None:
        """Let *fault* happen; return what ends it, if anything does."""
        if SHAPES[fault.what].sides > 1:
            return self._links.begin(fault)
        if fault.what in CLOCKS:
            self._wrong[fault.target] = self._hosts[fault.target]
        return _to_host(self._hosts[fault.target], fault)

    def set_clocks_right(self) -> None:
        """Let each wall clock that was changed show what it should."""
        for host in self._wrong.values():
            host.set_right()
        self._wrong.clear()


def _to_host(host: Any, fault: Fault) -> Undo:
    by = fault.by or 0.0
    if fault.what == "kill":
        host.kill()
        return host.restart  # type: ignore[no-any-return]
    if fault.what == "pause":
        host.pause()
        return host.resume  # type: ignore[no-any-return]
    if fault.what == "skew":
        host.move_wall(by)
        return lambda: host.move_wall(-by)
    host.drift(by)
    return lambda: host.drift(0.0)
