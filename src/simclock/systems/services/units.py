"""Services: classes whose instances are run by whichever runner accepts."""

from __future__ import annotations

import contextlib
import functools
import itertools
import threading
import weakref
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from simclock.flavours import check_payload, get
from simclock.systems._shared.lifecycle import State
from simclock.systems.services.failures import NotRunning
from simclock.systems.services.interrupted import calls_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from simclock.flavours import Flavour
    from simclock.systems.services.work import Work

    Class = TypeVar("Class", bound=type)

ATTRIBUTE = "__service_unit__"
FLAVOUR = "__service_flavour__"
# Owned for a few lines at a time, in which nothing of a runner or a flavour is called.
_lock = threading.RLock()  # a signal may come while it is owned
_next_number = itertools.count(1).__next__
# Those of instances that are made, in the order of their making. An instance keeps its unit,
# nobody keeps the instance.
_units: weakref.WeakValueDictionary[int, ServiceUnit] = weakref.WeakValueDictionary()
# In the order of their `accept`.
_accepting: list[Starter] = []


class Starter(Protocol):
    """What starts services: a runner, while it accepts."""

    def start_unit(self, unit: ServiceUnit, payload: Callable[[], Any]) -> None:
        """Run the payload of *unit* in the background, and tell it by `began` and `ended`.

        Raises:
            NotRunning: It does not accept.
        """

    def unit_failed(self, unit: ServiceUnit, error: Exception) -> None:
        """Take note that *unit* could not be started."""


def service(flavour: str | ModuleType) -> Callable[[Class], Class]:
    """Make each instance of a class a service: its ``run`` is run in the background.

    It is started as soon as the instance is made (after its ``__init__``, and
    of whatever subclass) if a runner accepts, else once one does; and again in
    each later `ServiceRunner.accept`. Nothing but the program keeps an
    instance: one that was dropped before it started never runs.

    ``run`` takes no arguments but ``self``. What it returns, other than None,
    and what it raises terminates the daemon. A subclass that is decorated
    again has its own flavour.

    Args:
        flavour: Of ``run``: the module of its library, or the name of that.

    Raises:
        LookupError: There is no such flavour.
        TypeError: What is decorated is no class, its ``run`` is no payload of
            the flavour, no flavour is given, or its instances have no ``__dict__`` or cannot be
            referenced weakly.
    """
    if isinstance(flavour, type):
        raise TypeError(
            f"service is used without a flavour: {flavour!r}\n"
            "decorate the class with @service(flavour=...), such as threading"
        )
    kind = get(flavour)

    def decorate(cls: Class) -> Class:
        _check_class(cls, kind)
        _make_units(cls, kind)
        return cls

    return decorate


def _check_class(cls: Any, kind: Flavour) -> None:
    if not isinstance(cls, type):
        raise TypeError(f"a service is a class, not {cls!r}\ndecorate the class of the instances")
    if not hasattr(cls, "run"):
        raise TypeError(f"{cls.__qualname__} has no method run\ngive it one: that is the service")
    check_payload(kind, cls.run)
    if not cls.__dictoffset__ or not cls.__weakrefoffset__:
        raise TypeError(
            f"instances of {cls.__qualname__} have no __dict__ or no __weakref__\n"
            "leave out __slots__, or have both among them"
        )


def _make_units(cls: Any, kind: Flavour) -> None:
    # Of a class and its bases the one that is decorated last has its say.
    setattr(cls, FLAVOUR, kind.name)
    # Not only in the instance: a copy of that has all that is in it.
    setattr(cls, ATTRIBUTE, property(_unit_of))
    original = cls.__new__
    if hasattr(original, "takes_arguments"):
        return  # one of these, of a base

    @functools.wraps(original)
    @calls_out
    def make(of: Any, *args: Any, **kwargs: Any) -> Any:
        if not issubclass(of, cls):
            raise TypeError(
                f"{of.__qualname__} is a copy of a class that was decorated before: {of!r}\n"
                "let @service be the outermost decorator, and leave out slots=True"
            )
        # As type.__call__ has it: who has no __new__ of its own is given the class only.
        instance = original(of, *args, **kwargs) if make.takes_arguments else original(of)  # type: ignore[attr-defined]
        if isinstance(instance, cls):
            _announce_after_init(type(instance))
        return instance

    make.takes_arguments = original is not object.__new__  # type: ignore[attr-defined]
    cls.__new__ = make


def _announce_after_init(cls: Any) -> None:
    """Have units announced when the class's ``__init__`` is left, that of a subclass included.

    Earlier, ``run`` would find an instance that is half made: a runner does not
    wait for it.
    """
    original = cls.__init__
    if getattr(original, "announces", None) is cls:
        return

    @functools.wraps(original)
    @calls_out
    def initialise(self: Any, *args: Any, **kwargs: Any) -> None:
        if not hasattr(self, ATTRIBUTE):
            # Not in __new__: copies are made by that, and are no services.
            vars(self)[ATTRIBUTE] = ServiceUnit(self, getattr(self, FLAVOUR))
        if original is object.__init__ and getattr(cls.__new__, "takes_arguments", True):
            original(self)  # as type.__call__ has it, again
        else:
            original(self, *args, **kwargs)
        if type(self) is cls:
            getattr(self, ATTRIBUTE).announce()

    initialise.announces = cls  # type: ignore[attr-defined]
    cls.__init__ = initialise


