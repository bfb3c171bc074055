"""What executors and processors say of themselves: which processor, and which events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simclock.systems.eventflow.events import Event
from simclock.systems.eventflow.failures import ConfigurationError
from simclock.systems.eventflow.item_types import ItemTypes

if TYPE_CHECKING:
    from simclock.systems.eventflow.executor import Executor
    from simclock.systems.eventflow.processor import Processor


def check_processor_type(executor_type: type[Executor], base: type[Processor]) -> None:
    """Check that a type of executors has one of processors, derived from *base*, and that its own.

    Raises:
        ConfigurationError: It has none, or that has no type of events.
        TypeError: One of them is something else.
    """
    given = getattr(executor_type, "processor_type", None)
    if given is None:
        raise ConfigurationError(
            f"{executor_type.__name__} does not say what processor it has\n"
            "give it a class attribute processor_type"
        )
    if not (isinstance(given, type) and issubclass(given, base)):
        raise TypeError(
            f"the processor_type of {executor_type.__name__} is no processor's: {given!r}\n"
            "give it a class that is derived from Processor"
        )
    check_event_type(given)


def check_event_type(processor_type: type[Processor]) -> None:
    """Check that a type of processors says what events it runs.

    Raises:
        ConfigurationError: It does not.
        TypeError: They are no events.
    """
    given = getattr(processor_type, "event_type", None)
    if given is None:
        raise ConfigurationError(
            f"{processor_type.__name__} does not say what events it runs\n"
            "give it a class attribute event_type"
        )
    if not _are_events(given):
        raise TypeError(
            f"the event_type of {processor_type.__name__} is no event's: {given!r}\n"
            "give it a class that is derived from Event"
        )


def _are_events(given: object) -> bool:
    try:
        return all(issubclass(each, Event) for each in ItemTypes.of(given).types)
    except TypeError:
        return False
