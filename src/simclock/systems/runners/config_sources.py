"""Where settings are said: the environment, files, and the program; the first who says it wins."""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simclock.systems.runners.failures import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PREFIX = "PYNENC__"
FILE = "FILEPATH"
TASK = "task"
# A setting as a text, or as what the program or a file says; None: nobody says it.
Said = tuple[str, Any]


class Sources:
    """Everybody who says settings, read once.

    Args:
        values: What the program says: names and values, or tables of sections.
        file: A file ``.toml`` or ``.json`` of the same.

    Raises:
        ConfigError: A file cannot be read.
    """

    def __init__(
        self, values: Mapping[str, Any] | None = None, file: str | Path | None = None
    ) -> None:
        self._environment = {
            name[len(PREFIX) :]: text
            for name, text in os.environ.items()
            if name.startswith(PREFIX) and text.strip()
        }
        self._files = {
            _section_of(name): _read(text)
            for name, text in self._environment.items()
            if name == FILE or name.endswith(f"__{FILE}")
        }
        self._trees: list[tuple[str, Mapping[str, Any]]] = []
        if file is not None:
            self._trees.append(_read(file))
        if _is_told_of_us(project := Path("pyproject.toml")):
            self._trees.append(_read(project))
        self._trees.append(("config_values", _plain_sections(values or {})))

    def check(self, known: Mapping[str, frozenset[str]]) -> None:
        """Raise a `ConfigError` if somebody says what there is not."""
        every = frozenset().union(*known.values())
        for name in self._environment:
            self._check_variable(name, known, every)
        for where, tree in (*self._files.values(), *self._trees):
            for name, value in tree.items():
                if name in known and isinstance(value, dict):
                    _check_names(where, value, every, f"settings of {name}")
                elif name != TASK:
                    _check_names(where, [name], every, "settings")

    def _check_variable(
        self, name: str, known: Mapping[str, frozenset[str]], every: frozenset[str]
    ) -> None:
        section, setting = _section_of(name), name.rpartition("__")[2]
        if setting == FILE or section == TASK or "#" in name:
            return
        if section and section not in known:
            raise ConfigError(
                f"the environment: there is no such section: {PREFIX}{name}\n"
                f"there are: {', '.join(sorted(known))}"
            )
        _check_names("the environment", [setting.lower()], every, "settings")

    def settings(self, sections: tuple[str, ...], defaults: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is said of a section's settings.

        Args:
            sections: Its name, and those of others that stand for it if it says nothing.
            defaults: The names, and what has the types that they are converted to.

        Raises:
            ConfigError: A value is none of that type.
        """
        found = {}
        for name, default in defaults.items():
            for where, value in self._said(sections, name):
                found[name] = converted(f"{where}, {name}", value, default)
                break
        return found

    def _said(self, sections: tuple[str, ...], name: str) -> Iterator[Said]:
        """Yield who says a setting, the most important first."""
        for section in (*sections, ""):
            for variable, text in self._environment.items():
                if (
                    variable.rpartition("__")[2] == name.upper()
                    and _section_of(variable) == section
                ):
                    yield f"{PREFIX}{variable}", text
        files = [self._files[each] for each in (*sections, "") if each in self._files]
        for where, tree in (*files, *self._trees):
            for table in (*(tree.get(each) for each in sections), tree):
                if isinstance(table, dict) and name in table:
                    yield where, table[name]

    def task_options(self, key: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is said of the task with that key, ``"module.function"``.

        The variable is ``PYNENC__TASK__MODULE#FUNCTION__MAX_RETRIES``; in files
        the table is ``task."module.function"``. What is said of all tasks, as
        ``PYNENC__TASK__MAX_RETRIES`` or in the table ``task``, counts for less.

        Raises:
            ConfigError: An option is unknown or of another type.
        """
        found: dict[str, Any] = {}
        for where, table in reversed(list(self._tables_of_task(key))):
            _check_names(where, table, defaults, "options of tasks")
            for name, value in table.items():
                found[name] = converted(f"{where}, {name}", value, defaults[name])
        return found

    def _tables_of_task(self, key: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the options that are said, the most important first."""
        owns = key.upper().rpartition(".")
        for own in (f"{owns[0]}#{owns[2]}__", ""):
            yield "the environment", self._variables_of_tasks(own)
        for where, tree in (*self._files.values(), *self._trees):
            table = tree.get(TASK)
            if isinstance(table, dict):
                yield where, table.get(key, {})
                yield where, {n: each for n, each in table.items() if not isinstance(each, dict)}

    def _variables_of_tasks(self, own: str) -> dict[str, Any]:
        found = {}
        for variable, text in self._environment.items():
            section, _, rest = variable.partition("__")
            if plain(section) == TASK and rest.upper().startswith(own):
                name = rest[len(own) :].lower()
                if "__" not in name and name != FILE.lower():
                    found[name] = text
        return found


def plain(section: str) -> str:
    """Return the name of a section without what does not tell it from others."""
    return section.lower().replace("_", "").removeprefix("config")


def _section_of(variable: str) -> str:
    return plain(variable.rpartition("__")[0])


# ---------------------------------------------------------------------------- values


def converted(where: str, value: Any, default: Any) -> Any:
    """Return *value*, perhaps a text, as a value of the default's type.

    Raises:
        ConfigError: It is none.
    """
    kind = type(default)
    if type(value) is kind:
        return value
    what, convert = _CONVERTERS[kind]
    try:
        return convert(value)
    except (TypeError, ValueError, KeyError, AttributeError):
        raise ConfigError(f"{where} has no meaning: {value!r}\ngive {what}") from None


_BOOLEANS = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}


def _whole(value: Any) -> int:
    if isinstance(value, (bool, float)):
        raise TypeError
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [each.strip() for each in value.split(",")]
    return tuple(_text(each) for each in value if each != "")


_CONVERTERS: dict[type, tuple[str, Callable[[Any], Any]]] = {
    bool: (
        "true, 1, yes or on; or false, 0, no or off",
        # Not `bool`, for which any text is true.
        lambda value: _BOOLEANS[value.strip().lower()],
    ),
    int: ("a whole number", _whole),
    float: ("a number", _number),
    str: ("some text", _text),
    tuple: ("texts, separated by commas", _texts),
}


# ----------------------------------------------------------------------------- files


def _read(file: str | Path) -> tuple[str, dict[str, Any]]:
    """Return a file's name, and what it says."""
    path = Path(file)
    readers: dict[str, Callable[[str], Any]] = {".toml": _toml, ".json": json.loads}
    if path.suffix not in readers:
        raise ConfigError(f"unknown kind of configuration: {path}\ngive a file .toml or .json")
    try:
        data = readers[path.suffix](path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error}\ngive another path") from None
    except ValueError as error:  # also of text that is no UTF-8
        raise ConfigError(f"{path} is no {path.suffix[1:]}: {error}\nmend that place") from None
    if path.name == "pyproject.toml":
        data = data.get("tool", {}).get("pynenc", {})
    if not isinstance(data, dict):
        raise ConfigError(f"{path} has no table: {data!r}\nwrite names with values")
    return str(path), _plain_sections(data)


def _is_told_of_us(project: Path) -> bool:
    """Return whether a file may have settings of ours: what else is in it is not our business."""
    try:
        return b"pynenc" in project.read_bytes()
    except OSError:
        return False


def _toml(text: str) -> Any:
    try:
        toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    except ImportError:
        raise ConfigError(
            "this Python reads no TOML\ninstall tomli, or use Python 3.11 or newer"
        ) from None
    return toml.loads(text)


def _plain_sections(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {plain(n) if isinstance(each, dict) else n: each for n, each in tree.items()}


def _check_names(where: str, given: Any, known: Any, what: str) -> None:
    if unknown := sorted(set(given) - set(known)):
        raise ConfigError(
            f"{where}: there are no such {what}: {', '.join(unknown)}\n"
            f"there are: {', '.join(sorted(known))}"
        )
