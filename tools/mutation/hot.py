"""Run tests that were collected already, on functions whose code is changed.

Most mutants change a function: a fork of a process that has imported and collected all saves them
the second that this takes. What is changed by an import is for a new process.
"""

from __future__ import annotations

import gc
import importlib
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Hot:
    """A plugin of pytest that does something else with the tests that were collected."""

    def __init__(self, use: Callable[[Hot], None]) -> None:
        self._use = use
        self._items: dict[str, pytest.Item] = {}
        self._session: Any = None

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Keep the tests, and let them be used."""
        self._session = session
        self._items = {item.nodeid: item for item in session.items}
        gc.collect()
        self._use(self)
        return True

    def run(self, tests: list[str]) -> int:
        """Run *tests* until one fails, in a child; return whether one has."""
        items = [self._items[test] for test in tests if test in self._items]
        for item, after in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
            if self._session.testsfailed:
                print(f"\nFAILED {item.nodeid}")
                return 1
        return 0


def change(path: str, source: str, changed: str) -> bool:
    """Let the functions of a module do what those of *changed* do; return whether any differs."""
    name = "simclock." + path.removesuffix(".py").replace("/", ".")
    importlib.import_module(name)
    pairs = zip(
        _codes(compile(source, path, "exec")), _codes(compile(changed, path, "exec")), strict=True
    )
    new = {one: other for one, other in pairs if one != other}
    functions = [
        each
        for each in gc.get_objects()
        if type(each) is FunctionType and each.__module__ == name and each.__code__ in new
    ]
    for function in functions:
        function.__code__ = new[function.__code__]
    return bool(functions)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _codes(const)