def _unit_of(instance: Any) -> ServiceUnit:
    unit: ServiceUnit | None = vars(instance).get(ATTRIBUTE)
    if unit is None or not unit.is_of(instance):
        raise AttributeError(
            f"{type(instance).__qualname__} has no unit: {ATTRIBUTE}\n"
            "copies of services are no services: make one by calling the class"
        )
    return unit


def _no_unit() -> None:
    """Return what copies have."""


class ServiceUnit:
    """The runs of a service, one at a time; ``__service_unit__`` of the instance.

    All of it may be used from any thread. It does not keep the instance.

    Args:
        service: Something with a method ``run``.
        flavour: Of that method: a module or its name.

    Attributes:
        flavour: Its name.
        name: Of the service's class, and the flavour.
    """

    def __init__(self, service: Any, flavour: str | ModuleType) -> None:
        kind = get(flavour)
        check_payload(kind, service.run)
        self.flavour: str = kind.name
        self._service = weakref.ref(service)
        self.name: str = f"{type(service).__qualname__} ({kind.name})"
        self._state = State.NEW
        # Invariant: not set unless a run is under way.
        self._work: Work | None = None
        self._is_cancelled = False
        self._is_announced = False

    def __repr__(self) -> str:
        return f"<unit of {self.name}: {self._state.value}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy it as None, and so pickle it, if that is done to the instance."""
        return _no_unit, ()

    def is_of(self, instance: Any) -> bool:
        """Return whether it is the unit of this instance."""
        return self._service() is instance

    @property
    def state(self) -> State:
        """Return the state of this moment: STOPPED or FAILED between two runs."""
        return self._state

    @property
    def running(self) -> bool:
        """Return whether a run is under way."""
        return self._state in {State.STARTING, State.RUNNING, State.STOPPING}

    def start(self, runner: Starter) -> bool:
        """Run the service in *runner* now, also if it was cancelled before.

        Returns:
            Whether this has started it: not if it runs already, or its
            instance is gone.

        Raises:
            NotRunning: The runner does not accept.
        """
        return self._start(runner, also_cancelled=True)

    def cancel(self) -> bool:
        """End the run that is under way, and start no other until `start` is called.

        A coroutine is cancelled, a function is asked (see `stop_token`). To
        the runner this is no failure. Does not wait.

        Returns:
            Whether there was a run to end.
        """
        with _lock:
            self._is_cancelled = True
            was_running = self.running
            if was_running:
                self._state = State.STOPPING
            work = self._work
        if work is not None:
            work.ask()
        return was_running

    def announce(self) -> None:
        """Let the service be started, now and by whoever accepts later; for `service`."""
        with _lock:
            if self._is_announced:
                return
            self._is_announced = True
            _units[_next_number()] = self
            starters = list(_accepting)
        for starter in starters:
            self.offer(starter)

    def offer(self, starter: Starter) -> None:
        """Start the service in *starter* unless it runs or was cancelled; for runners."""
        try:
            self._start(starter, also_cancelled=False)
        except NotRunning:
            pass  # its next run is offered it again
        except Exception as error:  # noqa: BLE001 - who made the instance did not start it
            starter.unit_failed(self, error)

    def _start(self, starter: Starter, *, also_cancelled: bool) -> bool:
        instance = self._service()
        with _lock:
            out = self._is_cancelled and not also_cancelled
            if instance is None or self.running or out:
                return False
            before, self._state = self._state, State.STARTING
            self._is_cancelled = False
        try:
            starter.start_unit(self, instance.run)
        except BaseException:
            with _lock:
                self._state = before
            raise
        return True

    def began(self, work: Work) -> None:
        """Note what runs it, before it may end; for runners."""
        with _lock:
            self._work = work
            is_cancelled = self._is_cancelled
            self._state = State.STOPPING if is_cancelled else State.RUNNING
        if is_cancelled:
            work.ask()

    def ended(self, *, failed: bool) -> None:
        """Note that its run has ended; for runners."""
        with _lock:
            self._work = None
            self._state = State.FAILED if failed else State.STOPPED


@contextlib.contextmanager
def apart() -> Iterator[None]:
    """In a block, know no service but those that are made in it; afterwards none of these.

    For tests: one that is kept somewhere, such as by the traceback of its failure, is not run for
    the next test.
    """
    with _lock:
        before = dict(_units)
        _units.clear()
    try:
        yield
    finally:
        with _lock:
            _units.clear()
            _units.update(before)


def join(starter: Starter) -> None:
    """Offer *starter* all services that there are, and will be until it leaves."""
    with _lock:
        _accepting.append(starter)
        units = list(_units.values())
    for unit in units:
        unit.offer(starter)


def names() -> list[str]:
    """Return what services there are, by name and flavour, in the order of their making."""
    with _lock:
        return [unit.name for unit in _units.values()]


def leave(starter: Starter) -> None:
    """Offer *starter* no more services. Idempotent."""
    with _lock:
        if starter in _accepting:
            _accepting.remove(starter)
