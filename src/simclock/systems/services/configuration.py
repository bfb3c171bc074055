"""Configurations of the daemon: files that make its services."""

from __future__ import annotations

import contextlib
import importlib
import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simclock.systems.services.runner import configuring
from simclock.systems.services.units import ATTRIBUTE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_KEYS = {"class", "args", "kwargs"}
# What reads a configuration, by its module or package: nothing in there is for its author.
_READERS = {"contextlib", "importlib", "pathlib", "runpy", "simclock", "tomli", "tomllib"}


class ConfigurationError(Exception):
    """A configuration has no meaning.

    Attributes:
        what: Is wrong, and what to do.
        where: In which file, and which part of it.

    Its cause, if there is one, is what the program's own code has raised.
    """

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"{where}: {what}")
        self.what = what
        self.where = where


def load(file: str) -> list[Any]:
    """Make the services of a configuration; return what keeps them alive.

    A file ``.py`` is run, under the name ``"__services__"``; who accepts in it
    is told that it is not for it. A file ``.toml``
    has a table ``[[services]]`` for each: ``class = "module:Class"``, and its
    ``args`` and ``kwargs`` if it takes any.

    Raises:
        ConfigurationError: It cannot be read, or what it says cannot be done;
            what the file's own code raises is the cause.
    """
    path = Path(file)
    readers = {".py": _run, ".toml": _read}
    if path.suffix not in readers:
        raise ConfigurationError(
            f"unknown kind of configuration: {path.suffix!r}\ngive a file .py or .toml", file
        )
    with _named("it cannot be read: ", file):
        is_file = path.is_file()  # raises where the system takes no such path
    if not is_file:
        raise ConfigurationError("there is no such file\ngive the path of one", file)
    with configuring(file):
        return readers[path.suffix](path)


@contextlib.contextmanager
def _named(what: str, where: str) -> Iterator[None]:
    """Have what is raised in a block say where, and what could not be done."""
    try:
        yield
    except (Exception, SystemExit) as error:
        if isinstance(error, SystemExit) and (error.code is None or isinstance(error.code, int)):
            raise  # it says nothing: whoever gives a number means this one
        text = f"{what}{type(error).__name__}: {error}"
        raise ConfigurationError(text, where) from _of_the_program(error)


def _of_the_program(error: BaseException) -> BaseException | None:
    """Return *error* without the frames that lead to the program's; None if that has none."""
    traceback = error.__traceback__
    while traceback is not None and _is_reader(traceback.tb_frame):
        traceback = traceback.tb_next
    # One of syntax has the place in itself.
    is_its = traceback is not None or isinstance(error, SyntaxError)
    return error.with_traceback(traceback) if is_its else None


def _is_reader(frame: FrameType) -> bool:
    return frame.f_globals.get("__name__", "").partition(".")[0] in _READERS


def _run(path: Path) -> list[Any]:
    with _named("", str(path)):
        return [runpy.run_path(str(path), run_name="__services__")]


def _read(path: Path) -> list[Any]:
    tables = _parsed(path).get("services")
    if not isinstance(tables, list) or not tables:
        raise ConfigurationError(
            "it names no services\nwrite a table [[services]] for each", str(path)
        )
    return [_made(table, f"{path}, service {n}") for n, table in enumerate(tables, start=1)]


def _parsed(path: Path) -> dict[str, Any]:
    toml = _toml()
    try:
        parsed: dict[str, Any] = toml.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigurationError(f"it is no TOML: {error}", str(path)) from None
    except OSError as error:
        raise ConfigurationError(f"it cannot be read: {error}", str(path)) from None
    return parsed


def _toml() -> Any:
    try:
        return importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    except ImportError:
        raise ConfigurationError(
            "this Python cannot read TOML\ninstall tomli, or give a file .py", "configuration"
        ) from None


def _made(table: Any, where: str) -> Any:
    """Return the service that a table describes."""
    if not isinstance(table, dict) or not table.keys() <= _KEYS or "class" not in table:
        raise ConfigurationError(
            f'not a service: {table!r}\nwrite class = "module:Class", args = [], kwargs = {{}}',
            where,
        )
    args, kwargs = table.get("args", []), table.get("kwargs", {})
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise ConfigurationError(
            f"args is no list or kwargs no table: {args!r}, {kwargs!r}\n"
            "give args = [] and kwargs = {}",
            where,
        )
    made_by = _class(table["class"], where)
    with _named(f"{table['class']} cannot be made: ", where):
        instance = made_by(*args, **kwargs)
    if not hasattr(instance, ATTRIBUTE):
        raise ConfigurationError(
            f"{table['class']} is no service\ndecorate the class with @service(flavour=...)", where
        )
    return instance


def _class(name: Any, where: str) -> Any:
    module, _, attribute = name.partition(":") if isinstance(name, str) else ("", "", "")
    if not module or not attribute:
        raise ConfigurationError(f"no name of a class: {name!r}\nwrite 'module:Class'", where)
    with _named(f"{name!r} cannot be found: ", where):
        return getattr(importlib.import_module(module), attribute)
