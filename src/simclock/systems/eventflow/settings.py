"""The settings of processors: which there are, and what they may be."""

from __future__ import annotations

import inspect
import math
import numbers
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from simclock.systems._shared.retry import check_count
from simclock.systems.eventflow.failures import ConfigurationError

if TYPE_CHECKING:
    from simclock.systems.eventflow.processor import Processor

REQUIRED = ("queue_capacity", "capacity_refresh_time")
MOST_CAPACITY = 10_000
REFRESH_TIMES = (0.01, 3600.0)
# What executors say themselves.
_OWN = {"self", "args", "kwargs", "pile", "executor"}
_STARRED = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}


def check_settings(settings: Mapping[str, Any]) -> None:
    """Raise a `ValueError` if one of those that `Processor` has is out of its range."""
    for name, value in settings.items():
        if name == "queue_capacity":
            _check_capacity(value)
        elif name == "capacity_refresh_time":
            _check_refresh_time(value)
        elif name in {"concurrency_limit", "max_queue_size", "max_denial_tracking"} or (
            name == "max_denials" and value is not None
        ):
            check_count(name, value, least=1)


def _check_capacity(value: Any) -> None:
    check_count("queue_capacity", value, least=1)
    if value > MOST_CAPACITY:
        raise ValueError(
            f"queue_capacity is out of range: {value}\n"
            f"give 1 to {MOST_CAPACITY}, or refresh it faster"
        )


def _check_refresh_time(value: Any) -> None:
    least, most = REFRESH_TIMES
    if not (_is_finite(value) and least <= value <= most):
        raise ValueError(
            f"capacity_refresh_time is out of range: {value!r}\ngive seconds, {least:g} to {most:g}"
        )


def check_priority(priority: Any) -> None:
    """Raise a `ValueError` unless *priority* is a finite number."""
    if not _is_finite(priority):
        raise ValueError(
            f"a priority must be a finite number: {priority!r}\nlower numbers come first"
        )


def _is_finite(value: Any) -> bool:
    try:
        is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        return is_number and math.isfinite(value)
    except OverflowError:  # a whole number that is more than any float
        return False


def check_config(config: Mapping[str, Any], processor_type: type[Processor]) -> None:
    """Check a configuration for processors of that type, of which settings may still be missing.

    Raises:
        ConfigurationError: It is no mapping, or the type has no such setting.
        ValueError: One is out of its range.
    """
    if not isinstance(config, Mapping):
        raise ConfigurationError(
            f"processor_config is no mapping: {config!r}\n"
            "give a dictionary: settings by their names"
        )
    known = _names(processor_type)
    unknown = sorted(str(each) for each in config.keys() - known)
    if unknown:
        raise ConfigurationError(
            f"{processor_type.__name__} has no such setting: {', '.join(unknown)}\n"
            f"it has: {', '.join(sorted(known))}",
            details={"unknown": unknown},
        )
    check_settings(config)


def check_complete(config: Mapping[str, Any]) -> None:
    """Raise a `ConfigurationError` if a setting is missing without which no processor is made."""
    missing = [name for name in REQUIRED if name not in config]
    if missing:
        raise ConfigurationError(
            f"processor_config lacks: {', '.join(missing)}\n"
            "give them to the executor: without them it only keeps events",
            details={"missing": missing},
        )


def _names(processor_type: type[Processor]) -> set[str]:
    """Return what it is made with, by name; also what its bases are, if it passes things on."""
    found = set(inspect.signature(processor_type.create).parameters)
    for each in processor_type.__mro__:
        if "__init__" not in vars(each):
            continue
        parameters = inspect.signature(vars(each)["__init__"]).parameters.values()
        found.update(each.name for each in parameters if each.kind not in _STARRED)
        if not any(each.kind is each.VAR_KEYWORD for each in parameters):
            break
    return found - _OWN
