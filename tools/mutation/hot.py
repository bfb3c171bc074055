"""Run tests that were collected already, on functions whose code is changed.

Most mutants change a function: a fork of a process that has imported and collected all saves them
the second that this takes. What is changed by an import is for a new process.
"""

from __future__ import annotations

import gc
import importlib
from functools import lru_cache
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest


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


def change(path: str, codes: list[CodeType], changed: str) -> None:
    """Let the functions of the module at *path*, which are of *codes*, do what *changed* says.

    Raises:
        ValueError: There are others, or they use others.
    """
    name, file = _module(path)
    new = dict(zip(codes, _compiled(file, changed), strict=True))
    for each in gc.get_objects():
        if type(each) is FunctionType and each.__module__ == name and each.__code__ in new:
            each.__code__ = new[each.__code__]


@lru_cache(maxsize=1)
def codes_of(path: str, source: str) -> list[CodeType]:
    """Return the code of the module at *path* and of all functions in it."""
    return list(_compiled(_module(path)[1], source))


def _module(path: str) -> tuple[str, str]:
    """Return the name and the file of a module; simclock tells its own frames by these files."""
    module = importlib.import_module("simclock." + path.removesuffix(".py").replace("/", "."))
    assert module.__file__ is not None
    return module.__name__, module.__file__


def _compiled(file: str, source: str) -> Iterator[CodeType]:
    left = [compile(source, file, "exec", dont_inherit=True)]
    while left:
        code = left.pop()
        yield code
        left += [const for const in code.co_consts if isinstance(const, CodeType)]
