"""Direct tasks: calls that return results, of one invocation or of many."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simclock.systems.runners.calls import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from simclock.systems.runners.arguments import Arguments
    from simclock.systems.runners.tasks import Function, Task


@dataclass(frozen=True)
class Spread:
    """How one call of a direct task becomes many.

    Attributes:
        parallel_func: Returns, of the call's arguments by name, the parameters of many calls;
            or a pair: arguments that all have, and these parameters.
        aggregate_func: Returns the result, of the iterable of their results.
    """

    parallel_func: Callable[[dict[str, Any]], Any] | None = None
    aggregate_func: Callable[[Iterable[Any]], Any] | None = None

    def __post_init__(self) -> None:
        if (self.parallel_func is None) != (self.aggregate_func is None):
            raise ValueError(
                "parallel_func and aggregate_func need each other: one is missing\n"
                "give both: what makes many calls of one, and one result of theirs"
            )

    def group(self, task: Task, arguments: Arguments) -> Any:
        """Return the group of invocations of many calls."""
        assert self.parallel_func is not None
        common: dict[str, Any] | None = None
        parameters = self.parallel_func(dict(arguments.kwargs))
        if isinstance(parameters, tuple) and len(parameters) == 2:
            first, second = parameters
            if isinstance(first, dict) and not isinstance(second, dict):
                common, parameters = first, second
        return task.parallelize(parameters, common)


def direct(task: Task, spread: Spread) -> Function:
    """Return a function that is called like the task's own and returns its result.

    It waits for that, or returns an awaitable for a coroutine function. Its
    attribute ``task`` is the task.
    """
    call = _direct_async(task, spread) if task.is_async else _direct(task, spread)
    functools.update_wrapper(call, task.func)
    call.task = task  # type: ignore[attr-defined]
    return call


def _direct(task: Task, spread: Spread) -> Function:
    def call(*args: Any, **kwargs: Any) -> Any:
        arguments = task.args(*args, **kwargs)
        if spread.aggregate_func is None:
            return task.invoke(Call(task, arguments)).result
        return spread.aggregate_func(spread.group(task, arguments).results)

    return call


def _direct_async(task: Task, spread: Spread) -> Function:
    async def call(*args: Any, **kwargs: Any) -> Any:
        arguments = task.args(*args, **kwargs)
        if spread.aggregate_func is None:
            return await task.invoke(Call(task, arguments)).async_result()
        group = spread.group(task, arguments)
        return spread.aggregate_func([each async for each in group.async_results()])

    return call
