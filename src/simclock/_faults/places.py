"""Faults at functions of a program that has no sites: these are replaced for a run."""

from __future__ import annotations

import copy
import functools
import importlib
import inspect
import math
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from simclock import faults, flavours
from simclock._faults.plans import decimal

if TYPE_CHECKING:
    from collections.abc import Callable

ADVICE = "name it as 'package.module:Class.method', or 'package.module:function'"
_MISSING = object()

# Pytest leaves out of tracebacks what is called here: they end in the user's lines.
__tracebackhide__ = True


class Way(NamedTuple):
    """A way for a call to go wrong.

    Attributes:
        said: What happens, in words.
        error: What is raised instead of the call, or None.
        seconds: How long it waits before the call.
        is_dropped: Whether nothing is called.
    """

    said: str
    error: BaseException | type[BaseException] | None = None
    seconds: float = 0.0
    is_dropped: bool = False

    def begin(self) -> None:
        """Raise the error, if it is one.

        Raises:
            BaseException: Each time another one: one that is raised twice has two tracebacks.
        """
        if isinstance(self.error, type):
            raise self.error
        if self.error is not None:
            raise _copied(self.error)


def ways_of(error: Any, delay: Any, *, drop: bool) -> tuple[Way, ...]:
    """Return the ways that these arguments of `Faults.at` mean.

    Raises:
        TypeError, ValueError: They mean none.
    """
    ways = []
    if error is not None:
        is_class = isinstance(error, type) and issubclass(error, BaseException)
        if not is_class and not isinstance(error, BaseException):
            raise TypeError(f"this is no error: {error!r}\ngive an exception, or its class")
        ways.append(Way(f"raises {error.__name__ if is_class else repr(error)}", error=error))
    if delay is not None:
        least, most = range_of("delay", delay)
        seconds = dict.fromkeys([middle(least, most), least, most])
        ways += [Way(f"takes {decimal(each)} s longer", seconds=each) for each in seconds]
    if drop:
        ways.append(Way("is dropped", is_dropped=True))
    if not ways:
        raise ValueError("no fault is given\ngive error=, delay= or drop=True")
    return tuple(ways)


def range_of(name: str, value: Any) -> tuple[float, float]:
    """Return the least and the most of a range of seconds.

    Raises:
        ValueError: It is none.
    """
    match value:
        case (int() | float() as least, int() | float() as most) if 0 < least <= most < math.inf:
            return float(least), float(most)
    raise ValueError(f"{name} is no range of seconds: {value!r}\ngive two such as (0.1, 2.0)")


def middle(least: float, most: float) -> float:
    """Return what is as many times *least* as *most* is of it, in few digits."""
    return float(f"{math.sqrt(least * most):.2g}")


class Place:
    """A function that is replaced until `put_back`.

    Args:
        name: ``"module:qualname"``.
        simulation: In whose threads it may fail; for others nothing changes.
        choose: Returns the way in which a call goes wrong, or None.

    Raises:
        TypeError, ValueError: There is no such function, or it cannot be replaced.
    """

    def __init__(self, name: str, simulation: object, choose: Callable[[], Way | None]) -> None:
        self._simulation = simulation
        self._choose = choose
        self._owner, self._attribute = _found(name)
        self._before: Any = vars(self._owner).get(self._attribute, _MISSING)
        given = inspect.getattr_static(self._owner, self._attribute)
        function = given.__func__ if isinstance(given, (staticmethod, classmethod)) else given
        if not callable(function) or isinstance(function, type):
            raise TypeError(f"this is no function: {name!r}, but {function!r}\n{ADVICE}")
        made: Any = self._replaced(function)
        if isinstance(given, (staticmethod, classmethod)):
            made = type(given)(made)
        self._made = made
        try:
            setattr(self._owner, self._attribute, made)
        except TypeError as error:
            raise TypeError(f"{name!r} cannot be replaced: {error}\n{ADVICE}") from None

    def put_back(self) -> None:
        """Put the function back, unless somebody else has replaced it since."""
        if vars(self._owner).get(self._attribute) is not self._made:
            return
        if self._before is _MISSING:
            delattr(self._owner, self._attribute)
        else:
            setattr(self._owner, self._attribute, self._before)

    def _way(self) -> Way | None:
        return self._choose() if faults.here() is self._simulation else None

    def _replaced(self, function: Any) -> Any:
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def call_async(*args: Any, **kwargs: Any) -> Any:
                way = self._way()
                if way is not None:
                    way.begin()
                    await _nap(way.seconds)
                    if way.is_dropped:
                        return None
                return await function(*args, **kwargs)

            return call_async

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            way = self._way()
            if way is not None:
                way.begin()
                if way.seconds:
                    time.sleep(way.seconds)
                if way.is_dropped:
                    return None
            return function(*args, **kwargs)

        return call


async def _nap(seconds: float) -> None:
    flavour = flavours.running() if seconds else None
    nap: Any = None if flavour is None else flavour.sleep(seconds)
    if nap is not None:
        await nap


def _found(name: Any) -> tuple[Any, str]:
    """Return what has the function called *name*, and as which attribute."""
    if not isinstance(name, str):
        raise TypeError(f"this is no name of a function: {name!r}\n{ADVICE}")
    module, colon, path = name.partition(":")
    *owners, attribute = path.split(".")
    if not (module and colon and attribute):
        raise ValueError(f"this is no name of a function: {name!r}\n{ADVICE}")
    try:
        owner: Any = importlib.import_module(module)
    except ImportError as error:
        raise ValueError(f"there is no module {module!r}, of {name!r}: {error}\n{ADVICE}") from None
    for each in owners:
        owner = _part(owner, each, name)
    _part(owner, attribute, name)
    return owner, attribute


def _part(owner: Any, part: str, name: str) -> Any:
    try:
        return getattr(owner, part)
    except AttributeError:
        raise ValueError(f"there is no {part!r} in {owner!r}, of {name!r}\n{ADVICE}") from None


def _copied(error: BaseException) -> BaseException:
    """Return an error like *error*, which was not raised yet; itself if there is none."""
    try:
        return copy.copy(error)
    except Exception:  # noqa: BLE001 - the class is the user's
        return error
