"""The functions that can be submitted, each by a name."""

from __future__ import annotations

import contextlib
import inspect
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from simclock.systems._shared.retry import RetryPolicy
from simclock.systems.taskqueue.failures import TaskNotFoundError

TaskFunction = Callable[..., Any]
Function = TypeVar("Function", bound=TaskFunction)


class _WholeNumber(int):
    """A default that is told from the same number, given by somebody, by its identity."""


class _Number(float):
    """The same, of seconds."""


MAX_RETRIES = _WholeNumber(3)
RETRY_DELAY = _Number(1.0)


class Definition(NamedTuple):
    """A registered function.

    Attributes:
        name: What it is known by.
        function: The function.
        cpu_bound: Whether it is a plain one, for processes, or a coroutine function.
        max_retries: How often it is tried after the first time; None: as the executor says.
        retry_delay: Seconds before the first retry; None: as the executor says.
        backoff: See `RetryPolicy`.
        max_delay: The same.
        jitter: The same.
    """

    name: str
    function: TaskFunction
    cpu_bound: bool
    max_retries: int | None
    retry_delay: float | None
    backoff: float
    max_delay: float | None
    jitter: float

    def policy(self, max_retries: int, retry_delay: float) -> RetryPolicy:
        """Return how to retry it, with these defaults."""
        return RetryPolicy(
            max_retries=max_retries if self.max_retries is None else self.max_retries,
            delay=retry_delay if self.retry_delay is None else self.retry_delay,
            backoff=self.backoff,
            max_delay=self.max_delay,
            jitter=self.jitter,
        )


class TaskRegistry:
    """Functions by their names. It may be used from any thread.

    A function may be in several registries, and have several names in one: by
    the function itself, the name that was registered last is meant.

    Args:
        strict_cpu_checks: Whether functions for processes have to be those of a
            module, which other processes can import.
    """

    def __init__(self, strict_cpu_checks: bool = True) -> None:
        self._strict = strict_cpu_checks
        self._lock = threading.Lock()
        self._definitions: dict[str, Definition] = {}
        # By identity: a function need not be hashable, and an equal one is another one. The
        # definition keeps it alive, so that no other function gets its id.
        self._of_function: dict[int, Definition] = {}

    def __len__(self) -> int:
        return len(self._definitions)

    def __contains__(self, name: object) -> bool:
        return name in self._definitions

    def task(
        self,
        name: str | None = None,
        cpu_bound: bool = False,
        max_retries: int = MAX_RETRIES,
        retry_delay: float = RETRY_DELAY,
        *,
        backoff: float = 1.0,
        max_delay: float | None = None,
        jitter: float = 0.0,
    ) -> Callable[[Function], Function]:
        """Return a decorator that registers a function, and returns it.

        Args:
            name: What it is known by; by default the function's name.
            cpu_bound: Whether it is a plain function, to be run in a process,
                or a coroutine function, to be run on the event loop.
            max_retries: How often it is tried after the first time. What is not
                given is what the executor's configuration says, by default 3.
            retry_delay: Seconds before a retry; the same, by default 1.0.
            backoff: What the delay is multiplied by for each further retry.
            max_delay: The longest delay, in seconds.
            jitter: Which part of the delay is random: 0.1 is up to 10 % more or less.

        Raises:
            TypeError: The function is none of that kind.
            ValueError: There is another one of that name, or a number has no meaning.
        """
        _check_name(name)
        RetryPolicy(max_retries, retry_delay, backoff, max_delay, jitter)

        def register(function: Function) -> Function:
            self._check(function, cpu_bound=cpu_bound)
            definition = Definition(
                name=name or function.__name__,
                function=function,
                cpu_bound=cpu_bound,
                max_retries=None if max_retries is MAX_RETRIES else max_retries,
                retry_delay=None if retry_delay is RETRY_DELAY else retry_delay,
                backoff=backoff,
                max_delay=max_delay,
                jitter=jitter,
            )
            self._add(definition)
            _mark(function, definition, max_retries, retry_delay)
            return function

        return register

    def get(self, name: str) -> TaskFunction | None:
        """Return the function of that name, if there is one."""
        definition = self._definitions.get(name)
        return None if definition is None else definition.function

    def get_or_raise(self, name: str) -> TaskFunction:
        """Return the function of that name.

        Raises:
            TaskNotFoundError: There is none.
        """
        return self.definition(name).function

    def definition(self, task: str | TaskFunction) -> Definition:
        """Return how a function is registered here, by its name or the function itself.

        Raises:
            TaskNotFoundError: It is not.
        """
        if isinstance(task, str):
            found, name = self._definitions.get(task), task
        else:
            # What decorates a registered function stands for it.
            unwrapped = inspect.unwrap(task)
            found = self._of_function.get(id(task)) or self._of_function.get(id(unwrapped))
            name = _name_of(task)
        if found is None:
            raise TaskNotFoundError(name)
        return found

    def list_tasks(self) -> list[str]:
        """Return all names, in the order of registration."""
        with self._lock:
            return list(self._definitions)

    def is_registered(self, name: str) -> bool:
        """Return whether there is a function of that name."""
        return name in self

    def unregister(self, name: str) -> bool:
        """Forget a function; return whether there was one of that name."""
        with self._lock:
            definition = self._definitions.pop(name, None)
            if definition is None:
                return False
            others = [
                each for each in self._definitions.values() if each.function is definition.function
            ]
            self._of_function.pop(id(definition.function))
            if others:
                self._of_function[id(definition.function)] = others[-1]
            return True

    def _add(self, definition: Definition) -> None:
        with self._lock:
            if definition.name in self._definitions:
                raise ValueError(
                    f"there is a task of this name already: {definition.name!r}\n"
                    "give another name=, or unregister() that one"
                )
            self._definitions[definition.name] = definition
            self._of_function[id(definition.function)] = definition

    def _check(self, function: Any, *, cpu_bound: bool) -> None:
        if not callable(function) or not hasattr(function, "__name__"):
            raise TypeError(
                f"a task is no function: {function!r}\nwrite @task() above an `async def` or `def`"
            )
        if not cpu_bound:
            if not inspect.iscoroutinefunction(function):
                raise TypeError(
                    f"a task for the event loop is no coroutine function: {_name_of(function)}\n"
                    "write `async def`, or cpu_bound=True for a plain function that computes"
                )
        elif inspect.iscoroutinefunction(function):
            raise TypeError(
                f"a task for processes is a coroutine function: {_name_of(function)}\n"
                "write a plain `def`, or leave cpu_bound=True out"
            )
        elif self._strict and function.__qualname__ != function.__name__:
            raise TypeError(
                f"a task for processes is no function of a module: {_name_of(function)}\n"
                "other processes import it: move it to the top level of its module"
            )


def _check_name(name: object) -> None:
    if callable(name):
        raise TypeError(f"task() is not called: {name!r}\nwrite @task() with parentheses")
    if name is not None and (not isinstance(name, str) or not name):
        raise TypeError(f"this is no name of a task: {name!r}\ngive some text, or leave it out")


def _mark(function: Any, definition: Definition, max_retries: int, retry_delay: float) -> None:
    """Let the function say how it was registered last, as programs may read it there."""
    # Bound methods, and functions that were written in C, have no attributes of their own.
    with contextlib.suppress(AttributeError):
        function.task_name = definition.name
        function.cpu_bound = definition.cpu_bound
        function.max_retries = max_retries
        function.retry_delay = retry_delay
        function._is_flowrra_task = True


def _name_of(function: Any) -> str:
    return str(getattr(function, "__qualname__", repr(function)))
