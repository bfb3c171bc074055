"""Names that are loaded when they are first used.

So that programs that look for flavours, and the systems, load no simulator.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def lazily(package: str, homes: dict[str, str]) -> Callable[[str], Any]:
    """Return a ``__getattr__`` for *package*, with the module that has each name.

    The first name that is used loads them all. It has ``__version__``, too, that of what is
    installed.
    """
    # Python may import a package again, as pytester has it do: each import loads its own modules.
    this = sys.modules[package]

    def load(name: str) -> Any:
        if name == "__version__":
            return _version(package)
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if sys.modules.get(package) is this:
            _load(this, homes)
        else:
            others = _take_out(package)
            sys.modules.update(_family(this))
            try:
                _load(this, homes)
            finally:
                _take_out(package)
                sys.modules.update(others)
        return getattr(this, name)

    return load


def _version(package: str) -> str:
    # Some milliseconds, for who asks.
    metadata = importlib.import_module("importlib.metadata")
    try:
        version: str = metadata.version(package)
    except metadata.PackageNotFoundError as error:
        raise AttributeError(
            f"module {package!r} is not installed, so it has no version\ninstall it, with pip"
        ) from error
    return version


def _load(this: ModuleType, homes: dict[str, str]) -> None:
    for name, home in homes.items():
        setattr(this, name, getattr(importlib.import_module(home), name))


def _take_out(package: str) -> dict[str, ModuleType]:
    names = [name for name in sys.modules if name == package or name.startswith(f"{package}.")]
    return {name: sys.modules.pop(name) for name in names}


def _family(module: ModuleType) -> Iterator[tuple[str, ModuleType]]:
    """Yield *module* and those below it, with their names."""
    yield module.__name__, module
    for inner in list(vars(module).values()):
        if isinstance(inner, ModuleType) and inner.__name__.startswith(f"{module.__name__}."):
            yield from _family(inner)
